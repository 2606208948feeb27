"""What BLIP remembers of pictures: by what it tells them, their cross-attention keys. Knows no settings, no text."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import torch
from PIL.Image import Image


def digest_of(picture: Image) -> str:
    """sha256 of size and pixels: equal pictures share an encoding, whatever file they came from."""
    hashed = hashlib.sha256(f"{picture.mode} {picture.size}".encode())
    hashed.update(picture.tobytes())
    return hashed.hexdigest()


@dataclass(frozen=True, slots=True)
class PictureKeys:
    """One picture's cross-attention keys and values, or several pictures' side by side.

    layers: a pair of (pictures, heads, image tokens, head size) each. token: tells these keys from all others, without
    holding on to their memory.
    """

    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    token: object = field(default_factory=object)

    @property
    def size_bytes(self) -> int:
        """What the tensors take."""
        return sum(tensor.numel() * tensor.element_size() for pair in self.layers for tensor in pair)
