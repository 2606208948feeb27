"""An ONNX picture tagger as a file: its input and outputs, batches, labels; the taggers share it.

Knows no particular model's preprocessing; how the file runs, `onnx_session` knows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from captioner.contract import ModelSpec, PictureInput, Tagger
from captioner.errors import BadModel, ModelFailed
from captioner.models.memory import in_halves
from captioner.models.weights import check_weights, fingerprinting
from captioner.records import Tag
from taggers.onnx_labels import CATEGORIES, Label, read_labels, to_tags
from taggers.onnx_session import CPU, CUDA, OnnxSession, import_onnxruntime

if TYPE_CHECKING:
    from PIL.Image import Image


# Pictures a run. More than one gains nothing on a CPU; on a card each more takes 100 MB and more of a ViT-B at 448 px.
# Results are the same either way.
_BATCH = {CUDA: 4, CPU: 1}

# What a file may ask for: published taggers take 448 and 512 pixels and name some 10,000 tags in 0.4 MB.
_MAX_EDGE_PX = 2048
_MAX_FIXED_BATCH = 64

# What the input may be.
_FLOATS: dict[str, type[np.floating[Any]]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}

ToInput = Callable[["Image", int], NDArray[np.float32]]
"""A picture and an edge in pixels -> (edge, edge, 3), as a network was trained to see it."""
Picture = TypeVar("Picture")
Activation = Literal["none", "sigmoid", "softmax"]
"""What makes probabilities of a network's output."""

_log = logging.getLogger(__name__)


