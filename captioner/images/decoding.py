"""A picture's bytes become an upright RGB picture in memory, by Pillow. Knows no files, no budget and no other process.

What is set in Pillow, which is shared by the whole process: nothing when this module is imported. The first picture
registers pillow-heif's reader if that package is installed, and silences the warnings that Pillow's own modules raise
(odd TIFF tags, large sizes): they go to nobody who can act on them, and `warnings.catch_warnings` is no way out since
it is not safe with threads. Pillow's MAX_IMAGE_PIXELS stays as it is; ours is lower than the size where it refuses.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from PIL import ExifTags, Image, UnidentifiedImageError

from captioner.errors import BadPicture
from captioner.images import colours, jpeg_end
from captioner.images.headers import MAX_PIXELS, check_pixels, damaged, format_by_start, is_bounded_exif
from captioner.images.strips import strips

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
TURNED, FRAMES, ON_WHITE = "rotated by EXIF", "only the first of its frames", "transparency on white"
"""Notes that others than people read too."""

_MAX_EXIF_DIGITS = 10_000_000
_GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F"})
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# The form in which `warnings` keeps a filter, to see whether ours is still there: tests and libraries reset the list.
_PILLOW_MODULES = re.compile(r"PIL\.")


@dataclass(frozen=True, slots=True)
class OpenedPicture:
    """A decoded picture.

    image: sRGB, full size, upright. format: JPEG, PNG, ... by content. notes: what decoding had to do, for the person
    ("rotated by EXIF", "transparency on white", "only the first of its frames").
    """

    image: Image.Image
    format: str
    notes: tuple[str, ...]


@functools.cache
def readable_formats() -> tuple[str, ...]:
    """The formats `open_picture` reads here; HEIF is one of them if pillow-heif is installed."""
    return (*FORMATS, "HEIF") if importlib.util.find_spec("pillow_heif") else FORMATS


def decode(data: bytes) -> OpenedPicture:
    """Decode a picture whose header was read and found acceptable.

    Raises: BadPicture: not_an_image, damaged, too_many_pixels or out_of_memory.
    """
    is_jpeg = _readers(data) == ("JPEG",)
    try:
        if is_jpeg and jpeg_end.is_filled_up(data):  # Pillow would take the zeros for pixels
            raise damaged("it ends in zeros")
        return _decoded(data)
    except BadPicture as error:
        if not is_jpeg or error.code != "damaged":
            raise
        whole = jpeg_end.completed(data, _pixels_of_jpeg)
        if whole is None:
            raise
    opened = _decoded(whole)
    return replace(opened, notes=("its end marker was missing", *opened.notes))


def _pixels_of_jpeg(data: bytes) -> bytes | None:
    """sha256 of the pixels as they are stored."""
    pixels = hashlib.sha256()
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            for _, strip in strips(image):
                pixels.update(strip.tobytes())
    except Exception:  # noqa: BLE001 (as for any damaged file)
        return None
    return pixels.digest()


def _decoded(data: bytes) -> OpenedPicture:
    with opened_lazily(data) as image:
        image.load()
        picture_format = "JPEG" if image.format == "MPO" else str(image.format)
        notes: list[str] = []
        orientation = orientation_of(image)
        rgb = _to_rgb(image, notes)
        if orientation in TURNS:
            rgb = rgb.transpose(TURNS[orientation])
            notes.append(TURNED)
        elif rgb is image:
            rgb = image.copy()  # without the file
        if has_more_frames(image):
            notes.append(FRAMES)
        return OpenedPicture(rgb, picture_format, tuple(notes))


@contextmanager
def opened_lazily(data: bytes) -> Iterator[Image.Image]:
    """A picture without its pixels; what goes wrong with it within the block becomes a BadPicture, as in `decode`."""
    _silence_pillow()
    _register_heif()
    try:
        with Image.open(io.BytesIO(data), formats=_readers(data)) as image:
            check_pixels(*image.size)
            yield image
    except BadPicture:
        raise
    except Image.DecompressionBombError as error:
        raise BadPicture(
            f"The picture has more than {MAX_PIXELS // 10**6} million pixels; save a smaller copy and use that.",
            code="too_many_pixels",
        ) from error
    except UnidentifiedImageError as error:
        raise not_an_image(data) from error
    except MemoryError as error:
        raise out_of_memory() from error
    except Exception as error:
        # Damaged files make Pillow's readers raise nearly every built-in exception: OSError, SyntaxError, struct.error,
        # IndexError, TypeError, ... There is no narrower base.
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        raise BadPicture(
            f"The picture is damaged or cut off ({reason}); copy or export it again.", code="damaged"
        ) from error


def _silence_pillow() -> None:
    ours = ("ignore", None, Warning, _PILLOW_MODULES, 0)
    if ours not in warnings.filters:
        warnings.filterwarnings("ignore", module=_PILLOW_MODULES.pattern)


@functools.cache
def _register_heif() -> None:
    if "HEIF" in readable_formats():
        importlib.import_module("pillow_heif").register_heif_opener()


def check_readable(data: bytes) -> str:
    """The format of data that is one we read. Raises: BadPicture: not_an_image."""
    if not _readers(data):
        raise not_an_image(data)
    return format_by_start(data[:16])


def _readers(data: bytes) -> tuple[str, ...]:
    """The formats of Pillow that may be inside."""
    kind = format_by_start(data[:16])
    possible = ("AVIF", "HEIF") if data[8:12] in (b"mif1", b"msf1") and kind == "HEIF" else (kind,)
    return tuple(name for name in possible if name in readable_formats())


def not_an_image(data: bytes) -> BadPicture:
    """What a file that no reader took is, as far as its first bytes tell."""
    head = data[:64]
    kind = format_by_start(head)
    if kind == "HEIF" and kind not in readable_formats():
        return BadPicture(
            "This is a HEIC picture, which needs another package: pip install pillow-heif (or save it as JPEG).",
            code="not_an_image",
        )
    if kind:
        return BadPicture(
            f"The file begins like a {kind} picture but is damaged or cut off; copy or export it again.", code="damaged"
        )
    start = head.lstrip().lower()
    looks = ""
    if start.startswith(b"%pdf"):
        looks = " but a PDF"
    elif start.startswith((b"<svg", b"<?xml", b"<!doctype", b"<html")):
        looks = " but an SVG drawing or a web page"
    return BadPicture(
        f"The content is not a picture that can be read here{looks}; "
        f"save it as one of {', '.join(readable_formats())}.",
        code="not_an_image",
    )


def out_of_memory() -> BadPicture:
    return BadPicture(
        "There is not enough memory to decode this picture; close other programs or save a smaller copy.",
        code="out_of_memory",
    )


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation, 1 where there is none or the EXIF data is broken: that must not lose the picture.

    Pillow turns TIFF pictures itself while loading and takes the tag away.
    """
    with suppress(Exception):
        if not is_bounded_exif(_exif_bytes(image)):
            return 1
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
        return value if isinstance(value, int) else 1
    return 1


