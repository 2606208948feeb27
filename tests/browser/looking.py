"""What may be wrong with a page to the eye, whatever it shows: faint text, an id that stands twice, mangled words."""

from __future__ import annotations

import re
from typing import Any

from captioner.models.questions import VARIABLES

FAINT = """() => {
    const parse = (text) => {
        const found = text.match(/[\\d.]+/g).map(Number);
        const scale = text.startsWith('color(') ? 255 : 1;
        return [...found.slice(0, 3).map((part) => part * scale), found[3] ?? 1];
    };
    const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
    const light = (colour) => {
        const [r, g, b] = colour.map((part) => {
            const share = part / 255;
            return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element) => {
        const layers = [];
        for (let at = element; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
        return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
    };
    const opacity = (element) => {
        let share = 1;
        for (let at = element; at; at = at.parentElement) share *= getComputedStyle(at).opacity;
        return share;
    };
    const faint = new Set();
    const measure = (element, style, text) => {
        const below = ground(element);
        const [r, g, b, a] = parse(style.color);
        const [one, other] = [light(over([r, g, b, a * opacity(element)], below)), light(below)];
        const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (ratio < 4.5) faint.add(`${text.trim().slice(0, 40)} ${ratio.toFixed(2)}`);
    };
    for (const element of document.querySelectorAll('#cw-page *')) {
        if (!element.checkVisibility({ visibilityProperty: true })) continue;
        if (element.closest(':disabled, [aria-hidden=true]')) continue;
        const own = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data).join(' ');
        if (own.trim()) measure(element, getComputedStyle(element), own);
        if (element.matches('input, textarea') && element.placeholder && !element.value)
            measure(element, getComputedStyle(element, '::placeholder'), element.placeholder);
    }
    return [...faint];
}"""

TWICE = """() => {
    const ids = [...document.querySelectorAll('[id]')].map((element) => element.id).filter(Boolean);
    return ids.filter((id, index) => ids.indexOf(id) !== index);
}"""

# All that is written on the page and in its dialogs for a person: texts, and what is shown or read out beside them.
# What captions and files say is theirs, and what stands as code is meant to look so.
WORDS = """() => {
    const theirs = 'script, style, code, .cw-cell, .cw-chip, .cw-found, .cw-change, .cw-notice li,' +
        ' .cw-compare-text, .cw-compare-caption, .cw-suggestion-text, .cw-others, #cw-theirs, #cw-beyond, #cw-error,' +
        ' datalist';
    const found = new Set();
    for (const element of document.querySelectorAll('#cw-page, #cw-page *')) {
        if (element.closest(theirs)) continue;
        for (const node of element.childNodes) if (node.nodeType === 3) found.add(node.data.trim());
        for (const name of ['title', 'aria-label', 'placeholder']) found.add(element.getAttribute(name)?.trim() ?? '');
    }
    return [...found].filter(Boolean);
}"""
# A backslash before a number is what a person types for a group of a pattern.
MANGLED = re.compile(r"""\\(?!\d)|&\w+;|&\#|</?\w|`|\*\*|__|\bundefined\b|\bNaN\b|\[object |\{\w*\}""")


def faint(page: Any) -> list[str]:
    """Texts that stand out by less than 4.5 to 1."""
    return [f"faint: {text}" for text in page.evaluate(FAINT)]


def twice(page: Any) -> list[str]:
    return [f"twice: {found}" for found in page.evaluate(TWICE)]


_VARIABLE = re.compile("|".join(map(re.escape, VARIABLES)))  # a prompt's, which are shown as they are typed


def mangled(page: Any) -> list[str]:
    """Words that show how they were written: a backslash, an entity, markup, a value that was not there."""
    return [f"mangled: {text}" for text in page.evaluate(WORDS) if MANGLED.search(_VARIABLE.sub("", text))]
