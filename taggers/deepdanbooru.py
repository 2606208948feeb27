"""DeepDanbooru: pictures -> danbooru tags with probabilities, by KichangKim's network in ONNX (MIT).

A model folder holds `deepdanbooru.onnx` and `deepdanbooru_tags.csv`, as the hub's deepghs/imgutils-models has them in
its folder `deepdanbooru`. Knows no other tagger and no caption.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from captioner.records import Tag
from captioner.settings import Effect, Levels, Settings, real, switch
from taggers.onnx_model import OnnxTagger, ToInput
from taggers.thresholds import above_each, first_of

if TYPE_CHECKING:
    from PIL.Image import Image


_PIECE_PIXELS = 1_000_000


class DeepDanbooruSettings(Settings):
    """Which of a picture's DeepDanbooru tags reach the caption. All of it re-composes."""

    deepdanbooru_threshold: float = real(
        0.5, 0.0, 1.0, "The lowest probability a tag is kept at.", label="Threshold", effect=Effect.COMPOSE
    )
    deepdanbooru_ratings: bool = switch(
        False, "Add the likeliest rating (safe, questionable, explicit).", label="Ratings", effect=Effect.COMPOSE
    )

    first_fields = ("deepdanbooru_threshold",)

    @classmethod
    def levels(cls) -> Levels:
        """How many tags are kept."""
        return Levels(
            title="Tags",
            help="Few keeps what is at least 0.7 probable, normal 0.5, many 0.3.",
            values={
                "few": {"deepdanbooru_threshold": 0.7},
                "normal": {"deepdanbooru_threshold": 0.5},
                "many": {"deepdanbooru_threshold": 0.3},
            },
        )


def to_deepdanbooru_input(image: Image, edge_px: int) -> NDArray[np.float32]:
    """Shrink or enlarge by area until the picture fits, centre it, and repeat its edge pixels around it.

    As the network was trained; with the black padding of other ports it sees "letterboxed".

    Args: image: RGB, any size. edge_px: the model's input edge, read from the ONNX graph.
    Returns: (edge_px, edge_px, 3), RGB, 0..1.
    Source: deepdanbooru's load_image_for_evaluate (TensorFlow's AREA resize, skimage's warp with mode "edge").
    """
    scale = np.float32(min(edge_px / image.width, edge_px / image.height))
    if max(image.size) == edge_px:
        pixels = np.asarray(image)
    else:
        height = max(1, int(np.rint(scale * np.float32(image.height))))
        width = max(1, int(np.rint(scale * np.float32(image.width))))
        # By stretches of columns: a whole photo in double precision is eight times as large as it is.
        columns = max(1, _PIECE_PIXELS // image.height)
        stretches = (
            image.crop((left, 0, min(left + columns, image.width), image.height))
            for left in range(0, image.width, columns)
        )
        lower = [_mean_of_area(np.asarray(stretch), 0, height) for stretch in stretches]
        pixels = _mean_of_area(np.concatenate(lower, axis=1), 1, width)
    centred = _centred(_centred(pixels, 0, edge_px), 1, edge_px)
    return np.ascontiguousarray(centred / 255, dtype=np.float32)


def _mean_of_area(pixels: NDArray[np.generic], axis: int, size: int) -> NDArray[np.float64]:
    """Resize one axis: each new pixel is the mean of the stretch it covers, pixels at its ends counted in part."""
    old = pixels.shape[axis]
    edges = np.arange(size + 1) * old / size
    first = np.minimum(edges.astype(np.int64), old - 1)  # the pixel in which each edge lies
    covered = _along(edges - first, axis)  # how much of that pixel lies before the edge
    at_edge = np.take(pixels, first, axis)
    between = np.add.reduceat(pixels, first[:-1], axis, dtype=np.float64)  # from one edge's pixel up to the next's
    between[_at(axis, slice(-1, None))] -= at_edge[_at(axis, slice(-1, None))]  # the last stretch runs to the end
    between *= _along(first[1:] > first[:-1], axis)  # enlarging: two edges in one pixel have none between them
    partly = covered * at_edge
    stretch = between + partly[_at(axis, slice(1, None))] - partly[_at(axis, slice(None, -1))]
    mean: NDArray[np.float64] = stretch * (size / old)
    return mean


def _centred(pixels: NDArray[np.generic], axis: int, size: int) -> NDArray[np.float64]:
    """Put one axis in the middle of `size` and repeat its ends; an odd remainder shifts by half a pixel."""
    old = pixels.shape[axis]
    places = np.arange(size) - (size - old) / 2
    lower = np.floor(places).astype(np.int64)
    part = _along(places - lower, axis)
    before, after = (np.take(pixels, np.clip(at, 0, old - 1), axis) for at in (lower, lower + 1))
    centred: NDArray[np.float64] = before * (1 - part) + after * part
    return centred


def _along(values: NDArray[np.generic], axis: int) -> NDArray[np.generic]:
    """A vector shaped to multiply (height, width, channels) along one of the first two axes."""
    return values[:, None, None] if axis == 0 else values[None, :, None]


def _at(axis: int, part: slice) -> tuple[slice, ...]:
    return (part,) if axis == 0 else (slice(None), part)


class DeepDanbooruTagger(OnnxTagger):
    """DeepDanbooru in an onnxruntime session."""

    family: ClassVar[str] = "deepdanbooru"
    title: ClassVar[str] = "DeepDanbooru"
    about: ClassVar[str] = "Danbooru tags by an older network."
    Settings: ClassVar[type[DeepDanbooruSettings]] = DeepDanbooruSettings
    weights_name = "deepdanbooru.onnx"
    labels_name = "deepdanbooru_tags.csv"
    subfolder = "deepdanbooru"

    @property
    def to_input(self) -> ToInput:
        """`to_deepdanbooru_input`."""
        return to_deepdanbooru_input

    @staticmethod
    def select(tags: Sequence[Tag], settings: DeepDanbooruSettings) -> list[Tag]:
        """General tags and characters at or above the threshold in the given order, then the rating if wanted."""
        kept = above_each(tags, dict.fromkeys(("general", "character"), settings.deepdanbooru_threshold))
        return kept + (first_of(tags, "rating") if settings.deepdanbooru_ratings else [])
