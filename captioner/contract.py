"""What a model must and may offer, and what of the manager those who run models need. Loads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from captioner.records import Sentence, Tag

if TYPE_CHECKING:
    from PIL.Image import Image

    from captioner.models.registry import ModelSpec
    from captioner.settings import Settings


class Model(Protocol):
    """What every model class offers. Its module imports nothing heavy; `load` does.

    A family may have names of its own for models that are not registered:
    `spec_for(name)`, static: the `registry.ModelSpec` such a name stands for, None for a name of another kind; a
    ModelNotFound with the nearest names where it is of this kind and unknown.
    `other_names`: which names those are, in words for a person.
    `warning`: what a person should know about how a loaded model runs, to stand after its name; "" when all is well.
    """

    family: ClassVar[str]
    Settings: ClassVar[type[Settings]]

    @classmethod
    def load(cls, folder: Path, *, device: str) -> Model:
        """The model in `folder`, ready on `device` ("cpu", "cuda", "cuda:1"); fp16 on CUDA, fp32 on the CPU.

        Raises:
            BadModel: files missing, truncated, a pickle, a Git LFS pointer, or tensors that do not fit.
            MissingPackage: the package that runs it is not installed.
        """

    @property
    def device(self) -> str:
        """Where its weights are now; for ONNX the provider really in use decides ("cpu" or "cuda")."""

    @property
    def precision(self) -> str:
        """fp32 or fp16."""

    @property
    def runtime(self) -> str:
        """torch, or the ONNX provider really in use (CUDAExecutionProvider, CPUExecutionProvider)."""

    @property
    def revision(self) -> str:
        """Short hexadecimal fingerprint of the weights file, so that a layer says which weights made it."""

    @property
    def size_bytes(self) -> int:
        """Bytes its weights take where they are now."""

    def move_to(self, device: str) -> None:
        """Bring the weights to a device; "cpu" offloads."""


class Captioner(Model, Protocol):
    """Says a sentence about each picture.

    Two methods are optional, and the page offers further draws where a class has them: `encode(pictures)`, and
    `decode(encodings, settings, samples=n)`, whose sentences have the draws of the seeds that follow as alternatives.
    """

    def caption(self, pictures: Sequence[Image], settings: Any) -> list[Sentence]:
        """One sentence a picture, in order; the size of the batch never changes a result.

        Args: pictures: RGB, any size. settings: an instance of this class's `Settings`.
        """


class Tagger(Model, Protocol):
    """Gives each picture scored tags; which of them reach the caption is decided later by `keep`.

    Some methods are optional, and `pipeline` uses them where a class has them:
    `prepare_steps(settings, published=False)`: what is to be done once before the first picture and takes long, as an
    iterator of `Preparing`, a few seconds a step; what is done when it is closed stays done. published: fetch what
    others have published instead of computing it, so that other machines are asked only when the person wants it.
    `forecast(settings)`: the `Forecast` of that.
    `uses_sentence(settings)`, static: whether `tag` goes on from the captioner's sentences; it then gets them as a
    third argument, one a picture.
    """

    def tag(self, pictures: Sequence[Image], settings: Any) -> list[tuple[Tag, ...]]:
        """All tags worth storing for each picture, best first, whatever the COMPOSE settings are.

        Args: pictures: RGB, any size. settings: an instance of this class's `Settings`.
        """

    @staticmethod
    def keep(tags: Sequence[Tag], settings: Any) -> list[Tag]:
        """The tags that reach the caption under the COMPOSE settings, in caption order. Runs no model."""


class ModelUser(Protocol):
    """The side of `manager.ModelManager` that is needed here."""

    def use(self, name: str, family: str, /) -> AbstractContextManager[Any]:
        """The loaded model for as long as the context lasts."""

    def to_download(self, name: str, family: str, /) -> ModelSpec | None:
        """The hub model that must be fetched before this one is used, None where it is here."""
