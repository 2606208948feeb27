"""A true caption of a scene -> the same made false in one way; and captions as a person might retype them.

Knows no model. The false words of what comes out are found by `statements`, not remembered here.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from benchmarks.statements import NUMBERS, SINGULAR, Named, named_groups, statements
from captioner.captions.words import article_for, bare, in_place_of, is_article
from demo.grammar import STYLE_PHRASES, background_phrases
from demo.scene import Scene
from demo.world import BACKGROUNDS, COLOURS, NOUNS, PLURALS, SIZES, STYLES, indefinite_article

_OPPOSITES = {
    "left": "right",
    "right": "left",
    "above": "below",
    "over": "below",
    "below": "above",
    "top": "bottom",
    "bottom": "top",
    "row": "column",
    "column": "row",
}
_Change = Callable[[list[str], Sequence[Named], Scene, random.Random], bool]


def falsified(caption: str, scene: Scene, kind: str, rng: random.Random) -> str | None:
    """The caption made false in one way of `KINDS`; None where it says nothing of that kind, or it came out true."""
    words = caption.split()
    taken = {place for one in statements(caption, scene) if one.kind in ("style", "background") for place in one.words}
    named = [one for one in named_groups([bare(word) for word in words], scene, taken) if one.group]
    if kind in ("background", "style"):
        changed = _other_whole(caption, scene, kind, rng)
    else:
        changed = " ".join(_with_articles(words)) if _KINDS[kind](words, named, scene, rng) else caption
    is_false = any(not one.is_true for one in statements(changed, scene))
    return changed if changed != caption and is_false else None


def retyped(caption: str, rng: random.Random) -> str:
    """The caption as a person might type it, with words that the demo captioner never says; its statements stay."""
    ways = [
        lambda text: f"my drawing, {text}",
        lambda text: re.sub(r" next to ", " beside ", text, count=1),
        lambda text: re.sub(r"(?<!black) and (?=a |an |two |three )", " with ", text, count=1),
        lambda text: re.sub(rf"\b({'|'.join(SINGULAR)})\b", r"simple \1", text, count=1),
        lambda text: " ".join(word for word in text.split() if word not in ("a", "an")),
    ]
    for way in rng.sample(ways, 3):
        caption = way(caption)
    return caption


def _with_articles(words: Sequence[str]) -> list[str]:
    return [
        article_for(word, words[place + 1]) if is_article(word) and place + 1 < len(words) else word
        for place, word in enumerate(words)
    ]


def _other_whole(caption: str, scene: Scene, kind: str, rng: random.Random) -> str:
    """Another background or style in place of the one that is named."""
    if kind == "style":
        phrases = STYLE_PHRASES[scene.style]
        other = STYLE_PHRASES[rng.choice([style for style in STYLES if style != scene.style])][0]
    else:
        phrases = background_phrases(scene.background)
        other = background_phrases(rng.choice([name for name in BACKGROUNDS if name != scene.background]))[0]
    for phrase in phrases:
        if phrase in caption:
            return caption.replace(phrase, other)
    return caption


def _put(words: list[str], place: int, other: str) -> bool:
    words[place] = in_place_of(words[place], other)
    return True


def _colour(words: list[str], named: Sequence[Named], scene: Scene, rng: random.Random) -> bool:
    places = [place for one in named for place in one.adjectives if bare(words[place]) in COLOURS]
    others = [colour for colour in COLOURS if colour not in {group.colour for group in scene.groups}]
    return bool(places) and _put(words, rng.choice(places), rng.choice(others))


def _noun(words: list[str], named: Sequence[Named], scene: Scene, rng: random.Random) -> bool:
    one = rng.choice(named)
    other = rng.choice([noun for noun in NOUNS if noun not in {group.noun for group in scene.groups}])
    assert one.group is not None
    return _put(words, one.head, PLURALS[other] if one.group.count > 1 else other)


def _count(words: list[str], named: Sequence[Named], scene: Scene, rng: random.Random) -> bool:
    places = [one.number for one in named if one.number is not None and bare(words[one.number]) in ("two", "three")]
    if not places:
        return False
    place = rng.choice(places)
    return _put(words, place, "two" if bare(words[place]) == "three" else "three")


def _one_or_more(words: list[str], named: Sequence[Named], scene: Scene, rng: random.Random) -> bool:
    counted = [one for one in named if one.number is not None]
    if not counted:
        return False
    one = rng.choice(counted)
    assert one.number is not None
    is_one = NUMBERS[bare(words[one.number])] == 1
    _put(words, one.number, rng.choice(["two", "three"]) if is_one else "a")
    return _put(words, one.head, PLURALS[one.noun] if is_one else one.noun)


def _relation(words: list[str], named: Sequence[Named], scene: Scene, rng: random.Random) -> bool:
    said = [one for one in statements(" ".join(words), scene) if one.kind in ("relation", "place")]
    places = [one.words[0] for one in said if len(one.words) == 1 and bare(words[one.words[0]]) in _OPPOSITES]
    if not places:
        return False
    place = rng.choice(places)
    return _put(words, place, _OPPOSITES[bare(words[place])])


def _size(words: list[str], named: Sequence[Named], scene: Scene, rng: random.Random) -> bool:
    places = [place for one in named for place in one.adjectives if bare(words[place]) in SIZES]
    if not places:
        return False
    place = rng.choice(places)
    return _put(words, place, "small" if bare(words[place]) == "large" else "large")


def _swap(words: list[str], named: Sequence[Named], scene: Scene, rng: random.Random) -> bool:
    places = [place for one in named for place in one.adjectives if bare(words[place]) in COLOURS]
    pairs = [(a, b) for a in places for b in places if a < b and bare(words[a]) != bare(words[b])]
    if not pairs:
        return False
    first, second = rng.choice(pairs)
    colours = bare(words[first]), bare(words[second])
    return _put(words, first, colours[1]) and _put(words, second, colours[0])


def _extra(words: list[str], named: Sequence[Named], scene: Scene, rng: random.Random) -> bool:
    if not named:
        return False
    other = rng.choice([noun for noun in NOUNS if noun not in {group.noun for group in scene.groups}])
    colour = rng.choice([*COLOURS])
    last = named[-1].head
    words[last + 1 : last + 1] = ["and", indefinite_article(colour), colour, other]
    return True


_KINDS: dict[str, _Change] = {
    "colour": _colour,
    "noun": _noun,
    "count": _count,
    "count1": _one_or_more,
    "relation": _relation,
    "size": _size,
    "swap": _swap,
    "extra": _extra,
}
KINDS = (*_KINDS, "background", "style")
PERSON_KINDS = ("colour", "noun", "count", "size", "swap", "extra", "background", "style")
"""What stays false when articles are left out and relations are put otherwise."""
