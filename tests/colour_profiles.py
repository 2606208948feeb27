"""Colour profiles (ICC, version 2) written by hand, and what colours mean in them, reckoned without any library.

Source: ICC.1:2001-04; primaries and curves of Display P3 (SMPTE RP 431-2 with D65), Adobe RGB (1998) and ProPhoto RGB
(ISO 22028-2).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

_D50 = np.array([0.9642, 1.0, 0.8249])
_WHITES = {"D65": (0.3127, 0.3290), "D50": (0.3457, 0.3585)}
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


@dataclass(frozen=True)
class Space:
    """An RGB space. primaries: x and y of red, green and blue. gamma: None for sRGB's curve."""

    name: str
    primaries: tuple[tuple[float, float], ...]
    white: str
    gamma: float | None

    def to_xyz(self) -> Any:
        """The matrix from linear RGB to XYZ under D50, as profiles have it."""
        columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in self.primaries]).T
        x, y = _WHITES[self.white]
        white = np.array([x / y, 1.0, (1 - x - y) / y])
        matrix = columns * np.linalg.solve(columns, white)
        scale = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
        return np.linalg.inv(_BRADFORD) @ scale @ _BRADFORD @ matrix

    def linear(self, values: Any) -> Any:
        return _srgb_linear(values) if self.gamma is None else values**self.gamma


SRGB = Space("sRGB by another name", ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)), "D65", None)
DISPLAY_P3 = Space("Display P3", ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), "D65", None)
ADOBE_RGB = Space("Adobe RGB (1998)", ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), "D65", 563 / 256)
PROPHOTO = Space("ProPhoto RGB", ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)), "D50", 1.8)
WIDE = (DISPLAY_P3, ADOBE_RGB, PROPHOTO)


def as_srgb(pixels: Any, space: Space) -> Any:
    """What 8-bit colours of a space are in sRGB, as floats from 0 to 255; those that sRGB lacks are cut."""
    linear = space.linear(np.asarray(pixels) / 255) @ space.to_xyz().T @ np.linalg.inv(SRGB.to_xyz()).T
    return 255 * _srgb_curved(np.clip(linear, 0, 1))


def grey_as_srgb(values: Any, gamma: float) -> Any:
    return 255 * _srgb_curved((np.asarray(values) / 255) ** gamma)


def _srgb_linear(values: Any) -> Any:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _srgb_curved(values: Any) -> Any:
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * np.maximum(values, 0.0031308) ** (1 / 2.4) - 0.055)


def rgb_profile(space: Space, *, name: str | None = None) -> bytes:
    matrix = space.to_xyz()
    curve = _curve(space.gamma)
    columns = {tag: _xyz(matrix[:, number]) for number, tag in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    return _profile(b"mntr", b"RGB ", b"XYZ ", name or space.name, {**columns, **curves})


def grey_profile(gamma: float, name: str = "Grey") -> bytes:
    return _profile(b"mntr", b"GRAY", b"XYZ ", name, {b"kTRC": _curve(gamma)})


def cmyk_profile(lab_of: Callable[[tuple[int, ...]], tuple[float, float, float]]) -> bytes:
    """Args: lab_of: what each of the 16 mixtures of full inks (cyan, magenta, yellow, black: 0 or 1) looks like."""
    ramp = bytes(range(256))
    mixtures = [(c, m, y, k) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    nodes = b"".join(
        bytes([round(light * 2.55), round(a + 128), round(b + 128)]) for light, a, b in map(lab_of, mixtures)
    )
    identity = struct.pack(">9i", *(65536 * (number % 4 == 0) for number in range(9)))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + ramp * 4 + nodes + ramp * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", "Press", {b"A2B0": table, b"A2B1": table})


def _profile(kind: bytes, space: bytes, connection: bytes, name: str, tags: Mapping[bytes, bytes]) -> bytes:
    described = b"desc\0\0\0\0" + struct.pack(">I", len(name) + 1) + name.encode("latin-1") + bytes(1 + 8 + 3 + 67)
    tags = {b"desc": described, b"cprt": b"text\0\0\0\0none\0", b"wtpt": _xyz(_D50), **tags}
    table, body = struct.pack(">I", len(tags)), b""
    for tag, value in tags.items():
        table += tag + struct.pack(">II", 128 + 4 + 12 * len(tags) + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4sI4s4s4s12x4s28x", size, b"test", 0x02400000, kind, space, connection, b"acsp")
    return head + _xyz(_D50)[8:] + bytes(48) + table + body


def _xyz(values: Any) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(value) * 65536) for value in values))


def _curve(gamma: float | None) -> bytes:
    """A gamma in 8 + 8 bits where they hold it, else 4,096 values; None: sRGB's curve."""
    if gamma is not None and gamma * 256 == int(gamma * 256):
        return b"curv\0\0\0\0" + struct.pack(">IH", 1, int(gamma * 256))
    places = np.linspace(0, 1, 4096)
    values = np.rint((_srgb_linear(places) if gamma is None else places**gamma) * 65535).astype(">u2")
    return b"curv\0\0\0\0" + struct.pack(">I", len(values)) + values.tobytes()
