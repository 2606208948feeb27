"""Logs as one JSON object a line, for programs that collect them: what happened, when, with codes and numbers.

A message's values, and what an error says, may hold a caption or a name; so of other loggers only the text with its
places left open is written, and of an error its kind and where it arose. Knows no page.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

from captioner import events


class JsonLines(logging.Formatter):
    """A record as a line of JSON: time, level, logger, event, and an event's values."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, without the record's own values unless it is an event of ours."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.msg if isinstance(record.msg, str) else type(record.msg).__name__,
        }
        if record.name == events.LOGGER:
            line |= record.__dict__.get("values", {})
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["at"] = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(record.exc_info[2])[-8:]]
        return json.dumps(line)


def write_json() -> None:
    """From now on all loggers write such lines to stderr, events among them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(events.LOGGER).setLevel(logging.INFO)
