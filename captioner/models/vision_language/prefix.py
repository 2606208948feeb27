"""The beginning of an answer, kept: what the language model made of a picture and a question, for other settings.

transformers continues from such a cache for most families. Some keep more on the model itself (positions of the last
picture), which is kept and put back beside it; in some the last token of a question changes what came before, so that
no part of it can be kept. So it is proven once, when it is first wanted, on a picture with another one read in
between; where the answers differ, picture and question are read each time. Imported only by `answering`.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from captioner.models.byte_cache import ByteCache
from captioner.models.memory import is_out_of_memory
from captioner.models.vision_language.asking import Asking
from captioner.models.vision_language.features import Features, bytes_of, probe_pictures

_log = logging.getLogger(__name__)

LIMIT_BYTES = 512 << 20
"""What kept beginnings may take; that of an 8B model takes about 160 MB."""
LIMIT_COUNT = 4

_STATE = "rope_deltas"  # what about 25 families remember of the last picture's positions, on a module
_STEPS = 3
# By how much scores may differ, in parts of their spread: rounding alone, which is coarser in half precision.
_TOLERANCE = {torch.float32: 1e-3}
_COARSE_TOLERANCE = 0.05

Inputs = dict[str, Any]


@dataclass(frozen=True)
class _Prefix:
    """inputs: of one row, without the picture. cache: of all tokens but the last. state: of each stateful module."""

    inputs: Inputs
    cache: Any
    state: list[Any]


class Prefixes:
    """Kept beginnings of one model's answers. note: why there are none, "" while there may be."""

    def __init__(self, model: Any, asking: Asking, features: Features) -> None:
        self._model = model
        self._asking = asking
        self._features = features
        self._kept: ByteCache[_Prefix] = ByteCache(LIMIT_BYTES, LIMIT_COUNT)
        self._stateful = [module for module in model.modules() if hasattr(module, _STATE)]
        has_own_generate = not type(model).generate.__qualname__.startswith("GenerationMixin")
        is_hopeless = bool(model.config.is_encoder_decoder) or has_own_generate
        self._is_proven: bool | None = False if is_hopeless else None
        self._last: Hashable = None

    @property
    def size_bytes(self) -> int:
        """What they take."""
        return self._kept.size_bytes

    @property
    def note(self) -> str:
        """Fit to stand after the model's name; "" when all is well or nothing was tried."""
        if self._is_proven is False:
            return "reads picture and question again for each try"
        return ""

    def grow_at_most(self, more_bytes: int) -> None:
        """Keep at most so many bytes more than now."""
        self._kept.grow_at_most(more_bytes)

    def forget(self) -> None:
        """Let go of all."""
        self._kept.clear()
        self._last = None

    def begun(
        self, image: Image.Image, prompt: str, system: str, *, rows: int, beams: int, is_again: bool = False
    ) -> Inputs | None:
        """Inputs for generate that go on from a kept beginning, for so many equal rows.

        None where the model cannot, or where this is the first time that it is asked and nothing says that it will be
        again: a job that asks once a picture keeps nothing.
        Args: is_again: the same will be asked again.
        Raises: as `generate`.
        """
        key = (self._features.key_of(image), prompt, system)
        is_again = is_again or rows > 1 or key == self._last
        self._last = key
        if not is_again or not self._can():
            return None
        kept = self._kept.get(key)
        if kept is None:
            kept = self._read(image, self._asking.inputs([image], [prompt], system))
            self._kept.put(key, kept, bytes_of(kept.cache))
        return self._going_on(kept, rows, beams)

    def _read(self, image: Image.Image, inputs: Mapping[str, Any]) -> _Prefix:
        """All but the last token, read once."""
        given = self._features.instead_of_pixels([image], inputs)
        length = inputs["input_ids"].shape[1]
        head = {
            name: value[:, :-1] if torch.is_tensor(value) and _is_by_token(name, value, length) else value
            for name, value in given.items()
        }
        said = self._model.generate(**head, max_new_tokens=1, do_sample=False, return_dict_in_generate=True)
        rest = {name: value for name, value in self._features.without_pixels(given).items() if torch.is_tensor(value)}
        return _Prefix(rest, said.cache, [copy.deepcopy(getattr(module, _STATE)) for module in self._stateful])

    def _going_on(self, kept: _Prefix, rows: int, beams: int) -> Inputs:
        """A cache of its own for each call, for generate goes on writing into it; a row of it for each beam."""
        cache = copy.deepcopy(kept.cache)
        if rows * beams > 1:
            cache.reorder_cache(torch.zeros(rows * beams, dtype=torch.long, device=self._model.device))
        for module, state in zip(self._stateful, kept.state, strict=True):
            setattr(module, _STATE, copy.deepcopy(state))
        return {**{name: torch.cat([value] * rows) for name, value in kept.inputs.items()}, "cache": cache}

    def _can(self) -> bool:
        if self._is_proven is None:
            self._is_proven = self._prove()
        return self._is_proven

    def _prove(self) -> bool:
        try:
            other, picture = probe_pictures()
            inputs = self._asking.probe([picture])
            whole = self._said(self._features.instead_of_pixels([picture], inputs))
            kept = self._read(picture, inputs)
            self._read(other, self._asking.probe([other]))
            begun = self._said(self._going_on(kept, 1, 2))
        except Exception as error:
            if is_out_of_memory(error):
                raise
            _log.info("beginnings of answers are not kept: %s: %s", type(error).__name__, str(error)[:200])
            return False
        if not self._is_equal(whole, begun):
            _log.info("beginnings of answers are not kept: from them the model answers otherwise")
            return False
        return True

    def _said(self, inputs: Inputs) -> tuple[torch.Tensor, torch.Tensor]:
        """Two beams' tokens, and the scores of every token on the way: (steps, beams, vocabulary)."""
        said = self._model.generate(
            **inputs,
            max_new_tokens=_STEPS,
            num_beams=2,
            num_return_sequences=2,
            do_sample=False,
            return_dict_in_generate=True,
            output_logits=True,
        )
        return said.sequences, torch.stack(said.logits).float()

    def _is_equal(self, one: tuple[torch.Tensor, torch.Tensor], other: tuple[torch.Tensor, torch.Tensor]) -> bool:
        if one[1].shape != other[1].shape or not torch.equal(one[0], other[0]):
            return False
        allowed = _TOLERANCE.get(self._model.dtype, _COARSE_TOLERANCE) * one[1].std()
        return bool((one[1] - other[1]).abs().max() <= allowed)


def _is_by_token(name: str, value: torch.Tensor, length: int) -> bool:
    """Whether an input has an entry for each token of the question."""
    is_of_picture = name.startswith(("pixel", "image"))
    return not is_of_picture and value.ndim >= 2 and value.shape[1] == length
