"""CLIP interrogation: pictures -> the words of each vocabulary that fit best, with similarities.

A model folder holds `open_clip_config.json` and `open_clip_model.safetensors`, and may hold its own vocabularies. This
module imports nothing heavy; the tensor code is in `clip_text`, the labels' embeddings on disk in `clip_labels`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from captioner import hub, registry
from captioner.errors import BadModel, MissingPackage, OutOfMemory
from captioner.records import Tag
from captioner.settings import Effect, Settings, choice, whole
from captioner.thresholds import best_of_each
from taggers import vocabularies
from taggers.clip_labels import Embeddings, LabelCache
from taggers.vocabularies import Vocabulary

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

STORED_LABELS = 64
"""Labels of each vocabulary that a layer keeps, best first: what the maxima can choose from later."""

Progress = Callable[[int, int], None]
"""Told how many labels are embedded, of how many."""

_CONFIG = "open_clip_config.json"
_WEIGHTS = "open_clip_model.safetensors"
_PIP = "pip install open_clip_torch"
# Pictures a run. More than one gains nothing on a CPU.
_CPU_BATCH = 1
_CUDA_BATCH = 32

_log = logging.getLogger(__name__)


class ClipSettings(Settings):
    """How CLIP chooses words, and how many of each vocabulary reach the caption."""

    mode: str = choice("rank", ("rank",), "rank: the words of each vocabulary that fit the picture best.")
    flavors: int = whole(4, 0, STORED_LABELS, "At most so many flavors; 0 = none.", effect=Effect.COMPOSE)
    mediums: int = whole(1, 0, STORED_LABELS, "At most so many mediums; 0 = none.", effect=Effect.COMPOSE)
    movements: int = whole(1, 0, STORED_LABELS, "At most so many art movements; 0 = none.", effect=Effect.COMPOSE)
    artists: int = whole(1, 0, STORED_LABELS, "At most so many artists; 0 = none.", effect=Effect.COMPOSE)
    trendings: int = whole(
        1, 0, STORED_LABELS, "At most so many places where such pictures trend; 0 = none.", effect=Effect.COMPOSE
    )


@dataclass(frozen=True)
class _Table:
    """The rows of one vocabulary in the matrix of all labels. spare: how many of its labels are blank or repeated."""

    vocabulary: Vocabulary
    start: int
    end: int
    spare: int


class ClipTagger:
    """An open_clip model with its vocabularies."""

    family: ClassVar[str] = "clip"
    Settings: ClassVar[type[ClipSettings]] = ClipSettings

    def __init__(
        self,
        model: Any,
        preprocess: Callable[[Image], Tensor],
        tokenizer: Callable[[Sequence[str]], Tensor],
        vocabularies: Mapping[str, Vocabulary],
        *,
        device: str,
        revision: str,
    ) -> None:
        """Args: model, preprocess, tokenizer: open_clip's, the model in evaluation mode on `device`."""
        self._model = model
        self._preprocess = preprocess
        self._tokenizer = tokenizer
        self.vocabularies = dict(vocabularies)
        self._device = device
        self._revision = revision
        self._cache = LabelCache(revision)
        self._matrix: Tensor | None = None  # (all labels, width) float32, on the model's device
        self._tables: list[_Table] = []
        self._text = self._new_text_tower()

    @classmethod
    def load(cls, folder: Path, *, device: str) -> ClipTagger:
        """The model in `folder`, ready on `device`. Labels are embedded on first use, or by `prepare`.

        Raises: BadModel, MissingPackage: as `records.Model.load`. BadVocabulary: the folder's own words.
        """
        open_clip = _import_open_clip()
        weights = folder / _WEIGHTS
        hub.check_weights(weights)
        config = _read_config(folder)
        words = vocabularies.for_model(folder)
        name = f"local-dir:{folder}"
        try:
            model, _, preprocess = open_clip.create_model_and_transforms(
                name,
                precision="fp16" if device.startswith("cuda") else "fp32",
                device=device,
                force_quick_gelu=needs_quick_gelu(folder, config),
            )
            tokenizer = open_clip.get_tokenizer(name)
        except Exception as error:  # open_clip and safetensors raise what they like for a damaged folder
            if type(error).__name__ == "OutOfMemoryError":
                raise OutOfMemory(f"{folder.name} does not fit on {device}; use --device cpu.") from error
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            reason = " ".join(lines)[:600] or type(error).__name__
            raise BadModel(f"{weights} does not fit {_CONFIG} beside it, or one is damaged: {reason}") from error
        _check_shapes(weights, model)
        model.eval().requires_grad_(False)
        return cls(model, preprocess, tokenizer, words, device=device, revision=hub.fingerprint(weights))

    @property
    def device(self) -> str:
        """Where its weights are."""
        return self._device

    @property
    def precision(self) -> str:
        """fp16 where it was loaded on CUDA, fp32 on the CPU; label similarities are fp32 on both."""
        import torch

        return "fp16" if any(p.dtype is torch.float16 for p in self._model.parameters()) else "fp32"

    @property
    def runtime(self) -> str:
        """open_clip models run in torch."""
        return "torch"

    @property
    def revision(self) -> str:
        """Fingerprint of the safetensors file."""
        return self._revision

    @property
    def size_bytes(self) -> int:
        """Bytes of the weights and of the label matrix."""
        tensors = [*self._model.parameters(), *self._model.buffers()]
        if self._matrix is not None:
            tensors.append(self._matrix)
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def move_to(self, device: str) -> None:
        """Bring weights and label matrix to a device, in the precision they have."""
        self._model.to(device)
        if self._matrix is not None:
            self._matrix = self._matrix.to(device)
        self._device = device
        self._text = self._new_text_tower()

    def labels_to_embed(self) -> int:
        """How many labels must still be embedded before the first picture; 0 when all are cached."""
        if self._matrix is not None:
            return 0
        return sum(self._cache.missing(vocabulary) for vocabulary in self.vocabularies.values())

    def prepare(self, progress: Progress | None = None) -> None:
        """Embed the labels that are not cached yet. What is done when this is interrupted is kept."""
        for done, total in self.prepare_steps():
            if progress is not None:
                progress(done, total)

    def prepare_steps(self) -> Iterator[tuple[int, int]]:
        """As `prepare`, a few seconds a step. Yields: labels embedded so far, and labels in all."""
        if self._matrix is not None:
            return
        import torch

        total = sum(len(vocabulary.labels) for vocabulary in self.vocabularies.values())
        encoder = _LabelEncoder(self)
        done = 0
        matrices: list[Embeddings] = []
        tables: list[_Table] = []
        for vocabulary in self.vocabularies.values():
            embeds = self._cache.load(vocabulary)
            if embeds is None:
                for part, finished in self._cache.compute(vocabulary, encoder):
                    embeds = finished
                    yield done + part, total
            assert embeds is not None
            count = len(vocabulary.labels)
            tables.append(_Table(vocabulary, done, done + count, count - len({*vocabulary.labels} - {""})))
            matrices.append(embeds)
            done += count
        if matrices:
            self._matrix = torch.from_numpy(np.concatenate(matrices)).to(self._device).float()
            self._tables = tables

    def tag(self, pictures: Sequence[Image], settings: ClipSettings) -> list[tuple[Tag, ...]]:
        """The best `STORED_LABELS` labels of every vocabulary for each picture, best first, with cosine similarities.

        Embeds the labels first where `prepare` was not called.
        Raises: OutOfMemory: for a single picture; larger batches are halved by themselves.
        """
        self.prepare()
        return [tags for features in self._features(pictures) for tags in self._rank(features)]

    @staticmethod
    def keep(tags: Sequence[Tag], settings: ClipSettings) -> list[Tag]:
        """The best N of each vocabulary, in the given order."""
        return best_of_each(tags, {kind: getattr(settings, kind) for kind in vocabularies.KINDS})

    def _features(self, pictures: Sequence[Image]) -> Iterator[Tensor]:
        """Normalised picture features in float32, (batch, width) at a time."""
        import torch

        size = _CUDA_BATCH if self._device.startswith("cuda") else _CPU_BATCH
        dtype = torch.float16 if self.precision == "fp16" else torch.float32
        start = 0
        while start < len(pictures):
            part = pictures[start : start + size]
            try:
                with torch.inference_mode():
                    pixels = torch.stack([self._preprocess(picture) for picture in part])
                    features = self._model.encode_image(pixels.to(self._device, dtype)).float()
            except torch.OutOfMemoryError as error:
                torch.cuda.empty_cache()
                if size == 1:
                    raise OutOfMemory(f"CLIP found no memory for one picture on {self._device}.") from error
                size //= 2
                continue
            start += len(part)
            yield features / features.norm(dim=-1, keepdim=True)

    def _rank(self, features: Tensor) -> Iterator[tuple[Tag, ...]]:
        """Tags of each picture of a batch of features."""
        if self._matrix is None:  # a model folder whose own list of vocabularies is empty
            yield from (() for _ in features)
            return
        similarities = features @ self._matrix.T
        broken = similarities.isnan()
        if bool(broken.any()):
            _log.warning("clip gave no number for %d similarities; they are left out", int(broken.sum()))
            similarities = similarities.masked_fill(broken, -np.inf)  # topk would call NaN the greatest
        tops = [
            similarities[:, table.start : table.end].topk(
                min(STORED_LABELS + table.spare, table.end - table.start), dim=-1
            )
            for table in self._tables
        ]
        for row in range(len(features)):
            tags: list[Tag] = []
            for table, top in zip(self._tables, tops, strict=True):
                scored = zip(top.indices[row].tolist(), top.values[row].tolist(), strict=True)
                found: dict[str, Tag] = {}
                for index, score in scored:
                    name = table.vocabulary.labels[index]
                    if name and score > -np.inf and len(found) < STORED_LABELS:
                        found.setdefault(name, Tag(name, score, table.vocabulary.kind, self.family))
                tags.extend(found.values())
            yield tuple(sorted(tags, key=lambda tag: -tag.score))

    def _new_text_tower(self) -> Any:
        from taggers.clip_text import text_tower

        return text_tower(self._model)


