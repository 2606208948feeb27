"""What the server writes to a terminal or a log, without what a visitor may have hidden in it.

Gradio and uvicorn write refused values as they came. A terminal obeys control characters, and a line break begins a
line that looks like one of ours. Knows neither of them: it stands between any writer and the stream.
"""

from __future__ import annotations

import io
from typing import TextIO

from captioner.limits import shown

_INDENT = "    "


class PlainOutput(io.TextIOBase):
    """A stream that writes to another one: no control characters, and at most one line at the left edge a write.

    So a text of several lines, such as a traceback, is one line and what is indented under it.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def write(self, text: str) -> int:
        """As of any text stream; the length is that of the text given."""
        lines = text.split("\n")
        plain = [shown(line.expandtabs(), max_length=len(text) * 8 + 1) for line in lines]
        is_last_empty = len(plain) > 1 and not plain[-1]
        body = plain[:-1] if is_last_empty else plain
        self._stream.write(("\n" + _INDENT).join(body) + ("\n" if is_last_empty else ""))
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding
