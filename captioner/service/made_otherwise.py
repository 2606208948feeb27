"""Which captions at rest were made with other settings than the set's, so that captioning again would change them.

What was found is kept until a picture's layers or the set's settings change. Runs no model and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from captioner.captions.layers import due, existing_due, of_plan, own_existing
from captioner.captions.plan import Plan
from captioner.records import Layer
from captioner.service.choices import Choices
from captioner.service.recent import Recent
from captioner.workspace import Workspace
from captioner.workspace.records import View


class _Found:
    """Of one set under one plan, by picture id: (layers_version, whether it was made otherwise)."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.pictures: dict[str, tuple[int, bool]] = {}


class MadeOtherwise:
    """Answers for all sets."""

    def __init__(self, workspace: Workspace, choices: Choices) -> None:
        self._workspace = workspace
        self._choices = choices
        self._found: Recent[str, _Found] = Recent(16)

    def of_set(self, set_id: str) -> list[str]:
        """Ids of the pictures that models captioned with other settings; edits do not count. Raises: UnknownSet."""
        plan = self._choices.stored_plan(set_id)
        found = self._found.get(set_id)
        if found is None or found.plan != plan:
            found = _Found(plan)
            self._found.put(set_id, found)
        views = {view.id: view for view in self._workspace.views(set_id) if view.state in ("generated", "failed")}
        wanted = [view.id for view in views.values() if found.pictures.get(view.id, (-1,))[0] != view.layers_version]
        for picture_id, layers in self._workspace.layers_of(set_id, wanted):
            view = views[picture_id]
            found.pictures[picture_id] = (view.layers_version, _is_made_otherwise(layers, plan, view))
        return [picture_id for picture_id in views if found.pictures.get(picture_id, (0, False))[1]]


def _is_made_otherwise(layers: Sequence[Layer], plan: Plan, view: View) -> bool:
    if not of_plan(layers, plan):
        return False
    if existing_due(layers, plan, view.existing):
        return True
    is_kept = (
        bool(own_existing(view.existing, plan).strip()) and plan.recipe.existing == "keep"
    )  # the caption is not a model's
    return not is_kept and bool(due(layers, plan, view.name, view.existing, view.folder))
