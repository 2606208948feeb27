"""`batch` as a plain loop: sources, targets, going on, and what goes wrong."""

from __future__ import annotations

import argparse
import io
import json
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import fsspec
import pytest

from captioner.batch.sinks import SINKS
from captioner.batch.summary import Forecast
from captioner.batch.work import RUN
from captioner.captions.groups import known_names, setting_groups
from captioner.cli import batch as batch_command
from captioner.cli.flags import flag_of
from captioner.errors import ModelFailed
from tests.batch_sources import (
    BusyBucket,
    FullDisk,
    picture_bytes,
    rows_in,
    write_parquet,
    write_shard,
)
from tests.fakes import POISON, FakeModel
from tests.shell import Ran, Shell


def batch(shell: Shell, *words: str | Path) -> Ran:
    return shell("batch", *words, "--models", shell.models, "--device", "cpu")


def pictures(shell: Shell, count: int, folder: str = "photos") -> None:
    for number in range(count):
        shell.picture(f"{folder}/{number:03}.png", ["red", "green", "blue"][number % 3])


def keys(target: Path) -> list[str]:
    return [row["key"] for row in rows_in(target)]


def test_captions_are_those_of_caption(shell: Shell) -> None:
    pictures(shell, 7)
    shell.picture("photos/below/x.png", POISON)
    (shell.folder / "photos/001.txt").write_text("a kept one")
    flags = ("--wd14", "default", "--num-beams", "4", "--kind", "short:fake-blip:num_beams=2")
    said = shell.caption("photos", "--recursive", "--json", *flags).objects
    batch(shell, "photos", "--out", "out", "--format", "jsonl", "--part-pictures", "3", *flags)
    rows = rows_in(shell.folder / "out")
    assert len(rows) == len(said) == 8
    for one, row in zip(said, rows, strict=True):
        assert one["picture"] == f"photos/{row['key']}"
        assert (one["caption"] or "", one["sentence"] or "") == (row["caption"], row["sentence"])
        assert one["tags"] == row["tags"]
        assert (one["error"] or {"code": ""})["code"] == row["error_code"]
        assert {"main": row["caption"], **one["kinds"]} == {"main": row["caption"]} | {
            kind["kind"]: kind["caption"] for kind in row["kinds"]
        }


def test_a_shard_gives_its_samples_and_their_captions(shell: Shell) -> None:
    files = {f"{n:04}.png": picture_bytes() for n in range(3)} | {"0002.txt": b"brought along"}
    write_shard(shell.folder / "00000.tar", files)
    batch(shell, "00000.tar", "--out", "out", "--format", "jsonl", "--part-pictures", "2")
    rows = rows_in(shell.folder / "out")
    assert [row["key"] for row in rows] == [f"00000.tar/000{n}.png" for n in range(3)]
    assert [row["kept"] for row in rows] == [False, False, True]


@pytest.mark.parametrize("name", ["list.csv", "list.jsonl", "list.parquet"])
def test_a_manifest_names_pictures_beside_it(shell: Shell, name: str) -> None:
    pictures(shell, 2)
    listed = [{"path": f"photos/00{n}.png", "caption": ["", "said before"][n]} for n in range(2)]
    if name.endswith("parquet"):
        write_parquet(shell.folder / name, listed)
    elif name.endswith("jsonl"):
        (shell.folder / name).write_text("".join(f"{json.dumps(row)}\n" for row in listed))
    else:
        (shell.folder / name).write_text("path,caption\n" + "".join(f"{r['path']},{r['caption']}\n" for r in listed))
    batch(shell, name, "--out", "out", "--format", "jsonl")
    first, second = rows_in(shell.folder / "out")
    assert (first["key"], first["kept"]) == ("photos/000.png", False)
    assert (second["key"], second["caption"], second["kept"]) == ("photos/001.png", "said before", True)


def test_parquet_with_pictures_gives_a_row_each(shell: Shell) -> None:
    rows = [{"key": "a", "jpg": picture_bytes(), "url": "https://x/a.jpg"}, {"key": "b", "jpg": None, "url": ""}]
    write_parquet(shell.folder / "00000.parquet", rows)
    batch(shell, "00000.parquet", "--out", "out", "--format", "jsonl")
    good, bad = rows_in(shell.folder / "out")
    assert (good["key"], good["error_code"]) == ("00000.parquet/000001/a", "")
    assert (bad["key"], bad["error_code"]) == ("00000.parquet/000002/b", "bad_row")


