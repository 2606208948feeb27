"""The readers that our sets are held against read as the trainers' own did, on equal files."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainer_readers import CAPTION_READERS

STEM = "stem"
COLUMNS = ("sd-scripts", "wildcard", "musubi", "ai-toolkit", "simpletuner", "onetrainer", "everydream2")
NONE, SAME = AssertionError, "same"
TABLE: list[tuple[bytes, tuple[Any, ...]]] = [
    (b"a cat, a dog", (SAME, SAME, SAME, "a cat,  a dog", SAME, SAME, SAME)),
    (b"\n", ("", "", "", "\n", IndexError, "", STEM)),
    (b"", (NONE, NONE, "", "", "", "", STEM)),
    (
        b"one\ntwo\n",
        ("one", ["one", "two"], "one\ntwo", "one\ntwo\n", ["one", "two"], ["one", "two"], "one\ntwo"),
    ),
    (b"\nsecond\n", ("", "second", "second", "\nsecond\n", "second", "second", "second")),
    (
        b"a cat\r\ntwo\r\n",
        ("a cat", ["a cat", "two"], "a cat\ntwo", "a cat\ntwo\n", ["a cat\r", "two\r"], ["a cat", "two"], "a cat\ntwo"),
    ),
    (
        b"caf\xe9",
        (UnicodeDecodeError,) * 6 + ("caf\xe9",),
    ),
    (b"a cat \n", ("a cat", "a cat", "a cat", "a cat \n", "a cat ", "a cat", "a cat")),
    (b"   ", ("", "", "", "   ", "   ", "", STEM)),
    (b"a,b,,c", (SAME, SAME, SAME, "a, b, , c", SAME, SAME, "a, b, , c")),
    ("a\u2028b\vc".encode(), (SAME,) * 7),
    (b"\xef\xbb\xbfa cat", ("\ufeffa cat",) * 7),
]


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize(("data", "expected"), TABLE, ids=[repr(row[0]) for row in TABLE])
def test_a_caption_file_reads_as_the_trainer_read_it(data: bytes, expected: tuple[Any, ...], column: str) -> None:
    read, wanted = CAPTION_READERS[column], expected[COLUMNS.index(column)]
    if isinstance(wanted, type):
        with pytest.raises(wanted):
            read(data, STEM)
        return
    wanted = data.decode() if wanted == SAME else wanted
    got = read(data, STEM)
    assert got == ([wanted] if isinstance(got, list) and isinstance(wanted, str) else wanted)
