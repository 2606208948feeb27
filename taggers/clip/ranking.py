"""Label embeddings and a picture's features -> the labels that fit best, and how well any text does.

Embeddings are held as one matrix, so that ranking a hundred thousand labels is one product; the true top is taken of
all of them. Imports nothing heavy; knows no model: features, tokenizer and encoder are given.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from captioner.errors import ModelFailed
from captioner.models.memory import make_room
from captioner.records import Tag
from taggers.clip.prompts import Scored
from taggers.vocabularies import Vocabulary

if TYPE_CHECKING:
    from torch import Tensor

STORED_LABELS = 64
"""Labels of each vocabulary that a layer keeps, best first: what the maxima can choose from later."""

_LABELS_AT_ONCE = 8192
"""How many are made float32 for a moment, 34 MB of ViT-H's."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Table:
    """The rows of one vocabulary in a matrix of labels. spare: how many of its labels are blank or repeated."""

    vocabulary: Vocabulary
    start: int
    end: int
    spare: int


@dataclass
class Labels:
    """Embedded labels of some vocabularies. matrix: (labels, width), as `matrix_on` makes it."""

    tables: list[Table]
    matrix: Tensor


def matrix_on(device: str, embeds: Sequence[NDArray[np.float16]]) -> Tensor:
    """Embeddings as one matrix on a device: float32 on a CPU, which is quick with it; on a card, where memory is short,
    as they are stored, half of that.
    """
    import torch

    is_card = device != "cpu"
    make_room(sum((2 if is_card else 4) * some.size for some in embeds))
    whole = torch.from_numpy(np.concatenate(embeds))
    return whole.to(device) if is_card else whole.float()


class PictureScorer:
    """What CLIP says about one picture: a `prompts.Scorer` that also ranks.

    Args:
        labels: those to rank. features: the picture's, normalised, (1, width).
        tokenizer: texts -> ids (texts, context), padded with 0.
        encode: ids of texts with a common beginning -> features (texts, width), not normalised.
    """

    def __init__(
        self,
        labels: Sequence[Labels],
        features: Tensor,
        *,
        tokenizer: Callable[[Sequence[str]], Tensor],
        encode: Callable[[Tensor], Tensor],
    ) -> None:
        self._features = features
        self._tokenizer = tokenizer
        self._encode = encode
        self._scores: list[tuple[Table, Tensor]] = []  # each table's similarities (labels,)
        for some in labels:
            # On the CPU, where equals stand in the order that they have without a card.
            similarities = _without_nan(_products(some.matrix, features[0]).cpu())
            self._scores += [(table, similarities[table.start : table.end]) for table in some.tables]

    source: ClassVar[str] = "clip"

    def rank(self) -> tuple[Tag, ...]:
        """The best `STORED_LABELS` labels of every vocabulary, best first; blank and repeated labels are left out."""
        tags: list[Tag] = []
        for table, similarities in self._scores:
            found: dict[str, Tag] = {}
            for name, score in _top([(table, similarities)], STORED_LABELS + table.spare):
                if name and score > -np.inf and len(found) < STORED_LABELS:
                    found.setdefault(name, Tag(name, score, table.vocabulary.kind, self.source))
            tags.extend(found.values())
        return tuple(sorted(tags, key=lambda tag: -tag.score))

    def top(self, kind: str, count: int) -> list[Scored]:
        return _top([scored for scored in self._scores if scored[0].vocabulary.kind == kind], count)

    def top_of_all(self, count: int) -> list[Scored]:
        return _top(self._scores, count)

    def similarities(self, texts: Sequence[str]) -> list[float]:
        features = self._encode(self._tokenizer(list(texts)))
        features = features / features.norm(dim=-1, keepdim=True)
        found: list[float] = (features @ self._features[0]).tolist()
        return found

    def is_full(self, text: str) -> bool:
        return int(self._tokenizer([text])[0, -1]) != 0


def _products(matrix: Tensor, features: Tensor) -> Tensor:
    """(labels, width) and (width,) float32 -> (labels,), in float32 whatever the matrix is.

    On the CPU by numpy, which takes 9 ms for 100,970 labels of ViT-L where torch's product with a single row takes 17.
    """
    import torch

    if matrix.dtype != torch.float32:
        return torch.cat([part.float() @ features for part in matrix.split(_LABELS_AT_ONCE)])
    if matrix.device.type != "cpu":
        return matrix @ features
    return torch.from_numpy(matrix.numpy() @ features.numpy())


def _without_nan(similarities: Tensor) -> Tensor:
    """NaN becomes -inf and is reported: topk would call it the greatest. Raises: ModelFailed: there is no number."""
    broken = similarities.isnan()
    if not bool(broken.any()):
        return similarities
    if bool(broken.all()):
        raise ModelFailed("CLIP gave no number for this picture; leave it out, or download the model again.")
    _log.warning("clip gave no number for %d similarities; they are left out", int(broken.sum()))
    return similarities.masked_fill(broken, -np.inf)


def _top(scores: Sequence[tuple[Table, Tensor]], count: int) -> list[Scored]:
    """The best labels of some tables together, best first."""
    if not scores:
        return []
    import torch

    similarities = torch.cat([part for _, part in scores])
    top = similarities.topk(min(count, len(similarities)))
    starts = list(accumulate((len(part) for _, part in scores[:-1]), initial=0))
    found = []
    for index, score in zip(top.indices.tolist(), top.values.tolist(), strict=True):
        place = bisect_right(starts, index) - 1
        found.append((scores[place][0].vocabulary.labels[index - starts[place]], score))
    return found
