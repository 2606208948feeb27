"""What BLIP remembers of pictures: what tells them apart, their encodings and keys. Knows no settings, no text."""

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
class Encoding:
    """One picture as the picture tower left it.

    states: (1, image tokens, width), on the model's device; a copy, since a part of a batch would keep all of it in
    memory. digest: what tells the picture from others (`cache.key_of`).
    """

    states: torch.Tensor
    digest: str

    @property
    def size_bytes(self) -> int:
        """What the states take."""
        return int(self.states.numel() * self.states.element_size())


@dataclass(frozen=True, slots=True)
class Background:
    """No picture in particular: the mean of `count` pictures' encodings, what `read` compares one with."""

    mean: Encoding
    count: int


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
