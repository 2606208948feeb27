"""Any ONNX tagger that a description fits: JoyTag, Camie, CL, and folders with a `tagger.json`. No code a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from captioner.contract import ModelSpec
from captioner.errors import BadModel
from captioner.models.weights import check_weights, fingerprinting
from captioner.records import Tag
from captioner.settings import Effect, Levels, Settings, real, switch
from taggers.onnx_labels import Label
from taggers.onnx_model import OnnxModel, OnnxTagger, ToInput, check_fit
from taggers.onnx_session import import_onnxruntime
from taggers.tagger_description import FILE_NAME, TaggerDescription, description_of, start_values
from taggers.thresholds import above_each, first_of

if TYPE_CHECKING:
    pass


class DescribedSettings(Settings):
    """Which of a picture's tags reach the caption. All of it re-composes; the model is not run again."""

    general_threshold: float = real(
        0.4, 0.0, 1.0, "The lowest probability a general tag is kept at.", effect=Effect.COMPOSE
    )
    character_threshold: float = real(
        0.6,
        0.0,
        1.0,
        "The lowest probability a name is kept at: of a character, a series or an artist.",
        label="Threshold of names",
        effect=Effect.COMPOSE,
    )
    copyrights: bool = switch(
        False, "Add series and brands (copyright tags).", label="Series and brands", effect=Effect.COMPOSE
    )
    artists: bool = switch(False, "Add artists.", effect=Effect.COMPOSE)
    meta: bool = switch(False, "Add tags about the file (highres, year, model).", effect=Effect.COMPOSE)
    quality: bool = switch(False, "Add the likeliest tag of quality.", effect=Effect.COMPOSE)
    ratings: bool = switch(False, "Add the likeliest rating.", effect=Effect.COMPOSE)

    first_fields = ("general_threshold",)

    @classmethod
    def levels(cls) -> Levels:
        """How many tags are kept."""
        return Levels(
            title="Tags",
            help="Few keeps what is at least 0.6 probable, normal 0.4, many 0.25.",
            values={
                "few": {"general_threshold": 0.6},
                "normal": {"general_threshold": 0.4},
                "many": {"general_threshold": 0.25},
            },
        )


class DescribedTagger(OnnxTagger):
    """An ONNX tagger by its description, in an onnxruntime session."""

    family: ClassVar[str] = "onnx"
    title: ClassVar[str] = "ONNX tagger"
    about: ClassVar[str] = "JoyTag, Camie, CL, or a folder of your own with a tagger.json."
    Settings: ClassVar[type[DescribedSettings]] = DescribedSettings
    defaults_file: ClassVar[str] = FILE_NAME

    def __init__(
        self, model: OnnxModel, labels: Sequence[Label], revision: str, description: TaggerDescription
    ) -> None:
        super().__init__(model, labels, revision)
        self._description = description

    @classmethod
    def load(cls, place: Path | str, *, device: str, spec: ModelSpec | None = None) -> Self:
        """The model in a folder, ready on `device`. Raises: BadModel, MissingPackage: as `Model.load`."""
        import_onnxruntime()
        description = description_of(Path(place), spec.name if spec else "")
        if description is None:
            raise BadModel(
                f"{place} has no {FILE_NAME} that says what the tagger is like, and no files of one that is known; "
                "docs/plug-ins.md has the keys."
            )
        folder = description.folder_in(Path(place))
        weights = folder / description.weights
        check_weights(weights)
        with fingerprinting(weights) as revision:
            labels = description.read_labels(folder)
            model = OnnxModel(
                weights,
                device=device,
                is_channels_first=description.layout == "nchw",
                activation=description.activation,
                output=description.output,
                edge_px=description.edge_px,
            )
            check_fit(model, labels, folder / description.labels)
            return cls(model, labels, revision(), description)

    @classmethod
    def accepts(cls, folder: Path) -> bool:
        """Whether it has a description, or the files of a known model."""
        return (folder / FILE_NAME).is_file() or description_of(folder) is not None

    @classmethod
    def defaults_from(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """The thresholds of a description."""
        return start_values(content)

    @property
    def to_input(self) -> ToInput:
        """As the description says."""
        return self._description.to_input

    @property
    def known_tags(self) -> frozenset[str]:
        """All but ratings and quality, whose names are words of another meaning."""
        return frozenset(label.name for label in self._labels if label.category not in ("rating", "quality"))

    @staticmethod
    def select(tags: Sequence[Tag], settings: DescribedSettings) -> list[Tag]:
        """Tags at or above their thresholds in the given order, then the likeliest quality and rating if wanted."""
        lowest = {"general": settings.general_threshold, "character": settings.character_threshold}
        if settings.copyrights:
            lowest["copyright"] = settings.character_threshold
        if settings.artists:
            lowest["artist"] = settings.character_threshold
        if settings.meta:
            lowest |= dict.fromkeys(("meta", "year", "model"), settings.general_threshold)
        last = [(settings.quality, "quality"), (settings.ratings, "rating")]
        return above_each(tags, lowest) + [tag for is_on, kind in last if is_on for tag in first_of(tags, kind)]
