"""The reviewer's mark: given and taken by a person, and lost where a model's new words take the reviewed ones' place.

A person's own doing keeps it: edits, bulk changes, settings of the text, undo. Captioning again loses it, unless the
caption reads as before (an edit or a kept caption stays, or the model says the same). Runs no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from captioner.captions.plan import Plan
from captioner.captions.review import Reading
from captioner.plural import plural
from captioner.records import Layer
from captioner.service.rows import Rows
from captioner.workspace import Workspace
from captioner.workspace.records import View


class Reviews:
    """Answers for all sets."""

    def __init__(self, workspace: Workspace, rows: Rows) -> None:
        self._workspace = workspace
        self._rows = rows

    def mark(self, set_id: str, picture_ids: Sequence[str], *, is_reviewed: bool) -> dict[str, Any]:
        """Mark pictures as reviewed, or no longer so, as one step that undo takes back.

        Returns: {"rows": those of the pictures}. Raises: UnknownSet, UnknownPicture: then none is marked.
        """
        wanted = set(picture_ids)
        count = len(wanted)
        label = "Reviewed" if is_reviewed else "Not reviewed"
        if count != 1:
            label = f"{label}: {plural(count, 'picture')}"
        self._workspace.reviews.mark(set_id, picture_ids, is_reviewed=is_reviewed, label=label)
        if count == 1:
            return {"rows": [self._rows.of_picture(set_id, picture_ids[0])]}
        views = [view for view in self._workspace.views(set_id) if view.id in wanted]
        return {"rows": self._rows.of_views(set_id, views)}


def rewritten(
    views: Sequence[View], stored: Mapping[str, Sequence[Layer]], fresh: Sequence[Layer], plan: Plan
) -> list[str]:
    """Ids of the pictures whose caption, where it is no edit, reads otherwise with fresh layers than with the stored.

    Args: stored: the layers that were there, by picture id.
    """
    found = []
    for view in views:
        new = {layer.key: layer for layer in fresh if layer.picture_id == view.id}
        if not new:
            continue
        before = stored.get(view.id, ())
        after = [*(layer for layer in before if layer.key not in new), *new.values()]
        texts = [Reading.at_rest(layers, plan, view.existing).composed.text for layers in (before, after)]
        if texts[0] != texts[1]:
            found.append(view.id)
    return found
