"""`python -m benchmarks.blip`: captions by transformers alone and by ours, in turn, with the tokens compared.

Full-size BLIP with random weights (see `full_size`), 16 beams, 22 to 48 tokens. Every ratio is transformers over ours,
so above 1 ours is faster or smaller; `equal` says whether all tokens that were compared are the same. Values are
medians over the rounds. The rows:

    new_picture         a picture that was not seen before, from pixels to tokens
    retuned_picture     the same picture with other settings, which transformers starts from pixels again
    sweep_25            25 settings for one new picture by ours; ONE caption of it by transformers
    share_of_gemm_peak  a retuned caption's linear layers and cross-attention, of what a plain matrix product reaches
    share_of_bytes      on CUDA instead: the time to read what its steps must read, of the time it takes
    batch_8             8 new pictures in one call; 8 times new_picture's median by transformers
    part_vision         looking at a picture
    part_packing        a retuned caption: as peer, ours with plain linear layers (nothing is packed on CUDA)
    part_sharing        the 25 settings: as peer, ours one by one
    large_new_picture   new_picture with BLIP large
    memory              the peak of a process that loads the model and captions one picture; transformers' own varies
                        by a third from process to process

On CUDA both sides are timed in fp16, once every shape was run, and their tokens compared in fp32: in fp16 words that
are nearly as likely trade places, and both sides are right.

`--clock cpu` counts the process's CPU seconds instead of the wall's, for a machine that is not idle; with more threads
than one it adds them up and is no measure of speed.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import BlipForConditionalGeneration, BlipProcessor
from transformers.utils import logging

from benchmarks import card, report
from benchmarks.full_size import picture, save_full_size_blip
from benchmarks.report import Row
from captioner.contract import inputs
from captioner.models.blip import PRESETS, BlipCaptioner, SamplingSettings

SETTINGS = PRESETS["everydream-beam"]
RETUNED = [SETTINGS.replaced(repetition_penalty=penalty) for penalty in (1.2, 0.9, 1.4, 1.1, 0.8)]
GRID = [
    SETTINGS.replaced(repetition_penalty=penalty, min_length=min_length)
    for penalty in (0.01, 0.6, 1.0, 1.4, 5.0)
    for min_length in (5, 15, 22, 30, 48)
]
ROWS = ("new_picture", "retuned_picture", "sweep_25", "batch_8", "parts", "large_new_picture", "memory")


@dataclass
class Rounds:
    """What the rounds of one row gave. ours, peer: a round's measure each."""

    name: str
    unit: str = "s"
    ours: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)
    compared: list[bool] = field(default_factory=list)

    def row(self) -> Row:
        """Medians; equal only if all that was compared is."""
        return Row(
            name=self.name,
            value=statistics.median(self.ours),
            unit=self.unit,
            peer=statistics.median(self.peer) if self.peer else None,
            equal=all(self.compared) if self.compared else None,
        )


class Transformers:
    """A caption as one would write it with transformers alone."""

    def __init__(self, folder: Path, device: str, *, is_exact: bool = False) -> None:
        """Args: is_exact: in fp32 on CUDA too."""
        dtype = torch.float16 if device == "cuda" and not is_exact else torch.float32
        self.model = (
            BlipForConditionalGeneration.from_pretrained(folder, dtype=dtype, trust_remote_code=False).eval().to(device)
        )
        self.processor = BlipProcessor.from_pretrained(folder, trust_remote_code=False)

    def tokens(self, image: Any, settings: SamplingSettings) -> list[int]:
        """The best sentence's tokens up to the end token."""
        inputs = self.processor(images=image, text=settings.prompt, return_tensors="pt")
        inputs = inputs.to(self.model.device, self.model.dtype)
        with torch.inference_mode():
            row = self.model.generate(
                **inputs,
                num_beams=settings.num_beams,
                min_length=settings.min_length,
                max_length=settings.max_length,
                repetition_penalty=settings.repetition_penalty,
                length_penalty=settings.length_penalty,
            )[0].tolist()
        end = self.model.config.text_config.sep_token_id
        return row[: row.index(end) + 1] if end in row else row


