"""captioner.formats.imports: what others wrote, and what we wrote, comes back as captions by picture."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as searched
from hypothesis import strategies as st

from captioner.errors import CaptionerError, MissingPackage
from captioner.formats.imports.form import ENCODINGS
from captioner.formats.imports.recognise import ImportSettings, NothingFound, Recognised, recognise
from captioner.formats.imports.registry import FORMS
from captioner.formats.imports.source import opened_source
from captioner.formats.sidecars import CaptionFiles, caption_bytes
from captioner.formats.targets import zip_target
from captioner.formats.trainers.registry import TARGETS
from tests.test_trainers import entries, items_in, write_folder
from tests.test_trainers import write_zip as write_set

FORM_OF = {
    "diffusers": "jsonl",
    "diffsynth": "jsonl",
    "jsonl": "jsonl",
    "webdataset": "webdataset",
    "joepenna": "joepenna",
    "filename": "filename",
    "csv": "csv",
    "json": "metadata-json",
    "parquet": "parquet",
}


def read(*paths: Path, pictures: list[str] | None = None, **values: Any) -> Recognised:
    settings = ImportSettings.from_mapping(values)
    with opened_source(paths, settings) as source:
        own = [picture.path for picture in source.pictures]
        return recognise(source, own or pictures or [], settings)


def put(folder: Path, files: dict[str, bytes | str]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return folder


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("write", [write_folder, write_set])
@searched(max_examples=15, deadline=None)
@given(entries=st.lists(entries, min_size=1, max_size=6))
def test_what_leaves_comes_back_with_equal_captions(
    name: str, write: Callable[..., Any], entries: list[tuple[str, str, str, str]]
) -> None:
    if name == "parquet":
        pytest.importorskip("pyarrow", reason="parquet is read by pyarrow, which is optional")
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as folder:
        items = items_in(Path(folder) / "own", entries)
        place = Path(folder) / ("set" if write is write_folder else "set.zip")
        write(name, items, place)
        found = read(place, form=FORM_OF.get(name, "sidecars"))
        with opened_source([place]) as source:
            numbers = {picture.path: int(picture.picture_bytes()[8:]) for picture in (*source.pictures, *source.masks)}
    held = {path: target.text(items[number].text) for path, number in numbers.items()}
    if name == "filename":
        held = {path: text or "picture" for path, text in held.items()}
    assert dict(found.captions) == held
    assert (found.strays, found.bare, found.undecodable) == ((), (), {})
    assert len(numbers) == len(items)


@pytest.mark.parametrize("suffix", [".txt", ".caption"])
@searched(max_examples=30, deadline=None)
@given(entries=st.lists(entries, min_size=1, max_size=6))
def test_plain_caption_files_come_back_with_equal_captions(
    suffix: str, entries: list[tuple[str, str, str, str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        items = items_in(Path(folder) / "own", entries)
        captions = CaptionFiles(items, format=suffix[1:], with_pictures=True)
        with zip_target(Path(folder) / "set.zip") as sink:
            for index, item in enumerate(items):
                captions.add(sink, index, item.text)
        found = read(Path(folder) / "set.zip")
    wanted = {
        file.picture: caption_bytes(item.text).decode().strip()
        for file, item in zip(captions.files, items, strict=True)
    }
    assert dict(found.captions) == wanted


@pytest.mark.parametrize("name", [name for name in TARGETS if name != "parquet"])
def test_our_own_sets_are_recognised_without_a_word(tmp_path: Path, name: str) -> None:
    made = [
        ("a", ".png", "10_cat", "a cat, sitting"),
        ("b", ".jpg", "10_cat", "a dog, running"),
        ("c", ".png", "", "x y"),
    ]
    items = items_in(tmp_path / "own", made)
    write_folder(name, items, tmp_path / "set")
    found = read(tmp_path / "set")
    assert (found.form, len(found.captions), found.strays) == (FORM_OF.get(name, "sidecars"), 3, ())
    assert sorted(found.captions.values()) == ["a cat, sitting", "a dog, running", "x y"]
    assert [text for _, text in found.first] and len(found.first) == 3


P = ("img/a.png", "img/b.png")
LISTS: list[tuple[str, str, str, dict[str, str]]] = [
    (
        "kohya",
        "x",
        '{"img/a": {"caption": "a cat", "tags": "x, y"}, "b": {"tags": "z"}}',
        {P[0]: "a cat, x, y", P[1]: "z"},
    ),
    ("ai-toolkit", "x", '{"/data/img/a.png": {"caption": "a cat", "caption_short": "cat"}}', {P[0]: "a cat"}),
    ("diffusion-pipe", "img/x", '{"a.png": ["one", "two"], "b.png": ["three"]}', {P[0]: "one\ntwo", P[1]: "three"}),
    ("a JSON object", "x", '{"a.png": "a cat"}', {P[0]: "a cat"}),
    (
        "EveryDream2",
        "x",
        '[{"image": "img/a.png", "main_prompt": "a cat", "tags": [{"tag": "x"}, "y"]}]',
        {P[0]: "a cat, x, y"},
    ),
    ("DiffSynth", "x", '[{"image": "img/a.png", "prompt": "a cat"}]', {P[0]: "a cat"}),
    (
        "musubi",
        "x",
        '{"image_path": "D:\\\\set\\\\img\\\\a.png", "caption": "a cat"}\n\n{"image_path": "b.png", "caption": "b"}',
        {P[0]: "a cat", P[1]: "b"},
    ),
    ("Hugging Face", "img/x", '{"file_name": "a.png", "text": "a cat"}', {P[0]: "a cat"}),
    (
        "Hugging Face",
        "x",
        '{"file_name": "img/a.png", "text": ["one", "two"]}\n{"file_name": "img/b.png", "text": null}',
        {P[0]: "one\ntwo", P[1]: ""},
    ),
    (
        "invoke",
        "x",
        '{"image": "./img/a.png", "text": "a cat"}\r\n{"image": "img/b.png", "text": "b"}\r\n',
        {P[0]: "a cat", P[1]: "b"},
    ),
    ("DiffSynth", "x", 'image,prompt\nimg/a.png,"a cat, ""big"""\n', {P[0]: 'a cat, "big"'}),
    ("Hugging Face", "x", "file_name,text\r\nimg/a.png,a cat\r\n", {P[0]: "a cat"}),
    ("open_clip", "x", "filepath\ttitle\nimg/a.png\ta cat, a dog\n", {P[0]: "a cat, a dog"}),
]


