"""captioner.formats.imports.archives: zips and tars from anywhere, read without trusting them."""

from __future__ import annotations

import io
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as searched
from hypothesis import strategies as st

from captioner.errors import CaptionerError
from captioner.formats.imports import archives
from captioner.formats.imports.archives import BadArchive
from captioner.formats.imports.recognise import ImportSettings, recognise
from captioner.formats.imports.source import opened_source


def zipped(path: Path, entries: list[tuple[str | zipfile.ZipInfo, bytes]], **options: Any) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def tarred(path: Path, *entries: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as archive:
        for entry in entries:
            archive.addfile(entry, io.BytesIO(bytes(entry.size)))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.size, entry.linkname = kind, size, "/etc/passwd" if kind == tarfile.SYMTYPE else ""
    return entry


def refused(path: Path) -> str:
    """What is said of an archive; nothing was written beside it."""
    before = {found: found.read_bytes() for found in path.parent.iterdir()}
    with pytest.raises(BadArchive) as raised, opened_source([path]):
        pass
    assert {found: found.read_bytes() for found in path.parent.iterdir()} == before
    return str(raised.value)


WAYS_OUT = ["../a.png", "a/../../b.txt", "/etc/passwd", "C:\\x.png", "c:x.png", "..\\a.txt", "a\x01b.png", "//x/a.png"]


@pytest.mark.parametrize("name", WAYS_OUT)
def test_a_path_that_leads_out_refuses_the_archive(tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / "set.zip", [("a.png", b""), ("x", b"")])
    data = path.read_bytes()
    entry = zipfile.ZipInfo("a.png")
    entry.filename = name  # as a hostile program would write it
    path = zipped(tmp_path / "set.zip", [(entry, b"")])
    assert path.read_bytes() != data
    said = refused(path)
    assert said.startswith("set.zip holds a file whose path leads elsewhere (") and said.endswith("which is not taken.")
    assert "\x01" not in said
    assert "leads elsewhere" in refused(tarred(tmp_path / "set.tar", member(name)))


def test_links_and_devices_refuse_the_archive(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("a.png")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    assert "set.zip holds a link or a device (a.png)" in refused(zipped(tmp_path / "set.zip", [(link, b"/etc/passwd")]))
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        assert "holds a link or a device" in refused(tarred(tmp_path / "set.tar", member("a.png", kind)))


def test_a_bomb_is_refused_before_anything_of_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "FREE_BYTES", 1_000_000)
    path = zipped(tmp_path / "set.zip", [("a.txt", bytes(5_000_000))], compression=zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    assert refused(path) == "set.zip would unpack to 0.0 GB, which no set of pictures does."
    monkeypatch.setattr(archives, "FREE_BYTES", 10_000_000)
    with opened_source([path]) as source:
        assert [file.path for file in source.captions] == ["a.txt"]


def test_an_entry_that_lies_of_its_size_gives_no_more_than_it_says(tmp_path: Path) -> None:
    path = zipped(tmp_path / "set.zip", [("a.txt", b"x" * 5_000)], compression=zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 10)
    path.write_bytes(data)
    with opened_source([path]) as source, pytest.raises(BadArchive, match=r"a\.txt in set\.zip is damaged"):
        source.captions[0].read(1_000_000)


def test_too_many_files_are_refused_by_their_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_ENTRIES", 3)
    path = zipped(tmp_path / "set.zip", [(f"{number}.txt", b"") for number in range(4)])
    monkeypatch.setattr(zipfile, "ZipFile", None)  # its own reader is not asked
    assert refused(path) == "set.zip holds more than 3 files; split it."
    assert refused(tarred(tmp_path / "x.tar", *(member(f"{n}.txt") for n in range(4)))).startswith("x.tar holds more")


def test_a_list_of_entries_that_is_too_long_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MAX_DIRECTORY_BYTES", 100)
    path = zipped(tmp_path / "set.zip", [(f"{number}.txt", b"") for number in range(4)])
    monkeypatch.setattr(zipfile, "ZipFile", None)
    assert "has a list of 0 MB for its entries" in refused(path)


def test_two_entries_of_one_name_and_encrypted_ones_are_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = zipped(tmp_path / "set.zip", [("a.txt", b"1"), ("a.txt", b"2")])
    assert "holds two files called a.txt" in refused(path)
    assert "holds two files called a.txt" in refused(zipped(tmp_path / "set.zip", [("a.txt", b"1"), ("./a.txt", b"2")]))
    path = zipped(tmp_path / "set.zip", [("a.txt", b"1")])
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert refused(path) == "set.zip is encrypted; unpack it and use the folder."


def test_a_damaged_entry_costs_that_file(tmp_path: Path) -> None:
    path = zipped(tmp_path / "set.zip", [("a.png", b"1"), ("a.txt", b"a cat"), ("b.png", b"2"), ("b.txt", b"a dog")])
    data = bytearray(path.read_bytes())
    data[data.index(b"a cat")] = ord("x")
    path.write_bytes(data)
    with opened_source([path]) as source:
        found = recognise(source, [picture.path for picture in source.pictures], ImportSettings.from_mapping({}))
    assert dict(found.captions) == {"b.png": "a dog"} and "a.txt in set.zip is damaged" in found.notes[0]


def test_windows_paths_and_dots_are_read_as_they_are_meant(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("x")
    entry.filename = "img\\a.png"
    path = zipped(tmp_path / "set.zip", [(entry, b""), ("./img//a.txt", b"a cat"), ("img/", b"")])
    with opened_source([path]) as source:
        assert [file.path for file in source.files] == ["img/a.png", "img/a.txt"]


def test_a_shard_in_a_zip_is_read_too_and_one_in_a_shard_is_not(tmp_path: Path) -> None:
    shard = tarred(tmp_path / "0.tar", member("a.png", size=3), member("a.txt", size=0))
    path = zipped(tmp_path / "set.zip", [("shards/0.tar", shard.read_bytes())])
    with opened_source([path]) as source:
        assert [(file.path, file.read(10)) for file in source.files] == [("a.png", bytes(3)), ("a.txt", b"")]
    inner = member("b.tar", size=len(shard.read_bytes()))
    with tarfile.open(tmp_path / "1.tar", "w") as archive:
        archive.addfile(inner, io.BytesIO(shard.read_bytes()))
    with opened_source([tmp_path / "1.tar"]) as source:
        assert [file.path for file in source.files] == ["b.tar"]


def _spoil(data: bytes, place: float, change: bytes) -> bytes:
    at = int(place * len(data))
    return data[:at] + change + data[at + len(change) :]


@pytest.mark.parametrize("end", [512, 552], ids=["before a header", "in a header"])
def test_a_tar_that_is_cut_between_its_files_is_damaged(tmp_path: Path, end: int) -> None:
    path = tarred(tmp_path / "x.tar", member("a.txt"), member("b.txt"))
    path.write_bytes(path.read_bytes()[:end])
    assert refused(path).startswith("x.tar is damaged or no tar (it ends too early or is damaged at byte 512)")


@pytest.mark.parametrize("make", [zipped, tarred])
@searched(max_examples=150, deadline=None)
@given(place=st.floats(0, 1), change=st.binary(max_size=8), end=st.floats(0, 1))
def test_whatever_an_archive_holds_the_answer_is_files_or_a_sentence(
    make: Callable[..., Path], place: float, change: bytes, end: float
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "set.zip"
        if make is zipped:
            zipped(path, [("a.png", b"1" * 90), ("b/a.txt", b"a cat")], compression=zipfile.ZIP_DEFLATED)
        else:
            tarred(path, member("a.png", size=90), member("b/a.txt", size=5))
        data = _spoil(path.read_bytes(), place, change)
        path.write_bytes(data[: int(end * len(data))] if end < 0.8 else data)
        try:
            with opened_source([path]) as source:
                for file in source.files:
                    assert ".." not in file.path.split("/") and not file.path.startswith("/")
                    assert len(file.read(1_000)) <= 1_000
        except CaptionerError as error:
            assert str(error).isprintable()
