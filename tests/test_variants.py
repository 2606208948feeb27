"""Several captions of a picture: what they are, and how the trainers that take several read them."""

from __future__ import annotations

import json
import tomllib
import zipfile
from pathlib import Path

import pytest

from captioner.captions.variants import KINDS, variants
from captioner.errors import CaptionerError
from captioner.formats.trainers.registry import TARGETS
from captioner.formats.trainers.target import SetSettings
from captioner.service.exports import ExportWish
from captioner.service.service import Service
from tests.service_makers import added, export_zip, page_values, png, wait_for_job
from tests.shell import Shell
from tests.trainer_readers import SET_READERS, onetrainer, sd_scripts_wildcard, simpletuner

SENTENCE = "a red picture 40 wide under beam 3"
TAGS = "nami (one piece), red background, long hair, hair"
WHOLE = f"ohwx, {SENTENCE}, {TAGS}"
PARTS = [WHOLE, f"ohwx, {SENTENCE}", f"ohwx, {TAGS}"]
MANY = [name for name, target in TARGETS.items() if target.many]


@pytest.fixture
def set_id(service: Service) -> str:
    """A captioned picture, one whose caption a person wrote, and one that brought its caption along."""
    made = str(service.new_set(name="cats")["set"])
    ids = [added(service, made, f"{number}.png", png((200, 30, 30 + number))) for number in range(2)]
    values = page_values(service, wd14_on=True, prefix="ohwx")
    service.settings_changed(made, values)
    service.jobs.start(made, None, values)
    wait_for_job(service, made)
    service.save_caption(made, ids[1], "mine, and mine alone", 0)
    added(service, made, "2.png", png((9, 9, 9)), "brought along")
    return made


def said(service: Service, set_id: str, kind: str, best: int = 3) -> list[list[str]]:
    plan, views = service.choices.stored_plan(set_id), service.workspace.views(set_id)
    layers = dict(service.workspace.layers_of(set_id, [view.id for view in views]))
    return [variants(layers[view.id], plan, view.existing, view.text, kind=kind, best=best) for view in views]


def test_a_caption_has_its_parts_and_a_person_s_words_have_none(service: Service, set_id: str) -> None:
    others = [["ohwx, mine, and mine alone"], ["ohwx, brought along"]]
    assert said(service, set_id, "one") == [[WHOLE], *others]
    assert said(service, set_id, "sentence") == [PARTS[1:2], *others]
    assert said(service, set_id, "tags") == [PARTS[2:], *others]
    assert said(service, set_id, "parts") == [PARTS, *others]
    [best, *rest] = said(service, set_id, "best", 3)
    assert rest == others
    assert best[0] == WHOLE and len(best) == len(set(best)) == 3
    assert all(text.startswith("ohwx, a red picture") and text.endswith(TAGS) for text in best)
    kinds = next(field for field in SetSettings.fields() if field.name == "captions").options
    assert kinds == KINDS


def unpacked(service: Service, set_id: str, folder: Path, name: str, **export: object) -> Path:
    folder.mkdir()
    export_zip(service, set_id, folder / "set.zip", format=name, set_folder=str(folder / "cats"), **export)
    with zipfile.ZipFile(folder / "set.zip") as archive:
        archive.extractall(folder)
    return folder / "cats"


def test_each_trainer_that_takes_several_reads_them(service: Service, set_id: str, tmp_path: Path) -> None:
    assert MANY == ["kohya", "onetrainer", "simpletuner", "diffusion-pipe", "diffusers"]
    tops = {name: unpacked(service, set_id, tmp_path / name, name, captions="parts") for name in MANY}
    read = {
        "kohya": sd_scripts_wildcard((tops["kohya"] / "img/1_cats/0.txt").read_bytes()),
        "onetrainer": onetrainer((tops["onetrainer"] / "img/0.txt").read_bytes()),
        "simpletuner": simpletuner((tops["simpletuner"] / "img/0.txt").read_bytes()),
        "diffusion-pipe": json.loads((tops["diffusion-pipe"] / "img/captions.json").read_bytes())["0.png"],
        "diffusers": json.loads((tops["diffusers"] / "train/metadata.jsonl").read_text().splitlines()[0])["text"],
    }
    assert read == dict.fromkeys(MANY, PARTS)
    config = tomllib.loads((tops["kohya"] / "dataset.toml").read_text())
    assert config["datasets"][0]["subsets"][0]["enable_wildcard"] is True
    concepts = json.loads((tops["onetrainer"] / "concepts.json").read_text())
    assert concepts[0]["text_variations"] == 3
    assert not list((tops["diffusion-pipe"] / "img").glob("*.txt")), "they would not be read beside captions.json"
    rows = [json.loads(line) for line in (tops["diffusers"] / "train/metadata.jsonl").read_text().splitlines()]
    assert all(isinstance(row["text"], list) for row in rows), "a column of texts and lists is refused"
    assert "1 picture has several captions." in (tops["kohya"] / "START.txt").read_text()


@pytest.mark.parametrize("name", MANY)
def test_one_caption_alone_is_written_as_ever(service: Service, set_id: str, tmp_path: Path, name: str) -> None:
    top = unpacked(service, set_id, tmp_path / "one", name, captions="sentence")
    assert sorted(SET_READERS[name](top).values()) == [
        f"ohwx, {SENTENCE}",
        "ohwx, brought along",
        "ohwx, mine, and mine alone",
    ]


def test_elsewhere_it_is_said_that_there_is_one() -> None:
    with pytest.raises(CaptionerError, match="captions has no effect with format musubi"):
        ExportWish.read({"format": "musubi", "captions": "parts"})


def test_the_command_line_writes_them_too(shell: Shell) -> None:
    shell.picture("photos/a.png")
    flags = ["--wd14", "default", "--prefix", "ohwx", "--captions", "parts"]
    ran = shell.caption("photos", "--format", "onetrainer", "--out", "set", *flags)
    assert ran.status == 0, ran.err
    assert onetrainer((shell.folder / "set/img/a.txt").read_bytes()) == PARTS
    assert "note: 1 picture has several captions." in ran.err
    ran = shell.caption("photos", "--format", "musubi", "--out", "other", "--captions", "parts")
    assert (ran.status, ran.out) == (2, "") and "--captions has no effect with --format musubi." in ran.err
    ran = shell.caption("photos", "--format", "kohya", "--out", "other", "--best-captions", "4")
    assert ran.status == 2 and "--best-captions has no effect with --captions one." in ran.err
