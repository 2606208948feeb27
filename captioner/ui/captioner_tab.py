"""The tab of the captioner: which model, a preset, and how a sentence is searched for.

Each family of captioners has controls of its own; the script shows those of the chosen model's family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import gradio as gr

from captioner.captions.groups import CAPTIONER, SettingGroup
from captioner.settings import Settings
from captioner.ui.controls import Controls

CUSTOM = "custom"
_ADVANCED = ("length_penalty", "no_repeat_ngram_size", "temperature", "prompt", "seed")


def lay_out(
    controls: Controls,
    groups: Sequence[SettingGroup],
    choices: Sequence[tuple[str, str]],
    *,
    model: str,
    defaults: Mapping[str, Settings],
    other_names: str = "",
) -> list[Any]:
    """Adds the tab's controls and returns the boxes of presets, one a family that has some.

    Args: groups: the captioners' families, the first one's model chosen at first. defaults: by family.
        other_names: which model names may be typed beside the choices, in words; "" for none.
    """
    boxes = []
    with gr.Tab("Captioner", elem_id="tab-captioner"):
        title = groups[0].title if len(groups) == 1 else "a captioner"
        controls.model(CAPTIONER, title, choices, value=model, is_on=True, other=other_names)
        for place, group in enumerate(groups):
            is_alone = len(groups) == 1
            suffix = f"-{group.family}" if place else ""
            with nullcontext() if is_alone else gr.Column(elem_id=f"family-{group.family}", min_width=0):
                box = _preset_box(controls, group, defaults[group.family], suffix=suffix)
                boxes += [box] if box is not None else []
                names = [declared.name for declared in group.fields()]
                advanced = [group.prefix + name for name in _ADVANCED if group.prefix + name in names]
                controls.fields(group, defaults[group.family], [name for name in names if name not in advanced])
                if advanced:
                    with gr.Accordion("More", open=False, elem_id=f"more-captioner{suffix}"):
                        controls.fields(group, defaults[group.family], advanced)
    return boxes


def _preset_box(controls: Controls, group: SettingGroup, defaults: Settings, *, suffix: str) -> Any:
    presets = controls.presets(group)
    if not presets:
        return None
    values = group.to_flat(defaults.to_mapping())
    return gr.Dropdown(
        choices=[(name.replace("-", " ").capitalize().replace("Blip", "BLIP"), name) for name in presets]
        + [("Custom", CUSTOM)],
        value=next((name for name, preset in presets.items() if preset == values), CUSTOM),
        label="Preset",
        elem_id=f"preset{suffix}",
        interactive=True,
    )
