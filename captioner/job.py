"""A long piece of work in steps: what whoever runs it counts, what its steps may yield, how far it is. Knows no thread.

A step is one `next` on an iterator of the caller's; `worker` decides whose step is next.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

_log = logging.getLogger(__name__)

JobState = Literal["waiting", "running", "done", "cancelled", "failed"]
FINISHED: tuple[JobState, ...] = ("done", "cancelled", "failed")

LOCAL = "local"
"""The lane of the models on this machine, in which every job begins."""

_MARK_EVERY_S = 1.0
_MARKS = 30  # the pace is that of so many seconds or more


@dataclass(frozen=True, slots=True)
class PreparationProgress:
    """What a step yields that only leads up to the steps that count, such as a model being prepared.

    text: how far that is, in few words. title: what it is. done, total: as text, for a bar. seconds_left: None while it
    cannot be told.
    """

    text: str
    title: str
    done: int
    total: int
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """What a step yields when the job cannot go on before another job has: the job takes no turn meanwhile.

    aside: what it waits for. until: asked before the job's turn would come; whether it is over.
    """

    aside: PreparationProgress
    until: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class MoveTo:
    """What a step yields to have those that follow run in another lane, on a thread that keeps no other lane waiting.

    lane: a name; work of one name takes turns. `LOCAL` brings the job back.
    """

    lane: str


class Job:
    """A long piece of work, as the page watches it. Made by `Worker.start`; its fields only the worker writes.

    done: steps that ended without an error. failed: steps that reported one (see `Worker.start`). total: steps
    expected; the iterator decides how many there are. message: the last error in words, or "". aside: what is going on
    before the first step that counts, or between them. started_at, ended_at: seconds since 1970; None before. kind:
    what it is to its owner, in a word of the owner's. lane: where its next step runs. is_cancel_asked: a person wants
    it to end. Jobs compare by identity.
    """

    def __init__(
        self,
        job_id: str,
        owner: str,
        steps: Iterable[Any],
        total: int,
        kind: str = "",
        *,
        on_end: Callable[[Job], None] | None = None,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """Args: on_end: see `Worker.start`. wake: called when whoever runs it should look at it again."""
        self.id = job_id
        self.owner = owner
        self.kind = kind
        self.total = total
        self.state: JobState = "waiting"
        self.done = 0
        self.failed = 0
        self.message = ""
        self.aside: PreparationProgress | None = None
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self.lane = LOCAL
        self.is_cancel_asked = False
        self._steps: Iterable[Any] | None = steps
        self._iterator: Iterator[Any] | None = None
        self._pause: Pause | None = None
        self._marks: deque[tuple[float, int]] = deque(maxlen=_MARKS)  # when so many steps had ended
        self._on_end = on_end
        self._wake = wake
        self._has_ended = threading.Event()

    @property
    def is_finished(self) -> bool:
        """Nothing more will happen."""
        return self.state in FINISHED

    @property
    def pace(self) -> float | None:
        """Steps a second of late; None before one has ended."""
        finished = self.done + self.failed
        marks = list(self._marks)
        if not marks or finished == marks[0][1]:
            return None
        return (finished - marks[0][1]) / max(time.monotonic() - marks[0][0], 1e-6)

    def may_go_on(self) -> bool:
        """Whether it waits for nothing but its turn."""
        return self._pause is None or self._pause.until()

    def cancel(self) -> None:
        """Stop before the next step, whichever job's it is. What is done stays done; a finished job stays as it is."""
        self.is_cancel_asked = True
        self._wake()

    def wait(self, timeout_s: float | None = None) -> bool:
        """True when the job ended within the time. Never call it from the worker's own threads."""
        return self._has_ended.wait(timeout_s)

    def step(self) -> None:
        """Take the next step, or end; only for whoever runs it, one thread at a time."""
        if self.is_cancel_asked:
            self.end("cancelled")
            return
        try:
            if self._iterator is None:
                assert self._steps is not None
                self.state = "running"
                self.started_at = time.time()
                self._begin_counting()
                self._iterator = iter(self._steps)
            result = next(self._iterator)
        except StopIteration:
            self.end("done")
        except Exception as error:  # noqa: BLE001 - recorded in the job; the worker must live on
            _log.warning("a job failed", exc_info=error)
            self.end("failed", _in_words(error))
        else:
            self._take(result)

    def _take(self, result: Any) -> None:
        self._pause = result if isinstance(result, Pause) else None
        if isinstance(result, MoveTo):
            self.lane = result.lane
            return
        aside = result.aside if isinstance(result, Pause) else result
        self.aside = aside if isinstance(aside, PreparationProgress) else None
        if self.aside is not None:
            self._begin_counting()
        elif isinstance(result, BaseException):
            self.failed += 1
            self.message = _in_words(result)
        else:
            self.done += 1
        now = time.monotonic()
        if now - self._marks[-1][0] >= _MARK_EVERY_S:
            self._marks.append((now, self.done + self.failed))

    def _begin_counting(self) -> None:
        self._marks.clear()
        self._marks.append((time.monotonic(), self.done + self.failed))

    def end(self, state: JobState, message: str = "") -> None:
        """Let go of the steps, and say how it ended; only for whoever runs it."""
        iterator = self._iterator
        self._steps = self._iterator = self._pause = None  # and with them the pictures that they hold
        close = getattr(iterator, "close", None)
        if close is not None:
            try:
                close()  # a generator's `finally` blocks run now, on this thread
            except Exception as error:  # noqa: BLE001 - the caller's clean-up must not end the worker
                _log.exception("a job's clean-up failed")
                state, message = "failed", _in_words(error)
        self.state = state
        self.aside = None
        self.message = message or self.message
        self.ended_at = time.time()
        if self._on_end is not None:
            try:
                self._on_end(self)
            except Exception:  # noqa: BLE001 - whoever wanted to know must not end the worker
                _log.exception("the end of a job was not noted")
        self._on_end = None
        self._has_ended.set()


def _in_words(error: BaseException) -> str:
    return str(error) or type(error).__name__
