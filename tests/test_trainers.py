"""captioner.formats.trainers: each set is read back as its trainer reads it."""

from __future__ import annotations

import tarfile
import tempfile
import unicodedata
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as searched
from hypothesis import strategies as st
from PIL import Image

from captioner.errors import ExportError, MissingPackage
from captioner.formats.format import ExportItem
from captioner.formats.set_folder import folder_target
from captioner.formats.set_writer import START_NAME, Below, SetPlan, SetWriter
from captioner.formats.sidecars import caption_text
from captioner.formats.targets import zip_target
from captioner.formats.trainers.registry import TARGETS, find_target
from captioner.formats.trainers.target import BASE_MODELS, SetSettings
from tests.trainer_readers import SET_READERS

TRAINERS = [name for name, target in TARGETS.items() if target.is_trainer]
READ = list(SET_READERS)
IN_NAMES = ("joepenna", "filename")

letters = st.sampled_from([*"aAb_ .,-@'\"[]{}$\\(#|;:/?*\n\r\t", "\x00", "\u2028", "\ufeff", "é", "\u0301", "少", "😀"])
stems = st.text(letters, min_size=1, max_size=9) | st.sampled_from(
    [
        "multiply",
        "a-masklabel",
        "__x__",
        "con",
        "a.b.c",
        "x_a_b_c_d",
        ".hidden",
        "metadata",
        "train",
        "[name]",
        "${HOME}",
    ]
)
folders = st.sampled_from(["", "", "10_cat", "10_cat b", "a/10_cat", "cat", "Cat", "x_controls", "[name]", "0_x"])
texts = st.text(letters, max_size=30) | st.sampled_from(
    ["", "a cat, a dog", "one\ntwo", "vitamin C for S", "2024-01-01"]
)
entries = st.tuples(stems, st.sampled_from([".png", ".JPG", ".jpeg", ".webp"]), folders, texts)


def settings_for(name: str, **values: Any) -> SetSettings:
    return SetSettings.from_mapping({"base_model": TARGETS[name].base_models[0], **values})


def items_in(folder: Path, entries: Sequence[tuple[str, str, str, str]]) -> list[ExportItem]:
    """Pictures of different contents under plain names, called and captioned as the entries say."""
    folder.mkdir(parents=True)
    made = []
    for number, (stem, suffix, below, text) in enumerate(entries):
        path = folder / str(number)
        path.write_bytes(f"picture {number}".encode())
        made.append(ExportItem(stem + suffix, text, path, below, str(number)))
    return made


def write_folder(name: str, items: Sequence[ExportItem], top: Path, **values: Any) -> list[str]:
    plan = SetPlan(TARGETS[name], settings_for(name, **values), items, name=top.name, folder=str(top))
    with folder_target(top) as sink, SetWriter(plan, sink) as writer:
        for index, item in enumerate(items):
            writer.add(index, item.text)
        return writer.finish()


def write_zip(name: str, items: Sequence[ExportItem], path: Path, **values: Any) -> list[str]:
    plan = SetPlan(TARGETS[name], settings_for(name, **values), items, name=path.stem)
    with zip_target(path) as sink, SetWriter(plan, Below(sink, plan.name)) as writer:
        for index, item in enumerate(items):
            writer.add(index, item.text)
        return writer.finish()


def picture_numbers(top: Path) -> dict[str, int]:
    """The pictures of a set by path, in shards too, with the number that their content holds."""
    found: dict[str, bytes] = {}
    for path in top.rglob("*"):
        if path.suffix == ".tar":
            with tarfile.open(path) as shard:
                found |= {entry.name: shard.extractfile(entry).read() for entry in shard}  # type: ignore[union-attr]
        elif path.is_file():
            found[path.relative_to(top).as_posix()] = path.read_bytes()
    return {name: int(data[8:]) for name, data in found.items() if data.startswith(b"picture ")}


def heard(name: str, text: str, picture: str) -> str:
    """What a trainer makes of a caption that it reads whole."""
    if name == "ai-toolkit":
        return ", ".join(text.split(","))
    if name == "everydream2":
        first, *rest = [chunk.strip() for chunk in text.split(",")]
        return ", ".join([first or picture.rpartition("/")[2].rpartition(".")[0].split("_")[0], *dict.fromkeys(rest)])
    return "picture" if name == "filename" and not text else text


