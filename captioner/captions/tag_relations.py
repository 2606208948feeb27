"""Tags of one caption that contradict each other, and tags that another one implies. Pure; the tables are the data.

Tags are given and returned as `tag_rules.piece_key` spells them. What contradicts is what a tagger is unsure about and
what a person overlooks, no logic of the world: with several people in a picture both hair colours may be right, so most
tables count only where one is in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, permutations

from captioner.captions.tag_rules import piece_key
from captioner.captions.told_apart import told_apart

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Clash:
    """Tags of which a caption should have those of one side only.

    sides: each one's tags; "blue *" is every tag of two words and more that begins so. unless: one of these makes both
    right. is_of_one: only where a single person is in the picture.
    """

    sides: tuple[tuple[str, ...], ...]
    unless: tuple[str, ...] = ()
    is_of_one: bool = False


def _each(*tags: str) -> tuple[tuple[str, ...], ...]:
    """Every tag a side of its own."""
    return tuple((tag,) for tag in tags)


def _coloured(colours: Sequence[str], thing: str) -> tuple[tuple[str, ...], ...]:
    return _each(*(f"{colour} {thing}" for colour in colours))


_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
_MORE_COLOURS = ("aqua", "golden", "cyan", "magenta", "teal", "violet", "turquoise")
_GREYS = ("black", "white", "grey")
_SEVERAL_GIRLS = ("2girls", "3girls", "4girls", "5girls", "6+girls")
_SEVERAL_BOYS = ("2boys", "3boys", "4boys", "5boys", "6+boys")
_COUNTS = ("1girl", *_SEVERAL_GIRLS, "multiple girls", "1boy", *_SEVERAL_BOYS, "multiple boys", "1other")
_MIXED_HAIR = ("multicolored hair", "two-tone hair", "gradient hair", "streaked hair", "split-color hair")

CLASHES: tuple[Clash, ...] = (
    Clash(_each("1girl", *_SEVERAL_GIRLS)),
    Clash(_each("1boy", *_SEVERAL_BOYS)),
    Clash(_each("1girl", "multiple girls")),
    Clash(_each("1boy", "multiple boys")),
    Clash(
        (("solo",), (*_SEVERAL_GIRLS, "multiple girls", *_SEVERAL_BOYS, "multiple boys", "couple", "group", "crowd"))
    ),
    Clash((("no humans",), _COUNTS)),
    Clash(_each("male focus", "female focus")),
    Clash((("day", "daytime"), ("night", "nighttime", "night sky"))),
    Clash((("indoors", "indoor"), ("outdoors", "outdoor"))),
    Clash(_each("summer", "winter", "autumn")),
    Clash((("clear sky",), ("cloudy sky", "overcast"))),
    Clash(
        (
            ("monochrome", "greyscale", "grayscale", "black and white"),
            tuple(f"{colour} *" for colour in (*_COLOURS, *_MORE_COLOURS, "blonde", "colorful")),
        ),
        unless=("spot color", "partially colored", *(f"{colour} theme" for colour in _COLOURS)),
    ),
    Clash(
        _coloured((*_COLOURS, *_GREYS, "gray"), "background"),
        unless=("two-tone background", "multicolored background", "gradient background", "split background"),
    ),
    Clash((("simple background", "plain background"), ("detailed background", "scenery"))),
    Clash(_each("from above", "from below")),
    Clash((("full body",), ("upper body", "lower body", "portrait", "close-up", "cowboy shot"))),
    Clash(_each("upper body", "lower body")),
    Clash((("close-up",), ("wide shot", "very wide shot"))),
    Clash((("low quality", "worst quality", "bad quality"), ("high quality", "best quality", "masterpiece"))),
    Clash((("photo", "photograph", "photography"), ("drawing", "sketch", "cartoon", "anime", "pixel art", "painting"))),
    Clash(
        (
            ("short hair", "very short hair"),
            ("medium hair",),
            ("long hair", "very long hair", "absurdly long hair"),
            ("bald",),
        ),
        is_of_one=True,
    ),
    Clash(_coloured(("blonde", *_COLOURS, *_GREYS, "gray", "silver"), "hair"), unless=_MIXED_HAIR, is_of_one=True),
    Clash(
        _coloured((*_COLOURS, *_GREYS, "gray", "hazel"), "eyes"),
        unless=("heterochromia", "multicolored eyes"),
        is_of_one=True,
    ),
    Clash(_each("open mouth", "closed mouth"), is_of_one=True),
    Clash(_each("open eyes", "closed eyes", "half-closed eyes"), is_of_one=True),
    Clash(_each("sitting", "standing", "lying"), is_of_one=True),
    Clash(_each("sleeveless", "short sleeves", "long sleeves"), is_of_one=True),
    Clash((("barefoot",), ("shoes", "boots", "sneakers", "high heels", "sandals")), is_of_one=True),
    Clash((("nude", "completely nude"), ("fully clothed",)), is_of_one=True),
    Clash((("young", "child"), ("old", "elderly", "old man", "old woman")), is_of_one=True),
)

_ANIMALS = ("cat", "dog", "fox", "wolf", "rabbit", "bear", "mouse", "horse", "cow", "tiger", "lion", "raccoon", "deer")
IMPLIED_BY: dict[str, tuple[str, ...]] = {
    "animal ears": tuple(f"{animal} ears" for animal in _ANIMALS),
    "animal": (*_ANIMALS, "bird", "fish", "snake", "sheep", "pig", "elephant", "monkey"),
    "multiple girls": _SEVERAL_GIRLS,
    "multiple boys": _SEVERAL_BOYS,
    "night": ("night sky",),
    "flower": ("rose", "tulip", "sunflower", "daisy", "lily (flower)", "cherry blossoms"),
    "swimsuit": ("bikini",),
    "weapon": ("sword", "gun", "rifle", "handgun", "spear", "dagger"),
    "instrument": ("guitar", "piano", "violin", "drum", "flute", "trumpet"),
    "vehicle": ("car", "truck", "bus", "motorcycle", "train", "airplane"),
}
"""Tags that others name a kind of, where the words do not say so themselves."""

_NEGATIONS = frozenset(("no", "not", "without", "missing", "fake", "toy"))


def contradictions(keys: Iterable[str]) -> list[Pair]:
    """The pairs of a caption's tags that cannot both be right, each once, its tags in the order of the alphabet."""
    present = dict.fromkeys(keys)
    sides: dict[int, dict[int, list[str]]] = {}
    for key in present:
        first, blank, _ = key.partition(" ")
        for clash, side in (*_SIDES.get(key, ()), *(_SIDES.get(f"{first} *", ()) if blank else ())):
            sides.setdefault(clash, {}).setdefault(side, []).append(key)
    found: set[Pair] = set()
    for clash, tags in sides.items():
        rule = CLASHES[clash]
        if len(tags) < 2 or not present.keys().isdisjoint(rule.unless) or (rule.is_of_one and not _is_of_one(present)):
            continue
        for ones, others in combinations(tags.values(), 2):
            found.update((min(one, other), max(one, other)) for one in ones for other in others)
    return sorted(found)


