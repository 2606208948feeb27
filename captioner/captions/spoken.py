"""Which part of a caption may be read word by word: the sentence, without the tags before and behind it. Pure.

Tags have scores of their own; a captioner that reads them as words of a sentence finds every one of them unlikely.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from captioner.captions.tag_rules import piece_key
from captioner.captions.words import FUNCTION_WORDS, bare, core_of, spans

TAG_WORDS = 3
"""A piece between commas of so many words at most, none of them such as "a" or "on", is taken for a tag."""

_JOINING = FUNCTION_WORDS - {"image", "picture", "photo", "style", "background"}  # "simple background" is a tag
_PIECE = re.compile(r"[^,\n]+")
_SENTENCE_END = (".", "!", "?", ":")


def spoken(text: str, tags: Collection[str] = ()) -> range:
    """The places of the text's characters that are spoken; none where it is tags only.

    Args: tags: those that are known of the picture, each as `piece_key` gives it.
    """
    pieces = [piece for piece in _PIECE.finditer(text) if piece[0].strip()]
    said = [piece for piece in pieces if not _is_tag(piece[0], tags, is_alone=len(pieces) == 1)]
    if not said:
        return range(0)
    start, end = said[0].start(), said[-1].end()
    part = text[start:end]
    return range(start + len(part) - len(part.lstrip()), end - (len(part) - len(part.rstrip())))


def _is_tag(piece: str, tags: Collection[str], *, is_alone: bool) -> bool:
    if piece_key(piece.strip().rstrip(".")) in tags:
        return True
    words = piece.split()
    return not is_alone and len(words) <= TAG_WORDS and not any(bare(word) in _JOINING for word in words)


def capitalised(text: str) -> Iterator[str]:
    """Words written with a capital letter where no sentence begins: names, as a person writes them."""
    before = "."
    for span in spans(text):
        core = core_of(span.text)
        if core[:1].isupper() and not before.endswith(_SENTENCE_END) and bare(core) not in FUNCTION_WORDS:
            yield core
        before = span.text
