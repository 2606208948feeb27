"""Which pictures of a set look nearly the same, in groups. Runs no model and changes no picture."""

from __future__ import annotations

from typing import Any

from captioner.workspace import Workspace

WORK_S = 1.0
"""How long one question may make likenesses of pictures that have none; who asks again goes on."""


class NearEqual:
    """Answers for all sets."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def of_set(self, set_id: str) -> dict[str, Any]:
        """Groups of near-equal pictures, once all of them have been looked at.

        Returns: waiting: how many pictures are still to be looked at: ask again; unreadable: how many cannot be;
            groups: ids, the picture with the most pixels first (all others are near that one), the largest groups
            first; empty while any picture waits.
        Raises: UnknownSet, StoreError.
        """
        from captioner import images  # loads Pillow, which nothing else here needs

        waiting, unreadable = self._workspace.likenesses.complete(set_id, within_s=WORK_S)
        answer: dict[str, Any] = {"waiting": waiting, "unreadable": unreadable, "groups": []}
        if not waiting:
            likenesses = self._workspace.likenesses.of_set(set_id)
            views = sorted(self._workspace.views(set_id), key=lambda view: -view.width * view.height)
            found = images.near_equal([likenesses.get(view.id, "") for view in views])
            answer["groups"] = [[views[place].id for place in group] for group in sorted(found, key=len, reverse=True)]
        return answer
