"""Settings classes become Gradio controls; `choices` makes plans of their values.

A control is known by its field's name everywhere: the script in the browser collects all values into one mapping
{name: value} and sends that; nothing depends on the order of forty arguments. A model has two controls of its own,
`<key>` for its name and `<key>_on` for its switch, which together are the flat mapping's `<key>` ("" for off).
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from captioner.captions.groups import SettingGroup
from captioner.service.choices import SWITCH
from captioner.settings import Condition, Field, Settings

_SLIDER_LIMIT = 100_000  # a whole number with a wider range (a seed) is typed, not slid
_RADIO_LIMIT = 5
_KEPT_FILE_JS = (
    "(async () => { while (!window.captioner) await new Promise((next) => setTimeout(next, 10));"
    " (await window.captioner).keptFile(element); })();"
)


class Controls:
    """The controls of one page by name, gathered while its tabs are laid out."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}
        self._only_when: dict[str, Condition] = {}
        self._keys: list[str] = []
        self._presets: dict[str, dict[str, dict[str, Any]]] = {}  # by family: name -> flat values
        self._families: dict[str, str] = {}

    def field(self, declared: Field, *, value: Any = None, **looks: Any) -> Any:
        """The control of one settings field: slider, number, checkbox, radio, dropdown or text box."""
        component = _component(declared, declared.default if value is None else value, looks)
        if declared.keeper:
            gr.HTML(_kept_file_html(declared), js_on_load=_KEPT_FILE_JS, apply_default_css=False, padding=False)
        self._keep(declared.name, component)
        if declared.only_when is not None:
            self._only_when[declared.name] = declared.only_when
        return component

    def fields(self, group: SettingGroup, defaults: Settings, names: Sequence[str] | None = None) -> None:
        """The controls of a group's fields, all or the named ones, in declared order."""
        values = group.to_flat(defaults.to_mapping())
        for declared in group.fields():
            if names is None or declared.name in names:
                self.field(declared, value=values[declared.name])

    def model(
        self, key: str, title: str, choices: Sequence[tuple[str, str]], *, value: str, is_on: bool, other: str = ""
    ) -> None:
        """A model's switch and its name; the name's box is hidden while there is nothing to choose.

        Args: key: as `SettingGroup.key`. other: which names may be typed beside the choices, in words; "" for none.
        """
        self._keys.append(key)
        switch = gr.Checkbox(
            value=is_on,
            label=f"Use {title}",
            elem_id=f"setting-{key}{SWITCH}",
            elem_classes="cw-switch",
            interactive=True,
        )
        self._keep(key + SWITCH, switch)
        box = gr.Dropdown(
            choices=list(choices),
            value=value,
            label="Model",
            info=f"Choose, or type {other}." if other else None,
            elem_id=f"setting-{key}",
            interactive=True,
            allow_custom_value=bool(other),
            visible=True if len(choices) > 1 or other else "hidden",
        )
        self._keep(key, box)

    @property
    def names(self) -> list[str]:
        """Names in the order of `components`."""
        return list(self.components)

    def presets(self, group: SettingGroup) -> dict[str, dict[str, Any]]:
        """A captioner family's presets as flat values by name, remembered for the scripts."""
        found = {name: group.to_flat(preset.to_mapping()) for name, preset in group.settings.presets().items()}
        if found:
            self._presets[group.family] = found
        return found

    def families(self, families: Mapping[str, str]) -> None:
        """Which family each captioner's name belongs to; with more than one the script shows the chosen one's."""
        self._families = dict(families) if len(set(families.values())) > 1 else {}

    def described(self) -> dict[str, Any]:
        """What the script must know: which field depends on which other one's value, and each captioner's family."""
        return {
            "only_when": self._only_when,
            "families": self._families,
        }

    def collect_js(self) -> str:
        """A script function that hands all values by name to the workbench; it answers with each box's preset name."""
        return (
            f"async (...values) => {{ const names = {json.dumps(self.names)};"
            " const named = Object.fromEntries(names.map((name, index) => [name, values[index]]));"
            " if (window.captioner) (await window.captioner).settingsChanged(named);"
            f" const tables = {json.dumps(list(self._presets.values()))};"
            " const found = tables.map((table) => Object.keys(table).find((name) =>"
            " Object.entries(table[name]).every(([field, value]) => named[field] === value)) ?? 'custom');"
            " return found.length === 1 ? found[0] : found; }"
        )

    def preset_js(self) -> str:
        """A script function from a preset's name and all values to all values, the preset's fields replaced."""
        table = {name: values for presets in self._presets.values() for name, values in presets.items()}
        return (
            f"(chosen, ...values) => {{ const names = {json.dumps(self.names)};"
            f" const preset = ({json.dumps(table)})[chosen] || {{}};"
            " return names.map((name, index) => name in preset ? preset[name] : values[index]); }"
        )

    def updates(self, flat: Mapping[str, Any]) -> list[Any]:
        """Values for all components from a flat mapping (`Plan.to_flat`); what it does not name stays as it is."""
        answers: list[Any] = []
        for name in self.names:
            if name in self._keys:
                answers.append(flat[name] if flat.get(name) else gr.skip())
            elif name.endswith(SWITCH) and name.removesuffix(SWITCH) in self._keys:
                key = name.removesuffix(SWITCH)
                answers.append(bool(flat[key]) if key in flat else gr.skip())
            else:
                answers.append(flat[name] if name in flat else gr.skip())
        return answers

    def _keep(self, name: str, component: Any) -> None:
        if name in self.components:
            raise ValueError(f"two controls are called {name}; field names are unique across settings classes")
        self.components[name] = component


