"""A scene in words: captions of 3 to 40 words, every statement true. Knows no pixels and no model."""

import random

from demo.scene import Group, Scene
from demo.world import BACKGROUNDS, NOUNS, PLURALS, indefinite_article

MIN_WORDS, MAX_WORDS = 3, 40
NUMBER_WORDS = {2: "two", 3: "three"}

# The usual phrase comes first.
BACKGROUND_PHRASES = {
    "grass": ("on green grass under a blue sky", "on a grassy field"),
    "night sky": ("under a dark night sky", "in the night sky"),
    "beach": ("on a sandy beach under a blue sky", "on a sandy beach"),
}
STYLE_PHRASES = {
    "icon": ("in a flat icon style", "drawn as a black and white icon"),
    "cartoon": ("in a cartoon style", "drawn like a colourful cartoon"),
    "pencil": ("in a pencil drawing style", "sketched with a pencil"),
    "photo": ("in a grainy photo style", "in a noisy photo"),
    "pixel": ("in a pixel art style", "drawn as pixel art"),
}
STYLE_OPENINGS = {
    "icon": ("a flat icon of", "a black and white icon of"),
    "cartoon": ("a cartoon of", "a colourful cartoon of"),
    "pencil": ("a pencil drawing of", "a pencil sketch of"),
    "photo": ("a grainy photo of", "a noisy photo of"),
    "pixel": ("pixel art of", "a pixel art image of"),
}

# How often a caption of each kind states something.
KIND_SHARES = {"short": 0.08, "usual": 0.62, "long": 0.30}
_BACKGROUND_SHARE = {"short": 0.0, "usual": 0.72, "long": 0.96}
_STYLE_SHARE = {"short": 0.12, "usual": 0.66, "long": 0.92}
_SIZE_SHARE = {"short": 0.2, "usual": 0.4, "long": 0.8}
_PLACE_SHARE = {"short": 0.0, "usual": 0.04, "long": 0.45}
_COLOUR_SHARE = 0.97


def background_phrases(background: str) -> tuple[str, ...]:
    """The ways to name a background, the usual one first."""
    plain = (f"on a {background} background", f"against a {background} background")
    return BACKGROUND_PHRASES.get(background, plain)


def word(scene: Scene, rng: random.Random, kind: str | None = None, *, is_continuation: bool = False) -> str:
    """A caption of a scene.

    Args:
        kind: "short", "usual" or "long"; by default a mixture.
        is_continuation: whether it must read on after "a picture of": it opens with neither style nor "there is".
    """
    while True:
        caption = _word_once(
            scene, rng, kind or rng.choices([*KIND_SHARES], [*KIND_SHARES.values()])[0], is_continuation
        )
        if MIN_WORDS <= len(caption.split()) <= MAX_WORDS:
            return caption


def ends_whole(caption: str) -> bool:
    """Whether a caption ends where a phrase of a scene's caption does, and not in its middle."""
    return caption.endswith(_ENDS)


def noun_phrase(group: Group, rng: random.Random, size_share: float = 0.0) -> str:
    """The group as "a red star", "three small blue cats"."""
    words = [PLURALS[group.noun] if group.count > 1 else group.noun]
    if rng.random() < _COLOUR_SHARE:
        words.insert(0, group.colour)
    if group.size != "medium" and rng.random() < size_share:
        words.insert(0, group.size)
    if group.count > 1:
        number = NUMBER_WORDS[group.count]
    else:
        number = "one" if rng.random() < 0.04 else indefinite_article(words[0])
    return " ".join([number, *words])


def place_phrase(group: Group) -> str | None:
    """Where a single thing stands, when one phrase says it without doubt."""
    thing = group.objects[0]
    if thing.x < 0.36:
        return "on the left"
    if thing.x > 0.64:
        return "on the right"
    if not 0.42 < thing.x < 0.58:
        return None
    if thing.y < 0.36:
        return "at the top"
    if thing.y > 0.64:
        return "at the bottom"
    return "in the middle" if 0.42 < thing.y < 0.58 else None


