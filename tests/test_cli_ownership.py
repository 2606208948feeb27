"""What lies on a person's disk is never lost: random folders, names, runs and flags, against a small model.

The model knows which bytes are a person's. A run goes the command line's way from its arguments to the files; only the
captioner is a stand-in, which says a sentence made of the picture's content.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captioner.captions.compose import compose
from captioner.captions.recipe import Recipe
from captioner.cli import caption as command
from captioner.cli.parser import WrongUse
from captioner.cli.pictures import Search, find_pictures
from captioner.errors import ExportError, FileInTheWay
from captioner.formats.earlier import INDEX_NAME
from captioner.formats.output import FolderOutput, OutputOptions
from captioner.formats.targets import file_digest
from captioner.images import is_picture_name
from captioner.records import Sentence

FOLDERS = ("in", "in/sub", "two", "out", "out/sub")
PICTURES = ("a.png", "a.jpg", "A.png", "a_2.png", "b:c.png", "é.png", unicodedata.normalize("NFD", "é.jpg"))
CAPTIONS = ("a.txt", "a_2.txt", "A.TXT", "a.caption", "b:c.txt", "b_c.txt", "é.txt", "a.txt.bak", "a.html", INDEX_NAME)

new_pictures = st.tuples(st.just("picture"), st.sampled_from(FOLDERS), st.sampled_from(PICTURES), st.integers(0, 5))
new_texts = st.tuples(st.just("text"), st.sampled_from(FOLDERS), st.sampled_from(CAPTIONS), st.integers(0, 5))
changes = st.tuples(st.sampled_from(("edit", "edit", "delete")), st.integers(0, 50))
runs = st.fixed_dictionaries(
    {
        "pictures": st.lists(
            st.sampled_from(("in", "in/sub", "two", "in/a.png", "in/a.jpg", "two/a.png", "in/b:c.png")),
            min_size=1,
            max_size=3,
            unique=True,
        ),
        "out": st.sampled_from(("out", "in", "")),
        "existing": st.sampled_from(("keep", "ignore", "append", "prepend")),
        "format": st.sampled_from(("txt", "caption")),
        "with_pictures": st.booleans(),
        "overwrite": st.booleans(),
        "recursive": st.booleans(),
    }
)
steps = st.lists(st.one_of(new_pictures, new_texts, changes, changes, runs, runs), min_size=5, max_size=14)
START = {"in/a.png": 0, "in/a.jpg": 1, "in/sub/a.png": 2, "two/a.png": 3}
"""What lies there at first, and which picture it is."""


class Disk:
    """A folder in which a person and runs take turns. own: what the person wrote there and what became of it."""

    def __init__(self) -> None:
        self.own: dict[Path, bytes] = {}
        self._count = 0

    def files(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in sorted(Path().rglob("*")) if path.is_file()}

    def person(self, kind: str, *values: Any) -> None:
        self._count += 1
        if kind == "picture":
            folder, name, number = values
            self._put(Path(folder, name), b"picture %d" % number)
        elif kind == "text":
            folder, name, number = values
            words = f"words{self._count}"
            shapes = (words, f"{words},", f"1girl\n{words}\n", f"A photo of {words}.", f" , {words} ,, x")
            data = f"Mädchen {words}".encode("latin-1") if number == 5 else shapes[number].encode()
            if name != INDEX_NAME or not Path(folder, name).exists():  # without its index nobody's text is known
                self._put(Path(folder, name), data)
        elif kind == "delete" and (files := [path for path in self.files() if path.name != INDEX_NAME]):
            path = files[values[0] % len(files)]
            path.unlink()
            self.own.pop(path, None)
        elif kind == "edit" and (files := [path for path in self.files() if path.suffix in (".txt", ".caption")]):
            path = files[values[0] % len(files)]
            self._put(path, path.read_bytes().strip() + b", words%d" % self._count)

    def _put(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not any(other.samefile(path) for other in self.own if path.exists() and other != path):
            path.write_bytes(data)
            self.own[path] = data

    def check(self, before: dict[Path, bytes], flags: dict[str, Any]) -> None:
        """After a run, no byte of a person's is lost, and no picture either, whoever put it there."""
        after = self.files()
        for path, data in before.items():
            if is_picture_name(path.name) or path.name.endswith(".bak"):
                assert after.get(path) == data, f"{path} is no more what it was"
        for path, data in list(self.own.items()):
            now = after.get(path)
            if now == data or not data.strip():
                continue
            backups = [other for other in after if other.name.startswith(f"{path.name}.") and other not in before]
            kept = [other for other in backups if after[other] == data]
            joins = flags["existing"] in ("append", "prepend") and path.name != INDEX_NAME
            assert kept or (joins and now is not None and data.strip() in now), f"{path} lost {data!r}"
            del self.own[path]
            self.own.update(dict.fromkeys(kept, data) or {path: after[path]})
            if joins:
                self.own[path] = after[path]