@pytest.mark.parametrize("suffix", [".json", ".txt", ".data", ""])
@pytest.mark.parametrize(
    ("who", "place", "text", "wanted"), LISTS, ids=[f"{row[0]} {n}" for n, row in enumerate(LISTS)]
)
def test_lists_are_known_by_their_content(
    tmp_path: Path, who: str, place: str, text: str, wanted: dict[str, str], suffix: str
) -> None:
    put(tmp_path, {"img/a.png": b"", "img/b.png": b"", place + suffix: text})
    found = read(tmp_path)
    assert dict(found.captions) == wanted and who.lower() in found.title.lower()
    assert set(found.bare) == set(P) - set(wanted)
    alone = put(tmp_path / "alone", {place + suffix: b"\xef\xbb\xbf" + text.encode()})
    assert dict(read(alone / (place + suffix), pictures=list(P)).captions) == wanted
    put(tmp_path / "alone", {place + suffix: text.encode("utf-16")})
    assert dict(read(alone, pictures=list(P)).captions) == wanted


def test_parquet_is_read_with_pyarrow_and_named_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {"a.png": b"", "x.parquet": b"PAR1 and so on"})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingPackage, match=r"x\.parquet is Parquet, which needs pyarrow: pip install pyarrow"):
        read(tmp_path)
    put(tmp_path, {"a.txt": "a cat"})
    assert dict(read(tmp_path).captions) == {"a.png": "a cat"}


def test_parquet_of_others_is_read_too(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="parquet is read by pyarrow, which is optional")
    parquet = pytest.importorskip("pyarrow.parquet")
    put(tmp_path, {"00000/000000000.jpg": b"", "00000/000000001.jpg": b""})
    rows = [{"key": "000000000", "url": "x", "caption": "a cat"}, {"key": "000000001", "url": "y", "caption": None}]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "00000.parquet")
    found = read(tmp_path)
    assert dict(found.captions) == {"00000/000000000.jpg": "a cat", "00000/000000001.jpg": ""}
    hub = [{"image": {"bytes": b"x" * 100, "path": "000000001.jpg"}, "text": "a dog"}]
    parquet.write_table(pyarrow.Table.from_pylist(hub), tmp_path / "00000.parquet")
    assert dict(read(tmp_path).captions) == {"00000/000000001.jpg": "a dog"}
    put(tmp_path, {"00000.parquet": b"PAR1 and no more"})
    with pytest.raises(NothingFound, match=r"00000\.parquet is damaged or no Parquet"):
        read(tmp_path)