class _LabelEncoder:
    """A tagger's text tower as `clip_labels` wants it."""

    def __init__(self, tagger: ClipTagger) -> None:
        self._tokenizer = tagger._tokenizer
        self._text = tagger._text

    def tokenize(self, labels: Sequence[str]) -> Tensor:
        return self._tokenizer(list(labels))

    def lengths(self, tokens: Tensor) -> NDArray[np.int64]:
        return np.asarray(self._text.lengths(tokens).numpy(), np.int64)

    def embed(self, tokens: Tensor) -> Embeddings:
        features = self._text.encode(tokens)
        return np.asarray((features / features.norm(dim=-1, keepdim=True)).half().cpu().numpy(), np.float16)


def needs_quick_gelu(folder: Path, config: Mapping[str, Any]) -> bool:
    """Whether the weights were trained with OpenAI's quick GELU, whatever the configuration says.

    open_clip builds OpenAI's weights with the ordinary GELU where a configuration lacks the switch, and only warns. So
    it is forced for folders that are known by their name: ours, or the hub repository's.
    """
    if config["model_cfg"].get("quick_gelu"):
        return True
    for spec in registry.of_family("clip"):
        if spec.tag and spec.repo and (spec.tag[1] == "openai" or spec.tag[0].endswith("-quickgelu")):
            cached_as = "models--" + spec.repo.replace("/", "--")
            if folder.name in (spec.name, spec.repo.rpartition("/")[2]) or cached_as in folder.parts:
                return True
    return False


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / _CONFIG
    hub.check_weights(path)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        is_whole = all(isinstance(config["model_cfg"][key], dict) for key in ("vision_cfg", "text_cfg"))
    except (ValueError, KeyError, TypeError) as error:
        raise BadModel(f"{path} is not an open_clip configuration; download it again.") from error
    if not is_whole:
        raise BadModel(f"{path} is not an open_clip configuration; download it again.")
    return dict(config)


def _check_shapes(weights: Path, model: Any) -> None:
    """open_clip stretches position tables that do not fit, in silence; here that is an error.

    Raises: BadModel.
    """
    from safetensors import safe_open

    state = model.state_dict()
    with safe_open(str(weights), framework="numpy") as file:
        for name in file.keys():  # noqa: SIM118  (the file is no mapping)
            shape = list(file.get_slice(name).get_shape())
            if name in state and list(state[name].shape) != shape and shape not in ([], [1]):
                raise BadModel(
                    f"{weights}: {name} has shape {shape} but {_CONFIG} makes it {list(state[name].shape)}; the two "
                    "files are not of the same model. Download both again."
                )


def _import_open_clip() -> Any:
    try:
        import open_clip
    except ImportError as error:
        raise MissingPackage(f"CLIP needs open_clip: {_PIP}") from error
    return open_clip
