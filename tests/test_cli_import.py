"""`python -m captioner import`: captions that others wrote, shown, beside pictures, or in a new folder."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from tests.shell import Shell


def list_of(shell: Shell, **captions: str) -> Path:
    path = shell.folder / "metadata.jsonl"
    rows = [json.dumps({"file_name": f"{name}.png", "text": text}) + "\n" for name, text in captions.items()]
    path.write_text("".join(rows))
    return path


def test_what_it_is_is_shown_and_nothing_is_written(shell: Shell) -> None:
    for name in "abcd":
        shell.picture(f"in/{name}.png")
    list_of(shell, a="a cat", b="one\ntwo", c="", gone="x").rename(shell.folder / "in/list.data")
    before = sorted(shell.folder.rglob("*"))
    ran = shell("import", shell.folder / "in")
    assert ran.status == 1
    assert ran.out.splitlines() == [
        "Hugging Face's JSONL: 3 captions for 4 pictures",
        "  a.png: a cat",
        "  b.png: one / two",
        "  c.png: ",
    ]
    assert "1 caption without a picture:\n  list.data:4: no picture gone.png is here" in ran.err
    assert "1 picture without a caption:\n  d.png" in ran.err
    assert "nothing was written; --out DIR or --beside writes caption files." in ran.err
    assert sorted(shell.folder.rglob("*")) == before
    (shown,) = shell("import", shell.folder / "in", "--json").objects
    assert (shown["form"], shown["captions"]) == ("jsonl", {"a.png": "a cat", "b.png": "one\ntwo", "c.png": ""})


def test_a_set_in_a_zip_becomes_a_folder_of_pictures_and_captions(shell: Shell) -> None:
    shell.picture("in/10_cat/a.png")
    shell.picture("in/10_cat/b.png", "blue")
    (shell.folder / "in/10_cat/a.txt").write_text("a cat")
    (shell.folder / "in/10_cat/b.txt").write_text("a dog")
    for name in ("webdataset", "kohya", "diffusers"):
        assert shell.caption("in", "--recursive", "--format", name, "--zip", f"{name}.zip").status == 0
        ran = shell("import", shell.folder / f"{name}.zip", "--out", shell.folder / name)
        assert (ran.status, ran.out.splitlines()[0].partition(": ")[2]) == (0, "2 captions for 2 pictures")
        assert f"the set is in {shell.folder / name}." in ran.err
        assert sorted(shell.files(name).values()) == ["a cat", "a dog"]
        pictures = sorted((shell.folder / name).rglob("*.png"))
        assert [path.read_bytes() for path in pictures] == [
            (shell.folder / f"in/10_cat/{stem}.png").read_bytes() for stem in "ab"
        ]
        assert all(path.with_suffix(".txt").is_file() for path in pictures)
    assert sorted(shell.files("kohya")) == ["10_cat/a.txt", "10_cat/b.txt"]


def test_captions_go_beside_pictures_and_nothing_is_replaced_unasked(shell: Shell) -> None:
    for name in "abc":
        shell.picture(f"photos/sub/{name}.png")
    (shell.folder / "photos/sub/b.txt").write_text("mine")
    (shell.folder / "photos/sub/c.txt").write_text("same")
    path = list_of(shell, a="a cat", b="a dog", c="same")
    ran = shell("import", path, "--pictures", shell.folder / "photos", "--beside")
    assert (
        ran.status == 1 and "b.txt has another caption; --overwrite replaces it and keeps it as b.txt.bak." in ran.err
    )
    assert shell.files("photos/sub") == {"a.txt": "a cat", "b.txt": "mine", "c.txt": "same"}
    ran = shell("import", path, "--pictures", shell.folder / "photos", "--beside", "--overwrite")
    assert ran.status == 0 and shell.files("photos/sub") == {"a.txt": "a cat", "b.txt": "a dog", "c.txt": "same"}
    assert "caption files lie beside the pictures." in ran.err
    assert (shell.folder / "photos/sub/b.txt.bak").read_text() == "mine"
    assert shell.caption("photos/sub", "--beside").status == 0  # which keeps them
    assert shell.files("photos/sub")["a.txt"] == "a cat"
    ran = shell.caption("photos/sub", "--beside", "--existing", "ignore")
    assert ran.status == 1 and shell.files("photos/sub")["a.txt"] == "a cat"  # a person's words


def test_a_bad_picture_of_a_zip_costs_one_and_a_hostile_zip_all(shell: Shell) -> None:
    path = shell.folder / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in "ab":
            archive.writestr(f"{name}.png", f"picture {name}")
            archive.writestr(f"{name}.txt", f"caption {name}")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"picture a", b"picture x"))
    ran = shell("import", path, "--out", shell.folder / "set")
    assert ran.status == 1 and "note: a.png in set.zip is damaged" in ran.err
    assert sorted(found.name for found in (shell.folder / "set").iterdir()) == ["b.png", "b.txt"]
    path.write_bytes(data.replace(b"b.png", b"../.p"))
    ran = shell("import", path, "--out", shell.folder / "other")
    assert (ran.status, ran.out) == (2, "") and "leads elsewhere" in ran.err
    assert not (shell.folder / "other").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["none"], "none is not there; name a folder, a zip, a tar or a file that lists captions."),
        (["in"], "there are no pictures in it; add --pictures FOLDER, where they are."),
        (["in", "--pictures", "photos", "--out", "x"], "--out copies pictures that are in SOURCE; with --pictures use"),
        (["photos"], "no captions were found: no caption files, no JSON"),
        (["photos", "--overwrite"], "--overwrite has no effect: nothing is written; add --out DIR or --beside."),
        (["photos", "--form", "kohia"], "form is 'kohia'; it must be one of auto, captions-json"),
        (["set.zip", "--beside"], "the pictures are in an archive, so no file can lie beside them"),
        (["photos", "--out", "a", "--beside"], "not allowed with argument"),
    ],
)
def test_wrong_use_is_one_sentence(
    shell: Shell, words: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shell.folder)
    shell.picture("photos/a.png")
    (shell.folder / "in").mkdir()
    (shell.folder / "in/a.txt").write_text("x")
    with zipfile.ZipFile("set.zip", "w") as archive:
        archive.writestr("a.png", "x")
        archive.writestr("a.txt", "x")
    ran = shell("import", *words)
    assert (ran.status, ran.out) == (2, "") and sentence in ran.err


@pytest.mark.parametrize(
    "words", [("import", ""), ("check", "--for", "webdataset", ""), ("check", "--for", "kohya", "")]
)
def test_an_empty_name_is_not_the_folder_one_is_in(shell: Shell, words: tuple[str, ...]) -> None:
    shell.picture("a.png")
    (shell.folder / "a.txt").write_text("a caption")
    ran = shell(*words)
    assert (ran.status, ran.summary.startswith("captioner: an empty name is no picture;")) == (2, True), ran.summary
