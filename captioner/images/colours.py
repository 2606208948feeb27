"""A picture's colours become sRGB by its embedded profile (ICC): what models were trained on and browsers show.

Relative colorimetric with black point compensation: a colour that sRGB has stays the colour it is, white stays white
and black black. Perceptual would be whatever a profile's maker thought pleasing, and the profiles of screens and
cameras, a matrix and curves, have none. Pillow reads 16 bits of colour as 8, which is what is converted. Colour spaces
that are named without a profile (Exif's R03, PNG's cICP and gAMA, AVIF's nclx) are not known to Pillow and taken for
sRGB. Knows no file and no format.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageCms

from captioner.images.strips import strips
from captioner.limits import shown

_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
_SPACE_WORDS = {"RGB": "RGB", "GRAY": "grey", "CMYK": "CMYK", "Lab": "LAB"}
# Profiles of files, as opposed to links between devices, abstract effects and lists of named colours.
_DEVICE_CLASSES = frozenset({"scnr", "mntr", "prtr", "spac"})
_DAMAGED = "its colour profile is damaged and was ignored"
_MAX_NAME_LENGTH = 60
_KEPT_CONVERSIONS = 32
_PROBE_STEP = 15
# Of the ways to round that programs have; a profile that changes nothing by more is sRGB by whatever name.
_ROUNDING = 1


@dataclass(frozen=True, slots=True)
class Conversion:
    """How a picture's pixels become sRGB.

    note: what is to be told, "" for nothing. transform: of RGB or CMYK; None: as they are. table: of grey, three times
    256 values; None: as they are.
    """

    note: str = ""
    transform: ImageCms.ImageCmsTransform | None = None
    table: tuple[int, ...] | None = None

    def apply_to(self, rgb: Image.Image) -> Image.Image:
        """The same RGB picture, changed in place; of a grey one all three channels are equal before."""
        if self.transform is not None:
            self.transform.apply_in_place(rgb)
        elif self.table is not None:
            for top, strip in strips(rgb):
                rgb.paste(strip.point(self.table), (0, top))
        return rgb

    def from_cmyk(self, image: Image.Image) -> Image.Image:
        """A new RGB picture; without a profile by multiplying with black, as browsers do."""
        return image.convert("RGB") if self.transform is None else self.transform.apply(image)


def conversion_of(info: Mapping[Any, Any], mode: str) -> Conversion:
    """What the profile among a picture's `info` asks for; one that cannot be used is ignored and named in the note.

    Args: mode: RGB, L or CMYK: what the picture's colours are, without transparency.
    """
    if "icc_profile" not in info:
        return Conversion()
    profile = info["icc_profile"]
    return _CONVERSIONS.find(profile, mode) if isinstance(profile, bytes) and profile else Conversion(_DAMAGED)


def from_lab(image: Image.Image) -> Image.Image:
    """CIE LAB, which needs no profile, as sRGB."""
    lab, srgb = (ImageCms.createProfile(name) for name in ("LAB", "sRGB"))
    return ImageCms.buildTransform(lab, srgb, "LAB", "RGB", _INTENT, _FLAGS).apply(image)


class _Conversions:
    """The conversions used last: to make one takes as long as to decode a small picture."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[bytes, str], Conversion] = OrderedDict()
        self._guard = threading.Lock()

    def find(self, profile: bytes, mode: str) -> Conversion:
        key = hashlib.sha256(profile).digest(), mode
        with self._guard:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
                return known
        try:
            made = _conversion(profile, mode)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # Pillow's, for a profile that lcms refuses
            made = Conversion(_DAMAGED)
        with self._guard:
            self._kept[key] = made
            while len(self._kept) > _KEPT_CONVERSIONS:
                self._kept.popitem(last=False)
        return made


_CONVERSIONS = _Conversions()


def _conversion(profile: bytes, mode: str) -> Conversion:
    """Raises: PyCMSError, OSError, ValueError, TypeError: the profile is damaged."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    space = str(source.profile.xcolor_space or "").strip()
    if space != _SPACES[mode] or source.profile.device_class not in _DEVICE_CLASSES:
        what = _SPACE_WORDS.get(space, "other") if space != _SPACES[mode] else "other"
        return Conversion(f"its colour profile is for {what} pictures and was ignored")
    srgb = ImageCms.createProfile("sRGB")
    # Of grey 256 values are asked for, so that it need not be fast: what lcms does for that costs dark greys 6/255.
    flags = _FLAGS | ImageCms.Flags.NOOPTIMIZE if mode == "L" else _FLAGS
    transform = ImageCms.buildTransform(source, srgb, mode, "RGB", _INTENT, flags)
    if mode == "CMYK":
        return Conversion(transform=transform)
    name = shown(str(source.profile.profile_description or "").strip(), max_length=_MAX_NAME_LENGTH)
    note = f"colours converted from {name or 'its colour profile'}"
    if mode == "L":
        ramp = Image.frombytes("L", (256, 1), bytes(range(256)))
        channels = transform.apply(ramp).split()
        if all(_is_same(channel.tobytes(), ramp.tobytes()) for channel in channels):
            return Conversion()
        return Conversion(note, table=tuple(value for channel in channels for value in channel.tobytes()))
    steps = range(0, 256, _PROBE_STEP)
    probe = Image.frombytes(
        "RGB", (len(steps), len(steps) ** 2), bytes(v for r in steps for g in steps for b in steps for v in (r, g, b))
    )
    if _is_same(transform.apply(probe).tobytes(), probe.tobytes()):
        return Conversion()
    return Conversion(note, transform)


def _is_same(one: bytes, other: bytes) -> bool:
    return all(abs(a - b) <= _ROUNDING for a, b in zip(one, other, strict=True))