@pytest.mark.parametrize("name", READ)
@searched(max_examples=25, deadline=None)
@given(entries=st.lists(entries, min_size=1, max_size=6))
def test_each_set_reads_back_with_equal_captions(name: str, entries: list[tuple[str, str, str, str]]) -> None:
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder) / "my sét 1"
        items = items_in(Path(folder) / "own", entries)
        try:
            write_folder(name, items, top)
            read = SET_READERS[name](top)
        except StopIteration:
            pytest.fail("EveryDream2 found neither a caption nor a name")
        numbers = picture_numbers(top)
    assert sorted(numbers.values()) == list(range(len(items)))
    assert set(read) == set(numbers)
    assert len({unicodedata.normalize("NFC", path.casefold()) for path in numbers}) == len(items)
    for path, number in numbers.items():
        held = target.text(items[number].text)
        assert read[path] == heard(name, held, path)
        if name not in IN_NAMES:
            assert held.split() == caption_text(items[number].text).split()


@pytest.mark.parametrize("name", [*READ, "parquet"])
def test_a_set_that_leaves_twice_is_the_same_bytes(tmp_path: Path, name: str) -> None:
    if name == "parquet":
        pytest.importorskip("pyarrow", reason="parquet is written by pyarrow, which is optional")
    items = items_in(
        tmp_path / "own", [("a", ".png", "", "a cat"), ("a", ".jpg", "10_b", "é\n😀"), ("c", ".png", "", "")]
    )
    for run in ("one", "two"):
        write_zip(name, items, tmp_path / run / "set.zip")
    assert (tmp_path / "one/set.zip").read_bytes() == (tmp_path / "two/set.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one/set.zip") as archive:
        assert archive.testzip() is None
        names = archive.namelist()
    assert len(names) == len(set(names)) and all(name.startswith("set/") for name in names)


@pytest.mark.parametrize("name", TRAINERS)
def test_start_says_which_path_to_change_and_how_to_start(tmp_path: Path, name: str) -> None:
    items = items_in(tmp_path / "own", [("a", ".png", "", "a cat")])
    for model in TARGETS[name].base_models:
        notes = write_zip(name, items, tmp_path / f"{model}.zip", base_model=model)
        assert notes == ["START.txt says which path to change in the set, and how training starts."]
        with zipfile.ZipFile(tmp_path / f"{model}.zip") as archive:
            start = archive.read(f"{model}/{START_NAME}").decode()
        assert f"Wherever /path/to/{model} stands in these files, write the folder where this set lies." in start
        assert TARGETS[name].title in start.splitlines()[0]
        write_folder(name, items, tmp_path / f"out {model}", base_model=model)
        assert "does not turn pictures by their EXIF tag" not in start  # they leave upright
        assert "Wherever" not in (tmp_path / f"out {model}" / START_NAME).read_text()


@pytest.mark.parametrize("name", TRAINERS)
def test_start_says_where_pictures_would_be_trained_lying(tmp_path: Path, name: str) -> None:
    write_folder(name, items_in(tmp_path / "own", [("a", ".png", "", "x")]), tmp_path / "set", conversion="none")
    turns = name in ("ai-toolkit", "onetrainer", "everydream2", "diffusers", "webdataset", "filename")
    says = "does not turn pictures by their EXIF tag" in (tmp_path / "set" / START_NAME).read_text()
    assert says != turns


def test_an_empty_caption_is_what_each_trainer_takes_for_one(tmp_path: Path) -> None:
    items = items_in(tmp_path / "own", [("a", ".png", "", "  ")])
    written = {}
    for name in ("kohya", "musubi", "ai-toolkit", "onetrainer", "simpletuner", "diffusion-pipe", "everydream2"):
        write_folder(name, items, tmp_path / name)
        written[name] = next((tmp_path / name / "img").rglob("a.txt")).read_bytes()
        assert "1 picture with an empty caption; write one" in (tmp_path / name / START_NAME).read_text()
    assert written.pop("kohya") == b"\n"
    assert set(written.values()) == {b""}


