"""captioner.turns: everybody who waits gets their share of the time, and nobody catches up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from captioner.turns import Turns


def _turns_of(turns: Turns[str], lengths_s: Mapping[str, float], count: int) -> list[str]:
    """Who is next, when all wait all the time and take turns of these lengths."""
    found = []
    for _ in range(count):
        party = turns.next(list(lengths_s))
        assert party is not None
        turns.charge(party, lengths_s[party])
        found.append(party)
    return found


def _seconds_of(found: Sequence[str], lengths_s: Mapping[str, float]) -> dict[str, float]:
    return {party: count * lengths_s[party] for party, count in Counter(found).items()}


def test_equals_with_equal_turns_alternate_in_their_order() -> None:
    assert _turns_of(Turns(), {"a": 1.0, "b": 1.0, "c": 1.0}, 6) == ["a", "b", "c", "a", "b", "c"]


def test_whoever_takes_long_turns_has_fewer_of_them() -> None:
    lengths_s = {"long": 4.0, "short": 1.0}
    seconds = _seconds_of(_turns_of(Turns(), lengths_s, 500), lengths_s)
    assert seconds["long"] == pytest.approx(seconds["short"], abs=4.0)


@pytest.mark.parametrize(("small_s", "large_s"), [(1.0, 1.0), (5.0, 0.1), (0.1, 5.0)])
def test_shares_are_of_the_time_whatever_the_turns_length(small_s: float, large_s: float) -> None:
    lengths_s = {"small": small_s, "large": large_s}
    seconds = _seconds_of(_turns_of(Turns({"small": 0.25, "large": 0.75}), lengths_s, 4000), lengths_s)
    assert seconds["small"] / sum(seconds.values()) == pytest.approx(0.25, abs=0.02)


def test_who_was_alone_owes_no_more_than_the_last_turn() -> None:
    turns: Turns[str] = Turns()
    for _ in range(100):
        turns.charge(turns.next(["a"]) or "", 1.0)
    assert _turns_of(turns, {"a": 1.0, "b": 1.0}, 4) == ["b", "a", "b", "a"]


def test_who_comes_back_does_not_catch_up() -> None:
    turns: Turns[str] = Turns()
    _turns_of(turns, {"a": 1.0, "b": 1.0}, 2)
    _turns_of(turns, {"a": 1.0}, 100)
    assert Counter(_turns_of(turns, {"a": 1.0, "b": 1.0}, 10)) == {"a": 5, "b": 5}


def test_what_somebody_owes_is_kept_while_they_are_away() -> None:
    turns: Turns[str] = Turns()
    assert _turns_of(turns, {"b": 1.0, "a": 10.0}, 2) == ["b", "a"]
    assert turns.next(["b"]) == "b"
    turns.charge("b", 1.0)
    assert _turns_of(turns, {"b": 1.0, "a": 10.0}, 8) == ["b"] * 8


def test_nobody_owes_anything_once_nobody_waits() -> None:
    turns: Turns[str] = Turns()
    turns.charge(turns.next(["a"]) or "", 100.0)
    assert turns.next([]) is None
    assert _turns_of(turns, {"a": 1.0, "b": 1.0}, 4) == ["a", "b", "a", "b"]


def test_who_is_long_gone_is_forgotten() -> None:
    turns: Turns[int] = Turns()
    for party in range(1000):
        for _ in range(4):  # somebody always waits
            chosen = turns.next([party, party + 1])
            assert chosen is not None
            turns.charge(chosen, 1.0)
    assert len(turns._used) < 4
