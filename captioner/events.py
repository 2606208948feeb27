"""What happens, in short words and numbers, for logs and counters.

Never a caption, a key, or the name of a file, a set or a person: whoever tells of something keeps to codes, families of
models, numbers. Knows nobody who listens.
"""

from __future__ import annotations

import logging

LOGGER = "captioner.events"
_log = logging.getLogger(LOGGER)


def tell(event: str, **values: str | float) -> None:
    """Say that something happened; costs next to nothing where nobody listens. Args: values: of the event's own."""
    if _log.isEnabledFor(logging.INFO):
        _log.info(event, extra={"values": values})