class OnnxModel:
    """A session with one picture input of a square edge and an output of scores.

    edge_px: the input's edge. fixed_batch: the batch axis where the file fixes it, else None.
    """

    def __init__(
        self,
        path: Path,
        *,
        device: str,
        is_channels_first: bool = False,
        activation: Activation = "none",
        output: str | int = 0,
        edge_px: int = 0,
    ) -> None:
        """
        Args: device: "cpu", "cuda", "cuda:1"; CUDA falls back to the CPU with a `warning`. is_channels_first: the input
            is (batch, 3, edge, edge) instead of (batch, edge, edge, 3). activation: what makes probabilities of the
            output. output: which one, by its name or its place. edge_px: where the graph leaves the edge open.
        Raises: MissingPackage, or BadModel for a file that is damaged or takes another kind of input.
        """
        self.path = path
        self._is_channels_first = is_channels_first
        self._activation = activation
        self._session = OnnxSession(path, device)
        taken, given = self._session.inputs, self._session.outputs
        shape = list(taken[0].shape)
        channels, edge = (1, 2) if is_channels_first else (3, 1)
        if len(shape) == 4 and edge_px:
            shape = [size if isinstance(size, int) or not place else edge_px for place, size in enumerate(shape)]
            shape[channels] = shape[channels] if isinstance(taken[0].shape[channels], int) else 3
        is_pictures = len(shape) == 4 and shape[channels] == 3 and isinstance(shape[edge], int)
        kind = _FLOATS.get(taken[0].type)
        if len(taken) != 1 or not is_pictures or shape[edge] != shape[edge + 1] or kind is None:
            wanted = "(batch, 3, edge, edge)" if is_channels_first else "(batch, edge, edge, 3)"
            raise BadModel(
                f"{path} takes {taken[0].type} of shape {shape}; expected one input of square pictures as float32, "
                f"shape {wanted}. It is not a tagger of this family."
            )
        self._float: type[np.floating[Any]] = kind
        self.edge_px = int(shape[edge])
        self.fixed_batch = shape[0] if isinstance(shape[0], int) else None
        if not 1 <= self.edge_px <= _MAX_EDGE_PX:
            raise BadModel(
                f"{path} takes pictures of {self.edge_px:,} pixels an edge; a tagger takes 1 to {_MAX_EDGE_PX:,}. "
                "Take another model."
            )
        if self.fixed_batch is not None and not 1 <= self.fixed_batch <= _MAX_FIXED_BATCH:
            raise BadModel(
                f"{path} takes {self.fixed_batch:,} pictures at once; a tagger takes 1 to {_MAX_FIXED_BATCH}. "
                "Take another model."
            )
        chosen = next((one for place, one in enumerate(given) if output in (place, one.name)), None)
        if chosen is None:
            names = ", ".join(one.name for one in given)
            raise BadModel(f"{path} has no output {output!r}; its outputs are {names}, counted from 0.")
        outputs = chosen.shape[-1] if chosen.shape else None
        self.output_count = outputs if isinstance(outputs, int) else None
        self.input_name, self.output_name = taken[0].name, chosen.name

    @property
    def provider(self) -> str:
        """The provider that really runs the graph."""
        return self._session.provider

    @property
    def size_bytes(self) -> int:
        """As `OnnxSession.size_bytes`."""
        return self._session.size_bytes

    @property
    def warning(self) -> str:
        """What the person should know about how it runs, "" when all is well."""
        return self._session.warning

    @property
    def device(self) -> str:
        """cuda, cuda:N or cpu, by the provider really in use."""
        return self._session.device

    def move_to(self, device: str) -> None:
        """Open the file again on another device, or put it away (see `OnnxSession`)."""
        self._session.move_to(device)

    def run(
        self, pictures: Sequence[Picture], prepare: Callable[[Picture], NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """Probabilities (pictures, outputs), in order.

        Args: prepare: picture -> (edge, edge, 3), as the network was trained.
        Raises:
            OutOfMemory: there is none left even for a single picture; larger batches are halved by themselves.
            ModelFailed: the outputs are no probabilities.
        """
        if not pictures:
            return np.empty((0, 0), np.float32)
        rows = in_halves(
            lambda part: self._scores([prepare(picture) for picture in part]),
            pictures,
            at_once=self.fixed_batch or _BATCH.get(self.provider, 1),
        )
        found = np.asarray(rows, dtype=np.float32)
        if self._activation == "sigmoid":
            found = 1 / (1 + np.exp(-found.clip(-80, 80)))
        elif self._activation == "softmax":
            raised = np.exp(found - found.max(axis=-1, keepdims=True))
            found = raised / raised.sum(axis=-1, keepdims=True)
        if found.ndim != 2 or np.nanmin(found, initial=0) < 0 or np.nanmax(found, initial=0) > 1.001:
            raise ModelFailed(f"{self.path} gave values that are not probabilities; it is not a tagger of this family.")
        return found

    def _scores(self, inputs: Sequence[NDArray[np.float32]]) -> Sequence[NDArray[np.float32]]:
        """What the network gives for at most a batch of (edge, edge, 3)."""
        batch = np.stack(inputs).astype(self._float, copy=False)
        if self._is_channels_first:
            batch = np.ascontiguousarray(batch.transpose(0, 3, 1, 2))
        if self.fixed_batch and len(inputs) < self.fixed_batch:
            batch = np.concatenate([batch, np.zeros((self.fixed_batch - len(inputs), *batch.shape[1:]), self._float)])
        scores: NDArray[Any] = self._session.run([self.output_name], {self.input_name: batch})[0]
        return list(scores[: len(inputs)])


class OnnxTagger(Tagger):
    """What ONNX taggers share: a `Tagger` but for settings, preprocessing and `select`."""

    family: ClassVar[str]
    may_work_beside: ClassVar[bool] = True
    may_be_shared: ClassVar[bool] = False  # a session has all cores already, and two runs at once take a fifth more
    weights_name: ClassVar[str]
    labels_name: ClassVar[str]
    categories: ClassVar[Mapping[str, str]] = CATEGORIES
    """What the label file writes as a category -> this tagger's word for it."""
    is_channels_first: ClassVar[bool] = False
    activation: ClassVar[Activation] = "none"
    """See `OnnxModel`."""
    subfolder: ClassVar[str] = ""
    """Where the hub's repository has the files; a local folder may have them there or at its top."""

    def __init__(self, model: OnnxModel, labels: Sequence[Label], revision: str) -> None:
        self._model = model
        self._labels = labels
        self._revision = revision

    @classmethod
    def load(cls, place: Path | str, *, device: str, spec: ModelSpec | None = None) -> Self:
        """The model in a folder, ready on `device`.

        Raises: BadModel, MissingPackage: as `Model.load`.
        """
        import_onnxruntime()
        folder = cls._files_in(Path(place))
        weights, labels_path = folder / cls.weights_name, folder / cls.labels_name
        check_weights(weights)
        with fingerprinting(weights) as revision:
            labels = cls.read_labels(labels_path)
            model = OnnxModel(
                weights, device=device, is_channels_first=cls.is_channels_first, activation=cls.activation
            )
            check_fit(model, labels, labels_path)
            return cls(model, labels, revision())

    @classmethod
    def read_labels(cls, path: Path) -> tuple[Label, ...]:
        """The network's outputs in order; a family with another kind of label file overrides this."""
        return read_labels(path, cls.categories)

    @classmethod
    def _files_in(cls, folder: Path) -> Path:
        return folder / cls.subfolder if cls.subfolder and (folder / cls.subfolder).is_dir() else folder

    @classmethod
    def accepts(cls, folder: Path) -> bool:
        """Whether it has the network and its labels under the names that this family gives them."""
        files = cls._files_in(folder)
        return (files / cls.weights_name).is_file() and (files / cls.labels_name).is_file()

    @property
    def to_input(self) -> ToInput:
        """What makes a picture what the network was trained to see. Holds no session."""
        raise NotImplementedError

    def preprocess_ahead(self) -> Callable[[Image], NDArray[np.float32]]:
        """`to_input` for this network's edge."""
        to_input, edge_px = self.to_input, self._model.edge_px  # and nothing of this object, which holds the session
        return lambda image: to_input(image, edge_px)

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
    def warning(self) -> str:
        """That it runs on the CPU although there is a GPU, or ""."""
        return self._model.warning

    @property
    def revision(self) -> str:
        """Fingerprint of the ONNX file."""
        return self._revision

    @property
    def size_bytes(self) -> int:
        """As `OnnxSession.size_bytes`."""
        return self._model.size_bytes

    def move_to(self, device: str) -> None:
        """Open the session again on another provider."""
        self._model.move_to(device)

    @property
    def known_tags(self) -> frozenset[str]:
        """All but the ratings, whose names ("general") are words of another meaning."""
        return frozenset(label.name for label in self._labels if label.category != "rating")

    def tag(self, inputs: Sequence[PictureInput], settings: object) -> list[tuple[Tag, ...]]:
        """Every tag of at least `STORED_MINIMUM` for each picture, best first, whatever the settings are."""
        way = self.preprocess_ahead()
        scores = self._model.run(inputs, lambda shown: shown.as_seen(self.family, way))
        if inputs and scores.shape[1] != len(self._labels):
            raise BadModel(
                f"{self._model.path} gives {scores.shape[1]:,} scores but its label file names {len(self._labels):,} "
                "tags; download both again."
            )
        return [to_tags(row, self._labels, self.family) for row in scores]


def check_fit(model: OnnxModel, labels: Sequence[Label], labels_path: Path) -> None:
    """Raises: BadModel: the label file has another number of rows than the network has outputs."""
    if model.output_count is not None and model.output_count != len(labels):
        raise BadModel(
            f"{labels_path} names {len(labels):,} tags but {model.path.name} has {model.output_count:,} outputs; "
            "the two files are not of the same model. Download both again."
        )
