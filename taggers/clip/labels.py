"""Label embeddings on disk: computed once a model and vocabulary, in chunks that survive an interruption.

A hundred thousand labels take a CPU half an hour, so nothing computed is thrown away: every chunk is a file until the
whole is. The whole has the layout of the published ones (`embeds` float16, L2-normalised; `hash`, the vocabulary's
digest in ASCII). Knows no CLIP: an encoder gives the numbers.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from captioner.errors import BadModel
from captioner.files import cache_folder, written_whole
from captioner.models.weights import check_weights
from captioner.plural import plural
from taggers.vocabularies import Vocabulary

CHUNK = 256
"""Labels computed between two saves: some seconds of a CPU."""

_STEP_S = 3.0
"""What a step may take, so that a job can stop or let others in; a slow machine gets steps of fewer labels."""

Embeddings: TypeAlias = NDArray[np.float16]
"""(labels, width), each row of length one, in the vocabulary's order."""

_TOKENIZED = 8192
"""Labels tokenized between two steps: less than a second."""

_log = logging.getLogger(__name__)


class LabelEncoder(Protocol):
    """What computes label embeddings."""

    def tokenize(self, labels: Sequence[str]) -> Any:
        """The labels' tokens."""

    def lengths(self, tokens: Any) -> NDArray[np.int64]:
        """How many tokens each label really has."""

    def embed(self, tokens: Any) -> Embeddings:
        """The labels' normalised features, in order."""


class TowerEncoder:
    """A tokenizer and a text tower (see `text`) as `LabelCache` wants them; the tower is made where it is needed."""

    def __init__(self, tokenize: Callable[[Sequence[str]], Any], text: Callable[[], Any]) -> None:
        self.tokenize = tokenize
        self._text = text

    def lengths(self, tokens: Any) -> NDArray[np.int64]:
        """How many tokens each label really has."""
        return np.asarray(self._text().lengths(tokens).numpy(), np.int64)

    def embed(self, tokens: Any) -> Embeddings:
        """The labels' normalised features, in order."""
        features = self._text().encode(tokens)
        return np.asarray((features / features.norm(dim=-1, keepdim=True)).half().cpu().numpy(), np.float16)


class LabelCache:
    """The label embeddings of one model, shared by all devices: a card's half precision moves similarities by 5e-4, as
    that of the published ones may, and a CPU would take half an hour to make its own.

    revision: the model's fingerprint, so that other weights have their own.
    """

    def __init__(self, revision: str, folder: Path | None = None) -> None:
        self._folder = (folder or cache_folder()) / "labels"
        self._revision = revision
        self._is_reported = False

    def path(self, vocabulary: Vocabulary) -> Path:
        """The file that holds, or will hold, a vocabulary's embeddings."""
        return self._folder / f"{self._revision}-{vocabulary.kind}-{vocabulary.digest[:12]}.safetensors"

    def load(self, vocabulary: Vocabulary) -> Embeddings | None:
        """The whole embeddings, or None where they must be computed; a damaged file is reported and ignored."""
        path = self.path(vocabulary)
        if not path.is_file():
            return None
        try:
            return read_embeddings(path, vocabulary)
        except ValueError as error:
            _log.warning("%s is damaged (%s); the label embeddings are computed again", path, error)
            return None

    def missing(self, vocabulary: Vocabulary) -> int:
        """How many labels are still to be computed. Looks at names and sizes only."""
        with contextlib.suppress(BadModel):
            check_weights(self.path(vocabulary))
            return 0
        done = len([*self._chunk_folder(vocabulary).glob("*.safetensors")]) * CHUNK
        return max(len(vocabulary.labels) - done, 0)

    def compute(self, vocabulary: Vocabulary, encoder: LabelEncoder) -> Iterator[tuple[int, Embeddings | None]]:
        """Compute what is missing, a chunk a step or less; the first steps only look at how long labels are.

        Labels go in the order of their length, so that a chunk's labels are as long as each other and little is padded.

        Yields: how many labels are done, and the whole embeddings with the last step, None before.
        """
        labels = vocabulary.labels
        count = len(labels)
        lengths: list[NDArray[np.int64]] = []
        for start in range(0, count, _TOKENIZED):
            if start:
                yield 0, None
            lengths.append(encoder.lengths(encoder.tokenize(labels[start : start + _TOKENIZED])))
        order = np.argsort(np.concatenate(lengths), kind="stable")
        chunks = self._chunk_folder(vocabulary)
        rows: dict[int, Embeddings] = {}  # by the chunk's first place in `order`
        done = 0
        pace = _Pace()
        for start in range(0, count, CHUNK):
            members = order[start : start + CHUNK]
            path = chunks / f"{start:08d}.safetensors"
            found = self._read_chunk(path, members)
            if found is None:
                parts: list[Embeddings] = []
                embedded = 0
                while embedded < len(members):
                    if embedded:
                        yield done + embedded, None
                    part = [labels[member] for member in members[embedded : embedded + pace.labels]]
                    with pace:
                        parts.append(encoder.embed(encoder.tokenize(part)))
                    embedded += len(part)
                found = np.concatenate(parts)
                self._save(path, {"embeds": found, "members": members.astype(np.int64)})
            rows[start] = found
            done += len(members)
            if done < count:
                yield done, None
        whole: Embeddings = np.empty((count, rows[0].shape[1]), np.float16)
        whole[order] = np.concatenate([rows[start] for start in sorted(rows)])
        self.keep(vocabulary, whole)
        yield done, whole

    def keep(self, vocabulary: Vocabulary, embeds: Embeddings) -> None:
        """Keep the whole embeddings of a vocabulary, and remove the chunks of an unfinished run."""
        if self._save(self.path(vocabulary), {"embeds": embeds, "hash": _ascii(vocabulary.digest)}):
            chunks = self._chunk_folder(vocabulary)
            for path in chunks.glob("*.safetensors*"):
                path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                chunks.rmdir()

    def _chunk_folder(self, vocabulary: Vocabulary) -> Path:
        return self.path(vocabulary).with_suffix(".chunks")

    def _read_chunk(self, path: Path, members: NDArray[np.int64]) -> Embeddings | None:
        if not path.is_file():
            return None
        try:
            tensors = _read(path)
            embeds = _checked(tensors, len(members))
            if not np.array_equal(tensors.get("members"), members):
                raise ValueError("it is of other labels")
        except ValueError as error:
            _log.warning("%s is damaged (%s); its label embeddings are computed again", path, error)
            return None
        return embeds

    def _save(self, path: Path, tensors: dict[str, NDArray[Any]]) -> bool:
        """Whether it could be written; a file of the final name is always whole."""
        numpy_files = importlib.import_module("safetensors.numpy")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as file:
                file.write(numpy_files.save(tensors))
        except Exception as error:
            # The library reports a full disk with its own error; any other is a bug.
            if not isinstance(error, OSError) and type(error).__name__ != "SafetensorError":
                raise
            if not self._is_reported:
                self._is_reported = True
                _log.warning("label embeddings cannot be kept in %s (%s); the next run computes them again",
                             self._folder, error)  # fmt: skip
            return False
        return True


