"""The tokenizers of text encoders that image generators read captions with: T5's and Qwen's, where they are here.

One small file each in the ordinary Hugging Face cache. It is data that may come from anybody: held to a size, and to
its sha256 where that is known, then read by `tokenizers`, which runs no code of it. CLIP's is `captions.tokens`.
"""

from __future__ import annotations

import hashlib
import importlib
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from captioner.contract import ModelSpec
from captioner.errors import BadModel, MissingPackage
from captioner.limits import read_json, without_halves
from captioner.models.download import Progress, cached_folder, download_model

Count = Callable[[str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEncoder:
    """Where an encoder's tokenizer comes from.

    file: a tokenizer.json, or SentencePiece's `.model`. max_bytes: a larger one is not read. sha256: of the file, ""
    where none is known. download_mb: what fetching it takes.
    """

    title: str
    repo: str
    file: str
    max_bytes: int
    licence: str
    download_mb: int
    sha256: str = ""


TEXT_ENCODERS: Mapping[str, TextEncoder] = {
    # SD 3.5 and FLUX.1 hold the same file, behind a licence to agree to; this is the model that they took it from.
    "t5": TextEncoder(
        title="T5",
        repo="google/t5-v1_1-xxl",
        file="spiece.model",
        max_bytes=1_000_000,
        sha256="d60acb128cf7b7f2536e8f38a5b18a05535c9e14c7a355904270e15b0945ea86",
        licence="Apache-2.0",
        download_mb=1,
    ),
    "qwen": TextEncoder(
        title="Qwen2.5-VL",
        repo="Qwen/Qwen2.5-VL-7B-Instruct",
        file="tokenizer.json",
        max_bytes=20_000_000,
        licence="Apache-2.0",
        download_mb=7,
    ),
}
"""By the names that `captioner.formats.trainers.target.ENCODER_OF_MODEL` uses."""


def cached_counter(name: str) -> Count | None:
    """What counts a text's tokens as an encoder does, without those it adds itself; None where its file is not here.

    Asks no server. Raises: BadModel: the file is damaged or another one. MissingPackage.
    """
    encoder = TEXT_ENCODERS[name]
    folder = cached_folder(_spec(encoder))
    return None if folder is None else _counter(encoder, folder / encoder.file)


def download_counter(name: str, progress: Progress | None = None) -> Count:
    """The same, fetched first where it is not here.

    Raises: ModelNotFound: it cannot be fetched. BadModel: what is here, or came, is damaged or another file.
    """
    encoder = TEXT_ENCODERS[name]
    spec = _spec(encoder)
    folder = cached_folder(spec) or download_model(
        spec, progress, otherwise="or go on with numbers that are about right"
    )
    return _counter(encoder, folder / encoder.file)


def _spec(encoder: TextEncoder) -> ModelSpec:
    return ModelSpec(
        name=f"the tokenizer of {encoder.title}",
        kind="captioner",
        family="",
        entry="",
        repo=encoder.repo,
        files=(encoder.file,),
        licence=encoder.licence,
        download_mb=encoder.download_mb,
        about="counts a caption's tokens",
    )


def _counter(encoder: TextEncoder, path: Path) -> Count:
    try:
        status = path.stat()
        return _read_counter(encoder, path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise BadModel(f"{path} cannot be read: {error.strerror or error}. Delete it to fetch it again.") from error


@lru_cache(maxsize=2 * len(TEXT_ENCODERS))
def _read_counter(encoder: TextEncoder, path: Path, size: int, changed_ns: int) -> Count:
    """Args: changed_ns: with the size what shows that a file is another one now; reading Qwen's takes a second."""
    try:
        tokenizer = _read(encoder, path, size)
    except BadModel as error:
        raise BadModel(
            f"{path}, the tokenizer of {encoder.title}, cannot be used: {error} Delete it to fetch it again."
        ) from error

    def count(text: str) -> int:
        return len(tokenizer.encode(without_halves(text), add_special_tokens=False))

    return count


def _read(encoder: TextEncoder, path: Path, size: int) -> Any:
    if size > encoder.max_bytes:
        raise BadModel(f"it has {size:,} bytes; at most {encoder.max_bytes:,} are read.")
    data = path.read_bytes()
    if encoder.sha256 and hashlib.sha256(data).hexdigest() != encoder.sha256:
        raise BadModel("it is damaged or another file (its sha256 differs).")
    tokenizer = _from_json(data) if path.suffix == ".json" else _from_pieces(data)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _from_json(data: bytes) -> Any:
    tokenizers = _tokenizers()
    value = read_json(data, "it", error=BadModel)
    if not isinstance(value, dict) or not isinstance(value.get("model"), dict):
        raise BadModel("it is JSON, but no tokenizer.")
    try:
        tokenizer = tokenizers.Tokenizer.from_str(data.decode())
        tokenizer.encode(_TRIED)
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:  # the library raises plain Exceptions, and a panic of its Rust code is not even one
        raise BadModel("it is JSON, but no tokenizer that can be used.") from error
    return tokenizer


_TRIED = "A cat, 2 кошки & 猫 \N{CAT FACE}\n\U0010fffd"  # a tokenizer may know no answer to a sign it does not know
_PIECES, _NORMALIZER = 1, 3  # fields of SentencePiece's ModelProto
_TEXT, _SCORE = 1, 2  # of a piece
_CHARACTER_MAP = 2  # of the normalizer
_UNKNOWN_ID = 2
_SPECIAL = ("<pad>", "</s>", "<unk>", *(f"<extra_id_{number}>" for number in range(100)))


def _from_pieces(data: bytes) -> Any:
    """T5's tokenizer from SentencePiece's file, put together as transformers does (its T5 tokenizer)."""
    tokenizers = _tokenizers()
    pieces: list[tuple[str, float]] = []
    characters = b""
    try:
        for number, value in _fields(data):
            if number == _PIECES:
                piece = dict(_fields(value))
                pieces.append((piece[_TEXT].decode(), struct.unpack("<f", piece[_SCORE])[0]))
            elif number == _NORMALIZER:
                characters = dict(_fields(value)).get(_CHARACTER_MAP, b"")
    except (ValueError, KeyError, IndexError, struct.error) as error:
        raise BadModel("it is no SentencePiece model.") from error
    if len(pieces) <= _UNKNOWN_ID:
        raise BadModel("it is no SentencePiece model: it has no pieces.")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.Unigram(pieces, _UNKNOWN_ID, False))
    normalizers = tokenizers.normalizers
    steps = [normalizers.Strip(left=False, right=True), normalizers.Replace(tokenizers.Regex(" {2,}"), "▁")]
    if characters:
        steps.insert(0, normalizers.Precompiled(characters))
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens([tokenizers.AddedToken(text, normalized=False, special=True) for text in _SPECIAL])
    return tokenizer


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a protocol buffer message, (number, content); of numbers with a varying length the content is b"".

    Raises: ValueError, IndexError: it is none, or is cut short.
    """
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        if kind == 0:
            _, place = _varint(data, place)
            yield number, b""
            continue
        if kind not in (1, 2, 5):
            raise ValueError(f"wire type {kind}")
        size, place = _varint(data, place) if kind == 2 else ({1: 8, 5: 4}[kind], place)
        if place + size > len(data):
            raise ValueError("cut short")
        yield number, data[place : place + size]
        place += size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A number and the place behind it."""
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def _tokenizers() -> Any:
    try:
        return importlib.import_module("tokenizers")
    except ImportError as error:
        raise MissingPackage(
            "counting T5's and Qwen's tokens needs the package tokenizers: pip install tokenizers"
        ) from error
