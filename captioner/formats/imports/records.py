"""A record of a list -> its picture and its caption, by the keys that trainers and tools use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from captioner.formats.imports.form import joined

PICTURE_KEYS = ("image_path", "file_name", "image", "filepath", "file_path", "filename", "image_file", "path", "img")
CAPTION_KEYS = ("caption", "text", "prompt", "main_prompt", "title", "captions")


def picture_of(record: Mapping[str, Any]) -> str:
    """The picture as it is written there, "" for none."""
    for key in PICTURE_KEYS:
        value = record.get(key)
        if isinstance(value, Mapping):  # Hugging Face's image: {"bytes", "path"}
            value = value.get("path")
        if isinstance(value, str) and value:
            return value
    return ""


def caption_of(record: Mapping[str, Any]) -> str | None:
    """The caption with its tags, None where there is none."""
    text = next((found for key in CAPTION_KEYS if (found := _text(record.get(key))) is not None), None)
    tags = tags_of(record.get("tags"))
    if text is None and not tags:
        return None
    return ", ".join(part for part in (text or "", *tags) if part)


def tags_of(value: Any) -> list[str]:
    """Tags that stand as a text, a list of texts, or EveryDream's list of {"tag", "weight"}."""
    if isinstance(value, str):
        return [value.strip()] if value.strip() else []
    found = []
    for one in value if isinstance(value, Sequence) else ():
        tag = one.get("tag") if isinstance(one, Mapping) else one
        if isinstance(tag, str) and tag.strip():
            found.append(tag.strip())
    return found


def keys_of(record: Mapping[str, Any]) -> tuple[str, str]:
    """Which key names the picture and which the caption, "" for none; they tell who wrote a list."""
    picture = next((key for key in PICTURE_KEYS if key in record), "")
    return picture, next((key for key in CAPTION_KEYS if key in record), "")


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence) and all(isinstance(one, str) for one in value):
        return joined(value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
