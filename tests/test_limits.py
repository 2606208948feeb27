"""What may come in from outside."""

from __future__ import annotations

import pytest

from captioner.errors import BadModel, SettingsError
from captioner.limits import (
    check_mapping,
    check_text,
    check_whole,
    is_finite,
    read_json,
    shown,
    spelt_out,
    value_shown,
    without_halves,
)

HUGE = 10**400
DEEP: list[object] = []
for _ in range(100_000):
    DEEP = [DEEP]


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


def test_half_a_character_is_replaced_and_whole_ones_stay() -> None:
    assert without_halves("a\ud83d b \U0001f600\n") == "a\ufffd b \U0001f600\n"
    assert without_halves("\ude00\ud83d") == "\ufffd\ufffd"


def test_a_name_that_is_no_utf_8_is_spelt_out() -> None:
    assert spelt_out(b"\xff\xfe.png".decode(errors="surrogateescape")) == "\\udcff\\udcfe.png"


@pytest.mark.parametrize("value", [True, None, "7", [7], float("nan"), float("inf"), HUGE, -HUGE])
def test_what_cannot_be_reckoned_with_is_no_finite_number(value: object) -> None:
    assert not is_finite(value)


@pytest.mark.parametrize(
    "value", [True, None, "7", [7], {}, 1.5, float("nan"), float("-inf"), HUGE, 2**63, -(2**63), 1e300]
)
def test_what_is_no_whole_number_of_64_bits_is_refused(value: object) -> None:
    with pytest.raises(SettingsError, match=r"since is .*; it must be (a whole number|between)"):
        check_whole(value, "since")


def test_a_whole_number_may_come_as_a_float() -> None:
    assert check_whole(3.0, "since") == 3
    assert isinstance(check_whole(3.0, "since"), int)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["a"], "settings are list; they must be a mapping"),
        ({"a" * 65: 1}, "a name in settings has 65 characters"),
        ({7: 1}, "a name in settings is int; it must be text"),
        ({"\ud83d": 1}, "a name in settings holds half a character"),
        (dict.fromkeys(map(str, range(1_001))), "settings have 1,001 entries; at most 1,000"),
    ],
)
def test_a_mapping_of_a_wrong_shape_is_refused(value: object, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        check_mapping(value, "settings")


@pytest.mark.parametrize(
    "value", [HUGE, [HUGE], DEEP, ["a" * 10**6] * 10**4, {"a": HUGE}, "\x1b[2J\n\ud83d", b"\xff", 1.5, None]
)
def test_any_value_is_shown_in_one_short_line(value: object) -> None:
    line = value_shown(value)
    assert 0 < len(line) <= 120
    assert line.isprintable()
