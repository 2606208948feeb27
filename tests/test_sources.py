"""captioner.models.sources: names become folders, and the hub is asked only when it should be.

What downloads runs in a process of its own with its own cache, because huggingface_hub reads its environment when it
is imported. Every such process is stopped by a hook when it connects to anything but the test's own server.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from captioner.errors import BadModel, ModelNotFound
from captioner.models import registry, sources
from taggers.clip import ClipTagger
from tests.hub_server import HubServer
from tests.tiny_clip import tiny_clip
from tests.tiny_models import random_picture, save_tiny_blip

ROOT = Path(sources.__file__).resolve().parents[2]

# Refuses every connection but those to the port in ALLOWED_PORT.
GUARD = """
import json, os, sys
def guard(event, arguments):
    if event == "socket.connect":
        address = arguments[1]
        if isinstance(address, tuple) and str(address[1]) != os.environ.get("ALLOWED_PORT"):
            os.write(2, f"connects to {address}".encode())
            os._exit(99)
    if event == "socket.getaddrinfo" and arguments[0] not in ("127.0.0.1", None):
        os.write(2, f"looks up {arguments[0]}".encode())
        os._exit(99)
sys.addaudithook(guard)
from captioner.contract import inputs
from captioner.models import sources
from captioner.models import registry
from captioner.models.download import cached_folder, download_steps
from captioner.errors import CaptionerError
blip_base = registry.find("blip-base")
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_tiny_blip(tmp_path_factory.mktemp("hub") / "tiny-blip")
    (folder / "README.md").write_text("not asked for")
    (folder / "pytorch_model.bin").write_bytes(b"never asked for")
    return folder


@pytest.fixture
def server(tiny: Path) -> Iterator[HubServer]:
    with HubServer({"Salesforce/blip-image-captioning-base": tiny}) as server:
        yield server


