"""What must hold of a weights file before any library opens it: no pickle, whole, and as large as its description says.

A model folder is data that may come from anybody. A link in it is followed to a regular file, wherever that is, as
the Hugging Face cache links to its blobs: what is found there is held to the same rules, and only ever read as data.
Knows no model and no library of tensors.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from captioner.errors import BadModel
from captioner.limits import MAX_JSON_BYTES, read_json

LFS_POINTER = b"version https://git-lfs"

# Formats that can run code when they are opened; they are named so that the error can say what is there instead.
_PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_PICKLE_STARTS = (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_MAX_HEADER_BYTES = 10_000_000  # the largest models here have 2,000 tensors, in 0.3 MB
# A model may ask for more than its file holds: one that uses a table twice has it there once.
_SPARE_NUMBERS = 100_000

# As long as others keep Python's lock, each piece waits for it twice.
_PIECE_BYTES = 16 * 2**20

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"

Shape = tuple[int, ...]


def weights_files(folder: Path) -> list[Path]:
    """The files that a model of transformers has its weights in: one, or the shards that the index names.

    Raises: BadModel: the index is damaged, or names files elsewhere.
    """
    if (folder / WEIGHTS).is_file() or not (folder / INDEX).is_file():
        return [folder / WEIGHTS]
    with (folder / INDEX).open("rb") as file:
        index = read_json(file.read(MAX_JSON_BYTES + 1), str(folder / INDEX), error=BadModel)
    found = index.get("weight_map") if isinstance(index, dict) else None
    names = sorted(set(found.values())) if isinstance(found, dict) and all(map(_is_name, found.values())) else []
    if not names:
        raise BadModel(f"{folder / INDEX} names no weights files; download the model's folder again.")
    return [folder / name for name in names]


def check_weights(path: Path) -> None:
    """Refuse a weights file that must not or cannot be opened: a pickle, a Git LFS pointer, empty or cut short.

    Raises: BadModel: naming the file and what to do; a file that is not there is one too.
    """
    if path.suffix in _PICKLE_SUFFIXES:
        raise BadModel(f"{path} is a pickle, which can run code when it is opened; convert it to safetensors.")
    wanted = "ONNX" if path.suffix == ".onnx" else "safetensors"
    if not path.is_file():
        pickles = sorted(other.name for other in _files(path.parent) if other.suffix in _PICKLE_SUFFIXES)
        if pickles:
            raise BadModel(
                f"{path.parent} has no {path.name} but {', '.join(pickles)}, a format that can run code when it is "
                f"opened; convert it to {wanted}."
            )
        raise BadModel(f"{path.parent} has no {path.name}; copy the model's folder again, with all its files.")
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(LFS_POINTER):
        raise BadModel(f"{path} is a Git LFS pointer, not the weights; fetch them with git lfs pull.")
    if not start:
        raise BadModel(f"{path} is empty; download it again.")
    if start.startswith(_PICKLE_STARTS):
        raise BadModel(f"{path} is a pickle under another name, which can run code when it is opened; refused.")
    if path.suffix == ".safetensors":
        tensor_shapes(path)


def tensor_shapes(path: Path) -> dict[str, Shape]:
    """The names and shapes of a safetensors file's tensors, from its header alone.

    The layout: 8 bytes length of the header, the header as JSON, then the tensors it gives offsets of.

    Raises: BadModel: damaged, cut short, without tensors, or a shape claims more numbers than the file has room for.
    """
    damaged = f"{path} is no safetensors file or is damaged; download it again."
    size = path.stat().st_size
    with path.open("rb") as file:
        header_size = int.from_bytes(file.read(8), "little")
        if size < 8 or header_size > _MAX_HEADER_BYTES:
            raise BadModel(damaged)
        if 8 + header_size > size:
            raise BadModel(f"{path} is cut short ({size} bytes); download it again.")
        text = file.read(header_size)
    try:
        header = read_json(text, path.name, error=BadModel)
    except BadModel as error:
        raise BadModel(damaged) from error
    try:
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        shapes = {name: tuple(entry["shape"]) for name, entry in entries.items()}
        offsets = {name: tuple(entry["data_offsets"]) for name, entry in entries.items()}
        sizes = {name: end - begin for name, (begin, end) in offsets.items()}
        end_of_all = max((end for _, end in offsets.values()), default=0)
        # Two numbers a byte are the densest format there is.
        is_sound = all(
            all(type(number) is int and number >= 0 for number in (*shapes[name], *offsets[name]))
            and math.prod(shapes[name]) <= 2 * sizes[name]
            for name in entries
        ) and end_of_all == sum(sizes.values())  # no holes, and no bytes that count twice
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadModel(damaged) from error
    if not is_sound:
        raise BadModel(damaged)
    expected = 8 + header_size + end_of_all
    if size < expected:
        raise BadModel(f"{path} is cut short: {size} of {expected} bytes; download it again.")
    if not shapes:
        raise BadModel(f"{path} holds no tensors; download it again.")
    return shapes


def check_shapes(weights: Path, wanted: Mapping[str, Sequence[int]], described_in: str) -> None:
    """Refuse weights that are of another model than the description beside them, before the model takes memory.

    Args: wanted: the tensors the description asks for, name -> shape. described_in: that file's name.
    Raises: BadModel: a tensor has another shape, or the description asks for more than the file holds.
    """
    found = tensor_shapes(weights)
    for name, shape in found.items():
        asked = tuple(wanted.get(name, shape))
        if asked != shape and math.prod(asked) * math.prod(shape) != 1:  # a single number may be of any shape
            raise BadModel(
                f"{weights}: {name} has shape {[*shape]} but {described_in} makes it {[*asked]}; the two files are not "
                "of the same model. Download both again."
            )
    asked_count, found_count = (sum(math.prod(shape) for shape in some.values()) for some in (wanted, found))
    if asked_count > 2 * found_count + _SPARE_NUMBERS:
        raise BadModel(
            f"{described_in} asks for a model of {asked_count:,} numbers but {weights} holds {found_count:,}; the two "
            "files are not of the same model. Download both again."
        )


def fingerprint(path: Path) -> str:
    """The first 12 hexadecimal digits of a file's sha256; read off the name where the Hugging Face cache has it."""
    return _fingerprint(path, lambda: False)


def _fingerprint(path: Path, is_over: Callable[[], bool]) -> str:
    target = path.resolve().name
    if path.is_symlink() and len(target) == 64 and all(letter in "0123456789abcdef" for letter in target):
        return target[:12]
    return _digits(path, is_over)


@contextmanager
def fingerprinting(path: Path) -> Iterator[Callable[[], str]]:
    """What gives a file's `fingerprint`, made on a thread of its own while the block loads the file: a fifth of that.

    It waits for the thread, and raises what went wrong there; what it was not asked for ends with the block.
    """
    is_over = Event()
    with ThreadPoolExecutor(1, "captioner-fingerprint") as thread:
        made = thread.submit(_fingerprint, path, is_over.is_set)
        try:
            yield made.result
        finally:
            is_over.set()


def _digits(path: Path, is_over: Callable[[], bool]) -> str:
    """Raises: OSError: it is no file that can be read."""
    if not path.is_file():  # a pipe, say, would be waited for
        raise FileNotFoundError(f"{path} is no file")
    digest = hashlib.sha256()
    piece = memoryview(bytearray(_PIECE_BYTES))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(piece):
            if is_over():
                raise InterruptedError(f"the fingerprint of {path} was not waited for")
            digest.update(piece[:size])
    return digest.hexdigest()[:12]


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value == Path(value).name and value.endswith(".safetensors")