@pytest.mark.parametrize("format", SINKS)
def test_every_target_has_each_picture_once(shell: Shell, format: str) -> None:
    pictures(shell, 5)
    (shell.folder / "photos/bad.png").write_bytes(b"\x89PNG broken")
    ran = batch(shell, "photos", "--out", "out", "--format", format, "--part-pictures", "2", "--wd14", "default")
    rows = rows_in(shell.folder / "out", format)
    assert ran.status == 1
    assert ran.summary == "5 captioned, 0 of them kept, 1 failed (1 not_an_image), in out"
    assert [row["key"] for row in rows] == [*(f"00{n}.png" for n in range(5)), "bad.png"]
    assert rows[5]["error_code"] == "not_an_image"
    assert "red picture" in rows[0]["caption"]
    assert rows[0]["tags"][0]["source"] == "wd14"


def test_a_webdataset_of_captions_is_one(shell: Shell) -> None:
    import webdataset

    pictures(shell, 3)
    (shell.folder / "photos/bad.png").write_bytes(b"\x89PNG broken")
    batch(shell, "photos", "--out", "out", "--format", "webdataset")
    with (shell.folder / "out/part-000000-0000-last.tar").open("rb") as file:
        grouped = webdataset.tariterators.group_by_keys(
            webdataset.tariterators.tar_file_expander([{"stream": file, "url": "x"}])
        )
        samples = [*grouped]
    rows = [json.loads(sample["json"]) for sample in samples]
    assert [(sample["png"][:4], row["key"]) for sample, row in zip(samples, rows, strict=True)] == [
        (b"\x89PNG", f"00{n}.png") for n in range(3)
    ]
    assert b"red picture" in samples[0]["txt"]


def test_sidecars_lie_beside_pictures_and_spare_what_is_there(shell: Shell) -> None:
    pictures(shell, 2)
    (shell.folder / "photos/001.txt").write_text("mine")
    flags = ("photos", "--format", "sidecars", "--existing", "ignore")
    ran = batch(shell, *flags, "--out", "out")
    assert "1 file_in_the_way" in ran.summary
    assert shell.files("photos")["001.txt"] == "mine"
    assert "red picture" in shell.files("photos")["000.txt"]
    batch(shell, *flags, "--out", "again", "--overwrite")
    assert "green picture" in shell.files("photos")["001.txt"]
    assert (shell.folder / "photos/001.txt.bak").read_text() == "mine"


def test_no_words_are_lost_however_often_sidecars_are_replaced(shell: Shell) -> None:
    pictures(shell, 1)
    flags = ("photos", "--format", "sidecars", "--existing", "ignore", "--overwrite", "--out")
    for number, words in enumerate(["mine", "mine, edited", "mine"]):
        (shell.folder / "photos/000.txt").write_text(words)
        batch(shell, *flags, f"out{number}")
        assert "red picture" in shell.files("photos")["000.txt"]
    kept = {path.name: path.read_text() for path in shell.folder.glob("photos/*.bak")}
    assert kept == {"000.txt.bak": "mine", "000.txt.2.bak": "mine, edited"}


def test_a_bucket_keeps_words_that_are_replaced_too(shell: Shell) -> None:
    fsspec.register_implementation("busy", BusyBucket, clobber=True)
    bucket = fsspec.filesystem("busy")
    bucket.pipe_file("/kept/0.png", picture_bytes())
    for number, words in enumerate([b"mine", b"mine, edited"]):
        bucket.pipe_file("/kept/0.txt", words)
        flags = ("--format", "sidecars", "--existing", "ignore", "--overwrite", "--out")
        batch(shell, "busy:///kept", *flags, f"out{number}")
    assert bucket.cat_file("/kept/0.txt.bak") == b"mine"
    assert bucket.cat_file("/kept/0.txt.2.bak") == b"mine, edited"


