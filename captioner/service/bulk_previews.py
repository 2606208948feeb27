"""Bulk changes that were shown and may be done: what each would write, by a name that the page gives back.

So what is done is what was shown, and no text goes to the browser and back for it. Held in memory alone: the newest, as
many as there is room for. Who comes later looks again.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import NamedTuple

from captioner.errors import CaptionerError
from captioner.limits import MAX_CHANGED_LETTERS

_KEPT_MAX = 1_000


class PreviewGone(CaptionerError):
    """A preview that this set never had, that was done already, or that newer ones took the room of."""

    code = "preview_gone"


class BulkPreview(NamedTuple):
    """label: of the step. after, revisions: by picture id, what would stand there, None for no edit, and on which
    revision of the edit that was seen."""

    label: str
    after: Mapping[str, str | None]
    revisions: Mapping[str, int]


class BulkPreviews:
    """Those of all sets; threads may share it. Args: max_letters: of all that are kept, but the newest always is."""

    def __init__(self, max_letters: int = MAX_CHANGED_LETTERS) -> None:
        self._max_letters = max_letters
        self._lock = Lock()
        self._kept: OrderedDict[tuple[str, str], tuple[BulkPreview, int]] = OrderedDict()
        self._letters = 0

    def keep(self, set_id: str, preview: BulkPreview) -> str:
        """Its name."""
        name = secrets.token_urlsafe(12)
        letters = sum(len(picture_id) + len(text or "") for picture_id, text in preview.after.items())
        with self._lock:
            self._kept[set_id, name] = preview, letters
            self._letters += letters
            while len(self._kept) > 1 and (self._letters > self._max_letters or len(self._kept) > _KEPT_MAX):
                _, (_, freed) = self._kept.popitem(last=False)
                self._letters -= freed
        return name

    def take(self, set_id: str, name: str) -> BulkPreview:
        """The preview of this name, once. Raises: PreviewGone."""
        with self._lock:
            if (set_id, name) not in self._kept:
                raise PreviewGone("what it would do was looked at too long ago.")
            preview, letters = self._kept.pop((set_id, name))
            self._letters -= letters
        return preview
