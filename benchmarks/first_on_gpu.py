"""`python -m benchmarks.first_on_gpu`: the first minutes on a card, one line a check: ok, LOOK or FAIL.

Each line says what was found and what is expected; LOOK is a figure to judge. `docs/gpu.md` says what to do about it.
Full-size BLIP with random weights (`full_size`) and the demo models. The parts, of which `--parts` chooses:

    card        the card, its kernels, the order of attention's ways (a card only)
    tokens      fp32 on the card, with and without graphs, against the CPU: the test that everything is right
    recordings  how often steps are recorded, and how long that takes
    times       captions, steps, replays alone, the picture tower, preprocessing
    kernels     the kernels of a replay, and the bytes that a step must read (a card only)
    waits       where the host waits for the card, by line (a card only)
    memory      what stays on the card after pictures are forgotten and the model has moved
    company     texts alone and in batches of 8, and fp16 against fp32 on the CPU
    clip        the demo's similarities against the CPU's
    onnx        the provider, and that nothing is printed by it
    leak        memory over 200 captions of all sizes; not among those that run by default

With `--device cpu --layers 2` it is tried where there is no card: steps have the sizes of graphs and no recording.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import io
import json
import random
import statistics
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from benchmarks import card, report
from benchmarks.full_size import picture, save_full_size_blip
from captioner.contract import inputs
from captioner.models.blip import PRESETS, BlipCaptioner, SamplingSettings
from captioner.models.blip.graphs import CudaRecorder, StepGraphs
from captioner.models.memory import free_cached_memory

BEAMS_16, BEAMS_3, NUCLEUS = PRESETS["everydream-beam"], PRESETS["blip-paper"], PRESETS["everydream-nucleus"]
RULES = SamplingSettings(num_beams=4, repetition_penalty=1.4, no_repeat_ngram_size=3, max_length=30)
_DEMO = Path(__file__).parents[1] / "assets" / "demo"

Verdict = Literal["ok", "LOOK", "FAIL"]


@dataclass(frozen=True)
class Check:
    """What was found, and what is expected."""

    name: str
    verdict: Verdict
    found: str
    expected: str = ""


def judged(name: str, is_right: bool, found: str, expected: str) -> Check:
    """A check that fails where it is not right."""
    return Check(name, "ok" if is_right else "FAIL", found, expected)


class Bench:
    """BLIP in memory on the device that is tried."""

    def __init__(self, folder: Path, device: str, *, pictures: int = 24) -> None:
        self.folder, self.device, self.picture_count = folder, device, pictures
        self.is_card = device.startswith("cuda")
        self.captioner = BlipCaptioner.load(folder, device=device)
        self.decoder = self.captioner._decoder
        self.text_decoder = self.decoder._model.text_decoder
        self.had_graphs = self.text_decoder.graphs is not None
        self.recorder = card.CountingRecorder(CudaRecorder() if self.is_card else None)
        self.pictures = [picture(number) for number in range(8)]
        self.set_up()

    def set_up(self) -> None:
        """New graphs that count what they record; a move lets go of them."""
        if self.had_graphs or not self.is_card:
            self.text_decoder.graphs = StepGraphs(self.text_decoder, self.recorder)

    def wait(self) -> None:
        """Until the card has done all."""
        if self.is_card:
            torch.cuda.synchronize()

    def ms(self, work: Callable[[], object], rounds: int = 5) -> float:
        """The median of some runs after a first one."""
        work()
        spent = []
        for _ in range(rounds):
            self.wait()
            start = time.perf_counter()
            work()
            self.wait()
            spent.append(1e3 * (time.perf_counter() - start))
        return statistics.median(spent)

    def allocated_mb(self) -> float:
        """What torch's tensors take of the card."""
        return torch.cuda.memory_allocated() / 1e6 if self.is_card else 0.0

    def texts(self, pictures: Sequence[Any], settings: SamplingSettings) -> list[str]:
        """The sentences for some pictures in one call."""
        return [one.text for one in self.captioner.caption(inputs(pictures), settings)]


