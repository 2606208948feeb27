"""From the command to the first caption: the time of its parts, ours and transformers alone, each in a new process.

    python -m benchmarks.first_caption ours|transformers MODELS NAME PICTURE     (what `measure` runs)

Ours is `python -m captioner caption`. Each side tells when it had imported, loaded and said its caption.
Imports nothing heavy by itself, since what it imports is measured.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.report import Row

ROUNDS = 3
_FLAGS = ("--preset", "blip-paper", "--no-whole-phrases")  # 3 beams, 5 to 20 tokens, and no word left off


def measure(models: Path, name: str, picture: Path, threads: int, rounds: int = ROUNDS) -> list[Row]:
    """The rows, medians of the rounds, in turn: the whole time, and what of ours is not the caption itself beside
    transformers' imports and loading alone (goal: 1.15 times)."""
    from benchmarks.report import Row

    found: dict[str, list[dict[str, float]]] = {"transformers": [], "ours": []}
    texts = set()
    for _ in range(rounds):
        for side, marks in found.items():
            words = [sys.executable, "-m", "benchmarks.first_caption", side, str(models), name, str(picture)]
            environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "FIRST_CAPTION_AT": repr(time.time())}
            ran = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
            told = json.loads(ran.stdout.splitlines()[-1])
            texts.add(told.pop("text"))
            marks.append(told)
    theirs, ours = ({key: statistics.median(one[key] for one in marks) for key in marks[0]} for marks in found.values())
    before = ours["whole"] - ours["caption"]
    return [
        Row("first_caption", ours["whole"], "s", theirs["whole"], len(texts) == 1),
        Row("first_caption_before", before, "s", theirs["imports"] + theirs["load"]),
        *(Row(f"first_caption_{part}", ours[part], "s", theirs[part]) for part in ("imports", "load", "caption")),
    ]


def _ours(models: str, name: str, picture: str) -> dict[str, Any]:
    from captioner.__main__ import main  # as the command does
    from captioner.models.manager import ModelManager

    marks: dict[str, Any] = {}
    load = ModelManager._load

    def timed_load(self: Any, key: Any, source: Any) -> Any:
        begin_s = time.time()
        marks["imports"] = begin_s - _begun_s()
        try:
            return load(self, key, source)
        finally:
            marks["load"] = time.time() - begin_s

    ModelManager._load = timed_load  # type: ignore[method-assign]
    written = _First()
    sys.stdout, plain = written, sys.stdout
    try:
        status = main(
            ["caption", picture, "--models", models, "--captioner", name, "--device", "cpu", "--json", *_FLAGS]
        )
    finally:
        sys.stdout = plain
    assert status == 0
    whole_s = written.at_s - _begun_s()
    text = json.loads(written.text.splitlines()[0])["caption"]
    return {**marks, "whole": whole_s, "caption": whole_s - marks["imports"] - marks["load"], "text": text}


class _First:
    """A stream that notes when the first line came. text: all that came."""

    def __init__(self) -> None:
        self.text = ""
        self.at_s = 0.0

    def write(self, text: str) -> int:
        self.at_s = self.at_s or time.time()
        self.text += text
        return len(text)

    def flush(self) -> None:
        """There is nothing to flush."""

    def isatty(self) -> bool:
        return False


def _transformers(models: str, name: str, picture: str) -> dict[str, Any]:
    import torch
    from PIL import Image
    from transformers import BlipForConditionalGeneration, BlipProcessor

    imports_s = time.time() - _begun_s()
    folder = Path(models) / name
    model = BlipForConditionalGeneration.from_pretrained(folder).eval()
    processor = BlipProcessor.from_pretrained(folder)
    loaded_s = time.time() - _begun_s()
    prompt = "a picture of "
    with torch.inference_mode():
        inputs = processor(images=Image.open(picture).convert("RGB"), text=prompt, return_tensors="pt")
        [tokens] = model.generate(**inputs, num_beams=3, min_length=5, max_length=20)
    text = processor.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=True)[len(prompt) :].strip()
    whole_s = time.time() - _begun_s()
    return {
        "imports": imports_s,
        "load": loaded_s - imports_s,
        "caption": whole_s - loaded_s,
        "whole": whole_s,
        "text": text,
    }


def _begun_s() -> float:
    return float(os.environ["FIRST_CAPTION_AT"])


if __name__ == "__main__":
    side, *rest = sys.argv[1:]
    print(json.dumps({"ours": _ours, "transformers": _transformers}[side](*rest)))
