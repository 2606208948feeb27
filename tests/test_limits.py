"""What may come in from outside."""

from __future__ import annotations

import pytest

from captioner.errors import BadModel, SettingsError
from captioner.limits import check_text, read_json, shown


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (7, "the caption is int; it must be text"),
        ("a" * 11, "the caption has 11 characters; at most 10 are taken"),
        ("half \ud83d", r"half a character \(U\+D83D\) at position 6"),
    ],
)
def test_a_text_that_cannot_be_kept_is_refused(value: object, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        check_text(value, "the caption", max_length=10)


def test_a_text_with_control_characters_is_kept_as_it_is() -> None:
    assert check_text("a\x00\n\U0001f600", "the caption") == "a\x00\n\U0001f600"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff", "can't decode"),
        (b"{", "Expecting property name"),
        (b"1" * 5_000, "Exceeds the limit"),
    ],
)
def test_json_that_cannot_be_read_is_refused_by_the_files_name(data: bytes, reason: str) -> None:
    with pytest.raises(BadModel, match=f"config.json cannot be read as JSON: .*{reason}"):
        read_json(data, "config.json", error=BadModel)


def test_json_too_long_to_be_read_is_refused_unread() -> None:
    with pytest.raises(BadModel, match=r"config\.json is over 50 MB"):
        read_json(b" " * 50_000_001, "config.json", error=BadModel)


def test_nothing_shown_moves_a_terminals_cursor_or_begins_a_line() -> None:
    assert shown("a\x1b[2J\nb\u2028c\ud83d") == "a\ufffd[2J\ufffdb\ufffdc\ufffd"
    assert shown("abcdef", max_length=4) == "abc…"