class Bench:
    """Both sides in memory, and how time is taken."""

    def __init__(self, folder: Path, device: str, clock: Callable[[], float]) -> None:
        self.peer = Transformers(folder, device)
        self.ours = BlipCaptioner.load(folder, device=device)
        self.decoder = self.ours._decoder
        self.is_card = device == "cuda"
        self._exact: tuple[Transformers, BlipCaptioner] | None = None
        if self.is_card:
            exact_peer = Transformers(folder, device, is_exact=True)
            self._exact = exact_peer, BlipCaptioner(card.in_fp32(folder, device))
        self._device = device
        self._clock = clock

    def time(self, function: Callable[[], Any]) -> tuple[float, Any]:
        """Seconds and the result."""
        self._wait()
        start = self._clock()
        result = function()
        self._wait()
        return self._clock() - start, result

    def found(self, images: list[Any], cells: list[SamplingSettings]) -> list[list[int]]:
        """Our tokens for every picture with every settings object."""
        return _found(self.ours, images, cells)

    def says_the_same(self, image: Any, settings: SamplingSettings, tokens: list[int], expected: list[int]) -> bool:
        """Whether both sides found the same. Args: tokens, expected: what was found while time was taken."""
        if self._exact is None:
            return tokens == expected
        peer, ours = self._exact
        return _found(ours, [image], [settings]) == [peer.tokens(image, settings)]

    def warm_up(self, wanted: set[str]) -> None:
        """The first call of all is slower; and on CUDA the first of each shape, whose steps are recorded."""
        shapes = [([picture(99)], [SETTINGS.replaced(max_length=24)])]
        if self.is_card:
            shapes.append(([picture(98)], [SETTINGS]))
            shapes += [([picture(97)], GRID)] if "sweep_25" in wanted else []
            shapes += [([picture(90 + number) for number in range(8)], [SETTINGS])] if "batch_8" in wanted else []
        for images, cells in shapes * (2 if self.is_card else 1):
            self.found(images, cells)
        self.peer.tokens(picture(99), SETTINGS.replaced(num_beams=1, max_length=24))

    def _wait(self) -> None:
        if self._device == "cuda":
            torch.cuda.synchronize()


def _found(captioner: BlipCaptioner, images: list[Any], cells: list[SamplingSettings]) -> list[list[int]]:
    encodings = captioner.encode(images)
    found = captioner._decoder.find([(encoding, cell) for encoding in encodings for cell in cells])
    return [one[0].tokens for one in found]


def run(bench: Bench, wanted: set[str], rounds: int) -> list[Rounds]:
    """The rows that need both sides in one process, transformers and ours in turn."""
    new, retuned = Rounds("new_picture"), Rounds("retuned_picture")
    sweep = Rounds("sweep_25")
    bench.warm_up(wanted)
    for number in range(rounds):
        image = picture(number)
        peer_s, expected = bench.time(lambda image=image: bench.peer.tokens(image, SETTINGS))
        bench.decoder.forget_pictures()
        ours_s, (tokens,) = bench.time(lambda image=image: bench.found([image], [SETTINGS]))
        new.peer.append(peer_s)
        new.ours.append(ours_s)
        new.compared.append(bench.says_the_same(image, SETTINGS, tokens, expected))
        if "retuned_picture" in wanted:
            other = RETUNED[number % len(RETUNED)]
            ours_s, (tokens,) = bench.time(lambda image=image, other=other: bench.found([image], [other]))
            peer_s, expected = bench.time(lambda image=image, other=other: bench.peer.tokens(image, other))
            retuned.peer.append(peer_s)
            retuned.ours.append(ours_s)
            retuned.compared.append(bench.says_the_same(image, other, tokens, expected))
        if "sweep_25" in wanted:
            bench.decoder.forget_pictures()
            ours_s, cells = bench.time(lambda image=image: bench.found([image], GRID))
            sweep.ours.append(ours_s)
            cell = (number * 7 + 12) % len(GRID)
            expected = bench.peer.tokens(image, GRID[cell])
            sweep.compared.append(bench.says_the_same(image, GRID[cell], cells[cell], expected))
            if not bench.is_card:
                sweep.compared.append(cells[12] == bench.found([image], [SETTINGS])[0])
    sweep.peer = new.peer
    rows = [new, retuned, sweep]
    if "batch_8" in wanted:
        images = [picture(100 + number) for number in range(8)]
        batch = Rounds("batch_8")
        for _ in range(rounds):
            bench.decoder.forget_pictures()
            ours_s, together = bench.time(lambda: bench.found(images, [SETTINGS]))
            batch.ours.append(ours_s)
        batch.peer = [8 * statistics.median(new.peer)]
        if not bench.is_card:
            batch.compared.append(together == [bench.found([image], [SETTINGS])[0] for image in images])
        expected = bench.peer.tokens(images[0], SETTINGS)
        batch.compared.append(bench.says_the_same(images[0], SETTINGS, together[0], expected))
        rows.append(batch)
    return [row for row in rows if row.ours and (row.name in wanted or row is new)]


