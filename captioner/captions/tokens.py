"""Text -> how many CLIP tokens it takes, and where the last one that fits ends. Exact, without torch.

Trainers cut captions at CLIP's context: 77 tokens with start and end, so 75 of content (`USABLE_TOKENS`). This is
CLIP's byte-pair encoding (Radford et al., 2021) read from the merge list that open_clip carries; open_clip itself is
never imported, since it would load torch. There are two ways to clean a text before: open_clip mends mojibake and
entities and straightens quotes, transformers 5 does not, and takes its special tokens for one each. Trainers use
either, so the larger count is given: what fits by it fits everywhere. Knows no model and no caption.
"""

from __future__ import annotations

import gzip
import html
import importlib
import importlib.util
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache, lru_cache
from heapq import heapify, heappop, heappush
from itertools import takewhile
from pathlib import Path
from typing import Any

from captioner.errors import MissingPackage
from captioner.limits import without_halves

USABLE_TOKENS = 75
"""Content tokens that fit CLIP's context of 77 between its start and end tokens."""

_PIP = "pip install open_clip_torch"
_MERGES_FILE = "bpe_simple_vocab_16e6.txt.gz"
_MERGE_COUNT = 48_894  # CLIP's vocabulary: 49,408 = 2 * 256 bytes + merges + start and end
_WORD_END = "</w>"
_KEPT_LENGTH = 32  # letters of a word whose tokens are remembered
_COMPARED_LENGTH = 500  # letters of a text that are compared with its mended form in a time that grows with the square
_WINDOW = 100  # letters of a longer one that are compared at once, from the first that differs on
# Contractions, runs of letters, single digits, runs of anything else.
_WORD_PATTERN = "|".join(("'s|'t|'re|'ve|'m|'ll|'d", r"[\p{L}]+", r"[\p{N}]", r"[^\s\p{L}\p{N}]+"))


def count_tokens(text: str) -> int:
    """How many content tokens CLIP sees in a text, without the start and end tokens it adds.

    Raises: MissingPackage: open_clip_torch, which brings the merge list, is not installed.
    """
    return max(_count(text, reader) for reader in _readers_of(text))


def _count(text: str, reader: _Reader) -> int:
    lowered = " ".join(reader.mend(text).split()).lower()
    return sum(_token_count(word) for word in _word_pattern(reader.special).findall(lowered))


def cut_at(text: str, limit: int) -> int:
    """The offset in `text` where its limit-th token ends: `text[:offset]` is what CLIP still reads.

    Where cleaning changed the text (HTML entities, mojibake), the offset is the end of the changed stretch; where a
    token ends inside a character, the offset is before that character.

    Args: limit: content tokens, usually `USABLE_TOKENS`.
    Returns: len(text) when it has no more tokens than the limit.
    """
    return min(_cut_at(text, limit, reader) for reader in _readers_of(text))


def _cut_at(text: str, limit: int, reader: _Reader) -> int:
    if _count(text, reader) <= limit:
        return len(text)
    cleaned = _Cleaned.of(text, reader)
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
def _word_pattern(special: tuple[str, ...]) -> Any:
    try:
        regex: Any = importlib.import_module("regex")  # it carries no types
    except ImportError as error:
        raise MissingPackage(f"counting CLIP's tokens needs the package regex: {_PIP}") from error
    return regex.compile("|".join((*map(regex.escape, special), _WORD_PATTERN)), regex.IGNORECASE)


def _mend(text: str) -> str:
    """Mojibake repaired and HTML entities resolved, as CLIP's tokenizer does first."""
    if text.isascii() and text.isprintable() and "&" not in text:
        return text  # nothing in it that either step could change; most captions end here
    try:
        import ftfy
    except ImportError as error:
        raise MissingPackage(f"counting CLIP's tokens needs the package ftfy: {_PIP}") from error
    return html.unescape(html.unescape(ftfy.fix_text(text)))


def _normalized(text: str) -> str:
    """As transformers' tokenizer does first; halves of characters, which it refuses, are replaced as ftfy does."""
    return unicodedata.normalize("NFC", without_halves(text))


@dataclass(frozen=True)
class _Reader:
    """A way to clean a text. special: words that are one token, in lower case."""

    mend: Callable[[str], str]
    special: tuple[str, ...]


_OPEN_CLIP = _Reader(_mend, ("<start_of_text>", "<end_of_text>"))
_TRANSFORMERS = _Reader(_normalized, ("<|startoftext|>", "<|endoftext|>"))
_SPECIAL = frozenset((*_OPEN_CLIP.special, *_TRANSFORMERS.special))


