"""Families as other packages would bring them: a captioner without a folder that reads names and tags, and a tagger
whose network has another layout, activation and categories than the product's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from captioner.contract import Captioner, ModelSpec, PictureInput, Readable
from captioner.records import Sentence, Tag
from captioner.settings import Effect, Settings, choice, real
from taggers.onnx_labels import Label
from taggers.onnx_model import OnnxTagger, ToInput
from tests.tiny_onnx import save_onnx


class EchoSettings(Settings):
    """A field that BLIP has too, one that nobody has, and one that depends on it."""

    temperature: float = real(1.0, 0.0, 2.0, "How freely it speaks.", only_when=("manner", ("free",)))
    manner: str = choice("plain", ("plain", "free", "tags"), "How it speaks; tags: it repeats what taggers found.")

    @classmethod
    def presets(cls) -> Mapping[str, Self]:
        """One."""
        return {"echo-freely": cls(manner="free", temperature=1.5)}


class EchoCaptioner(Captioner):
    """Says the file's name, and the tags where it is told to."""

    family: ClassVar[str] = "echo"
    title: ClassVar[str] = "Echo"
    Settings: ClassVar[type[Settings]] = EchoSettings
    is_remote: ClassVar[bool] = True
    places: ClassVar[list[Any]] = []

    @classmethod
    def load(cls, place: Path | str, *, device: str, spec: ModelSpec | None = None) -> Self:
        cls.places.append(place)
        return cls()

    @staticmethod
    def reads(settings: EchoSettings) -> Sequence[Readable]:
        return ("name", "tags") if settings.manner == "tags" else ("name",)

    def caption(self, inputs: Sequence[PictureInput], settings: EchoSettings) -> list[Sentence]:
        return [
            Sentence(" ".join([settings.manner, shown.name, *(tag.name for tag in shown.tags)]).strip())
            for shown in inputs
        ]

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def precision(self) -> str:
        return "fp32"

    @property
    def runtime(self) -> str:
        return "echo"

    @property
    def revision(self) -> str:
        return "1"

    @property
    def size_bytes(self) -> int:
        return 0

    def move_to(self, device: str) -> None:
        """It weighs nothing."""


ECHO = ModelSpec(
    name="echo-1",
    kind="captioner",
    family="echo",
    entry=f"{__name__}:EchoCaptioner",
    licence="MIT",
    about="repeats names, for tests",
)


class OddSettings(Settings):
    """What of the odd tagger reaches the caption."""

    threshold: float = real(0.5, 0.0, 1.0, "The lowest probability a tag is kept at.", effect=Effect.COMPOSE)


class OddTagger(OnnxTagger):
    """A tagger as other networks are: channels first, logits, categories and a label file of its own."""

    family: ClassVar[str] = "odd"
    Settings: ClassVar[type[Settings]] = OddSettings
    weights_name = "odd.onnx"
    labels_name = "odd.txt"
    is_channels_first = True
    activation = "sigmoid"

    @classmethod
    def read_labels(cls, path: Path) -> tuple[Label, ...]:
        return tuple(Label(name, "meadow") for name in path.read_text().split())

    @property
    def to_input(self) -> ToInput:
        return lambda image, edge_px: np.asarray(image.resize((edge_px, edge_px)), np.float32) / 255

    @staticmethod
    def select(tags: Sequence[Tag], settings: OddSettings) -> list[Tag]:
        return [tag for tag in tags if tag.score >= settings.threshold]


def odd_tagger(folder: Path) -> Path:
    """A folder of the odd tagger, which finds "grass" in green pictures and "sky" in blue ones."""
    folder.mkdir(parents=True)
    weights = np.array([[-9, -9], [9, -9], [-9, 9]], np.float32)  # (red, green, blue) x (grass, sky)
    save_onnx(folder / "odd.onnx", weights, sigmoid=False, is_channels_first=True)
    (folder / "odd.txt").write_text("grass\nsky\n")
    return folder


ODD = ModelSpec(
    name="odd-1", kind="tagger", family="odd", entry=f"{__name__}:OddTagger", repo="nobody/odd", files=("odd.onnx",),
    licence="MIT", about="finds meadows, for tests",
)  # fmt: skip
