"""The labels of an ONNX tagger: which output of the network means which tag, and scores as tags. Knows no session."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.errors import BadModel, ModelFailed
from captioner.limits import MAX_NAME_LENGTH, read_json, shown
from captioner.models.descriptions import read_text
from captioner.records import Tag
from taggers.thresholds import STORED_MINIMUM

_log = logging.getLogger(__name__)


CATEGORIES = {"0": "general", "4": "character", "9": "rating"}
"""Danbooru's category numbers, as the label files write them."""


_MAX_LABELS_BYTES = 10_000_000
_MAX_MAPPING_BYTES = 40_000_000  # 70,000 tags with their categories and counts take 10 MB


@dataclass(frozen=True)
class Label:
    """One output of the network. category: the tagger's own word: general, character, rating, ..."""

    name: str
    category: str


def read_labels(
    path: Path, categories: Mapping[str, str] = CATEGORIES, *, name_column: str = "name"
) -> tuple[Label, ...]:
    """The network's outputs in order, from a label file with the columns name and category.

    Args: categories: what the file writes -> the tagger's own word for it.
    Raises: BadModel: not UTF-8 text, columns missing, a row without a name or with an unknown category, or no rows.
    """
    text = _text(path)
    labels = []
    try:
        rows = csv.DictReader(io.StringIO(text, newline=""))
        if not rows.fieldnames or not {name_column, "category"} <= set(rows.fieldnames):
            raise BadModel(f"{path} has no columns {name_column} and category in its first line; download it again.")
        for row in rows:
            name, category = row[name_column], categories.get(row["category"] or "")
            if not name or category is None:
                raise BadModel(
                    f"{path}, line {rows.line_num}: category {row['category']!r} of {name!r} is not one of "
                    f"{', '.join(categories)}; download it again."
                )
            if len(name) > MAX_NAME_LENGTH:
                raise BadModel(
                    f"{path}, line {rows.line_num}: a name has {len(name):,} letters, at most {MAX_NAME_LENGTH:,} are "
                    "taken; download it again."
                )
            labels.append(Label(name, category))
    except csv.Error as error:
        raise BadModel(f"{path} is no table of tags ({error}); download it again.") from error
    if not labels:
        raise BadModel(f"{path} has no tags; download it again.")
    return tuple(labels)


def read_lines(path: Path, category: str = "general") -> tuple[Label, ...]:
    """The network's outputs in order, from a text file of one name a line; empty lines do not count.

    Raises: BadModel: not UTF-8 text, a name that is too long, or no names.
    """
    labels = tuple(Label(name, category) for line in _text(path).splitlines() if (name := line.strip()))
    _check_names(labels, path)
    return labels


def read_mapping(path: Path, categories: Mapping[str, str]) -> tuple[Label, ...]:
    """The network's outputs in order, from a JSON file that maps their numbers to names and names to categories.

    Three forms are read: idx_to_tag with tag_to_category, either at the top or in dataset_info, tag_mapping; numbers
    with an object each, of tag and category; a list of names, which are general.

    Args: categories: what the file writes -> the tagger's own word, where that is another one than the same in lower
        case.
    Raises: BadModel: not JSON of one of these forms, a number without a name, or no names.
    """
    found = read_json(read_text(path, max_bytes=_MAX_MAPPING_BYTES), str(path), error=BadModel)
    try:
        names, kinds = _names_and_kinds(found)
        numbers = sorted(int(number) for number in names)
        labels = tuple(Label(names[str(number)], _in_our_words(kinds[str(number)], categories)) for number in numbers)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadModel(
            f"{path} does not map numbers to tags and tags to categories as it must ({type(error).__name__}: {error}); "
            "download it again."
        ) from error
    if numbers != list(range(len(numbers))):
        raise BadModel(f"{path} leaves out the tag of some outputs, or begins at another number than 0.")
    _check_names(labels, path)
    return labels


def _names_and_kinds(found: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Number -> name, and number -> category as the file writes it."""
    if isinstance(found, list):
        return {str(place): name for place, name in enumerate(found)}, {str(place): "" for place in range(len(found))}
    found = found.get("dataset_info", found)
    found = found.get("tag_mapping", found)
    if "idx_to_tag" in found:
        names, of_names = found["idx_to_tag"], found["tag_to_category"]
        return names, {number: of_names[name] for number, name in names.items()}
    return (
        {number: one["tag"] for number, one in found.items()},
        {number: one["category"] for number, one in found.items()},
    )


def _in_our_words(kind: Any, categories: Mapping[str, str]) -> str:
    return categories.get(str(kind), str(kind).lower() or "general")


def _text(path: Path) -> str:
    try:
        return read_text(path, max_bytes=_MAX_LABELS_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadModel(f"{path} is not UTF-8 text; download it again.") from error


def _check_names(labels: Sequence[Label], path: Path) -> None:
    """Raises: BadModel: no names, or one that is none."""
    if not labels:
        raise BadModel(f"{path} has no tags; download it again.")
    for place, label in enumerate(labels):
        for text in (label.name, label.category):
            if not isinstance(text, str) or not 1 <= len(text) <= MAX_NAME_LENGTH:
                raise BadModel(
                    f"{path}: the name or category of output {place} is {shown(repr(text), max_length=60)}; it must be "
                    f"a text of at most {MAX_NAME_LENGTH:,} letters. Download it again."
                )


def to_tags(scores: NDArray[np.float32], labels: Sequence[Label], source: str) -> tuple[Tag, ...]:
    """One picture's tags worth storing, best first; of equal scores the label file's order.

    NaN scores are left out and reported, never sorted: they would make the order meaningless.
    Raises: ModelFailed: there is no number among them.
    """
    broken = int(np.isnan(scores).sum())
    if broken and broken == len(scores):
        raise ModelFailed(f"{source} gave no number for this picture; leave it out, or download the model again.")
    if broken:
        _log.warning("%s gave no number for %d of %d tags of a picture; they are left out", source, broken, len(scores))
    worth = np.flatnonzero(scores >= STORED_MINIMUM)  # False for NaN
    order = worth[np.argsort(-scores[worth], kind="stable")]
    return tuple(Tag(labels[i].name, float(scores[i]), labels[i].category, source) for i in order)
