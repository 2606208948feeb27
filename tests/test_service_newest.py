"""Of one tab's questions only the newest is worked on; the others are told at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from captioner.errors import Superseded
from captioner.service.newest import Newest
from captioner.worker import LOCAL, Worker

SOON_S = 10.0


class Line:
    """A worker that does nothing until `open`, and people who ask it. done: what was worked on, in order."""

    def __init__(self) -> None:
        self.worker = Worker()
        self.newest = Newest(self.worker)
        self.done: list[str] = []
        self._opened = threading.Event()
        self._people = ThreadPoolExecutor(8)
        for lane in (LOCAL, "server far"):
            self.worker.ask(lambda: self._opened.wait(SOON_S), lane=lane)

    def ask(self, name: str, about: str | None = "tab", lane: str = LOCAL) -> Future[str]:
        """A question that waits in the worker's line by now."""
        waits = threading.Event()

        def ask() -> str:
            with self.newest.question(about) as question:
                return question.ask(lambda: self._work(name), lane=lane)

        before = self.worker.ask

        def asked(*values: Any, **named: Any) -> Any:
            future = before(*values, **named)
            waits.set()
            return future

        self.worker.ask = asked  # type: ignore[method-assign]
        answer = self._people.submit(ask)
        assert waits.wait(SOON_S)
        self.worker.ask = before  # type: ignore[method-assign]
        return answer

    def _work(self, name: str) -> str:
        self.done.append(name)
        return name

    def open(self) -> None:
        """Let the worker begin."""
        self._opened.set()

    def close(self) -> None:
        self.open()
        self._people.shutdown()
        self.worker.close()


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.close()


def _is_superseded(answer: Future[str]) -> bool:
    return isinstance(answer.exception(SOON_S), Superseded)


def test_of_three_questions_that_wait_the_newest_is_worked_on_and_the_others_are_told_at_once(line: Line) -> None:
    first, second, third = [line.ask(name) for name in ("first", "second", "third")]
    assert _is_superseded(first)
    assert _is_superseded(second)
    assert not third.done()
    line.open()
    assert third.result(SOON_S) == "third"
    assert line.done == ["third"]


def test_the_newest_takes_the_place_in_line_of_the_one_before(line: Line) -> None:
    line.ask("mine")
    other = line.ask("another's", "another tab")
    newest = line.ask("mine anew")
    line.open()
    assert (newest.result(SOON_S), other.result(SOON_S)) == ("mine anew", "another's")
    assert line.done == ["mine anew", "another's"]


def test_questions_of_different_tabs_and_of_none_are_all_answered(line: Line) -> None:
    answers = [line.ask(name, about) for name, about in (("a", "one"), ("b", "two"), ("c", None), ("d", None))]
    line.open()
    assert [answer.result(SOON_S) for answer in answers] == ["a", "b", "c", "d"]


def test_a_question_that_is_being_answered_is_answered(line: Line) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        assert may_end.wait(SOON_S)
        return "first"

    def ask() -> str:
        with line.newest.question("tab") as question:
            return question.ask(work)

    with ThreadPoolExecutor(1) as person:
        first = person.submit(ask)
        line.open()
        assert begun.wait(SOON_S)
        second = line.ask("second")
        may_end.set()
        assert (first.result(SOON_S), second.result(SOON_S)) == ("first", "second")


def test_a_newer_question_that_needs_no_model_drops_the_one_that_waits(line: Line) -> None:
    waiting = line.ask("first")
    with line.newest.question("tab"):
        assert not waiting.done()
    assert _is_superseded(waiting)
    line.open()
    assert line.ask("later").result(SOON_S) == "later"
    assert line.done == ["later"]


def test_an_earlier_question_that_comes_to_its_next_model_after_a_newer_one_is_dropped(line: Line) -> None:
    with line.newest.question("tab") as earlier:
        newer = line.ask("newer", lane="server far")
        with pytest.raises(Superseded):
            earlier.ask(lambda: "earlier", lane="server far")
    line.open()
    assert newer.result(SOON_S) == "newer"


def test_nothing_is_remembered_of_questions_that_are_over(line: Line) -> None:
    line.open()
    assert [line.ask(name).result(SOON_S) for name in ("a", "b")] == ["a", "b"]
    assert line.newest._newest == {}
