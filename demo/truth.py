"""What a caption claims, and whether a picture's truth bears it out. Knows no drawing and no model."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from demo.world import COLOURS, MAX_COUNT, NOUNS, PLURALS, SIZES

_SINGULAR = {form: noun for noun in NOUNS for form in (noun, PLURALS[noun])}
_NUMBERS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4}
_COLOUR_WORDS = {*COLOURS, "grey"}
_STYLE_WORDS = {
    "icon": r"icon",
    "cartoon": r"cartoon",
    "pencil": r"pencil",
    "photo": r"photo\w*",
    "pixel": r"pixel",
}
_LANDSCAPES = {"grass": r"grass\w*", "night sky": r"night", "beach": r"beach"}
_GROUP = re.compile(
    rf"(?:\b({'|'.join(_NUMBERS)}) )?((?:\b(?:{'|'.join([*SIZES, *sorted(_COLOUR_WORDS)])}) )*)"
    rf"\b({'|'.join(sorted(_SINGULAR, key=len, reverse=True))})\b"
)
_FLAT_BACKGROUND = re.compile(r"\b(?:on|against) (?:a|an|the) (\w+) background")


@dataclass(frozen=True, kw_only=True)
class GroupClaim:
    """One noun phrase. `counts` holds every count that would bear it out: "cats" two or three, "two cat" none."""

    noun: str
    colours: tuple[str, ...]
    sizes: tuple[str, ...]
    counts: frozenset[int]


@dataclass(frozen=True, kw_only=True)
class Claims:
    groups: tuple[GroupClaim, ...]
    styles: frozenset[str]
    backgrounds: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a caption stands against the truth. What was not claimed is not right either."""

    nouns_and_colours_are_right: bool
    counts_are_right: bool
    sizes_are_right: bool
    states_style: bool
    style_is_right: bool
    states_background: bool
    background_is_right: bool
    groups_mentioned: int
    groups_in_scene: int

    @property
    def objects_are_right(self) -> bool:
        """Every noun, colour and count is right, and there is at least one noun."""
        return self.nouns_and_colours_are_right and self.counts_are_right

    @property
    def is_right(self) -> bool:
        """Every statement is right, and at least one group is named."""
        return (
            self.objects_are_right
            and self.sizes_are_right
            and (self.style_is_right or not self.states_style)
            and (self.background_is_right or not self.states_background)
        )


def read_claims(caption: str) -> Claims:
    """What a caption claims of nouns, colours, counts, sizes, style and background. It reads no relations."""
    text = caption.lower()
    groups = []
    for number, adjectives, form in _GROUP.findall(text):
        words = adjectives.split()
        groups.append(
            GroupClaim(
                noun=_SINGULAR[form],
                colours=tuple(word for word in words if word in _COLOUR_WORDS),
                sizes=tuple(word for word in words if word in SIZES),
                counts=_claimed_counts(number, form),
            )
        )
    backgrounds = set(_FLAT_BACKGROUND.findall(text))
    backgrounds |= {name for name, pattern in _LANDSCAPES.items() if re.search(rf"\b{pattern}\b", text)}
    styles = {style for style, pattern in _STYLE_WORDS.items() if re.search(rf"\b{pattern}\b", text)}
    return Claims(groups=tuple(groups), styles=frozenset(styles), backgrounds=frozenset(backgrounds))


def check(caption: str, truth: Mapping[str, Any]) -> Verdict:
    """Hold every statement of a caption against a line of `truth.jsonl`.

    A group named twice has a wrong count, since the picture holds it once. Without a noun nothing is right.
    """
    claims = read_claims(caption)
    objects = {thing["noun"]: thing for thing in truth["objects"]}
    nouns = [claim.noun for claim in claims.groups]
    are_known = bool(nouns) and all(noun in objects for noun in nouns)
    pairs = [(claim, objects[claim.noun]) for claim in claims.groups] if are_known else []
    return Verdict(
        nouns_and_colours_are_right=are_known and all(set(c.colours) <= {thing["colour"]} for c, thing in pairs),
        counts_are_right=are_known
        and len(set(nouns)) == len(nouns)
        and all(thing["count"] in claim.counts for claim, thing in pairs),
        sizes_are_right=are_known and all(set(claim.sizes) <= {thing["size"]} for claim, thing in pairs),
        states_style=bool(claims.styles),
        style_is_right=claims.styles == {truth["style"]},
        states_background=bool(claims.backgrounds),
        background_is_right=claims.backgrounds == {truth["background"]},
        groups_mentioned=len(set(nouns) & set(objects)),
        groups_in_scene=len(objects),
    )


def _claimed_counts(number: str, form: str) -> frozenset[int]:
    """The counts that bear out a number word (empty when there is none) before a noun's singular or plural."""
    noun = _SINGULAR[form]
    counts = {_NUMBERS[number]} if number else set(range(1, MAX_COUNT + 1))
    if form != PLURALS[noun]:
        counts &= {1}
    elif form != noun:
        counts -= {1}
    return frozenset(counts)
