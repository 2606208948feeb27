"""The command line as tests use it: in this process, with the fake models, in a folder of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from captioner import __main__ as command_line


class Ran(NamedTuple):
    """What a command line printed and returned."""

    status: int
    out: str
    err: str

    @property
    def summary(self) -> str:
        """The last line on stderr."""
        return self.err.strip().splitlines()[-1]

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The JSON objects on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


class Shell:
    """Runs command lines in this process, with the fake models and in a folder of its own."""

    def __init__(self, folder: Path, models: str, captured: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.models = models
        self._captured = captured

    def __call__(self, *words: str | Path) -> Ran:
        self._captured.readouterr()
        status = command_line.main([str(word) for word in words])
        captured = self._captured.readouterr()
        return Ran(status, captured.out, captured.err)

    def caption(self, *words: str | Path) -> Ran:
        """`caption` with the fake models on the CPU."""
        return self("caption", *words, "--models", self.models, "--device", "cpu")

    def picture(self, name: str, colour: Any = "red", kind: str = "PNG") -> Path:
        """A picture of one colour in the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 20), colour).save(path, kind)
        return path

    def files(self, name: str = "") -> dict[str, str]:
        """The text files in a folder by their paths."""
        folder = self.folder / name
        return {
            path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
            for path in sorted(folder.rglob("*"))
            if path.suffix in (".txt", ".caption")
        }
