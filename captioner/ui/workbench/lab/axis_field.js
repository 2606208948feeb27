// One axis of the form: which setting, and its values, as chips with a box for more, or as a list to choose from.

import { html } from '../core/html.js';
import { allowed, isChosen } from './values.js';

const SIDES = ['Along the top', 'Down the side', 'And again for each'];

function settingChoices(axes, name, taken) {
  const groups = Map.groupBy(
    axes.filter((axis) => axis.name === name || !taken.includes(axis.name)),
    ({ group }) => group,
  );
  return [...groups].map(
    ([group, some]) =>
      html`<optgroup label="${group}">${some.map(
        (axis) => html`<option value="${axis.name}" ${axis.name === name ? html`selected` : ''}>${axis.title}</option>`,
      )}</optgroup>`,
  );
}

function checks({ choices }, { values }, place) {
  return choices.map(
    ([title, value]) =>
      html`<label class="cw-check"><input type="checkbox" data-axis="${place}" name="axis-${place}-${value}" value="${value}" ${
        values.includes(String(value)) ? html`checked` : ''
      }> ${title}</label>`,
  );
}

function chips(about, { values, left }, place) {
  const shown = values.map(
    (value) => html`<button type="button" class="cw-axis-value" data-do="out" data-axis="${place}" data-value="${value}"
      aria-label="${value}; take it out" title="Take it out">${value} <span aria-hidden="true">×</span></button>`,
  );
  return html`${shown}<input type="text" class="cw-axis-new" data-axis="${place}" name="axis-${place}-new" value="${left ?? ''}" maxlength="400"
    autocomplete="off" placeholder="Add values" aria-label="Add values of ${about.title}, with commas between them" aria-describedby="cw-axis-${place}-about">`;
}

/** @param {object[]} axes all there are  @param {object} axis {name, values, wrong, left}  @param {string[]} taken names */
export function axisMarkup(axes, axis, place, taken) {
  const about = axes.find(({ name }) => name === axis.name);
  const isListed = isChosen(about);
  const isSuggested = String(axis.values) === String(about.suggested);
  return html`<fieldset class="cw-axis"><legend>${SIDES[place]}</legend>
    <div class="cw-axis-head">
      <select data-axis="${place}" name="axis-${place}" aria-label="${SIDES[place]}: setting">${settingChoices(axes, axis.name, taken)}</select>
      <button type="button" class="cw-close" data-do="drop" data-axis="${place}" aria-label="Leave out ${about.title}" title="Leave it out">×</button>
    </div>
    <div class="cw-axis-values">${isListed ? checks(about, axis, place) : chips(about, axis, place)}</div>
    <div class="cw-axis-about"><p id="cw-axis-${place}-about">${
      axis.wrong
        ? html`<span class="cw-compare-wrong" role="alert">${axis.wrong}</span>`
        : html`<span class="cw-quiet">${isListed ? '' : allowed(about)}</span>`
    }</p>${isSuggested || !about.suggested.length ? '' : html`<button type="button" class="cw-button cw-small" data-do="suggest" data-axis="${place}">Suggested values</button>`}</div></fieldset>`;
}
