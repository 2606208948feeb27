"""The labels of an ONNX tagger: which output of the network means which tag, and scores as tags. Knows no session."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from captioner.errors import BadModel, ModelFailed
from captioner.limits import MAX_NAME_LENGTH
from captioner.models.descriptions import read_text
from captioner.records import Tag
from taggers.thresholds import STORED_MINIMUM

_log = logging.getLogger(__name__)


CATEGORIES = {"0": "general", "4": "character", "9": "rating"}
"""Danbooru's category numbers, as the label files write them."""


_MAX_LABELS_BYTES = 10_000_000


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
    data = read_text(path, max_bytes=_MAX_LABELS_BYTES)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadModel(f"{path} is not UTF-8 text; download it again.") from error
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