def run(flags: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """A run; gives each captioned picture with its caption file."""
    arguments = argparse.Namespace(zip=None, beside=not flags["out"], **flags)
    if flags["out"] != "out":  # pictures are not copied among pictures, where the next run would find them
        arguments.with_pictures = False
    in_place = Path(flags["out"]) if flags["out"] and not arguments.with_pictures else None
    found = find_pictures(flags["pictures"], Search(recursive=flags["recursive"], in_place=in_place))
    options = OutputOptions(
        format=flags["format"],
        with_pictures=arguments.with_pictures,
        existing=flags["existing"],
        may_overwrite=flags["overwrite"],
    )
    recipe = Recipe(existing=flags["existing"])
    with command._output(arguments, found.pictures, options) as output:
        assert isinstance(output, FolderOutput)
        for place, (picture, existing) in enumerate(zip(found.pictures, output.existing(), strict=True)):
            if not isinstance(existing, str) or not picture.path.is_file():
                continue
            caption = compose(Sentence(f"it shows {file_digest(picture.path)}"), [], recipe, existing=existing)
            was_kept = flags["existing"] == "keep" and bool(existing)
            try:
                output.write(place, caption.text, was_kept=was_kept)
            except FileInTheWay:
                pytest.fail("nobody else was at work")
            suffix = f".{flags['format']}"
            yield picture.path, str(output.run.file(place, suffix))
        output.notes()


def play(moves: list[Any]) -> None:
    disk = Disk()
    for name, number in START.items():
        disk.person("picture", str(Path(name).parent), Path(name).name, number)
    for move in moves:
        if not isinstance(move, dict):
            disk.person(*move)
            continue
        move = {**move, "pictures": [name for name in move["pictures"] if Path(name).exists()] or ["in"]}
        before = disk.files()
        try:
            captioned = list(run(move))
        except WrongUse:
            assert disk.files() == before
            continue
        except ExportError as error:
            pytest.fail(str(error))
        disk.check(before, move)
        assert len({file for _, file in captioned}) == len(captioned)
        for path, file in captioned:
            text = Path(file).read_text(encoding="utf-8")
            own = file_digest(path)
            shown = re.findall("[0-9a-f]{64}", text)
            assert text.strip()
            if move["existing"] != "keep":
                assert own in shown
            if Path(file) not in disk.own and not any(words in text for words in ("words", "1girl")):
                assert set(shown) == {own}, f"{file} says of {path} what another picture shows"
        times = {path: path.stat().st_mtime_ns for path in disk.files()}
        assert list(run(move)) == captioned
        assert {path: path.stat().st_mtime_ns for path in disk.files()} == times


def play_in_a_folder_of_its_own(moves: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        play(moves)


_INTO_OUT: dict[str, Any] = {
    "pictures": ["in"],
    "out": "out",
    "existing": "keep",
    "format": "txt",
    "overwrite": False,
    "recursive": False,
}


@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not take")
def test_of_two_equal_pictures_whose_names_differ_by_case_each_keeps_its_files() -> None:
    alone, both = {**_INTO_OUT, "with_pictures": False}, {**_INTO_OUT, "with_pictures": True}
    one, other = ("picture", "in", "a.png", 0), ("picture", "in", "A.png", 0)
    play_in_a_folder_of_its_own([("delete", 0), one, alone, other, both])


EVERY = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not take")
@settings(EVERY, max_examples=150, derandomize=True)
@given(steps)
def test_no_byte_of_a_persons_is_lost(moves: list[Any]) -> None:
    play_in_a_folder_of_its_own(moves)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not take")
@settings(EVERY, max_examples=300)
@given(steps)
def test_no_byte_of_a_persons_is_lost_in_hundreds_of_other_stories(moves: list[Any]) -> None:
    play_in_a_folder_of_its_own(moves)
