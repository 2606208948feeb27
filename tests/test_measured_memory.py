"""What models say they take is what the process takes for them, full-size ones with random weights."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import open_clip
import pytest

from benchmarks.full_size import save_full_size_blip
from benchmarks.wd14 import export
from tests.tiny_clip import tiny_clip

WORDS = {"mediums": ["a photo", "a painting"], "flavors": ["red light", "blue mist", "a calm sea"]}


def save_clip(folder: Path) -> None:
    tiny_clip(folder, WORDS, **open_clip.get_model_config("ViT-B-32"))


def save_wd14(folder: Path) -> None:
    export(folder, "vit_base_patch16_224")


MAKERS: dict[str, Callable[[Path], object]] = {"blip": save_full_size_blip, "clip": save_clip, "wd14": save_wd14}

# In a process of its own: what others left behind would be taken for the model's.
MEASURE = """
import json, sys, time
from pathlib import Path
from captioner.contract import inputs
from captioner.freed import give_back_freed
from captioner.models.manager import ModelManager
from benchmarks.full_size import picture
from tests.memory_peak import resident_mb

folder, family = Path(sys.argv[1]), sys.argv[2]
shown = inputs([picture(seed) for seed in range(9)])

def work(manager, name, count):
    with manager.use(name, family) as model:
        settings = model.Settings(num_beams=2, min_length=1, max_length=6) if family == "blip" else model.Settings()
        say = model.caption if family == "blip" else model.tag
        say(shown[:count], settings)
        return settings

demo = ModelManager(models="demo", device="cpu")  # the libraries' own memory is not the model's
work(demo, family + "-demo", 1)
demo.close()
give_back_freed()
before_mb = resident_mb()
manager = ModelManager(models=str(folder.parent), device="cpu")
found = []
for count in (0, 1, 9):
    work(manager, folder.name, count)
    [report] = manager.report()
    said_mb, end = report.size_bytes / 1e6, time.monotonic() + 60
    while (grown_mb := resident_mb() - before_mb) > 1.1 * said_mb and time.monotonic() < end:
        time.sleep(0.2)  # what work took goes back in a pause
    found.append((count, said_mb, grown_mb))
manager.close()
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads what the process has from /proc")
@pytest.mark.parametrize("family", MAKERS)
def test_a_model_takes_what_it_says_within_a_tenth(
    tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / f"full-{family}"
    folder.mkdir()
    MAKERS[family](folder)
    command = [sys.executable, "-c", MEASURE, str(folder), family]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    for count, said_mb, grown_mb in json.loads(done.stdout.splitlines()[-1]):
        assert grown_mb == pytest.approx(said_mb, rel=0.1), f"after {count} pictures"
