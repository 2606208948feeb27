"""The tab of the text: how a sentence and tags become one text. Nothing here runs a model."""

from __future__ import annotations

import gradio as gr

from captioner.captions.groups import SettingGroup
from captioner.settings import Settings
from captioner.ui.controls import Controls


def lay_out(controls: Controls, group: SettingGroup, *, defaults: Settings) -> None:
    """Adds the tab's controls."""
    with gr.Tab("Text", elem_id="tab-text"):
        controls.settings(group, defaults)