def parts(folder: Path, device: str, clock: Callable[[], float], rounds: int) -> list[Rounds]:
    """What each part brings: one retuned caption without it, over one with all."""
    from captioner.models.blip import selfcheck

    image, other = picture(0), RETUNED[0]
    bench = Bench(folder, device, clock)
    bench.warm_up({"sweep_25"})
    supported = selfcheck.fast_is_supported
    selfcheck.fast_is_supported = lambda is_packed: not is_packed  # type: ignore[assignment]
    unpacked = BlipCaptioner.load(folder, device=device)
    selfcheck.fast_is_supported = supported
    names = ("vision", "sharing") if bench.is_card else ("vision", "packing", "sharing")
    rows = {name: Rounds(f"part_{name}") for name in names}
    pixels = bench.peer.processor(images=image, return_tensors="pt")["pixel_values"]
    pixels = pixels.to(bench.peer.model.device, bench.peer.model.dtype)
    plain_encoding = unpacked.encode([image])[0]
    encoding = bench.ours.encode([image])[0]
    for number in range(rounds):
        with torch.inference_mode():
            rows["vision"].peer.append(bench.time(lambda: bench.peer.model.vision_model(pixel_values=pixels))[0])
            rows["vision"].ours.append(bench.time(lambda: bench.decoder._model.vision_model(pixel_values=pixels))[0])
        if "packing" in rows:
            peer_s, expected = bench.time(lambda: unpacked._decoder.find([(plain_encoding, other)])[0][0].tokens)
            ours_s, tokens = bench.time(lambda: bench.decoder.find([(encoding, other)])[0][0].tokens)
            rows["packing"].peer.append(peer_s)
            rows["packing"].ours.append(ours_s)
            rows["packing"].compared.append(tokens == expected)
        if number == 0:  # by far the longest
            peer_s, expected = bench.time(
                lambda: [bench.decoder.find([(encoding, cell)])[0][0].tokens for cell in GRID]
            )
            ours_s, tokens = bench.time(
                lambda: [one[0].tokens for one in bench.decoder.find([(encoding, c) for c in GRID])]
            )
            rows["sharing"].peer.append(peer_s)
            rows["sharing"].ours.append(ours_s)
            if not bench.is_card:
                rows["sharing"].compared.append(tokens == expected)
    return list(rows.values())


def memory(folder: Path, device: str, threads: int, rounds: int) -> Rounds:
    """The peak of each side in its own process that loads the model and captions one picture."""
    row = Rounds("memory", unit="MB")
    for side, values in (("transformers", row.peer), ("ours", row.ours)) * rounds:
        words = [sys.executable, "-m", "benchmarks.blip", "--peak-of", side, "--folder", str(folder)]
        words += ["--device", device, "--threads", str(threads)]
        result = subprocess.run(words, capture_output=True, text=True, check=True)
        values.append(float(result.stdout.split()[-1]))
    return row


def peak_of(side: str, folder: Path, device: str) -> float:
    """Caption one picture with one side, and give this process's peak in MB (what torch took of a card on CUDA)."""
    if side == "ours":
        BlipCaptioner.load(folder, device=device).caption(inputs([picture(0)]), SETTINGS)
    else:
        Transformers(folder, device).tokens(picture(0), SETTINGS)
    if device == "cuda":
        return torch.cuda.max_memory_reserved() / 1e6  # what torch took of the card, in use or not
    # Not getrusage's ru_maxrss: a child takes over that of the process it was forked from, which holds both models.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (peak_kb,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(peak_kb) * 1024 / 1e6