def test_lines_become_one_where_a_trainer_reads_the_first_or_any(tmp_path: Path) -> None:
    items = items_in(tmp_path / "own", [("a", ".png", "", "one \n\n two"), ("b", ".png", "", "x  y")])
    notes = write_folder("kohya", items, tmp_path / "set")
    assert notes == ["1 caption changed for kohya's sd-scripts: their lines were joined into one."]
    assert (tmp_path / "set/img/1_set/a.txt").read_bytes() == b"one two"
    assert (tmp_path / "set/img/1_set/b.txt").read_bytes() == b"x  y"


def test_folders_of_kohya_keep_their_repeats(tmp_path: Path) -> None:
    entries = [
        ("a", ".png", "10_cat", "x"),
        ("b", ".png", "dog", "x"),
        ("c", ".png", "", "x"),
        ("d", ".png", "dog", "x"),
    ]
    items = items_in(tmp_path / "own", entries)
    write_folder("kohya", items, tmp_path / "set", repeats=3)
    assert sorted(path.name for path in (tmp_path / "set/img").iterdir()) == ["10_cat", "3_dog", "3_set"]
    write_folder("everydream2", items, tmp_path / "ed2", repeats=3)
    repeats = {path.parent.name: path.read_text() for path in (tmp_path / "ed2").rglob("multiply.txt")}
    assert repeats == {"10_cat": "10", "dog": "3", "ed2": "3"}


def test_the_first_by_name_keeps_its_name_and_the_others_are_named(tmp_path: Path) -> None:
    entries = [("A", ".png", "", "3"), ("a_2", ".png", "", "2"), ("a", ".jpg", "", "4"), ("Á.b", ".JFIF", "", "5")]
    items = items_in(tmp_path / "own", entries)
    notes = write_folder("musubi", items, tmp_path / "set")
    assert sorted(path.name for path in (tmp_path / "set/img").glob("*.txt")) == [
        "A.txt",
        "a_2.txt",
        "a_3.txt",
        "Á.b.txt",
    ]
    assert (tmp_path / "set/img/Á.b.jpg").is_file()
    assert notes == ["1 picture got another name in the set."]
    assert "a.jpg is img/a_3.jpg." in (tmp_path / "set" / START_NAME).read_text()


def test_names_that_mean_something_else_to_a_trainer_are_changed(tmp_path: Path) -> None:
    items = items_in(tmp_path / "own", [("Multiply", ".png", "", "x"), ("a-masklabel", ".png", "", "y")])
    write_folder("everydream2", items, tmp_path / "ed2")
    assert (tmp_path / "ed2/img/Multiply_picture.png").is_file()
    write_folder("onetrainer", items, tmp_path / "one")
    assert (tmp_path / "one/img/a-masklabel_.png").is_file()


@pytest.mark.parametrize(
    ("name", "folder", "sentence"),
    [
        ("ai-toolkit", "/data/${SETS}/a", "has ${ in it, and ai-toolkit takes it for an environment variable"),
        ("ai-toolkit", "/data/[name]", "has [name] in it, and ai-toolkit puts the job's name there"),
        ("musubi", "/data/set [1]", "has [ in it, and musubi-tuner looks for its cache by a pattern"),
        ("diffusers", "/data/set [1]", "has [ in it, and Hugging Face's datasets takes it for a pattern"),
        ("kohya", "/data/a\nb", "has a line break or a control character in it"),
    ],
)
def test_a_folder_that_a_trainer_cannot_read_is_refused(name: str, folder: str, sentence: str, tmp_path: Path) -> None:
    items = items_in(tmp_path / "own", [("a", ".png", "", "a cat")])
    with pytest.raises(ExportError) as raised:
        write_zip(name, items, tmp_path / "set.zip", set_folder=folder)
    assert sentence in str(raised.value) and str(raised.value).endswith("; name another.")
    assert not (tmp_path / "set.zip").exists()


