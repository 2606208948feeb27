"""A caption in the words of the demo's grammar and the scene it is of -> its statements, each true or false.

A statement is a number, a size, a colour, a noun, a relation or place, a background, a style, with the words that make
it. Relations are judged by where things stand. What is said a second time of one noun is false: the picture holds it
once. Words that the grammar does not have make no statement. Knows no model and no pixels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from captioner.captions.words import bare
from demo.scene import Group, Scene
from demo.world import COLOURS, NOUNS, PLURALS, SIZES

SINGULAR = {form: noun for noun in NOUNS for form in (noun, PLURALS[noun])}
NUMBERS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4}
_ADJECTIVES = {*COLOURS, *SIZES, "grey"}

# Phrases of the grammar about the whole picture: pattern -> kind, and the styles or backgrounds it is true of.
_WHOLE: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (r"(?:drawn as )?(?:a )?black and white icon", "style", ("icon",)),
    (r"(?:flat )?icon", "style", ("icon",)),
    (r"(?:drawn like )?(?:a )?(?:colourful )?cartoon", "style", ("cartoon",)),
    (r"(?:sketched with a )?pencil(?: drawing| sketch)?", "style", ("pencil",)),
    (r"(?:grainy|noisy) photo", "style", ("photo",)),
    (r"(?:drawn as )?pixel art", "style", ("pixel",)),
    (r"(?:dark )?night(?: sky)?", "background", ("night sky",)),
    (r"(?:sandy )?beach", "background", ("beach",)),
    (r"green grass|grassy field|grass", "background", ("grass",)),
    (r"(?<!night )(?:blue )?sky", "background", ("grass", "beach")),
)
_BACKGROUND_COLOUR = re.compile(rf"\b(?:on|against) (?:an? |the )?({'|'.join([*COLOURS, 'grey'])}) background\b")
_ORDER = {"left": ("h", 1), "right": ("h", -1), "above": ("v", 1), "over": ("v", 1), "below": ("v", -1)}
_LIST_ORDER = {"from left to right": "h", "from top to bottom": "v"}
_LINES = {"in a row": "v", "in a column": "h"}  # the axis of a scene whose groups stand so


@dataclass(frozen=True)
class Statement:
    """kind: number, size, colour, noun, relation, place, background, style. words: their places in the caption."""

    kind: str
    words: tuple[int, ...]
    is_true: bool


@dataclass(frozen=True)
class Named:
    """A noun phrase of a caption. head: the noun's place. group: the scene's that it names, if there is one."""

    head: int
    noun: str
    number: int | None
    adjectives: tuple[int, ...]
    group: Group | None
    is_repeat: bool

    @property
    def start(self) -> int:
        """The place of its first word."""
        return min([self.head, *self.adjectives, *([self.number] if self.number is not None else [])])


def statements(caption: str, scene: Scene) -> list[Statement]:
    """What a caption states, in no order."""
    words = [bare(word) for word in caption.split()]
    taken: set[int] = set()
    found = _whole_statements(words, scene, taken)
    named = named_groups(words, scene, taken)
    for one in named:
        found += _group_statements(one, words, scene, named)
    return [*found, *_relations(words, named, scene, taken)]


def word_truth(said: Sequence[Statement], count: int) -> list[bool | None]:
    """For each word whether what it states is true, None for one that states nothing; false counts before true."""
    truth: list[bool | None] = [None] * count
    for statement in sorted(said, key=lambda one: one.is_true):
        for place in statement.words:
            if truth[place] is None:
                truth[place] = statement.is_true
    return truth


def _whole_statements(words: Sequence[str], scene: Scene, taken: set[int]) -> list[Statement]:
    """Background and style; the words they take are no longer free for things."""
    text = " ".join(words)
    place_at = {}
    start = 0
    for place, word in enumerate(words):
        place_at[start] = place
        start += len(word) + 1
    found = []
    matches = [(match, match.start(1), "background", (match[1],)) for match in _BACKGROUND_COLOUR.finditer(text)]
    for pattern, kind, of in _WHOLE:
        matches += [(match, match.start(), kind, of) for match in re.finditer(rf"\b(?:{pattern})\b", text)]
    for match, begin, kind, of in matches:
        size = len((match[1] if match.re is _BACKGROUND_COLOUR else match[0]).split())
        places = tuple(range(place_at[begin], place_at[begin] + size))
        if taken.isdisjoint(places):
            taken.update(places)
            is_true = (scene.style if kind == "style" else scene.background) in of
            content = tuple(place for place in places if words[place] not in ("a", "as", "and", "with", "photo"))
            found.append(Statement(kind, content, is_true))
    return found


def named_groups(words: Sequence[str], scene: Scene, taken: set[int]) -> list[Named]:
    """The noun phrases in order. Args: taken: places of words that are about the whole picture."""
    groups = {group.noun: group for group in scene.groups}
    named: list[Named] = []
    for head, word in enumerate(words):
        if word not in SINGULAR or head in taken:
            continue
        adjectives, place = [], head - 1
        while place >= 0 and (words[place] in _ADJECTIVES or words[place] == "simple") and place not in taken:
            if words[place] != "simple":
                adjectives.append(place)
            place -= 1
        number = place if place >= 0 and words[place] in NUMBERS and place not in taken else None
        noun = SINGULAR[word]
        is_repeat = any(other.noun == noun for other in named)
        named.append(Named(head, noun, number, tuple(adjectives), groups.get(noun), is_repeat))
    return named


def _group_statements(one: Named, words: Sequence[str], scene: Scene, named: Sequence[Named]) -> list[Statement]:
    found = [Statement("noun", (one.head,), one.group is not None and not one.is_repeat)]
    if one.is_repeat:
        return found
    # Of a thing that is not there, what is said of it may be true of one that is not named.
    others = [group for group in scene.groups if group.noun not in {other.noun for other in named}] or [*scene.groups]
    candidates = [one.group] if one.group else others
    for place in one.adjectives:
        kind = "size" if words[place] in SIZES else "colour"
        is_true = any(words[place] == (group.size if kind == "size" else group.colour) for group in candidates)
        found.append(Statement(kind, (place,), is_true))
    if one.number is not None:
        is_true = any(NUMBERS[words[one.number]] == group.count for group in candidates)
        is_plural = words[one.head] == PLURALS[one.noun]
        form_differs = not is_true and one.group and is_plural != (one.group.count > 1)
        places = (one.number, one.head) if form_differs else (one.number,)
        found.append(Statement("number", places, is_true))
    elif one.group and one.noun != PLURALS[one.noun]:
        is_plural = words[one.head] == PLURALS[one.noun]
        if is_plural and one.group.count == 1:
            found.append(Statement("number", (one.head,), False))
    return found


def _relations(words: Sequence[str], named: Sequence[Named], scene: Scene, taken: set[int]) -> list[Statement]:
    """How things stand to each other, and where; nothing is said of things that are not there."""
    text = " ".join(words)
    found = []
    are_there = all(one.group for one in named)
    for place, word in enumerate(words):
        before = [one.group for one in named if one.head < place and one.group]
        behind = [one.group for one in named if one.head > place and one.group]
        is_relation = word in ("above", "over", "below") or (
            word in ("left", "right") and words[place + 1 : place + 2] == ["of"]
        )
        if is_relation and before and behind and are_there and place not in taken:
            axis, sign = _ORDER[word]
            order = {id(group): number for number, group in enumerate(scene.groups)}
            is_ordered = all(sign * (order[id(b)] - order[id(a)]) > 0 for a in before for b in behind)
            found.append(Statement("relation", (place,), scene.axis == axis and is_ordered))
    for phrase, axis in _LIST_ORDER.items():
        if f" {phrase}" in f" {text}" and are_there:
            place = len(text[: text.index(phrase)].split()) + 1
            groups = [one.group for one in named]
            found.append(Statement("relation", (place, place + 2), scene.axis == axis and groups == [*scene.groups]))
    for one in named:
        if one.group and not one.is_repeat:
            found += _places(words, one, scene)
    return found


def _places(words: Sequence[str], one: Named, scene: Scene) -> list[Statement]:
    """Where one thing stands: "on the left", "in a row", right behind its noun."""
    assert one.group is not None
    behind = list(words[one.head + 1 : one.head + 4])
    phrase = " ".join(behind)
    if phrase in _LINES:
        is_true = one.group.count > 1 and scene.axis == _LINES[phrase]
        return [Statement("place", (one.head + 3,), is_true)]
    if phrase not in ("on the left", "on the right", "at the top", "at the bottom", "in the middle"):
        return []
    if words[one.head + 4 : one.head + 5] == ["of"]:
        return []
    x = sum(thing.x for thing in one.group.objects) / one.group.count
    y = sum(thing.y for thing in one.group.objects) / one.group.count
    is_true = {
        "left": x < 0.42,
        "right": x > 0.58,
        "top": y < 0.42,
        "bottom": y > 0.58,
        "middle": 0.36 < x < 0.64 and 0.36 < y < 0.64,
    }[behind[2]]
    return [Statement("place", (one.head + 3,), is_true)]
