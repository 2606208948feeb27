"""Bulk changes that were shown and may be done: what each would write, by a name that the page gives back.

So what is done is what was shown, and no text goes to the browser and back for it. Held in memory alone: the newest, as
many as there is room for. Who comes later looks again.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import NamedTuple

from captioner.errors import CaptionerError
from captioner.limits import MAX_CHANGED_LETTERS
from captioner.models.byte_cache import ByteCache

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
        self._kept: ByteCache[BulkPreview] = ByteCache(max_letters, _KEPT_MAX)  # mostly a byte each

    def keep(self, set_id: str, preview: BulkPreview) -> str:
        """Its name."""
        name = secrets.token_urlsafe(12)
        letters = sum(len(picture_id) + len(text or "") for picture_id, text in preview.after.items())
        self._kept.put((set_id, name), preview, letters)
        return name

    def take(self, set_id: str, name: str) -> BulkPreview:
        """The preview of this name, once. Raises: PreviewGone."""
        preview = self._kept.take((set_id, name))
        if preview is None:
            raise PreviewGone("what it would do was looked at too long ago.")
        return preview
