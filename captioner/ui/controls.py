"""Settings classes become Gradio controls; `choices` makes plans of their values.

A control is known by its field's name everywhere: the script in the browser collects all values into one mapping
{name: value} and sends that; nothing depends on the order of forty arguments. A model has two controls of its own,
`<key>` for its name and `<key>_on` for its switch, which together are the flat mapping's `<key>` ("" for off).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from captioner.captions.groups import SettingGroup
from captioner.records import KIND, MAIN
from captioner.service.choices import SWITCH
from captioner.settings import Condition, Field, Settings
from captioner.ui.own_controls import own_control

_SLIDER_LIMIT = 100_000  # a whole number with a wider range (a seed) is typed, not slid
_RADIO_LIMIT = 5
CUSTOM = "custom"
"""What the box of presets shows where the fields are as in none."""
_KIND_HTML = (
    '<div class="cw-kinds" title="A set may hold several captions a picture"><label for="cw-kind">Kind</label>'
    '<select id="cw-kind"><option value="">main</option></select>'
    '<button type="button" class="cw-button cw-small" id="cw-kind-add" title="One more caption for each picture, by a '
    'captioner and settings of its own">Add…</button>'
    '<button type="button" class="cw-button cw-small" id="cw-kind-remove" hidden>Remove</button></div>'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """Models to choose from. choices: (what is shown, name). other_names: what may be typed, in words; "" for none."""

    choices: Sequence[tuple[str, str]]
    chosen: str
    other_names: str = ""


@dataclass(frozen=True, slots=True)
class Combination:
    """A box that sets several fields at once. table: name -> flat values. other: shown where none of them is so."""

    box: Any
    table: Mapping[str, Mapping[str, Any]]
    other: str | None


class Controls:
    """The controls of one page by name, gathered while its tabs are laid out."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}
        self.combinations: list[Combination] = []
        self._only_when: dict[str, Condition | tuple[str, str]] = {}
        self._keys: list[str] = []
        self._recipe: dict[str, Any] = {}
        self._families: dict[str, str] = {}

    def field(self, declared: Field, *, value: Any = None, **looks: Any) -> Any:
        """The control of one settings field: slider, number, checkbox, radio, dropdown or text box."""
        component = _component(declared, declared.default if value is None else value, looks)
        if (own := own_control(declared)) is not None:
            gr.HTML(own.html, js_on_load=own.script, apply_default_css=False, padding=False)
        self._keep(declared.name, component)
        if (needed := declared.only_when or declared.only_with) is not None:
            self._only_when[declared.name] = needed
        return component

    def settings(self, group: SettingGroup, defaults: Settings) -> None:
        """The controls of a group's settings: its words and presets first, then its first fields, the rest under More.

        The accordion's id is more-<family>, or more-<key> where there is none.
        """
        values = group.to_flat(defaults.to_mapping())
        declared = {field.name: field for field in group.fields()}
        if not group.family:
            self._recipe = dict(values)
        self._combinations_of(group, values)
        shown = [group.prefix + name for name in group.settings.first_fields]
        for name in shown:
            self.field(declared[name], value=values[name])
        rest = [field for name, field in declared.items() if name not in shown]
        if rest:
            with gr.Accordion("More", open=False, elem_id=f"more-{group.family or group.key}"):
                for field in rest:
                    self.field(field, value=values[field.name])

    def switch(self, key: str, title: str, *, about: str = "", is_on: bool) -> None:
        """A model's switch. Args: key: as `SettingGroup.key`. about: what the model says of a picture; "" for nothing.

        What depends on it stands in a column of the id body-<key>.
        """
        self._keys.append(key)
        box = gr.Checkbox(
            value=is_on,
            label=f"Use {title}",
            info=about or None,
            elem_id=f"setting-{key}{SWITCH}",
            elem_classes="cw-switch",
            interactive=True,
        )
        self._keep(key + SWITCH, box)

    def kind(self) -> None:
        """Which kind of caption is in front; kinds.js fills the box, and changes kinds."""
        self._keep(KIND, gr.Textbox(value=MAIN, visible="hidden", elem_id=f"setting-{KIND}"))
        gr.HTML(_KIND_HTML, js_on_load=None, apply_default_css=False, padding=False)

    def model(self, key: str, offered: Offered) -> None:
        """The box of a model's name, hidden while there is nothing to choose."""
        box = gr.Dropdown(
            choices=list(offered.choices),
            value=offered.chosen,
            label="Model",
            info=f"Choose, or type {offered.other_names}." if offered.other_names else None,
            elem_id=f"setting-{key}",
            interactive=True,
            allow_custom_value=bool(offered.other_names),
            visible=True if len(offered.choices) > 1 or offered.other_names else "hidden",
        )
        self._keep(key, box)
        gr.HTML(f'<div id="offer-{key}" class="cw-offer" hidden></div>', apply_default_css=False, padding=False)

    @property
    def names(self) -> list[str]:
        """Names in the order of `components`."""
        return list(self.components)

    def families(self, families: Mapping[str, str]) -> None:
        """Which family each captioner's name belongs to; with more than one the script shows the chosen one's.

        Args: families: under "" that of names which are not listed.
        """
        self._families = dict(families) if len(set(families.values())) > 1 else {}

    def described(self) -> dict[str, Any]:
        """What the script must know: on what fields depend, each captioner's family, the model keys, and the recipe's
        defaults, which are the text as it is when nothing of it is set."""
        return {
            "only_when": self._only_when,
            "families": self._families,
            "keys": self._keys,
            "recipe": self._recipe,
        }

    def collect_js(self) -> str:
        """A script function that hands all values by name to the workbench; it answers with each combination's name."""
        tables = [combination.table for combination in self.combinations]
        others = [combination.other for combination in self.combinations]
        return (
            f"async (...values) => {{ const names = {json.dumps(self.names)};"
            " const named = Object.fromEntries(names.map((name, index) => [name, values[index]]));"
            " if (window.captioner) (await window.captioner).settingsChanged(named);"
            f" const others = {json.dumps(others)};"
            f" const found = {json.dumps(tables)}.map((table, index) => Object.keys(table).find((name) =>"
            " Object.entries(table[name]).every(([field, value]) => named[field] === value)) ?? others[index]);"
            " return found.length === 1 ? found[0] : found; }"
        )

    def combination_js(self, combination: Combination) -> str:
        """A script function from a chosen name and all values to all values, the combination's fields replaced."""
        return (
            f"(chosen, ...values) => {{ const names = {json.dumps(self.names)};"
            f" const chosenValues = ({json.dumps(combination.table)})[chosen] || {{}};"
            " return names.map((name, index) => name in chosenValues ? chosenValues[name] : values[index]); }"
        )

    def brought_js(self, function: str) -> str:
        """A script function from all values to those that a function of the workbench gives; the others stay, with what
        is typed until the answer comes."""
        return (
            f"async (...values) => {{ const names = {json.dumps(self.names)};"
            " const named = Object.fromEntries(names.map((name, index) => [name, values[index]]));"
            f" const brought = window.captioner ? await (await window.captioner).{function}(named) : {{}};"
            " return names.map((name) => name in brought ? brought[name] : { __type__: 'update' }); }"
        )

    def replacing_js(self, values: Mapping[str, Any]) -> str:
        """A script function from all values to all values, these replaced."""
        return (
            f"(...values) => {{ const names = {json.dumps(self.names)}; const replaced = {json.dumps(values)};"
            " return names.map((name, index) => name in replaced ? replaced[name] : values[index]); }"
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

    def _combinations_of(self, group: SettingGroup, values: Mapping[str, Any]) -> None:
        levels = group.settings.levels()
        if levels is not None:
            table = {word: group.to_flat(fields) for word, fields in levels.values.items()}
            box: Any = gr.Radio(
                choices=[(word.capitalize(), word) for word in table],
                value=_named_in(table, values),
                label=levels.title,
                info=levels.help,
                elem_id=f"level-{group.family}",
                interactive=True,
            )
            self.combinations.append(Combination(box, table, None))
        presets = group.settings.preset_values()
        if presets:
            table = {name: group.to_flat(fields) for name, fields in presets.items()}
            box = gr.Dropdown(
                choices=[(group.settings.preset_title(name), name) for name in table] + [("Custom", CUSTOM)],
                value=_named_in(table, values) or CUSTOM,
                label="Preset",
                elem_id=f"preset-{group.family}",
                interactive=True,
            )
            self.combinations.append(Combination(box, table, CUSTOM))

    def _keep(self, name: str, component: Any) -> None:
        if name in self.components:
            raise ValueError(f"two controls are called {name}; field names are unique across settings classes")
        self.components[name] = component


def _named_in(table: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any]) -> str | None:
    """The first combination whose fields all have these values."""
    return next((name for name, fields in table.items() if fields.items() <= values.items()), None)


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
        choices = [(option.replace("_", " ").capitalize(), option) for option in declared.options]
        kind: Any = gr.Radio if len(choices) <= _RADIO_LIMIT else gr.Dropdown
        return kind(choices=choices, value=value, **common)
    if declared.keeper or declared.picks:  # chosen in a box of our own (`own_controls`), which writes here
        return gr.Textbox(value=value, max_length=declared.max_length, **{**common, "visible": "hidden"})
    if declared.kind is str:
        most = 4 if declared.lines == 1 else 18  # it grows with its text, then scrolls
        return gr.Textbox(value=value, max_length=declared.max_length, lines=declared.lines, max_lines=most, **common)
    assert declared.minimum is not None and declared.maximum is not None
    if declared.maximum - declared.minimum > _SLIDER_LIMIT:
        return gr.Number(value=value, minimum=declared.minimum, maximum=declared.maximum, precision=0, **common)
    return gr.Slider(declared.minimum, declared.maximum, value=value, step=declared.step, buttons=["reset"], **common)
