"""What a drawn scene can hold: nouns, colours, styles, backgrounds, sizes, ratings, characters. Knows no model."""

from dataclasses import dataclass

Rgb = tuple[int, int, int]

NOUNS = ("circle", "square", "star", "heart", "moon", "house", "tree", "flower", "car", "fish", "cat", "dog")
PLURALS = {noun: "fish" if noun == "fish" else noun + "s" for noun in NOUNS}

COLOURS: dict[str, Rgb] = {
    "red": (222, 38, 38),
    "orange": (247, 140, 25),
    "yellow": (247, 218, 45),
    "green": (45, 160, 65),
    "blue": (45, 85, 215),
    "purple": (140, 55, 185),
    "pink": (246, 135, 190),
    "brown": (128, 78, 42),
    "black": (25, 25, 25),
    "white": (248, 248, 248),
}

STYLES = ("icon", "cartoon", "pencil", "photo", "pixel")
STYLE_WEIGHTS = (0.15, 0.25, 0.18, 0.22, 0.20)


@dataclass(frozen=True, kw_only=True)
class Background:
    """One background: its paint, and the object colours that would be hard to see on it.

    Args:
        paint: the flat colour, or the upper half's colour when `ground` is set.
        ground: the lower half's colour of a landscape.
        has_stars: whether small bright dots are strewn over it.
        clashes: object colours never drawn on it.
        styles: the styles drawn on it.
        weight: how often it is drawn, against the others its style allows.
    """

    paint: Rgb
    ground: Rgb | None = None
    has_stars: bool = False
    clashes: frozenset[str] = frozenset()
    styles: tuple[str, ...] = STYLES[1:]
    weight: float = 1.0


_FULL_COLOUR = ("cartoon", "photo", "pixel")
BACKGROUNDS: dict[str, Background] = {
    "white": Background(paint=(252, 252, 252), clashes=frozenset({"white"}), styles=STYLES, weight=2.0),
    "grey": Background(paint=(172, 172, 172)),
    "blue": Background(paint=(150, 200, 250), clashes=frozenset({"blue"})),
    "pink": Background(paint=(255, 212, 226), clashes=frozenset({"pink", "white"})),
    "black": Background(paint=(20, 20, 23), clashes=frozenset({"black"}), styles=("icon", *_FULL_COLOUR)),
    "grass": Background(
        paint=(140, 200, 250), ground=(95, 185, 80), clashes=frozenset({"green", "blue"}), styles=_FULL_COLOUR
    ),
    "night sky": Background(
        paint=(20, 25, 70), has_stars=True, clashes=frozenset({"black", "blue", "purple"}), styles=_FULL_COLOUR
    ),
    "beach": Background(
        paint=(110, 190, 245),
        ground=(240, 218, 160),
        clashes=frozenset({"blue", "yellow", "orange", "white"}),
        styles=_FULL_COLOUR,
    ),
}

MAX_COUNT = 3
MAX_GROUPS = 3
GROUP_SHARES = (0.40, 0.35, 0.25)  # of scenes with one, two and three groups

# Colour-noun pairs that no training picture shows: captions of them are composed, not remembered.
WITHHELD_PAIRS = frozenset({("purple", "star"), ("green", "heart"), ("orange", "fish")})

SIZES = ("small", "medium", "large")
# An object's longest side as a share of the picture's edge. The gaps between the ranges keep the words apart.
SIZE_RANGES = {"small": (0.165, 0.19), "medium": (0.225, 0.255), "large": (0.34, 0.60)}
SMALLEST_IN_PIXEL_ART = 0.18

# A rating is the number of the picture's corners that are folded over; it depends on nothing else in the scene.
RATINGS = ("general", "sensitive", "questionable", "explicit")
RATING_WEIGHTS = (0.55, 0.15, 0.15, 0.15)


@dataclass(frozen=True, kw_only=True)
class Character:
    """A named character: always this noun in this colour under this hat. Captions call it by its noun."""

    noun: str
    colour: str
    hat: str


CHARACTERS = {
    "mikan_(cat)": Character(noun="cat", colour="orange", hat="top hat"),
    "mocha_(dog)": Character(noun="dog", colour="brown", hat="cone"),
    "ruby_(fish)": Character(noun="fish", colour="red", hat="crown"),
}
CHARACTER_SHARE = 0.07  # of the groups that may be one


def indefinite_article(word: str) -> str:
    """ "an" before a vowel, else "a"."""
    return "an" if word[0] in "aeiou" else "a"
