"""What memory a model will take, told before it is loaded: from the headers of its weights and from its config.json, or
from what the registry knows of one that is not here. Reads small pieces of files, loads nothing and asks no server.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from captioner.contract import ModelSpec
from captioner.errors import CaptionerError
from captioner.models.descriptions import read_json_object
from captioner.models.weights import tensor_shapes, weights_files

ANSWER_TOKENS = 2048
"""What a question with its picture and the answer may take together; most take less."""

_SHARD = re.compile(r"-\d{5}-of-\d{5}(?=\.)")
"""In the name of a part of large weights (model-00001-of-00004.safetensors)."""
_OPEN_CLIP = "open_clip_model.safetensors"
_WEIGHTS = ("*.safetensors", "*.onnx", "*.onnx_data", "*.onnx.data")


@dataclass(frozen=True, slots=True)
class MemoryForecast:
    """Bytes of one model on one device.

    disk_bytes: of its weights files. weights_bytes: of its weights in the precision of use (half on CUDA, full on the
    CPU; ONNX as it is stored). answer_bytes: what the language model keeps of `ANSWER_TOKENS` tokens of one answer, 0
    where that is not known; a batch or beams take a multiple, and the picture's way through the model comes on top.
    """

    disk_bytes: int
    weights_bytes: int
    answer_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """With one answer at a time."""
        return self.weights_bytes + self.answer_bytes


def forecast_folder(folder: Path, device: str) -> MemoryForecast:
    """Of a model's folder, sharded weights by their sum. Args: device: as models are loaded on.

    A damaged file counts with its size, since loading refuses it in words of its own.
    """
    return _of_folder(folder, _number_bytes(device), folder.stat().st_mtime_ns)


@lru_cache(256)  # pages ask for all models every second
def _of_folder(folder: Path, number_bytes: int, changed_at: int) -> MemoryForecast:
    files = _weights_in(folder)
    disk_bytes = _size(files)
    config = _config(folder)
    numbers = 0
    for path in files:
        if path.suffix != ".safetensors" or config.get("quantization_config"):
            return MemoryForecast(disk_bytes, disk_bytes, _answer_bytes(config, number_bytes))
        try:
            numbers += sum(math.prod(shape) for shape in tensor_shapes(path).values())
        except CaptionerError:
            return MemoryForecast(disk_bytes, disk_bytes)
    return MemoryForecast(disk_bytes, numbers * number_bytes, _answer_bytes(config, number_bytes))


def forecast_known(spec: ModelSpec, device: str) -> MemoryForecast | None:
    """Of a model that is not here, from the size that the registry knows; None where it knows none."""
    if not spec.download_mb:
        return None
    disk_bytes = spec.download_mb * 1_000_000
    is_onnx = any(name.endswith(".onnx") for name in spec.files)
    return MemoryForecast(
        disk_bytes, disk_bytes if is_onnx else disk_bytes // spec.stored_bytes * _number_bytes(device)
    )


def _number_bytes(device: str) -> int:
    return 4 if device == "cpu" else 2


def _weights_in(folder: Path) -> list[Path]:
    """The files that are loaded: what the index names, the one with the usual name, else what is largest.

    Of those, shards of one are taken together although no index names them.
    """
    try:
        named = weights_files(folder)
    except CaptionerError:
        named = []
    if named and all(path.is_file() for path in named):
        return named
    if (folder / _OPEN_CLIP).is_file():
        return [folder / _OPEN_CLIP]
    found = [path for pattern in _WEIGHTS for path in folder.rglob(pattern) if path.is_file()]
    outside = [path for path in found if not path.match("*.safetensors")]  # of ONNX, beside what its graph holds
    if outside:
        return outside
    parts: dict[str, list[Path]] = {}
    for path in sorted(found or folder.iterdir()):
        if path.is_file():
            parts.setdefault(_SHARD.sub("", path.name), []).append(path)
    return max(parts.values(), key=_size, default=[])


def _size(files: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in files)


def _config(folder: Path) -> Mapping[str, Any]:
    try:
        return read_json_object(folder / "config.json")
    except CaptionerError:
        return {}


def _answer_bytes(config: Mapping[str, Any], number_bytes: int) -> int:
    """Keys and values of every layer of the language model."""
    named = next((config[name] for name in ("text_config", "decoder", "llm_config") if name in config), config)
    language = named if isinstance(named, dict) else {}
    layers = _first(language, "decoder_layers", "num_hidden_layers", "n_layer")
    width = _first(language, "hidden_size", "d_model", "n_embd")
    heads = _first(language, "num_attention_heads", "decoder_attention_heads", "n_head")
    if not (layers and width and heads):
        return 0
    head_width = _first(language, "head_dim") or width // heads
    return 2 * layers * (_first(language, "num_key_value_heads") or heads) * head_width * ANSWER_TOKENS * number_bytes


def _first(values: Mapping[str, Any], *names: str) -> int:
    """The first of these that is a whole number of a sensible size; 0 where none is."""
    return next((value for name in names if type(value := values.get(name)) is int and 0 < value < 1_000_000), 0)
