"""The taggers' benchmarks, benchmarks.compose and benchmarks.report, on tiny models: all rows are there and equal."""

import json
import warnings
from pathlib import Path

import open_clip
import pytest
import torch

from benchmarks import clip, compose, report, wd14
from taggers import vocabularies
from taggers.vocabularies import Vocabulary
from tests.tiny_clip import tiny_clip
from tests.tiny_models import random_picture
from tests.tiny_onnx import tiny_wd14


def test_both_sides_of_the_clip_benchmark_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tiny_clip(tmp_path / "m")
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    words = {kind: vocabularies.public(kind) for kind in ("artists", "mediums", "trendings", "movements")}
    artists = words["artists"].labels
    words["artists"] = Vocabulary("artists", artists[:20] + artists[len(artists) // 2 :][:20], "test")
    words["flavors"] = Vocabulary("flavors", vocabularies.public("flavors").labels[:600], "test")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = list(
            clip.compare(
                model.eval().requires_grad_(False), preprocess, open_clip.get_tokenizer("ViT-L-14"), words,
                candidates=40, steps=2,
            )
        )  # fmt: skip
    torch.set_num_threads(threads)
    assert [(row.name, row.equal) for row in rows] == [
        ("chain_step", True),
        ("embed_labels", True),
        ("rank_labels", True),
        ("chain", True),
    ]
    assert all(row.ratio is not None and row.value > 0 for row in rows)


def test_both_sides_of_the_wd14_benchmark_agree(tmp_path: Path) -> None:
    tiny_wd14(tmp_path)
    rows = list(wd14.compare(tmp_path, [random_picture(seed, 40, 30) for seed in range(3)], "cpu"))
    assert [(row.name, row.equal) for row in rows] == [("tag_picture", True), ("preprocessing_share", None)]


def test_the_page_shows_what_a_moved_threshold_makes_of_stored_scores(tmp_path: Path) -> None:
    rows = compose.measure(tmp_path, 3)
    assert [(row.name, row.equal) for row in rows] == [("recompose", None), ("recompose_page", True)]


def test_the_last_line_is_the_json_that_programs_read(capsys: pytest.CaptureFixture[str]) -> None:
    report.show([report.Row("a", 2.0, "s", 6.0, True), report.Row("b", 1.0, "%")], as_json=True)
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert shown["rows"] == [
        {"name": "a", "value": 2.0, "unit": "s", "peer": 6.0, "equal": True, "ratio": 3.0},
        {"name": "b", "value": 1.0, "unit": "%", "peer": None, "equal": None, "ratio": None},
    ]
    assert {"processor", "cores", "threads", "gpu", "torch"} <= shown["machine"].keys()


def test_a_difference_shows_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    report.show([report.Row("a", 2.0, "s", 6.0, False)], as_json=False)
    assert "NO" in capsys.readouterr().out.splitlines()[1]
