"""captioner.images.process: pictures that no header bounds are decoded elsewhere, with the same result or refusal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captioner.errors import BadPicture
from captioner.images import decoding, format_by_start, open_picture, process
from captioner.images.headers import Header, read_header
from tests.picture_attacks import bmp_run_lengths, saved

HAS_LIMITS = Path("/proc/self/statm").exists()
needs_limits = pytest.mark.skipif(not HAS_LIMITS, reason="time and memory are limited on Linux only")


def noise(mode: str = "RGB", size: tuple[int, int] = (61, 47)) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    image = Image.fromarray(values)
    if mode in ("I", "I;16", "F"):
        numbers = values.astype(np.uint32) @ np.array([1, 256, 0, 0], dtype=np.uint32)
        return Image.fromarray(numbers.astype({"I": np.int32, "I;16": np.uint16, "F": np.float32}[mode]))
    return image if mode == "RGBA" else image.convert("RGB").convert(mode)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"])
def test_every_mode_is_decoded_as_it_would_be_here(mode: str) -> None:
    if mode == "LAB":
        image = Image.frombytes("LAB", (61, 47), noise().tobytes())
    else:
        image = noise("RGBA").convert("LA") if mode == "LA" else noise(mode)
    data = saved(image, "TIFF", **({"compression": "jpeg"} if mode == "YCbCr" else {}))
    there, here = open_picture(data), decoding.decode(data)
    assert read_header(data, "TIFF").is_isolated
    assert there.image.tobytes() == here.image.tobytes()
    assert (there.format, there.notes) == (here.format, here.notes)


def test_a_picture_of_many_strips_comes_whole() -> None:
    data = saved(noise(size=(1_500, 1_500)), "TIFF")
    assert open_picture(data).image.tobytes() == decoding.decode(data).image.tobytes()


def test_an_avif_is_decoded_as_it_would_be_here() -> None:
    data = saved(noise("RGBA"), "AVIF", speed=10)
    there, here = open_picture(data), decoding.decode(data)
    assert there.image.tobytes() == here.image.tobytes()
    assert (there.format, there.notes) == ("AVIF", ("transparency on white",))


def test_run_lengths_are_decoded() -> None:
    opened = open_picture(bmp_run_lengths(300, 20))
    assert opened.image.size == (300, 20)
    assert opened.image.getpixel((0, 0)) == (0, 0, 5)


def test_floats_of_several_strips_are_scaled_as_one() -> None:
    values = np.linspace(0, 300, 1_500 * 1_000, dtype=np.float32).reshape(1_000, 1_500)
    values[10, 10] = np.nan
    opened = open_picture(saved(Image.fromarray(values), "TIFF"))
    expected = np.rint(np.clip(np.nan_to_num(values) * (255.0 / 65535.0), 0, 255)).astype(np.uint8)
    assert np.array_equal(np.asarray(opened.image)[:, :, 1], expected)


def test_a_refusal_is_the_same_as_here() -> None:
    data = bytearray(saved(noise(), "TIFF", compression="tiff_lzw"))
    data[60:200] = b"\xff" * 140
    with pytest.raises(BadPicture) as there:
        open_picture(bytes(data))
    with pytest.raises(BadPicture) as here:
        decoding.decode(bytes(data))
    assert (there.value.code, str(there.value)) == (here.value.code, str(here.value))


@needs_limits
def test_a_picture_that_takes_too_long_is_refused_and_the_next_one_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "CPU_S", 0.0)
    monkeypatch.setattr(process, "CPU_S_PER_MEGAPIXEL", 0.001)
    monkeypatch.setattr(process, "WALL_S_PER_CPU_S", 1_000.0)
    before = time.process_time()
    with pytest.raises(BadPicture, match="far longer") as caught:
        open_picture(bmp_run_lengths(10_000, 10_000))
    assert caught.value.code == "too_slow"
    assert time.process_time() - before < 1.0
    monkeypatch.undo()
    assert open_picture(saved(noise(), "TIFF")).image.size == (61, 47)


def test_where_processor_time_has_no_limit_the_clock_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "WALL_S_PER_CPU_S", 0.01)
    with pytest.raises(BadPicture) as caught:
        open_picture(bmp_run_lengths(10_000, 10_000))
    assert caught.value.code == "too_slow"


@needs_limits
def test_a_picture_that_takes_more_memory_than_it_should_is_refused() -> None:
    data = saved(Image.new("L", (9_000, 9_000)), "TIFF", compression="tiff_adobe_deflate")
    modest = Header(format="TIFF", width=9_000, height=9_000, peak_bytes_per_pixel=0, is_isolated=True)
    with pytest.raises(BadPicture) as caught:
        process.decode(data, modest)
    assert caught.value.code == "out_of_memory"


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="tells processes by /proc")
@pytest.mark.parametrize(("sign", "code"), [(signal.SIGKILL, "out_of_memory"), (signal.SIGSEGV, "damaged")])
def test_a_process_that_falls_costs_one_picture(sign: signal.Signals, code: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(open_picture, bmp_run_lengths(10_000, 10_000))
        deadline = time.monotonic() + 30
        while not (busy := [one for one in decoders() if is_busy(one)]) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(busy[0], sign)
        with pytest.raises(BadPicture) as caught:
            late.result(30)
    assert caught.value.code == code
    assert open_picture(saved(noise(), "TIFF")).image.size == (61, 47)
    assert busy[0] not in decoders()


def decoders() -> list[int]:
    """The processes that this one started."""
    found: list[int] = []
    for task in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # a thread that has ended
            found += map(int, task.read_text().split())
    return found


def is_busy(process: int) -> bool:
    """Whether it computes; those that have nothing to do wait for it asleep."""
    return Path("/proc", str(process), "stat").read_text().rpartition(")")[2].split()[0] == "R"


def test_several_threads_are_served_at_once() -> None:
    pictures = [saved(noise(size=(40 + number, 30)), "TIFF") for number in range(12)]
    with ThreadPoolExecutor(8) as pool:
        sizes = [opened.image.size for opened in pool.map(open_picture, pictures)]
    assert sizes == [(40 + number, 30) for number in range(12)]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="tells processes by /proc")
def test_the_process_ends_with_the_one_that_asks(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(saved(noise(), "TIFF"))
    script = (
        "import pathlib, sys, time\nfrom captioner import images\n"
        "images.open_picture(pathlib.Path(sys.argv[1]))\n"
        "print(*(one for task in pathlib.Path('/proc/self/task').glob('*/children') for one in [task.read_text()]))\n"
        "sys.stdout.flush()\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True) as asker:
        assert asker.stdout is not None
        children = asker.stdout.readline().split()
        assert len(children) == 1
        os.kill(asker.pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while Path("/proc", children[0]).exists() and time.monotonic() < deadline:
        if ") Z " in Path("/proc", children[0], "stat").read_text():
            break  # ended; nobody has asked for its status yet
        time.sleep(0.05)
    assert time.monotonic() < deadline


def test_only_what_no_header_bounds_is_decoded_elsewhere() -> None:
    isolated = {
        kind: read_header(data, format_by_start(data[:16])).is_isolated
        for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
        for data in [saved(noise(), kind)]
    }
    assert {kind for kind, is_isolated in isolated.items() if is_isolated} == {"TIFF", "AVIF"}
