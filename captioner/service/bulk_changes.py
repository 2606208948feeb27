"""Bulk changes of a set's captions: what one would do, and doing it as one step. Plain JSON values; knows no Gradio."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import Any

from captioner.captions import bulk, compose, word_diff
from captioner.captions.bulk.operation import Material, Said
from captioner.captions.frame import Frame
from captioner.captions.layers import latest
from captioner.captions.plan import Plan
from captioner.captions.review import Reading
from captioner.captions.tag_rules import piece_key
from captioner.formats.format import path_of
from captioner.records import Layer
from captioner.service.bulk_previews import BulkPreview, BulkPreviews
from captioner.service.choices import Choices
from captioner.service.rows import Rows
from captioner.service.token_counting import counter_of
from captioner.workspace import Workspace


class BulkChanges:
    """Those of all sets."""

    def __init__(self, workspace: Workspace, rows: Rows, choices: Choices) -> None:
        self._workspace = workspace
        self._rows = rows
        self._choices = choices
        self._previews = BulkPreviews()

    def preview_bulk(
        self, set_id: str, picture_ids: Sequence[str] | None, operation: str, values: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What a bulk change would do with the texts within the frame; changes nothing.

        Args: picture_ids: None for the whole set.
        Returns: {"preview": its name for `apply_bulk`, "looked_at", "note": what stays although it may be meant too,
            "changes": [{"id", "name" with its folder, "before", "after", "was_edited"}]}.
        Raises: SettingsError: see `bulk.operation_of`. UnknownSet, UnknownPicture: one to copy from.
        """
        wanted = bulk.operation_of(operation, values)
        chosen = None if picture_ids is None else set(picture_ids)
        views = self._workspace.views(set_id)
        if chosen is not None:
            views = tuple(view for view in views if view.id in chosen)
        rows = [row for row in self._rows.of_views(set_id, views) if not row["is_damaged"]]
        material = self._material(set_id, rows)
        after = wanted.change(material)
        changed = [
            (row, name, before, new)
            for row, (name, before), new in zip(rows, material.captions, after, strict=True)
            if new != before
        ]
        preview = BulkPreview(
            wanted.label(),
            {row["id"]: new for row, _, _, new in changed},
            {row["id"]: row["revision"] for row, _, _, _ in changed},
        )
        return {
            "preview": self._previews.keep(set_id, preview),
            "looked_at": len(views),
            "note": wanted.note(material, after),
            "changes": [
                {"id": row["id"], "name": name, "before": before, "after": new, "was_edited": row["state"] == "edited"}
                for row, name, before, new in changed
            ],
        }

    def apply_bulk(self, set_id: str, preview: str, left_out: Collection[str] = ()) -> dict[str, Any]:
        """Do what a preview showed, as one undoable step.

        Args: preview: its name. left_out: ids of pictures whose captions stay.
        Returns: {"ok": True, "changed"}, or {"ok": False, "conflicts": names} where a caption changed meanwhile: then
            nothing was changed.
        Raises: PreviewGone: it must be looked at again; nothing was changed.
        """
        shown = self._previews.take(set_id, preview)
        stay = set(left_out)
        applied = self._workspace.apply_edits(
            set_id,
            {picture_id: text for picture_id, text in shown.after.items() if picture_id not in stay},
            shown.label[:200],
            revisions=shown.revisions,
        )
        if applied.ok:
            return {"ok": True, "changed": len(applied.revisions)}
        names = {view.id: path_of(view.folder, view.name) for view in self._workspace.views(set_id)}
        return {"ok": False, "conflicts": [names.get(picture_id, picture_id) for picture_id in applied.conflicts]}

    def word_diffs(self, pairs: Sequence[Mapping[str, str]]) -> dict[str, Any]:
        """For old and new texts, {"before", "after"} each, what differs.

        Returns: {"diffs": for each, pieces in order as ["same", "gone" or "come", text]}.
        """
        return {"diffs": word_diff.diffs([(pair["before"], pair["after"]) for pair in pairs])}

    def _material(self, set_id: str, rows: Sequence[Mapping[str, Any]]) -> Material:
        plan = self._choices.stored_plan(set_id)

        @cache
        def counter(encoder: str) -> tuple[Callable[[str], int], bool]:
            found = counter_of(encoder)
            return found.count, found.is_exact

        def set_texts() -> list[str]:
            return [row["text"] for row in self._rows.of_views(set_id, self._workspace.views(set_id))]

        @cache
        def said() -> list[Said]:
            ids = [row["id"] for row in rows]
            found = {picture_id: _said(layers, plan) for picture_id, layers in self._workspace.layers_of(set_id, ids)}
            return [found.get(picture_id, Said()) for picture_id in ids]

        return Material(
            captions=[(path_of(row["folder"], row["name"]), row["text"]) for row in rows],
            set_texts=set_texts,
            framed=Frame.of(plan.recipe).around,
            said=said,
            counter_of=counter,
            text_of=lambda picture_id: str(self._rows.of_picture(set_id, picture_id)["text"]),
        )


def _said(layers: Sequence[Layer], plan: Plan) -> Said:
    """What the models that are on said about one picture, as its caption writes it."""
    whole = [layer for layer in layers if not layer.is_damaged]
    suggestion = Reading(whole, plan).suggestion
    parts = suggestion.parts if suggestion else ()
    sentence = next((part.text for part in parts if plan.captioner.family in part.source.split("+")), "")
    places: dict[str, tuple[int, float]] = {}
    newest = latest(whole, plan)
    for place, planned in enumerate(plan.taggers):
        layer = newest.get(planned.family)
        for tag in (layer.tags or ()) if layer else ():
            written = compose.written(tag.name, plan.recipe)
            if written is not None:
                places.setdefault(piece_key(written), (place, -tag.score))
    return Said(sentence, places)
