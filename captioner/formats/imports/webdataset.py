"""WebDataset's shards, img2dataset's too: files of a sample share their name up to its first dot."""

from __future__ import annotations

from collections.abc import Mapping

from captioner.errors import CaptionerError
from captioner.formats.imports.form import Form, Reading, Row
from captioner.formats.imports.records import caption_of
from captioner.formats.imports.source import Source, SourceFile
from captioner.limits import read_json

_SUFFIXES = (".txt", ".caption", ".json")  # the first that is there counts
_ENDS = tuple(suffix[1:] for suffix in _SUFFIXES)


class WebDataset(Form):
    name = "webdataset"
    title = "WebDataset shards"

    def read(self, source: Source) -> Reading | None:
        found: dict[str, tuple[int, Row]] = {}
        for file in source.samples:
            end = file.name.partition(".")[2]
            if end not in _ENDS or (file.stem in found and found[file.stem][0] <= _ENDS.index(end)):
                continue
            text = self._text(source, file)
            if text is not None:
                found[file.stem] = (_ENDS.index(end), Row(file.stem, text, file.path, is_key=True))
        return Reading(self.title, [row for _, row in found.values()]) if found else None

    @staticmethod
    def _text(source: Source, file: SourceFile) -> str | None:
        text = source.text(file)
        if text is None or file.suffix != ".json":
            return text
        try:
            record = read_json(text, file.path)
        except CaptionerError:
            return None
        return caption_of(record) if isinstance(record, Mapping) else None
