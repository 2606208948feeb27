"""captioner.formats: caption files under names that trainers find, whole or not at all."""

from __future__ import annotations

import errno
import os
import unicodedata
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from captioner.errors import CaptionerError, ExportError, FileInTheWay
from captioner.formats import targets
from captioner.formats.existing import existing_captions, read_caption
from captioner.formats.folders import beside
from captioner.formats.format import ExportItem, ExportResult
from captioner.formats.names import name_key, safe_name
from captioner.formats.sidecars import WRITERS, CaptionFiles, caption_bytes
from captioner.formats.targets import writable_folders, zip_target


def picture(folder: Path, name: str = "original", kind: str = "PNG") -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), "red").save(folder / name, kind)
    return folder / name


def items(*names: str) -> list[ExportItem]:
    return [ExportItem(name, f"caption of {name}") for name in names]


def write_zip(
    items: Sequence[ExportItem], path: Path, *, format: str = "txt", with_pictures: bool = False
) -> ExportResult:
    """A zip of caption files, as runs and the page write it."""
    captions = CaptionFiles(items, format=format, with_pictures=with_pictures)
    with zip_target(path) as sink:
        for index, item in enumerate(items):
            captions.add(sink, index, item.text)
    return captions.result()


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def planned(*names: str, **options: Any) -> list[str]:
    result = WRITERS["txt"].plan(items(*names), with_pictures=False, **options)
    return [file.caption for file in result]


# Content