@pytest.mark.parametrize("source", ["photos", "list.csv"])
def test_a_caption_file_is_of_one_picture(shell: Shell, source: str) -> None:
    shell.picture("photos/000.jpg", "red", "JPEG")
    (shell.folder / "list.csv").write_text("path\nphotos/000.jpg\nphotos/000.png\n./photos/../photos/000.jpg\n")
    pictures(shell, 1)
    flags = (source, "--format", "sidecars", "--out", "out", "--existing", "ignore", "--overwrite")
    batch(shell, *flags)
    first, *others = rows_in(shell.folder / "out")
    assert first["error_code"] == ""
    assert {row["error_code"] for row in others} == {"no_place"}
    assert "has the name of another picture but for the ending" in others[0]["error_message"]
    shell.picture("photos/000.bmp", "green", "BMP")
    if source == "list.csv":
        (shell.folder / source).write_text((shell.folder / source).read_text() + "photos/000.bmp\n")
    batch(shell, *flags, "--resume")
    assert rows_in(shell.folder / "out")[-1]["error_code"] == "no_place"
    assert shell.files("photos")["000.txt"].strip() == first["caption"]


def test_sidecars_of_a_list_spare_caption_files_that_it_does_not_name(shell: Shell) -> None:
    pictures(shell, 2)
    (shell.folder / "photos/001.txt").write_text("mine")
    (shell.folder / "list.csv").write_text("path\nphotos/000.png\nphotos/001.png\n")
    ran = batch(shell, "list.csv", "--format", "sidecars", "--out", "out")
    assert "1 file_in_the_way" in ran.summary
    assert shell.files("photos")["001.txt"] == "mine"
    batch(shell, "list.csv", "--format", "sidecars", "--out", "again", "--overwrite")
    assert (shell.folder / "photos/001.txt.bak").read_text() == "mine"


def test_sidecars_spare_a_caption_file_that_came_since_the_source_was_listed(shell: Shell) -> None:
    pictures(shell, 1)
    flags = ("photos", "--format", "sidecars", "--out", "out")
    batch(shell, *flags)
    (shell.folder / "out/part-000000-0000-last.jsonl").unlink()  # as if the run had been killed right before
    (shell.folder / "photos/000.txt").write_text("mine")
    assert "1 file_in_the_way" in batch(shell, *flags, "--resume").summary
    assert shell.files("photos")["000.txt"] == "mine"


def test_a_joined_caption_is_joined_once_however_often_its_block_is_done(shell: Shell) -> None:
    pictures(shell, 1)
    (shell.folder / "photos/000.txt").write_text("mine")
    flags = ("photos", "--format", "sidecars", "--existing", "prepend", "--out", "out")
    batch(shell, *flags)
    first = shell.files("photos")["000.txt"]
    (shell.folder / "out/part-000000-0000-last.jsonl").unlink()  # as if the run had been killed right before
    batch(shell, *flags, "--resume")
    assert shell.files("photos")["000.txt"] == first
    assert first.count("mine") == 1


def test_what_a_stop_leaves_is_kept_and_the_rest_is_done(shell: Shell) -> None:
    pictures(shell, 14)
    shell.picture("photos/010.png", POISON)
    FakeModel.poison = KeyboardInterrupt()  # type: ignore[assignment]
    flags = ("photos", "--out", "out", "--format", "jsonl", "--part-pictures", "4")
    stopped = batch(shell, *flags)
    assert stopped.status == 130
    assert "8 pictures are done. --resume goes on." in stopped.err
    FakeModel.poison = ModelFailed("no")
    FakeModel.calls.clear()
    batch(shell, *flags, "--resume")
    assert keys(shell.folder / "out") == [f"{n:03}.png" for n in range(14)]
    assert FakeModel.calls == [
        1,
        4,
        1,
        1,
        1,
        1,
    ]  # 008 was done when it stopped; with 010, those beside it are asked alone
    summary = json.loads((shell.folder / "out/summary.json").read_text())
    assert (summary["pictures"], summary["failures"], summary["this_run"]["pictures"]) == (14, {"model_failed": 1}, 6)


