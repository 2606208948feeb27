"""benchmarks.export: both ways write and read the same, and every row is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.export import PICTURE_BYTES, captions, measure, picture

needs_proc = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads /proc")


def test_captions_differ_and_pictures_have_their_size() -> None:
    texts = captions(50)
    assert len(set(texts)) == 50 and texts == captions(50)
    assert len(picture()) == PICTURE_BYTES


@needs_proc
def test_both_ways_give_the_same(tmp_path: Path) -> None:
    rows = {row.name: row for row in measure(tmp_path, 20, 1)}
    assert set(rows) == {"zip", "zip_memory", "check", "check_files", "import", "import_zip"}
    assert [rows[name].equal for name in ("zip", "import", "import_zip")] == [True] * 3
    assert all(row.value >= 0 for row in rows.values())


def test_a_folder_is_looked_into_once_and_not_once_a_picture(tmp_path: Path) -> None:
    from captioner.formats import folders

    looked = []
    real = folders._Folder

    class Counted(real):  # type: ignore[misc, valid-type]
        def __init__(self, path: Path, key: str) -> None:
            looked.append(path)
            super().__init__(path, key)

    paths = [tmp_path / f"{number}.png" for number in range(50)]
    for path in paths:
        path.write_bytes(b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folders, "_Folder", Counted)
        folders.beside(paths, ".txt")
    assert looked == [tmp_path]
