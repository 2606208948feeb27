"""The tab of the recipe: how a sentence and tags become one text. Nothing here runs a model."""

from __future__ import annotations

import gradio as gr

from captioner.captions.groups import SettingGroup
from captioner.settings import Settings
from captioner.ui.controls import Controls

_SHOWN = (
    *("prefix", "suffix", "ignore", "replace", "replace_text", "class_name", "subject_name"),
    *("existing", "max_tags", "max_tokens"),
)


def lay_out(controls: Controls, group: SettingGroup, *, defaults: Settings) -> None:
    """Adds the tab's controls."""
    with gr.Tab("Text", elem_id="tab-recipe"):
        names = [declared.name for declared in group.fields()]
        controls.fields(group, defaults, [name for name in names if name in _SHOWN])
        with gr.Accordion("More", open=False, elem_id="more-recipe"):
            controls.fields(group, defaults, [name for name in names if name not in _SHOWN])
