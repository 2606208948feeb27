"""benchmarks.job on tiny models: both sides say the same of every picture, and all rows are there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks import first_caption, job
from tests.tiny_clip import tiny_clip
from tests.tiny_models import save_tiny_blip
from tests.tiny_onnx import tiny_wd14

SIZES = ((90, 60), (60, 90), (120, 40))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    save_tiny_blip(root / job.BLIP_BASE)
    save_tiny_blip(root / job.BLIP_LARGE, seed=1)
    words = {kind: [f"{kind} {number}" for number in range(40)] for kind in ("flavors", "mediums", "movements")}
    tiny_clip(root / job.CLIP, {**words, "artists": ["by somebody", "inspired by somebody"]})
    (root / job.WD14).mkdir()
    tiny_wd14(root / job.WD14)
    return root


@pytest.mark.parametrize("one", job.JOBS, ids=lambda one: one.name)
def test_a_job_compares_the_captions_and_tags_of_both_sides(
    one: job.Job, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    photos = job.save_photos(tmp_path / "photos", 3, SIZES)
    with job.peers.labels_embedded(models, tmp_path / "cache"):
        rows = job.measure_job(one, photos, models, tmp_path)
    torch.set_num_threads(threads)
    assert [(row.name, row.equal) for row in rows] == [
        (one.name, True),
        (f"{one.name}_next", None),
        (f"{one.name}_rate", None),
        (f"{one.name}_waited", None),
        (f"{one.name}_limit", None),
    ]
    assert rows[0].ratio is not None and rows[0].ratio > 0
    assert 0 <= rows[3].value < 100
    assert rows[4].value > 0
    for side in ("ours", "theirs"):
        assert sorted(path.name for path in (tmp_path / side).glob("*.txt")) == ["00.txt", "01.txt", "02.txt"]


def test_a_difference_shows(models: Path, tmp_path: Path) -> None:
    one = job.JOBS[0]
    photos = job.save_photos(tmp_path / "photos", 2, SIZES)
    made, _, _ = job.ours(photos, one, models, tmp_path / "ours")
    [said, _] = job.peers.caption_files(photos, job.plan_settings(one, models), models, tmp_path / "theirs")
    assert job.peers.agree(made[0], said)
    assert not job.peers.agree(made[0], job.peers.Said("something else", None, None))


def test_a_model_s_waiting_is_measured_beside_what_opening_alone_takes(tmp_path: Path) -> None:
    rows = job.measure_waiting(job.save_photos(tmp_path, 6, SIZES[:1]), step_s=0.01)
    assert [(row.name, row.equal) for row in rows] == [("model_waits", True), ("model_waits_share", None)]
    assert all(row.value > 0 for row in rows)


def test_models_that_work_side_by_side_count_once() -> None:
    spans = [("blip", 0, 4), ("wd14", 4, 6), ("blip", 5, 8), ("blip", 5, 6), ("wd14", 9, 10)]
    watched = job.Watched(job.OneModel(job.Card(0)), spans)
    assert watched.waited() == pytest.approx(1 / 6), "of the six seconds from the second model's begin, one"


@pytest.mark.slow
def test_the_first_caption_s_parts_are_told_for_both_sides(models: Path, tmp_path: Path) -> None:
    [photo] = job.save_photos(tmp_path, 1, SIZES)
    rows = first_caption.measure(models, job.BLIP_BASE, photo, threads=1, rounds=1)
    assert [row.name for row in rows] == [
        f"first_caption{part}" for part in ("", "_before", "_imports", "_load", "_caption")
    ]
    assert rows[0].equal is True
    assert all(row.value > 0 and row.peer is not None for row in rows)
