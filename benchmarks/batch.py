"""Measure `captioner batch`: what Ray costs and gives, what the driver takes, how fast pictures are read.

    python -m benchmarks.batch --json

A captioner that takes exactly 50 ms a picture stands for the card. Rates are taken between the parts of a run, so that
neither the start of processes nor a model's loading counts. Needs requirements-batch.txt.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from benchmarks.report import Row, show, timed
from captioner import images
from tests.batch_models import ROOT, add_steady, write_pictures
from tests.batch_sources import rows_in

MODEL_S = 0.05
PART = 10


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON line for programs")
    parser.add_argument("--pictures", type=int, default=400, help="of each run (default 400)")
    parser.add_argument("--rows", type=int, default=100_000, help="of the manifest (default 100000)")
    arguments = parser.parse_args()
    # Ray's sockets want a short name.
    with tempfile.TemporaryDirectory(prefix="b", dir="/tmp") as folder:
        rows = [*_engines(Path(folder), arguments.pictures), _driver(Path(folder), arguments.rows), _decoding()]
    show(rows, as_json=arguments.json)


def _engines(folder: Path, count: int) -> list[Row]:
    env = add_steady(folder, MODEL_S) | {"RAY_TMPDIR": str(folder / "ray")}
    write_pictures(folder / "photos", count)
    plain = _seconds_each(folder, "plain", 1, env)
    one = _seconds_each(folder, "one", 1, env, "--engine", "ray", "--workers", "1")
    two = _seconds_each(folder, "two", 2, env, "--engine", "ray", "--workers", "2")
    expected = rows_in(folder / "plain")
    return [
        Row("Ray, 2 workers vs 1", two * 1e3, "ms/picture", one * 1e3, rows_in(folder / "two") == expected),
        Row("Ray vs plain loop", one * 1e3, "ms/picture", plain * 1e3, rows_in(folder / "one") == expected),
    ]


def _seconds_each(folder: Path, name: str, workers: int, env: dict[str, str], *flags: str) -> float:
    """Seconds a picture, from when each worker has written a part to the last part."""
    _batch(folder / "photos", folder / name, env, "--part-pictures", str(PART), *flags)
    written = sorted(path.stat().st_mtime for path in (folder / name).glob("part-*"))
    return (written[-1] - written[workers - 1]) / (PART * (len(written) - workers))


def _batch(source: Path, out: Path, env: dict[str, str], *flags: str) -> int:
    """Run it. Returns: the most memory that its process took, in bytes."""
    words = ["-m", "captioner", "batch", str(source), "--out", str(out), "--captioner", "steady", "--device", "cpu"]
    process = subprocess.Popen(
        [sys.executable, *words, "--format", "jsonl", *flags],
        env=env,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    most = 0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            break
        found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
        most = max(most, int(found[0]) * 1024 if found else 0)
        time.sleep(0.1)
    assert process.wait() in (0, 1)
    assert (out / "summary.json").exists()
    return most


def _driver(folder: Path, rows: int) -> Row:
    """The driver's memory over a long manifest; its pictures are not there, so that only rows are worked on."""
    env = add_steady(folder, MODEL_S) | {"RAY_TMPDIR": str(folder / "ray")}
    lines = [f"{number % 1000:03}/picture-of-a-usual-name-{number:08}.jpg," for number in range(rows)]
    (folder / "list.csv").write_text("path,caption\n" + "\n".join(lines) + "\n")
    out = folder / "list"
    most = _batch(folder / "list.csv", out, env, "--engine", "ray", "--workers", "1", "--part-pictures", "1000")
    found = rows_in(out)
    return Row(f"driver over {rows:,} rows", most / 1e6, "MB", None, len({row["key"] for row in found}) == rows)


def _decoding(count: int = 60, edge_px: int = 1024) -> Row:
    """Reading and decoding as batches do, against plain Pillow, on one core."""
    random.seed(0)
    noise = Image.effect_noise((edge_px // 8, edge_px // 8), 80).resize((edge_px, edge_px)).convert("RGB")
    data = io.BytesIO()
    noise.save(data, "JPEG", quality=90)
    file, clock = data.getvalue(), time.process_time
    ours, opened = timed(lambda: [images.open_picture(file).image for _ in range(count)], 3, clock)
    peer, plain = timed(lambda: [Image.open(io.BytesIO(file)).convert("RGB") for _ in range(count)], 3, clock)
    same = opened[0].tobytes() == plain[0].tobytes()
    return Row(f"decode {edge_px} px JPEG", ours / count * 1e3, "ms/picture", peer / count * 1e3, same)


if __name__ == "__main__":
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    main()
