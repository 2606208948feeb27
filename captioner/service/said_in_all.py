"""What nearly all captions of a set say, where they contradict each other, and the kinds of things they leave out.

Figures with the pictures behind them, as `overview`. Runs no model.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from captioner.captions.leaving_out import without_kinds
from captioner.captions.phrase_kinds import KINDS
from captioner.captions.plan import Plan
from captioner.captions.recipe import kinds_of
from captioner.captions.review import Reading
from captioner.errors import SettingsError
from captioner.lab.said_in_all import (
    Contradiction,
    contradicting_neighbours,
    contradicting_tags,
    said_by_kind,
    shared_phrases,
)
from captioner.service.choices import Choices
from captioner.service.near_equal import NearEqual
from captioner.service.overview import tell_apart
from captioner.service.rows import Rows
from captioner.workspace import Workspace

MOST_CONTRADICTIONS = 200
"""Of each sort; who settles these sees the others."""

EXAMPLES = 3


class SaidInAll:
    """Answers for all sets."""

    def __init__(self, workspace: Workspace, rows: Rows, choices: Choices, near_equal: NearEqual) -> None:
        self._workspace = workspace
        self._rows = rows
        self._choices = choices
        self._near_equal = near_equal

    def of_set(self, set_id: str) -> dict[str, Any]:
        """What is said everywhere, without the set's frame. Raises: UnknownSet, StoreError.

        Returns: ids: of all pictures; for the rest a picture is its place among them. said: how many have a caption.
            phrases: [{"text", "places"}] of those that at least 80 % say; kinds: [{"kind", "title", "places",
            "phrases": [[phrase, how many]], "is_left_out"}] of every kind; neighbours: [{"group": places of near-equal
            pictures, "pair": [text, text], "places": [places, places]}]; waiting: near-equal pictures that are still
            to be looked at: ask again; tags: [{"pair": [tag, text of the sentence], "places"}].
        """
        views = self._workspace.views(set_id)
        rows = self._rows.of_views(set_id, views)
        recipe = self._choices.stored_plan(set_id).recipe
        texts = [row["text"] for row in rows]
        told = tell_apart(rows, self._rows.sentences(set_id, views), [bool(view.existing) for view in views])
        near = self._near_equal.of_set(set_id)
        place_of = {row["id"]: place for place, row in enumerate(rows)}
        groups = [[place_of[one] for one in group if one in place_of] for group in near["groups"]]
        neighbours = [
            {"group": group, **_values(one)}
            for group, found in zip(groups, contradicting_neighbours(groups, told), strict=True)
            for one in found
        ]
        left_out = kinds_of(recipe.leave_out)
        said = {one.kind: one for one in said_by_kind(texts)}
        names = [recipe.prefix, recipe.suffix, recipe.subject_name]
        return {
            "ids": [row["id"] for row in rows],
            "said": sum(bool(text.strip()) for text in texts),
            "phrases": [{"text": one.text, "places": list(one.places)} for one in shared_phrases(texts, names)],
            "kinds": [
                {
                    "kind": kind,
                    "title": KINDS[kind].title,
                    "places": list(said[kind].places) if kind in said else [],
                    "phrases": [list(one) for one in said[kind].phrases] if kind in said else [],
                    "is_left_out": kind in left_out,
                }
                for kind in KINDS
            ],
            "neighbours": neighbours[:MOST_CONTRADICTIONS],
            "waiting": near["waiting"],
            "tags": [
                {"pair": list(one.pair), "places": list(one.places[0])}
                for one in contradicting_tags(told)[:MOST_CONTRADICTIONS]
            ],
        }

    def preview_left_out(self, set_id: str, kinds: Sequence[str]) -> dict[str, Any]:
        """What captions would read if these kinds, and no others, were left out; changes nothing.

        Returns: {"changed": how many generated captions read otherwise then, "edits": ids of the edits that the kinds
            are in, which stay; "examples": [{"id", "before", "after"}] of the first few that change}.
        Raises: SettingsError: an unknown kind. UnknownSet.
        """
        stored = self._choices.stored_plan(set_id)
        plan = _leaving_out(stored, kinds)
        rows = self._rows.of_views(set_id, self._workspace.views(set_id))
        made = {row["id"]: row["text"] for row in rows if row["state"] == "generated" and not row["is_damaged"]}
        after = self._texts(set_id, made, plan)
        changed = [picture_id for picture_id, text in made.items() if after.get(picture_id, text) != text]
        fresh = kinds_of(plan.recipe.leave_out) - kinds_of(stored.recipe.leave_out)
        edits = [
            row["id"]
            for row in rows
            if fresh and row["state"] in ("edited", "existing") and without_kinds(row["text"], fresh) != row["text"]
        ]
        examples = [{"id": one, "before": made[one], "after": after[one]} for one in changed[:EXAMPLES]]
        return {"changed": len(changed), "edits": edits, "examples": examples}

    def _texts(self, set_id: str, picture_ids: Collection[str], plan: Plan) -> dict[str, str]:
        """By picture id, what the stored layers come to under a plan."""
        existing = {view.id: view.existing for view in self._workspace.views(set_id)}
        return {
            picture_id: Reading.at_rest(layers, plan, existing[picture_id]).composed.inner
            for picture_id, layers in self._workspace.layers_of(set_id, picture_ids)
        }

    def leave_out(self, set_id: str, kinds: Sequence[str], values: Mapping[str, Any] | None) -> dict[str, Any]:
        """Leave these kinds, and no others, out of the set's captions, as one step that undo takes back.

        Edits stay; `Service.apply_to_edits` does the same to them.
        Args: values: the page's settings, stored with the new list; None takes the set's.
        Returns: {"leave_out": the setting as it is now}. Raises: SettingsError, UnknownSet.
        """
        before = self._choices.stored_plan(set_id)
        plan = _leaving_out(before if values is None else self._choices.plan_of(values), kinds)
        self._choices.store(set_id, plan, label=_label(before, plan))
        return {"leave_out": plan.recipe.leave_out}


def _leaving_out(plan: Plan, kinds: Sequence[str]) -> Plan:
    """Raises: SettingsError: an unknown kind."""
    for kind in kinds:
        if kind not in KINDS:
            raise SettingsError(f"kinds has {kind!r}; the kinds are {', '.join(KINDS)}.")
    listed = ", ".join(kind for kind in KINDS if kind in kinds)
    return replace(plan, recipe=plan.recipe.replaced(leave_out=listed))


def _label(before: Plan, after: Plan) -> str:
    """What the step is called: one switch is moved at a time."""
    was, now = kinds_of(before.recipe.leave_out), kinds_of(after.recipe.leave_out)
    moved = [KINDS[kind].title.lower() for kind in KINDS if (kind in was) != (kind in now)]
    return f"{'Leave out' if now - was else 'Describe'} {', '.join(moved) or 'the same'}"


def _values(one: Contradiction) -> dict[str, Any]:
    return {"pair": list(one.pair), "places": [list(places) for places in one.places]}
