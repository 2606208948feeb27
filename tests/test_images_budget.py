"""captioner.images.budget: bytes are shared, first come, first served."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from captioner.images.budget import DecodingBudget

SOON_S = 10.0


@contextmanager
def held_by_a_thread(budget: DecodingBudget, size_bytes: int, pool: ThreadPoolExecutor) -> Iterator[threading.Event]:
    """A thread that asks for bytes. Yields: set once it has them; it lets them go at the end of the block."""
    has_them, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with budget.hold(size_bytes):
            has_them.set()
            assert let_go.wait(SOON_S)

    done: Future[None] = pool.submit(hold)
    try:
        yield has_them
    finally:
        let_go.set()
        done.result(SOON_S)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def test_what_fits_together_is_held_together(pool: ThreadPoolExecutor) -> None:
    budget = DecodingBudget(10)
    with held_by_a_thread(budget, 4, pool) as first, held_by_a_thread(budget, 6, pool) as second:
        assert first.wait(SOON_S) and second.wait(SOON_S)


def test_what_does_not_fit_waits(pool: ThreadPoolExecutor) -> None:
    budget = DecodingBudget(10)
    with held_by_a_thread(budget, 6, pool) as first:
        assert first.wait(SOON_S)
        late = held_by_a_thread(budget, 6, pool)
        second = late.__enter__()
        assert not second.wait(0.05)
    assert second.wait(SOON_S)
    late.__exit__(None, None, None)


def test_who_needs_more_than_there_is_runs_alone(pool: ThreadPoolExecutor) -> None:
    budget = DecodingBudget(10)
    with budget.hold(1):
        large = held_by_a_thread(budget, 1_000, pool)
        has_it = large.__enter__()
        assert not has_it.wait(0.05)
    assert has_it.wait(SOON_S)
    small = held_by_a_thread(budget, 1, pool)
    assert not small.__enter__().wait(0.05)
    large.__exit__(None, None, None)
    small.__exit__(None, None, None)


def test_a_small_one_does_not_overtake_a_large_one(pool: ThreadPoolExecutor) -> None:
    budget = DecodingBudget(10)
    with budget.hold(6):
        large = held_by_a_thread(budget, 8, pool)
        large_has = large.__enter__()
        assert not large_has.wait(0.05)
        small = held_by_a_thread(budget, 1, pool)
        small_has = small.__enter__()
        assert not small_has.wait(0.05)  # it would fit
    assert large_has.wait(SOON_S) and small_has.wait(SOON_S)
    large.__exit__(None, None, None)
    small.__exit__(None, None, None)


def test_an_error_lets_the_bytes_go() -> None:
    budget = DecodingBudget(10)
    with pytest.raises(KeyError), budget.hold(10):
        raise KeyError
    with budget.hold(10):
        pass


def test_no_more_than_the_limit_is_ever_held(pool: ThreadPoolExecutor) -> None:
    budget, lock, held, highest = DecodingBudget(100), threading.Lock(), 0, 0

    def work(number: int) -> None:
        nonlocal held, highest
        size = 1 + number * 7 % 60
        with budget.hold(size):
            with lock:
                held += size
                highest = max(highest, held)
            with lock:
                held -= size

    for done in [pool.submit(work, number) for number in range(500)]:
        done.result(SOON_S)
    assert 0 < highest <= 100


def test_freed_memory_is_given_back_once_it_is_half_the_limit() -> None:
    times: list[int] = []
    budget = DecodingBudget(10, lambda: times.append(1))
    for size, before, after in ((3, 0, 0), (2, 0, 1), (4, 2, 2), (1_000, 2, 3), (1, 4, 4)):
        with budget.hold(size):
            assert len(times) == before
        assert len(times) == after


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_pictures_opened_in_many_threads_leave_no_memory_behind(tmp_path: Path) -> None:
    Image.new("RGB", (5_000, 5_000)).save(tmp_path / "a.jpg")
    script = (
        "import pathlib, sys, threading\nfrom captioner import images\n"
        "def memory(): return int(open('/proc/self/status').read().partition('VmRSS:')[2].split()[0]) // 1000\n"
        "images.open_picture(pathlib.Path(sys.argv[1]))\nidle, hold = memory(), threading.Event()\n"
        "def work():\n"
        "    for _ in range(2): images.open_picture(pathlib.Path(sys.argv[1]))\n"
        "    done.release()\n    hold.wait()\n"
        "done = threading.Semaphore(0)\n"
        "for _ in range(8): threading.Thread(target=work).start()\n"
        "for _ in range(8): done.acquire()\n"
        "print(memory() - idle)\nhold.set()\n"
    )
    run = subprocess.run([sys.executable, "-c", script, str(tmp_path / "a.jpg")], capture_output=True, text=True)
    assert not run.stderr, run.stderr
    assert int(run.stdout) < 200, run.stdout  # a picture has 100 MB and takes 200 to decode
