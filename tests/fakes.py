"""Small models that are quick and predictable, registered beside the real ones for a test.

`with fake_models(folder) as models:` makes them known and gives what `--models` and `ModelManager(models=...)` take.
They belong to the real families and so have the real settings classes; only their answers are made up:

fake-blip   says "a red picture 40 wide under beam 3": the colour of the middle, the width, method and beams or seed;
            the other beams and draws are its alternatives
fake-clip   finds two flavors, own labels, a medium, a movement and an artist; in modes that go on from the sentence it
            repeats it
fake-wd14   finds the colour as a tag, "long_hair" and "hair", a character and a rating, with fixed scores
They fail on a picture whose middle is exactly POISON, as a model does on a picture it cannot take: with a ModelFailed,
or with what a test puts into `FakeModel.poison`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from PIL.Image import Image

from captioner.contract import Captioner, ModelSpec, PictureInput, Tagger
from captioner.errors import ModelFailed, ModelNotFound
from captioner.models import registry
from captioner.models.blip import BlipCaptioner, SamplingSettings
from captioner.records import Alternative, Forecast, Preparing, Sentence, Tag
from captioner.settings import Effect, Settings, whole
from taggers import vocabularies
from taggers.clip import ClipSettings, ClipTagger
from taggers.wd14 import Wd14Settings, Wd14Tagger

POISON = (255, 0, 255)

COLOURS = {"black": (0, 0, 0), "white": (255, 255, 255), "red": (255, 0, 0), "green": (0, 128, 0), "blue": (0, 0, 255)}


def colour_name(picture: Image) -> str:
    """The name of the colour that the picture's middle is nearest to.

    Raises: FakeModel.poison: it is POISON.
    """
    pixel: Any = picture.getpixel((picture.width // 2, picture.height // 2))
    if pixel == POISON:
        raise FakeModel.poison
    distances = {name: sum((a - b) ** 2 for a, b in zip(pixel, rgb, strict=True)) for name, rgb in COLOURS.items()}
    return min(distances, key=lambda name: distances[name])


class FakeModel:
    """What all fakes have in common. calls: the sizes of the batches that all of them were asked for."""

    calls: ClassVar[list[int]] = []
    poison: ClassVar[Exception]
    device: Any = "cpu"
    precision: Any = "fp32"
    runtime: Any = "fake"
    revision: Any = "abc123"
    size_bytes: Any = 1000
    may_work_beside: Any = True

    @classmethod
    def load(cls, place: Path | str, *, device: str, spec: ModelSpec | None = None) -> Any:
        return cls()

    def move_to(self, device: str) -> None:
        self.device = device


class FakeCaptioner(FakeModel, Captioner):
    family = "blip"
    Settings = SamplingSettings
    can_draw = staticmethod(BlipCaptioner.can_draw)
    shares_grid = BlipCaptioner.shares_grid

    def caption(self, inputs: Sequence[PictureInput], settings: SamplingSettings) -> list[Sentence]:
        return self.decode(self.encode([shown.image for shown in inputs]), settings)

    def draw(self, shown: PictureInput, settings: SamplingSettings, *, skip: int, count: int) -> list[Alternative]:
        after = settings.replaced(seed=(settings.seed + skip) % 2**31)
        [drawn] = self.decode(self.encode([shown.image]), after, samples=count)
        return [Alternative(drawn.text, drawn.score), *drawn.alternatives]

    def encode(self, pictures: Sequence[Image]) -> list[str]:
        self.calls.append(len(pictures))
        return [f"a {colour_name(picture)} picture {picture.width} wide under" for picture in pictures]

    def decode(self, encodings: Sequence[str], settings: SamplingSettings, *, samples: int = 1) -> list[Sentence]:
        """Under beam search beam 2 and so on are alternatives, each scored 0.1 less than the one before."""
        if settings.method == "nucleus":
            ends = [f"nucleus seed {settings.seed + number}" for number in range(samples)]
        else:
            ends = [f"beam {settings.num_beams}", *(f"its beam {place}" for place in range(2, settings.num_beams + 1))]
        found = [
            [Alternative(f"{start} {end}", -0.5 - 0.1 * place) for place, end in enumerate(ends)] for start in encodings
        ]
        return [Sentence(first.text, first.score, tuple(others)) for first, *others in found]


class FakeClip(FakeModel, Tagger):
    """labels_each: where not 0, it finds so many labels of each vocabulary, whatever the picture is.
    unprepared: labels that are still to be embedded, a hundred a step; nothing unless a test says so.
    """

    labels_each: ClassVar[int] = 0
    unprepared: ClassVar[int] = 0
    seconds_a_label: ClassVar[float] = 1.0
    seconds_a_step: ClassVar[float] = 0.0
    hub_is_away: ClassVar[bool] = False
    family = "clip"
    Settings = ClipSettings
    select = staticmethod(ClipTagger.select)
    reads = staticmethod(ClipTagger.reads)

    def forecast(self, settings: ClipSettings) -> Forecast:
        count = self.unprepared
        return Forecast(count, "labels to embed", count * self.seconds_a_label, 155 if count else 0)

    def prepare_steps(self, settings: ClipSettings, *, published: bool = False) -> Iterator[Preparing]:
        if published and self.hub_is_away:
            raise ModelNotFound("the file of label embeddings could not be downloaded from the hub.")
        total = FakeClip.unprepared
        while FakeClip.unprepared > 0:
            time.sleep(self.seconds_a_step)
            FakeClip.unprepared = 0 if published else max(0, FakeClip.unprepared - 100)
            yield Preparing(total - FakeClip.unprepared, total, "labels")

    def tag(self, inputs: Sequence[PictureInput], settings: ClipSettings) -> list[tuple[Tag, ...]]:
        pictures = [shown.image for shown in inputs]
        self.calls.append(len(pictures))
        if self.reads(settings):
            return [(Tag(f"after {shown.sentence!r}", 0.3, settings.mode, "clip"),) for shown in inputs]
        if self.labels_each:
            scored = [(number, kind) for number in range(self.labels_each) for kind in vocabularies.KINDS]
            tags = tuple(Tag(f"{kind} {number}", 0.5 - number / 1000, kind, "clip") for number, kind in scored)
            return [tags for _ in pictures]
        own = (
            [(label, "own") for label in vocabularies.own(settings.own_vocabulary).labels]
            if settings.own_vocabulary
            else []
        )
        words = [
            *own,
            ("highly detailed", "flavors"),
            ("an icon", "mediums"),
            ("cubism", "movements"),
            ("by Ada", "artists"),
        ]
        return [
            tuple(
                Tag(name, 0.3 - 0.01 * place, category, "clip")
                for place, (name, category) in enumerate([(f"{colour_name(picture)} tones", "flavors"), *words])
            )
            for picture in pictures
        ]


class FakeWd14(FakeModel, Tagger):
    family = "wd14"
    Settings = Wd14Settings
    select = staticmethod(Wd14Tagger.select)
    warning: Any = ""

    def tag(self, inputs: Sequence[PictureInput], settings: Wd14Settings) -> list[tuple[Tag, ...]]:
        pictures = [shown.image for shown in inputs]
        self.calls.append(len(pictures))
        return [
            tuple(
                Tag(name, score, category, "wd14")
                for name, score, category in [
                    ("nami_(one_piece)", 0.97, "character"),
                    (f"{colour_name(picture)}_background", 0.9, "general"),
                    ("sensitive", 0.8, "rating"),
                    ("long_hair", 0.6, "general"),
                    ("hair", 0.5, "general"),
                    ("hat", 0.1, "general"),
                ]
            )
            for picture in pictures
        ]


FAKES = tuple(
    ModelSpec(
        name=f"fake-{fake.family}",
        kind="captioner" if fake.family == "blip" else "tagger",
        family=fake.family,
        entry=f"{__name__}:{fake.__name__}",
        repo="nobody/nothing",
        files=("weights",),
        licence="MIT",
        about="for tests",
    )
    for fake in (FakeCaptioner, FakeClip, FakeWd14)
)


class ShapeSettings(Settings):
    """Settings of a family that the product does not have."""

    max_shapes: int = whole(2, 0, 9, "At most so many shapes.", effect=Effect.COMPOSE)
    shape_size: int = whole(8, 1, 64, "The smallest shape looked for.", unit="px")


class ShapeTagger(FakeModel, Tagger):
    """A tagger of a new family: what one new file and one registry line must suffice for."""

    family = "shapes"
    Settings = ShapeSettings

    def tag(self, inputs: Sequence[PictureInput], settings: ShapeSettings) -> list[tuple[Tag, ...]]:
        names = ["circle", "square", "star"]
        return [tuple(Tag(name, 0.5, "shape", "shapes") for name in names) for _ in inputs]

    @staticmethod
    def select(tags: Sequence[Tag], settings: ShapeSettings) -> list[Tag]:
        return list(tags[: settings.max_shapes])


NEW_FAMILY = ModelSpec(
    name="shapes-1",
    kind="tagger",
    family="shapes",
    entry=f"{__name__}:ShapeTagger",
    repo="nobody/shapes",
    files=("weights",),
    licence="MIT",
    about="for tests",
    defaults={"max_shapes": 1},
)


def _said_of_fakes() -> list[tuple[type[FakeModel], str, Any]]:
    """What a test may say of them, with its value now; their poison each has anew."""
    fakes = (FakeModel, FakeClip, FakeWd14)
    names = [(fake, name) for fake in fakes for name in fake.__annotations__ if name != "poison"]
    return [(fake, name, getattr(fake, name)) for fake, name in names]


@contextlib.contextmanager
def fake_models(folder: Path, *more: ModelSpec) -> Iterator[str]:
    """The fakes (and `more`) in the registry, each with a subfolder of `folder`; gives `folder` as `--models` takes it.

    They come after the real models of their family, whose class still says which settings there are; `default_model`
    finds the fakes, since only they have a subfolder. What a test says of the fakes meanwhile ends with it.
    """
    before, said = registry.MODELS, _said_of_fakes()
    added = (*FAKES, *more)
    for spec in added:
        (folder / spec.name).mkdir(parents=True, exist_ok=True)
    registry.MODELS = (*before, *added)
    FakeModel.calls.clear()
    FakeModel.poison = ModelFailed("The model gave no usable answer for this picture; leave it out.")
    try:
        yield str(folder)
    finally:
        registry.MODELS = before
        for fake, name, value in said:
            setattr(fake, name, value)