@pytest.mark.parametrize("folder", ["D:\\sets\\my dog", "/sets/\"a\" 'b' # é 😀", "C:/sets/x/", "/sets/[a] = ü"])
@pytest.mark.parametrize("name", ["kohya", "diffusion-pipe", "onetrainer", "simpletuner", "ai-toolkit"])
def test_paths_come_back_from_every_config_as_they_are(name: str, folder: str, tmp_path: Path) -> None:
    import json
    import tomllib

    import toml
    import yaml

    items = items_in(tmp_path / "own", [("a", ".png", "", "a cat")])
    write_folder(name, items, tmp_path / "set", set_folder=folder)
    slash = "\\" if "\\" in folder else "/"
    wanted = folder.rstrip("/") + slash + ("img" if name != "kohya" else f"img{slash}1_set")
    values: list[str] = []
    for path in (tmp_path / "set").rglob("*.*"):
        if path.name.endswith(("dataset.toml", "concepts.json", "multidatabackend.json", ".yaml")):
            text = path.read_bytes().decode("ascii")
            read = {".toml": tomllib.loads, ".json": json.loads, ".yaml": yaml.safe_load}[path.suffix](text)
            assert path.suffix != ".toml" or toml.loads(text) == read
            values.append(json.dumps(read, ensure_ascii=False))
    assert any(json.dumps(wanted, ensure_ascii=False) in value for value in values)


def test_a_home_folder_is_to_be_written_out(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="begins with ~, which trainers do not replace; write the whole path"):
        write_zip("kohya", [], tmp_path / "set.zip", set_folder="~/sets/a")


def test_a_base_model_that_a_trainer_does_not_train_is_refused(tmp_path: Path) -> None:
    items = items_in(tmp_path / "own", [("a", ".png", "", "a cat")])
    with pytest.raises(ExportError, match=r"musubi-tuner does not train SDXL; it trains qwen-image, other\."):
        write_zip("musubi", items, tmp_path / "set.zip", base_model="sdxl")


def test_targets_are_found_by_other_names_and_a_wrong_one_names_the_nearest() -> None:
    assert find_target("MrWho").name == "joepenna"
    assert find_target("sd-scripts").name == "kohya"
    with pytest.raises(ExportError, match=r"'kohia' is no export format; did you mean kohya\?"):
        find_target("kohia")
    names = [word for target in TARGETS.values() for word in (target.name, *target.other_names)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", TARGETS)
def test_what_a_target_declares_is_known(name: str) -> None:
    target = TARGETS[name]
    assert set(target.base_models) <= set(BASE_MODELS)
    assert set(target.heeds) <= {field.name for field in SetSettings.fields()}
    assert target.title and (target.suffix in ("", ".txt"))


def test_a_config_says_the_trigger_word_where_there_is_one(tmp_path: Path) -> None:
    items = items_in(tmp_path / "own", [("a", ".png", "", "a cat")])
    write_folder("ai-toolkit", items, tmp_path / "ai", trigger_word='sks "x"')
    assert 'trigger_word: "sks \\"x\\""' in (tmp_path / "ai/ai-toolkit.yaml").read_text()
    write_folder("diffusers", items, tmp_path / "hf", trigger_word="sks", base_model="flux1")
    assert "--instance_prompt sks" in (tmp_path / "hf" / START_NAME).read_text()


def test_a_set_without_pictures_says_where_they_go(tmp_path: Path) -> None:
    items = items_in(tmp_path / "own", [("a", ".png", "", "a cat")])
    write_folder("musubi", items, tmp_path / "set", with_pictures=False)
    assert sorted(path.name for path in (tmp_path / "set/img").iterdir()) == ["a.txt"]
    assert "The pictures are not in this set" in (tmp_path / "set" / START_NAME).read_text()


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingPackage, match="parquet needs pyarrow: pip install pyarrow"):
        write_zip("parquet", [], tmp_path / "set.zip")
    assert not (tmp_path / "set.zip").exists()


