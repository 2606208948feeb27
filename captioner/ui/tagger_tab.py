"""The tab of one tagger family: its switch, its model and its settings. Every registered family gets one."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from captioner.captions.groups import SettingGroup
from captioner.settings import Settings
from captioner.ui.controls import Controls


def lay_out(
    controls: Controls,
    group: SettingGroup,
    choices: Sequence[tuple[str, str]],
    *,
    model: str,
    defaults: Settings,
    other_names: str = "",
) -> None:
    """Adds the tab's controls. The tagger is off until it is switched on.

    Args: other_names: which model names may be typed beside the choices, in words; "" for none.
    """
    with gr.Tab(group.title, elem_id=f"tab-{group.key}"):
        controls.model(group.key, group.title, choices, value=model, is_on=False, other=other_names)
        controls.fields(group, defaults)
