"""Pictures opened: upright, in sRGB and 8 bits, beside plain Pillow doing the same with the same files.

    python -m benchmarks.images [--json] [--rounds 5]

The files hold a drawn scene with grain, 4000 x 3000 pixels, as a camera writes them. The rows:

    jpeg      baseline, quality 92, turned by EXIF, with an sRGB profile
    p3_jpeg   the same with the profile Display P3, so that all of its colours are converted
    png       24 bits
    webp      lossy, quality 90

The peer is what a script does without us: `Image.open`, `ImageOps.exif_transpose`, `ImageCms.profileToProfile` where
there is a profile other than sRGB by its name, and `convert("RGB")`; with the intent and flags that ours has, so that
pixels can be equal. It checks nothing. Files are read from the disk each time, ours and the peer's in turn; what counts
is processor time, the shortest of the rounds, since other processes share the machine.
"""

from __future__ import annotations

import argparse
import functools
import io
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps

from benchmarks.report import Row, show, timed
from captioner import images
from tests.colour_profiles import DISPLAY_P3, rgb_profile

SIZE = (4000, 3000)
ROUNDS = 5
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_TURNED = 6


def scene(size: tuple[int, int]) -> Image.Image:
    """Soft colours, a few hard edges and grain: about as hard to compress as a photo."""
    width, height = size
    across, down = np.meshgrid(np.linspace(0, 6, width), np.linspace(0, 4, height))
    soft = np.stack([np.sin(across) + np.cos(down), np.sin(down + 1), np.cos(across * down / 4)], axis=-1) * 60 + 128
    soft[(np.floor(across * 2) + np.floor(down * 2)) % 5 == 0] *= 0.6
    grain = np.random.default_rng(0).normal(0, 4, (height, width, 1))
    return Image.fromarray(np.clip(soft + grain, 0, 255).astype(np.uint8))


def save_files(folder: Path, size: tuple[int, int]) -> dict[str, Path]:
    """The file of each row."""
    exif = Image.Exif()
    exif[0x0112] = _TURNED
    camera: dict[str, Any] = {"format": "JPEG", "quality": 92, "exif": exif}
    options: dict[str, dict[str, Any]] = {
        "jpeg": {**camera, "icc_profile": _SRGB.tobytes()},
        "p3_jpeg": {**camera, "icc_profile": rgb_profile(DISPLAY_P3)},
        "png": {"format": "PNG", "compress_level": 6},
        "webp": {"format": "WEBP", "quality": 90, "method": 2},
    }
    image = scene(size)
    paths = {}
    for name, chosen in options.items():
        paths[name] = folder / name
        image.save(paths[name], **chosen)
    return paths


def opened_plainly(path: Path) -> Image.Image:
    """As a script does it with Pillow alone."""
    with Image.open(path) as stored:
        image = ImageOps.exif_transpose(stored)
        data = stored.info.get("icc_profile")
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data)) if data else _SRGB
        if ImageCms.getProfileDescription(profile) != ImageCms.getProfileDescription(_SRGB):
            converted = ImageCms.profileToProfile(
                image,
                profile,
                _SRGB,
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
            assert converted is not None  # None only with inPlace=True
            image = converted
        return image.convert("RGB")


def _opened(path: Path) -> Image.Image:
    return images.open_picture(path).image


def measure(folder: Path, size: tuple[int, int], rounds: int) -> list[Row]:
    """All rows, in ms of a processor a picture."""
    rows = []
    for name, path in save_files(folder, size).items():
        ours_s = plain_s = float("inf")
        for _ in range(rounds):
            seconds, ours = timed(functools.partial(_opened, path), clock=time.process_time)
            ours_s = min(ours_s, seconds)
            seconds, plain = timed(functools.partial(opened_plainly, path), clock=time.process_time)
            plain_s = min(plain_s, seconds)
        rows.append(Row(name, 1e3 * ours_s, "CPU ms", 1e3 * plain_s, ours.tobytes() == plain.tobytes()))
        del ours, plain
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Time opening pictures.")
    parser.add_argument("--json", action="store_true", help="end with one line for programs")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        show(measure(Path(folder), SIZE, options.rounds), as_json=options.json)


if __name__ == "__main__":
    main()
