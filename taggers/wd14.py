"""WD14: pictures -> danbooru tags with probabilities, by SmilingWolf's ONNX models (Apache-2.0).

A model folder holds `model.onnx` and `selected_tags.csv`. Knows no other tagger and no caption.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from captioner.images.strips import strip_rows
from captioner.records import Tag
from captioner.settings import Effect, Levels, Settings, real, switch
from taggers.onnx_model import OnnxTagger
from taggers.thresholds import CHARACTER_FLOOR, STORED_MINIMUM, above_each, first_of, mcut, of_category

if TYPE_CHECKING:
    from PIL.Image import Image


_WHITE = (255, 255, 255)
_TURN = PIL.Image.Transpose.TRANSPOSE
_BICUBIC_REACH = 2  # pixels on either side that a new one is made of
# Up to here rows are padded whole, which is exact; a part is placed by Pillow in single precision.
_WHOLE_PX = 2048
_WHOLE_RATIO = 4


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
    side = max(image.size)
    across, left = _along_padded_rows(image, side, edge_px)
    turned, top = _along_padded_rows(across.transpose(_TURN), side, edge_px)
    square = PIL.Image.new("RGB", (edge_px, edge_px), _WHITE)
    square.paste(turned.transpose(_TURN), (left, top))
    return np.ascontiguousarray(np.asarray(square, dtype=np.float32)[:, :, ::-1])


def _along_padded_rows(image: Image, side: int, edge_px: int) -> tuple[Image, int]:
    """Rows padded with white on both sides to the length of `side`, and resized to `edge_px`.

    The square itself is never made: of a strip of 60,000 x 20 pixels it takes 14 GB. What the picture's own pixels do
    not reach is white, so in long strips only the rest is reckoned, piece by piece.

    Returns: the columns that may be other than white, and the place of the first one.
    """
    width, height = image.size
    before = (side - width) // 2
    if side == edge_px:
        return image, before
    if side == width:
        return image.resize((edge_px, height), PIL.Image.Resampling.BICUBIC), 0
    scale = side / edge_px
    first, last, start, stop = 0, edge_px, 0, side
    if side > max(_WHOLE_PX, _WHOLE_RATIO * width):
        reach = _BICUBIC_REACH * max(scale, 1.0)
        first = max(0, math.floor((before - reach) / scale) - 1)
        last = min(edge_px, math.ceil((before + width + reach) / scale) + 1)
        start = max(0, math.floor(first * scale - reach) - 1)
        stop = min(side, math.ceil(last * scale + reach) + 1)
    made = PIL.Image.new("RGB", (last - first, height))
    for top, rows in strip_rows(stop - start, height):
        padded = PIL.Image.new("RGB", (stop - start, rows), _WHITE)
        padded.paste(image.crop((0, top, width, top + rows)), (before - start, 0))
        box = (first * scale - start, 0, min(last * scale - start, stop - start), rows)
        made.paste(padded.resize((last - first, rows), PIL.Image.Resampling.BICUBIC, box), (0, top))
    return made, first


class Wd14Tagger(OnnxTagger):
    """A WD14 model in an onnxruntime session."""

    family: ClassVar[str] = "wd14"
    title: ClassVar[str] = "WD14"
    about: ClassVar[str] = "Danbooru tags: what is in the picture, word by word. Best for drawings."
    Settings: ClassVar[type[Wd14Settings]] = Wd14Settings
    weights_name = "model.onnx"
    labels_name = "selected_tags.csv"

    def to_input(self, image: Image, edge_px: int) -> NDArray[np.float32]:
        """As `to_wd14_input`."""
        return to_wd14_input(image, edge_px)

    @staticmethod
    def select(tags: Sequence[Tag], settings: Wd14Settings) -> list[Tag]:
        """Characters and general tags at or above their thresholds in the given order, then the rating if wanted."""
        lowest = {"general": settings.general_threshold, "character": settings.character_threshold}
        if settings.use_mcut:
            found = {kind: mcut([tag.score for tag in of_category(tags, kind)], rest=STORED_MINIMUM) for kind in lowest}
            lowest = {"general": found["general"], "character": max(CHARACTER_FLOOR, found["character"])}
        kept = above_each(tags, lowest)
        return kept + (first_of(tags, "rating") if settings.ratings else [])
