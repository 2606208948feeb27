"""The kinds of captions of a set: which there are, which is in front, new ones, and what each says.

A kind in front is what page, jobs and exports are about; the others keep their settings, layers and edits. Runs no
model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from captioner.captions.caption_kinds import MAX_KINDS, kind_of_title, kind_title
from captioner.captions.kind_readings import other_readings
from captioner.captions.plan import Plan
from captioner.errors import SettingsError
from captioner.records import MAIN
from captioner.service.choices import Choices
from captioner.workspace import Workspace
from captioner.workspace.records import View


class Kinds:
    """Those of all sets."""

    def __init__(self, workspace: Workspace, choices: Choices) -> None:
        self._workspace = workspace
        self._choices = choices

    def of_set(self, set_id: str) -> dict[str, Any]:
        """Returns: {"front": the kind that is shown, "all": [{"name", "title", "captioner": a model, "" for none}]}.

        Raises: UnknownSet.
        """
        plan = self._choices.stored_plan(set_id)
        return {
            "front": plan.kind,
            "all": [
                {"name": kind.name, "title": kind_title(kind.name), "captioner": kind.captioner.model}
                for kind in plan.all_kinds()
            ],
        }

    def choose(self, set_id: str, name: str, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Put a kind in front, as a step that undo takes back; the one that was in front keeps its settings and edits.

        Args: values: the page's settings, which are kept for the kind that was in front; None leaves the stored ones.
        Returns: as `of_set`. Raises: UnknownSet. SettingsError: there is no such kind.
        """
        plan = self._plan(set_id, values).of_kind(kind_of_title(name))
        self._choices.store(set_id, plan, label=f"Kind: {kind_title(plan.kind)}")
        return self.of_set(set_id)

    def add(self, set_id: str, name: str, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """A new kind, which begins with the models and settings in front, and is put there.

        Args: values: as `choose`. Returns: as `of_set`.
        Raises: UnknownSet. SettingsError: nothing can be called so, there is one, or there are too many.
        """
        plan, kind = self._plan(set_id, values), kind_of_title(name)
        if kind in plan.kind_names:
            raise SettingsError(f"there is a kind called {kind_title(kind)}; choose it, or give another name.")
        if len(plan.kind_names) > MAX_KINDS:
            raise SettingsError(f"a set has the main kind and at most {MAX_KINDS} others; remove one.")
        new = replace(plan, kind=kind).with_kinds(plan.all_kinds())
        self._choices.store(set_id, new, label=f"Add the kind {kind}")
        return self.of_set(set_id)

    def remove(self, set_id: str, name: str, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Take a kind away; the main one is in front then, if that was. What models and persons said for it comes back
        with undo, or with a new kind of its name.

        Args: values: as `choose`. Returns: as `of_set`. Raises: UnknownSet. SettingsError: it is the main one, or none.
        """
        plan, kind = self._plan(set_id, values), kind_of_title(name)
        if kind == MAIN:
            raise SettingsError("the main kind cannot be removed; every set has it.")
        plan.of_kind(kind)  # says that there is none
        left = plan.of_kind(MAIN) if plan.kind == kind else plan
        left = replace(left, kinds=tuple(one for one in left.kinds if one.name != kind))
        self._choices.store(set_id, left, label=f"Remove the kind {kind}", without=kind)
        return self.of_set(set_id)

    def captions(self, set_id: str, views: Sequence[View]) -> dict[str, dict[str, str]]:
        """By picture id and kind, the captions of the kinds that are not in front, as they would be exported.

        Raises: UnknownSet.
        """
        plan = self._choices.stored_plan(set_id)
        if not plan.kinds:
            return {}
        edits = self._edits(set_id)
        by_id = {view.id: view for view in views}
        return {
            picture_id: {
                kind: reading.caption.text
                for kind, reading in other_readings(
                    [layer for layer in layers if not layer.is_damaged],
                    plan,
                    by_id[picture_id].existing,
                    edits.get(picture_id),
                ).items()
            }
            for picture_id, layers in self._workspace.layers_of(set_id, by_id)
        }

    def _plan(self, set_id: str, values: Mapping[str, Any] | None) -> Plan:
        if values is None:
            return self._choices.stored_plan(set_id)
        return self._choices.knowing_kinds(set_id, self._choices.plan_of(values))

    def _edits(self, set_id: str) -> dict[str, dict[str, str]]:
        """By picture id and kind, the edits of the kinds that are not in front."""
        found: dict[str, dict[str, str]] = {}
        for kind, texts in self._workspace.kind_texts.of_set(set_id).items():
            for picture_id, text in texts.items():
                found.setdefault(picture_id, {})[kind] = text
        return found
