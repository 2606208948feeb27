"""WD14: pictures -> danbooru tags with probabilities, by SmilingWolf's ONNX models (Apache-2.0).

A model folder holds `model.onnx` and `selected_tags.csv`. Knows no other tagger and no caption.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from captioner.records import Tag
from captioner.settings import Effect, Levels, Settings, real, switch
from taggers.onnx_model import OnnxTagger, ToInput
from taggers.squares import padded_square
from taggers.thresholds import CHARACTER_FLOOR, STORED_MINIMUM, above_each, first_of, mcut, of_category

if TYPE_CHECKING:
    from PIL.Image import Image


class Wd14Settings(Settings):
    """Which of a picture's WD14 tags reach the caption. All of it re-composes; the model is not run again."""

    general_threshold: float = real(
        0.35, 0.0, 1.0, "The lowest probability a general tag is kept at.", effect=Effect.COMPOSE
    )
    character_threshold: float = real(
        0.85, 0.0, 1.0, "The lowest probability a character's name is kept at.", effect=Effect.COMPOSE
    )
    use_mcut: bool = switch(
        False,
        "Find both thresholds for each picture by itself, at the largest gap between its scores (MCut).",
        label="Automatic thresholds",
        effect=Effect.COMPOSE,
    )
    ratings: bool = switch(
        False, "Add the likeliest rating (general, sensitive, questionable, explicit).", effect=Effect.COMPOSE
    )

    first_fields = ("general_threshold",)

    @classmethod
    def levels(cls) -> Levels:
        """How many tags are kept."""
        return Levels(
            title="Tags",
            help="Few keeps what is at least 0.5 probable, normal 0.35, many 0.2.",
            values={
                "few": {"general_threshold": 0.5, "use_mcut": False},
                "normal": {"general_threshold": 0.35, "use_mcut": False},
                "many": {"general_threshold": 0.2, "use_mcut": False},
            },
        )


def to_wd14_input(image: Image, edge_px: int) -> NDArray[np.float32]:
    """Pad to a white square, resize, and order channels as WD14 was trained.

    Black padding would make it see "letterboxed", stretching "head out of frame".

    Args: image: RGB, any size. edge_px: the model's input edge, read from the ONNX graph.
    Returns: (edge_px, edge_px, 3), BGR, 0..255, not normalised.
    Source: the authors' own demo, SmilingWolf/wd-tagger.
    """
    square = padded_square(image, edge_px)
    return np.ascontiguousarray(np.asarray(square, dtype=np.float32)[:, :, ::-1])


class Wd14Tagger(OnnxTagger):
    """A WD14 model in an onnxruntime session."""

    family: ClassVar[str] = "wd14"
    title: ClassVar[str] = "WD14"
    about: ClassVar[str] = "Danbooru tags: what is in the picture, word by word. Best for drawings."
    Settings: ClassVar[type[Wd14Settings]] = Wd14Settings
    weights_name = "model.onnx"
    labels_name = "selected_tags.csv"

    @property
    def to_input(self) -> ToInput:
        """`to_wd14_input`."""
        return to_wd14_input

    @staticmethod
    def select(tags: Sequence[Tag], settings: Wd14Settings) -> list[Tag]:
        """Characters and general tags at or above their thresholds in the given order, then the rating if wanted."""
        lowest = {"general": settings.general_threshold, "character": settings.character_threshold}
        if settings.use_mcut:
            found = {kind: mcut([tag.score for tag in of_category(tags, kind)], rest=STORED_MINIMUM) for kind in lowest}
            lowest = {"general": found["general"], "character": max(CHARACTER_FLOOR, found["character"])}
        kept = above_each(tags, lowest)
        return kept + (first_of(tags, "rating") if settings.ratings else [])
