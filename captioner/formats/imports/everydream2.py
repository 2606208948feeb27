"""EveryDream2's YAML beside pictures: a main prompt, tags with weights, and the tags of whole folders."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from captioner.errors import CaptionerError
from captioner.formats.imports.form import Form, Reading, Row
from captioner.formats.imports.records import tags_of
from captioner.formats.imports.source import Source, SourceFile

_SUFFIXES = (".yaml", ".yml")
_MAX_BYTES = 100_000  # YAML is slow to read, and a caption is short
_KEYS = ("main_prompt", "tags")


class EveryDreamYaml(Form):
    name = "everydream2-yaml"
    title = "EveryDream2's YAML"

    def read(self, source: Source) -> Reading | None:
        files = [file for file in source.files if file.suffix in _SUFFIXES]
        stems = {picture.stem for picture in source.pictures}
        records = {file: record for file in files if (record := _record(source, file)) is not None}
        of_folders = {file: record for file, record in records.items() if _is_of_folder(file, stems)}
        own = {file: record for file, record in records.items() if file not in of_folders}
        if not own:
            return None
        rows = []
        for file, record in own.items():
            tags = [*tags_of(record.get("tags"))]
            for other, shared in sorted(of_folders.items(), key=lambda item: -item[0].path.count("/")):
                is_near = other.folder == file.folder
                is_above = other.name.startswith("global") and f"{file.folder}/".startswith(
                    f"{other.folder}/".lstrip("/")
                )
                if is_near or is_above:
                    tags += tags_of(shared.get("tags"))
            main = record.get("main_prompt")
            parts = [main.strip()] if isinstance(main, str) and main.strip() else []
            rows.append(Row(file.stem, ", ".join(dict.fromkeys([*parts, *tags])), file.path, "", True))
        return Reading(self.title, rows)


def _is_of_folder(file: SourceFile, stems: set[str]) -> bool:
    return file.name.rpartition(".")[0] in ("local", "global") and file.stem not in stems


def _record(source: Source, file: SourceFile) -> Mapping[str, Any] | None:
    """What a file says, None for YAML of another kind."""
    text = source.text(file, _MAX_BYTES)
    if text is None or not any(key in text for key in _KEYS):
        return None
    yaml: Any = importlib.import_module("yaml")  # it carries no types
    try:
        value = yaml.load(text, Loader=yaml.BaseLoader)  # all values as text: a tag 1984 or yes is a word
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise CaptionerError(f"{file.path} is no YAML that can be read; mend it.", code="bad_list") from error
    return value if isinstance(value, Mapping) and any(key in value for key in _KEYS) else None
