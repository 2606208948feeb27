"""captioner.service.imports: what others made is looked at first, then taken, its captions as one step for undo."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from captioner.errors import CaptionerError, SettingsError, UnknownSet
from captioner.service import imports as module
from captioner.service.service import Service
from tests.service_makers import RED, added, export_zip, png, set_with

BLUE, GREEN = (20, 20, 200), (20, 200, 20)


def zipped(files: Mapping[str, bytes | str]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def sent(**files: bytes | str) -> list[tuple[str, Any]]:
    """Files by name, in which __ stands for a dot."""
    return [
        (name.replace("__", "."), io.BytesIO(data.encode() if isinstance(data, str) else data))
        for name, data in files.items()
    ]


def captions(service: Service, set_id: str) -> dict[str, str]:
    rows = service.open_set(set_id)["rows"]
    return {f"{row['folder']}/{row['name']}".lstrip("/"): row["caption"] for row in rows}


def take_all(service: Service, set_id: str, token: str, **values: Any) -> list[dict[str, Any]]:
    answers, done = [], 0
    while not (answers and answers[-1]["is_whole"]):
        answers.append(service.imports.take(set_id, token, values, done))
        done = answers[-1]["done"]
    return answers


LIST = "".join(
    json.dumps({"file_name": name, "text": text}) + "\n"
    for name, text in (("0.png", "a cat"), ("1.png", "one\ntwo"), ("gone.png", "x"))
)


def test_a_list_is_looked_at_and_then_taken_as_one_step(service: Service) -> None:
    set_id, ids = set_with(service, RED, BLUE, GREEN)
    look = service.imports.keep_and_look(set_id, sent(metadata__jsonl=LIST))
    assert (look["form"], look["title"], look["captions"], look["pictures"]) == ("jsonl", "Hugging Face's JSONL", 2, 0)
    assert look["first"] == [["0.png", "a cat"], ["1.png", "one\ntwo"]] and look["has_lines"]
    assert look["without_picture"] == ["metadata.jsonl:3: no picture gone.png is here"]
    assert (look["without_caption"], look["counts"]["without_caption"]) == (["2.png"], 1)
    assert set(captions(service, set_id).values()) == {""}  # so far nothing happened
    (answer,) = take_all(service, set_id, look["token"])
    assert [row["id"] for row in answer["rows"]] == ids[:2] and answer["refused"] == []
    assert captions(service, set_id) == {"0.png": "a cat", "1.png": "one\ntwo", "2.png": ""}
    assert service.travel(set_id, is_undo=True)["label"] == "Import captions"
    assert set(captions(service, set_id).values()) == {""}
    service.travel(set_id, is_undo=False)
    assert captions(service, set_id)["0.png"] == "a cat"
    with pytest.raises(CaptionerError, match="what was sent is not kept any more"):
        service.imports.take(set_id, look["token"], {}, 0)


def test_a_choice_of_lines_and_form_is_heeded(service: Service) -> None:
    set_id, _ = set_with(service, RED, BLUE)
    token = service.imports.keep_and_look(set_id, sent(metadata__jsonl=LIST))["token"]
    look = service.imports.look(set_id, token, {"lines": "first"})
    assert look["first"][1] == ["1.png", "one"] and not look["has_lines"]
    with pytest.raises(CaptionerError, match="no captions are here as caption files beside pictures"):
        service.imports.look(set_id, token, {"form": "sidecars"})
    assert look["forms"] == [["jsonl", "JSONL"]]
    with pytest.raises(SettingsError, match="form is 'x'"):
        service.imports.look(set_id, token, {"form": "x"})
    take_all(service, set_id, token, lines="first")
    assert captions(service, set_id)["1.png"] == "one"


def test_captions_that_pictures_have_stay_unless_they_are_to_go(service: Service) -> None:
    set_id = service.new_set()["set"]
    added(service, set_id, "0.png", png(RED), "mine")
    edited = added(service, set_id, "1.png", png(BLUE))
    service.save_caption(set_id, edited, "edit", 0)
    look = service.imports.keep_and_look(set_id, sent(x__json=LIST))
    assert look["replaced"] == 1
    (replaced,) = look["replaces"]
    assert (replaced["name"], replaced["before"], replaced["after"]) == ("0.png", "mine", "a cat")
    assert [kind for kind, _ in replaced["pieces"]] == ["gone", "come"]
    (answer,) = take_all(service, set_id, look["token"])
    assert answer["notes"] == [
        "1 picture keeps the caption it has.",
        "1 caption is kept beside an edit, which stays.",
    ]
    assert captions(service, set_id) == {"0.png": "mine", "1.png": "edit"}
    token = service.imports.keep_and_look(set_id, sent(x__json=LIST))["token"]
    take_all(service, set_id, token, replace=True)
    assert captions(service, set_id)["0.png"] == "a cat"
    service.travel(set_id, is_undo=True)
    assert captions(service, set_id)["0.png"] == "mine"


def test_a_zip_brings_its_pictures_and_undo_takes_the_captions_back(service: Service) -> None:
    set_id = service.new_set()["set"]
    files = {
        "set/img/10_cat/a.png": png(RED),
        "set/img/10_cat/a.txt": "a cat",
        "set/img/5_dog/b.png": png(BLUE),
        "set/img/5_dog/b.txt": "a dog",
        "set/img/5_dog/bad.png": b"no picture",
        "set/dataset.toml": "[general]",
    }
    look = service.imports.keep_and_look(set_id, sent(set__zip=zipped(files)))
    assert (look["form"], look["captions"], look["pictures"]) == ("sidecars", 2, 3)
    assert look["notes"] == ["The folders' names say repeats and class: 10 x cat, 5 x dog."]
    assert captions(service, set_id) == {}
    answers = take_all(service, set_id, look["token"])
    assert captions(service, set_id) == {"10_cat/a.png": "a cat", "5_dog/b.png": "a dog"}
    assert [one["name"] for answer in answers for one in answer["refused"]] == ["set/img/5_dog/bad.png"]
    service.travel(set_id, is_undo=True)
    assert captions(service, set_id) == {"10_cat/a.png": "", "5_dog/b.png": ""}
    again = service.imports.take_all(set_id, sent(set__zip=zipped(files)), {}, is_look=False)
    assert captions(service, set_id) == {"10_cat/a.png": "a cat", "5_dog/b.png": "a dog"}  # and none is doubled
    assert again["title"] == "caption files beside pictures" and len(again["refused"]) == 1


def test_a_slice_ends_in_time_and_the_next_goes_on(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SLICE_S", -1.0)
    set_id = service.new_set()["set"]
    files = {f"{number}.png": png((number, 0, 0)) for number in range(3)}
    files |= {f"{number}.txt": f"text {number}".encode() for number in range(3)}
    look = service.imports.keep_and_look(set_id, sent(set__zip=zipped(files)))
    answers = take_all(service, set_id, look["token"])
    assert [(answer["done"], answer["total"], len(answer["rows"])) for answer in answers] == [
        (1, 3, 1),
        (2, 3, 1),
        (3, 3, 3),
    ]
    assert captions(service, set_id) == {f"{number}.png": f"text {number}" for number in range(3)}


def test_a_hostile_zip_leaves_nothing(service: Service) -> None:
    set_id = service.new_set()["set"]
    with pytest.raises(CaptionerError, match=r"^set\.zip holds a file whose path leads elsewhere"):
        service.imports.keep_and_look(set_id, sent(set__zip=zipped({"a.png": png(RED), "../b.png": png(RED)})))
    assert captions(service, set_id) == {} and not service.imports._kept


def test_an_encoding_can_be_said_afterwards(service: Service) -> None:
    set_id = service.new_set()["set"]
    files = {"a.png": png(RED), "a.txt": "café".encode("cp1252")}
    look = service.imports.keep_and_look(set_id, sent(set__zip=zipped(files)))
    assert (look["captions"], look["other_encoding"]) == (0, ["a.txt"])
    assert ["cp932", "Japanese (cp932)"] in map(list, look["encodings"])
    assert service.imports.look(set_id, look["token"], {"encoding": "cp1252"})["first"] == [["a.png", "café"]]
    take_all(service, set_id, look["token"], encoding="cp1252")
    assert captions(service, set_id) == {"a.png": "café"}


def test_what_is_kept_is_let_go(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    set_id, _ = set_with(service, RED, BLUE)
    tokens = [service.imports.keep(set_id, sent(x__jsonl=LIST)) for _ in range(9)]
    assert tokens[0] not in service.imports._kept and len(service.imports._kept) == 8
    folder = service.imports._kept[tokens[1]].folder
    assert folder.exists()
    service.imports.drop(tokens[1])
    assert not folder.exists() and service.imports.drop(tokens[1]) == {}
    monkeypatch.setattr(module, "_KEPT_S", -1.0)
    service.imports.keep(set_id, sent(x__jsonl=LIST))
    assert not service.imports._kept
    other = service.new_set()["set"]
    monkeypatch.undo()
    token = service.imports.keep(set_id, sent(x__jsonl=LIST))
    with pytest.raises(CaptionerError, match="not kept any more"):
        service.imports.look(other, token, {})
    with pytest.raises(UnknownSet):
        service.imports.keep("nobody", sent(x__jsonl=LIST))


def test_two_pictures_of_one_name_are_told(service: Service) -> None:
    set_id = service.new_set()["set"]
    added(service, set_id, "0.png", png(RED))
    added(service, set_id, "0.png", png(BLUE))
    token = service.imports.keep_and_look(set_id, sent(x__jsonl=LIST))["token"]
    (answer,) = take_all(service, set_id, token)
    assert [one["name"] for one in answer["refused"]] == ["0.png"] and answer["rows"] == []


def test_captions_without_any_picture_say_so(service: Service) -> None:
    with pytest.raises(CaptionerError, match="there is no picture yet that captions could go to; add pictures first"):
        service.imports.keep_and_look(service.new_set()["set"], sent(x__jsonl=LIST))


@pytest.mark.parametrize("format", ["kohya", "webdataset", "diffusers", "csv"])
def test_an_export_comes_back(service: Service, tmp_path: Path, format: str) -> None:
    set_id = service.new_set()["set"]
    added(service, set_id, "a.png", png(RED), "a cat, sitting", folder="10_cat")
    added(service, set_id, "b.png", png(BLUE), "ein Hund, größer", folder="10_cat")
    export_zip(service, set_id, tmp_path / "set.zip", format=format, with_pictures=True) if format == "csv" else (
        export_zip(service, set_id, tmp_path / "set.zip", format=format)
    )
    other = service.new_set()["set"]
    service.imports.take_all(other, sent(set__zip=(tmp_path / "set.zip").read_bytes()), {}, is_look=False)
    assert sorted(captions(service, other).values()) == ["a cat, sitting", "ein Hund, größer"]


def test_shards_bring_their_pictures(service: Service) -> None:
    set_id, data = service.new_set()["set"], io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as shard:
        for name, content in (("k.png", png(RED)), ("k.txt", b"a cat")):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            shard.addfile(entry, io.BytesIO(content))
    look = service.imports.keep_and_look(set_id, sent(a__tar=data.getvalue()))
    assert (look["form"], look["pictures"]) == ("webdataset", 1)
    take_all(service, set_id, look["token"])
    assert captions(service, set_id) == {"k.png": "a cat"}