def zipped(path: Path) -> dict[str, bytes]:
    """What is in a zip, in order."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("kind", list(WRITERS))
def test_each_picture_gets_a_caption_file_of_its_stem(tmp_path: Path, kind: str) -> None:
    result = write_zip(items("a.jpg", "b.c.png"), tmp_path / "set.zip", format=kind)
    assert [file.caption for file in result.files] == [f"a.{kind}", f"b.c.{kind}"]
    assert list(zipped(tmp_path / "set.zip").items()) == [
        (f"a.{kind}", b"caption of a.jpg"),
        (f"b.c.{kind}", b"caption of b.c.png"),
    ]
    assert result.notes() == []


def test_captions_are_utf8_without_a_bom(tmp_path: Path) -> None:
    write_zip([ExportItem("a.jpg", "Mädchen 少女 🐕")], tmp_path / "set.zip")
    assert zipped(tmp_path / "set.zip") == {"a.txt": "Mädchen 少女 🐕".encode()}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("one\ntwo", b"one\ntwo"),
        ("one\r\ntwo\rthree\r\n", b"one\ntwo\nthree"),
        ("one\n\ntwo", b"one\n\ntwo"),
        ("one\u2028two\x0bthree", b"one two three"),
        ("  a dog \n", b"a dog"),
        ("a\x00dog", b"adog"),
        ("half \ud83d", b"half ?"),
        ("", b"\n"),
        (" \n ", b"\n"),
    ],
)
def test_a_caption_file_has_plain_lines_and_nothing_around_them(text: str, written: bytes) -> None:
    assert caption_bytes(text) == written


def test_an_empty_caption_and_several_lines_are_reported(tmp_path: Path) -> None:
    result = write_zip(
        [ExportItem("a.jpg", " "), ExportItem("b.jpg", "x\ny"), ExportItem("c.jpg", "x")], tmp_path / "z"
    )
    assert (result.empty, result.in_lines) == (("a.jpg",), ("b.jpg",))
    assert result.notes()[0] == "a.jpg has an empty caption."
    assert result.notes()[1].startswith("1 caption has several lines and keeps them: kohya's scripts read the first")


def test_pictures_are_exported_byte_for_byte(tmp_path: Path) -> None:
    source = picture(tmp_path / "store", "0123abcd")
    write_zip([ExportItem("dog.png", "a dog", source)], tmp_path / "out.zip", with_pictures=True)
    assert zipped(tmp_path / "out.zip") == {"dog.png": source.read_bytes(), "dog.txt": b"a dog"}


@pytest.mark.parametrize(("kind", "suffix"), [("PNG", ".png"), ("JPEG", ".jpg"), ("WEBP", ".webp"), ("AVIF", ".avif")])
@pytest.mark.parametrize("name", ["dog", "dog.txt"])
def test_a_picture_without_a_pictures_suffix_gets_one(tmp_path: Path, kind: str, suffix: str, name: str) -> None:
    source = picture(tmp_path / "store", "blob", kind)
    write_zip([ExportItem(name, "a dog", source)], tmp_path / "out.zip", with_pictures=True)
    assert sorted(zipped(tmp_path / "out.zip")) == sorted([f"{name}{suffix}", f"{name}.txt"])


def test_equal_captions_make_equal_zips(tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        write_zip(items("a.jpg"), tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_subfolders_are_made(tmp_path: Path) -> None:
    write_zip([ExportItem("a.jpg", "x", folder="deep/er"), ExportItem("a.png", "y")], tmp_path / "out.zip")
    assert zipped(tmp_path / "out.zip") == {"a.txt": b"y", "deep/er/a.txt": b"x"}


# Names


def test_two_pictures_with_one_stem_both_survive(tmp_path: Path) -> None:
    sources = [picture(tmp_path / "store", name) for name in ("one", "two")]
    pictures = [ExportItem("a.jpg", "first", sources[0]), ExportItem("a.png", "second", sources[1])]
    result = write_zip(pictures, tmp_path / "out.zip", with_pictures=True)
    assert sorted(zipped(tmp_path / "out.zip")) == ["a.jpg", "a.txt", "a_2.png", "a_2.txt"]
    assert zipped(tmp_path / "out.zip")["a_2.txt"] == b"second"
    assert result.notes() == ["a.png was exported as a_2.png with a_2.txt."]


def test_without_pictures_the_result_says_what_to_rename(tmp_path: Path) -> None:
    result = write_zip(items("a.jpg", "a.png"), tmp_path / "set.zip")
    assert result.notes() == [
        "The caption of a.png is in a_2.txt; rename that picture to a_2 so that trainers find it."
    ]


def test_a_free_number_is_taken() -> None:
    assert planned("a.jpg", "a.png", "a_2.jpg", "a.webp", "a_3.gif") == [
        "a.txt",
        "a_4.txt",
        "a_2.txt",
        "a_5.txt",
        "a_3.txt",
    ]


def test_the_numbers_do_not_depend_on_the_order() -> None:
    one, other = planned("a.jpg", "b.jpg", "a.png", "a.gif"), planned("a.png", "a.gif", "b.jpg", "a.jpg")
    assert one == ["a_2.txt", "b.txt", "a_3.txt", "a.txt"]
    assert other == ["a_3.txt", "a.txt", "b.txt", "a_2.txt"]
    equal = [ExportItem("a.jpg", digest, digest=digest) for digest in ("2", "1")]
    for pictures in (equal, equal[::-1]):
        files = WRITERS["txt"].plan(pictures, with_pictures=False)
        assert {item.text: file.caption for item, file in zip(pictures, files, strict=True)} == {
            "1": "a.txt",
            "2": "a_2.txt",
        }


def test_the_same_name_many_times_is_quick_and_unique() -> None:
    names = planned(*["a.jpg"] * 3000)
    assert len(set(names)) == 3000


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Dog.jpg", "dOG.png"),
        ("é.jpg", unicodedata.normalize("NFD", "é.jpg")),
        ("STRASSE.jpg", "straße.jpg"),
        ("a.jpg", "a .jpg"),
        ("a/b.jpg", "a:b.jpg"),
        ("..jpg", "_.jpg"),
    ],
)
def test_names_that_are_one_file_somewhere_are_kept_apart(one: str, other: str) -> None:
    first, second = planned(one, other)
    assert name_key(first) != name_key(second)


@pytest.mark.parametrize("length", [250, 251, 252, 300])
def test_a_stem_is_cut_only_when_it_must_be(length: int) -> None:
    first, second = planned("x" * length + ".jpg", "x" * length + ".png")
    assert first == "x" * min(length, 251) + ".txt"
    assert len(second) <= 255 and second.endswith("x_2.txt")


def test_folders_of_a_zip_have_names_that_every_system_takes_and_never_replace_each_other(tmp_path: Path) -> None:
    folders = ["10_sks dog", "con/a:b", "Dog", "dog", unicodedata.normalize("NFD", "é"), "é"]
    names = ["1.txt", "2.txt", "3.txt", "4.txt", "5.txt", "6.txt"]
    pictures = [ExportItem("1.png", name, folder=folder) for folder, name in zip(folders, names, strict=True)]
    write_zip(pictures, tmp_path / "set.zip")
    found = list(zipped(tmp_path / "set.zip"))
    assert found[:2] == ["10_sks dog/1.txt", "_con/a_b/1.txt"]
    assert sorted(Path(name).name for name in found[2:]) == ["1.txt", "1.txt", "1_2.txt", "1_2.txt"]
    assert len({name_key(name) for name in found}) == len(found)


def test_notes_name_a_picture_with_its_folder(tmp_path: Path) -> None:
    pictures = [ExportItem("1.png", "", folder="a"), ExportItem("1.jpg", "x\ny", folder="a")]
    notes = write_zip(pictures, tmp_path / "set.zip").notes()
    assert notes[:2] == [
        "The caption of a/1.png is in a/1_2.txt; rename that picture to 1_2 so that trainers find it.",
        "a/1.png has an empty caption.",
    ]


def test_equal_names_in_two_folders_do_not_collide() -> None:
    files = WRITERS["txt"].plan(
        [ExportItem("a.jpg", "", folder="x"), ExportItem("a.jpg", "", folder="y")], with_pictures=False
    )
    assert [file.caption for file in files] == ["x/a.txt", "y/a.txt"]
    assert not any(file.is_renamed for file in files)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("dog", "dog"),
        ("🐕 dog 少女", "🐕 dog 少女"),
        ("../../etc/passwd", "___.._etc_passwd"),
        ('a\\b/c:d*e?f"g<h>i|j', "a_b_c_d_e_f_g_h_i_j"),
        ("nul\x00byte\n", "nul_byte_"),
        ("CON", "_CON"),
        ("con.png", "_con.png"),
        ("aux .x", "_aux .x"),
        ("COM1", "_COM1"),
        ("lpt³", "_lpt³"),
        ("CONTRAST", "CONTRAST"),
        ("trailing. . .", "trailing"),
        ("...", "picture___"),
        ("", "picture"),
        (" ", "picture"),
        (".hidden", "_hidden"),
        ("gpj\u202etxt", "gpj_txt"),
        ("half\ud83d", "half_"),
    ],
)
def test_hostile_names_become_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@pytest.mark.parametrize("letter", ["a", "é", "少", "🐕", "👩‍👩‍👧", "e\u0301"])
def test_long_names_are_cut_between_characters(letter: str) -> None:
    cut = safe_name(letter * 300)
    assert 200 <= len(cut.encode()) <= 255
    assert not cut.endswith("\u200d")
    assert letter[0] == cut[0]


HOSTILE = [
    "../a.jpg",
    "CON.jpg",
    "a\x00.jpg",
    "x" * 300 + ".jpg",
    "🐕" * 100 + ".png",
    "a. .jpg",
    "/etc/passwd",
    "",
    ".",
    "..",
]


def test_hostile_names_never_leave_the_zip(tmp_path: Path) -> None:
    source = picture(tmp_path / "store")
    result = write_zip([ExportItem(name, "x", source) for name in HOSTILE], tmp_path / "out.zip", with_pictures=True)
    names = [name for file in result.files for name in (file.caption, file.picture)]
    assert len({name_key(name) for name in names}) == 2 * len(HOSTILE)
    assert all("/" not in name and len(name.encode()) <= 255 for name in names)
    for file in result.files:
        assert Path(file.caption).stem == Path(file.picture).stem
    assert sorted(zipped(tmp_path / "out.zip")) == sorted(names)


# Failing


@pytest.mark.parametrize("target", ["file/out", "file"])
def test_a_folder_below_or_at_a_file_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(ExportError, match="file"), writable_folders(tmp_path / target):
        pytest.fail("the block was entered")
    assert files_in(tmp_path) == {"file": b"mine"}


def test_a_zip_at_a_folders_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set.zip").mkdir()
    with pytest.raises(ExportError, match="is a folder; name the zip file"):
        write_zip(items("a.jpg"), tmp_path / "set.zip")


def test_an_unwritable_target_is_refused() -> None:
    for target in (Path("/proc/captions.zip"), Path("a\x00b")):
        with pytest.raises(ExportError, match="cannot be written"):
            write_zip(items("a.jpg"), target)
    for target in (Path("/proc/captions"), Path("a\x00b")):
        with pytest.raises(ExportError, match="cannot be written"), writable_folders(target):
            pytest.fail("the block was entered")


class FullDisk:
    """os.fsync that fails from the n-th call on, as a disk that is full."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def __call__(self, descriptor: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("old", [None, b"old"])
