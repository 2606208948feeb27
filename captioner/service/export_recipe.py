"""The recipe that leaves with a set: how each of its captions came about, from what the workspace knows of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from captioner.captions.recipe_file import MadeBy, MadeCaption, models_of, recipe_bytes
from captioner.formats.format import path_of
from captioner.records import Layer
from captioner.service.choices import Choices
from captioner.service.made_otherwise import MadeOtherwise
from captioner.workspace import Workspace
from captioner.workspace.records import View

_MADE: Mapping[str, MadeBy] = {"edited": "edit", "existing": "existing", "generated": "model"}


class ExportRecipes:
    """Those of all sets."""

    def __init__(self, workspace: Workspace, choices: Choices, made_otherwise: MadeOtherwise) -> None:
        self._workspace = workspace
        self._choices = choices
        self._made_otherwise = made_otherwise

    def of(self, set_id: str, pictures: Sequence[tuple[View, Mapping[str, Any]]]) -> bytes:
        """The file's content. Args: pictures: each with its row. Raises: UnknownSet."""
        plan = self._choices.stored_plan(set_id)
        others = set(self._made_otherwise.of_set(set_id))
        captions = [_made(view, row, is_current=view.id not in others) for view, row in pictures]
        models = models_of(plan, self._layers(set_id, [view.id for view, _ in pictures]))
        return recipe_bytes(plan, models, captions, models_from=self._choices.models)

    def _layers(self, set_id: str, picture_ids: Sequence[str]) -> Iterator[Layer]:
        for _, layers in self._workspace.layers_of(set_id, picture_ids):
            yield from layers


def _made(view: View, row: Mapping[str, Any], *, is_current: bool) -> MadeCaption:
    text = row["caption"]
    by = _MADE.get(row["state"]) or ("nobody" if not text.strip() else "existing" if view.existing.strip() else "model")
    return MadeCaption(
        picture=path_of(view.folder, view.name),
        digest=view.digest,
        by=by,
        text=text if by in ("edit", "existing") else "",
        existing=view.existing if by == "model" else "",
        is_current=is_current,
    )
