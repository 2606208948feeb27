"""One picture's cross-attention keys and values, which BLIP remembers. Knows no settings, no text."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch


@dataclass(frozen=True, slots=True)
class PictureKeys:
    """One picture's cross-attention keys and values.

    layers: a pair of (1, heads, image tokens, head size) each. token: tells these keys from all others, without
    holding on to their memory.
    """

    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    token: object = field(default_factory=object)

    @property
    def size_bytes(self) -> int:
        """What the tensors take."""
        return sum(tensor.numel() * tensor.element_size() for pair in self.layers for tensor in pair)