def run(code: str, home: Path, server: HubServer | None, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "HUGGING")) and not name.lower().endswith("_proxy")
    }
    if server is not None:
        environment |= {"HF_ENDPOINT": server.url, "ALLOWED_PORT": server.url.rsplit(":", 1)[1]}
    environment |= {"HF_HOME": str(home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", GUARD + code],
        capture_output=True,
        text=True,
        timeout=120,
        env={**kept, **environment},
        cwd=home.parent,
    )


def answer(code: str, home: Path, server: HubServer | None, **environment: str) -> Any:
    result = run(code, home, server, **environment)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


FIND = """
try:
    seen = []
    note = lambda done, total: seen.append((done, total))
    source = sources.find_model("blip-base", "blip", {models!r}, progress=note)
    print(json.dumps([str(source.folder), sorted(os.listdir(source.folder)), seen]))
except CaptionerError as error:
    print(json.dumps([error.code, str(error)]))
"""


# The hub


def test_a_hub_model_is_downloaded_once_with_progress_and_only_the_files_it_needs(
    server: HubServer, tiny: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    folder, files, seen = answer(FIND.format(models="hub"), home, server)
    assert Path(folder).is_relative_to(home / "hub")
    assert files == [
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert seen[-1][0] == seen[-1][1] == sum((tiny / name).stat().st_size for name in files)
    before = len(server.requests)
    assert answer(FIND.format(models="hub"), home, server)[0] == folder
    assert answer(FIND.format(models="auto"), home, server)[0] == folder
    assert len(server.requests) == before, "a model in the cache asks no server"


def test_a_downloaded_model_captions_offline(server: HubServer, tmp_path: Path) -> None:
    home = tmp_path / "home"
    answer(FIND.format(models="hub"), home, server)
    server.close()
    random_picture(0).save(tmp_path / "picture.png")
    caption = """
from PIL import Image
from captioner.models.manager import ModelManager
from captioner.models.blip import SamplingSettings
with ModelManager(device="cpu").use("blip-base", "blip") as captioner:
    sentence = captioner.caption(inputs([Image.open("picture.png").convert("RGB")]), SamplingSettings())[0]
    print(json.dumps([captioner.revision, sentence.text]))
"""
    revision, text = answer(caption, home, None, HF_HUB_OFFLINE="1")
    assert len(revision) == 12
    assert text


def test_a_folder_is_loaded_and_used_without_asking_any_server(tiny: Path, tmp_path: Path) -> None:
    random_picture(0).save(tmp_path / "picture.png")
    caption = f"""
from PIL import Image
from captioner.models.manager import ModelManager
from captioner.models.blip import SamplingSettings
with ModelManager(device="cpu").use({str(tiny)!r}, "blip") as captioner:
    print(json.dumps(captioner.caption(inputs([Image.open("picture.png").convert("RGB")]), SamplingSettings())[0].text))
"""
    assert answer(caption, tmp_path / "home", None)  # not offline: the guard would see a request


def test_without_a_download_the_error_names_size_and_both_ways_out(server: HubServer, tmp_path: Path) -> None:
    code, message = answer(FIND.format(models="auto"), tmp_path / "home", server)
    assert code == "model_not_found"
    assert message == (
        "blip-base is not on this machine: --models hub downloads it (990 MB, once), "
        "--models demo uses the small demo models instead."
    )
    assert server.requests == []


def test_a_download_goes_on_where_the_connection_broke(server: HubServer, tiny: Path, tmp_path: Path) -> None:
    server.breaks["model.safetensors"] = 100_000
    small_chunks = "import huggingface_hub.constants as c; c.DOWNLOAD_CHUNK_SIZE = 10_000\n"
    folder, _, seen = answer(small_chunks + FIND.format(models="hub"), tmp_path / "home", server)
    assert (Path(folder) / "model.safetensors").read_bytes() == (tiny / "model.safetensors").read_bytes()
    whole, rest = server.gets("model.safetensors")
    assert whole == ""
    assert 0 < int(rest.removeprefix("bytes=").removesuffix("-")) <= 100_000
    assert seen[-1][0] == seen[-1][1]


def test_a_download_that_failed_is_told_and_is_not_taken_for_a_model(server: HubServer, tmp_path: Path) -> None:
    home = tmp_path / "home"
    server.breaks["model.safetensors"], server.breaks_always = 1000, True
    no_waiting = "import time; time.sleep = lambda s: None\n"
    code, message = answer(no_waiting + FIND.format(models="hub"), home, server)
    assert code == "model_not_found"
    assert message.startswith("blip-base (990 MB) could not be downloaded from Salesforce/blip-image-captioning-base: ")
    assert "--models demo" in message
    assert answer(FIND.format(models="auto"), home, server)[0] == "model_not_found"
    before = len(server.gets("tokenizer.json"))
    server.breaks.clear()
    assert "model.safetensors" in answer(FIND.format(models="hub"), home, server)[1]
    assert len(server.gets("tokenizer.json")) == before == 1, "what was complete is not fetched again"


def test_a_repository_that_is_not_there_is_told(server: HubServer, tmp_path: Path) -> None:
    server.repositories.clear()
    code, message = answer(FIND.format(models="hub"), tmp_path / "home", server)
    assert code == "unknown_model"
    assert message.startswith("there is no model Salesforce/blip-image-captioning-base on the hub, or it is private")


def test_a_repository_without_the_weights_is_a_bad_model(tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "config.json").write_text("{}")
    with HubServer({"Salesforce/blip-image-captioning-base": tmp_path / "repository"}) as server:
        code, message = answer(FIND.format(models="hub"), tmp_path / "home", server)
    assert code == "bad_model"
    assert "has no model.safetensors" in message


def test_no_server_and_no_cache_is_told_offline(tmp_path: Path) -> None:
    code, message = answer(FIND.format(models="hub"), tmp_path / "home", None, HF_HUB_OFFLINE="1")
    assert code == "model_not_found"
    assert "could not be downloaded" in message


def test_a_hub_that_cannot_be_reached_is_asked_once(server: HubServer, tmp_path: Path) -> None:
    server.hangs_up = True
    code, message = answer(FIND.format(models="hub"), tmp_path / "home", server)
    assert code == "model_not_found"
    assert "could not be downloaded" in message
    assert len(server.requests) == 1, "nobody waits for six tries"


def test_nothing_is_told_about_this_machine(server: HubServer, tmp_path: Path) -> None:
    code = """
cached_folder(blip_base)
import huggingface_hub.constants
from huggingface_hub.utils import send_telemetry
send_telemetry("topic"); import time; time.sleep(0.3)
print(json.dumps(huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY))
"""
    assert answer("import huggingface_hub\n" + code, tmp_path / "home", server) is True
    assert server.requests == []


STEPS = """
import threading, time
steps = download_steps(blip_base, otherwise="or do without")
seen = []
try:
    while True:
        seen.append(next(steps))
        if {stop_at} and seen[-1][0] > {stop_at}:
            steps.close()
            break
except StopIteration as end:
    print(json.dumps([len(seen) > 0, sorted(os.listdir(end.value))]))
except CaptionerError as error:
    print(json.dumps([error.code, str(error)]))
else:
    for thread in threading.enumerate():
        if thread.name == "captioner-download":
            thread.join(20)
    left = [thread.name for thread in threading.enumerate() if thread.name == "captioner-download"]
    print(json.dumps([seen[-1][0], left, cached_folder(blip_base) is None]))
"""


LARGE = "import captioner.models.resuming as r; r.LARGE_BYTES = 100_000\n"
"""The tiny model's weights are a large file then."""
FEW = "import huggingface_hub.constants as c; c.DOWNLOAD_CHUNK_SIZE = 10_000\n"


STOPPED = """
from captioner.models.download import download_model
class Stopped(Exception): pass
def note(done, total):
    if done > 20_000: raise Stopped
try:
    download_model(blip_base, note)
except Stopped:
    print(json.dumps(cached_folder(blip_base) is None))
"""


def test_a_large_file_goes_on_in_another_process_where_it_was_stopped(
    server: HubServer, tiny: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    assert answer(LARGE + FEW + STOPPED, home, server) is True
    before = len(server.requests)
    folder, _, seen = answer(LARGE + FIND.format(models="hub"), home, server)
    assert (Path(folder) / "model.safetensors").read_bytes() == (tiny / "model.safetensors").read_bytes()
    [rest] = [
        wanted
        for method, path, wanted in server.requests[before:]
        if method == "GET" and path.endswith("/model.safetensors")
    ]
    begun = int(rest.removeprefix("bytes=").removesuffix("-"))
    size = (tiny / "model.safetensors").stat().st_size
    assert 20_000 <= begun < size
    assert seen[0][0] == begun and seen[0][1] > size
    assert seen[-1][0] == seen[-1][1] == sum(path.stat().st_size for path in Path(folder).iterdir())
    assert not list(home.rglob("*captioner*"))


def test_a_large_file_that_came_otherwise_is_no_model(server: HubServer, tiny: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    blobs = home / "hub" / "models--Salesforce--blip-image-captioning-base" / "blobs"
    blobs.mkdir(parents=True)
    digest = hashlib.sha256((tiny / "model.safetensors").read_bytes()).hexdigest()
    (blobs / f"{digest}.captioner-part").write_bytes(b"something else")
    code, message = answer(LARGE + FIND.format(models="hub"), home, server)
    assert code == "model_not_found"
    assert "came with other content than the hub says" in message
    assert list(blobs.iterdir()) == [blobs / f"{digest}.captioner-lock"], "it is begun anew"


VERIFY = """
from captioner.models.verifying import verify_steps, verdict
folder = cached_folder(blip_base)
print(json.dumps(verdict(blip_base, list(verify_steps(blip_base, folder)))))
"""


def test_files_are_checked_against_the_hubs_digests_without_asking_it(server: HubServer, tmp_path: Path) -> None:
    home = tmp_path / "home"
    folder = Path(answer(FIND.format(models="hub"), home, server)[0])
    before = len(server.requests)
    assert answer(VERIFY, home, server) == "blip-base: 5 files are as the hub has them."
    assert len(server.requests) == before
    blob = (folder / "model.safetensors").resolve()
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.write_bytes(data)
    said = answer(VERIFY, home, server)
    assert said == (
        f"blip-base: model.safetensors is not as the hub has it; delete {blob} and download the model again."
    )


def test_files_that_are_not_in_the_cache_are_compared_with_what_the_hub_says(
    server: HubServer, tiny: Path, tmp_path: Path
) -> None:
    (tmp_path / "copied").mkdir()
    for path in tiny.iterdir():
        (tmp_path / "copied" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "copied" / "notes.txt").write_text("mine")
    code = VERIFY.replace("cached_folder(blip_base)", "__import__('pathlib').Path('copied')")
    said = answer(code, tmp_path / "home", server)
    assert said.startswith("blip-base: ") and said.endswith(
        "files are as the hub has them; it does not know notes.txt."
    )


def test_a_download_in_steps_ends_as_any_other(server: HubServer, tmp_path: Path) -> None:
    is_seen, files = answer(STEPS.format(stop_at=0), tmp_path / "home", server)
    assert is_seen and "model.safetensors" in files
    server.repositories.clear()
    code, message = answer(STEPS.format(stop_at=0), tmp_path / "empty", server)
    assert code == "unknown_model"
    assert message.startswith("there is no model Salesforce/blip-image-captioning-base on the hub")


def test_a_download_in_steps_stops_when_nobody_wants_it_any_more(tiny: Path, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    shutil.copytree(tiny, repository)
    with (repository / "model.safetensors").open("ab") as weights:
        weights.truncate(200_000_000)
    with HubServer({"Salesforce/blip-image-captioning-base": repository}) as server:
        server.delay_s = 0.05  # a chunk: twenty seconds in all
        seen, threads, is_absent = answer(STEPS.format(stop_at=1_000_000), tmp_path / "home", server)
    assert 1_000_000 < seen < 200_000_000
    assert threads == [] and is_absent


PREPARE = """
from captioner import pipeline
from captioner.captions.plan import Plan
from captioner.preparation import forecast_text, forecasts, prepare_steps
from captioner.models.manager import ModelManager
manager = ModelManager(models={models!r}, device="cpu")
plan = Plan.from_flat({{"captioner": "blip-base"}}, {models!r})
told = [forecast_text(name, forecast) for name, _, forecast in forecasts(plan, manager)]
steps = [[name, step.done <= step.total, step.what] for name, step in prepare_steps(plan, manager)]
after = len(list(forecasts(plan, manager))) + len(list(prepare_steps(plan, manager)))
with manager.use("blip-base", "blip") as model:
    print(json.dumps([told, steps, after, model.device]))
"""


@pytest.mark.parametrize("models", ["hub", "auto"])
def test_a_model_that_is_not_here_is_foretold_and_fetched_in_steps(
    server: HubServer, tmp_path: Path, models: str
) -> None:
    """Under auto too, since nothing is fetched but by who asks for the steps."""
    told, steps, after, device = answer(PREPARE.format(models=models), tmp_path / "home", server)
    assert told == ["blip-base is not on this machine and must be downloaded once (990 MB)"]
    assert steps and all(step == ["blip-base", True, "MB"] for step in steps)
    assert (after, device) == (0, "cpu")


def test_only_hub_models_that_are_not_here_are_to_be_downloaded(tmp_path: Path) -> None:
    code = """
print(json.dumps([
    getattr(sources.to_download(*asked), "name", None)
    for asked in [
        ("blip-base", "blip", "hub"), ("blip-base", "blip", "auto"), ("blip-base", "blip", "demo"),
        ("blip-base", "blip", "."), ("blip-demo", "blip", "hub"), (".", "blip", "hub"), ("", "blip", "hub"),
        ("no-such-name", "clip", "hub"), ("ViT-B-32/no-such-weights", "clip", "hub"),
        ("ViT-B-32/laion2b_s34b_b79k", "clip", "hub"),
    ]
]))
"""
    expected = ["blip-base", "blip-base", *[None] * 7, "ViT-B-32/laion2b_s34b_b79k"]
    assert answer(code, tmp_path / "home", None) == expected


# Names of a family's own: open_clip's

PAIR = """
for name in {names!r}:
    try:
        source = sources.find_model(name, "clip", {models!r})
        print(json.dumps([source.name, source.load_class().__name__, sorted(os.listdir(source.folder))]))
    except CaptionerError as error:
        print(json.dumps([error.code, str(error)]))
"""
B32, B32_REPOSITORY = "ViT-B-32/laion2b_s34b_b79k", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"


def pairs(models: str, home: Path, server: HubServer | None, *names: str) -> list[list[Any]]:
    result = run(PAIR.format(names=names, models=models), home, server)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_an_open_clip_name_is_downloaded_as_safetensors_and_found_again(tmp_path: Path) -> None:
    repository = tiny_clip(tmp_path / "repository", {"mediums": ["a photo"]})
    (repository / "open_clip_pytorch_model.bin").write_bytes(b"never asked for")
    home = tmp_path / "home"
    with HubServer({B32_REPOSITORY: repository}) as server:
        found = pairs("hub", home, server, B32, B32.lower())
        assert found == [[B32, "ClipTagger", ["open_clip_config.json", "open_clip_model.safetensors"]]] * 2
        before = len(server.requests)
        assert pairs("auto", home, server, B32) == found[:1]
        assert len(server.requests) == before


def test_an_open_clip_name_that_will_not_do_says_why(tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "open_clip_config.json").write_text("{}")
    (tmp_path / "repository" / "open_clip_pytorch_model.bin").write_bytes(b"never asked for")
    home = tmp_path / "home"
    with HubServer({B32_REPOSITORY: tmp_path / "repository"}) as server:
        [(code, message)] = pairs("hub", home, server, B32)
        assert code == "bad_model"
        assert f"{B32_REPOSITORY} has no open_clip_model.safetensors" in message and "pickles are not taken" in message
        assert not server.gets("open_clip_pytorch_model.bin")
    absent, typo, pickle_only, unknown = pairs(
        "auto", home, None, B32, "ViT-L-14/opanai", "ViTamin-S/datacomp1b", "clip-v3"
    )
    assert absent == [
        "model_not_found",
        f"{B32} is not on this machine: --models hub downloads it (once), --models demo uses the small demo models "
        "instead.",
    ]
    assert "did you mean ViT-L-14/openai" in typo[1]
    assert unknown[1].endswith(f"the names are clip-v2, clip-v1, clip-demo, {ClipTagger.other_names}.")
    assert "published as a pickle only" in pickle_only[1]
    [(_, message)] = pairs("demo", home, None, B32)
    assert message.startswith(f"{B32} is no demo model; the demo clip model is clip-demo.")


def test_a_folder_wins_over_an_open_clip_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / B32).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert sources.find_model(B32, "clip").spec is None


# Names and folders


def test_a_folder_is_a_model_where_a_name_is(tiny: Path) -> None:
    source = sources.find_model(str(tiny), "blip")
    assert (source.name, source.folder, source.spec) == (str(tiny), tiny, None)
    assert source.load_class() is registry.family_class("blip")


def test_a_name_nobody_knows_lists_the_family(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"no blip model is called 'blipp'.*blip-base, blip-large, blip-demo"):
        sources.find_model("blipp", "blip")


def test_a_name_of_another_family_says_whose_it_is() -> None:
    with pytest.raises(ModelNotFound, match="clip-v1 is a clip model; blip takes blip-base"):
        sources.find_model("clip-v1", "blip")


def test_a_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(BadModel, match="is a file; a model is a folder"):
        sources.find_model(str(tmp_path / "model.safetensors"), "blip")


@pytest.mark.parametrize("name", ["", ".."])
def test_an_empty_name_is_no_folder(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if name:
        assert sources.find_model(name, "blip").folder == Path("..")  # a path someone typed is a path
    else:
        with pytest.raises(ModelNotFound, match="no blip model is called ''"):
            sources.find_model(name, "blip")


def test_a_folder_of_models_holds_them_by_name(tmp_path: Path) -> None:
    for name in ("blip-large", "mine"):
        (tmp_path / name).mkdir()
    models = str(tmp_path)
    assert sources.find_model("blip-large", "blip", models).folder == tmp_path / "blip-large"
    assert sources.find_model("mine", "blip", models).folder == tmp_path / "mine"
    assert sources.default_model("blip", models) == "blip-large"
    with pytest.raises(ModelNotFound, match=r"blip-base is not in .*The subfolders are blip-large, mine\."):
        sources.find_model("blip-base", "blip", models)
    with pytest.raises(ModelNotFound, match="there is no clip model in"):
        sources.default_model("clip", models)


def test_a_folder_of_models_may_be_in_ones_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    for name in ("blip-large", "mine"):
        (tmp_path / "models" / name).mkdir(parents=True)
        assert sources.find_model(name, "blip", "~/models").folder == tmp_path / "models" / name


@pytest.mark.parametrize("models", ["deom", "", "~nobody-of-this-name/models", "x" * 300])
def test_a_folder_of_models_that_is_not_there_names_the_words(models: str) -> None:
    for ask in (
        lambda: sources.default_model("blip", models),
        lambda: sources.choose_trio(models),
        lambda: sources.find_model("blip-base", "blip", models),
        lambda: sources.find_model("mine", "blip", models),
    ):
        with pytest.raises(ModelNotFound, match="it must be auto, hub, demo or a folder, and no such folder is here"):
            ask()


@pytest.mark.parametrize("name", ["~nobody-of-this-name/model", "x" * 300])
def test_a_name_that_no_path_can_have_is_told(name: str) -> None:
    with pytest.raises(ModelNotFound, match="no blip model is called"):
        sources.find_model(name, "blip")


def test_the_demo_models_are_found_under_every_choice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sources, "DEMO_FOLDER", tmp_path)
    (tmp_path / "blip-demo").mkdir()
    (tmp_path / "elsewhere").mkdir()
    for models in ("auto", "hub", "demo", str(tmp_path / "elsewhere")):
        assert sources.find_model("blip-demo", "blip", models).folder == tmp_path / "blip-demo"


def test_under_demo_a_real_name_is_refused_and_the_demo_name_given() -> None:
    with pytest.raises(ModelNotFound, match="blip-base is no demo model; the demo blip model is blip-demo"):
        sources.find_model("blip-base", "blip", "demo")


def test_defaults_are_the_first_real_or_the_demo_models() -> None:
    for family in registry.families():
        specs = registry.of_family(family)
        first, last = specs[0], specs[-1]
        assert sources.default_model(family) == sources.default_model(family, "hub") == first.name
        if last.is_demo:
            assert sources.default_model(family, "demo") == last.name
    with pytest.raises(ModelNotFound, match="no model family is called 'gpt'"):
        sources.default_model("gpt")


# Which trio the page starts with


@pytest.fixture
def cached(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of hub models that count as being in the cache."""
    names: set[str] = set()
    monkeypatch.setattr(sources, "cached_folder", lambda spec: Path("cache") if spec.name in names else None)
    return names


def test_the_demo_trio_stands_in_as_a_whole_when_one_real_model_is_missing(cached: set[str]) -> None:
    cached |= {"blip-base", "clip-v1"}
    choice = sources.choose_trio()
    assert choice.is_demo
    assert set(choice.names.values()) == {"blip-demo", "clip-demo", "wd14-demo"}
    assert [spec.name for spec in choice.missing] == ["wd-vit-tagger-v3"]
    assert choice.download_mb == 379
    assert "wd-vit-tagger-v3 (379 MB)" in choice.reason
    assert "blip-base" not in choice.reason


def test_the_real_models_are_taken_when_each_family_has_one(cached: set[str]) -> None:
    cached |= {"blip-large", "clip-v1", "wd-v1-4-vit-tagger"}
    choice = sources.choose_trio()
    assert dict(choice.names) == {"blip": "blip-large", "clip": "clip-v1", "wd14": "wd-v1-4-vit-tagger"}
    assert (choice.is_demo, choice.reason, choice.missing, choice.download_mb) == (False, "", (), 0)


def test_under_hub_the_real_models_are_taken_with_their_download(cached: set[str]) -> None:
    choice = sources.choose_trio("hub")
    assert not choice.is_demo
    assert dict(choice.names) == {"blip": "blip-base", "clip": "clip-v2", "wd14": "wd-vit-tagger-v3"}
    assert choice.download_mb == 990 + 3944 + 379


def test_under_demo_the_trio_is_taken_without_a_look_at_the_cache(cached: set[str]) -> None:
    cached |= {spec.name for spec in registry.MODELS}
    assert sources.choose_trio("demo").is_demo


def test_a_folder_of_models_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "blip-large").mkdir()
    choice = sources.choose_trio(str(tmp_path))
    assert (dict(choice.names), choice.is_demo) == ({"blip": "blip-large"}, False)
    with pytest.raises(ModelNotFound, match="there is no model in"):
        sources.choose_trio(str(tmp_path / "blip-large"))


def test_a_model_whose_family_has_no_demo_model_is_told_so() -> None:
    with pytest.raises(ModelNotFound, match=r"joytag is no demo model; there is none of onnx. Leave out --models demo"):
        sources.find_model("joytag", "onnx", "demo")
