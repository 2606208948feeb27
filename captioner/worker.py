"""The threads that run model work: what a person waits for comes before jobs, and jobs go in small steps.

Two browsers cannot collide in a model, a moved slider never waits for a whole "caption all", a job goes on when its tab
closes, and no job stands still while others ask without pause. Work that takes nothing of this machine's models (a
server that thinks, a download) has lanes of its own beside theirs. Knows no model, no picture and no page: it runs
functions and iterators.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, Literal, NamedTuple, TypeVar

from captioner.events import tell
from captioner.job import LOCAL, Job, JobState, MoveTo, Pause, PreparationProgress
from captioner.turns import Turns

__all__ = ["LOCAL", "Job", "JobState", "MoveTo", "Pause", "Place", "PreparationProgress", "Worker"]

Result = TypeVar("Result")
Part = Literal["asks", "jobs"]

JOBS_SHARE = 1 / 8
"""What all jobs together get of a lane's time while asks never pause: the tenth that is promised, and some more."""


class Place(NamedTuple):
    """Where a job stands among those that share its lane.

    number: whose turn its next step is, 1 for the next one. jobs: how many take turns, itself among them.
    """

    number: int
    jobs: int


class Worker:
    """Lanes of one daemon thread each, which run asks in their order and, when none waits, steps of jobs.

    While asks never pause, jobs get `JOBS_SHARE` of a lane's time: after a step, asks come first until they have used
    seven times what it took. Where a step takes a seventh of an ask or more, an ask is thus held up by one step at
    most; shorter steps follow each other until they have had their share. Owners take turns step by step, so that each
    gets the same time; an owner's own jobs go one after the other.

    Use as a context manager or call `close`.
    """

    def __init__(self, *, kept_jobs: int = 50, clock: Callable[[], float] = time.monotonic) -> None:
        """Args: kept_jobs: how many finished jobs are remembered for `jobs`. clock: seconds, to measure turns by."""
        self._kept_jobs = kept_jobs
        self._clock = clock
        self._jobs: list[Job] = []
        self._stepped: set[Job] = set()  # those of which a step runs now
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._is_closing = False
        self._lanes: dict[str, _Lane] = {}
        with self._changed:
            self._lane(LOCAL)

    def ask(
        self, function: Callable[[], Result], *, lane: str = LOCAL, instead_of: Future[Any] | None = None
    ) -> Future[Result]:
        """Run `function` on a lane's thread, before any further job step there that is not due (see `Worker`).

        Args: instead_of: an earlier ask; while it waits in this lane it is cancelled, and this one has its place.
        Returns: a future with its result or its exception. While it is queued, `Future.cancel` drops it: the way to
        forget a request that a newer one has made pointless.
        Raises: RuntimeError: the worker is closed.
        """
        future: Future[Result] = Future()
        asked_at = self._clock()

        def answer() -> Result:
            tell("waited", what="request", seconds=self._clock() - asked_at)
            return function()

        with self._changed:
            self._refuse_when_closing()
            self._lane(lane).put(future, answer, instead_of)
            self._changed.notify_all()
        return future

    def start(
        self,
        steps: Iterable[Any],
        *,
        total: int,
        owner: str,
        kind: str = "",
        job_id: str = "",
        on_end: Callable[[Job], None] | None = None,
    ) -> Job:
        """Run a job: each `next` on `steps` is one step, and asks and other owners' steps run in between.

        A step that yields an exception object instead of raising it counts as failed, and the job goes on; one that
        yields a `PreparationProgress`, a `Pause` or a `MoveTo` does not count; one that raises ends the job as failed
        with that message. What earlier steps stored stays.

        Args: total: expected steps. owner: whose job it is, for `jobs` and for the turns. kind: as `Job.kind`.
            job_id: a name that no other job has; "" for the next number. on_end: told once how the job ended, before
            `Job.wait` returns, on the thread that ended it.
        Raises: RuntimeError: the worker is closed.
        """
        with self._changed:
            self._refuse_when_closing()
            name = job_id or str(next(self._numbers))
            begun = _told_when_begun(steps, self._clock)
            job = Job(name, owner, begun, total, kind, on_end=_telling(on_end), wake=self._wake)
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

    @property
    def is_alive(self) -> bool:
        """Whether the threads that do the work are there."""
        with self._changed:
            return not self._is_closing and all(lane.thread.is_alive() for lane in self._lanes.values())

    def place(self, job: Job) -> Place | None:
        """Where a job stands in its lane; None when it has ended."""
        with self._changed:
            if job.is_finished:
                return None
            return self._lane(job.lane).place(job)

    def close(self, timeout_s: float | None = 30.0) -> None:
        """Finish the steps that run, cancel everything else, and end the threads. May be called twice."""
        with self._changed:
            self._is_closing = True
            lanes = list(self._lanes.values())
            self._changed.notify_all()
        until = None if timeout_s is None else time.monotonic() + timeout_s
        for lane in lanes:
            if threading.current_thread() is not lane.thread:
                lane.thread.join(None if until is None else max(0.0, until - time.monotonic()))

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _refuse_when_closing(self) -> None:
        if self._is_closing:
            raise RuntimeError("the worker is closed")

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _lane(self, name: str) -> _Lane:
        """A lane, made when it is first needed; called with the lock."""
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = _Lane(self, name)
            lane.thread.start()
        return lane