class _Pace:
    """How many labels to embed in the next step, from what the last one took. Measures where it is a context."""

    def __init__(self) -> None:
        self.labels = min(32, CHUNK)

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        took_s = max(time.perf_counter() - self._began, 1e-6)
        wanted = self.labels * min(4.0, _STEP_S / took_s)
        self.labels = min(CHUNK, max(min(32, CHUNK), int(wanted)))


def read_embeddings(path: Path, vocabulary: Vocabulary) -> Embeddings:
    """A vocabulary's embeddings from a safetensors file, our own or a published one.

    Raises: ValueError: unreadable, of other labels, or not one finite row a label; says which.
    """
    tensors = _read(path)
    embeds = _checked(tensors, len(vocabulary.labels))
    if not np.array_equal(tensors.get("hash"), _ascii(vocabulary.digest)):
        raise ValueError("it is of other labels")
    return embeds


def _read(path: Path) -> dict[str, NDArray[Any]]:
    numpy_files = importlib.import_module("safetensors.numpy")
    try:
        check_weights(path)  # a published file is somebody else's
        tensors: dict[str, NDArray[Any]] = numpy_files.load_file(str(path))
    except Exception as error:
        if not isinstance(error, OSError | BadModel) and type(error).__name__ != "SafetensorError":
            raise
        raise ValueError(str(error)) from error
    return tensors


def _checked(tensors: dict[str, NDArray[Any]], count: int) -> Embeddings:
    embeds = tensors.get("embeds")
    if embeds is None or embeds.dtype != np.float16 or embeds.ndim != 2 or len(embeds) != count:
        raise ValueError(f"it has not {plural(count, 'row')} of float16")
    if not np.isfinite(embeds).all():
        raise ValueError("it holds values that are no numbers")
    return embeds


def _ascii(digest: str) -> NDArray[np.int8]:
    return np.frombuffer(digest.encode("ascii"), np.int8)


def sample_of(missing: Mapping[Vocabulary, int], size: int) -> list[str]:
    """Some labels, in the proportion in which they are missing, since artists are shorter than flavors.

    Args: missing: vocabulary -> how many of its labels; one at least in all. size: how many to give, or a few more.
    """
    count = sum(missing.values())
    return [
        vocabulary.labels[index * len(vocabulary.labels) // share]
        for vocabulary, labels in missing.items()
        for share in [-(-size * labels // count)]
        for index in range(share)
    ]
