"""kohya's folders REPEATS_CLASS: the class is what a picture without a caption is trained with."""

from __future__ import annotations

import re

from captioner.formats.imports.form import Form, Reading, Row
from captioner.formats.imports.source import Source

_FOLDER = re.compile(r"(?P<repeats>[1-9][0-9]{0,3})(_(?P<word>.*))?\Z", re.DOTALL)


def repeats_of(folder: str) -> tuple[int, str] | None:
    """Repeats and class word of a folder's path, None where its name says none."""
    found = _FOLDER.match(folder.rpartition("/")[2])
    return (int(found["repeats"]), found["word"] or "") if found else None


class KohyaFolders(Form):
    name = "kohya-folders"
    title = "the class words of kohya's folders"
    is_guess = True

    def read(self, source: Source) -> Reading | None:
        rows = [
            Row(picture.path, found[1], picture.path)
            for picture in source.pictures
            if (found := repeats_of(picture.folder)) is not None and found[1].strip()
        ]
        return Reading(self.title, rows) if rows else None
