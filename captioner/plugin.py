"""What a captioner or tagger of one's own is made of, in one place; docs/plug-ins.md shows how, with two that run.

A class that derives from `Captioner` or `Tagger` here says what it is called, opens its files and answers one picture
at a time. What else the contract asks of a model is found in the torch modules that the instance holds. Loads no model.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, Self

from captioner import contract
from captioner.contract import Kind, Model, ModelSpec, PictureInput
from captioner.errors import BadModel, CaptionerError, MissingPackage, ModelFailed, OutOfMemory
from captioner.limits import MAX_NAME_LENGTH, check_text, is_finite, shown, value_shown
from captioner.models.cards import put_on
from captioner.models.memory import is_out_of_memory
from captioner.models.weights import fingerprint
from captioner.records import Alternative, Sentence, Tag
from captioner.settings import Effect, Levels, Settings, choice, real, switch, whole, words
from taggers.thresholds import STORED_MINIMUM, above

__all__ = [
    "Alternative",
    "Captioner",
    "Effect",
    "Levels",
    "ModelSpec",
    "PictureInput",
    "Sentence",
    "Settings",
    "Tag",
    "TagSettings",
    "Tagger",
    "choice",
    "real",
    "switch",
    "whole",
    "words",
]

_PRECISIONS = {"torch.float32": "fp32", "torch.float16": "fp16", "torch.bfloat16": "bf16"}


class NoSettings(Settings):
    """Nothing to set."""


class TagSettings(Settings):
    """The one setting that taggers have in common; derive from it to add some."""

    threshold: float = real(0.35, 0.0, 1.0, "The lowest score a tag is kept at.", effect=Effect.COMPOSE)


class PlugIn(Model):
    """What `Captioner` and `Tagger` have in common.

    name: as people choose it; `family` follows from it. licence: of its weights. repo: a hub id, None for a model
    whose files are not fetched. files: what is fetched of it; the first two must be there. download_mb: 0 where that is
    not known. The rest is as in `contract.Model`.
    """

    kind: ClassVar[Kind]
    name: ClassVar[str] = ""
    licence: ClassVar[str] = "not said"
    repo: ClassVar[str | None] = None
    files: ClassVar[tuple[str, ...]] = (
        *("config.json", "model.safetensors", "*.safetensors", "*.json", "*.model", "*.txt", "*.jinja"),
    )
    download_mb: ClassVar[int] = 0
    _revision = ""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "name" in vars(cls):
            cls.family = vars(cls).get("family", re.sub(r"\W", "_", cls.name))
            cls.title = vars(cls).get("title", cls.name)

    @abstractmethod
    def open(self, folder: Path, device: str) -> None:
        """Open the files in a folder and keep in `self` what answers need, on `device` ("cpu", "cuda", "cuda:1").

        Import torch and the like here, never at the top of the file. Args: folder: where the files were fetched to;
        without a `repo`, where the plug-in itself lies.
        """

    @classmethod
    def spec(cls) -> ModelSpec:
        """What the registry knows of it."""
        return ModelSpec(
            name=cls.name,
            kind=cls.kind,
            family=cls.family,
            entry=f"{cls.__module__}:{cls.__name__}",
            repo=cls.repo,
            files=cls.files,
            licence=cls.licence,
            download_mb=cls.download_mb,
            about=cls.about,
        )

    @classmethod
    def load(cls, place: Path | str, *, device: str, spec: ModelSpec | None = None) -> Self:
        """As `Model.load`, by `open`."""
        own_file = Path(inspect.getfile(cls))
        folder = place if isinstance(place, Path) else own_file.parent
        model = cls()
        with _blamed(cls.name, "cannot be opened", BadModel):
            model.open(folder, device)
            for module in model._torch_modules():
                module.eval()
        weights = [] if folder == own_file.parent else sorted((*folder.glob("*.safetensors"), *folder.glob("*.onnx")))
        model._revision = _fingerprint_of(weights or [own_file])
        return model

    @property
    def device(self) -> str:
        """Where the torch modules are; cpu where there are none."""
        return next((str(tensor.device) for tensor in self._tensors()), "cpu")

    @property
    def precision(self) -> str:
        """Of the first weights that are no whole numbers."""
        kinds = (_PRECISIONS.get(str(tensor.dtype)) for tensor in self._tensors())
        return next((kind for kind in kinds if kind), "fp32")

    @property
    def runtime(self) -> str:
        """torch, or python where it holds no torch module."""
        return "torch" if self._torch_modules() else "python"

    @property
    def revision(self) -> str:
        """Of the weights in its folder; where there are none, of the plug-in's file."""
        return self._revision

    @property
    def size_bytes(self) -> int:
        """Bytes of all weights; what two modules share counts once."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self._tensors())

    @property
    def batch_size(self) -> int:
        """One, since pictures are answered one by one."""
        return 1

    def move_to(self, device: str) -> None:
        """Bring every torch module to a device."""
        for module in self._torch_modules():
            put_on(module, device)

    def _torch_modules(self) -> list[Any]:
        torch = sys.modules.get("torch")
        held: list[Any] = []
        for value in vars(self).values():
            held += value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
        return [value for value in held if torch is not None and isinstance(value, torch.nn.Module)]

    def _tensors(self) -> Iterator[Any]:
        tensors: dict[int, Any] = {}
        for module in self._torch_modules():
            tensors |= {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
        yield from tensors.values()


class Captioner(PlugIn, contract.Captioner):
    """A captioner of one's own: `open` and `say`. One that gains by batches overrides `caption` and `batch_size`."""

    kind: ClassVar[Kind] = "captioner"
    Settings: ClassVar[type[Settings]] = NoSettings

    @abstractmethod
    def say(self, picture: PictureInput, settings: Any) -> Sentence | str:
        """A sentence about a picture. What is drawn by chance must follow from a seed among the settings."""

    def caption(self, inputs: Sequence[PictureInput], settings: Any) -> list[Sentence]:
        """As `contract.Captioner.caption`, one by one."""
        return [self._said(picture, settings) for picture in inputs]

    def _said(self, picture: PictureInput, settings: Any) -> Sentence:
        with _blamed(self.name, "failed", ModelFailed), _without_gradients():
            said = self.say(picture, settings)
            if not isinstance(said, Sentence | str):
                raise ModelFailed(f"{self.name} gave {type(said).__name__}; a sentence must be text or a Sentence.")
            sentence = Sentence(said.strip()) if isinstance(said, str) else said
            check_text(sentence.text, f"the sentence of {self.name}")
            return sentence


