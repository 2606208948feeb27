"""One change to many captions: each operation is a class that declares its form and its checks. Pure text.

A further operation is such a class (`operation.Operation`) and its place in `OPERATIONS`: the page draws its form from
there. Whatever it does, no result is longer than a caption may be, and time and memory have limits: a pattern, which is
a small program of a stranger, runs in a process of its own (`pattern_process`). Knows no store and no page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from captioner.captions.bulk.operation import Operation
from captioner.captions.bulk.plain import DropEscapes, DropSpecials, JoinLines, StraightenQuotes
from captioner.captions.bulk.tags import Duplicates, Implied, Sort, TagChange, Underscores
from captioner.captions.bulk.whole import Clear, Copy, Trim
from captioner.captions.bulk.words import Affix, Replace, Strip, StripKinds, Subject
from captioner.errors import SettingsError

OPERATIONS: Mapping[str, type[Operation]] = {
    operation.key: operation
    for operation in (
        *(Replace, Affix, Subject, Strip, StripKinds),
        *(TagChange, Duplicates, Implied, Sort, Underscores),
        *(Trim, Copy, Clear),
        *(JoinLines, StraightenQuotes, DropEscapes, DropSpecials),
    )
}
"""By key, in the page's order: those of one group stand together."""


def operation_of(key: str, values: Mapping[str, Any]) -> Operation:
    """An operation with its values.

    Raises: SettingsError: an unknown operation, a value that is not allowed, nothing to look for.
    """
    if not isinstance(key, str) or key not in OPERATIONS:
        raise SettingsError(f"operation is {str(key)[:40]!r}; it must be one of {', '.join(OPERATIONS)}.")
    return OPERATIONS[key].from_mapping(values)