def test_everydream_yaml_has_words_weights_and_folders(tmp_path: Path) -> None:
    files = {
        "img/a.png": b"",
        "img/a.yaml": "main_prompt: a cat\ntags:\n  - tag: 1984\n    weight: 0.5\n  - yes\n",
        "img/local.yaml": "tags: [here]\n",
        "global.yaml": "tags: [everywhere]\n",
        "img/deep/b.png": b"",
        "img/deep/b.yml": "tags: x, y",
        "ai-toolkit.yaml": "job: extension\n",
    }
    found = read(put(tmp_path, files))
    assert found.form == "everydream2-yaml"
    assert dict(found.captions) == {
        "img/a.png": "a cat, 1984, yes, here, everywhere",
        "img/deep/b.png": "x, y, everywhere",
    }


@pytest.mark.parametrize("text", ["tags: [" * 3_000, "main_prompt: &a [*a]", "tags: {x: [}"])
def test_hostile_yaml_is_a_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(NothingFound) as raised:
        read(put(tmp_path, {"a.png": b"", "a.yaml": text}), form="everydream2-yaml")
    assert str(raised.value).endswith(".")


def test_lines_are_alternatives_or_the_first_counts(tmp_path: Path) -> None:
    put(tmp_path, {"a.png": b"", "a.txt": "one\r\ntwo \n"})
    assert dict(read(tmp_path).captions) == {"a.png": "one\ntwo"}
    assert dict(read(tmp_path, lines="first").captions) == {"a.png": "one"}


def test_txt_counts_before_caption_and_a_blank_one_does_not(tmp_path: Path) -> None:
    files = {"a.png": b"", "a.txt": "1", "a.caption": "2", "b.png": b"", "b.txt": " \n", "b.caption": "3"}
    assert dict(read(put(tmp_path, files)).captions) == {"a.png": "1", "b.png": "3"}


@pytest.mark.parametrize(("encoding", "text"), [("cp1252", "café “x”"), ("cp932", "猫"), ("cp949", "고양이")])
def test_an_encoding_is_asked_for_and_never_guessed(tmp_path: Path, encoding: str, text: str) -> None:
    put(tmp_path, {"a.png": b"", "a.txt": text.encode(encoding), "b.png": b"", "b.txt": "plain é"})
    found = read(tmp_path)
    assert dict(found.captions) == {"b.png": "plain é"} and found.bare == ("a.png",)
    assert dict(found.undecodable) == {
        "a.txt": "a.txt is not UTF-8; say its encoding: cp1252 (Western), cp932 (Japanese) or cp949 (Korean)."
    }
    assert dict(read(tmp_path, encoding=encoding).captions) == {"a.png": text, "b.png": "plain é"}
    put(tmp_path, {"a.txt": b"\x81\x00", "b.txt": b"\x81\x8d"})
    for name in ENCODINGS:
        with contextlib.suppress(NothingFound):
            assert "a.png" not in read(tmp_path, encoding=name).captions


def test_what_has_no_partner_is_listed(tmp_path: Path) -> None:
    lines = [
        {"file_name": "a.png", "text": "one"},
        {"file_name": "gone.png", "text": "two"},
        {"file_name": "a.png", "text": "another"},
        {"text": "nobody's"},
        {"file_name": "same.png", "text": "which"},
        {"file_name": "../../etc/passwd", "text": "out"},
        {"file_name": "long.png", "text": "x" * 10_001},
    ]
    text = "\n".join(map(json.dumps, lines)) + "\nno json\n"
    pictures = dict.fromkeys(("a.png", "x/same.png", "y/same.png", "alone.png", "long.png"), b"")
    found = read(put(tmp_path, {**pictures, "metadata.jsonl": text}))
    assert dict(found.captions) == {"a.png": "one"}
    assert [f"{stray.where} {stray.why}" for stray in found.strays] == [
        "metadata.jsonl:2 no picture gone.png is here",
        "metadata.jsonl:3 a.png has another caption already",
        "metadata.jsonl:4 it names no picture",
        "metadata.jsonl:5 it may be of x/same.png or y/same.png",
        "metadata.jsonl:6 no picture ../../etc/passwd is here",
        "metadata.jsonl:7 the caption has 10,001 characters; at most 10,000 are taken: shorten it",
        "metadata.jsonl:8 it names no picture",
    ]
    assert set(found.bare) == set(pictures) - {"a.png"}


def test_of_several_forms_the_one_that_knows_most_pictures_counts(tmp_path: Path) -> None:
    rows = "".join(json.dumps({"file_name": name, "text": f"list {name}"}) + "\n" for name in ("a.png", "b.png"))
    put(tmp_path, {"a.png": b"", "b.png": b"", "a.txt": "file a", "metadata.jsonl": rows})
    found = read(tmp_path)
    assert (found.form, dict(found.others)) == ("jsonl", {"sidecars": 1})
    put(tmp_path, {"b.txt": "file b"})
    assert read(tmp_path).form == "sidecars"
    assert read(tmp_path, form="jsonl").captions["a.png"] == "list a.png"


