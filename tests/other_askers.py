"""A family as a package would bring it that follows instructions: it says what it was asked, or goes wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

from captioner.contract import ModelSpec, PictureInput
from captioner.models import registry
from captioner.models.questions import AskedCaptioner, QuestionSettings
from captioner.records import Alternative, Sentence
from captioner.settings import Settings, choice, whole


class ParrotSettings(QuestionSettings):
    """By chance or not."""

    first_fields = ("prompt", "wishes", "word_count", "system")

    method: str = choice("beam", ("beam", "nucleus"), "How it finds its words.")
    seed: int = whole(0, 0, 2**31 - 1, "Of its words by chance.", only_when=("method", ("nucleus",)))

    @classmethod
    def presets(cls) -> Mapping[str, Self]:
        """The ready questions."""
        return cls.asking(length="seed")


class ParrotCaptioner(AskedCaptioner):
    """Repeats the question; said: what it says instead to each seed, and under beam search at first."""

    family: ClassVar[str] = "parrot"
    title: ClassVar[str] = "Parrot"
    Settings: ClassVar[type[Settings]] = ParrotSettings
    said: ClassVar[dict[int, Any]] = {}
    others: ClassVar[tuple[Alternative, ...]] = ()
    drawn: ClassVar[list[int]] = []
    device = precision = runtime = "cpu"  # type: ignore[assignment]
    revision = "1"  # type: ignore[assignment]
    size_bytes = 0  # type: ignore[assignment]

    @classmethod
    def load(cls, place: Path | str, *, device: str, spec: ModelSpec | None = None) -> Self:
        return cls()

    def move_to(self, device: str) -> None:
        """It weighs nothing."""

    def caption(self, inputs: Sequence[PictureInput], settings: ParrotSettings) -> list[Sentence]:
        return [self._say(settings.asked(shown), settings.seed, self.others) for shown in inputs]

    def _say(self, asked: str, seed: int, others: tuple[Alternative, ...] = ()) -> Sentence:
        said = self.said.get(seed, asked)
        if isinstance(said, Exception):
            raise said
        return said if isinstance(said, Sentence) else Sentence(said, -1.0, others, "stop")

    @staticmethod
    def can_draw(settings: ParrotSettings) -> bool:
        return settings.method == "nucleus"

    def draw(self, shown: PictureInput, settings: ParrotSettings, *, skip: int, count: int) -> list[Alternative]:
        seeds = [settings.seed + skip + number for number in range(count)]
        self.drawn.extend(seeds)
        said = [self._say(settings.asked(shown), seed) for seed in seeds]
        return [Alternative(one.text, one.score, one.finish) for one in said]


PARROT = ModelSpec(
    name="parrot-1",
    kind="captioner",
    family="parrot",
    entry=f"{__name__}:ParrotCaptioner",
    licence="MIT",
    about="repeats questions, for tests",
)


@contextmanager
def parrot(said: Mapping[int, Any] = {}, others: Sequence[Alternative] = ()) -> Iterator[list[int]]:
    """The family in the registry. Gives: the seeds that were drawn."""
    before = registry.MODELS
    registry.MODELS = (*before, PARROT)
    ParrotCaptioner.said, ParrotCaptioner.others, ParrotCaptioner.drawn = dict(said), tuple(others), []
    try:
        yield ParrotCaptioner.drawn
    finally:
        registry.MODELS = before
