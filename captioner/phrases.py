"""The last whole phrase of a sentence that was cut in the middle: words alone, by a small rule. Knows no model.

A sentence that a captioner had to cut at its maximum length ends anywhere: "a red house on a white background in a",
"two cats under a blue". What cannot stand at an end goes, word by word from the end: articles, prepositions,
conjunctions, auxiliaries, numbers, and adjectives whose noun is not there. Whether a sentence was cut at all is the
caller's to know (`records.Sentence.finish`): the rule would take words off some whole ones too.
"""

from __future__ import annotations

import re

# Before nouns, and what begins a clause.
_OPENING = """
a an the this that these those its his her their my your our some any each every another both either neither no which
who whose whom where when while if because whether what how there it
"""
# "inside", "outside", "nearby" and such can end a phrase.
_PREPOSITIONS = """
in on at by with without of for from to into onto over under above below beside besides between behind near through
across along against among amongst amid around beneath underneath toward towards upon within during before after until
since via per like unlike as than off up down out
"""
_JOINING = """
and or but nor so yet plus is are was were be been being am has have had having do does did can could will would shall
should may might must
"""
# Verbs that want an object, or the preposition that has just gone.
_TRANSITIVE = """
wearing holding carrying using containing featuring showing depicting including made covered surrounded filled drawn
sketched painted depicted decorated dressed based
"""
_DEGREES = """
very quite rather really more most less least too such other one two three four five six seven eight nine ten several
many few multiple various
"""
FUNCTION_WORDS = frozenset(" ".join((_OPENING, _PREPOSITIONS, _JOINING, _TRANSITIVE, _DEGREES)).split())
_BEFORE_NOUNS = """
red orange yellow green blue purple pink brown black white grey gray golden gold silver beige teal turquoise violet cyan
magenta maroon navy tan blonde blond colorful colourful dark light bright pale large small big little tiny huge tall
short long wide narrow old young new round square flat thin thick wooden metal plastic empty open closed beautiful cute
pretty striped spotted plaid grainy noisy sandy grassy snowy cloudy sunny rocky dirty clean wet dry different same
"""
ADJECTIVES = frozenset(_BEFORE_NOUNS.split())
_PREDICATED_BY = frozenset(("is", "are", "was", "were", "in", "painted", "dressed", "colored", "coloured"))
"""Behind these a colour may end a phrase: "a car that is red", "a woman dressed in black and white"."""
_HEADS = tuple(
    sorted(
        (
            ("next",),
            ("close",),
            ("because",),
            ("in", "front"),
            ("on", "top"),
            ("to", "the", "left"),
            ("to", "the", "right"),
            *((article, noun) for article in ("a", "the") for noun in ("lot", "couple", "bunch", "group", "pair")),
        ),
        key=len,
        reverse=True,
    )
)
"""What goes with an "of" or a "to" behind it: "a couple of", "next to"."""
_MARKS = ",;:-–—"


def whole_phrases(text: str) -> str:
    """The text of a sentence that was cut, up to its last whole phrase; the same where that would leave nothing.

    Words keep their spelling, whole phrases their marks: only the end goes.
    """
    words = list(re.finditer(r"\S+", text))
    count = _whole([word[0] for word in words])
    if count in (0, len(words)):
        return text
    return text[: words[count - 1].end()].rstrip(_MARKS + " \t\n")


def _whole(written: list[str]) -> int:
    """How many of the words make whole phrases."""
    words = [word.strip(".,;:!?\"'()").lower() for word in written]
    count = len(words)
    while count:
        last = words[count - 1]
        if last in ("of", "to") and (head := _head(words[: count - 1])):
            count -= 1 + head
        elif not last or last in FUNCTION_WORDS or (last in ADJECTIVES and not _is_predicate(words[:count])):
            count -= 1
        else:
            break
    return count


def _head(words: list[str]) -> int:
    """How many words at the end are nothing without what follows them."""
    return next((len(head) for head in _HEADS if tuple(words[-len(head) :]) == head), 0)


def _is_predicate(words: list[str]) -> bool:
    """Whether the adjectives at the end say how something is, and wait for no noun."""
    place = len(words)
    while place and (words[place - 1] in ADJECTIVES or words[place - 1] in ("and", "very")):
        place -= 1
    return place > 0 and words[place - 1] in _PREDICATED_BY