# Real readers


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # webdataset leaves its shard open
def test_webdataset_reads_its_shards(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset", reason="webdataset is a development requirement")
    items = items_in(tmp_path / "own", [("a.b", ".jpeg", "", "a cat"), ("a.c", ".png", "10_x", "é\n😀")])
    write_folder("webdataset", items, tmp_path / "set")
    read = webdataset.WebDataset(str(tmp_path / "set/shards/00000.tar"), shardshuffle=False)
    assert [(sample["__key__"], sample["txt"].decode()) for sample in read] == [
        ("set/a_b", "a cat"),
        ("10_x/a_c", "é\n😀"),
    ]


def test_shards_end_after_so_many_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from captioner.formats.trainers import webdataset

    monkeypatch.setattr(webdataset, "SHARD_SAMPLES", 2)
    items = items_in(tmp_path / "own", [(stem, ".png", "", f"a {stem}") for stem in "abcde"])
    write_folder("webdataset", items, tmp_path / "set")
    assert sorted(path.name for path in (tmp_path / "set/shards").iterdir()) == ["00000.tar", "00001.tar", "00002.tar"]
    assert "{00000..00002}.tar" in (tmp_path / "set" / START_NAME).read_text()
    assert SET_READERS["webdataset"](tmp_path / "set") == {f"{stem}.png": f"a {stem}" for stem in "abcde"}


@pytest.mark.parametrize("name", ["kohya", "webdataset"])
@pytest.mark.parametrize("write", [write_folder, write_zip])
def test_a_picture_that_goes_missing_leaves_nothing_under_the_name(name: str, write: Any, tmp_path: Path) -> None:
    items = items_in(tmp_path / "own", [("a", ".png", "", "x"), ("b", ".png", "", "y")])
    assert items[1].picture is not None
    items[1].picture.unlink()
    with pytest.raises(ExportError, match="The picture 1 cannot be read"):
        write(name, items, tmp_path / "set")
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


@searched(max_examples=25, deadline=None)
@given(text=texts)
def test_captionizer_reads_the_captions_in_names(text: str) -> None:
    captionizer = pytest.importorskip("captionizer", reason="captionizer is a development requirement")
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder) / "set"
        write_folder("joepenna", items_in(Path(folder) / "own", [("a", ".png", "", text)]), top)
        (path,) = (path for path in (top / "img").rglob("*.*"))
        read = captionizer.caption_from_path(str(path), str(top / "img"), "person", "sks")
    assert read == TARGETS["joepenna"].text(text)


def test_parquet_reads_back(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="parquet is written by pyarrow, which is optional")
    items = items_in(tmp_path / "own", [("a", ".png", "", "a cat"), ("b", ".png", "x", "")])
    write_folder("parquet", items, tmp_path / "set")
    assert parquet.read_table(tmp_path / "set/metadata.parquet").to_pylist() == [
        {"file_name": "set/a.png", "text": "a cat"},
        {"file_name": "x/b.png", "text": ""},
    ]


def test_parquet_has_a_column_for_each_kind_of_caption(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="parquet is written by pyarrow, which is optional")
    items = items_in(tmp_path / "own", [("a", ".png", "", "a cat"), ("b", ".png", "", "a dog")])
    plan = SetPlan(TARGETS["parquet"], settings_for("parquet"), items, name="set", folder=str(tmp_path / "set"))
    with folder_target(tmp_path / "set") as sink, SetWriter(plan, sink) as writer:
        writer.add(0, "a cat", kinds=[("short", "cat"), ("tags", "cat, é")])
        writer.add(1, "a dog", kinds=[("short", "")])
        writer.finish()
    table = parquet.read_table(tmp_path / "set/metadata.parquet")
    assert table.to_pylist() == [
        {"file_name": "a.png", "text": "a cat", "text_short": "cat", "text_tags": "cat, é"},
        {"file_name": "b.png", "text": "a dog", "text_short": "", "text_tags": ""},
    ]
    assert {str(field.type) for field in table.schema} == {"string"}


def test_open_clip_reads_the_csv(tmp_path: Path) -> None:
    data = pytest.importorskip("open_clip_train.data", reason="open_clip's training code comes with its wheel")
    items = items_in(tmp_path / "own", [("a", ".png", "", "a, cat"), ("b", ".png", "x", 'say "hi"\nü')])
    write_folder("csv", items, tmp_path / "set")
    Image.new("RGB", (4, 4)).save(tmp_path / "set/x/b.png")
    read = data.CsvDataset(
        str(tmp_path / "set/metadata.csv"), lambda image: image.size, "file_name", "text", sep=",", tokenizer=list
    )
    assert (read.images, read.captions) == (["set/a.png", "x/b.png"], ["a, cat", 'say "hi"\nü'])


def test_datasets_reads_a_set_for_diffusers(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is heavy, and tested where it is installed")
    items = items_in(tmp_path / "own", [("test", ".png", "", "a cat"), ("train", ".png", "10_x", "one\ntwo")])
    for item in items:
        Image.new("RGB", (4, 4)).save(str(item.picture), "PNG")
    write_folder("diffusers", items, tmp_path / "set")
    read = datasets.load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))
    assert list(read) == ["train"]
    assert sorted(read["train"]["text"]) == ["a cat", "one\ntwo"]