def implications(keys: Iterable[str]) -> list[Pair]:
    """(tag, the tag that it implies) for a caption's tags.

    A tag implies one whose words it all has, if the last one is the last in both, since English puts the noun there:
    "long blonde hair" implies "long hair" and "hair", "cat ears" does not imply "cat". Others stand in `IMPLIED_BY`.
    """
    present = dict.fromkeys(keys)
    by_noun: dict[str, list[str]] = {}
    found: list[Pair] = []
    for key in present:
        by_noun.setdefault(_noun(key), []).append(key)
        if key in _GENERAL:
            found += [(key, general) for general in _GENERAL[key] if general in present]
    if len(by_noun) < len(present):
        for tags in by_noun.values():
            if len(tags) > 1:
                found += [pair for pair in permutations(tags, 2) if _is_kind_of(*pair)]
    return found


def without_implied(text: str, only: str = "") -> str:
    """A caption without the tags that others of it imply; its sentences stay, and so do tags that are there twice.

    Args: only: the one tag to take out where it is implied; "" for all.
    """
    told = told_apart(text)
    gone = {shorter for _, shorter in implications(piece_key(tag) for tag in told.tags)}
    if only:
        gone &= {piece_key(only)}
    if not gone:
        return text
    tags = {tag for tag in told.tags if piece_key(tag) in gone}
    return ", ".join(part for part in (part.strip() for part in text.split(",")) if part and part not in tags)


_GENERAL: dict[str, list[str]] = {}
for _general, _kinds in IMPLIED_BY.items():
    for _kind in _kinds:
        _GENERAL.setdefault(_kind, []).append(_general)

_SIDES: dict[str, list[tuple[int, int]]] = {}
for _number, _clash in enumerate(CLASHES):
    for _place, _side in enumerate(_clash.sides):
        for _tag in _side:
            _SIDES.setdefault(_tag, []).append((_number, _place))


def _is_of_one(keys: Iterable[str]) -> bool:
    present = set(keys)
    counts = present.intersection(_COUNTS)
    return "solo" in present or (len(counts) == 1 and counts <= {"1girl", "1boy", "1other"})


def _noun(key: str) -> str:
    return key.rpartition(" ")[2]


@lru_cache(maxsize=50_000)
def _is_kind_of(longer: str, shorter: str) -> bool:
    """Whether a tag has all words of another with the same last word, and none that denies it."""
    more, fewer = set(longer.split(" ")), set(shorter.split(" "))
    return fewer < more and not _NEGATIONS & (more - fewer)
