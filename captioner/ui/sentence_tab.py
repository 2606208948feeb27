"""The tab of the sentence: which model writes it, how long it shall be, a preset; how it is searched for under More.

Each family of captioners has controls of its own; the script shows those of the chosen model's family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext

import gradio as gr

from captioner.captions.groups import CAPTIONER, SettingGroup
from captioner.settings import Settings
from captioner.ui.controls import Controls, Offered


def lay_out(
    controls: Controls, groups: Sequence[SettingGroup], offered: Offered, *, defaults: Mapping[str, Settings]
) -> None:
    """Adds the tab's controls.

    Args: groups: the captioners' families, the first one's model chosen at first. defaults: by family.
    """
    with gr.Tab("Sentence", elem_id="tab-sentence"):
        controls.kind()
        is_alone = len(groups) == 1
        controls.switch(CAPTIONER, groups[0].title if is_alone else "a captioner", about=groups[0].about, is_on=True)
        with gr.Column(elem_id=f"body-{CAPTIONER}", min_width=0):
            controls.model(CAPTIONER, offered)
            for group in groups:
                with nullcontext() if is_alone else gr.Column(elem_id=f"family-{group.family}", min_width=0):
                    controls.settings(group, defaults[group.family])
            gr.HTML(
                '<button type="button" class="cw-button cw-suggest-open" '
                'title="Tries settings around yours on some pictures; nothing is applied">Find settings…</button>',
                js_on_load=None,
                apply_default_css=False,
                padding=False,
            )
