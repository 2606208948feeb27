"""CLIP's settings: how words are chosen, and how many of each vocabulary reach the caption. Loads nothing heavy."""

from __future__ import annotations

from typing import Any

from captioner.settings import Effect, Levels, Settings, choice, kept_file, real, switch, whole
from taggers.clip.ranking import STORED_LABELS

_RANK = ("mode", ("rank",))
_CHAIN = ("mode", ("chain",))


def _maximum(default: int, things: str) -> Any:
    return whole(
        default,
        0,
        STORED_LABELS,
        f"At most so many {things}; 0 = none.",
        effect=Effect.COMPOSE,
        only_when=_RANK,
    )


def _numbers(flavors: int, *, medium: int, other: int, chained: int) -> dict[str, int]:
    """How many words of each vocabulary; chained: how many flavors the modes add that go on from a sentence."""
    others = dict.fromkeys(("movements", "artists", "trendings"), other)
    return {"flavors": flavors, "mediums": medium, **others, "max_flavors": chained}


class ClipSettings(Settings):
    """How CLIP chooses words, and how many of each vocabulary reach the caption."""

    mode: str = choice(
        "rank",
        ("rank", "chain", "classic", "fast", "best"),
        "rank: the words of each vocabulary that fit the picture best. The others go on from the captioner's sentence. "
        "chain: flavors one by one while each makes the whole fit better, then the best selection of one artist, "
        "medium, trending and movement. classic, fast, best: the modes of clip-interrogator.",
    )
    flavors: int = _maximum(4, "flavors")
    mediums: int = _maximum(1, "mediums")
    movements: int = _maximum(1, "art movements")
    artists: int = _maximum(1, "artists")
    trendings: int = _maximum(1, "places where such pictures trend")
    own_vocabulary: str = kept_file(
        "Words of your own to rank beside the model's: a text file with one label a line, UTF-8.",
        keeper="taggers.vocabularies",
        only_when=("mode", ("rank", "fast", "best")),
    )
    own_labels: int = _maximum(4, "labels of your own vocabulary")
    similarity_threshold: float = real(
        -1.0,
        -1.0,
        1.0,
        "The lowest similarity a word is kept at; at -1 the best ones are kept, however badly they fit.",
        effect=Effect.COMPOSE,
        only_when=_RANK,
    )
    max_flavors: int = whole(
        32, 1, 64, "Add at most so many flavors.", only_when=("mode", ("chain", "classic", "fast", "best"))
    )
    min_flavors: int = whole(
        8, 0, 64, "Keep so many flavors of the chain even if they do not help.", only_when=("mode", ("best",))
    )
    candidates: int = whole(
        2048,
        1,
        8192,
        "Try so many flavors at each step, the best ranked; fewer are faster.",
        only_when=("mode", ("chain", "best")),
    )
    chain_artist: bool = switch(True, "The chain may end with an artist.", only_when=_CHAIN)
    chain_medium: bool = switch(True, "The chain may end with a medium.", only_when=_CHAIN)
    chain_trending: bool = switch(True, "The chain may end with where such pictures trend.", only_when=_CHAIN)
    chain_movement: bool = switch(True, "The chain may end with an art movement.", only_when=_CHAIN)

    @classmethod
    def levels(cls) -> Levels:
        """How many tags are kept."""
        return Levels(
            title="Tags",
            help="Few adds up to 3 phrases, normal 8, many 18, by the numbers under More.",
            values={
                "few": _numbers(2, medium=1, other=0, chained=8),
                "normal": _numbers(4, medium=1, other=1, chained=32),
                "many": _numbers(10, medium=2, other=2, chained=64),
            },
        )
