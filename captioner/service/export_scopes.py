"""Which pictures a download is of, where it is not all: remembered under a short name, since an address cannot hold
thousands of ids. Holds nothing that cannot be chosen again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from captioner.errors import CaptionerError
from captioner.service.recent import Recent

_KEPT = 64


class ExportScopes:
    """Picture ids by the name of their choice, the last ones that were asked for; safe between threads."""

    def __init__(self) -> None:
        self._ids: Recent[str, frozenset[str]] = Recent(_KEPT)

    def name(self, picture_ids: Sequence[str]) -> dict[str, str]:
        """Returns: {"scope": the name of these pictures, the same for the same ones}."""
        chosen = frozenset(picture_ids)
        name = hashlib.sha256(json.dumps(sorted(chosen)).encode()).hexdigest()[:24]
        self._ids.put(name, chosen)
        return {"scope": name}

    def ids(self, scope: str) -> frozenset[str] | None:
        """The pictures of a choice; None, which is all of a set, for "". Raises: CaptionerError: forgotten since."""
        if not scope:
            return None
        chosen = self._ids.get(scope)
        if chosen is None:
            raise CaptionerError(
                "which pictures this download is of is not known any more; open Download again.", code="unknown_scope"
            )
        return chosen
