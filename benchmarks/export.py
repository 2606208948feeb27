"""Sets leaving and coming back: a zip for a trainer, the check, an import, each with what it must stay under.

    python -m benchmarks.export [--json] [--pictures 10000] [--rounds 3]

So many JPEGs of 100 kB, each with a caption of its own. Ours and the peer run in turns, the shortest of each counts.
Rows:

    zip           a set for kohya's sd-scripts, on the disk when it ends; peer: zipfile storing the same bytes under
                  the same names, written to the disk too. Must be at most 1.3 times as long
    zip_memory    the most memory over idle while it is written, in MB of 1,000,000 bytes. At most 200
    check         tokens counted and rules looked through for captions in memory. At most 1 s for 10,000
    check_files   the same for files beside pictures, as `check --captions-only` reads them
    import        caption files recognised and given to their pictures; peer: the files listed and read as text. At most
                  2 times as long
    import_zip    the same from a zip of pictures and captions; peer: zipfile listing and reading the captions
"""

from __future__ import annotations

import argparse
import io
import os
import random
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from benchmarks.report import Row, show, timed
from captioner.captions.tokens import count_tokens
from captioner.formats import folders
from captioner.formats.check import check_set, look_at
from captioner.formats.checked import Checked, Question
from captioner.formats.format import ExportItem
from captioner.formats.imports.recognise import ImportSettings, Recognised, recognise
from captioner.formats.imports.source import opened_source
from captioner.formats.set_writer import Below, SetPlan, SetWriter
from captioner.formats.targets import zip_target
from captioner.formats.trainers.registry import TARGETS
from captioner.formats.trainers.target import SetSettings

PICTURE_BYTES = 100_000
_WORDS = (
    *("the", "of", "in", "on", "a", "photograph", "woman", "man", "cat", "dog", "standing", "sitting", "red", "blue"),
    *("wooden", "table", "street", "night", "light", "soft", "detailed", "portrait", "landscape", "mountains", "river"),
    *("walking", "holding", "umbrella", "smiling", "vintage", "film", "grain", "background", "foreground"),
)


def captions(count: int) -> list[str]:
    """Captions of 12 to 40 words, all different."""
    numbers = random.Random(0)
    return [
        f"{' '.join(numbers.choices(_WORDS, k=numbers.randrange(12, 40)))}, number {place}" for place in range(count)
    ]


def picture() -> bytes:
    """A JPEG of about 100 kB, with EXIF that turns nothing, as cameras write."""
    noise = Image.effect_noise((640, 480), 60).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 1
    for quality in range(95, 20, -3):
        file = io.BytesIO()
        noise.save(file, "JPEG", quality=quality, exif=exif)
        if len(file.getvalue()) <= PICTURE_BYTES:
            break
    return file.getvalue() + bytes(PICTURE_BYTES - len(file.getvalue()))


def fill(folder: Path, texts: Sequence[str], data: bytes) -> list[ExportItem]:
    """Pictures with caption files beside them."""
    items = []
    for number, text in enumerate(texts):
        path = folder / f"picture {number:05}.jpg"
        path.write_bytes(data)
        path.with_suffix(".txt").write_text(text, encoding="utf-8")
        items.append(ExportItem(path.name, text, path))
    return items


def export(items: Sequence[ExportItem], path: Path) -> None:
    """As `caption --format kohya --zip` writes."""
    plan = SetPlan(TARGETS["kohya"], SetSettings.from_mapping({}), items, name="set")
    with zip_target(path, may_overwrite=True) as sink, SetWriter(plan, Below(sink, plan.name)) as writer:
        for index, item in enumerate(items):
            writer.add(index, item.text)
        writer.finish()


