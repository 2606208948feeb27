"""The tab of the captioner: which model, a preset, and how a sentence is searched for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from captioner.captions.plan import SettingGroup
from captioner.settings import Settings
from captioner.ui.controls import Controls

CUSTOM = "custom"
_ADVANCED = ("length_penalty", "no_repeat_ngram_size", "temperature", "prompt", "seed")


def lay_out(
    controls: Controls,
    group: SettingGroup,
    choices: Sequence[tuple[str, str]],
    *,
    model: str,
    defaults: Settings,
    presets: Mapping[str, Settings],
) -> Any:
    """Adds the tab's controls and returns the box of presets."""
    with gr.Tab("Captioner", elem_id="tab-captioner"):
        controls.model(group, choices, value=model, is_on=True)
        current = next((name for name, preset in presets.items() if preset == defaults), CUSTOM)
        preset = gr.Dropdown(
            choices=[(name.replace("-", " ").capitalize().replace("Blip", "BLIP"), name) for name in presets]
            + [("Custom", CUSTOM)],
            value=current,
            label="Preset",
            elem_id="preset",
            interactive=True,
            visible=True if presets else "hidden",
        )
        names = [declared.name for declared in group.settings.fields()]
        controls.fields(group, defaults, [name for name in names if name not in _ADVANCED])
        with gr.Accordion("More", open=False, elem_id="more-captioner"):
            controls.fields(group, defaults, [name for name in names if name in _ADVANCED])
    return preset
