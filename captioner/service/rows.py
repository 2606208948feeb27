"""Pictures as the page shows them: each with the caption it would be exported with, and where that comes from.

Composed texts are kept until a picture's layers or the set's settings change. Runs no model and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from captioner.captions.plan import Plan
from captioner.captions.review import Reading
from captioner.service.choices import Choices
from captioner.service.recent import Recent
from captioner.workspace import Workspace
from captioner.workspace.records import View

_LAYER_DAMAGE = (
    "what a model said about this picture was damaged on the disk; caption it again, or put a backup of the workspace "
    "in place."
)


class _Composed:
    """Composed texts of one set under one plan, by picture id: (layers_version, text, text without its existing one).

    The texts are None where a layer was damaged on the disk.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.texts: dict[str, tuple[int, str | None, str]] = {}


class Rows:
    """Rows of all sets, in plain JSON values."""

    def __init__(self, workspace: Workspace, choices: Choices) -> None:
        self._workspace = workspace
        self._choices = choices
        self._composed: Recent[str, _Composed] = Recent(16)

    def of_views(self, set_id: str, views: Sequence[View]) -> list[dict[str, Any]]:
        """Pictures as the page shows them, with the caption each would be exported with.

        suggestion: what the layers say now where the caption is something else (an edit, a kept existing caption);
            None where there are no layers.
        is_damaged: what is stored was damaged on the disk: error says so, and there is no caption but a whole edit.
        """
        if not views:
            return []
        texts = self._texts(set_id, views)
        rows = []
        for view in views:
            composed, generated = texts[view.id]
            is_damaged = view.is_damaged or (view.text is None and composed is None)
            error = view.failure.message if view.failure else _LAYER_DAMAGE if is_damaged else ""
            composed = "" if composed is None or is_damaged else composed
            rows.append(
                {
                    "id": view.id,
                    "name": view.name,
                    "folder": view.folder,
                    "width": view.width,
                    "height": view.height,
                    "notes": list(view.notes),
                    "caption": composed if view.text is None else view.text,
                    "revision": view.revision,
                    "state": "failed" if is_damaged else _state(view, composed),
                    "error": error,
                    "is_damaged": is_damaged,
                    "suggestion": generated or None,
                    "equal_to": view.equal_to,
                }
            )
        return rows

    def of_picture(self, set_id: str, picture_id: str) -> dict[str, Any]:
        """One picture as the page shows it. Raises: UnknownSet, UnknownPicture."""
        return self.of_views(set_id, [self._workspace.view(set_id, picture_id)])[0]

    def _texts(self, set_id: str, views: Sequence[View]) -> dict[str, tuple[str | None, str]]:
        """By picture id: the composed caption (None: a layer is damaged), and what the layers alone say."""
        plan = self._choices.stored_plan(set_id)
        kept = self._composed.get(set_id)
        if kept is None or kept.plan != plan:
            kept = _Composed(plan)
            self._composed.put(set_id, kept)
        wanted = {view.id: view for view in views if kept.texts.get(view.id, (None,))[0] != view.layers_version}
        for picture_id, layers in self._workspace.layers_of(set_id, wanted):
            view = wanted[picture_id]
            is_damaged = any(layer.is_damaged for layer in layers)
            reading = Reading(layers, plan, view.existing)
            generated = reading.suggestion.text if reading.suggestion else ""
            made = (None, "") if is_damaged else (reading.caption.text, generated)
            kept.texts[picture_id] = (view.layers_version, *made)
        return {view.id: kept.texts.get(view.id, (0, "", ""))[1:] for view in views}


def _state(view: View, composed: str) -> str:
    return "generated" if view.state == "empty" and composed else view.state
