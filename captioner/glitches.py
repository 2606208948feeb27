"""What can be wrong with a caption as such, told from its words alone: a captioner that got stuck, refused or was cut.

Made so that ordinary captions, lists of tags and quoted text raise no alarm: what stands between quotation marks is not
looked at. Pure text; knows no model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

Glitch = Literal["empty", "thinking", "refusal", "character", "loop", "cut"]
"""From what leaves nothing of use to what leaves most."""

GLITCHES: Mapping[Glitch, str] = MappingProxyType(
    {
        "empty": "it is empty",
        "thinking": "the model's thoughts are left in it",
        "refusal": "the model refuses to answer",
        "character": "one character is repeated",
        "loop": "it goes round in circles",
        "cut": "it is cut at the longest length",
    }
)
"""Each in words, the worst first."""

_QUOTED = re.compile(r'"[^"\n]{0,300}"|\u201c[^\u201d\n]{0,300}\u201d|\u300c[^\u300d\n]{0,300}\u300d')
_THOUGHT_MARKS = re.compile(r"</?think(?:ing)?>|<\|channel\|>|\u25c1/?think\u25b7", re.IGNORECASE)
_THOUGHT_START = re.compile(
    r"(?:(?:okay|ok|alright|right|hmm+|got it|so|well),? (?:so )?(?:let me|let's|i need to|i have to|the user)"
    r"|let me (?:think|start|look|see)|the user (?:wants|is asking|asks|asked|has asked|provided|needs)"
    r"|(?:first, )?i need to (?:describe|write|analy[sz]e|look|figure))\b",
    re.IGNORECASE,
)
_I_CANNOT = r"i(?: am|'m) (?:unable|not able|not allowed) to|i (?:can't|cannot|can not|won't|will not|must not)"
_REFUSED = (
    r"assist|help|provide|fulfil+|comply|describe|identify|generate|create|caption|engage|continue|process|answer|"
    r"respond|discuss|produce|write|view|analy[sz]e"
)
_PICTURE = r"(?:the|this|that|an?|any|your|you) ?(?:image|picture|photo|photograph|attachment|file|request)?s?"
_REFUSAL = re.compile(
    # At the beginning, or where a sentence begins: a caption may well tell of somebody who says so.
    r"(?:\A|(?<=[.!?]\s)|(?<=\n))\W{0,3}"
    rf"(?:(?:i'm|i am|we're) (?:really |very |so |terribly )?sorry\b|sorry, (?:but )?i\b|my apologies\b"
    rf"|i apologi[sz]e\b|(?:unfortunately|however),? (?:{_I_CANNOT})"
    rf"|(?:{_I_CANNOT}) (?:{_REFUSED})\b(?! but)"
    rf"|(?:{_I_CANNOT}|i do not|i don't) (?:see|have access to|open) {_PICTURE}(?:[.,]|$| (?:you|that|because|in|to))"
    r"|as an? (?:large )?(?:ai|artificial intelligence|language model|text-based)\b"
    r"|no (?:image|picture) (?:was|is|has been) (?:provided|attached|uploaded)"
    r"|please (?:provide|upload|attach|share) (?:the|an|your) (?:image|picture|photo)"
    r"|lo siento\b|je suis d\u00e9sol\u00e9|es tut mir leid|\u62b1\u6b49|\u5bf9\u4e0d\u8d77|\u5f88\u62b1\u6b49"
    r"|\u7533\u3057\u8a33)",
    re.IGNORECASE,
)
_RUN = re.compile(r"(\S)(?:\s?\1){5,}")
_LONG_RUNS = ".-_=*~0123456789"  # rules, gaps and numbers are long in good captions too
_LEAST_LONG_RUN = 16
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+(?:['\u2019_-][^\W_]+)*")
_LEAST_TIMES: Mapping[int, int] = MappingProxyType({1: 7, 2: 5, 3: 4})
"""By the number of words of a phrase, how often it follows itself where something is wrong; longer ones three times."""
_LONGEST_PHRASE = 60


@lru_cache(maxsize=20_000)  # a moved threshold asks again of every caption of a set
def find_glitch(text: str, *, is_cut: bool = False) -> Glitch | None:
    """The worst that is wrong with a caption; None where it reads as captions do.

    Args: is_cut: the captioner came to its limit before the end.
    """
    if not text.strip():
        return "empty"
    is_quoted = _QUOTED.fullmatch(text.strip()) is not None  # as a whole, as some models answer
    bare = (text.strip()[1:] if is_quoted else _QUOTED.sub('"', text)).replace("\u2019", "'")
    if _THOUGHT_MARKS.search(bare) or _THOUGHT_START.match(bare.lstrip()):
        return "thinking"
    if _REFUSAL.search(bare):
        return "refusal"
    if _repeats_character(bare):
        return "character"
    if _goes_round(bare):
        return "loop"
    return "cut" if is_cut else None


def _repeats_character(text: str) -> bool:
    for run in _RUN.finditer(text):
        character, length = run.group(1), len("".join(run.group().split()))
        is_long_by_nature = character in _LONG_RUNS or (character.isalpha() and not _is_one_word(run))
        if length >= _LEAST_LONG_RUN or not is_long_by_nature:
            return True
    return False


def _is_one_word(run: re.Match[str]) -> bool:
    """Whether a run of letters is no row of one-letter words ("A A A A A A" on an eye chart may be meant)."""
    return " " not in run.group() and "\n" not in run.group()


def _goes_round(text: str) -> bool:
    words = _WORD.findall(text.lower())
    if len(words) - len(set(words)) < 5:  # no phrase can be there as often as it must
        return False
    return _follows_itself(words) or _is_said_again(text.lower())


def _follows_itself(words: Sequence[str]) -> bool:
    """Whether a phrase stands several times behind itself."""
    for length in range(1, min(_LONGEST_PHRASE, len(words) // 3) + 1):
        least = length * (_LEAST_TIMES.get(length, 3) - 1)
        same = 0
        for place in range(length, len(words)):
            same = same + 1 if words[place] == words[place - length] else 0
            if same >= least:
                return True
    return False


def _is_said_again(text: str) -> bool:
    """Whether a sentence of some length comes three times, or most parts of a long list are there already."""
    sentences = Counter(" ".join(one.split()) for one in re.split(r"[.!?\n]+", text))
    if any(count >= 3 and len(sentence.split()) >= 5 for sentence, count in sentences.items()):
        return True
    parts = [part for one in text.split(",") if (part := one.strip(" .\n"))]
    return len(parts) >= 12 and len(set(parts)) * 2 <= len(parts)