def test_names_are_captions_only_where_they_say_something(tmp_path: Path) -> None:
    put(tmp_path, {"IMG_1234.jpg": b"", "IMG_1235.jpg": b""})
    with pytest.raises(NothingFound, match="no captions were found: no caption files, no JSON"):
        read(tmp_path)
    assert set(read(tmp_path, form="filename").captions.values()) == {"IMG"}
    put(tmp_path / "named", {"a big cat_1.jpg": b"", "a dog, running_2.jpg": b""})
    assert sorted(read(tmp_path / "named").captions.values()) == ["a big cat", "a dog, running"]
    put(tmp_path / "at", {"12@a_big cat@x.jpg": b""})
    assert list(read(tmp_path / "at").captions.values()) == ["a big cat"]


def test_folders_of_kohya_say_repeats_and_class(tmp_path: Path) -> None:
    put(tmp_path, {"10_big cat/a.png": b"", "5_dog/b.png": b""})
    found = read(tmp_path)
    assert (found.form, sorted(found.captions.values())) == ("kohya-folders", ["big cat", "dog"])
    assert found.notes == ("The folders' names say repeats and class: 10 x big cat, 5 x dog.",)
    put(tmp_path, {"10_big cat/a.txt": "a cat"})
    assert (read(tmp_path).form, dict(read(tmp_path).captions)) == ("sidecars", {"10_big cat/a.png": "a cat"})


def test_masks_hidden_files_and_configs_are_no_captions(tmp_path: Path) -> None:
    files = {
        "a.png": b"",
        "a-masklabel.png": b"",
        ".b.png": b"",
        "__MACOSX/a.png": b"",
        "a.txt": "a cat",
        "train.json": '{"data_root": "x", "steps": 5}',
        "concepts.json": '[{"name": "x", "path": "img"}]',
        "dataset.toml": "[general]",
        "broken.json": "{",
        "START.txt": "START",
        "multiply.txt": "10",
    }
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    found = read(tmp_path / "set.zip")
    assert (dict(found.captions), found.strays, found.bare) == ({"a.png": "a cat"}, (), ())


def test_img2dataset_in_shards_and_in_folders(tmp_path: Path) -> None:
    import io
    import tarfile

    folder = put(
        tmp_path / "folder", {"00000/000000000.jpg": b"", "00000/000000000.txt": "a cat", "00000.parquet": b"PAR1"}
    )
    put(folder, {"00000/000000000.json": '{"caption": "a cat", "key": "000000000", "url": "x"}'})
    assert dict(read(folder).captions) == {"00000/000000000.jpg": "a cat"}
    with tarfile.open(tmp_path / "00000.tar", "w") as shard:
        for name, data in {
            "k1.jpg": b"",
            "k1.json": b'{"caption": "json only"}',
            "k2.x.jpg": b"",
            "k2.txt": b"second",
        }.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            shard.addfile(entry, io.BytesIO(data))
    assert dict(read(tmp_path / "00000.tar").captions) == {"k1.jpg": "json only", "k2.x.jpg": "second"}


def test_every_form_has_a_name_a_title_and_a_sentence_where_it_finds_nothing(tmp_path: Path) -> None:
    put(tmp_path, {"a.png": b""})
    for name, form in FORMS.items():
        assert form.title and name == form.name
        with pytest.raises(NothingFound, match="no captions are here as"):
            read(tmp_path, form=name)


hostile = st.binary(max_size=60) | st.sampled_from(
    [
        b"{}",
        b"[]",
        b"[[]]",
        b'{"a.png": {"caption": 5}}',
        b'[{"image": {}}]',
        b'{"image": "a.png", "text": [1]}',
        b"image,text",
        b"[" * 9_000,
        b'{"a":' * 9_000,
        b"PAR1",
        b"PK\3\4",
        b"\xff\xfe{",
        b'file_name,text\n"',
        b"main_prompt: [",
        b"null",
        b"1e999",
    ]
)


@searched(max_examples=150, deadline=None)
@given(
    files=st.dictionaries(
        st.sampled_from(["a.txt", "x.json", "a.yaml", "l.csv", "s.tar", "b.caption"]), hostile, min_size=1
    )
)
def test_whatever_a_file_holds_the_answer_is_captions_or_a_sentence(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        put(Path(folder), {"a.png": b"", **files})
        try:
            found = read(Path(folder))
        except CaptionerError as error:
            assert str(error)
        else:
            assert set(found.captions) <= {"a.png"}
