"""One JSON file for a set: kohya's metadata, ai-toolkit's, diffusion-pipe's captions.json, EveryDream2's and
DiffSynth's lists, and what many scripts write: a picture's name and its caption."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from captioner.formats.imports.form import Form, Reading, Row, joined
from captioner.formats.imports.lists import ListFile
from captioner.formats.imports.records import caption_of, keys_of, picture_of
from captioner.formats.imports.source import Source
from captioner.images import is_picture_name


class _OneFile(Form):
    """A form whose rows come from single files. `rows_of` gives those of one, with the title, or None."""

    def read(self, source: Source) -> Reading | None:
        rows: list[Row] = []
        title = self.title
        for file in source.lists:
            found = self.rows_of(file)
            if found is not None:
                title = title if rows else found[0]
                rows += found[1]
        return Reading(title, rows) if rows else None

    def rows_of(self, file: ListFile) -> tuple[str, list[Row]] | None:
        """Args: file: any list. Returns: None: it is another form's."""
        raise NotImplementedError


class MetadataJson(_OneFile):
    """An object of objects with a caption or tags, by the picture's name or stem."""

    name = "metadata-json"
    title = "kohya's metadata JSON"

    def rows_of(self, file: ListFile) -> tuple[str, list[Row]] | None:
        records = _object_of(file, lambda value: isinstance(value, Mapping) and caption_of(value) is not None)
        if records is None:
            return None
        is_short = any("caption_short" in record for record in records.values())
        title = "ai-toolkit's dataset JSON" if is_short else self.title
        return title, [_row(file, name, caption_of(record) or "") for name, record in records.items()]


class CaptionsJson(_OneFile):
    """An object of lists of captions, or of single ones, by the picture's name."""

    name = "captions-json"
    title = "diffusion-pipe's captions.json"

    def rows_of(self, file: ListFile) -> tuple[str, list[Row]] | None:
        captions = _object_of(file, _is_texts)
        if captions is not None:
            return self.title, [_row(file, name, joined(texts)) for name, texts in captions.items()]
        texts = _object_of(file, lambda value: isinstance(value, str))
        if texts is None or not all(is_picture_name(name.replace("\\", "/").rpartition("/")[2]) for name in texts):
            return None
        return "a JSON object of captions", [_row(file, name, text) for name, text in texts.items()]


class PictureList(_OneFile):
    """A list of objects that name a picture and its caption."""

    name = "json-list"
    title = "a JSON list of pictures"

    def rows_of(self, file: ListFile) -> tuple[str, list[Row]] | None:
        if file.kind != "json" or not isinstance(file.value, Sequence) or isinstance(file.value, str):
            return None
        records = [(place, one) for place, one in enumerate(file.value, 1) if isinstance(one, Mapping)]
        if not any(picture_of(record) and caption_of(record) is not None for _, record in records):
            return None
        key, caption = keys_of(records[0][1])
        is_diffsynth = (key, caption) == ("image", "prompt")
        title = "DiffSynth-Studio's JSON" if is_diffsynth else "EveryDream2's JSON" if key == "image" else self.title
        return title, [
            Row(picture_of(record), caption_of(record) or "", f"{file.path}:{place}", file.folder)
            for place, record in records
        ]


def _object_of(file: ListFile, is_wanted: Callable[[Any], bool]) -> Mapping[str, Any] | None:
    """The value, if it is an object whose every value is as wanted, or nothing at all (null)."""
    value = file.value
    if file.kind == "rows" and len(value) == 1:
        value = value[0][1]
    elif file.kind != "json":
        return None
    if not isinstance(value, Mapping) or not value or not all(one is None or is_wanted(one) for one in value.values()):
        return None
    return {name: one for name, one in value.items() if one is not None} or None


def _is_texts(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(one, str) for one in value)


def _row(file: ListFile, name: str, text: str) -> Row:
    is_stem = not is_picture_name(name.replace("\\", "/").rpartition("/")[2])
    return Row(name, text, f"{file.path}: {name}", file.folder, is_stem)
