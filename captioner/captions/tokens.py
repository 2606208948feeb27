"""Text -> how many CLIP tokens it takes, and where the last one that fits ends. Exact, without torch.

Trainers cut captions at CLIP's context: 77 tokens with start and end, so 75 of content (`USABLE_TOKENS`). This is
CLIP's byte-pair encoding (Radford et al., 2021) read from the merge list that open_clip carries; open_clip itself is
never imported, since it would load torch. Knows no model and no caption.
"""

from __future__ import annotations

import gzip
import html
import importlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from captioner.errors import MissingPackage

USABLE_TOKENS = 75
"""Content tokens that fit CLIP's context of 77 between its start and end tokens."""

_PIP = "pip install open_clip_torch"
_MERGES_FILE = "bpe_simple_vocab_16e6.txt.gz"
_MERGE_COUNT = 48_894  # CLIP's vocabulary: 49,408 = 2 * 256 bytes + merges + start and end
_WORD_END = "</w>"
_SPECIAL = ("<start_of_text>", "<end_of_text>")
# Contractions, runs of letters, single digits, runs of anything else.
_WORD_PATTERN = "|".join((*_SPECIAL, "'s|'t|'re|'ve|'m|'ll|'d", r"[\p{L}]+", r"[\p{N}]", r"[^\s\p{L}\p{N}]+"))


def count_tokens(text: str) -> int:
    """How many content tokens CLIP sees in a text, without the start and end tokens it adds.

    Raises: MissingPackage: open_clip_torch, which brings the merge list, is not installed.
    """
    words = _word_pattern().findall(_clean(text))
    return sum(_token_count(word) for word in words)


def cut_at(text: str, limit: int) -> int:
    """The offset in `text` where its limit-th token ends: `text[:offset]` is what CLIP still reads.

    Where cleaning changed the text (HTML entities, mojibake), the offset is the end of the changed stretch; where a
    token ends inside a character, the offset is before that character.

    Args: limit: content tokens, usually `USABLE_TOKENS`.
    Returns: len(text) when it has no more tokens than the limit.
    """
    if count_tokens(text) <= limit:
        return len(text)
    cleaned = _Cleaned.of(text)
    left = limit
    end = 0
    for start, word in cleaned.words():
        size = _token_count(word)
        if size >= left:
            end = start + _characters_within(word, left) if left else end
            break
        left -= size
        end = start + len(word)
    return cleaned.original_offset(end)


@dataclass(frozen=True)
class _Merges:
    rank: dict[tuple[str, str], int]
    byte_sign: tuple[str, ...]


@cache
def _merges() -> _Merges:
    """The merge list with ranks, and the printable sign that stands for each of the 256 bytes."""
    spec = importlib.util.find_spec("open_clip")
    if spec is None or not spec.submodule_search_locations:
        raise MissingPackage(f"counting CLIP's tokens needs open_clip's word list: {_PIP}")
    path = Path(spec.submodule_search_locations[0]) / _MERGES_FILE
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")
    pairs = [line.split() for line in lines[1 : 1 + _MERGE_COUNT]]  # the first line is a heading
    rank = {(first, second): index for index, (first, second) in enumerate(pairs)}
    # Printable Latin-1 stands for itself; the other bytes take the signs from 256 on, in order.
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = iter(range(256, 512))
    return _Merges(rank, tuple(chr(byte) if byte in printable else chr(next(others)) for byte in range(256)))


@cache
def _word_pattern() -> Any:
    try:
        regex: Any = importlib.import_module("regex")  # it carries no types
    except ImportError as error:
        raise MissingPackage(f"counting CLIP's tokens needs the package regex: {_PIP}") from error
    return regex.compile(_WORD_PATTERN, regex.IGNORECASE)


def _mend(text: str) -> str:
    """Mojibake repaired and HTML entities resolved, as CLIP's tokenizer does first."""
    if text.isascii() and text.isprintable() and "&" not in text:
        return text  # nothing in it that either step could change; most captions end here
    try:
        import ftfy
    except ImportError as error:
        raise MissingPackage(f"counting CLIP's tokens needs the package ftfy: {_PIP}") from error
    return html.unescape(html.unescape(ftfy.fix_text(text)))


def _clean(text: str) -> str:
    return " ".join(_mend(text).split()).lower()


@lru_cache(maxsize=65_536)
def _tokens(word: str) -> tuple[str, ...]:
    """A word of the pattern -> its tokens, spelled in byte signs, the last one with the end mark."""
    if word in _SPECIAL:
        return (word,)
    merges = _merges()
    parts = [merges.byte_sign[byte] for byte in word.encode("utf-8")]
    parts[-1] += _WORD_END
    while len(parts) > 1:
        ranks = [merges.rank.get(pair, _MERGE_COUNT) for pair in pairwise(parts)]
        lowest = min(ranks)
        if lowest == _MERGE_COUNT:
            break
        first = ranks.index(lowest)
        pair = (parts[first], parts[first + 1])
        merged: list[str] = []
        index = 0
        while index < len(parts):
            if (*parts[index : index + 2],) == pair:
                merged.append(pair[0] + pair[1])
                index += 2
            else:
                merged.append(parts[index])
                index += 1
        parts = merged
    return tuple(parts)


def _token_count(word: str) -> int:
    return len(_tokens(word))


def _characters_within(word: str, token_count: int) -> int:
    """How many whole characters of a word its first tokens cover."""
    tokens = _tokens(word)[:token_count]
    if tokens == (word,):
        return len(word)
    byte_count = sum(len(token.removesuffix(_WORD_END)) for token in tokens)
    return len(word.encode("utf-8")[:byte_count].decode("utf-8", errors="ignore"))


@dataclass(frozen=True)
class _Cleaned:
    """A text as CLIP reads it, with the way back: each step of cleaning remembers where its characters came from."""

    original: str
    mended: str
    lowered: str
    mended_end: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> _Cleaned:
        mended = _mend(text)
        collapsed: list[str] = []
        ends: list[int] = []  # for each collapsed character, the offset in `mended` just behind it
        position = 0
        for word in mended.split():
            position = mended.index(word, position)
            if collapsed:
                collapsed.append(" ")
                ends.append(position)
            collapsed.extend(word)
            ends.extend(range(position + 1, position + 1 + len(word)))
            position += len(word)
        spelled = "".join(collapsed)
        # Lower-casing can lengthen a character ("İ" becomes two), never shorten it.
        repeated = [end for sign, end in zip(spelled, ends, strict=True) for _ in sign.lower()]
        return cls(text, mended, spelled.lower(), tuple(repeated))

    def words(self) -> Iterator[tuple[int, str]]:
        for match in _word_pattern().finditer(self.lowered):
            yield match.start(), match.group()

    def original_offset(self, lowered_end: int) -> int:
        if lowered_end == 0:
            return 0
        end = self.mended_end[lowered_end - 1]
        if self.mended == self.original:
            return end
        offset = 0
        for tag, a0, a1, b0, b1 in SequenceMatcher(None, self.original, self.mended, autojunk=False).get_opcodes():
            if b0 < end <= b1:
                offset = a0 + (end - b0) if tag == "equal" or a1 - a0 == b1 - b0 else a1
            elif tag == "delete" and b0 == end:
                offset = a1  # the "amp;" of an "&amp;" belongs to the sign before it
        return offset
