"""WD14: pictures -> danbooru tags with probabilities, by SmilingWolf's ONNX models (Apache-2.0).

A model folder holds `model.onnx` and `selected_tags.csv`. Knows no other tagger and no caption.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from captioner import hub
from captioner.errors import BadModel
from captioner.records import Tag
from captioner.settings import Effect, Settings, real, switch
from captioner.thresholds import CHARACTER_FLOOR, STORED_MINIMUM, above, mcut, of_category
from taggers import onnx_model

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


class Wd14Tagger:
    """A WD14 model in an onnxruntime session."""

    family: ClassVar[str] = "wd14"
    Settings: ClassVar[type[Wd14Settings]] = Wd14Settings

    def __init__(self, model: onnx_model.OnnxModel, labels: Sequence[onnx_model.Label], revision: str) -> None:
        self._model = model
        self._labels = labels
        self._revision = revision

    @classmethod
    def load(cls, folder: Path, *, device: str) -> Wd14Tagger:
        """The model in `folder`, ready on `device`.

        Raises: BadModel, MissingPackage: as `records.Model.load`.
        """
        onnx_model.import_onnxruntime()
        weights = folder / "model.onnx"
        labels_path = folder / "selected_tags.csv"
        hub.check_weights(weights)
        hub.check_weights(labels_path)
        labels = onnx_model.read_labels(labels_path)
        model = onnx_model.OnnxModel(weights, device=device)
        onnx_model.check_fit(model, labels, labels_path)
        return cls(model, labels, hub.fingerprint(weights))

    @property
    def device(self) -> str:
        """Where it really runs: cuda only if onnxruntime's CUDA provider is in use."""
        return self._model.device

    @property
    def precision(self) -> str:
        """The published files are fp32."""
        return "fp32"

    @property
    def runtime(self) -> str:
        """The ONNX provider really in use."""
        return self._model.provider

    @property
    def revision(self) -> str:
        """Fingerprint of model.onnx."""
        return self._revision

    @property
    def size_bytes(self) -> int:
        """Bytes of the weights file, which the session holds once."""
        return self._model.size_bytes

    def move_to(self, device: str) -> None:
        """Open the session again on another provider."""
        self._model.move_to(device)

    def tag(self, pictures: Sequence[Image], settings: Wd14Settings) -> list[tuple[Tag, ...]]:
        """Every tag of at least `STORED_MINIMUM` for each picture, best first, whatever the thresholds are."""
        scores = self._model.run(pictures, to_wd14_input)
        if pictures and scores.shape[1] != len(self._labels):
            raise BadModel(
                f"{self._model.path} gives {scores.shape[1]:,} scores but selected_tags.csv names "
                f"{len(self._labels):,} tags; download both again."
            )
        return [onnx_model.to_tags(row, self._labels, self.family) for row in scores]

    @staticmethod
    def keep(tags: Sequence[Tag], settings: Wd14Settings) -> list[Tag]:
        """Characters and general tags at or above their thresholds in the given order, then the rating if wanted."""
        characters, general = of_category(tags, "character"), of_category(tags, "general")
        lowest_character, lowest_general = settings.character_threshold, settings.general_threshold
        if settings.use_mcut:
            lowest_general = mcut([tag.score for tag in general], rest=STORED_MINIMUM)
            character = mcut([tag.score for tag in characters], rest=STORED_MINIMUM)
            lowest_character = max(CHARACTER_FLOOR, character)
        kept = {*above(characters, lowest_character), *above(general, lowest_general)}
        ratings = of_category(tags, "rating")[:1] if settings.ratings else []
        return [tag for tag in tags if tag in kept] + ratings


def to_wd14_input(image: Image, edge_px: int) -> NDArray[np.float32]:
    """Pad to a white square, resize, and order channels as WD14 was trained.

    Black padding would make it see "letterboxed", stretching "head out of frame".

    Args: image: RGB, any size. edge_px: the model's input edge, read from the ONNX graph.
    Returns: (edge_px, edge_px, 3), BGR, 0..255, not normalised.
    Source: the authors' own demo, SmilingWolf/wd-tagger.
    """
    side = max(image.size)
    square = PIL.Image.new("RGB", (side, side), (255, 255, 255))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    if side != edge_px:
        square = square.resize((edge_px, edge_px), PIL.Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(square, dtype=np.float32)[:, :, ::-1])
