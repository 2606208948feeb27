"""captioner.worker: what a person waits for comes first, jobs go in steps and keep what they finished."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator

import pytest

from captioner.worker import LOCAL, Job, PreparationProgress, Worker

SOON_S = 10.0


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Worker() as worker:
        yield worker


class Steps:
    """A job's steps that wait for the test's leave: `leave.release()` lets one step end."""

    def __init__(self, count: int, happened: list[str] | None = None) -> None:
        self.leave = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)
        self.happened = happened if happened is not None else []
        self.is_closed = False
        self._count = count

    def __iter__(self) -> Iterator[int]:
        try:
            for number in range(self._count):
                self.begun.release()
                assert self.leave.acquire(timeout=SOON_S)
                self.happened.append(f"step {number}")
                yield number
        finally:
            self.is_closed = True


def test_a_finished_job_lets_go_of_what_its_steps_held(worker: Worker) -> None:
    class Picture:
        pass

    picture = Picture()
    gone = weakref.ref(picture)

    def steps(held: Picture) -> Iterator[Picture]:
        yield held
        yield held

    jobs = [worker.start(steps(picture), total=2, owner="me"), worker.start([picture], total=1, owner="you")]
    del picture
    assert all(job.wait(SOON_S) for job in jobs)
    worker.ask(lambda: None).result(SOON_S)  # the worker has turned to something else
    gc.collect()
    assert gone() is None
    assert worker.jobs() == jobs


def test_an_ask_gives_its_result(worker: Worker) -> None:
    assert worker.ask(lambda: 6 * 7).result(SOON_S) == 42


def test_all_work_runs_on_one_other_thread(worker: Worker) -> None:
    names = {worker.ask(lambda: threading.current_thread().name).result(SOON_S) for _ in range(5)}
    seen: list[str] = []
    worker.start((seen.append(threading.current_thread().name) for _ in range(3)), total=3, owner="me").wait(SOON_S)
    assert names | set(seen) == {"captioner-worker"}


def test_a_bug_in_an_ask_goes_to_whoever_asked_and_the_worker_lives_on(worker: Worker) -> None:
    with pytest.raises(ZeroDivisionError):
        worker.ask(lambda: 1 // 0).result(SOON_S)
    assert worker.ask(lambda: "still here").result(SOON_S) == "still here"


def test_what_leads_up_to_the_steps_is_shown_and_not_counted(worker: Worker) -> None:
    seen: list[tuple[PreparationProgress | None, int]] = []
    known: list[Job] = []
    paces: list[float | None] = []
    one, two = (
        PreparationProgress("1 of 2 labels", "Preparing", 1, 2),
        PreparationProgress("2 of 2 labels", "Preparing", 2, 2, 3.0),
    )

    def steps() -> Iterator[PreparationProgress | None]:
        for result in (one, two, None, None):
            seen.append((known[0].aside, known[0].done))
            paces.append(known[0].pace)
            yield result
        seen.append((known[0].aside, known[0].done))

    may_go = threading.Event()
    worker.ask(lambda: may_go.wait(SOON_S))
    known.append(worker.start(steps(), total=2, owner="me"))
    may_go.set()
    assert known[0].wait(SOON_S)
    assert seen == [(None, 0), (one, 0), (two, 0), (None, 1), (None, 2)]
    assert (known[0].state, known[0].done, known[0].aside) == ("done", 2, None)
    assert paces[:3] == [None] * 3, "what leads up to the steps is not counted into their pace"
    assert paces[3] is not None and known[0].pace is not None


def test_a_job_counts_its_steps(worker: Worker) -> None:
    job = worker.start(range(4), total=4, owner="me")
    assert job.wait(SOON_S)
    assert (job.state, job.done, job.failed, job.total, job.message) == ("done", 4, 0, 4, "")
    assert job.started_at is not None
    assert job.ended_at is not None
    assert job.started_at <= job.ended_at


def test_an_ask_runs_between_the_steps_of_a_job(worker: Worker) -> None:
    steps = Steps(3)
    job = worker.start(steps, total=3, owner="me")
    assert steps.begun.acquire(timeout=SOON_S)
    asked = worker.ask(lambda: steps.happened.append("ask"))
    steps.leave.release(3)
    asked.result(SOON_S)
    assert job.wait(SOON_S)
    assert steps.happened == ["step 0", "ask", "step 1", "step 2"]


def test_asks_run_in_order_and_all_before_the_next_step(worker: Worker) -> None:
    steps = Steps(2)
    job = worker.start(steps, total=2, owner="me")
    assert steps.begun.acquire(timeout=SOON_S)
    for name in "abc":
        worker.ask(lambda name=name: steps.happened.append(name))  # type: ignore[misc]
    steps.leave.release(2)
    assert job.wait(SOON_S)
    assert steps.happened == ["step 0", "a", "b", "c", "step 1"]


def test_an_ask_cancelled_while_it_waits_never_runs(worker: Worker) -> None:
    steps = Steps(1)
    job = worker.start(steps, total=1, owner="me")
    assert steps.begun.acquire(timeout=SOON_S)
    stale = worker.ask(lambda: steps.happened.append("stale"))
    assert stale.cancel()
    fresh = worker.ask(lambda: steps.happened.append("fresh"))
    steps.leave.release()
    fresh.result(SOON_S)
    assert job.wait(SOON_S)
    assert steps.happened == ["step 0", "fresh"]


def test_a_cancelled_job_stops_after_the_step_that_runs(worker: Worker) -> None:
    steps = Steps(5)
    job = worker.start(steps, total=5, owner="me")
    assert steps.begun.acquire(timeout=SOON_S)
    job.cancel()
    steps.leave.release(5)
    assert job.wait(SOON_S)
    assert (job.state, job.done) == ("cancelled", 1)
    assert steps.happened == ["step 0"]
    assert steps.is_closed, "the steps' clean-up must run"


def test_a_job_cancelled_before_it_starts_runs_no_step(worker: Worker) -> None:
    first, second = Steps(1), Steps(1)
    worker.start(first, total=1, owner="me")
    assert first.begun.acquire(timeout=SOON_S)
    waiting = worker.start(second, total=1, owner="me")
    assert waiting.state == "waiting"
    waiting.cancel()
    first.leave.release()
    assert waiting.wait(SOON_S)
    assert (waiting.state, second.happened) == ("cancelled", [])


def test_a_job_cancelled_while_it_waits_ends_before_the_job_that_runs(worker: Worker) -> None:
    first = Steps(3)
    running = worker.start(first, total=3, owner="me")
    waiting = worker.start([1], total=1, owner="you")
    assert first.begun.acquire(timeout=SOON_S)
    waiting.cancel()
    first.leave.release()
    assert waiting.wait(SOON_S)
    assert (waiting.state, running.state) == ("cancelled", "running")
    first.leave.release(2)
    assert running.wait(SOON_S)
    assert (running.state, running.done) == ("done", 3)


def test_a_job_that_raises_failed_with_its_message_and_keeps_what_it_finished(worker: Worker) -> None:
    stored = []

    def steps() -> Iterator[int]:
        for number in range(2):
            stored.append(number)
            yield number
        raise ValueError("the disk is full")

    job = worker.start(steps(), total=9, owner="me")
    assert job.wait(SOON_S)
    assert (job.state, job.done, job.message, stored) == ("failed", 2, "the disk is full", [0, 1])
    assert worker.ask(lambda: True).result(SOON_S)


def test_a_step_that_yields_an_error_is_counted_and_the_job_goes_on(worker: Worker) -> None:
    job = worker.start([1, ValueError("no picture"), 3], total=3, owner="me")
    assert job.wait(SOON_S)
    assert (job.state, job.done, job.failed, job.message) == ("done", 2, 1, "no picture")


def test_jobs_run_one_after_the_other(worker: Worker) -> None:
    happened: list[str] = []
    first, second = Steps(2, happened), Steps(1, happened)
    jobs = [worker.start(steps, total=1, owner="me") for steps in (first, second)]
    second.leave.release()
    first.leave.release(2)
    assert all(job.wait(SOON_S) for job in jobs)
    assert happened == ["step 0", "step 1", "step 0"]


def test_jobs_are_listed_by_their_owner(worker: Worker) -> None:
    mine, theirs = worker.start([], total=0, owner="me"), worker.start([], total=0, owner="they")
    assert mine.wait(SOON_S)
    assert theirs.wait(SOON_S)
    assert worker.jobs("me") == [mine]
    assert worker.jobs() == [mine, theirs]
    assert mine.id != theirs.id


def test_old_finished_jobs_are_forgotten() -> None:
    with Worker(kept_jobs=2) as worker:
        jobs = []
        for _ in range(5):
            jobs.append(worker.start([], total=0, owner="me"))
            assert jobs[-1].wait(SOON_S)
        assert worker.jobs("me") == jobs[2:]


def test_close_ends_the_running_step_and_cancels_the_rest() -> None:
    worker = Worker()
    steps = Steps(3)
    running = worker.start(steps, total=3, owner="me")
    waiting = worker.start([], total=0, owner="me")
    assert steps.begun.acquire(timeout=SOON_S)
    asked = worker.ask(lambda: None)
    closing = threading.Thread(target=worker.close)
    closing.start()
    while not worker._is_closing:
        closing.join(0.01)
    steps.leave.release(3)
    closing.join(SOON_S)
    assert not closing.is_alive()
    assert (running.state, running.done, waiting.state) == ("cancelled", 1, "cancelled")
    assert steps.is_closed
    assert asked.cancelled()
    assert not worker._lanes[LOCAL].thread.is_alive()


def test_a_closed_worker_says_so() -> None:
    worker = Worker()
    worker.close()
    worker.close()
    with pytest.raises(RuntimeError, match="the worker is closed"):
        worker.ask(lambda: None)
    with pytest.raises(RuntimeError, match="the worker is closed"):
        worker.start([], total=0, owner="me")


def test_an_ask_instead_of_one_that_is_over_waits_in_its_turn() -> None:
    done: list[str] = []
    with Worker() as worker:
        first = worker.ask(lambda: done.append("first"))
        first.result(SOON_S)
        worker.ask(lambda: done.append("newer"), instead_of=first).result(SOON_S)
    assert (done, first.cancelled()) == (["first", "newer"], False)
