"""A run whose captions become a whole set for a trainer, in a zip or a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from captioner.formats.output import Output, OutputOptions
from captioner.formats.set_writer import SetWriter


class SetOutput(Output):
    """Captions that go to a set. Use `finish` when the last one is written."""

    def __init__(self, paths: Sequence[Path], options: OutputOptions, writer: SetWriter) -> None:
        super().__init__(paths, options)
        self._writer = writer
        self._found: list[str] = []
        self._others: Sequence[str] = ()
        self._kinds: Mapping[str, str] = {}

    def write(
        self,
        place: int,
        text: str,
        *,
        was_kept: bool,
        others: Sequence[str] = (),
        kinds: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._others, self._kinds = others, kinds
        super().write(place, text, was_kept=was_kept)

    def finish(self) -> None:
        """Write what stands beside the pictures: config and START.txt. Raises: ExportError."""
        self._found = self._writer.finish()

    def add_file(self, name: str, data: bytes) -> None:
        self._writer.add_file(name, data)

    def _write(self, place: int, text: str, was_kept: bool) -> None:
        self._writer.add(place, text, self._others, self._kinds.items())

    def _own_notes(self) -> list[str]:
        return self._found
