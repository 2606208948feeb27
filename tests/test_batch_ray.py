"""`batch --engine ray`: what it asks of a cluster, and captions equal to the plain loop's."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from captioner import side_by_side
from captioner.batch.on_ray import Cluster, Shares, _Captioning, _check_answers
from captioner.errors import CaptionerError
from tests.batch_models import add_steady, batch, short_folder
from tests.batch_sources import picture_bytes, rows_in, write_shard

ray = pytest.importorskip("ray", reason="the engine is optional")


@pytest.fixture
def short() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@pytest.mark.parametrize(
    ("wanted", "has", "reason"),
    [
        (Cluster(workers=4), {"CPU": 1.9}, "none is left to read pictures with"),
        (Cluster(workers=3), {"CPU": 8, "GPU": 2}, "3 workers take 3 GPUs and the cluster has 2"),
        (Cluster(gpus_each=0.5), {"CPU": 8}, "1 worker takes 0.5 GPUs and the cluster has 0"),
    ],
)
def test_a_cluster_that_is_too_small_is_refused(wanted: Cluster, has: dict[str, float], reason: str) -> None:
    with pytest.raises(CaptionerError, match=reason):
        Shares.of(wanted, "auto", has)


@pytest.mark.parametrize("address", ["{host}:{port}", "ray://{host}:{port}"])
@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
def test_a_cluster_is_asked_for_where_somebody_listens(address: str, host: str, family: int) -> None:
    try:
        listening = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"nobody can listen at {host} here")
    with listening:
        port = listening.getsockname()[1]
        spelt = address.format(host=f"[{host}]" if ":" in host else host, port=port)
        _check_answers(spelt)
    with pytest.raises(OSError):
        _check_answers(spelt)


def test_workers_share_gpus() -> None:
    assert Shares.of(Cluster(gpus_each=0.5), "auto", {"CPU": 16, "GPU": 2}) == Shares(4, 0.5, 0.25)
    assert Shares.of(Cluster(), "auto", {"CPU": 16, "GPU": 8}) == Shares(8, 1.0, 0.25)
    assert Shares.of(Cluster(), "cpu", {"CPU": 16, "GPU": 8}) == Shares(1, 0.0, 0.25)


def test_a_worker_counts_on_the_cores_that_ray_gives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: Any = None
    monkeypatch.setattr(side_by_side, "_given", [])
    _Captioning(nothing, nothing, cpus=0.25)
    assert side_by_side.usable_cores() == 1


def test_ray_gives_the_captions_of_the_plain_loop(tmp_path: Path, short: Path) -> None:
    env = add_steady(tmp_path, 0.0) | {"RAY_TMPDIR": str(short)}
    samples = {f"{n:03}.png": picture_bytes((n, 0, 0), 8 + n) if n % 33 else b"broken" for n in range(100)}
    write_shard(tmp_path / "a.tar", samples)
    flags = ("--part-pictures", "30", "--existing", "ignore")
    plain = batch(tmp_path / "a.tar", tmp_path / "plain", env, *flags)
    spread = batch(tmp_path / "a.tar", tmp_path / "spread", env, *flags, "--engine", "ray", "--workers", "2")
    assert (plain.returncode, spread.returncode) == (1, 1), spread.stderr
    assert rows_in(tmp_path / "spread") == rows_in(tmp_path / "plain")
    assert sum(bool(row["error_code"]) for row in rows_in(tmp_path / "spread")) == 4