class _Turn(NamedTuple):
    """What a lane does next: an ask's future and function, or a job's step."""

    part: Part
    job: Job | None = None
    future: Future[Any] | None = None
    function: Callable[[], Any] | None = None


class _Lane:
    """One thread, and what it does next."""

    def __init__(self, worker: Worker, name: str) -> None:
        self.asks: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._worker = worker
        self._name = name
        self._parts: Turns[Part] = Turns({"asks": 1 - JOBS_SHARE, "jobs": JOBS_SHARE})
        self._owners: Turns[str] = Turns()
        title = "captioner-worker" if name == LOCAL else f"captioner-worker {name}"
        self.thread = threading.Thread(target=self._run, name=title, daemon=True)

    def put(self, future: Future[Any], function: Callable[[], Any], instead_of: Future[Any] | None) -> None:
        """Have an ask wait here, see `Worker.ask`; called with the lock."""
        number = next((place for place, (waiting, _) in enumerate(self.asks) if waiting is instead_of), len(self.asks))
        if number < len(self.asks):
            self.asks[number][0].cancel()
            self.asks[number] = (future, function)
        else:
            self.asks.append((future, function))

    def place(self, job: Job) -> Place:
        """See `Worker.place`; called with the lock."""
        owners = list(self._first_jobs())
        order = self._owners.order(owners if job.owner in owners else [*owners, job.owner])
        return Place(order.index(job.owner) + 1, len(order))

    def _run(self) -> None:
        worker = self._worker
        while True:
            with worker._changed:
                while not worker._is_closing and (turn := self._next_turn()) is None:
                    worker._changed.wait()
                if worker._is_closing:
                    break
                assert turn is not None
                if turn.job is not None:
                    worker._stepped.add(turn.job)
            start = worker._clock()
            if turn.job is not None:
                turn.job.step()
            else:
                assert turn.future is not None and turn.function is not None
                _answer(turn.future, turn.function)
            seconds = worker._clock() - start
            with worker._changed:
                self._parts.charge(turn.part, seconds)
                if turn.job is not None:
                    self._owners.charge(turn.job.owner, seconds)
                    worker._stepped.discard(turn.job)
                    if turn.job.lane not in worker._lanes and not worker._is_closing:
                        worker._lane(turn.job.lane)
                    worker._changed.notify_all()  # it may go on in another lane, or others may now
            del turn  # else the last pictures stay in memory until the next request
        self._end_all()

    def _end_all(self) -> None:
        """Cancel what waits in this lane. A job of which another lane runs a step now is ended there."""
        worker = self._worker
        with worker._changed:
            for future, _ in self.asks:
                future.cancel()
            self.asks.clear()
            left = [job for job in worker._jobs if not job.is_finished and job not in worker._stepped]
            worker._stepped.update(left)
        for job in left:
            job.end("cancelled")

    def _first_jobs(self) -> dict[str, Job]:
        """By owner, the first job that is not over, of those whose turn is in this lane."""
        found: dict[str, Job] = {}
        for job in self._worker._jobs:
            if not job.is_finished:
                found.setdefault(job.owner, job)
        return {owner: job for owner, job in found.items() if job.lane == self._name}

    def _next_turn(self) -> _Turn | None:
        """What to do next; None when nothing is to be done. Called with the lock."""
        stepped = self._worker._stepped
        for job in self._worker._jobs:
            is_ours = job.lane == self._name or self._name == LOCAL  # another lane may be busy for long
            if job.is_cancel_asked and is_ours and not job.is_finished and job not in stepped:
                return _Turn("jobs", job)  # ends at once, whoever's turn it is: it must not look undecided
        ready = {owner: job for owner, job in self._first_jobs().items() if job not in stepped and job.may_go_on()}
        owner = self._owners.next(list(ready))
        waiting: list[Part] = ["asks"] if self.asks else []
        part = self._parts.next([*waiting, "jobs"] if owner is not None else waiting)
        if part == "asks":
            future, function = self.asks.popleft()
            return _Turn(part, future=future, function=function)
        if owner is None:
            return None
        return _Turn("jobs", ready[owner])


def _told_when_begun(steps: Iterable[Any], clock: Callable[[], float]) -> Iterator[Any]:
    """The steps; how long they waited for the first turn is told then."""
    asked_at = clock()

    def begun() -> Iterator[Any]:
        tell("waited", what="job", seconds=clock() - asked_at)
        yield from steps

    return begun()


def _telling(on_end: Callable[[Job], None] | None) -> Callable[[Job], None]:
    def ended(job: Job) -> None:
        tell("job_ended", kind=job.kind, state=job.state, done=job.done, failed=job.failed)
        if on_end is not None:
            on_end(job)

    return ended


def _answer(future: Future[Any], function: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function()
    except BaseException as error:  # noqa: BLE001 - a bug in an ask belongs to whoever asked
        future.set_exception(error)
    else:
        future.set_result(result)
