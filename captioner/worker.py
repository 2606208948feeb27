"""The one thread that runs model work: what a person waits for comes before jobs, and jobs go in small steps.

Two browsers cannot collide in a model, a moved slider never waits for a whole "caption all", a job goes on when its tab
closes, and no job stands still while others ask without pause. Knows no model, no picture and no page: it runs
functions and iterators.
"""

from __future__ import annotations

import functools
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from captioner.turns import Turns

_log = logging.getLogger(__name__)

Result = TypeVar("Result")
JobState = Literal["waiting", "running", "done", "cancelled", "failed"]
FINISHED: tuple[JobState, ...] = ("done", "cancelled", "failed")
Lane = Literal["asks", "jobs"]

JOBS_SHARE = 1 / 8
"""What all jobs together get of the worker's time while asks never pause: the tenth that is promised, and some more."""


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

    aside: what it waits for. until: asked on the worker's thread, before the job's turn would come; whether it is over.
    """

    aside: PreparationProgress
    until: Callable[[], bool]


class Job:
    """A long piece of work in steps, as the page watches it. Made by `Worker.start`; its fields only the worker writes.

    done: steps that ended without an error. failed: steps that reported one (see `Worker.start`). total: steps
    expected; the iterator decides how many there are. message: the last error in words, or "". aside: what is going on
    before the first step that counts, or between them. counting_since: when the steps that count began.
    started_at, ended_at: seconds since 1970; None before. kind: what it is to its owner, in a word of the owner's. Jobs
    compare by identity.
    """

    def __init__(self, job_id: str, owner: str, steps: Iterable[Any], total: int, kind: str = "") -> None:
        self.id = job_id
        self.owner = owner
        self.kind = kind
        self.total = total
        self.state: JobState = "waiting"
        self.done = 0
        self.failed = 0
        self.message = ""
        self.aside: PreparationProgress | None = None
        self.counting_since: float | None = None
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self._steps: Iterable[Any] | None = steps
        self._iterator: Iterator[Any] | None = None
        self._pause: Pause | None = None
        self._is_cancel_asked = False
        self._has_ended = threading.Event()

    @property
    def is_finished(self) -> bool:
        """Nothing more will happen."""
        return self.state in FINISHED

    def cancel(self) -> None:
        """Stop before the next step, whichever job's it is. What is done stays done; a finished job stays as it is."""
        self._is_cancel_asked = True

    def wait(self, timeout_s: float | None = None) -> bool:
        """True when the job ended within the time. Never call it from the worker's own thread."""
        return self._has_ended.wait(timeout_s)

    def _end(self, state: JobState, message: str = "") -> None:
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
        self._has_ended.set()


