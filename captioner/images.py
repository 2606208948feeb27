"""A file or an upload becomes an upright RGB picture, or a `BadPicture` that says what is wrong with it.

The content decides what a file is, never its name. Models get the full-size picture (no reduced JPEG decoding, which
blurs differently); only `thumbnail` and `preview` shrink. Knows no model, no page and no store.

Codes of `BadPicture` raised here:
    unreadable        the file is not there, or the system does not let us read it
    not_a_file        a folder, a device, a pipe, a socket, or a symbolic link that must not be followed
    empty             0 bytes
    too_big           more than MAX_BYTES
    too_many_pixels   more than MAX_PIXELS, or a side longer than MAX_SIDE_PX
    not_an_image      the content is no picture format that is read here
    damaged           it starts like a picture but cannot be decoded to the end
    out_of_memory     there is not enough memory to decode it

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
import os
import re
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from captioner.errors import BadPicture

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
MAX_BYTES = 200 * 1024 * 1024
MAX_PIXELS = 100_000_000
MAX_SIDE_PX = 65_000

_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".avif", ".gif", ".bmp", ".dib"),
    *(".tif", ".tiff", ".heic", ".heif"),
)
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_STARTS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
}
_TURNS = {
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

    image: RGB, full size, upright. format: JPEG, PNG, ... by content. notes: what decoding had to do, for the person
    ("rotated by EXIF", "transparency on white", "only the first of its frames").
    """

    image: Image.Image
    format: str
    notes: tuple[str, ...]


def is_picture_name(name: str) -> bool:
    """Whether a file of this name in a folder is worth opening; `open_picture` decides by content.

    HEIC counts even when it cannot be read, so that it is reported and not passed over in silence. Names that begin
    with a dot do not count: macOS leaves such files beside every picture on foreign disks.
    """
    return not name.startswith(".") and Path(name).suffix.lower() in _SUFFIXES


@functools.cache
def readable_formats() -> tuple[str, ...]:
    """The formats `open_picture` reads here; HEIF is one of them if pillow-heif is installed."""
    return (*FORMATS, "HEIF") if importlib.util.find_spec("pillow_heif") else FORMATS


def format_by_start(start: bytes) -> str:
    """Which format a file's first 16 bytes belong to (JPEG, PNG, ..., HEIF), "" for none that is known here.

    Says nothing about whether the rest is whole.
    """
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if start[4:8] == b"ftyp":
        return "AVIF" if start[8:12] in (b"avif", b"avis") else "HEIF" if start[8:12] in _HEIF_BRANDS else ""
    return next((name for signature, name in _STARTS.items() if start.startswith(signature)), "")


def digest(data: bytes) -> str:
    """sha256 of a picture's original bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def open_picture(source: Path | BinaryIO | bytes, *, follow_links: bool = False) -> OpenedPicture:
    """Decode a picture from a path, a stream or its bytes. Safe to call from several threads.

    Args:
        source: a stream is read to its end (at most MAX_BYTES) and left open.
        follow_links: open a path that is a symbolic link; for paths that the person named, never for uploads.

    Raises: BadPicture: with one of the codes at the top of this module.
    """
    if isinstance(source, bytes):
        _check_size(len(source))
        return _decode(io.BytesIO(source))
    if isinstance(source, Path):
        with _regular_file(source, follow_links) as file:
            return _decode(file)
    try:
        data = source.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadPicture(f"The picture cannot be read: {error}; send it again.", code="unreadable") from error
    _check_size(len(data))
    return _decode(io.BytesIO(data))


def thumbnail(image: Image.Image, edge_px: int = 256) -> bytes:
    """A small WebP for the grid, its longer side at most `edge_px`; smaller pictures keep their size."""
    return _webp(image, edge_px, quality=80)


def preview(image: Image.Image, edge_px: int = 1600) -> bytes:
    """A WebP to look at, its longer side at most `edge_px`; re-encoded, so nothing of the original file is in it."""
    return _webp(image, edge_px, quality=90)


def _webp(image: Image.Image, edge_px: int, quality: int) -> bytes:
    longer = max(image.size)
    if longer > edge_px:
        size = (max(1, round(image.width * edge_px / longer)), max(1, round(image.height * edge_px / longer)))
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    buffer = io.BytesIO()
    # A fresh RGB copy carries no EXIF, profile or comment of the original into the WebP.
    Image.frombytes("RGB", image.size, image.convert("RGB").tobytes()).save(buffer, "WEBP", quality=quality, method=2)
    return buffer.getvalue()


def _check_size(size_bytes: int) -> None:
    if size_bytes == 0:
        raise BadPicture("The file is empty (0 bytes); copy or export it again.", code="empty")
    if size_bytes > MAX_BYTES:
        raise BadPicture(
            f"The file is over the limit of {MAX_BYTES >> 20} MiB; save a smaller copy and use that.", code="too_big"
        )


@contextmanager
def _regular_file(path: Path, follow_links: bool) -> Iterator[BinaryIO]:
    """The file opened for reading; whatever is no regular file is refused without waiting on it."""
    try:
        # Looked at before opening, since opening some devices has effects, and again afterwards, in case it changed.
        _check_kind(path.stat() if follow_links else path.lstat())
        # O_NONBLOCK: should it have become a pipe in between, opening must not wait for a writer.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        descriptor = os.open(path, flags if follow_links else flags | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError as error:
        raise BadPicture("There is no such file; check the name.", code="unreadable") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise BadPicture(
            f"The file cannot be read ({reason}); check its name and permissions.", code="unreadable"
        ) from error
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(file.fileno())
        _check_kind(state)
        _check_size(state.st_size)
        yield file


def _check_kind(state: os.stat_result) -> None:
    if stat.S_ISREG(state.st_mode):
        return
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFLNK: "a symbolic link, which is not followed here",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    kind = kinds.get(stat.S_IFMT(state.st_mode), "no regular file")
    raise BadPicture(f"This is {kind}, not a picture file; name the file itself.", code="not_a_file")


def _decode(file: BinaryIO) -> OpenedPicture:
    _silence_pillow()
    _register_heif()
    try:
        with Image.open(file, formats=readable_formats()) as image:
            _check_pixels(*image.size)
            image.load()
            picture_format = "JPEG" if image.format == "MPO" else str(image.format)
            notes: list[str] = []
            orientation = _orientation(image)
            rgb = _to_rgb(image, notes)
            if orientation in _TURNS:
                rgb = rgb.transpose(_TURNS[orientation])
                notes.append("rotated by EXIF")
            if _has_more_frames(image):
                notes.append("only the first of its frames")
            return OpenedPicture(rgb, picture_format, tuple(notes))
    except BadPicture:
        raise
    except Image.DecompressionBombError as error:
        raise BadPicture(
            f"The picture has more than {MAX_PIXELS // 10**6} million pixels; save a smaller copy and use that.",
            code="too_many_pixels",
        ) from error
    except UnidentifiedImageError as error:
        raise _not_an_image(file) from error
    except MemoryError as error:
        raise BadPicture(
            "There is not enough memory to decode this picture; close other programs or save a smaller copy.",
            code="out_of_memory",
        ) from error
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


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE_PX:
        raise BadPicture(
            f"The picture is {width} x {height} pixels; at most {MAX_PIXELS // 10**6} million pixels and "
            f"{MAX_SIDE_PX} a side are read. Save a smaller copy and use that.",
            code="too_many_pixels",
        )


def _not_an_image(file: BinaryIO) -> BadPicture:
    """What a file that no reader took is, as far as its first bytes tell."""
    file.seek(0)
    head = file.read(64)
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


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 where there is none or the EXIF data is broken: that must not lose the picture.

    Pillow turns TIFF pictures itself while loading and takes the tag away.
    """
    with suppress(Exception):
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
        return value if isinstance(value, int) else 1
    return 1