def check_card(bench: Bench) -> Iterator[Check]:
    """The card, and how attention is computed on it."""
    if not bench.is_card:
        return
    device = torch.device(bench.device)
    found = torch.cuda.get_device_properties(device)
    versions = f"torch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}"
    described = f"{found.name}, capability {found.major}.{found.minor}, {found.total_memory / 1e9:.1f} GB, {versions}"
    yield Check("card", "LOOK", described)
    is_off = not torch.backends.cuda.cudnn_sdp_enabled()
    yield judged("cuDNN's attention is off", is_off, str(is_off), "True: it plans anew for each shape")
    query = torch.randn(1, 12, 16, 64, device=device, dtype=torch.float16)

    def look(length: int) -> float:
        keys, mask = query.new_zeros(1, 12, length, 64), query.new_zeros(16, length)
        bench.wait()
        start = time.perf_counter()
        torch.nn.functional.scaled_dot_product_attention(query, keys, keys, attn_mask=mask)
        bench.wait()
        return 1e3 * (time.perf_counter() - start)

    look(128)
    spent = statistics.median(look(length) for length in range(200, 216))
    yield judged("a masked attention of a length never seen", spent < 2, f"{spent:.2f} ms", "< 1 ms; 20 to 40 is plans")
    yield judged("fast decoder", bench.decoder.is_fast, str(bench.decoder.is_fast), "True")
    yield judged("graphs", bench.had_graphs, str(bench.had_graphs), "True, else the log says why")


def check_tokens(bench: Bench) -> Iterator[Check]:
    """The same tokens in fp32 on the card, with and without graphs, as on the CPU."""
    on_cpu, on_card = card.in_fp32(bench.folder, "cpu"), card.in_fp32(bench.folder, bench.device)
    text_decoder = on_card._model.text_decoder
    shown = inputs(bench.pictures[:3])
    for name, settings in (("16 beams", BEAMS_16), ("3 beams", BEAMS_3), ("penalty and n-grams", RULES)):
        expected = [one.text for one in on_cpu.decode(on_cpu.encode(shown, "blip"), settings)]
        same = []
        for graphs in (StepGraphs(text_decoder, CudaRecorder() if bench.is_card else None), None):
            text_decoder.graphs = graphs
            found = [one.text for one in on_card.decode(on_card.encode(shown, "blip"), settings)]
            same.append(sum(a == b for a, b in zip(expected, found, strict=True)))
        yield judged(f"fp32, {name}: with graphs, without", same == [3, 3], f"{same[0]}/3, {same[1]}/3", "3/3, 3/3")
    text_decoder.graphs = None


def check_recordings(bench: Bench) -> Iterator[Check]:
    """How often steps are recorded: once a size."""
    times = bench.recorder.times_s

    def recorded(pictures: Sequence[Any]) -> int:
        before = len(times)
        bench.captioner.caption(inputs(pictures), BEAMS_16)
        return len(times) - before

    one = [recorded(bench.pictures[:1]) for _ in range(3)]
    share = 1e3 * sum(times) / max(1, len(times))
    is_right = one[0] <= 5 and one[1:] == [0, 0]
    yield judged("recordings for a caption, again, and again", is_right, str(one), "2 to 5, 0, 0")
    yield Check("a recording", "ok" if share < 100 else "LOOK", f"{share:.0f} ms", "< 100 ms")
    eight = [recorded(bench.pictures) for _ in range(3)]
    yield judged("recordings for 8 pictures, again, and again", eight[1:] == [0, 0], str(eight), "about 5, 0, 0")
    fewer = [recorded(bench.pictures[:count]) for count in (3, 8, 3)]
    yield judged("for 3, 8, and 3 again", fewer[1:] == [0, 0], str(fewer), "some, 0, 0")
    bench.captioner.release_memory()
    after = recorded(bench.pictures[:1])
    yield judged(
        "for one after pictures were forgotten", after <= one[0], str(after), "0, or as at first if 8 came since"
    )


def check_times(bench: Bench) -> Iterator[Check]:
    """What captions take, and how much of it is the host's."""
    kinds = (("16 beams", BEAMS_16), ("3 beams", BEAMS_3), ("nucleus", NUCLEUS))
    for name, settings in kinds:
        for count in (1, 8):
            encodings = bench.captioner.encode(bench.pictures[:count])
            steps = card.steps_of(bench.decoder, encodings, settings)
            spent = bench.ms(lambda found=encodings, chosen=settings: bench.decoder.decode(found, chosen))
            line = f"{spent:.1f} ms a call, {spent / count:.1f} a caption, {steps} steps of {spent / steps:.2f} ms"
            if bench.is_card and bench.text_decoder.graphs:
                step = list(bench.text_decoder.graphs._steps.values())[-1]
                replay = card.event_ms(step.run, 200)
                line += f"; a replay alone {replay:.3f}, the host's part {100 * (1 - replay * steps / spent):.0f} %"
            expected = "H100: 35 to 100 ms alone, 8 to 20 in eights" if name == "16 beams" else ""
            yield Check(f"{name}, {count} at once", "LOOK", line, expected)
    model = bench.decoder._model
    ahead = bench.captioner.preprocess_ahead()
    pixels = torch.cat([ahead(one) for one in bench.pictures]).to(model.device, model.dtype)
    with torch.inference_mode():
        for count in (1, 8):
            spent = bench.ms(lambda count=count: model.vision_model(pixel_values=pixels[:count])) / count
            yield Check(f"picture tower, {count} at once", "LOOK", f"{spent:.2f} ms a picture")
    spent = bench.ms(lambda: ahead(bench.pictures[0].resize((4000, 3000))), 3)
    yield Check("resizing and normalising 12 megapixels on the CPU", "LOOK", f"{spent:.0f} ms")


