"""`batch --engine ray` on a cluster of several nodes: each picture once, whatever is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from captioner.batch.rows import Row
from tests.batch_models import PATIENCE_S, ROOT, add_steady, batch, command, short_folder, told, write_pictures
from tests.batch_sources import rows_in

pytest.importorskip("ray", reason="the engine is optional")

PICTURES = 1_000


def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that other processes do."""
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def short() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


class Disturbed:
    """A cluster of several nodes, a run over a thousand pictures, and what an undisturbed one gives."""

    def __init__(self, folder: Path, short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from ray.cluster_utils import Cluster as Nodes

        self.folder = folder
        self.env = add_steady(folder, 0.0)
        self.photos, self.out = folder / "photos", folder / "out"
        write_pictures(self.photos, PICTURES)
        flags = ("--part-pictures", "20")
        assert batch(self.photos, folder / "plain", self.env, *flags).returncode == 0
        self.expected: list[Row] = rows_in(folder / "plain")
        (folder / "told").write_text("")
        self.env |= {"STEADY_S": "0.03", "RAY_TMPDIR": str(short)}
        for name, value in self.env.items():
            monkeypatch.setenv(name, value)
        node = {"num_cpus": 2, "object_store_memory": 150_000_000}
        self.nodes = Nodes(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        self.others = [self.nodes.add_node(**node) for _ in range(2)]
        self.new_node: Callable[[], Any] = lambda: self.nodes.add_node(**node)

    def start(self, *flags: str) -> subprocess.Popen[bytes]:
        """A driver."""
        words = ("--part-pictures", "20", "--engine", "ray", "--address", self.nodes.address, "--workers", "2")
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                command(self.photos, self.out, *words, *flags), env=self.env, cwd=ROOT, stdout=log, stderr=log
            )

    def parts(self) -> int:
        return len(list(self.out.glob("part-*")))

    def has_parts(self, count: int) -> bool:
        return self.parts() >= count

    def has_told(self, count: int) -> bool:
        return len(told(self.folder)) >= count

    def check(self, driver: subprocess.Popen[bytes]) -> None:
        """It ends well, with each picture once."""
        status = driver.wait(PATIENCE_S)
        assert status == 0, (self.folder / "log").read_text()[-3000:]
        rows = rows_in(self.out)
        assert len({row["key"] for row in rows}) == len(rows) == PICTURES
        assert rows == self.expected


@pytest.fixture
def disturbed(tmp_path: Path, short: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disturbed]:
    made = Disturbed(tmp_path, short, monkeypatch)
    yield made
    made.nodes.shutdown()


@pytest.mark.slow
def test_ten_killed_actors_cost_no_picture(disturbed: Disturbed) -> None:
    driver = disturbed.start()
    for number in range(10):
        until(partial(disturbed.has_told, number + 2))
        time.sleep(random.uniform(0.0, 0.5))
        assert driver.poll() is None, "it ended before all kills"
        os.kill(told(disturbed.folder)[number], signal.SIGKILL)
    disturbed.check(driver)


@pytest.mark.slow
def test_ten_killed_drivers_cost_no_picture(disturbed: Disturbed) -> None:
    for _ in range(10):
        driver = disturbed.start("--resume")
        until(partial(disturbed.has_parts, disturbed.parts() + 2))
        assert driver.poll() is None, "it ended before all kills"
        driver.kill()
        driver.wait()
    disturbed.check(disturbed.start("--resume"))


@pytest.mark.slow
def test_three_killed_nodes_cost_no_picture(disturbed: Disturbed) -> None:
    driver = disturbed.start()
    for number in range(3):
        until(partial(disturbed.has_parts, 8 * (number + 1)))
        assert driver.poll() is None, "it ended before all kills"
        disturbed.nodes.remove_node(disturbed.others.pop(0), allow_graceful=False)
        disturbed.others.append(disturbed.new_node())
    disturbed.check(driver)