def _kept_file_html(declared: Field) -> str:
    """A `settings.kept_file`'s box; kept_files.js brings it to life."""
    title = html.escape(declared.title)
    return (
        f'<div class="cw-kept" data-field="{html.escape(declared.name)}">'
        f'<label class="cw-stack"><span class="cw-kept-title">{title}</span>'
        f'<span class="info-text">{html.escape(declared.plain_help)}</span><select><option value="">None</option></select>'
        '</label><div class="cw-row">'
        '<button type="button" class="cw-button cw-small" data-do="add">Add a file…</button>'
        '<button type="button" class="cw-button cw-small" data-do="remove" disabled '
        'title="Off this browser\'s list; the file stays where the app keeps it">Take off the list</button></div>'
        '<p role="alert" class="cw-kept-message" hidden></p>'
        f'<input type="file" class="cw-offscreen" tabindex="-1" aria-label="{title}"></div>'
    )


def _component(declared: Field, value: Any, looks: Mapping[str, Any]) -> Any:
    common: dict[str, Any] = {
        "label": declared.title + (f" ({declared.unit})" if declared.unit else ""),
        "info": declared.help,
        "interactive": True,
        "elem_id": f"setting-{declared.name}",
        **looks,
    }
    if declared.kind is bool:
        return gr.Checkbox(value=value, **common)
    if declared.options:
        choices = [(option.capitalize(), option) for option in declared.options]
        kind: Any = gr.Radio if len(choices) <= _RADIO_LIMIT else gr.Dropdown
        return kind(choices=choices, value=value, **common)
    if declared.keeper:  # chosen in a box of our own (`_kept_file_html`), which writes here
        return gr.Textbox(value=value, max_length=declared.max_length, **{**common, "visible": "hidden"})
    if declared.kind is str:
        return gr.Textbox(value=value, max_length=declared.max_length, lines=1, max_lines=4, **common)
    assert declared.minimum is not None and declared.maximum is not None
    if declared.maximum - declared.minimum > _SLIDER_LIMIT:
        return gr.Number(value=value, minimum=declared.minimum, maximum=declared.maximum, precision=0, **common)
    return gr.Slider(declared.minimum, declared.maximum, value=value, step=declared.step, buttons=["reset"], **common)