def check_kernels(bench: Bench) -> Iterator[Check]:
    """The kernels of one replay, and what a step takes at least."""
    if not bench.is_card or not bench.text_decoder.graphs:
        return
    from torch.profiler import ProfilerActivity, profile

    encodings = bench.captioner.encode(bench.pictures[:1])
    bench.decoder.decode(encodings, BEAMS_16)
    step = list(bench.text_decoder.graphs._steps.values())[-1]
    step.run()
    bench.wait()
    with profile(activities=[ProfilerActivity.CUDA]) as found:
        step.run()
        bench.wait()
    kernels = [event for event in found.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    busy = sum(event.device_time_total for event in kernels)
    line = f"{len(kernels)}, {busy / 1e3:.3f} ms in all, {busy / max(1, len(kernels)):.2f} us each"
    yield Check(
        "kernels of a replay, one picture", "LOOK", line, "230 to 320; 2 to 2.5 us each is what they take at least"
    )
    for name, count in collections.Counter(event.name[:70] for event in kernels).most_common(8):
        yield Check("  of these", "LOOK", f"{count} {name}")
    read, speed = card.bytes_a_step(bench.decoder, 1), card.bytes_a_second(bench.device)
    yield Check(
        "bytes a step must read",
        "LOOK",
        f"{read / 1e6:.0f} MB at {speed / 1e12:.2f} TB/s: {1e3 * read / speed:.3f} ms a step at least",
    )


def check_waits(bench: Bench) -> Iterator[Check]:
    """Where the host waits for the card, as torch itself tells it."""
    if not bench.is_card:
        return
    from captioner.models.blip import loading

    seen: collections.Counter[str] = collections.Counter()

    def note(message: Any, category: Any, filename: str, line: int, *_: Any) -> None:
        frames = [
            one for one in traceback.extract_stack() if "captioner" in one.filename or "transformers" in one.filename
        ]
        seen[f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else f"{filename}:{line}"] += 1

    encodings = bench.captioner.encode(bench.pictures)
    steps = card.steps_of(bench.decoder, encodings, BEAMS_16)
    quiet, loading.quiet = loading.quiet, contextlib.nullcontext  # which hides warnings
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = note
            torch.cuda.set_sync_debug_mode("warn")
            bench.decoder.decode(encodings, BEAMS_16)
    finally:
        torch.cuda.set_sync_debug_mode("default")
        loading.quiet = quiet
    count = sum(seen.values())
    name = f"waits in a call of 8 pictures, {steps} steps"
    yield Check(name, "ok" if count < 2 * steps + 30 else "LOOK", str(count), "one to two a step")
    for where, times in seen.most_common(8):
        yield Check("  of these", "LOOK", f"{times} {where}")


def check_memory(bench: Bench) -> Iterator[Check]:
    """What should come back comes back."""
    bench.captioner.caption(inputs(bench.pictures), BEAMS_16)
    bench.captioner.release_memory()
    free_cached_memory()
    beyond = bench.allocated_mb() - bench.decoder.size_bytes / 1e6
    yield judged("allocated beyond what is counted", beyond < 30, f"{beyond:.0f} MB", "< 30 MB")
    bench.captioner.move_to("cpu")
    left = bench.allocated_mb()
    yield judged("allocated after a move to the CPU", left < 30, f"{left:.0f} MB", "< 30 MB")
    start = time.perf_counter()
    bench.captioner.move_to(bench.device)
    bench.wait()
    yield Check("back on the card", "LOOK", f"{time.perf_counter() - start:.2f} s")
    bench.set_up()
    weights = getattr(bench.text_decoder.head, "weight", None)
    if weights is not None:
        is_tied = weights.data_ptr() == bench.text_decoder.embeddings.word_embeddings.weight.data_ptr()
        yield judged("head and words share their weights", is_tied, str(is_tied), "True; else 47 MB more")


def check_company(bench: Bench) -> Iterator[Check]:
    """Whether fp16 says something else in a batch, and than fp32."""
    on_cpu = BlipCaptioner.load(bench.folder, device="cpu")
    shown = [picture(number) for number in range(100, 100 + bench.picture_count)]
    count = len(shown)
    for name, settings in (("16 beams", BEAMS_16), ("3 beams", BEAMS_3)):
        alone = [text for one in shown for text in bench.texts([one], settings)]
        together = [text for start in range(0, count, 8) for text in bench.texts(shown[start : start + 8], settings)]
        reference = [one.text for shown_one in shown for one in on_cpu.caption(inputs([shown_one]), settings)]
        for what, other, least in (("in batches of 8", together, count), ("in fp32 on the CPU", reference, count - 2)):
            same = sum(a == b for a, b in zip(alone, other, strict=True))
            verdict: Verdict = "ok" if same >= least else "LOOK"
            yield Check(f"{name}: texts alone as {what}", verdict, f"{same}/{count}", f"{least} or more")


def check_clip(bench: Bench) -> Iterator[Check]:
    """CLIP's similarities."""
    from taggers.clip import ClipSettings, ClipTagger

    by_device = []
    for device in ("cpu", bench.device):
        tagger = ClipTagger.load(_DEMO / "clip-demo", device=device)
        by_device.append(tagger.tag(inputs(bench.pictures), ClipSettings()))
    worst = 0.0
    for expected, found in zip(*by_device, strict=True):
        scores = {tag.name: tag.score for tag in found}
        worst = max([worst, *(abs(tag.score - scores[tag.name]) for tag in expected[:8] if tag.name in scores)])
    yield judged("CLIP demo: similarities against the CPU's", worst < 3e-3, f"{worst:.1e}", "< 3e-3")


def check_onnx(bench: Bench) -> Iterator[Check]:
    """WD14's runtime."""
    from taggers.wd14 import Wd14Tagger

    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        tagger = Wd14Tagger.load(_DEMO / "wd14-demo", device=bench.device)
    yield judged("ONNX says nothing on stdout", not said.getvalue(), repr(said.getvalue()[:200]), "''")
    is_right = tagger.device.startswith("cuda") == bench.is_card and not tagger.warning
    yield judged("ONNX runs on the device", is_right, f"{tagger.device} {tagger.warning or ''}", bench.device)


def check_leak(bench: Bench) -> Iterator[Check]:
    """Memory over captions of all sizes."""
    generator, reserved = random.Random(0), []
    for number in range(200):
        pictures = [picture(1000 + 8 * number + one) for one in range(generator.randint(1, 8))]
        bench.captioner.caption(inputs(pictures), BEAMS_16.replaced(num_beams=generator.randint(1, 20)))
        if number % 20 == 19:
            reserved.append(torch.cuda.memory_reserved() / 1e6 if bench.is_card else 0.0)
    is_flat = reserved[-1] <= 1.1 * reserved[2]
    yield judged(
        "reserved after every 20 captions", is_flat, ", ".join(f"{one:.0f}" for one in reserved), "flat from 60 on"
    )


PARTS: dict[str, Callable[[Bench], Iterator[Check]]] = {
    name.removeprefix("check_"): function for name, function in list(globals().items()) if name.startswith("check_")
}


def checks(bench: Bench, parts: Sequence[str]) -> Iterator[Check]:
    """All checks of some parts; a part that fails is a check that does, and not the end."""
    for part in parts:
        try:
            yield from PARTS[part](bench)
        except Exception as error:  # noqa: BLE001 - the others shall be tried too
            traceback.print_exc(limit=-4, file=sys.stderr)
            yield Check(f"part {part}", "FAIL", f"{type(error).__name__}: {str(error)[:300]}", "to run to its end")


def main() -> None:
    """Parse, check, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_on_gpu", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--parts", default=",".join(part for part in PARTS if part != "leak"))
    parser.add_argument("--layers", type=int, help="of both towers, to try this without a card")
    parser.add_argument("--pictures", type=int, default=24, help="of the part company")
    parser.add_argument("--folder", type=Path, help="keep the random weights here (default: made anew each time)")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = parser.parse_args()
    parts = arguments.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"--parts knows {', '.join(PARTS)}, not {', '.join(sorted(unknown))}")
    if arguments.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("torch finds no CUDA device here; --device cpu --layers 2 tries the rest")
    found = []
    with tempfile.TemporaryDirectory() as temporary:
        root = arguments.folder or Path(temporary)
        folder = save_full_size_blip(root / f"base{arguments.layers or ''}", layers=arguments.layers)
        for check in checks(Bench(folder, arguments.device, pictures=arguments.pictures), parts):
            found.append(check)
            expected = f"   [expected: {check.expected}]" if check.expected else ""
            print(f"{check.verdict:4} {check.name}: {check.found}{expected}", flush=True)
    if arguments.json:
        print(json.dumps({"checks": [dataclasses.asdict(one) for one in found], "machine": report.machine()}))
    sys.exit(any(check.verdict == "FAIL" for check in found))


if __name__ == "__main__":
    main()