@pytest.mark.parametrize("format", SINKS)
def test_failed_pictures_are_tried_again_and_nothing_else(shell: Shell, format: str) -> None:
    pictures(shell, 7)
    for name in ("001", "005"):
        (shell.folder / f"photos/{name}.png").write_bytes(b"\x89PNG broken")
    flags = ("photos", "--out", "out", "--format", format, "--part-pictures", "3")
    ran = batch(shell, *flags)
    assert "2 failed (2 not_an_image)" in ran.summary
    assert "--resume --retry-failed tries those that failed again." in ran.err
    shell.picture("photos/001.png", "green")
    FakeModel.calls.clear()
    again = batch(shell, *flags, "--resume", "--retry-failed")
    assert (again.status, sum(FakeModel.calls)) == (1, 1)
    assert "2 pictures that failed are tried again." in again.err
    assert again.summary == "6 captioned, 0 of them kept, 1 failed (1 not_an_image), in out"
    shell.picture("photos/005.png", "blue")
    last = batch(shell, *flags, "--resume", "--retry-failed")
    rows = rows_in(shell.folder / "out", format)
    assert (last.status, last.summary) == (0, "7 captioned, 0 of them kept, 0 failed, in out")
    assert [row["key"] for row in rows] == [f"00{n}.png" for n in range(7)]
    assert "blue picture" in rows[5]["caption"]
    clean = batch(shell, *flags[:2], "clean", *flags[3:], "--existing", "ignore")
    assert clean.status == 0
    assert rows_in(shell.folder / "clean", format) == rows


def test_a_stop_while_failed_pictures_are_tried_again_loses_none(shell: Shell) -> None:
    pictures(shell, 3)
    (shell.folder / "photos/000.png").write_bytes(b"\x89PNG broken")
    flags = ("photos", "--out", "out", "--format", "jsonl")
    batch(shell, *flags)
    first = rows_in(shell.folder / "out")
    shell.picture("photos/000.png", POISON)
    FakeModel.poison = KeyboardInterrupt()  # type: ignore[assignment]
    assert batch(shell, *flags, "--resume", "--retry-failed").status == 130
    FakeModel.poison = ModelFailed("no")
    FakeModel.calls.clear()
    batch(shell, *flags, "--resume")
    assert rows_in(shell.folder / "out")[1:] == first[1:]
    assert sum(FakeModel.calls) == 1


def test_a_shard_that_is_whole_by_now_is_read_to_its_end(shell: Shell) -> None:
    write_shard(shell.folder / "a.tar", {f"{n}.png": picture_bytes() for n in range(7)})
    data = (shell.folder / "a.tar").read_bytes()
    (shell.folder / "a.tar").write_bytes(data[: 512 * 6 + 40])
    flags = ("a.tar", "--out", "out", "--format", "jsonl", "--part-pictures", "2")
    batch(shell, *flags)
    assert [row["error_code"] for row in rows_in(shell.folder / "out")] == ["", "", "bad_shard"]
    (shell.folder / "a.tar").write_bytes(data)
    ran = batch(shell, *flags, "--resume", "--retry-failed")
    assert ran.summary == "7 captioned, 0 of them kept, 0 failed, in out"
    assert keys(shell.folder / "out") == [f"a.tar/{n}.png" for n in range(7)]


def test_a_caption_file_that_was_edited_since_outlives_the_retry_of_its_neighbour(shell: Shell) -> None:
    pictures(shell, 2)
    (shell.folder / "photos/001.txt").write_text("mine")
    flags = ("photos", "--format", "sidecars", "--existing", "ignore", "--out", "out")
    batch(shell, *flags)
    (shell.folder / "photos/000.txt").write_text("edited")
    ran = batch(shell, *flags, "--resume", "--retry-failed", "--overwrite")
    assert ran.summary == "2 captioned, 0 of them kept, 0 failed, in out"
    assert shell.files("photos")["000.txt"] == "edited"
    assert (shell.folder / "photos/001.txt.bak").read_text() == "mine"


def test_a_picture_that_is_gone_from_a_shard_to_be_made_again_costs_itself(shell: Shell) -> None:
    pictures(shell, 2)
    (shell.folder / "photos/bad.png").write_bytes(b"\x89PNG broken")
    flags = ("photos", "--out", "out", "--format", "webdataset")
    batch(shell, *flags)
    (shell.folder / "photos/000.png").unlink()
    batch(shell, *flags, "--resume", "--retry-failed")
    rows = rows_in(shell.folder / "out", "webdataset")
    assert [row["error_code"] for row in rows] == ["unreadable", "", "not_an_image"]


def test_pictures_that_came_since_are_done_too(shell: Shell) -> None:
    pictures(shell, 3)
    flags = ("photos", "--out", "out", "--format", "jsonl", "--part-pictures", "2")
    batch(shell, *flags)
    shell.picture("photos/0005.png", "blue")
    ran = batch(shell, *flags, "--resume")
    assert "1 piece came to " in ran.err
    assert keys(shell.folder / "out") == ["000.png", "001.png", "002.png", "0005.png"]


