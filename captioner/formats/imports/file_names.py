"""Captions in the pictures' names: JoePenna's `N@caption.png` and EveryDream's `caption_N.png`."""

from __future__ import annotations

import re

from captioner.formats.imports.form import Form, Reading, Row
from captioner.formats.imports.source import Source

_NUMBERED = re.compile(r"(?P<text>[^_]*)_[^_]*\Z", re.DOTALL)


class JoePennaNames(Form):
    name = "joepenna"
    title = "JoePenna's file names"
    is_guess = True

    def read(self, source: Source) -> Reading | None:
        rows = [
            Row(picture.path, " ".join(parts[1].replace("_", " ").split()), picture.path)
            for picture in source.pictures
            if len(parts := picture.stem.rpartition("/")[2].split("@")) > 1
        ]
        return Reading(self.title, rows) if rows and 2 * len(rows) >= len(source.pictures) else None


class EveryDreamNames(Form):
    name = "filename"
    title = "EveryDream's file names"
    is_guess = True

    def read(self, source: Source) -> Reading | None:
        rows = [
            Row(picture.path, found["text"].strip(), picture.path)
            for picture in source.pictures
            if (found := _NUMBERED.match(picture.stem.rpartition("/")[2])) is not None
        ]
        has_words = sum(" " in row.text or "," in row.text for row in rows)  # IMG_1234 says nothing
        return Reading(self.title, rows, is_sure=2 * has_words >= len(source.pictures)) if rows else None