def test_a_full_disk_leaves_whole_files_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bytes | None
) -> None:
    path = tmp_path / "a.txt"
    if old:
        path.write_bytes(old)
    monkeypatch.setattr(os, "fsync", FullDisk(0))
    with pytest.raises(ExportError, match=r"a\.txt cannot be written: No space left on device"):
        if old:
            targets.replace(path, b"new", content=targets.data_digest(old), is_kept=True)
        else:
            targets.write_new(path, b"new")
    assert files_in(tmp_path) == ({"a.txt": old} if old else {})


def test_a_file_that_came_to_be_or_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"mine")
    with pytest.raises(FileInTheWay, match=r"a\.txt came to be while this run went on"):
        targets.write_new(path, b"new")
    with pytest.raises(FileInTheWay, match=r"a\.txt came to be while this run went on"):
        targets.copy_new(path, picture(tmp_path / "store"))
    with pytest.raises(FileInTheWay, match=r"a\.txt was changed while this run went on"):
        targets.replace(path, b"new", content=targets.data_digest(b"older"), is_kept=True)
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(FileInTheWay):
        targets.write_new(tmp_path / "link", b"new")
    assert files_in(tmp_path)["a.txt"] == b"mine" and len(files_in(tmp_path)) == 2


def test_backups_are_numbered_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for number in range(3):
        path.write_bytes(b"mine %d" % number)
        targets.replace(path, b"new", content=targets.data_digest(b"mine %d" % number), is_kept=True)
    assert files_in(tmp_path) == {
        "a.txt": b"new",
        "a.txt.bak": b"mine 0",
        "a.txt.2.bak": b"mine 1",
        "a.txt.3.bak": b"mine 2",
    }


