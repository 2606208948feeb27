"""A second family of captioners, as another package would bring it: without a folder, reading names and tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from captioner.contract import Captioner, ModelSpec, PictureInput, Readable
from captioner.records import Sentence
from captioner.settings import Settings, choice, real


class EchoSettings(Settings):
    """A field that BLIP has too, one that nobody has, and one that depends on it."""

    temperature: float = real(1.0, 0.0, 2.0, "How freely it speaks.", only_when=("manner", "free"))
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