def test_a_full_disk_stops_with_a_sentence_and_loses_nothing(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec.register_implementation("full", FullDisk, clobber=True)
    monkeypatch.setattr(time, "sleep", lambda s: None)
    pictures(shell, 6)
    FullDisk.room = 4  # the list, the run, two parts
    flags = ("photos", "--out", "full:///out", "--format", "jsonl", "--part-pictures", "2")
    ran = batch(shell, *flags)
    assert ran.status == 2
    assert "No space left on device. Free space and go on with --resume; what is done is kept." in ran.err
    FullDisk.room = 9
    assert batch(shell, *flags, "--resume").status == 0
    assert [row["key"] for row in rows_in("full:///out")] == [f"00{n}.png" for n in range(6)]


def test_a_busy_bucket_is_asked_again_and_then_costs_the_picture(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec.register_implementation("busy", BusyBucket, clobber=True)
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    bucket = fsspec.filesystem("busy")
    for number in range(3):
        bucket.pipe_file(f"/photos/{number}.png", picture_bytes())
    BusyBucket.refusals = {"0.png": 3, "2.png": 99}
    batch(shell, "busy:///photos", "--out", "out", "--format", "jsonl")
    assert [row["error_code"] for row in rows_in(shell.folder / "out")] == ["", "", "unreadable"]
    assert "503" in rows_in(shell.folder / "out")[2]["error_message"]
    assert len(waited) == 3 + 5
    assert max(waited) > 4 * min(waited)


@pytest.mark.parametrize(("refusals", "codes"), [(3, [""] * 20), (99, [*[""] * 9, "bad_shard"])])
def test_a_connection_lost_within_a_shard_is_made_again_and_then_costs_the_rest(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, refusals: int, codes: list[str]
) -> None:
    fsspec.register_implementation("busy", BusyBucket, clobber=True)
    monkeypatch.setattr(time, "sleep", lambda s: None)
    write_shard(shell.folder / "a.tar", {f"{n:02}.png": picture_bytes() for n in range(20)})
    fsspec.filesystem("busy").pipe_file("/shards/a.tar", (shell.folder / "a.tar").read_bytes())
    monkeypatch.setattr(BusyBucket, "refusals", {"a.tar": refusals})
    batch(shell, "busy:///shards", "--out", "out", "--format", "jsonl")
    assert [row["error_code"] for row in rows_in(shell.folder / "out")] == codes


def test_broken_pictures_of_a_shard_cost_themselves(shell: Shell) -> None:
    files = {f"{n:03}.png": picture_bytes() if n % 33 else b"\x89PNG broken" for n in range(100)}
    write_shard(shell.folder / "a.tar", files)
    batch(shell, "a.tar", "--out", "out", "--format", "jsonl")
    rows = rows_in(shell.folder / "out")
    assert len(rows) == 100
    assert sum(bool(row["error_code"]) for row in rows) == 4


def test_a_shard_that_is_cut_gives_what_is_there_and_its_own_error(shell: Shell) -> None:
    write_shard(shell.folder / "a.tar", {f"{n}.png": picture_bytes() for n in range(5)})
    data = (shell.folder / "a.tar").read_bytes()
    (shell.folder / "a.tar").write_bytes(data[: 512 * 5 + 40])
    batch(shell, "a.tar", "--out", "out", "--format", "jsonl")
    rows = rows_in(shell.folder / "out")
    assert [row["error_code"] for row in rows] == ["", "", "bad_shard"]
    assert rows[-1]["key"] == "a.tar"


def test_samples_of_one_name_have_a_row_each(shell: Shell) -> None:
    with tarfile.open(shell.folder / "a.tar", "w") as archive:
        for name, colour in (("x.png", "red"), ("x.png", "green"), ("y.png", "blue"), ("x.png", "blue")):
            data = picture_bytes(colour)
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    batch(shell, "a.tar", "--out", "out", "--format", "jsonl")
    rows = rows_in(shell.folder / "out")
    assert [row["key"] for row in rows] == ["a.tar/x.png", "a.tar/x.png#2", "a.tar/y.png", "a.tar/x.png#3"]
    assert ["green" in row["caption"] for row in rows] == [False, True, False, False]


def expect_damage_after_the_first(shell: Shell) -> None:
    """Of a.tar; who knows whether the second picture was all there."""
    batch(shell, "a.tar", "--out", "out", "--format", "jsonl")
    assert [row["error_code"] for row in rows_in(shell.folder / "out")] == ["", "bad_shard"]


@pytest.mark.parametrize("end", [512 * 4 + 40, 512 * 4], ids=["in a header", "before a header"])
def test_a_shard_that_is_cut_between_its_files_is_damaged_too(shell: Shell, end: int) -> None:
    write_shard(shell.folder / "a.tar", {f"{n}.png": picture_bytes() for n in range(5)})
    (shell.folder / "a.tar").write_bytes((shell.folder / "a.tar").read_bytes()[:end])
    expect_damage_after_the_first(shell)


def test_a_shard_with_a_damaged_header_is_damaged(shell: Shell) -> None:
    write_shard(shell.folder / "a.tar", {f"{n}.png": picture_bytes() for n in range(5)})
    data = bytearray((shell.folder / "a.tar").read_bytes())
    data[512 * 4 + 148] ^= 1  # in the third header's checksum
    (shell.folder / "a.tar").write_bytes(data)
    expect_damage_after_the_first(shell)


def test_parquet_that_is_damaged_costs_itself(shell: Shell) -> None:
    (shell.folder / "in").mkdir()
    write_parquet(shell.folder / "in/a.parquet", [{"jpg": picture_bytes()}])
    (shell.folder / "in/b.parquet").write_bytes(b"PAR1 broken")
    batch(shell, "in", "--out", "out", "--format", "jsonl")
    assert [(row["key"], row["error_code"]) for row in rows_in(shell.folder / "out")] == [
        ("a.parquet/000001", ""),
        ("b.parquet", "bad_shard"),
    ]


def test_rows_that_name_no_picture_or_the_same_one_cost_themselves(shell: Shell) -> None:
    pictures(shell, 1)
    lines = ["path", "photos/000.png", "''", "photos/000.png", "photos/9.png", "ftp://x/y.png", "/.", "/..", ".."]
    (shell.folder / "list.csv").write_text("\n".join(lines).replace("''", '""') + "\n")
    ran = batch(shell, "list.csv", "--out", "out", "--format", "jsonl")
    assert "1 row names a picture that another row names too" in ran.err
    assert [(row["key"], row["error_code"]) for row in rows_in(shell.folder / "out")] == [
        ("photos/000.png", ""),
        ("list.csv:3", "bad_row"),
        ("photos/9.png", "unreadable"),
        ("ftp://x/y.png", "bad_row"),
        ("/.", "unreadable"),
        ("/..", "unreadable"),
        ("..", "unreadable"),
    ]


def test_a_try_tells_what_a_million_take_and_writes_nothing(shell: Shell) -> None:
    pictures(shell, 5)
    ran = batch(shell, "photos", "--limit", "3", "--price-per-hour", "2")
    assert "pictures a second: a million take" in ran.out
    assert "at 2 an hour" in ran.out
    assert not (shell.folder / "out").exists()
    assert Forecast(100, 10).text(3.0, 500_000) == (
        "10 pictures a second: a million take 27.8 hours and cost 83.33 at 3 an hour; the 500,000 of SOURCE take "
        "13.9 hours."
    )


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "nothing there": (("nowhere", "--out", "out"), "nowhere is not there; check the address."),
    "no pictures": (("empty", "--out", "out"), "empty has no pictures in it."),
    "no driver or bucket": (("gs://nobody/here", "--out", "out"), "captioner: gs://nobody/here"),
    "unknown address": (("what://x", "--out", "out"), "what://x cannot be opened"),
    "unknown column": (("list.csv", "--out", "out", "--column", "x"), "has no column x; its columns are path, caption"),
    "no target": (("photos",), "give --out TARGET"),
    "a folder with files": (("photos", "--out", "photos"), "has files in it that no batch wrote"),
    "a target that is a file": (("photos", "--out", "list.csv"), "list.csv is a file; name a folder."),
    "an empty source": (("", "--out", "out"), "SOURCE is empty; name a folder"),
    "two sources": (("photos", "photos", "--out", "out"), "photos is one word too many; see"),
    "no cluster": (
        ("photos", "--out", "out", "--format", "jsonl", "--engine", "ray", "--address", "127.0.0.1:9"),
        "there is no Ray cluster at 127.0.0.1:9 (",
    ),
    "a folder in the source": (("photos", "--out", "photos/out"), "lies in SOURCE"),
    "a retry of nothing": (
        ("photos", "--out", "out", "--retry-failed"),
        "--retry-failed has no effect without --resume",
    ),
    "workers without Ray": (("photos", "--out", "out", "--workers", "2"), "--workers has no effect without --engine"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_input_is_one_sentence(shell: Shell, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    pictures(shell, 1)
    (shell.folder / "empty").mkdir()
    (shell.folder / "list.csv").write_text("path,caption\nphotos/000.png,\n")
    words, said = REFUSED[case]
    ran = batch(shell, *words)
    assert ran.status == 2
    assert said in ran.summary


def test_a_target_of_other_settings_is_refused_with_what_differs(shell: Shell) -> None:
    pictures(shell, 1)
    batch(shell, "photos", "--out", "out", "--format", "jsonl")
    again = batch(shell, "photos", "--out", "out", "--format", "jsonl", "--num-beams", "7", "--resume")
    assert (again.status, "--num-beams 3 there and 7 here" in again.err) == (2, True)
    same = batch(shell, "photos", "--out", "out", "--format", "jsonl")
    assert (same.status, "add --resume" in same.err) == (2, True)
    stored: dict[str, Any] = json.loads((shell.folder / "out" / RUN).read_text())
    stored["models"]["fake-blip"] = "feed"
    (shell.folder / "out" / RUN).write_text(json.dumps(stored))
    other = batch(shell, "photos", "--out", "out", "--format", "jsonl", "--resume")
    assert "other weights of fake-blip" in other.err


COMPARED: dict[str, str] = {
    "--format": "jsonl",
    "--column": "small",
    "--exclude": "*_old*",
    "--include-masks": "",
    "--part-pictures": "7",
    "--endpoint": "mine=http://127.0.0.1:9/v1",
}
"""Flags of which pictures are taken and what is written, with a value that none has by itself."""
ELSEWHERE = {
    *("--help", "--out", "--resume", "--retry-failed", "--overwrite", "--limit", "--price-per-hour"),
    *("--engine", "--address", "--workers", "--gpus-each", "--cpus-each"),
    *("--models", "--published-labels", "--device", "--vram-gib", "--ram-gib"),
}
"""Where and how a run goes on, and what becomes of others' files; weights are compared whatever `--models` says."""


@pytest.mark.parametrize("flag", COMPARED)
def test_other_pictures_or_files_are_another_run(shell: Shell, flag: str) -> None:
    pictures(shell, 2)
    (shell.folder / "list.csv").write_text("path,small\nphotos/000.png,photos/001.png\n")
    source = "list.csv" if flag == "--column" else "photos"
    words = [flag, value] if (value := COMPARED[flag]) else [flag]
    common = (source, "--out", "out", "--format", "sidecars")
    batch(shell, *common, *words)
    before = keys(shell.folder / "out")
    again = batch(shell, *common, "--resume")
    assert again.status == 2
    assert f"{flag} " in again.summary
    assert " there and " in again.summary
    assert again.summary.endswith("Name another folder, or give the settings that it was made by.")
    assert batch(shell, *common, *words, "--resume").status == 0
    assert keys(shell.folder / "out") == before


def test_every_flag_is_compared_or_does_not_matter() -> None:
    parser = argparse.ArgumentParser()
    batch_command.add_flags(parser)
    flags = {flag for flag in parser._option_string_actions if flag.startswith("--") and not flag.startswith("--no-")}
    settings = {flag_of(name) for name in known_names()}
    settings |= {field.flag for group in setting_groups() for field in (*group.fields(), *group.aliases())}
    assert flags - settings - ELSEWHERE - COMPARED.keys() == {"--front"}  # which becomes one


def test_without_ray_the_pip_command_is_said(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    pictures(shell, 1)
    ran = batch(shell, "photos", "--out", "out", "--engine", "ray")
    assert (ran.status, ran.summary) == (
        2,
        "captioner: --engine ray needs Ray: pip install -r requirements-batch.txt",
    )