def test_a_file_system_without_links_is_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(source: Path, name: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)
    path = tmp_path / "a.txt"
    targets.write_new(path, b"one")
    with pytest.raises(FileInTheWay):
        targets.write_new(path, b"two")
    targets.replace(path, b"three", content=targets.data_digest(b"one"), is_kept=True)
    assert files_in(tmp_path) == {"a.txt": b"three", "a.txt.bak": b"one"}


def test_a_full_disk_leaves_no_zip_and_the_old_one_untouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_zip(items("old.jpg"), tmp_path / "set.zip")
    old = (tmp_path / "set.zip").read_bytes()
    monkeypatch.setattr(os, "fsync", FullDisk(0))
    with pytest.raises(ExportError, match=r"set\.zip cannot be written: No space left on device"):
        write_zip(items("a.jpg"), tmp_path / "set.zip")
    assert files_in(tmp_path) == {"set.zip": old}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")
def test_a_write_that_the_system_refuses_is_one_error_even_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "temporary_name", lambda: "part")
    (tmp_path / "part").symlink_to("/dev/full")
    with pytest.raises(ExportError, match="No space left on device"):
        write_zip(items(*(f"{number}.jpg" for number in range(2000))), tmp_path / "set.zip")
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_between_leaves_no_zip(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="elsewhere"):
        with zip_target(tmp_path / "set.zip") as target:
            target.write("a.txt", b"x")
            raise RuntimeError("elsewhere")
    assert files_in(tmp_path) == {}


def test_a_folder_that_nothing_was_written_to_goes_again(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="elsewhere"):
        with writable_folders(tmp_path / "new" / "deeper", tmp_path / "new"):
            raise RuntimeError("elsewhere")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old").mkdir()
    with writable_folders(tmp_path / "old"):
        pass
    assert (tmp_path / "old").is_dir()


