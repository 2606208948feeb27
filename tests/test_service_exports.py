"""captioner.service.exports: sets on their way out, by every target."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from captioner.errors import CaptionerError
from captioner.formats.check_rules import TRAINERS
from captioner.formats.trainers.registry import TARGETS
from captioner.service.exports import ExportWish
from captioner.service.service import Service
from tests.service_makers import added, export_zip, png
from tests.shell import Shell
from tests.trainer_readers import SET_READERS

COLOURS = ((200, 30, 30), (20, 20, 220), (30, 200, 30))


def a_set(service: Service) -> str:
    """Three pictures with captions, one in a folder of kohya's."""
    set_id = str(service.new_set(name="Cats & dogs")["set"])
    for colour, name, text, folder in zip(
        COLOURS,
        ("a.png", "b.png", "a.png"),
        ("a cat, grey", "a dog", "two dogs"),
        ("", "", "10_dogs"),
        strict=True,
    ):
        added(service, set_id, name, png(colour), text, folder=folder)
    return set_id


@pytest.mark.parametrize("name", SET_READERS)
def test_each_target_s_zip_reads_back(service: Service, tmp_path: Path, name: str) -> None:
    set_id = a_set(service)
    wishes: dict[str, Any] = {"format": name}
    if "set_folder" in TARGETS[name].heeds:
        wishes["set_folder"] = str(tmp_path / "Cats & dogs")
    export_zip(service, set_id, tmp_path / "set.zip", **wishes)
    with zipfile.ZipFile(tmp_path / "set.zip") as archive:
        archive.extractall(tmp_path)
    read = SET_READERS[name](tmp_path / "Cats & dogs")
    expected = ["a cat,  grey" if name == "ai-toolkit" else "a cat, grey", "a dog", "two dogs"]
    assert sorted(read.values()) == sorted(expected)


def test_what_a_wish_leaves_open_is_the_target_s_own() -> None:
    assert not ExportWish.read({}).with_pictures
    assert ExportWish.read({}).format == "txt"
    wish = ExportWish.read({"format": "Kohya_SS", "repeats": 3})
    assert (wish.format, wish.with_pictures, wish.settings.repeats) == ("kohya", True, 3)
    assert ExportWish.read({"format": "musubi"}).settings.base_model == "qwen-image"
    assert ExportWish.parse({"format": "kohya", "repeats": "3"}) == ExportWish.read({"format": "kohya", "repeats": 3})
    assert not ExportWish.parse({"format": "csv", "with_pictures": "false"}).with_pictures


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"format": "kohia"}, "'kohia' is no export format; did you mean kohya"),
        ({"format": 3}, "format is int; it must be text"),
        ({"format": "kohya", "repeats": 0}, "repeats is 0; it must be a whole number between 1 and"),
        ({"format": "kohya", "trigger_word": "sks"}, "trigger_word has no effect with format kohya"),
        ({"format": "txt", "repeats": 2}, "repeats has no effect with format txt"),
        ({"format": "webdataset", "with_pictures": False}, "with_pictures has no effect with format webdataset"),
        ({"folder": "x"}, "folder is not a setting here"),
    ],
)
def test_what_cannot_be_wished_is_one_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CaptionerError, match=sentence):
        ExportWish.read(values)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"format": "musubi", "base_model": "sdxl"}, "musubi-tuner does not train SDXL"),
        ({"format": "ai-toolkit", "set_folder": "/sets/${HOME}"}, "environment variable"),
        ({"format": "diffusers", "set_folder": "/sets/[1]"}, "takes it for a pattern"),
    ],
)
def test_what_a_trainer_cannot_read_is_said_before(
    service: Service, tmp_path: Path, values: dict[str, Any], sentence: str
) -> None:
    set_id = a_set(service)
    with pytest.raises(CaptionerError, match=sentence):
        service.exports.look(set_id, ExportWish.read(values))
    with pytest.raises(CaptionerError, match=sentence):
        export_zip(service, set_id, tmp_path / "set.zip", **values)


def test_no_picture_makes_no_set_but_empty_caption_files(service: Service, tmp_path: Path) -> None:
    set_id = service.new_set()["set"]
    with pytest.raises(CaptionerError, match="there is no picture yet"):
        service.exports.planned(set_id, ExportWish.read({"format": "kohya"}))


def test_what_is_left_out_stands_in_start_txt(service: Service, tmp_path: Path) -> None:
    set_id = a_set(service)
    gone = service.workspace.views(set_id)[0]
    service.workspace.picture_path(set_id, gone.id).unlink()
    files = export_zip(service, set_id, tmp_path / "set.zip", format="kohya")
    start = files["Cats & dogs/START.txt"].decode()
    assert "Not in this zip:" in start and "a.png: its picture file is missing" in start
    assert [name for name in files if name.endswith(".png")] == [
        "Cats & dogs/img/1_Cats & dogs/b.png",
        "Cats & dogs/img/10_dogs/a.png",
    ]
    assert service.exports.start(set_id, ExportWish.read({"format": "kohya"}))["start"] == start.splitlines()


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if target.is_trainer])
def test_start_txt_is_told_without_a_picture_being_read(service: Service, tmp_path: Path, name: str) -> None:
    set_id = a_set(service)
    told = service.exports.start(set_id, ExportWish.read({"format": name}))["start"]
    files = export_zip(service, set_id, tmp_path / "set.zip", format=name)
    assert told == files["Cats & dogs/START.txt"].decode().splitlines()
    assert service.exports.start(set_id, ExportWish.read({"format": "txt"})) == {"start": []}