def _word_once(scene: Scene, rng: random.Random, kind: str, is_continuation: bool) -> str:
    caption = _objects_clause(scene, rng, kind)
    opening_share = 0.0 if is_continuation else 0.35
    has_opening = rng.random() < opening_share
    if has_opening and rng.random() < 0.3:
        caption = f"{'there are' if scene.groups[0].count > 1 else 'there is'} {caption}"
        has_opening = False
    elif has_opening:
        caption = f"{_usual_or_other(STYLE_OPENINGS[scene.style], rng)} {caption}"
    endings = []
    if rng.random() < _BACKGROUND_SHARE[kind]:
        endings.append(_usual_or_other(background_phrases(scene.background), rng))
    if not has_opening and rng.random() < _STYLE_SHARE[kind]:
        endings.insert(len(endings) if rng.random() < 0.9 else 0, _usual_or_other(STYLE_PHRASES[scene.style], rng))
    return " ".join([caption, *endings])


def _usual_or_other(phrases: tuple[str, ...], rng: random.Random) -> str:
    return phrases[0] if rng.random() < 0.8 else rng.choice(phrases[1:])


def _objects_clause(scene: Scene, rng: random.Random, kind: str) -> str:
    groups = list(scene.groups)
    if kind == "short" and rng.random() < 0.5:
        groups = [max(groups, key=lambda group: group.count * group.objects[0].side ** 2)]
    phrases = [_group_phrase(scene, group, rng, kind) for group in groups]
    if len(phrases) == 1:
        return phrases[0]
    if len(phrases) == 2:
        return _pair_clause(phrases, scene.axis, rng)
    return _triple_clause(phrases, scene.axis, rng)


def _group_phrase(scene: Scene, group: Group, rng: random.Random, kind: str) -> str:
    phrase = noun_phrase(group, rng, _SIZE_SHARE[kind])
    if rng.random() >= _PLACE_SHARE[kind]:
        return phrase
    if group.count > 1:
        return f"{phrase} in a {'column' if scene.axis == 'h' else 'row'}"
    place = place_phrase(group) if len(scene.groups) == 1 else None
    return f"{phrase} {place}" if place else phrase


def _pair_clause(phrases: list[str], axis: str, rng: random.Random) -> str:
    first, second = phrases
    if axis == "h":
        wordings = [
            f"{first} to the left of {second}",
            f"{first} next to {second}",
            f"{first} and {second}",
            f"{second} to the right of {first}",
        ]
    else:
        wordings = [
            f"{first} above {second}",
            f"{first} over {second}",
            f"{first} and {second}",
            f"{second} below {first}",
        ]
    return rng.choices(wordings, (0.45, 0.1, 0.25, 0.2))[0]


def _triple_clause(phrases: list[str], axis: str, rng: random.Random) -> str:
    first, second, third = phrases
    listed = f"{first}, {second} and {third}"
    if axis == "h":
        wordings = [
            listed,
            f"{first} to the left of {second} and {third}",
            f"{first} and {second} to the left of {third}",
            f"{listed} from left to right",
        ]
    else:
        wordings = [
            listed,
            f"{first} above {second} and {third}",
            f"{first} and {second} above {third}",
            f"{listed} from top to bottom",
        ]
    return rng.choices(wordings, (0.55, 0.2, 0.1, 0.15))[0]


_ENDS = (
    *(f" {form}" for noun in NOUNS for form in (noun, PLURALS[noun])),
    *(f" {phrase}" for background in BACKGROUNDS for phrase in background_phrases(background)),
    " on green grass",  # under a blue sky or not
    *(f" {phrase}" for phrases in STYLE_PHRASES.values() for phrase in phrases),
    *(f" {place}" for place in ("on the left", "on the right", "at the top", "at the bottom", "in the middle")),
    *(f" {order}" for order in ("in a row", "in a column", "from left to right", "from top to bottom")),
)