def test_a_picture_that_is_gone_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="picture gone cannot be read: No such file"):
        write_zip([ExportItem("a.jpg", "x", tmp_path / "gone")], tmp_path / "out.zip", with_pictures=True)
    with pytest.raises(ExportError, match="picture gone cannot be read: No such file"):
        targets.copy_new(tmp_path / "a.jpg", tmp_path / "gone")
    assert files_in(tmp_path) == {}


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="Linux only")
def test_a_picture_that_stops_being_readable_is_not_blamed_on_the_target(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="picture mem cannot be read: Input/output error"):
        write_zip([ExportItem("a.jpg", "x", Path("/proc/self/mem"))], tmp_path / "out.zip", with_pictures=True)
    with pytest.raises(ExportError, match="picture mem cannot be read: Input/output error"):
        targets.copy_new(tmp_path / "a.jpg", Path("/proc/self/mem"))
    assert files_in(tmp_path) == {}


@pytest.mark.parametrize("target", ["x" * 300, "x" * 300 + ".zip"])
def test_a_name_that_is_too_long_is_known_at_once(tmp_path: Path, target: str) -> None:
    opened: Any = zip_target if target.endswith(".zip") else writable_folders
    with pytest.raises(ExportError, match="cannot be written: File name too long"):
        with opened(tmp_path / target):
            pytest.fail("the block was entered")
    assert list(tmp_path.iterdir()) == []


# Existing captions


def existing(*pictures: Path, suffix: str = ".txt") -> list[str | CaptionerError]:
    """The captions beside pictures, or why they cannot be read."""
    return [found.error or found.text for found in existing_captions(beside(pictures, suffix))]


def texts_beside(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def test_the_caption_beside_a_picture_is_found(tmp_path: Path) -> None:
    one, other = picture(tmp_path, "a.png"), picture(tmp_path, "b.png")
    texts_beside(tmp_path, {"a.caption": "from caption"})
    assert existing(one, other) == ["from caption", ""]
    texts_beside(tmp_path, {"a.txt": "\n"})
    assert existing(one) == ["from caption"]
    texts_beside(tmp_path, {"a.txt": "from txt\n"})
    assert existing(one) == ["from txt"]
    assert existing(one, suffix=".caption") == ["from caption"]
    [found] = existing_captions(beside([one], ".txt"))
    assert found.aside == (tmp_path / "a.caption",)


def test_of_pictures_with_one_stem_the_first_by_name_has_the_caption_beside_them(tmp_path: Path) -> None:
    pictures = [picture(tmp_path, name) for name in ("a.png", "a.jpg", "below/a.png", "b:c.png")]
    texts_beside(
        tmp_path, {"a.txt": "of a.jpg", "a_2.txt": "of nobody", "below/a.txt": "of below", "b:c.txt": "by hand"}
    )
    assert existing(*pictures) == ["", "of a.jpg", "of below", "by hand"]
    assert existing(pictures[0]) == [""]
    (tmp_path / "a.txt").write_bytes(b"\xff\x00\xff")
    other, refused, *_ = existing(*pictures)
    assert isinstance(refused, CaptionerError) and other == ""


@pytest.mark.parametrize("name", ["a.b.jpg", "notes.v2", "no suffix"])
def test_a_caption_is_looked_for_where_it_would_be_written(tmp_path: Path, name: str) -> None:
    source = picture(tmp_path, name)
    run = beside([source], ".txt")
    run.put(0, ".txt", b"mine")
    run.close()
    assert existing(source) == ["mine"]


def test_a_name_too_long_for_a_caption_file_has_none(tmp_path: Path) -> None:
    assert existing(picture(tmp_path, "x" * 250 + ".jpg", "PNG")) == [""]
    assert existing(picture(tmp_path) / "below" / "a.jpg") == [""]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_common_encodings_are_read_with_their_lines(encoding: str) -> None:
    assert read_caption("Mädchen\r\nzwei\r\n".encode(encoding), "a.txt") == "Mädchen\nzwei"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16-le", "utf-16-be", "utf-32"])
def test_another_encoding_is_an_error_that_names_the_file(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes("Mädchen".encode(encoding))
    [error] = existing(picture(tmp_path, "a.png"))
    assert isinstance(error, CaptionerError) and str(error).startswith("a.txt is not UTF-8 text; save it as UTF-8")
    assert error.code == "bad_caption"


def test_a_file_too_long_for_a_caption_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"x" * 1_000_001)
    [error] = existing(picture(tmp_path, "a.png"))
    assert "too long for a caption" in str(error)


def test_a_pipe_beside_a_picture_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    assert existing(picture(tmp_path, "a.png")) == [""]
