"""Damaged pictures by the thousand: each opens or is refused with a code, within 2 CPU seconds and 1 GB.

    python -m benchmarks.fuzz_pictures [--mutants 20000] [--seed 1] [--keep DIR] [--json]

Mutant N of seed S is always the same file, so a finding is repeated by `--first N --mutants 1`; `--keep` stores those
that were found. Pictures are opened in a process of its own, as the app opens them; should one bring it down or stand
still, the next starts behind it. Needs Linux, whose /proc tells time and memory of the process that decodes too. Exits
with 1 if anything was found. The rows:

    findings            uncoded errors, crashes, standstills, and files over 2 CPU seconds or 1,000 MB
    longest             the most CPU seconds for a file
    highest_over_idle   the most memory over idle, the process that decodes included

There is no peer.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import signal
import struct
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.report import Row, show
from captioner import images
from captioner.errors import BadPicture
from tests.colour_profiles import ADOBE_RGB, cmyk_profile, rgb_profile
from tests.colour_profiles import grey_profile as grey_profile_of

MAX_CPU_S = 2.0
MAX_MB = 1_000
STANDS_STILL_S = 120
_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 30_000)


def seeds() -> list[bytes]:
    """Small pictures of all formats, in the modes and with the metadata that their readers have code for."""
    colour = Image.linear_gradient("L").resize((40, 30))
    colour = Image.merge("RGB", (colour, colour.rotate(90), colour.rotate(180)))
    alpha = colour.convert("RGBA")
    alpha.putalpha(colour.getchannel(0))
    exif = Image.Exif()
    exif[0x0112], exif[0x011A], exif[0x010E] = 6, 72.0, "a picture"
    more: dict[str, Any] = {"save_all": True, "append_images": [colour.rotate(90), colour.rotate(180)]}
    profile, grey_profile, press_profile = rgb_profile(ADOBE_RGB), grey_profile_of(2.0), cmyk_profile(_ink)
    made: list[tuple[Image.Image, str, dict[str, Any]]] = [
        *((colour.convert(mode), "JPEG", {}) for mode in ("L", "RGB", "CMYK")),
        (colour, "JPEG", {"progressive": True, "exif": exif, "icc_profile": profile, "comment": b"words"}),
        (colour, "MPO", more),
        *((alpha.convert(mode), "PNG", {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        (colour, "PNG", {"exif": exif, "icc_profile": profile, "transparency": (0, 0, 0)}),
        (alpha, "PNG", {**more, "disposal": 1}),
        (colour, "PNG", {**more, "default_image": True}),
        *((image, "WEBP", {"lossless": lossless}) for image in (colour, alpha) for lossless in (False, True)),
        (colour, "WEBP", {**more, "exif": exif, "icc_profile": profile}),
        (alpha, "AVIF", {"speed": 10, "exif": exif}),
        (colour, "AVIF", {**more, "speed": 10}),
        (colour, "GIF", {"comment": b"words"}),
        (alpha, "GIF", {**more, "disposal": 2, "loop": 0}),
        *((colour.convert(mode), "BMP", {}) for mode in ("1", "L", "P", "RGB", "RGBA")),
        *((colour.convert(mode), "TIFF", {}) for mode in ("1", "L", "P", "I;16", "I", "F", "LAB", "CMYK")),
        (colour.convert("YCbCr"), "TIFF", {"compression": "jpeg"}),
        *((colour, "TIFF", {"compression": name}) for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")),
        (colour.convert("1"), "TIFF", {"compression": "group4"}),
        (alpha, "TIFF", {**more, "big_tiff": True}),
        (colour, "TIFF", {"exif": exif, "icc_profile": profile}),
        *((colour.convert("L"), kind, {"icc_profile": grey_profile}) for kind in ("JPEG", "PNG")),
        *((colour.convert("CMYK"), kind, {"icc_profile": press_profile}) for kind in ("JPEG", "TIFF")),
    ]
    return [*(_saved(*one) for one in made), _run_lengths()]


def _ink(mixture: tuple[int, ...]) -> tuple[float, float, float]:
    """L, a and b of a mixture of inks, near enough."""
    cyan, magenta, yellow, black = mixture
    return 100.0 * (1 - black) * (1 - 0.2 * (cyan + magenta + yellow)), 30.0 * (magenta - cyan), 40.0 * (yellow - cyan)


def _saved(image: Image.Image, kind: str, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    # Copies: what Pillow writes as JPEG it keeps settings of, which another format's writer would trip over.
    pages = {"append_images": [page.copy() for page in options["append_images"]]} if "append_images" in options else {}
    image.copy().save(buffer, kind, **{**options, **pages})
    return buffer.getvalue()


def _run_lengths() -> bytes:
    """A BMP of run lengths, which Pillow does not write."""
    palette, runs = struct.pack("<256I", *range(256)), b"\x14\x01\x14\x02\x00\x00" * 30 + b"\x00\x01"
    head = struct.pack("<IiiHHIIiiII", 40, 40, 30, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(palette) + len(runs), 0, 0, 54 + len(palette)) + head + palette + runs


# Mutants


def mutant(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """The file with a few changes; afterwards, mostly, with the checksums of PNG put right, so that it is read on."""
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        data = chance.choice(_CHANGES)(data, chance, others) or data
    return _checked(data) if data[:4] == b"\x89PNG" and chance.random() < 0.8 else data


def _place(data: bytes, chance: random.Random) -> int:
    """Somewhere, mostly near the start, where headers are."""
    return int(len(data) * chance.random() ** chance.choice((1, 3)))


def _change_bytes(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    place = _place(data, chance)
    return data[:place] + chance.randbytes(chance.choice((1, 1, 2, 4))) + data[place + 1 :]


def _flip_a_bit(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    place = _place(data, chance)
    return data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]


def _set_a_number(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    place, kind = _place(data, chance), chance.choice(("<H", ">H", "<I", ">I", "<Q", ">Q"))
    size = struct.calcsize(kind)
    number = chance.choice(_NUMBERS) & (1 << 8 * size) - 1
    return data[:place] + struct.pack(kind, number) + data[place + size :]


def _repeat(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    start, length = _place(data, chance), chance.choice((1, 2, 4, 8, 12, 20, 64, 300))
    piece = data[start : start + length]
    return data[:start] + piece * chance.choice((2, 10, 1_000, 20_000)) + data[start + length :]


def _leave_out(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    place = _place(data, chance)
    return data[:place] + data[place + chance.choice((1, 2, 4, 12, 64)) :]


def _move(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    start, to, length = _place(data, chance), _place(data, chance), chance.choice((4, 12, 20, 64, 300))
    piece, rest = data[start : start + length], data[:start] + data[start + length :]
    return rest[:to] + piece + rest[to:]


def _join(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    other = chance.choice(others)
    return data[: _place(data, chance)] + other[_place(other, chance) :]


def _cut(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    return data[: chance.randrange(len(data)) + 1]


_CHANGES: tuple[Callable[[bytes, random.Random, Sequence[bytes]], bytes], ...] = (
    *(_change_bytes, _change_bytes, _flip_a_bit, _set_a_number, _set_a_number),
    *(_repeat, _leave_out, _move, _join, _cut),
)


def _checked(data: bytes) -> bytes:
    """A PNG with right checksums, as far as its lengths lead."""
    parts, place = [data[:8]], 8
    while place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        body = data[place + 4 : end]
        parts += [data[place : place + 4], body, struct.pack(">I", zlib.crc32(body))]
        place = end + 4
    return b"".join([*parts, data[place:]])


def mutants(seed: int, first: int, count: int) -> Iterator[tuple[int, bytes]]:
    files = seeds()
    for number in range(first, first + count):
        chance = random.Random(f"{seed}:{number}")
        yield number, mutant(chance.choice(files), chance, files)


# The process that opens them


def open_mutants(seed: int, first: int, count: int) -> None:
    """Open them one after another, and write for each its number and then, as JSON, what came of it."""
    for kind in ("PNG", "TIFF"):  # both ways of decoding are under way before anything counts
        images.open_picture(_saved(Image.new("RGB", (8, 8)), kind, {}))
    limit = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, limit))
    _forget_peaks()
    idle_mb = _family()[1]
    for number, data in mutants(seed, first, count):
        print(number, flush=True)
        _forget_peaks()
        cpu_before = _family()[0]
        signal.alarm(STANDS_STILL_S)
        what = _outcome(data)
        signal.alarm(0)
        cpu_s, mb = _family()
        print(json.dumps({"what": what, "cpu_s": cpu_s - cpu_before, "mb": mb - idle_mb}), flush=True)


def _outcome(data: bytes) -> str:
    try:
        images.open_picture(data)
    except BadPicture as error:
        return error.code
    except Exception as error:  # noqa: BLE001 (it is what is looked for)
        return f"uncoded {type(error).__name__}: {error}"
    return "opened"


def _family() -> tuple[float, float]:
    """CPU seconds so far, and the sum of the highest memory in MB, of this process and of those it started."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s, mb = ended.ru_utime + ended.ru_stime, 0.0
    for process in _processes():
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        cpu_s += (int(fields[11]) + int(fields[12])) / 100
        status = (process / "status").read_text()
        mb += int(status.partition("VmHWM:")[2].split()[0]) / 1e3 if "VmHWM:" in status else 0.0
    return cpu_s, mb


