"""The tab of the tags: a card for each family of taggers, with its switch, its model and its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import gradio as gr

from captioner.captions.groups import SettingGroup
from captioner.settings import Settings
from captioner.ui.controls import Controls, Offered


def lay_out(
    controls: Controls,
    groups: Sequence[SettingGroup],
    offered: Mapping[str, Offered],
    *,
    defaults: Mapping[str, Settings],
) -> None:
    """Adds the tab's controls. Every tagger is off until it is switched on.

    Args: offered: by key. defaults: by family.
    """
    with gr.Tab("Tags", elem_id="tab-tags"):
        for group in groups:
            with gr.Column(elem_id=f"card-{group.key}", elem_classes="cw-card", min_width=0):
                controls.switch(group.key, group.title, about=group.about, is_on=False)
                with gr.Column(elem_id=f"body-{group.key}", min_width=0):
                    controls.model(group.key, offered[group.key])
                    controls.settings(group, defaults[group.family])