def _readers_of(text: str) -> tuple[_Reader, ...]:
    """Those that may differ on a text; most captions are read alike."""
    is_plain = text.isascii() and text.isprintable() and "&" not in text and "<" not in text
    return (_OPEN_CLIP,) if is_plain else (_OPEN_CLIP, _TRANSFORMERS)


def _tokens(word: str) -> tuple[str, ...]:
    """A word of the pattern -> its tokens, spelled in byte signs, the last one with the end mark."""
    # Only words of a caption's kind are kept: those without end would fill the memory.
    return _kept_tokens(word) if len(word) <= _KEPT_LENGTH else _merged(word)


@lru_cache(maxsize=32_768)
def _kept_tokens(word: str) -> tuple[str, ...]:
    return _merged(word)


def _merged(word: str) -> tuple[str, ...]:
    """The tokens of a word, in a time that grows little faster than its length.

    The original looks through the whole word for its first pair in the merge list, joins that pair everywhere from left
    to right, and begins anew. Here a heap holds the pairs by rank and place, and the word is a list of which each part
    knows its neighbours, so that only what changed is looked at again.
    """
    if word in _SPECIAL:
        return (word,)
    merges = _merges()
    parts = [merges.byte_sign[byte] for byte in word.encode("utf-8")]
    parts[-1] += _WORD_END
    count = len(parts)
    following = list(range(1, count + 1))  # the place of the next part, `count` behind the last
    before = list(range(-1, count - 1))

    def rank_at(place: int) -> int | None:
        if place < 0 or not parts[place] or following[place] == count:
            return None
        return merges.rank.get((parts[place], parts[following[place]]))

    pairs = [(rank, place) for place in range(count - 1) if (rank := rank_at(place)) is not None]
    heapify(pairs)
    while pairs:
        lowest = pairs[0][0]
        joined: list[int] = []
        while pairs and pairs[0][0] == lowest:
            _, place = heappop(pairs)
            if rank_at(place) != lowest:  # a part of it was joined meanwhile
                continue
            second = following[place]
            parts[place] += parts[second]
            parts[second] = ""
            following[place] = following[second]
            if following[place] < count:
                before[following[place]] = place
            joined.append(place)
        # New pairs wait until the old ones of this rank are all joined, as they do in the original.
        for place in {*joined, *(before[place] for place in joined)}:
            if (rank := rank_at(place)) is not None:
                heappush(pairs, (rank, place))
    return tuple(part for part in parts if part)


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
    special: tuple[str, ...]

    @classmethod
    def of(cls, text: str, reader: _Reader) -> _Cleaned:
        mended = reader.mend(text)
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
        return cls(text, mended, spelled.lower(), tuple(repeated), reader.special)

    def words(self) -> Iterator[tuple[int, str]]:
        for match in _word_pattern(self.special).finditer(self.lowered):
            yield match.start(), match.group()

    def original_offset(self, lowered_end: int) -> int:
        if lowered_end == 0:
            return 0
        end = self.mended_end[lowered_end - 1]
        if self.mended == self.original:
            return end
        offset = 0
        for is_letter_for_letter, a0, a1, b0, b1 in _stretches(self.original, self.mended):
            if b0 < end <= b1:
                offset = a0 + (end - b0) if is_letter_for_letter else a1
            elif b0 == b1 == end:
                offset = a1  # the "amp;" of an "&amp;" belongs to the sign before it
        return offset


def _stretches(original: str, mended: str) -> Iterator[tuple[bool, int, int, int, int]]:
    """Which part of one text became which of the other.

    Returns: (whether letter for letter, from and to in original, from and to in mended).
    """
    if max(len(original), len(mended)) <= _COMPARED_LENGTH:
        for tag, a0, a1, b0, b1 in SequenceMatcher(None, original, mended, autojunk=False).get_opcodes():
            yield tag == "equal" or a1 - a0 == b1 - b0, a0, a1, b0, b1
        return
    a = b = 0
    while a < len(original) or b < len(mended):
        pairs = zip(original[a : a + _WINDOW], mended[b : b + _WINDOW], strict=False)
        alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        if alike:
            yield True, a, a + alike, b, b + alike
            a, b = a + alike, b + alike
            continue
        matcher = SequenceMatcher(None, original[a : a + _WINDOW], mended[b : b + _WINDOW], autojunk=False)
        next_a = next_b = 0
        for tag, a0, a1, b0, b1 in matcher.get_opcodes():
            if a0 + b0 and max(a1, b1) > _WINDOW // 2:
                break  # towards its end a window does not see what belongs together
            is_whole = tag == "equal" or a1 - a0 == b1 - b0 < _WINDOW
            yield is_whole, a + a0, a + a1, b + b0, b + b1
            next_a, next_b = a1, b1
        a, b = a + next_a, b + next_b
