"""Memory that was freed goes back to the system when work rests, and while it never does."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator

import pytest

from captioner.freed import Rest, give_back_freed, searches_paused
from tests.memory_peak import resident_mb


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_rest_is_over_once_nobody_has_worked_for_a_while() -> None:
    over, late = threading.Event(), threading.Event()
    rest = Rest(0.01, over.set, at_least_every_s=3600)
    rest.work_ended()
    assert over.wait(30)
    before = set(threading.enumerate())
    rest = Rest(3600, late.set, at_least_every_s=3600)
    rest.work_ended()
    rest.work_ended()
    waiting = set(threading.enumerate()) - before
    assert waiting
    rest.work_began()
    for one in waiting:
        one.join(30)
        assert not one.is_alive()
    assert not late.is_set()


def test_work_that_never_rests_is_interrupted_every_so_often() -> None:
    clock, calls = Clock(), []
    rest = Rest(3600, lambda: calls.append(clock.now_s), at_least_every_s=30, clock=clock)
    for clock.now_s in range(0, 100, 10):
        rest.work_began()
        rest.work_ended()
    rest.work_began()
    assert calls == [30, 60, 90]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems give freed memory back by themselves")
def test_what_was_freed_goes_back_to_the_system() -> None:
    """Pieces between which others stay: glibc by itself gives back the end of its heap only."""
    pieces = [bytearray(b"x" * 100_000) for _ in range(3000)]
    before = resident_mb()
    del pieces[::2]
    give_back_freed()
    assert before - resident_mb() > 100


@pytest.fixture
def searching() -> Iterator[None]:
    """Searches are on, before and after."""
    assert gc.isenabled()
    yield
    assert gc.isenabled()


@pytest.mark.usefixtures("searching")
def test_searches_wait_until_the_last_thread_is_through_whatever_went_wrong() -> None:
    inner, outer = threading.Event(), threading.Event()

    def work() -> None:
        with searches_paused():
            inner.set()
            outer.wait(30)

    other = threading.Thread(target=work)
    with pytest.raises(ValueError, match="no model"), searches_paused():
        other.start()
        assert inner.wait(30)
        raise ValueError("no model")
    assert not gc.isenabled()
    outer.set()
    other.join(30)


@pytest.mark.usefixtures("searching")
def test_searches_that_somebody_turned_off_stay_off() -> None:
    gc.disable()
    try:
        with searches_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
