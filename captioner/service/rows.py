"""Pictures as the page shows them: each with the caption it would be exported with, and where that comes from.

Composed texts are kept until a picture's layers or the set's settings change. Runs no model and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from captioner.captions.frame import Frame
from captioner.captions.plan import Plan
from captioner.captions.review import Reading
from captioner.records import Caption
from captioner.service.choices import Choices
from captioner.service.recent import Recent
from captioner.workspace import Workspace
from captioner.workspace.records import View

_LAYER_DAMAGE = (
    "what a model said about this picture was damaged on the disk; caption it again, or put a backup of the workspace "
    "in place."
)


class _Text(NamedTuple):
    """What a picture's layers and existing caption come to, under one plan.

    caption: as it is exported unless there is an edit; None where a layer was damaged on the disk. inner: without the
    frame. suggestion: what the layers alone say. origin: as `Reading.origin`. sentence: the captioner's part of it.
    glitch: what is wrong with that, "" where nothing is.
    """

    layers_version: int = 0
    caption: str | None = ""
    inner: str = ""
    suggestion: str = ""
    origin: str = "empty"
    sentence: str = ""
    glitch: str = ""


class _Composed:
    """Composed texts of one set under one plan, by picture id."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.frame = Frame.of(plan.recipe)
        self.texts: dict[str, _Text] = {}


class Rows:
    """Rows of all sets, in plain JSON values."""

    def __init__(self, workspace: Workspace, choices: Choices) -> None:
        self._workspace = workspace
        self._choices = choices
        self._composed: Recent[str, _Composed] = Recent(16)

    def of_views(self, set_id: str, views: Sequence[View]) -> list[dict[str, Any]]:
        """Pictures as the page shows them, with the caption each would be exported with.

        caption: as it is exported, within the set's frame. text: without the frame, which is what a person edits.
        suggestion: what the layers say now where the text is something else (an edit, a kept existing caption); None
            where there are no layers.
        state: empty, existing (it came along with the picture), generated, edited or failed.
        glitch: what is wrong with what the captioner said, see `captioner.glitches`; "" where nothing is.
        is_damaged: what is stored was damaged on the disk: error says so, and there is no caption but a whole edit.
        """
        if not views:
            return []
        composed = self._composed_of(set_id, views)
        rows = []
        for view in views:
            made = composed.texts.get(view.id, _Text())
            is_damaged = view.is_damaged or (view.text is None and made.caption is None)
            error = view.failure.message if view.failure else _LAYER_DAMAGE if is_damaged else ""
            if view.text is not None:
                caption, text = composed.frame.around(view.text), view.text
            else:
                caption, text = ("", "") if is_damaged or made.caption is None else (made.caption, made.inner)
            rows.append(
                {
                    "id": view.id,
                    "name": view.name,
                    "folder": view.folder,
                    "width": view.width,
                    "height": view.height,
                    "notes": list(view.notes),
                    "caption": caption,
                    "text": text,
                    "revision": view.revision,
                    "state": "failed" if is_damaged else _state(view, made),
                    "error": error,
                    "is_damaged": is_damaged,
                    "suggestion": made.suggestion or None,
                    "equal_to": view.equal_to,
                    "is_reviewed": view.is_reviewed,
                    "glitch": made.glitch if view.text is None and not is_damaged else "",
                }
            )
        return rows

    def of_picture(self, set_id: str, picture_id: str) -> dict[str, Any]:
        """One picture as the page shows it. Raises: UnknownSet, UnknownPicture."""
        return self.of_views(set_id, [self._workspace.view(set_id, picture_id)])[0]

    def sentences(self, set_id: str, views: Sequence[View]) -> dict[str, str]:
        """By picture id, what the captioner says in the composed caption, as it stands there; "" where nothing."""
        composed = self._composed_of(set_id, views)
        return {view.id: composed.texts.get(view.id, _Text()).sentence for view in views}

    def _composed_of(self, set_id: str, views: Sequence[View]) -> _Composed:
        """What the set's texts are under its settings, made anew for those of these pictures that changed."""
        plan = self._choices.stored_plan(set_id)
        kept = self._composed.get(set_id)
        if kept is None or kept.plan != plan:
            kept = _Composed(plan)
            self._composed.put(set_id, kept)
        wanted = {
            view.id: view for view in views if kept.texts.get(view.id, _NONE).layers_version != view.layers_version
        }
        for picture_id, layers in self._workspace.layers_of(set_id, wanted):
            view = wanted[picture_id]
            if any(layer.is_damaged for layer in layers):
                kept.texts[picture_id] = _Text(view.layers_version, None)
                continue
            reading = Reading.at_rest(layers, plan, view.existing)
            caption, suggestion = reading.composed, reading.suggestion
            said = suggestion.inner if suggestion else ""
            kept.texts[picture_id] = _Text(
                *(view.layers_version, caption.text, caption.inner, said, reading.origin, _sentence(caption, plan)),
                reading.glitch or "",
            )
        return kept


_NONE = _Text(-1)


def _sentence(caption: Caption, plan: Plan) -> str:
    # A tag that says the same is merged with the sentence, which stays the first of its sources.
    is_said = (part.text for part in caption.parts if part.source.split("+")[0] == plan.captioner.family)
    return next(is_said, "")


def _state(view: View, made: _Text) -> str:
    return view.state if view.state in ("edited", "failed") else made.origin