class Worker:
    """One daemon thread that runs asks in their order and, when none waits, steps of jobs.

    While asks never pause, jobs get `JOBS_SHARE` of the time: after a step, asks come first until they have used seven
    times what it took. Where a step takes a seventh of an ask or more, an ask is thus held up by one step at most;
    shorter steps follow each other until they have had their share. Owners take turns step by step, so that each gets
    the same time; an owner's own jobs go one after the other.

    Use as a context manager or call `close`.
    """

    def __init__(self, *, kept_jobs: int = 50, clock: Callable[[], float] = time.monotonic) -> None:
        """Args: kept_jobs: how many finished jobs are remembered for `jobs`. clock: seconds, to measure turns by."""
        self._kept_jobs = kept_jobs
        self._clock = clock
        self._lanes: Turns[Lane] = Turns({"asks": 1 - JOBS_SHARE, "jobs": JOBS_SHARE})
        self._owners: Turns[str] = Turns()
        self._asks: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._jobs: list[Job] = []
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="captioner-worker", daemon=True)
        self._thread.start()

    def ask(self, function: Callable[[], Result]) -> Future[Result]:
        """Run `function` on the worker's thread, before any further job step that is not due (see `Worker`).

        Returns: a future with its result or its exception. While it is queued, `Future.cancel` drops it: the way to
        forget a request that a newer one has made pointless.
        Raises: RuntimeError: the worker is closed.
        """
        future: Future[Result] = Future()
        with self._changed:
            self._refuse_when_closing()
            self._asks.append((future, function))
            self._changed.notify_all()
        return future

    def start(self, steps: Iterable[Any], *, total: int, owner: str, kind: str = "") -> Job:
        """Run a job: each `next` on `steps` is one step, and asks and other owners' steps run in between.

        A step that yields an exception object instead of raising it counts as failed, and the job goes on; one that
        yields a `PreparationProgress` or a `Pause` does not count; one that raises ends the job as failed with that
        message. What earlier steps stored stays.

        Args: total: expected steps. owner: whose job it is, for `jobs` and for the turns. kind: as `Job.kind`.
        Raises: RuntimeError: the worker is closed.
        """
        with self._changed:
            self._refuse_when_closing()
            job = Job(str(next(self._numbers)), owner, steps, total, kind)
            self._jobs.append(job)
            finished = [old for old in self._jobs if old.is_finished]
            for old in finished[: max(0, len(finished) - self._kept_jobs)]:
                self._jobs.remove(old)
            self._changed.notify_all()
        return job

    def jobs(self, owner: str | None = None) -> list[Job]:
        """The owner's jobs (None: everyone's), oldest first, finished ones among them."""
        with self._changed:
            return [job for job in self._jobs if owner in (None, job.owner)]

    def close(self, timeout_s: float | None = 30.0) -> None:
        """Finish the step that runs, cancel everything else, and end the thread. May be called twice."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _refuse_when_closing(self) -> None:
        if self._is_closing:
            raise RuntimeError("the worker is closed")

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._is_closing and (turn := self._next_turn()) is None:
                    self._changed.wait()
                if self._is_closing:
                    break
            assert turn is not None
            lane, owner, action = turn
            start = self._clock()
            action()
            seconds = self._clock() - start
            self._lanes.charge(lane, seconds)
            if owner is not None:
                self._owners.charge(owner, seconds)
            del turn, action  # else the last pictures stay in memory until the next request
        with self._changed:
            for future, _ in self._asks:
                future.cancel()
            self._asks.clear()
            unfinished = [job for job in self._jobs if not job.is_finished]
        for job in unfinished:
            job._end("cancelled")

    def _next_turn(self) -> tuple[Lane, str | None, Callable[[], None]] | None:
        """The lane that is next, the owner when it is a job's, and what to do; None when nothing is to be done."""
        first_jobs: dict[str, Job] = {}
        for job in self._jobs:
            if job.is_finished:
                continue
            if job._is_cancel_asked:  # ends at once, whoever's turn it is: it must not look undecided
                return "jobs", job.owner, functools.partial(_step, job)
            first_jobs.setdefault(job.owner, job)
        ready = {owner: job for owner, job in first_jobs.items() if job._pause is None or job._pause.until()}
        owner = self._owners.next(list(ready))
        waiting: list[Lane] = ["asks"] if self._asks else []
        lane = self._lanes.next([*waiting, "jobs"] if owner is not None else waiting)
        if lane == "asks":
            future, function = self._asks.popleft()
            return lane, None, functools.partial(_answer, future, function)
        if owner is None:
            return None
        return "jobs", owner, functools.partial(_step, ready[owner])


def _answer(future: Future[Any], function: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function()
    except BaseException as error:  # noqa: BLE001 - a bug in an ask belongs to whoever asked
        future.set_exception(error)
    else:
        future.set_result(result)


def _step(job: Job) -> None:
    if job._is_cancel_asked:
        job._end("cancelled")
        return
    try:
        if job._iterator is None:
            assert job._steps is not None
            job.state = "running"
            job.started_at = job.counting_since = time.time()
            job._iterator = iter(job._steps)
        result = next(job._iterator)
    except StopIteration:
        job._end("done")
    except Exception as error:  # noqa: BLE001 - recorded in the job; the worker must live on
        _log.warning("a job failed", exc_info=error)
        job._end("failed", _in_words(error))
    else:
        job._pause = result if isinstance(result, Pause) else None
        job.aside = (
            result.aside if isinstance(result, Pause) else result if isinstance(result, PreparationProgress) else None
        )
        if job.aside is not None:
            job.counting_since = time.time()
        elif isinstance(result, BaseException):
            job.failed += 1
            job.message = _in_words(result)
        else:
            job.done += 1


def _in_words(error: BaseException) -> str:
    return str(error) or type(error).__name__