def store(items: Sequence[ExportItem], path: Path) -> None:
    """The peer: the same bytes through zipfile."""
    with path.open("wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for item in items:
                assert item.picture is not None
                archive.write(item.picture, f"set/img/1_set/{item.name}")
                archive.writestr(f"set/img/1_set/{item.picture.stem}.txt", item.text)
        file.flush()
        os.fsync(file.fileno())


def in_turns(ours: Callable[[], object], peer: Callable[[], object], rounds: int) -> tuple[float, float]:
    """The shortest of each in seconds."""
    times = [(timed(ours)[0], timed(peer)[0]) for _ in range(rounds)]
    return min(one for one, _ in times), min(other for _, other in times)


def peak_over_idle_mb(action: Callable[[], object]) -> float:
    """The most resident memory while it runs, over what there is before. Linux alone tells."""
    before = _memory_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    action()
    return _memory_mb("VmHWM") - before


def _memory_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024 / 1e6


def check(texts: Sequence[str]) -> int:
    """Tokens and rules, as an export does for START.txt and more."""
    held = [Checked(path=str(n), name=f"{n}.jpg", text=text, tokens=count_tokens(text)) for n, text in enumerate(texts)]
    return len(check_set(held, Question(trainer="kohya", base_model="sdxl")))


def check_files(paths: Sequence[Path]) -> int:
    """As `check --captions-only`."""
    held = list(look_at(paths, folders.beside(paths, ".txt"), count_tokens, opens=False))
    return len(check_set(held, Question(trainer="kohya", base_model="sdxl")))


def bring_in(path: Path) -> Recognised:
    """As `import` does before it writes."""
    settings = ImportSettings.from_mapping({})
    with opened_source([path], settings) as source:
        return recognise(source, [picture.path for picture in source.pictures], settings)


def read_plainly(folder: Path) -> list[str]:
    """The peer of an import."""
    return [path.read_text(encoding="utf-8") for path in folder.glob("*.txt")]


def read_zip_plainly(path: Path) -> list[str]:
    """The peer of an import from a zip."""
    with zipfile.ZipFile(path) as archive:
        return [archive.read(name).decode() for name in archive.namelist() if name.endswith(".txt")]


def measure(folder: Path, count: int, rounds: int) -> list[Row]:
    """All rows."""
    texts = captions(count)
    (folder / "photos").mkdir()
    items = fill(folder / "photos", texts, picture())
    paths = [item.picture for item in items if item.picture is not None]
    ours, peers = folder / "ours.zip", folder / "peers.zip"
    rows = []

    def write(path: Path, action: Callable[[Sequence[ExportItem], Path], None]) -> None:
        path.unlink(missing_ok=True)
        action(items, path)

    count_tokens(texts[0])  # reads the word list, once
    zipped, stored = in_turns(lambda: write(ours, export), lambda: write(peers, store), rounds)
    rows.append(Row("zip", zipped, "s", stored, _same(ours, peers)))
    rows.append(Row("zip_memory", peak_over_idle_mb(lambda: write(ours, export)), "MB"))
    rows.append(Row("check", timed(lambda: check(texts), rounds)[0], "s"))
    rows.append(Row("check_files", timed(lambda: check_files(paths), rounds)[0], "s"))
    photos = folder / "photos"
    brought, plain = in_turns(lambda: bring_in(photos), lambda: read_plainly(photos), 2 * rounds)
    is_equal = sorted(bring_in(photos).captions.values()) == sorted(texts)
    rows.append(Row("import", brought, "s", plain, is_equal))
    brought, plain = in_turns(lambda: bring_in(ours), lambda: read_zip_plainly(ours), 2 * rounds)
    rows.append(Row("import_zip", brought, "s", plain, sorted(bring_in(ours).captions.values()) == sorted(texts)))
    return rows


def _same(ours: Path, peers: Path) -> bool:
    """Whether all that the peer wrote is in ours, byte for byte by its checksum."""
    with zipfile.ZipFile(ours) as one, zipfile.ZipFile(peers) as other:
        held = {entry.filename: entry.CRC for entry in one.infolist()}
        return all(held.get(entry.filename) == entry.CRC for entry in other.infolist())


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="export-benchmark-"))
    try:
        show(measure(folder, arguments.pictures, arguments.rounds), as_json=arguments.json)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