def _exif_bytes(image: Image.Image) -> bytes:
    """What `getexif` will take apart. Raises: ValueError: there is far too much of it."""
    if "exif" in image.info:
        return bytes(image.info["exif"])
    text = str(image.info.get("Raw profile type exif", ""))  # ImageMagick's way in PNG: three lines, then digits
    if len(text) > _MAX_EXIF_DIGITS:
        raise ValueError(f"{len(text)} digits of Exif data")
    return bytes.fromhex("".join(text.split("\n")[3:]))


def has_more_frames(image: Image.Image) -> bool:
    """Whether it is animated or has pages; damage behind the first frame does not matter."""
    with suppress(Exception):
        return bool(getattr(image, "is_animated", False))
    return False


def _to_rgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """The loaded first frame as sRGB in 8 bits, transparency on white; the same object if it was RGB."""
    if image.mode == "LAB":
        notes.append("converted from LAB")
        return colours.from_lab(image)
    is_grey = image.mode in _GREY_MODES or image.mode.startswith("I;16")
    kind = "CMYK" if image.mode == "CMYK" else "L" if is_grey else "RGB"
    conversion = colours.conversion_of(image.info, kind)
    if image.mode == "CMYK":
        # Adobe writes CMYK JPEGs inverted, and so does nearly everybody since; Pillow turns every one of them round.
        notes += filter(None, ("converted from CMYK", conversion.note))
        return conversion.from_cmyk(image)
    if image.mode in ("I", "F"):  # what their numbers mean is guessed as it is
        notes += ["scaled to 8 bits", *(["its colour profile was not applied"] if "icc_profile" in image.info else [])]
        return _eight_bits(image)
    notes += filter(None, (conversion.note,))
    if image.mode.startswith("I;16"):
        notes.append("scaled to 8 bits")
        return conversion.apply_to(_eight_bits(image))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return _on_white(image, conversion, notes)
    return conversion.apply_to(image if image.mode == "RGB" else image.convert("RGB"))


