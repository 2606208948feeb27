"""captioner.worker: how asks and jobs of several owners share its time."""

from __future__ import annotations

import functools
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from captioner.worker import LOCAL, MoveTo, Pause, Place, PreparationProgress, Worker

SOON_S = 10.0


class Scene:
    """A worker whose time is what its asks and steps say that they take; nothing begins before `play`."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.happened: list[str] = []
        self.spent_s: Counter[str] = Counter()
        self.worker = Worker(clock=lambda: self.now_s)
        self._may_go = threading.Event()
        self.worker.ask(lambda: self._may_go.wait(SOON_S))

    def take(self, name: str, seconds: float) -> None:
        """Be at work for a while, as an ask or a step."""
        self.now_s += seconds
        self.happened.append(name)
        self.spent_s[name] += seconds

    def steps(self, name: str, lengths_s: Sequence[float]) -> Iterator[None]:
        """Of a job: steps that take so long."""
        for seconds in lengths_s:
            self.take(name, seconds)
            yield None

    def ask(self, seconds: float, count: int) -> None:
        """Asks that all wait already."""
        for _ in range(count):
            self.worker.ask(lambda: self.take("ask", seconds))

    def play(self) -> None:
        """Let all happen that was asked for and started."""
        jobs = self.worker.jobs()
        self._may_go.set()
        assert all(job.wait(SOON_S) for job in jobs)
        self.worker.ask(lambda: None).result(SOON_S)
        self.worker.close()

    def until_last(self, name: str) -> list[str]:
        """What happened while this one was not through."""
        return self.happened[: len(self.happened) - self.happened[::-1].index(name)]


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.worker.close()


@pytest.mark.parametrize(("ask_s", "step_s"), [(1.0, 1.0), (0.1, 2.0), (1.0, 0.1)])
def test_a_job_gets_a_tenth_of_the_time_while_asks_wait(scene: Scene, ask_s: float, step_s: float) -> None:
    scene.worker.start(scene.steps("job", [step_s] * 2000), total=2000, owner="me")
    scene.ask(ask_s, 1000)
    scene.play()
    before = Counter(scene.until_last("ask"))
    job_s, asks_s = before["job"] * step_s, before["ask"] * ask_s
    assert 0.1 <= job_s / (job_s + asks_s) <= 0.15


def test_one_step_comes_between_two_asks_at_most(scene: Scene) -> None:
    scene.worker.start(scene.steps("job", [0.2, 1.0, 3.0] * 100), total=300, owner="me")
    scene.ask(1.0, 200)
    scene.play()
    before = scene.until_last("ask")
    pairs = list(itertools.pairwise(before))
    assert "job" in before
    assert ("job", "job") not in pairs


def test_a_job_that_ran_while_nobody_asked_is_charged_for_one_step_of_it(scene: Scene) -> None:
    def steps() -> Iterator[None]:
        yield from scene.steps("job", [0.9] * 100)
        scene.ask(1.0, 30)
        yield from scene.steps("job", [0.9] * 20)

    scene.worker.start(steps(), total=120, owner="me")
    scene.play()
    assert scene.happened[100:116] == ["job", *["ask"] * 7, "job", *["ask"] * 6, "job"]


def test_one_program_that_asks_again_and_again_leaves_a_job_its_tenth(scene: Scene) -> None:
    def steps() -> Iterator[None]:
        scene.ask(10.0, 1)
        for number in range(1000):
            if number and scene.happened[-1] == "ask":
                scene.ask(10.0, 1)  # the program has its answer, and asks for the next during the job's step
            yield from scene.steps("job", [0.1])

    scene.worker.start(steps(), total=1000, owner="me")
    scene.play()
    assert scene.spent_s["job"] / (scene.spent_s["job"] + scene.spent_s["ask"]) >= 0.1


def test_jobs_of_different_owners_take_turns_step_by_step(scene: Scene) -> None:
    for owner in "abc":
        scene.worker.start(scene.steps(owner, [1.0] * 3), total=3, owner=owner)
    scene.play()
    assert scene.happened == ["a", "b", "c"] * 3


def test_owners_get_the_same_time_however_long_their_steps_are(scene: Scene) -> None:
    scene.worker.start(scene.steps("preparation", [4.0] * 50), total=50, owner="one")
    scene.worker.start(scene.steps("captions", [1.0] * 200), total=200, owner="other")
    scene.play()
    middle = Counter(scene.happened[:100])
    assert middle["preparation"] * 4.0 == pytest.approx(middle["captions"], abs=4.0)


def test_an_owner_with_more_jobs_gets_no_more_time(scene: Scene) -> None:
    for number in range(3):
        scene.worker.start(scene.steps(f"mine {number}", [1.0] * 2), total=2, owner="me")
    scene.worker.start(scene.steps("yours", [1.0] * 6), total=6, owner="you")
    scene.play()
    assert scene.happened[::2] == ["mine 0", "mine 0", "mine 1", "mine 1", "mine 2", "mine 2"]
    assert scene.happened[1::2] == ["yours"] * 6


def test_a_job_that_waits_for_another_takes_no_turn_until_that_is_over(scene: Scene) -> None:
    is_over = threading.Event()
    aside = PreparationProgress("waiting", "Preparing", 0, 0)
    seen: list[tuple[str, PreparationProgress | None, int]] = []

    def first() -> Iterator[None]:
        yield from scene.steps("first", [1.0] * 3)
        seen.append((second.state, second.aside, second.done))
        is_over.set()

    def waits() -> Iterator[Pause | None]:
        yield Pause(aside, is_over.is_set)
        yield from scene.steps("second", [1.0])

    scene.worker.start(first(), total=3, owner="one")
    second = scene.worker.start(waits(), total=1, owner="other")
    scene.play()
    assert scene.happened == ["first"] * 3 + ["second"]
    assert seen == [("running", aside, 0)]
    assert (second.state, second.aside, second.done) == ("done", None, 1)


def test_a_job_is_stopped_while_it_waits_for_another() -> None:
    may_end = threading.Event()
    with Worker() as worker:
        first = worker.start(iter(lambda: may_end.wait(0.01), True), total=1, owner="one")
        paused = worker.start(
            [Pause(PreparationProgress("", "", 0, 0), lambda: first.is_finished)], total=0, owner="other"
        )
        while paused.aside is None:
            assert not paused.wait(0.01)
        paused.cancel()
        assert paused.wait(SOON_S)
        assert (paused.state, first.is_finished) == ("cancelled", False)
        may_end.set()


def test_a_stopped_job_ends_before_the_asks_that_wait(scene: Scene) -> None:
    job = scene.worker.start(scene.steps("job", [1.0]), total=1, owner="me")
    scene.worker.ask(lambda: scene.happened.append(job.state))
    job.cancel()
    scene.play()
    assert scene.happened == ["cancelled"]


def test_a_lane_that_waits_for_a_server_keeps_nobody_else_waiting() -> None:
    may_answer = threading.Event()
    threads: list[str] = []

    def steps() -> Iterator[MoveTo | None]:
        threads.append(threading.current_thread().name)
        yield MoveTo("server far")
        threads.append(threading.current_thread().name)
        assert may_answer.wait(SOON_S)
        yield None
        yield MoveTo(LOCAL)
        threads.append(threading.current_thread().name)
        yield None

    with Worker() as worker:
        away = worker.start(steps(), total=2, owner="one")
        here = worker.start([1, 2, 3], total=3, owner="other")
        assert here.wait(SOON_S)
        assert worker.ask(lambda: "a slider").result(SOON_S) == "a slider"
        assert (away.state, away.done) == ("running", 0)
        may_answer.set()
        assert away.wait(SOON_S)
    assert (away.state, away.done, away.total) == ("done", 2, 2)
    assert threads == ["captioner-worker", "captioner-worker server far", "captioner-worker"]


def test_two_sets_that_ask_one_server_take_turns_there() -> None:
    now_s = 0.0
    happened: list[str] = []
    are_both_there = threading.Event()

    def steps(name: str) -> Iterator[MoveTo | None]:
        nonlocal now_s
        yield MoveTo("server far")
        for _ in range(4):
            now_s += 1.0
            happened.append(name)
            yield None

    with Worker(clock=lambda: now_s) as worker:
        worker.ask(lambda: are_both_there.wait(SOON_S), lane="server far")
        jobs = [worker.start(steps(owner), total=4, owner=owner) for owner in "ab"]
        while any(job.lane == LOCAL for job in jobs):
            assert not jobs[0].wait(0.005)
        are_both_there.set()
        assert all(job.wait(SOON_S) for job in jobs)
    assert happened == ["a", "b"] * 4


def test_a_job_that_is_stopped_while_it_waits_for_a_busy_server_ends_at_once() -> None:
    may_answer = threading.Event()

    def steps(wait: bool) -> Iterator[MoveTo | bool]:
        yield MoveTo("server far")
        yield not wait or may_answer.wait(SOON_S)

    with Worker() as worker:
        busy = worker.start(steps(True), total=1, owner="one")
        waiting = worker.start(steps(False), total=1, owner="other")
        while waiting.lane == LOCAL:
            assert not waiting.wait(0.005)
        waiting.cancel()
        assert waiting.wait(SOON_S)
        assert (waiting.state, busy.state) == ("cancelled", "running")
        may_answer.set()
        assert busy.wait(SOON_S)


def test_an_ask_waits_for_one_small_batch_of_two_sets_jobs_and_they_get_equal_shares(scene: Scene) -> None:
    waited_s: list[float] = []

    def ask_again(since_s: float) -> None:
        waited_s.append(scene.now_s - since_s)
        scene.take("ask", 0.05)

    def steps(name: str) -> Iterator[None]:
        for number in range(100):
            if number % 5 == 0:
                scene.worker.ask(
                    functools.partial(ask_again, scene.now_s)
                )  # a person moves a slider while a step begins
            yield from scene.steps(name, [0.5])

    for owner in ("one", "other"):
        scene.worker.start(steps(owner), total=100, owner=owner)
    scene.play()
    middle = Counter(name for name in scene.happened[:100] if name != "ask")
    assert abs(middle["one"] - middle["other"]) <= 1
    assert max(waited_s) <= 0.5 + 0.05, "one step, and an ask that came before"


def test_a_job_knows_its_place_among_those_that_share_its_lane(scene: Scene) -> None:
    seen: list[list[Place | None]] = []

    def look() -> Iterator[None]:
        seen.append([scene.worker.place(job) for job in jobs])
        yield None

    jobs = [scene.worker.start(scene.steps(owner, [1.0] * 2), total=2, owner=owner) for owner in "ab"]
    jobs.append(scene.worker.start(look(), total=1, owner="c"))
    scene.play()
    assert seen == [[Place(2, 3), Place(3, 3), Place(1, 3)]]
    assert [scene.worker.place(job) for job in jobs] == [None] * 3


def test_twenty_visitors_who_ask_without_pause_leave_a_job_its_tenth() -> None:
    """With real time, in which a visitor's next ask comes as soon as the last one is answered."""
    is_over = threading.Event()
    answered: Counter[int] = Counter()
    spent_s: Counter[str] = Counter()
    shares: list[float] = []

    def work(kind: str) -> None:
        start = time.perf_counter()
        while time.perf_counter() - start < 0.002:
            pass
        spent_s[kind] += time.perf_counter() - start

    def visit(worker: Worker, number: int) -> None:
        while not is_over.is_set():
            worker.ask(lambda: work("ask")).result(SOON_S)
            answered[number] += 1

    def steps() -> Iterator[None]:
        spent_s.clear()
        for _ in range(30):
            work("job")
            yield None
        shares.append(spent_s["job"] / spent_s.total())

    with Worker() as worker:
        visitors = [threading.Thread(target=visit, args=(worker, number)) for number in range(20)]
        for visitor in visitors:
            visitor.start()
        job = worker.start(steps(), total=30, owner="me")
        try:
            assert job.wait(60)
        finally:
            is_over.set()
            for visitor in visitors:
                visitor.join(SOON_S)
    assert (job.state, job.done, len(answered)) == ("done", 30, 20)
    assert shares[0] >= 0.1
