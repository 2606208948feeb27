"""What a model must and may offer, how it is named, and what those who run models need of their manager. Loads nothing.

A captioner derives from `Captioner`, a tagger from `Tagger`: what a class does not offer has a default here, so that
whoever uses models asks none of them what they have. Its module imports nothing heavy; `load` does.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self

from captioner.readings import CaptionReading, Opinion
from captioner.records import Alternative, Forecast, Preparing, Sentence, Tag

if TYPE_CHECKING:
    from PIL.Image import Image

    from captioner.settings import Settings

Kind = Literal["captioner", "tagger"]
Readable = Literal["sentence", "tags", "name", "folder", "existing", "trigger"]
"""What a model may read beside the picture: the captioner's sentence, the tags that taggers would put into the caption,
the file's name and its folder, the caption that came along with it, the trigger word of the captions."""
REDRAWS = 2
"""How often a glitch is drawn again where a family's settings do not say."""


@dataclass(frozen=True, slots=True)
class PictureInput:
    """A picture as a model gets it; beside the image only what its `reads` names, the rest is empty.

    image: RGB, any size. name: the file's name, data and never a path. existing: the caption that came along.
    sentence: what the captioner said. tags: as the caption would have them, each tagger's best first. folder: where it
    lies within its set, with "/" between folders; "" at the top. trigger: the captions' trigger word.
    digest: sha256 of the file that the image was opened from, hexadecimal, "" where that is not known: pictures of one
    digest are equal. preprocessed: by family, what a model's `preprocess_ahead` made of the image; it may be empty.
    """

    image: Image
    name: str = ""
    existing: str = ""
    sentence: str = ""
    tags: tuple[Tag, ...] = ()
    folder: str = ""
    trigger: str = ""
    digest: str = ""
    preprocessed: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def as_seen(self, family: str, way: Callable[[Image], Any]) -> Any:
        """What a model looks at: as it was made ahead, or else made now by its `preprocess_ahead`."""
        made = self.preprocessed.get(family)
        return way(self.image) if made is None else made


