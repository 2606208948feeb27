"""Logs as one JSON object a line, for programs that collect them: what happened, when, with codes and numbers.

A message's values, and what an error says, may hold a caption or a name; so of other loggers only a text whose places
are left open is written, and of an error its kind and where it arose. A library's text without places may have been put
together with its values already: of that only where it was written. Knows no page.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

from captioner import events

_OURS = ("captioner", "taggers")  # these loggers' texts are templates, with or without places


class JsonLines(logging.Formatter):
    """A record as a line of JSON: time, level, logger, event, and an event's values."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, without the record's own values unless it is an event of ours."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if isinstance(record.msg, str) and (record.args or record.name.split(".")[0] in _OURS):
            line["event"] = record.msg
        else:
            line |= {"event": "message", "where": f"{record.module}:{record.lineno}"}
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
