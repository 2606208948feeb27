"""What BLIP remembers of pictures: by what it tells them, their cross-attention keys. Knows no settings, no text."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import torch
from PIL.Image import Image

from captioner.contract import PictureInput


def key_of(shown: PictureInput) -> str:
    """What tells a picture from others: its file's digest, which costs nothing, or else that of its pixels."""
    return f"file {shown.digest}" if shown.digest else digest_of(shown.image)


def digest_of(picture: Image) -> str:
    """sha256 of size and pixels, hexadecimal; of 12 megapixels it takes half as long as decoding them."""
    hashed = hashlib.sha256(f"{picture.mode} {picture.size}".encode())
    hashed.update(picture.tobytes())
    return hashed.hexdigest()


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
