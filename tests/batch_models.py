"""A captioner for batches in processes of their own: quick or as slow as a card, and it tells its process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 400.0

_STEADY = """
import os
import time
from pathlib import Path

from captioner.plugin import Captioner


class Steady(Captioner):
    name, licence, about = "steady", "MIT", "Says a picture's colour, after a time that is always the same."

    def open(self, folder, device):
        told = Path(os.environ["STEADY_TOLD"])
        with told.open("a") as file:
            file.write(f"{os.getpid()}\\n")

    def say(self, picture, settings):
        time.sleep(float(os.environ["STEADY_S"]))
        return f"{picture.image.width} wide, {picture.image.getpixel((0, 0))}"
"""


def add_steady(folder: Path, seconds: float) -> dict[str, str]:
    """Put the model into a data folder. Returns: what a process must have in its environment to know it."""
    plugins = folder / "data/captioner/plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    (plugins / "steady.py").write_text(_STEADY)
    (folder / "told").touch()
    return {
        "XDG_DATA_HOME": str(folder / "data"),
        "STEADY_TOLD": str(folder / "told"),
        "STEADY_S": str(seconds),
        "PYTHONPATH": str(ROOT),
        "RAY_USAGE_STATS_ENABLED": "0",
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/tmp"),
    }


def told(folder: Path) -> list[int]:
    """The processes that opened the model, in order."""
    return [int(line) for line in (folder / "told").read_text().split()]


def write_pictures(folder: Path, count: int) -> None:
    """Small pictures, each of its own colour and width."""
    folder.mkdir(parents=True)
    for number in range(count):
        colour = (number * 7 % 256, number * 13 % 256, number // 256)
        Image.new("RGB", (8 + number % 50, 8), colour).save(folder / f"{number:05}.png")


def command(source: Path, out: Path, *flags: str) -> list[str]:
    words = ["-m", "captioner", "batch", str(source), "--out", str(out), "--captioner", "steady", "--device", "cpu"]
    return [sys.executable, *words, "--format", "jsonl", *flags]


def batch(source: Path, out: Path, env: dict[str, str], *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(source, out, *flags), env=env, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S
    )


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder with a short name, as Ray's sockets want it."""
    folder = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