def inputs(pictures: Sequence[Image], sentences: Sequence[str] = ()) -> list[PictureInput]:
    """Pictures as models get them, with the captioner's sentence about each where there are some."""
    said = sentences or [""] * len(pictures)
    return [PictureInput(image, sentence=sentence) for image, sentence in zip(pictures, said, strict=True)]


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One model by name.

    entry: "module:Class" of a `Captioner` or `Tagger`. family: models that share a class and its settings; a caption
    uses at most one of each family. repo: the hub id, None where nothing is fetched. files: what is downloaded from the
    repo, patterns allowed but for the first two, which must be there. download_mb: what a first use fetches, 0 where
    that is not known. stored_bytes: what a number takes in its weights file. defaults: settings fields whose best value
    differs for this model. tag: open_clip's pair of architecture and pretrained. is_demo: shipped with the product in
    assets/demo/<name>, trained on drawn scenes. sends_to: the machine that pictures are sent to, "" where they stay on
    this one. near: of a repository that is not registered, those with like names, in case that it is not there.
    """

    name: str
    kind: Kind
    family: str
    entry: str
    repo: str | None = None
    files: tuple[str, ...] = ()
    licence: str
    download_mb: int = 0
    stored_bytes: int = 4
    about: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    tag: tuple[str, str] | None = None
    is_demo: bool = False
    sends_to: str = ""
    near: tuple[str, ...] = ()

    @property
    def has_folder(self) -> bool:
        """Whether its files lie in a folder here; a model that runs elsewhere, or brings its own, has none."""
        return self.repo is not None or self.is_demo

    def load_class(self) -> type[Model]:
        """The model class; importing it loads nothing heavy."""
        module, _, name = self.entry.partition(":")
        loaded: type[Model] = getattr(importlib.import_module(module), name)
        return loaded


class Model(ABC):
    """What captioners and taggers have in common.

    family: see `ModelSpec`. title: as people call the family. about: what it says of a picture, in a line.
    other_names: which names beside the registered ones `spec_for` understands, in words for a person; "" for none.
    names_with: words in lower case, one of which is in each of those names; () where they may be any.
    names_any_repo: among those names are hub repositories of anybody, which a visitor may name only where the app's
    start says so. defaults_file: the file of a model's folder that `defaults_from` reads, "" for none. is_remote: it
    runs elsewhere, at an address. is_live: it is cheap enough to run on every move of a slider. may_work_beside: it may
    be asked on any thread, one at a time, while others work; somebody's own model never had to. may_be_shared: on a CPU
    several threads may ask it at once too.
    """

    family: ClassVar[str]
    title: ClassVar[str] = ""
    about: ClassVar[str] = ""
    Settings: ClassVar[type[Settings]]
    other_names: ClassVar[str] = ""
    names_with: ClassVar[tuple[str, ...]] = ()
    names_any_repo: ClassVar[bool] = False
    defaults_file: ClassVar[str] = ""
    is_remote: ClassVar[bool] = False
    is_live: ClassVar[bool] = True
    may_work_beside: ClassVar[bool] = False
    may_be_shared: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def load(cls, place: Path | str, *, device: str, spec: ModelSpec | None = None) -> Self:
        """The model, ready on `device` ("cpu", "cuda", "cuda:1"); fp16 on CUDA, fp32 on the CPU.

        Args: place: the folder of its files; of a model without a folder the name or address that was asked for.
            spec: what the registry or the family knows of it; None for a folder that no registered name has.
        Raises:
            BadModel: files missing, truncated, a pickle, a Git LFS pointer, or tensors that do not fit.
            MissingPackage: the package that runs it is not installed.
        """

    @classmethod
    def spec_for(cls, name: str) -> ModelSpec | None:
        """What a name that is not registered stands for; None for a name of another kind.

        Raises: ModelNotFound: it is of this kind and nobody knows it; names the nearest ones.
        """
        return None

    @classmethod
    def name_warning(cls, name: str) -> str:
        """What who chose this name or folder should know before it is used, a sentence; "" when all is well."""
        return ""

    @classmethod
    def accepts(cls, folder: Path) -> bool:
        """Whether a folder of somebody's own looks like a model of this family, from its small files."""
        return False

    @classmethod
    def defaults_from(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """Values of settings fields that a folder wants by its `defaults_file`, each allowed; of those it names."""
        return {}

    @staticmethod
    def reads(settings: Any) -> Sequence[Readable]:
        """What the model reads beside the picture, with these settings; it runs after those that make it."""
        return ()

    @property
    @abstractmethod
    def device(self) -> str:
        """Where its weights are now; for ONNX the provider really in use decides ("cpu" or "cuda")."""

    @property
    @abstractmethod
    def precision(self) -> str:
        """fp32 or fp16."""

    @property
    @abstractmethod
    def runtime(self) -> str:
        """torch, or the ONNX provider really in use (CUDAExecutionProvider, CPUExecutionProvider)."""

    @property
    @abstractmethod
    def revision(self) -> str:
        """Short hexadecimal fingerprint of the weights file, so that a layer says which weights made it."""

    @property
    @abstractmethod
    def size_bytes(self) -> int:
        """Bytes its weights take where they are now, and what it remembers."""

    @property
    def warning(self) -> str:
        """What a person should know about how it runs, to stand after its name; "" when all is well."""
        return ""

    @property
    def note(self) -> str:
        """What was found out about how it runs, nobody's fault, to stand after its name; "" for nothing."""
        return ""

    @property
    def batch_size(self) -> int:
        """How many pictures are worth being asked at once."""
        return 8

    def preprocess_ahead(self) -> Callable[[Image], Any] | None:
        """What makes an image what the model looks at, for runs that have it done while the model looks at others.

        Returns: a function that is called on several threads at once, on the CPU, and holds no weights. What it gives
        comes back as the input's `preprocessed[family]`, where there was time for it; the model makes it itself where
        there was none, with equal results. None: nothing of its work can be done ahead.
        """
        return None

    @abstractmethod
    def move_to(self, device: str) -> None:
        """Bring the weights to a device; "cpu" offloads."""

    def release_memory(self) -> None:  # noqa: B027 - most have nothing
        """Let go of what can be made again (a part of `size_bytes`)."""

    def remember_more(self, more_bytes: int) -> None:  # noqa: B027 - most remember nothing
        """Remember at most so many bytes more than now (a part of `size_bytes`), until this is called again."""

    def forecast(self, settings: Any) -> Forecast:
        """What is still to be prepared, once, before the first picture."""
        return Forecast(0, "", 0.0)

    def prepare_steps(self, settings: Any, *, published: bool = False) -> Iterator[Preparing]:
        """What `forecast` tells of, a few seconds a step; what is done when this is closed stays done.

        Args: published: fetch what others have published instead of computing it, so that other machines are asked
            only when the person wants it.
        """
        return iter(())


class Captioner(Model):
    """Says a sentence about each picture.

    can_read: `read` tells what it makes of captions that are given to it, word by word. shares_grid: `caption_grid` of
    several settings costs less than asking one by one, so that it is worth waiting for a few together.
    """

    can_read: ClassVar[bool] = False
    shares_grid: ClassVar[bool] = False

    @abstractmethod
    def caption(self, inputs: Sequence[PictureInput], settings: Any) -> list[Sentence]:
        """One sentence a picture, in order; the size of the batch never changes a result where models compute in fp32.

        Args: settings: an instance of this class's `Settings`.
        Raises: ModelFailed, OutOfMemory: of the whole call: whoever asks goes on picture by picture. SomeFailed: with
            what the others gave, where asking again would cost.
        """

    def caption_grid(self, shown: PictureInput, grid: Sequence[Any]) -> list[Sentence]:
        """One sentence for each settings object, all for one picture. Raises: as `caption`."""
        return [self.caption([shown], settings)[0] for settings in grid]

    @staticmethod
    def select(sentence: Sentence, settings: Any) -> Sentence:
        """The sentence that reaches the caption under the COMPOSE settings. Runs no model."""
        return sentence

    @staticmethod
    def can_draw(settings: Any) -> bool:
        """Whether `draw` may say other sentences under these settings."""
        return False

    @staticmethod
    def asked(shown: PictureInput, settings: Any) -> str:
        """What it is asked about a picture, word for word; "" where it takes no question."""
        return ""

    @classmethod
    def drawing(cls, settings: Any) -> Any:
        """The settings under which an answer that went wrong is drawn again; None where chance changes nothing."""
        return settings if cls.can_draw(settings) else None

    @staticmethod
    def redraws(settings: Any) -> int:
        """How often an answer that went wrong is drawn again at most; 0 leaves it as it is."""
        return int(getattr(settings, "redraws", REDRAWS))

    def draw(self, shown: PictureInput, settings: Any, *, skip: int, count: int) -> list[Alternative]:
        """Further sentences for a picture by chance, where `can_draw` says so; some may be equal.

        Args: skip: how many seeds from the settings' own on were drawn before.
        """
        raise NotImplementedError(f"{self.family} draws no sentences")

    def background_of(self, inputs: Iterable[PictureInput], before: Any = None) -> Any:
        """What `read` compares a picture with: some pictures of its set taken together; None where there are none.

        Holds a few of them at a time.
        Args: before: what it gave for other pictures of the set, which count too.
        Raises: as `caption`.
        """
        raise NotImplementedError(f"{self.family} reads no captions")

    def read(self, shown: PictureInput, captions: Sequence[str], background: Any = None) -> list[CaptionReading]:
        """What it makes of captions of a picture, its own or anybody's, in order. Only where `can_read` says so.

        Args: background: what `background_of` gave; None where there are no other pictures.
        Raises: as `caption`.
        """
        raise NotImplementedError(f"{self.family} reads no captions")


class Tagger(Model):
    """Gives each picture scored tags; which of them reach the caption is decided later by `select`.

    can_compare: `opinions` tells which of two captions fits a picture better. gives_tags: False for one that does
    nothing else; it is run on no picture by itself, and its opinions are log-odds of a match.
    """

    can_compare: ClassVar[bool] = False
    gives_tags: ClassVar[bool] = True

    @property
    def known_tags(self) -> Collection[str]:
        """Every tag whose score is a probability that it is true; empty where scores are something else."""
        return ()

    @abstractmethod
    def tag(self, inputs: Sequence[PictureInput], settings: Any) -> list[tuple[Tag, ...]]:
        """All tags worth storing for each picture, best first, whatever the COMPOSE settings are.

        Args: settings: an instance of this class's `Settings`.
        Raises: as `Captioner.caption`.
        """

    @staticmethod
    @abstractmethod
    def select(tags: Sequence[Tag], settings: Any) -> list[Tag]:
        """The tags that reach the caption under the COMPOSE settings, in caption order. Runs no model."""

    def background_of(self, inputs: Iterable[PictureInput], before: Any = None) -> Any:
        """What `opinions` compares a picture with: some pictures of its set taken together; None where there are none.

        Args: before: what it gave for other pictures of the set, which count too.
        Raises: as `tag`.
        """
        return None

    def opinions(
        self, shown: PictureInput, rivals: Mapping[str, Sequence[str]], background: Any = None
    ) -> dict[str, dict[str, Opinion]]:
        """What it says of changed captions beside the caption itself. Only where `can_compare` says so.

        Args: rivals: caption -> the changed ones. background: what `background_of` gave.
        Returns: caption -> changed one -> opinion; one that it cannot tell from the caption is left out.
        Raises: as `tag`.
        """
        raise NotImplementedError(f"{self.family} compares no captions")


class ModelUser(Protocol):
    """The side of `models.manager.ModelManager` that those who run models need."""

    @property
    def budget_bytes(self) -> int | None:
        """What models on the device may take; None without a limit, as on a CPU where nobody gave one."""

    def use(self, name: str, family: str, /) -> AbstractContextManager[Any]:
        """The loaded model for as long as the context lasts."""

    def to_download(self, name: str, family: str, /) -> ModelSpec | None:
        """The hub model that must be fetched before this one is used, None where it is here."""

    def fetch_steps(self, spec: ModelSpec, /) -> Iterator[tuple[int, int]]:
        """Fetch it, in steps of bytes so far and bytes in all (0 while unknown); closing them stops it."""
