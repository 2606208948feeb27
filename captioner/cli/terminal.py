"""What subcommands share: everything that they print, a quiet stderr, a download's progress.

Whatever a terminal shows goes through `say` and `note`, since names of files, models and flags come from outside, and
a terminal obeys the control characters in them.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from captioner import limits
from captioner.cli.parser import WrongUse


def printable(text: str) -> str:
    """As `limits.printable`, and without what this terminal's encoding does not hold."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return limits.printable(text).encode(encoding, errors="replace").decode(encoding)


def say(text: str) -> None:
    """One line of results, on stdout."""
    print(printable(text), flush=True)


def say_json(value: Any) -> None:
    """One line of JSON on stdout, in ASCII, which any terminal's encoding holds; without control characters too."""
    print(json.dumps(value, allow_nan=False).replace("\x7f", "\\u007f"), flush=True)


def note(text: str) -> None:
    """One line beside the results, on stderr."""
    print(printable(text), file=sys.stderr, flush=True)


class _PrintableFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(printable, super().format(record).split("\n")))


def check_device(device: str) -> None:
    """Raises: WrongUse: `--device` is none; whether this machine has it shows when a model is loaded."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise WrongUse(f"--device is {device!r}; it must be auto, cpu, cuda or cuda:N.")


class Download:
    """A download's progress on stderr, a line every tenth of the way."""

    def __init__(self) -> None:
        self._tenth = -1

    def __call__(self, done_bytes: int, total_bytes: int) -> None:
        tenth = 10 * done_bytes // total_bytes if total_bytes else 0
        if tenth != self._tenth:
            self._tenth = tenth
            total = f" of {total_bytes / 1e6:.0f}" if total_bytes else ""
            note(f"downloading: {done_bytes / 1e6:.0f}{total} MB")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep other packages' warnings off stderr, unless Python was asked for them (-W, PYTHONWARNINGS).

    What is logged is printed as it is by Python where nobody has set up logging; it loses its control characters here.
    """
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_PrintableFormatter())
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    with ExitStack() as stack:
        if not sys.warnoptions:
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
        yield