def gemm_peak(clock: Callable[[], float]) -> float:
    """GFLOP/s of a 1024 cube matrix product on the CPU, the best of 20."""
    cube = torch.randn(1024, 1024)
    best = float("inf")
    for _ in range(20):
        start = clock()
        (cube @ cube).sum().item()
        best = min(best, clock() - start)
    return 2 * 1024**3 / best / 1e9


def caption_gflop(bench: Bench) -> float:
    """What one retuned caption takes at least: the linear layers and cross-attention for the tokens computed."""
    config = bench.decoder._model.config.text_config
    width, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    image_tokens = bench.decoder._model.vision_model.embeddings.num_positions
    a_token = layers * (6 * width**2 + 2 * width * inner + 2 * image_tokens * width) + width * config.vocab_size
    before = bench.decoder.computed_tokens
    bench.found([picture(0)], [SETTINGS])
    return 2 * a_token * (bench.decoder.computed_tokens - before) / 1e9


def share_of_gemm_peak(bench: Bench, clock: Callable[[], float]) -> Rounds:
    """How near a retuned caption comes to what a plain matrix product reaches."""
    peak = gemm_peak(clock)
    bench.ours.encode([picture(0)])
    gflop = caption_gflop(bench)
    spent_s, _ = bench.time(lambda: bench.found([picture(0)], [SETTINGS]))
    return Rounds("share_of_gemm_peak", unit="%", ours=[100 * gflop / spent_s / peak])


def share_of_bytes(bench: Bench, device: str) -> Rounds:
    """How near a retuned caption comes to a card that only reads what its steps must read."""
    encodings = bench.ours.encode([picture(0)])
    steps = card.steps_of(bench.decoder, encodings, SETTINGS)
    spent_s, _ = bench.time(lambda: bench.found([picture(0)], [SETTINGS]))
    least_s = steps * card.bytes_a_step(bench.decoder, 1) / card.bytes_a_second(device)
    return Rounds("share_of_bytes", unit="%", ours=[100 * least_s / spent_s])


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.blip", description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", default=",".join(ROWS), help="which rows, by name, with commas")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--folder", type=Path, help="keep the random weights here (default: made anew each time)")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--peak-of", choices=("ours", "transformers"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(arguments.threads)
    if arguments.peak_of:
        print(peak_of(arguments.peak_of, arguments.folder, arguments.device))
        return
    wanted = set(arguments.rows.split(","))
    if wanted - set(ROWS):
        parser.error(f"--rows knows {', '.join(ROWS)}")
    clock = time.perf_counter if arguments.clock == "wall" else time.process_time
    with tempfile.TemporaryDirectory() as temporary:
        root = arguments.folder or Path(temporary)
        rows = measure(root, wanted, arguments, clock)
    report.show([row.row() for row in rows], as_json=arguments.json)


def measure(root: Path, wanted: set[str], arguments: argparse.Namespace, clock: Callable[[], float]) -> list[Rounds]:
    """All wanted rows."""
    device = arguments.device
    folder = save_full_size_blip(root / "base")
    rows: list[Rounds] = []
    if wanted & {"new_picture", "retuned_picture", "sweep_25", "batch_8"}:
        bench = Bench(folder, device, clock)
        rows += run(bench, wanted, arguments.rounds)
        retuned = next((row for row in rows if row.name == "retuned_picture"), None)
        if retuned:
            rows.append(share_of_bytes(bench, device) if bench.is_card else share_of_gemm_peak(bench, clock))
        del bench
    if "parts" in wanted:
        rows += parts(folder, device, clock, arguments.rounds)
    if "large_new_picture" in wanted:
        bench = Bench(save_full_size_blip(root / "large", "large"), device, clock)
        (large,) = run(bench, set(), arguments.rounds)
        large.name = "large_new_picture"
        rows.append(large)
        del bench
    if "memory" in wanted:
        rows.append(memory(folder, device, arguments.threads, arguments.rounds))
    return rows


if __name__ == "__main__":
    main()
