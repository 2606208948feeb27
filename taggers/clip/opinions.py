"""What CLIP says of a caption with one word changed beside the caption itself, and the pictures it remembers for that.

Imports nothing heavy; knows no model: features, tokenizer and encoder are given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from captioner.errors import ModelFailed
from captioner.models.byte_cache import ByteCache
from captioner.readings import Opinion

if TYPE_CHECKING:
    from torch import Tensor

_PICTURES = 512  # 4 KB each at most
_PICTURES_BYTES = 4 << 20
_WORDS = 10_000


class PictureMemory:
    """Features of the pictures that were looked at last, by what the model sees of them."""

    def __init__(self) -> None:
        self._kept: ByteCache[Tensor] = ByteCache(_PICTURES_BYTES, _PICTURES)

    @property
    def size_bytes(self) -> int:
        """What they take."""
        return self._kept.size_bytes

    def features(
        self, pixels: Sequence[Tensor], encode: Callable[[Sequence[Tensor]], Sequence[Tensor]]
    ) -> list[Tensor]:
        """Each picture's features, in order; only those that are not remembered are encoded.

        Args: pixels: as they go into the model, on the CPU. encode: such -> features, (1, width) each.
        """
        keys = [hashlib.sha256(one.contiguous().numpy().tobytes()).hexdigest() for one in pixels]
        found = {key: row for key in keys if (row := self._kept.get(key)) is not None}
        new = {key: one for key, one in zip(keys, pixels, strict=True) if key not in found}
        if new:
            for key, row in zip(new, encode(list(new.values())), strict=True):
                found[key] = row.clone()
                self._kept.put(key, found[key], row.numel() * row.element_size())
        return [found[key] for key in keys]

    def grow_at_most(self, more_bytes: int) -> None:
        """Remember at most so many bytes more than now."""
        self._kept.grow_at_most(more_bytes)

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()


class WordTokens:
    """A tokenizer, but quicker for texts with most words in common: each word is cut once, and remembered.

    CLIP's tokenizer cleans and cuts every text anew, a third of a millisecond each; it cuts words by themselves, and
    plain ASCII has nothing to clean but blanks. Other texts go the tokenizer's way, and so do all if the first differs.
    """

    def __init__(self, tokenizer: Callable[[Sequence[str]], Tensor]) -> None:
        self._tokenizer = tokenizer
        self._ids_of: dict[str, list[int]] = {}

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """As the tokenizer itself, (texts, context)."""
        import torch

        is_plain = all(text.isascii() and text.isprintable() and not {"&", "<"} & {*text} for text in texts)
        if len(texts) < 3 or not is_plain:
            return self._tokenizer(texts)
        first = self._tokenizer(texts[:1])
        context = first.shape[1]
        start, end = int(first[0, 0]), int(first.max())  # the end token has the largest id
        cut = [text.split() for text in texts]
        self._learn(sorted(set().union(*cut)), end)
        ids_of, rows = self._ids_of, []
        for words in cut:
            ids = [start]
            for word in words:
                ids += ids_of[word]
            ids = [*ids[: context - 1], end]
            rows.append(ids + [0] * (context - len(ids)))
        found = torch.tensor(rows, dtype=first.dtype)
        return found if bool((found[:1] == first).all()) else self._tokenizer(texts)

    def _learn(self, words: Sequence[str], end: int) -> None:
        """Cut the words that are new; all are remembered afterwards."""
        if len(self._ids_of) > _WORDS:
            self._ids_of.clear()
        new = [word for word in words if word not in self._ids_of]
        if new:
            rows = self._tokenizer(new).tolist()
            self._ids_of |= {word: row[1 : row.index(end)] for word, row in zip(new, rows, strict=True)}


@dataclass(frozen=True, slots=True)
class Background:
    """The mean of the normalised features of some pictures, (1, width), and how many they are."""

    features: Tensor
    count: int

    @classmethod
    def of(cls, features: Sequence[Tensor], before: Background | None) -> Background:
        """Of some pictures, and of those that are in `before`."""
        total, count = sum(features), len(features)
        if before is not None:
            total, count = total + before.features * before.count, count + before.count
        return cls(total / count, count)


def opinions(
    features: Tensor,
    rivals: Mapping[str, Sequence[str]],
    *,
    background: Background | None = None,
    tokenizer: Callable[[Sequence[str]], Tensor],
    encode: Callable[[Tensor], Tensor],
    logit_scale: float,
) -> dict[str, dict[str, Opinion]]:
    """Caption -> changed caption -> opinion, with each text encoded once.

    A changed caption of the same tokens is left out: it is the same to CLIP, or differs behind what CLIP reads.

    Args:
        features: the picture's, normalised, (1, width). rivals: caption -> the changed ones.
        background: what CLIP would rather see under any picture of the set says nothing of this one, and is taken off.
        tokenizer, encode: as `ranking.PictureScorer` has them.
    Raises: ModelFailed: a similarity is no number.
    """
    texts = list(
        dict.fromkeys([text for caption, changed in rivals.items() if changed for text in (caption, *changed)])
    )
    found: dict[str, dict[str, Opinion]] = {caption: {} for caption in rivals}
    if not texts:
        return found
    tokens = tokenizer(texts)
    vectors = encode(tokens)
    vectors = vectors / vectors.norm(dim=-1, keepdim=True)
    fits = logit_scale * (vectors @ (features if background is None else features - background.features)[0])
    if not bool(fits.isfinite().all()):
        raise ModelFailed("CLIP gave no number for this picture; leave it out, or download the model again.")
    row_of = {text: row for row, text in enumerate(texts)}
    for caption, changed in rivals.items():
        if not changed:
            continue
        own, others = row_of[caption], [row_of[text] for text in changed]
        preferences = (fits[others] - fits[own]).tolist()
        changes = (1 - vectors[others] @ vectors[own]).tolist()
        are_new = (tokens[others] != tokens[own]).any(dim=1).tolist()
        found[caption] = {
            text: Opinion(preference, change)
            for text, preference, change, is_new in zip(changed, preferences, changes, are_new, strict=True)
            if is_new
        }
    return found