def test_the_table_says_what_check_says_of_the_same_files(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_id = service.new_set()["set"]
    pictures = {
        "turned.jpg": (_picture("JPEG", turned=True), "a “red” picture"),
        "clear.png": (_picture("PNG", mode="RGBA"), "green, green, ,"),
        "moving.gif": (_picture("GIF", frames=2), "long_hair, a \\(cat\\)"),
        "Mixed.Jpeg": (_picture("JPEG"), ", ".join(["a very long caption"] * 40)),
        "multiply.png": (_picture("PNG"), "a dog <|endoftext|> and [name]"),
        "lines.png": (_picture("PNG"), "one\ntwo {x}"),
        "empty.png": (_picture("PNG"), ""),
    }
    for name, (data, text) in pictures.items():
        added(service, set_id, name, data, text)
    export_zip(service, set_id, tmp_path / "set.zip", with_pictures=True)
    with zipfile.ZipFile(tmp_path / "set.zip") as archive:
        archive.extractall(tmp_path / "set")
    shell = Shell(tmp_path, "", capsys)
    for trainer in TRAINERS:
        ran = shell("check", tmp_path / "set", "--for", trainer, "--json")
        said = {(one["rule"], one["level"], one["count"], one["what"]) for one in json.loads(ran.out)["findings"]}
        said = {one for one in said if one[0] != "texts"}  # the zip's own caption files
        table = service.exports.look(set_id, ExportWish.read({"format": trainer}))["findings"]
        assert {(one["rule"], one["level"], len(one["ids"]), one["what"]) for one in table} == said, trainer
        assert len(said) > 3


def _picture(kind: str, *, mode: str = "RGB", turned: bool = False, frames: int = 1) -> bytes:
    image, buffer, exif = Image.new(mode, (40, 30)), io.BytesIO(), Image.Exif()
    more = {"append_images": [Image.new(mode, (40, 30), "red")], "save_all": True} if frames > 1 else {}
    if turned:
        exif[0x0112] = 6
    image.save(buffer, kind, exif=exif, **more)
    return buffer.getvalue()


def test_start_txt_has_what_is_left_of_the_table(service: Service, tmp_path: Path) -> None:
    set_id = service.new_set()["set"]
    added(service, set_id, "turned.jpg", _picture("JPEG", turned=True), "a cat")
    added(service, set_id, "clear.png", _picture("PNG", mode="RGBA"), "a very long caption, " * 30)
    for conversion, expected in (
        ("none", {"turned", "transparent", "75 tokens"}),
        ("needed", {"transparent", "75 tokens"}),
        ("all", {"75 tokens"}),
    ):
        files = export_zip(service, set_id, tmp_path / f"{conversion}.zip", format="kohya", conversion=conversion)
        start = files["captions/START.txt"].decode()
        told = service.exports.start(set_id, ExportWish.read({"format": "kohya", "conversion": conversion}))["start"]
        assert [line for line in told if "WARNING" in line or "ERROR" in line] == [
            line for line in start.splitlines() if "WARNING" in line or "ERROR" in line
        ]
        checked = start.partition("CHECK")[2].partition("GOOD TO KNOW")[0]
        assert {word for word in ("turned", "transparent", "75 tokens") if word in checked} == expected


def test_what_the_export_mends_and_what_is_left_to_do(service: Service) -> None:
    set_id = service.new_set()["set"]
    added(service, set_id, "turned.jpg", _picture("JPEG", turned=True), "a cat")
    added(service, set_id, "clear.png", _picture("PNG", mode="RGBA"), "one\ntwo, " + "a very long caption, " * 30)

    def table(**values: Any) -> dict[str, Any]:
        found = service.exports.look(set_id, ExportWish.read({"format": "kohya", **values}))["findings"]
        return {one["rule"]: one for one in found}

    found = table()
    assert found["turned"]["is_mended"] and found["turned"]["mend"] is None
    assert found["lines"]["is_mended"] and found["lines"]["mend"]["operation"] == "lines"
    assert not found["tokens"]["is_mended"]
    assert found["tokens"]["mend"] == {
        "title": "Trim to the token limit",
        "operation": "trim",
        "values": {"limit": 75, "encoder": "clip"},
    }
    assert found["alpha"]["mend"] == {"title": "Convert pictures", "settings": {"conversion": "all"}}
    assert table(conversion="all")["alpha"]["is_mended"]
    found = table(conversion="none")
    assert not found["turned"]["is_mended"]
    assert found["turned"]["mend"] == {"title": "Convert pictures", "settings": {"conversion": "needed"}}
    assert not table(with_pictures=False)["turned"]["is_mended"]
    for name in ("txt", "csv"):
        assert service.exports.look(set_id, ExportWish.read({"format": name}))["findings"] == []