def _has_more_frames(image: Image.Image) -> bool:
    """Whether it is animated or has pages; damage behind the first frame does not matter."""
    with suppress(Exception):
        return bool(getattr(image, "is_animated", False))
    return False


def _to_rgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """The loaded first frame as RGB in 8 bits, transparency on white."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        notes.append("scaled to 8 bits")
        return _eight_bits(image)
    if image.mode == "LAB":
        notes.append("converted from LAB")
        return _with_profiles(image, ImageCms.createProfile("LAB"))
    if image.mode == "CMYK":
        notes.append("converted from CMYK")
        return _from_cmyk(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return _on_white(image, notes)
    return image.convert("RGB")


def _on_white(image: Image.Image, notes: list[str]) -> Image.Image:
    if image.mode in ("La", "RGBa"):
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    elif image.mode == "RGB":
        key = image.info["transparency"]
        if isinstance(key, tuple) and any(value > 255 for value in key):
            # 16 bits a channel: Pillow keeps the pixels' high bytes, but the whole number of the transparent colour.
            image.info["transparency"] = tuple(value >> 8 for value in key)
    rgba = image.convert("RGBA")
    alpha = rgba.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return rgba.convert("RGB")
    notes.append("transparency on white")
    white = Image.new("RGB", rgba.size, "white")
    white.paste(rgba, mask=alpha)
    return white


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits or floats, scaled as a whole so that white stays white and black black."""
    import numpy as np

    values: Any = np.asarray(image)
    tags: Any = getattr(image, "tag_v2", {})  # TIFF only
    if image.mode.startswith("I;16"):
        bits = tags.get(258, (16,))  # BitsPerSample: a TIFF may store 12 bits in 16
        highest = 2 ** (bits[0] if isinstance(bits, tuple) else bits) - 1
        steps = np.clip(np.arange(65536) * (255 / highest), 0, 255)
        table = np.rint(steps).astype(np.uint8)
        grey = table[values]
    else:
        values = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        peak = float(values.max())
        if peak <= 1.0 and image.mode == "F":
            highest = 1.0
        else:
            highest = next((limit for limit in (255.0, 65535.0) if peak <= limit), peak)
        grey = np.rint(np.clip(values * (255.0 / highest), 0, 255)).astype(np.uint8)
    if tags.get(262) == 0:  # PhotometricInterpretation WhiteIsZero, which Pillow turns round for 8 bits only
        grey = 255 - grey
    key = image.info.get("transparency")
    if isinstance(key, int):  # PNG: this grey is transparent
        grey = np.where(np.asarray(image) == key, 255, grey).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _from_cmyk(image: Image.Image) -> Image.Image:
    """By the embedded profile if there is a usable one, else by multiplying with black, as browsers do.

    Adobe writes CMYK JPEGs inverted, and so does nearly everybody since; Pillow turns every CMYK JPEG round on loading.
    """
    profile = image.info.get("icc_profile")
    if profile:
        with suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            return _with_profiles(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    return image.convert("RGB")


def _with_profiles(image: Image.Image, profile: Any) -> Image.Image:
    srgb = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
    assert converted is not None  # None only with inPlace=True
    return converted
