"""Models of other installed packages: one new file and one line, and what becomes of those that do not fit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from captioner import __main__ as command_line
from captioner.captions.groups import add_plug_ins
from captioner.models import plug_ins, registry
from captioner.models.manager import ModelManager
from captioner.service.service import Service
from captioner.ui import page
from captioner.ui.script_functions import script_functions
from captioner.worker import Worker
from captioner.workspace import Workspace
from tests.fakes import fake_models
from tests.gradio_blocks import in_loop
from tests.service_makers import RED, added, page_values, png

# The whole of what somebody writes for a captioner of their own.
ONE_FILE = """
from captioner.contract import Captioner, ModelSpec
from captioner.records import Sentence
from captioner.settings import Settings, whole


class LoudSettings(Settings):
    marks: int = whole(1, 0, 9, "How many exclamation marks.")


class LoudCaptioner(Captioner):
    family = "loud"
    Settings = LoudSettings
    device = precision = runtime = revision = "none"
    size_bytes = 0

    @classmethod
    def load(cls, place, *, device, spec=None):
        return cls()

    def caption(self, inputs, settings):
        return [Sentence(f"{shown.image.width} pixels" + settings.marks * "!") for shown in inputs]

    def move_to(self, device):
        pass


MODEL = ModelSpec(
    name="loud-1", kind="captioner", family="loud", entry="loud_captions:LoudCaptioner", licence="MIT", about="shouts"
)
"""


def install(folder: Path, name: str, source: str, line: str) -> None:
    """A package as pip leaves it: a module and its entry points."""
    (folder / f"{name}.py").write_text(source)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{plug_ins.GROUP}]\n{line}\n")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(registry, "MODELS", registry.MODELS)
    monkeypatch.setattr(plug_ins, "_refused", {})
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(folder) in str(sys.modules[name].__file__):
            del sys.modules[name]


@pytest.fixture
def loud(packages: Path, tmp_path: Path) -> Iterator[str]:
    install(packages, "loud_captions", ONE_FILE, "loud = loud_captions:MODEL")
    with fake_models(tmp_path / "models") as models:
        add_plug_ins()
        yield models


def test_one_file_and_one_line_caption_from_the_command_line(
    loud: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (40, 20), "red").save(tmp_path / "a.png")
    words = ["caption", str(tmp_path / "a.png"), "--models", loud, "--device", "cpu"]
    assert command_line.main([*words, "--captioner", "loud-1", "--loud-marks", "3"]) == 0
    assert capsys.readouterr().out.endswith("40 pixels!!!\n")


def test_they_caption_on_the_page_and_for_programs(loud: str, tmp_path: Path) -> None:
    manager = ModelManager(models=loud, device="cpu")
    with Workspace(tmp_path / "workspace") as workspace, Worker() as worker:
        service = Service(workspace, worker, manager)
        set_id = service.new_set()["set"]
        picture = added(service, set_id, "a.png", png(RED))
        functions = {function.__name__: function for function in script_functions(service)}
        values = page_values(service, captioner="loud-1", loud_marks=2)
        assert functions["preview"]({"set": set_id, "id": picture, "settings": values})["text"] == "40 pixels!!"
        app = in_loop(page.mount, FastAPI(), service)
        with TestClient(app) as client:
            answer: Any = client.post(
                "/gradio_api/run/caption_picture",
                json={"data": [set_id, picture, {"captioner": "loud-1", "loud_marks": 4}]},
            ).json()
        assert answer["data"] == ["40 pixels!!!!"]
    manager.close()


def test_a_fresh_process_lists_them(packages: Path) -> None:
    install(packages, "loud_captions", ONE_FILE, "loud = loud_captions:MODEL")
    script = f"import sys; sys.path.insert(0, {str(packages)!r}); from captioner.__main__ import main; main(['models'])"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    [line] = [line for line in ended.stdout.splitlines() if line.startswith("loud-1")]
    assert line.split()[1:4] == ["loud", "a", "package"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("1 / 0", "ZeroDivisionError"),
        ("MODEL = ['loud']", "it names str; it must name captioner.contract.ModelSpec"),
        (ONE_FILE.replace("    def caption(self", "    def other(self"), "LoudCaptioner of loud-1 lacks caption"),
        (ONE_FILE.replace('kind="captioner"', 'kind="tagger"'), "is no captioner.contract.Captioner or Tagger"),
        (ONE_FILE.replace('family="loud"', 'family="quiet"'), "is of family 'quiet', its class of 'loud'"),
        (ONE_FILE.replace('"loud"', '"blip"'), "another package has a family 'blip' already"),
        (ONE_FILE.replace('"loud"', '"num"').replace("marks:", "beams:"), "num_beams of loud-1 is the name of another"),
    ],
)
def test_what_does_not_fit_costs_itself_with_its_name_and_reason(
    packages: Path, source: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    install(packages, "loud_captions", source, "loud = loud_captions:MODEL")
    before = registry.MODELS
    add_plug_ins()
    assert before == registry.MODELS
    [refused] = plug_ins.refused_plug_ins()
    assert refused.name == "loud"
    assert reason in refused.reason
    assert refused.reason.replace("'", "&#x27;") in page.plug_ins_html()
    assert command_line.main(["models"]) == 0
    assert f"note: the models of loud are left out: {refused.reason}" in capsys.readouterr().err
