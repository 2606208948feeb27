"""Controls that Gradio has none of: what stands beside or in place of its box, as HTML that the page's script brings to
life. The value stays in Gradio's box, which hears of a new one as if it were typed.
"""

from __future__ import annotations

import html
from dataclasses import dataclass

from captioner.settings import Field


@dataclass(frozen=True, slots=True)
class OwnControl:
    """html: of the control. script: what runs when its tab is first shown."""

    html: str
    script: str


def own_control(declared: Field) -> OwnControl | None:
    """What a field needs beside Gradio's box: a list of kept files, a list of words to pick, words to insert."""
    if declared.keeper:
        return OwnControl(_kept_file(declared), _script("keptFile"))
    if declared.picks:
        return OwnControl(_picks(declared), _script("picks"))
    if declared.insertable:
        return OwnControl(_insertable(declared), _script("insertable"))
    return None


def _script(function: str) -> str:
    return (
        "(async () => { while (!window.captioner) await new Promise((next) => setTimeout(next, 10));"
        f" (await window.captioner).{function}(element); }})();"
    )


def _kept_file(declared: Field) -> str:
    """A `settings.kept_file`'s box; kept_files.js brings it to life."""
    title = html.escape(declared.title)
    return (
        f'<div class="cw-kept" data-field="{html.escape(declared.name)}">'
        f'<label class="cw-stack"><span class="cw-kept-title">{title}</span>'
        f'<span class="info-text">{html.escape(declared.plain_help)}</span>'
        '<select><option value="">None</option></select></label><div class="cw-row">'
        '<button type="button" class="cw-button cw-small" data-do="add">Add a file…</button>'
        '<button type="button" class="cw-button cw-small" data-do="remove" disabled '
        'title="Off this browser\'s list; the file stays where the app keeps it">Take off the list</button>'
        '<button type="button" class="cw-button cw-small" data-do="delete" disabled '
        'title="Into the bin, from which it can be restored">Delete…</button></div>'
        '<div class="cw-kept-bin"></div>'
        '<p role="alert" class="cw-kept-message" hidden></p>'
        f'<input type="file" class="cw-offscreen" tabindex="-1" aria-label="{title}"></div>'
    )


def _picks(declared: Field) -> str:
    lines = "".join(
        f'<label><input type="checkbox" value="{html.escape(word)}"><span>{html.escape(means)}</span></label>'
        for word, means in declared.picks
    )
    return (
        f'<details class="cw-picks" data-field="{html.escape(declared.name)}"><summary>'
        f'<span class="cw-kept-title">{html.escape(declared.title)}</span>'
        f'<span class="cw-picks-chosen cw-quiet">none</span></summary>'
        f'<p class="info-text">{html.escape(declared.plain_help)}</p><div class="cw-picks-list" role="group" '
        f'aria-label="{html.escape(declared.title)}">{lines}</div></details>'
    )


def _insertable(declared: Field) -> str:
    chips = "".join(
        f'<button type="button" class="cw-insert" title="{html.escape(means)}" data-word="{html.escape(word)}">'
        f"{html.escape(word)}</button>"
        for word, means in declared.insertable
    )
    return (
        f'<div class="cw-inserts" data-into="{html.escape(declared.name)}" role="group" '
        f'aria-label="Put into the {html.escape(declared.title.lower())}"><span class="cw-quiet">Insert</span>'
        f"{chips}</div>"
    )
