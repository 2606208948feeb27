"""What a visitor hides in a text does nothing to a terminal or a log."""

from __future__ import annotations

import contextlib
import io
import logging
import traceback

import pytest

from captioner.ui.plain_output import PlainOutput


@pytest.fixture
def written() -> io.StringIO:
    return io.StringIO()


def test_control_characters_are_replaced(written: io.StringIO) -> None:
    PlainOutput(written).write("\x1b[2J\x07a\rb\x9b\u2028c\u202ed\n")
    assert written.getvalue() == "\ufffd[2J\ufffda\ufffdb\ufffd\ufffdc\ufffdd\n"


def test_plain_text_is_written_as_it_is(written: io.StringIO) -> None:
    with contextlib.redirect_stdout(PlainOutput(written)):
        print("Captioner is ready: 猫", 5, sep=" ")
        print("next line")
        print()
    assert written.getvalue() == "Captioner is ready: 猫 5\nnext line\n\n"


def test_a_line_break_in_a_value_begins_no_line_of_its_own(written: io.StringIO) -> None:
    handler = logging.StreamHandler(PlainOutput(written))
    handler.emit(logging.LogRecord("x", logging.ERROR, "", 1, "refused %s", ("a\nCaptioner is ready on evil",), None))
    with contextlib.redirect_stderr(PlainOutput(written)):
        try:
            raise ValueError("no file b\nCaptioner is ready on evil")
        except ValueError:
            traceback.print_exc()
    lines = written.getvalue().splitlines()
    assert [line for line in lines if line.startswith("Captioner")] == []
    assert sum(line == "    Captioner is ready on evil" for line in lines) == 2
