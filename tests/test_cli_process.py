"""The command line with models that really run: tiny ones with random weights, mostly in processes of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from captioner import __main__ as command_line
from captioner.formats.earlier import INDEX_NAME
from captioner.models import registry
from tests.hub_server import HubServer
from tests.tiny_clip import tiny_clip
from tests.tiny_models import random_picture, save_tiny_blip
from tests.tiny_onnx import tiny_wd14

WORDS = {
    "flavors": ["red tones", "blue tones", "sharp"],
    "mediums": ["an icon"],
    "movements": ["cubism"],
    "artists": ["by Ada"],
    "trendings": ["trending on artstation"],
}
PROJECT = Path(command_line.__file__).parent.parent


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models as `--models` takes it."""
    folder = tmp_path_factory.mktemp("models")
    save_tiny_blip(folder / "blip-base")
    tiny_clip(folder / "clip-v2", WORDS)
    tiny_wd14(folder / "wd-vit-tagger-v3")
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        random_picture(number).save(folder / f"{number}.png")
    (folder / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    return folder


def start(*words: str | Path, **variables: str) -> subprocess.Popen[str]:
    environment: Mapping[str, str] = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **variables}
    return subprocess.Popen(
        [sys.executable, "-m", "captioner", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=PROJECT,
        preexec_fn=_hear_interrupts,
    )


def _hear_interrupts() -> None:
    """A shell starts what it puts in the background deaf to Ctrl+C, and a run of the tests hands that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def said(err: str) -> list[str]:
    """The lines on stderr without progress, which a slow machine shows."""
    return [line for line in err.splitlines() if "pictures" not in line and "labels of" not in line]


@pytest.mark.slow
def test_all_three_kinds_of_model_run_and_a_bad_picture_fails_alone(
    models: Path, pictures: Path, tmp_path: Path
) -> None:
    words = ["caption", pictures, "--models", models, "--device", "cpu", "--json", "--out", tmp_path / "out"]
    process = start(*words, "--clip", "default", "--wd14", "default", XDG_CACHE_HOME=str(tmp_path / "cache"))
    out, err = process.communicate(timeout=400)
    assert process.returncode == 1
    [end] = [line for line in said(err) if "looks wrong:" not in line]  # random weights go round in circles
    assert re.fullmatch(
        r"3 captioned(, \d of them looks? wrong)?, 1 failed", end
    )  # and nothing of what torch, transformers and onnxruntime have to say
    shown = [json.loads(line) for line in out.splitlines()]
    assert [(Path(one["picture"]).name, one["error"] and one["error"]["code"]) for one in shown] == [
        ("0.png", None),
        ("1.png", None),
        ("2.png", None),
        ("cut.jpg", "damaged"),
    ]
    for one in shown[:3]:
        assert {tag["source"] for tag in one["tags"]} >= {"clip"}
        assert one["caption"].startswith(one["sentence"])
        text = (tmp_path / "out" / Path(one["picture"]).with_suffix(".txt").name).read_text(encoding="utf-8")
        assert text == one["caption"]


@pytest.mark.slow
def test_a_hub_model_is_downloaded_once_and_then_runs_offline(models: Path, pictures: Path, tmp_path: Path) -> None:
    spec = registry.find("wd-vit-tagger-v3")
    assert spec.repo is not None
    words = ["caption", pictures / "0.png", "--captioner", "", "--wd14", spec.name, "--device", "cpu"]
    words += ["--general-threshold", "0.1"]
    home = {"HF_HOME": str(tmp_path / "hub")}
    with HubServer({spec.repo: models / spec.name}) as server:
        first = start(*words, "--models", "hub", HF_ENDPOINT=server.url, **home)
        out, err = first.communicate(timeout=400)
    assert (first.returncode, err.splitlines()[-1]) == (0, "1 captioned, 0 failed")
    assert "downloading: " in err
    second = start(*words, HF_HUB_OFFLINE="1", **home)
    again, err = second.communicate(timeout=400)
    assert (second.returncode, again, said(err)) == (0, out, ["1 captioned, 0 failed"])


@pytest.mark.slow
def test_a_sweep_tells_of_its_download_and_of_nothing_else(models: Path, pictures: Path, tmp_path: Path) -> None:
    spec = registry.find("blip-base")
    assert spec.repo is not None
    words = ["sweep", pictures / "0.png", "--captioner", spec.name, "--models", "hub", "--device", "cpu"]
    words += ["--x", "num_beams=1,2", "--out", tmp_path / "out"]
    with HubServer({spec.repo: models / spec.name}) as server:
        process = start(*words, HF_ENDPOINT=server.url, HF_HOME=str(tmp_path / "hub"))
        _, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    lines = said(err)
    assert lines[0].startswith("downloading: ") and lines[-1] == "1 swept, 0 failed"
    assert all(line.startswith("downloading: ") for line in lines[:-1])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_ends_a_real_run_with_whole_files_only(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(400):
        random_picture(number).save(folder / f"{number:03}.png")
    process = start(
        "caption", folder, "--models", models, "--device", "cpu", "--out", tmp_path / "out", "--num-beams", "8"
    )
    deadline = time.monotonic() + 300
    while len(list((tmp_path / "out").glob("*.txt"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=400)
    assert process.returncode == 130, err
    index, *written = sorted(path.name for path in (tmp_path / "out").iterdir())
    files = json.loads((tmp_path / "out" / index).read_bytes())["files"]
    assert index == INDEX_NAME and sorted(files) == written
    assert 3 <= len(written) < 400
    assert written == [f"{number:03}.txt" for number in range(len(written))]
    assert all((tmp_path / "out" / name).stat().st_size for name in written)
    assert re.fullmatch(rf"{len(written)} captioned(, \d of them looks? wrong)?, 0 failed", err.splitlines()[-1])
    assert "Traceback" not in err and "were not reached" in err


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
            "convert it to safetensors",
        ),
        (lambda folder: (folder / "config.json").unlink(), "config.json"),
        (lambda folder: os.truncate(folder / "model.safetensors", 5000), "is cut short"),
    ],
    ids=["pickle", "missing", "truncated"],
)
def test_a_spoiled_model_is_one_sentence(
    spoil: object, message: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save_tiny_blip(tmp_path / "mine")
    assert callable(spoil)
    spoil(folder)
    capsys.readouterr()
    status = command_line.main(["caption", str(pictures), "--captioner", str(folder), "--device", "cpu"])
    shown = capsys.readouterr()
    assert (status, shown.out) == (2, "")
    assert shown.err.startswith("captioner: ") and message in shown.err and shown.err.count("\n") == 1
