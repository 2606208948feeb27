"""captioner.formats.set_folder: a folder is there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from captioner.errors import ExportError
from captioner.formats.set_folder import folder_target


def test_a_folder_appears_when_the_block_ends_well(tmp_path: Path) -> None:
    with folder_target(tmp_path / "deep/set") as target:
        target.write("a/b.txt", b"words")
        target.copy("a/c.txt", target.path / "a/b.txt")
        with target.stream("d.txt") as file:
            file.write(b"more")
        assert not (tmp_path / "deep/set").exists()
    found = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"deep/set/a/b.txt": b"words", "deep/set/a/c.txt": b"words", "deep/set/d.txt": b"more"}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_of_a_block_that_fails(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), folder_target(tmp_path / "set") as target:
        target.write("a.txt", b"words")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_filled_and_a_full_one_refused(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with folder_target(tmp_path / "set") as target:
        target.write("a.txt", b"1")
    with pytest.raises(ExportError, match=r"has files in it; name a new folder, or give --overwrite"):
        with folder_target(tmp_path / "set"):
            pytest.fail("it was opened")
    for number in (2, 3):
        with folder_target(tmp_path / "set", may_overwrite=True) as target:
            target.write("a.txt", str(number).encode())
    kept = {path.name: (path / "a.txt").read_text() for path in tmp_path.iterdir()}
    assert kept == {"set": "3", "set.bak": "1", "set.2.bak": "2"}


def test_a_folder_that_is_filled_meanwhile_stays_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="was filled while this run went on"), folder_target(tmp_path / "set"):
        (tmp_path / "set").mkdir()
        (tmp_path / "set/mine.txt").write_text("mine")
    assert [path.name for path in tmp_path.rglob("*")] == ["set", "mine.txt"]


def test_a_file_of_that_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set").write_text("mine")
    with pytest.raises(ExportError, match="cannot be a folder, since a file of that name is there"):
        with folder_target(tmp_path / "set"):
            pytest.fail("it was opened")
