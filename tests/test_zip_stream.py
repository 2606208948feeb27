"""captioner.formats.zip_stream: a zip that is read while it is written."""

from __future__ import annotations

import io
import itertools
import threading
import time
import zipfile
from pathlib import Path

import pytest

from captioner.errors import ExportError
from captioner.formats import zip_stream
from captioner.formats.targets import Sink
from captioner.formats.zip_stream import ZipPieces


def all_of(pieces: ZipPieces) -> bytes:
    found = []
    while piece := pieces.next_piece():
        found.append(piece)
    return b"".join(found)


def test_it_is_a_whole_zip_of_what_was_written(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(bytes(range(256)) * 20_000)

    def fill(sink: Sink) -> None:
        sink.copy("img/a.png", picture)
        sink.write("img/a.txt", "a cat é".encode())
        with sink.stream("shards/0.tar") as file:
            file.write(b"first")
            file.write(b", second")

    data = all_of(ZipPieces(fill))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.read("img/a.png") == picture.read_bytes()
        assert archive.read("img/a.txt").decode() == "a cat é"
        assert archive.read("shards/0.tar") == b"first, second"
    assert all_of(ZipPieces(fill)) == data


def test_the_first_bytes_leave_before_the_last_are_made() -> None:
    may_go_on = threading.Event()

    def fill(sink: Sink) -> None:
        sink.write("a.txt", b"first")
        assert may_go_on.wait(10)
        sink.write("b.txt", b"last")

    pieces = ZipPieces(fill)
    first = pieces.next_piece()
    assert first.startswith(b"PK")
    may_go_on.set()
    with zipfile.ZipFile(io.BytesIO(first + all_of(pieces))) as archive:
        assert archive.namelist() == ["a.txt", "b.txt"]


def test_no_more_is_made_than_the_reader_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_stream, "_ROOM_BYTES", 10_000)
    made: list[int] = []
    has_begun = threading.Event()
    noise = [bytes((place * 7919 + step * 104729) % 251 for step in range(4_000)) for place in range(50)]

    def fill(sink: Sink) -> None:
        for place, data in enumerate(noise):
            with sink.stream(f"{place}.bin") as file:
                file.write(data)
            made.append(place)
            has_begun.set()

    pieces = ZipPieces(fill)
    assert has_begun.wait(20)
    pieces._thread.join(0.3)
    assert 0 < len(made) < 10
    with zipfile.ZipFile(io.BytesIO(all_of(pieces))) as archive:
        assert [archive.read(f"{place}.bin") for place in range(50)] == noise


def test_a_reader_that_leaves_ends_the_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_stream, "_ROOM_BYTES", 1)

    def fill(sink: Sink) -> None:
        for number in itertools.count():
            sink.write(f"{number}.txt", b"and again")

    pieces = ZipPieces(fill)
    pieces.next_piece()
    pieces.leave()
    pieces._thread.join(10)
    assert not pieces._thread.is_alive()


def test_a_reader_that_is_faster_than_the_writer_reads_to_the_end() -> None:
    def fill(sink: Sink) -> None:
        for number in range(30):
            time.sleep(0.001)
            sink.write(f"{number}.txt", b"")

    with zipfile.ZipFile(io.BytesIO(all_of(ZipPieces(fill)))) as archive:
        assert len(archive.namelist()) == 30


def test_what_goes_wrong_in_the_midst_reaches_the_reader_and_leaves_no_zip(tmp_path: Path) -> None:
    def fill(sink: Sink) -> None:
        sink.write("a.txt", b"a cat")
        sink.copy("a.png", tmp_path / "gone.png")

    pieces, found = ZipPieces(fill), b""
    with pytest.raises(ExportError, match=r"The picture gone\.png cannot be read"):
        while piece := pieces.next_piece():
            found += piece
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(found))


def test_a_zip_that_is_cut_before_its_end_is_none() -> None:
    data = all_of(ZipPieces(lambda sink: sink.write("a.txt", b"a cat")))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        end_of_files = len(data) - len(archive.comment)
    for end in range(end_of_files):
        with pytest.raises(zipfile.BadZipFile):
            zipfile.ZipFile(io.BytesIO(data[:end]))
