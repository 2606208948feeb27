"""What a model's picture tower makes of each picture, kept, so that another question need not look again.

transformers hands such features to `generate` for most families, and quietly does something else for a few. So it is
proven when a model is loaded, on two pictures under beam search; where the answers differ, the model looks each time.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from PIL import Image

from captioner.models.byte_cache import ByteCache
from captioner.models.memory import is_out_of_memory
from captioner.models.vision_language.asking import Asking

_log = logging.getLogger(__name__)

LIMIT_BYTES = 512 << 20
"""What features of pictures may take; those of an 8B model take 8 to 33 MB a picture."""

_KEPT = ("pooler_output", "deepstack_features")
_PIXELS = ("image_position_ids", "spatial_shapes")  # beside all names that begin with pixel


class Features:
    """Kept features of one model's pictures. is_used: whether giving them gives the same answers as looking does."""

    def __init__(self, model: Any, asking: Asking) -> None:
        self._model = model
        self._asking = asking
        self._kept: ByteCache[dict[str, Any]] = ByteCache(LIMIT_BYTES)
        self._reader = getattr(model.base_model, "get_image_features", None)
        self.is_used = self._reader is not None and self._is_proven()

    @property
    def size_bytes(self) -> int:
        """What they take."""
        return self._kept.size_bytes

    @property
    def note(self) -> str:
        """Fit to stand after the model's name; "" when all is well."""
        return "" if self.is_used else "looks at a picture again for each try"

    def grow_at_most(self, more_bytes: int) -> None:
        """Keep at most so many bytes more than now."""
        self._kept.grow_at_most(more_bytes)

    def forget(self) -> None:
        """Let go of all."""
        self._kept.clear()

    def instead_of_pixels(self, images: Sequence[Image.Image], inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Inputs for generate on the model's device, with features in the pixels' place where that gives the same."""
        placed = {name: self._placed(value) for name, value in inputs.items()}
        return self._with_features(images, placed) if self.is_used else placed

    def _with_features(self, images: Sequence[Image.Image], placed: dict[str, Any]) -> dict[str, Any]:
        found = [self._of(image, placed if len(images) == 1 else None) for image in images]
        return {**self.without_pixels(placed), "mm_encoder_outputs": {"image": _joined(found)}}

    @staticmethod
    def without_pixels(inputs: Mapping[str, Any]) -> dict[str, Any]:
        """What remains of inputs once the model has looked."""
        return {name: value for name, value in inputs.items() if not (name.startswith("pixel") or name in _PIXELS)}

    @staticmethod
    def key_of(image: Image.Image) -> Hashable:
        """The same for equal pictures only."""
        return image.size, hashlib.blake2b(image.tobytes(), digest_size=16).digest()

    def _of(self, image: Image.Image, placed: Mapping[str, Any] | None) -> dict[str, Any]:
        """One picture's features. Args: placed: its inputs, None where they are to be made."""
        key = self.key_of(image)
        kept = self._kept.get(key)
        if kept is None:
            made = placed or {name: self._placed(value) for name, value in self._asking.probe([image]).items()}
            assert self._reader is not None
            taken = inspect.signature(self._reader).parameters
            read = self._reader(**{name: value for name, value in made.items() if name in taken}, return_dict=True)
            kept = {"class": type(read), **{name: read[name] for name in _KEPT if read.get(name) is not None}}
            self._kept.put(key, kept, bytes_of(kept))
        return kept

    def _placed(self, value: Any) -> Any:
        if not torch.is_tensor(value):
            return value
        return value.to(self._model.device, self._model.dtype if value.is_floating_point() else value.dtype)

    @torch.inference_mode()
    def _is_proven(self) -> bool:
        images = probe_pictures()
        try:
            inputs = {name: self._placed(value) for name, value in self._asking.probe(images).items()}
            looked = self._two_tokens(dict(inputs))
            given = self._two_tokens(self._with_features(images, inputs))
        except Exception as error:
            if is_out_of_memory(error):
                raise
            _log.info("features of pictures are not kept: %s: %s", type(error).__name__, str(error)[:200])
            return False
        finally:
            self._kept.clear()
        is_equal: bool = torch.equal(looked, given)
        if not is_equal:
            _log.info("features of pictures are not kept: with them the model answers otherwise")
        return is_equal

    def _two_tokens(self, inputs: dict[str, Any]) -> torch.Tensor:
        said: torch.Tensor = self._model.generate(
            **inputs, max_new_tokens=2, num_beams=2, num_return_sequences=2, do_sample=False
        )
        return said


def _joined(found: Sequence[Mapping[str, Any]]) -> Any:
    """Features of single pictures as those of one batch: a new object each time, for generate writes into it."""
    joined: dict[str, Any] = {}
    for name in found[0]:
        values = [one[name] for one in found]
        if name == "deepstack_features":  # layer by layer
            joined[name] = [_of_all(layer) for layer in zip(*values, strict=True)]
        elif name != "class":
            joined[name] = _of_all(values)
    return found[0]["class"](**joined)


def _of_all(values: Sequence[Any]) -> Any:
    """Tensors of single pictures as one, or lists of a tensor a picture as one list."""
    return torch.cat(list(values)) if torch.is_tensor(values[0]) else [part for value in values for part in value]


def probe_pictures() -> list[Image.Image]:
    """A white one and one of another shape, to try a model on."""
    return [Image.new("RGB", (64, 64), "white"), Image.linear_gradient("L").resize((96, 48)).convert("RGB")]


def bytes_of(value: Any) -> int:
    """Bytes of the tensors in a value: in its parts, or an object's attributes."""
    if torch.is_tensor(value):
        return int(value.numel() * value.element_size())
    if isinstance(value, dict):
        return sum(map(bytes_of, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(bytes_of, value))
    return bytes_of(vars(value)) if hasattr(value, "__dict__") and not isinstance(value, type) else 0
