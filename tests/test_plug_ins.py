"""Models that others wrote: one new file, in a folder or a package, and what becomes of those that do not fit."""

from __future__ import annotations

import argparse
import importlib
import json
import re
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
from captioner.captions import groups
from captioner.captions.groups import add_plug_ins
from captioner.contract import inputs
from captioner.errors import BadModel, CaptionerError, MissingPackage, ModelFailed, OutOfMemory
from captioner.models import plug_ins, registry
from captioner.models.manager import ModelManager
from captioner.models.weights import fingerprint
from captioner.records import Sentence
from captioner.service.service import Service
from captioner.ui import page
from captioner.ui.script_functions import script_functions
from captioner.worker import Worker
from captioner.workspace import Workspace
from tests.fakes import fake_models
from tests.gradio_blocks import in_loop
from tests.service_makers import RED, added, page_values, png
from tests.tiny_classifier import save_tiny_classifier
from tests.tiny_vlm import save

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
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
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


DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "plug-ins.md"


@pytest.fixture
def plugins(packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a person's own files."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(plug_ins, "_sources", {})
    folder = tmp_path / "data" / "captioner" / "plugins"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def documented(plugins: Path, tmp_path: Path) -> Iterator[str]:
    """The two files of the document, with tiny models for them."""
    found = re.findall(r"`plugins/(\w+\.py)`:\n\n```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert [name for name, _ in found] == ["reader.py", "things.py"]
    for name, source in found:
        assert len([line for line in source.splitlines() if line.strip()]) <= 20
        (plugins / name).write_text(source)
    with fake_models(tmp_path / "models") as models:
        save("vit_gpt2", Path(models) / "trocr")
        save_tiny_classifier(Path(models) / "vit-things")
        add_plug_ins()
        assert plug_ins.refused_plug_ins() == ()
        yield models


def test_the_two_files_of_the_document_run(documented: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (40, 20), "red").save(tmp_path / "a.png")
    words = ["caption", str(tmp_path / "a.png"), "--models", documented, "--device", "cpu", "--json"]
    words += ["--captioner", "trocr", "--trocr-max-new-tokens", "5", "--vit-things", "default"]
    assert command_line.main([*words, "--vit-things-threshold", "0.3"]) == 0
    [said] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert said["error"] is None
    assert 1 <= len(said["sentence"]) <= 5
    assert {tag["source"] for tag in said["tags"]} == {"vit_things"}
    assert all(tag["score"] >= 0.3 for tag in said["tags"])
    manager = ModelManager(models=documented, device="cpu")
    with Workspace(tmp_path / "workspace") as workspace, Worker() as worker:
        service = Service(workspace, worker, manager)
        set_id = service.new_set()["set"]
        picture = added(service, set_id, "a.png", (tmp_path / "a.png").read_bytes())
        app = in_loop(page.mount, FastAPI(), service)
        settings = {"captioner": "trocr", "trocr_max_new_tokens": 5, "vit_things": "vit-things"}
        settings["vit_things_threshold"] = 0.3
        with TestClient(app) as client:
            answer: Any = client.post(
                "/gradio_api/run/caption_picture", json={"data": [set_id, picture, settings]}
            ).json()
        assert answer["data"] == [said["caption"]]
    reports = {report.name: report for report in manager.report()}
    reader = reports["trocr"]
    weights = Path(documented) / "trocr" / "model.safetensors"
    assert (reader.device, reader.precision, reader.runtime) == ("cpu", "fp32", "torch")
    assert reader.size_bytes == pytest.approx(weights.stat().st_size, rel=0.1)
    assert reader.revision == fingerprint(weights)
    manager.close()


def test_models_and_the_page_say_where_they_came_from_and_what_was_left_out(
    plugins: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (plugins / "loud.py").write_text(SHORT)
    (plugins / "broken.py").write_text("print('to stdout')\nimport no_such_package\n")
    (plugins / "_helper.py").write_text("1 / 0")
    assert command_line.main(["models"]) == 0
    said = capsys.readouterr()
    [line] = [line for line in said.out.splitlines() if line.startswith("loud-2")]
    assert line.split()[1:3] == ["loud_2", "plugins/loud.py"]
    assert "to stdout" not in said.out
    assert "the models of broken.py are left out: ModuleNotFoundError: No module named 'no_such_package'" in said.err
    assert "broken.py: ModuleNotFoundError" in page.plug_ins_html()
    told = page.plug_ins_html(tells_reasons=False)
    assert "broken.py" in told and "no_such_package" not in told
    assert "_helper" not in said.err


SHORT = """
from captioner.plugin import Captioner

class Loud(Captioner):
    name = "loud-2"
    about = "shouts"

    def open(self, folder, device):
        self.word = (folder / "word.txt").read_text()

    def say(self, picture, settings):
        return picture.image.width * self.word
"""

TAGGER = """
from captioner.plugin import Tagger

class Sizes(Tagger):
    name = "sizes"

    def open(self, folder, device):
        pass

    def scores(self, picture, settings):
        return {"wide": SCORE}
"""


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import sys\nsys.exit(3)", "SystemExit: 3"),
        ("def (", "SyntaxError"),
        ("x = 1", "it has no model; derive a class from captioner.plugin.Captioner or Tagger"),
        (SHORT.replace("loud-2", "blip-base"), "a model is called 'blip-base' already; rename this one"),
        (SHORT.replace("loud-2", "blip"), "another package has a family 'blip' already"),
        (SHORT.replace("loud-2", "../up"), "'../up' is no name for a model"),
        (SHORT.replace("def say", "def other"), "Loud of loud-2 lacks say"),
        (
            TAGGER.replace("    def open", "    from captioner.plugin import Settings\n    def open"),
            "no threshold; derive",
        ),
        (TAGGER.replace('"sizes"', '"models"'), "models of models is the name of another setting or flag"),
        (TAGGER.replace('"sizes"', '"help"'), "help of help is the name of another setting or flag"),
        (TAGGER.replace('"sizes"', '"no-wd14"'), "no_wd14 of no-wd14 is the name of another setting or flag"),
        (SHORT.replace('about = "shouts"', "licence = None"), "licence of loud-2 is None; it must be text"),
        (SHORT.replace('about = "shouts"', "title = 5"), "title of loud-2 is 5; it must be text"),
        (SHORT.replace('about = "shouts"', 'download_mb = "90"'), "download_mb of loud-2 is '90'; it must be a whole"),
        (SHORT.replace('about = "shouts"', 'repo = "../../etc"'), "repo of loud-2 is '../../etc'; it must be a hub id"),
        (
            SHORT.replace('about = "shouts"', 'repo, files = "a/b", "model.safetensors"'),
            "files of loud-2 must be a tuple of two",
        ),
        (
            SHORT.replace("Captioner\n", "Captioner, Settings\n", 1).replace(
                "    def open", "    class Settings(Settings):\n        levels = lambda: 1 / 0\n\n    def open"
            ),
            "ZeroDivisionError",
        ),
    ],
)
def test_a_file_that_does_not_fit_costs_itself(plugins: Path, source: str, reason: str) -> None:
    (plugins / "loud.py").write_text(source)
    before = registry.MODELS
    add_plug_ins()
    assert before == registry.MODELS
    [refused] = plug_ins.refused_plug_ins()
    assert refused.name == "loud.py"
    assert reason in refused.reason


@pytest.mark.parametrize("name", command_line.COMMANDS)
def test_no_plug_in_takes_the_name_of_a_flag(name: str) -> None:
    parser = argparse.ArgumentParser()
    module = command_line._MODULES.get(name, name)
    importlib.import_module(f"captioner.cli.{module}").add_flags(parser)
    flags = {flag[2:].replace("-", "_") for action in parser._actions for flag in action.option_strings}
    known = {"", *groups.known_names(), *groups._FLAGS}
    assert [flag for flag in flags if not {flag, flag.removeprefix("no_")} & known] == []


def test_two_files_of_one_name_clash_and_the_first_stays(plugins: Path) -> None:
    (plugins / "a.py").write_text(SHORT)
    (plugins / "b.py").write_text(SHORT)
    add_plug_ins()
    add_plug_ins()
    assert [spec.name for spec in registry.MODELS].count("loud-2") == 1
    assert [refused.name for refused in plug_ins.refused_plug_ins()] == ["b.py"]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_a_file_that_everybody_can_write_to_is_not_run(plugins: Path) -> None:
    (plugins / "loud.py").write_text(SHORT)
    (plugins / "loud.py").chmod(0o666)
    add_plug_ins()
    assert "every user of this machine can write to" in plug_ins.refused_plug_ins()[0].reason


def loaded(plugins: Path, source: str) -> Any:
    (plugins / "mine.py").write_text(source)
    add_plug_ins()
    assert plug_ins.refused_plug_ins() == ()
    spec = registry.MODELS[-1]
    return spec.load_class().load(spec.name, device="cpu", spec=spec)


def test_a_model_without_a_repository_reads_beside_its_file(plugins: Path) -> None:
    with pytest.raises(BadModel, match=r"loud-2 cannot be opened \(FileNotFoundError: .*word.txt"):
        loaded(plugins, SHORT)
    (plugins / "word.txt").write_text("ha ")
    model = loaded(plugins, SHORT)
    assert model.caption(inputs([Image.new("RGB", (2, 2))]), model.Settings()) == [Sentence("ha ha")]
    assert (model.device, model.runtime, model.size_bytes) == ("cpu", "python", 0)
    assert len(model.revision) == 12


@pytest.mark.parametrize(
    ("body", "error", "reason"),
    [
        ("1 / 0", ModelFailed, "loud-2 failed (ZeroDivisionError: division by zero)."),
        ("return 3", ModelFailed, "loud-2 gave int; a sentence must be text or a Sentence."),
        ("return 'a \\ud800'", CaptionerError, "the sentence of loud-2 holds half a character"),
        ("import no_such_package", MissingPackage, "loud-2 needs the package no_such_package"),
        ("raise MemoryError", OutOfMemory, "not enough memory for loud-2"),
    ],
)
def test_what_an_author_did_wrong_costs_the_picture(plugins: Path, body: str, error: type, reason: str) -> None:
    (plugins / "word.txt").write_text("ha ")
    model = loaded(plugins, SHORT.replace("return picture.image.width * self.word", body))
    with pytest.raises(error) as caught:
        model.caption(inputs([Image.new("RGB", (2, 2))]), model.Settings())
    assert reason in str(caught.value)


@pytest.mark.parametrize("score", ["float('nan')", "'much'", "None"])
def test_a_score_that_is_no_number_costs_the_picture(plugins: Path, score: str) -> None:
    model = loaded(plugins, TAGGER.replace("SCORE", score))
    with pytest.raises(ModelFailed, match="sizes gave 'wide' the score"):
        model.tag(inputs([Image.new("RGB", (2, 2))]), model.Settings())


def test_scores_are_stored_whatever_the_threshold_is(plugins: Path) -> None:
    model = loaded(plugins, TAGGER.replace('{"wide": SCORE}', '{"low": 0.001, "wide": 0.2, "tall": 0.7}'))
    [tags] = model.tag(inputs([Image.new("RGB", (2, 2))]), model.Settings(threshold=0.9))
    assert [(tag.name, tag.source) for tag in tags] == [("tall", "sizes"), ("wide", "sizes")]
    assert [tag.name for tag in model.select(tags, model.Settings(threshold=0.5))] == ["tall"]


def test_nothing_that_is_sent_to_the_page_becomes_a_plug_in(
    plugins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads = tmp_path / "uploads"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(uploads))
    names = ["evil.py", "../plugins/evil.py", "../../plugins/evil.py", str(plugins / "evil.py"), "..\\plugins\\evil.py"]
    code = SHORT.encode()
    with fake_models(tmp_path / "models") as models, Workspace(plugins.parent) as workspace, Worker() as worker:
        service = Service(workspace, worker, ModelManager(models=models, device="cpu"))
        set_id = service.new_set()["set"]
        app = in_loop(page.mount, FastAPI(), service)
        with TestClient(app) as client:
            for name in names:
                for data in (code, png(RED)):  # a file that is refused, and one that is taken
                    client.post(
                        f"/sets/{set_id}/pictures",
                        data={"name": name, "folder": "plugins", "caption_names": json.dumps([name])},
                        files=[("file", (name, data)), ("captions", (name, code))],
                    )
                client.post(
                    f"/sets/{set_id}/captions",
                    data={"caption_names": json.dumps([name]), "caption_folders": '["plugins"]'},
                    files=[("captions", (name, code))],
                )
                paths = {"paths": json.dumps([name])}
                client.post(f"/sets/{set_id}/imports", data=paths, files=[("files", (name, code))])
                client.post("/kept/own_vocabulary", params={"name": name}, content=code)
                client.post("/gradio_api/upload", files=[("files", (name, code))])
        assert len(workspace.pictures(set_id)) > 0
    assert list(plugins.rglob("*")) == []
    arrived = [path for path in tmp_path.rglob("*.py") if uploads not in path.parents]
    assert arrived == []
    add_plug_ins()
    assert "loud-2" not in [spec.name for spec in registry.MODELS]