def _forget_peaks() -> None:
    for process in _processes():
        (process / "clear_refs").write_text("5")


def _processes() -> list[Path]:
    own = Path("/proc/self")
    children = own / "task" / str(os.getpid()) / "children"  # of the only thread that opens pictures
    return [own, *(Path("/proc") / child for child in children.read_text().split())]


# The process that watches


def watch(seed: int, first: int, count: int, keep: Path | None) -> tuple[Counter[str], list[str], float, float]:
    """Returns: how often each outcome came, what was found, the most CPU seconds and the most MB over idle."""
    outcomes: Counter[str] = Counter()
    findings: list[str] = []
    most_cpu_s = most_mb = 0.0
    end = first + count
    while first < end:
        command = [sys.executable, "-m", "benchmarks.fuzz_pictures", "--seed", str(seed), "--first", str(first)]
        command += ["--mutants", str(end - first), "--open"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            number = first - 1
            is_open = False
            for line in process.stdout:
                if not line.startswith("{"):
                    number, is_open = int(line), True
                    continue
                is_open = False
                answer = json.loads(line)
                outcomes[answer["what"].split()[0]] += 1
                most_cpu_s, most_mb = max(most_cpu_s, answer["cpu_s"]), max(most_mb, answer["mb"])
                is_bad = answer["what"].startswith(("uncoded", "too_slow"))
                if is_bad or answer["cpu_s"] > MAX_CPU_S or answer["mb"] > MAX_MB:
                    findings.append(_found(seed, number, json.dumps(answer), keep))
        if is_open:
            findings.append(_found(seed, number, f"ended the process, status {process.returncode}", keep))
            outcomes["ended the process"] += 1
        elif process.returncode:
            raise RuntimeError(f"the process that opens pictures ended with {process.returncode} behind {number}")
        first = number + 1
    return outcomes, findings, most_cpu_s, most_mb


def _found(seed: int, number: int, what: str, keep: Path | None) -> str:
    finding = f"seed {seed}, mutant {number}: {what}"
    print(finding, flush=True)
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{seed}-{number}").write_bytes(next(mutants(seed, number, 1))[1])
    return finding


def main() -> int:
    parser = argparse.ArgumentParser(description="Open damaged pictures by the thousand.")
    parser.add_argument("--mutants", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first mutant")
    parser.add_argument("--keep", type=Path, help="a folder for what was found")
    parser.add_argument("--open", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="end with one line for programs")
    options = parser.parse_args()
    if options.open:
        open_mutants(options.seed, options.first, options.mutants)
        return 0
    outcomes, findings, cpu_s, mb = watch(options.seed, options.first, options.mutants, options.keep)
    print(", ".join(f"{count} {what}" for what, count in outcomes.most_common()))
    rows = [
        Row("findings", len(findings), "files"),
        Row("longest", cpu_s, "CPU s"),
        Row("highest_over_idle", mb, "MB"),
    ]
    show(rows, as_json=options.json)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
