"""Of one tab's questions of a kind only the newest is worked on: a slider that moves on makes the last question vain.

An earlier one that still waits for its turn gives its place in line to the newest, so that who asks ever anew does not
fall behind; one whose turn has come is answered. Knows no picture and no model.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from typing import Any, TypeVar

from captioner.errors import Superseded
from captioner.worker import LOCAL, Worker

Result = TypeVar("Result")


class Newest:
    """The questions of all tabs."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._lock = threading.Lock()
        self._newest: dict[Hashable, Question] = {}

    @contextmanager
    def question(self, about: Hashable | None) -> Iterator[Question]:
        """A question, from now on the newest of those about the same. Args: about: None for one that stands alone."""
        with self._lock:
            question = Question(self._worker, self._lock, self._newest.get(about) if about is not None else None)
            if about is not None:
                self._newest[about] = question
        try:
            yield question
        finally:
            with self._lock:
                question.let_go()
                if self._newest.get(about) is question:
                    del self._newest[about]


class Question:
    """One of them, while it is answered; made by `Newest.question`."""

    def __init__(self, worker: Worker, lock: threading.Lock, earlier: Question | None) -> None:
        self._worker = worker
        self._lock = lock
        self._waiting: Future[Any] | None = None
        self._place: Future[Any] | None = None  # an earlier one's in line, until this one needs it
        self._is_superseded = False
        if earlier is not None:
            earlier._is_superseded = True
            self._place = earlier._place or earlier._waiting

    def ask(self, function: Callable[[], Result], *, lane: str = LOCAL) -> Result:
        """What the function returns or raises, run when its turn comes (see `Worker.ask`).

        Raises: Superseded: a newer question came before that.
        """
        with self._lock:
            if self._is_superseded:
                raise _superseded()
            future = self._worker.ask(function, lane=lane, instead_of=self._place)
            self._waiting = future
            self.let_go()
        try:
            return future.result()
        except CancelledError:
            if self._is_superseded:
                raise _superseded() from None
            raise

    def let_go(self) -> None:
        """Drop the earlier one, if it still waits."""
        if self._place is not None and not self._is_superseded:  # else the next one has its place
            self._place.cancel()
        self._place = None


def _superseded() -> Superseded:
    return Superseded("a newer question from this page came before its turn; the answer to that one counts.")