def _on_white(image: Image.Image, conversion: colours.Conversion, notes: list[str]) -> Image.Image:
    if image.mode in ("La", "RGBa"):
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    elif image.mode == "RGB":
        key = image.info["transparency"]
        if isinstance(key, tuple) and any(value > 255 for value in key):
            # 16 bits a channel: Pillow keeps the pixels' high bytes, but the whole number of the transparent colour.
            image.info["transparency"] = tuple(value >> 8 for value in key)
    rgba = image.convert("RGBA")
    alpha = rgba.getchannel("A")
    rgb = conversion.apply_to(rgba.convert("RGB"))
    del rgba
    if alpha.getextrema() == (255, 255):
        return rgb
    notes.append(ON_WHITE)
    white = Image.new("RGB", rgb.size, "white")
    white.paste(rgb, mask=alpha)
    return white


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits or floats, scaled as a whole so that white stays white and black black."""
    import numpy as np

    tags: Any = getattr(image, "tag_v2", {})  # TIFF only
    to_grey: Callable[[Any], Any]
    if image.mode.startswith("I;16"):
        bits = tags.get(258, (16,))  # BitsPerSample: a TIFF may store 12 bits in 16
        highest = 2 ** (bits[0] if isinstance(bits, tuple) else bits) - 1
        steps = np.clip(np.arange(65536) * (255 / highest), 0, 255)
        table = np.rint(steps).astype(np.uint8)
        to_grey = table.__getitem__
    else:
        peak = max(float(_finite(strip).max()) for _, strip in strips(image))
        if peak <= 1.0 and image.mode == "F":
            highest = 1.0
        else:
            highest = next((limit for limit in (255.0, 65535.0) if peak <= limit), peak)
        to_grey = functools.partial(_scaled, scale=255.0 / highest)
    key = image.info.get("transparency")
    rgb = Image.new("RGB", image.size)
    for top, strip in strips(image):
        grey = to_grey(_finite(strip) if image.mode in ("I", "F") else np.asarray(strip))
        if tags.get(262) == 0:  # PhotometricInterpretation WhiteIsZero, which Pillow turns round for 8 bits only
            grey = 255 - grey
        if isinstance(key, int):  # PNG: this grey is transparent
            grey = np.where(np.asarray(strip) == key, 255, grey).astype(np.uint8)
        rgb.paste(Image.fromarray(grey).convert("RGB"), (0, top))
    return rgb


def _finite(strip: Image.Image) -> Any:
    """float32 of the same shape, 0 for what is no finite number."""
    import numpy as np

    return np.nan_to_num(np.asarray(strip).astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)


def _scaled(values: Any, scale: float) -> Any:
    import numpy as np

    return np.rint(np.clip(values * scale, 0, 255)).astype(np.uint8)