class Tagger(PlugIn, contract.Tagger):
    """A tagger of one's own: `open` and `scores`. One whose settings have no threshold needs a `select` too."""

    kind: ClassVar[Kind] = "tagger"
    Settings: ClassVar[type[Settings]] = TagSettings

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if cls.select is Tagger.select and "threshold" not in [field.name for field in cls.Settings.fields()]:
            raise CaptionerError(
                f"the settings of {cls.name or cls.__name__} have no threshold; derive them from TagSettings, or give "
                "the class a select of its own."
            )

    @abstractmethod
    def scores(self, picture: PictureInput, settings: Any) -> Mapping[str, float] | Iterable[Tag]:
        """Every tag worth storing and its score, whatever the threshold is: a mapping, or `Tag`s with categories."""

    def tag(self, inputs: Sequence[PictureInput], settings: Any) -> list[tuple[Tag, ...]]:
        """As `contract.Tagger.tag`, one by one."""
        return [self._tags(picture, settings) for picture in inputs]

    @staticmethod
    def select(tags: Sequence[Tag], settings: Any) -> list[Tag]:
        """The tags at or above the threshold."""
        return above(tags, settings.threshold)

    def _tags(self, picture: PictureInput, settings: Any) -> tuple[Tag, ...]:
        with _blamed(self.name, "failed", ModelFailed), _without_gradients():
            found = self.scores(picture, settings)
            if isinstance(found, Mapping):
                tags = [self._tag(name, score, "general") for name, score in found.items()]
            else:
                tags = [self._tag(tag.name, tag.score, tag.category) for tag in found]
        return tuple(sorted((tag for tag in tags if tag.score >= STORED_MINIMUM), key=lambda tag: -tag.score))

    def _tag(self, name: Any, score: Any, category: Any) -> Tag:
        number = score.item() if hasattr(score, "item") else score  # of torch or NumPy
        if not is_finite(number):
            raise ModelFailed(f"{self.name} gave {value_shown(name)} the score {value_shown(number)}, which is none.")
        for text in (name, category):
            check_text(text, f"a tag of {self.name}", max_length=MAX_NAME_LENGTH)
        if not name:
            raise ModelFailed(f"{self.name} gave a tag without a name.")
        return Tag(name, float(number), category, self.family)


@contextmanager
def _blamed(name: str, what: str, kind: type[CaptionerError]) -> Iterator[None]:
    """Whatever somebody's own code does wrong costs the model or the picture, in a sentence that names the model."""
    try:
        yield
    except CaptionerError:
        raise
    except ModuleNotFoundError as error:
        raise MissingPackage(f"{name} needs the package {error.name}: pip install {error.name}") from error
    except Exception as error:
        if is_out_of_memory(error):
            raise OutOfMemory(f"there is not enough memory for {name}; use --device cpu, or another model.") from error
        raise kind(f"{name} {what} ({shown(f'{type(error).__name__}: {error}')}).") from error


def _without_gradients() -> AbstractContextManager[Any]:
    torch = sys.modules.get("torch")
    return nullcontext() if torch is None else torch.inference_mode()


def _fingerprint_of(paths: Sequence[Path]) -> str:
    """Of one file as `weights.fingerprint`, of several of theirs."""
    prints = [fingerprint(path) for path in paths]
    return prints[0] if len(prints) == 1 else hashlib.sha256("".join(prints).encode()).hexdigest()[:12]
