"""Whether scores find what is false, on drawn scenes of known truth with the demo models.

    python -m benchmarks.quality [--scenes 300] [--rows pairs,own,length,settings,speed] [--speed] [--json]

Each figure has what it must and should reach. Relations are judged by where things stand; the scenes' seeds were used
for nothing else. Higher is better but for lines, marked, worse and seconds. What each part is, `quality_sets` and the
functions here say.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, median, stdev

import torch

from benchmarks.quality_sets import (
    LENGTH_SEED,
    LENGTHS,
    LONG,
    SAMPLE_SEED,
    TRUTH_SEED,
    Judged,
    Judges,
    Pair,
    counts,
    own_captions,
    pairs,
    scenes_of,
    weakened,
)
from benchmarks.quality_speed import full_size_seconds
from benchmarks.report import machine, timed
from captioner.contract import PictureInput
from captioner.lab.scores import DOUBTFUL, FALSE, CaptionScore, underlined
from captioner.lab.suggest import choose_length, choose_settings
from captioner.models.blip import PRESETS, SamplingSettings
from captioner.models.sources import DEMO_FOLDER

GOALS: dict[str, tuple[float, float]] = {
    "pair_grammar": (0.97, 0.995),
    "pair_grammar_lowest_kind": (0.92, 0.97),
    "pair_person": (0.89, 0.95),
    "pair_person_tags": (0.94, 0.98),
    "hit_grammar": (0.93, 0.98),
    "hit_grammar_lines": (1.5, 1.3),
    "marked_grammar": (0.12, 0.05),
    "hit_person": (0.68, 0.85),
    "marked_person": (0.30, 0.12),
    "own_word_auc": (0.78, 0.88),
    "own_word_auc_tags": (0.82, 0.92),
    "own_worst_tenth": (2.0, 3.0),
    "own_lines_right": (0.55, 0.80),
    "own_lines_right_tags": (0.70, 0.88),
    "own_right_marked": (0.10, 0.03),
    "length_true_gain": (-0.05, 0.0),
    "length_false_gain": (-0.001, -0.03),
    "length_fewer_words": (0.18, 0.24),
    "settings_false_rho": (0.80, 0.95),
    "settings_true_rho": (0.80, 0.95),
    "settings_worse": (0.0, 0.0),
    "gain_from_blip_paper": (0.3, 0.6),
    "score_sweep_s": (0.5, 0.3),
    "score_caption_share": (1 / 3, 1 / 5),
    "full_size_share": (0.5, 0.3),
}
"""Figure -> what it must and should reach."""

_LOWER_IS_BETTER = {
    "hit_grammar_lines",
    "marked_grammar",
    "marked_person",
    "own_right_marked",
    "length_false_gain",
    "settings_worse",
    "score_sweep_s",
    "score_caption_share",
    "full_size_share",
}

SETTINGS = {
    f"{beams} beams, min {least}": SamplingSettings(num_beams=beams, min_length=least, max_length=60)
    for beams in (1, 3, 8, 16)
    for least in (5, 15, 22, 30, 40)
}
SAMPLE_PICTURES = 30
STARTS = ("everydream-beam", "blip-paper", "everydream-nucleus")
SWEEP = [
    SamplingSettings(num_beams=16, min_length=least, max_length=max(48, least), repetition_penalty=penalty)
    for least in (5, 15, 22, 30, 48)
    for penalty in (0.01, 0.6, 1.0, 1.4, 5.0)
]


@dataclass(frozen=True)
class Figure:
    """One measured figure; None for what no goal is set for."""

    name: str
    value: float
    must: float | None = None
    aim: float | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether it reaches what it must."""
        if self.must is None:
            return None
        return self.value <= self.must if self.name in _LOWER_IS_BETTER else self.value >= self.must


def figure(name: str, value: float) -> Figure:
    """With its goal."""
    return Figure(name, value, *GOALS.get(name, (None, None)))


def pair_figures(judges: Judges, scenes: int) -> Iterator[Figure]:
    """A true caption and the same with something false: which scores better, and whether the false word is found."""
    found: dict[str, list[Pair]] = {"grammar": [], "person": []}
    for group, pair in pairs(judges, scenes):
        found[group].append(pair)
    for group, variant, name in (
        ("grammar", "clip", "pair_grammar"),
        ("grammar", "tags", "pair_grammar_tags"),
        ("person", "clip", "pair_person"),
        ("person", "tags", "pair_person_tags"),
    ):
        yield figure(name, _share(_is_better(pair, variant) for pair in found[group]))
    grammar, person = found["grammar"], found["person"]
    by_kind = {
        kind: _share(_is_better(pair, "clip") for pair in grammar if pair.kind == kind)
        for kind in sorted({pair.kind for pair in grammar})
    }
    yield figure("pair_grammar_lowest_kind", min(by_kind.values()))
    for kind, value in by_kind.items():
        yield figure(f"pair_grammar_{kind}", value)
    for variant, end in (("clip", ""), ("tags", "_tags")):
        yield figure(f"hit_grammar{end}", _share(_is_found(pair.false, variant, DOUBTFUL) for pair in grammar))
        lines = fmean(len(underlined(pair.false.scores[variant])) for pair in grammar)
        yield figure(f"hit_grammar_lines{end}", lines)
        yield figure(f"marked_grammar{end}", _marked(grammar, variant, DOUBTFUL))
        yield figure(f"hit_person{end}", _share(_is_found(pair.false, variant, FALSE) for pair in person))
        yield figure(f"marked_person{end}", _marked(person, variant, FALSE))
    for kind in by_kind:
        yield figure(
            f"hit_grammar_{kind}",
            _share(_is_found(pair.false, "clip", DOUBTFUL) for pair in grammar if pair.kind == kind),
        )
    yield figure("pairs_grammar_count", len(grammar))
    yield figure("pairs_person_count", len(person))


def _is_better(pair: Pair, variant: str) -> bool:
    return pair.true.scores[variant].doubt < pair.false.scores[variant].doubt


def _is_found(one: Judged, variant: str, least: float) -> bool:
    return any(one.truth_at(word.start) is False for word in underlined(one.scores[variant], least))


def _marked(of: Sequence[Pair], variant: str, least: float) -> float:
    """The share of true captions with a line, each once."""
    true = {id(pair.true): pair.true for pair in of}
    return _share(bool(underlined(one.scores[variant], least)) for one in true.values())


def own_figures(judges: Judges, weak: Judges, scenes: int) -> Iterator[Figure]:
    """The captioner's own captions, made in ways in which it is often wrong, judged by itself."""
    by_way = dict(own_captions(judges, weak, scenes))
    pooled = [one for way in by_way.values() for one in way]
    for variant, end in (("clip", ""), ("tags", "_tags")):
        yield figure(f"own_word_auc{end}", _word_auc(pooled, variant))
        yield figure(f"own_worst_tenth{end}", _worst_tenth(pooled, variant))
        right, marked = _lines(pooled, variant)
        yield figure(f"own_lines_right{end}", right)
        yield figure(f"own_right_marked{end}", marked)
        for way, of in by_way.items():
            yield figure(f"own_word_auc{end}_{way}", _word_auc(of, variant))
            right, marked = _lines(of, variant)
            yield figure(f"own_lines_right{end}_{way}", right)
            yield figure(f"own_right_marked{end}_{way}", marked)
    for way, of in by_way.items():
        yield figure(f"own_false_captions_{way}", _share(one.is_false for one in of))
    yield figure("own_captions_count", len(pooled))


def _word_auc(of: Sequence[Judged], variant: str) -> float:
    scored = [
        (word.nats, one.truth_at(word.start))
        for one in of
        for word in one.scores[variant].words
        if one.truth_at(word.start) is not None
    ]
    return auc([nats for nats, true in scored if not true], [nats for nats, true in scored if true])


def _worst_tenth(of: Sequence[Judged], variant: str) -> float:
    """Captions with something false among the tenth whose worst word is the worst, over their share among all."""

    def worst(one: Judged) -> float:
        word = one.scores[variant].worst
        return word.nats if word else float("-inf")

    tenth = sorted(of, key=worst, reverse=True)[: max(1, len(of) // 10)]
    return _share(one.is_false for one in tenth) / max(1e-9, _share(one.is_false for one in of))


def _lines(of: Sequence[Judged], variant: str) -> tuple[float, float]:
    """The share of lines under false words, and of right captions with a line."""
    lines = [one.truth_at(word.start) for one in of for word in underlined(one.scores[variant])]
    right = [one for one in of if not one.is_false]
    return (
        _share(true is False for true in lines if true is not None),
        _share(bool(underlined(one.scores[variant])) for one in right),
    )


def length_figures(judges: Judges, weak: Judges, scenes: int) -> Iterator[Figure]:
    """A minimum length for each picture by scores, beside fixed ones: true and false statements, and words."""
    drawn, pictures = scenes_of(LENGTH_SEED, scenes)
    for who, end in ((judges, ""), (weak, "_weak")):
        background = who.background_of(pictures)
        chosen: dict[str, list[tuple[int, int, int]]] = {}
        for scene, picture in zip(drawn, pictures, strict=True):
            said = who.blip.caption_grid(PictureInput(picture), [LONG.replaced(min_length=least) for least in LENGTHS])
            texts = [sentence.text for sentence in said]
            truth = [(*counts(text, scene), len(text.split())) for text in texts]
            scores = who.score(picture, texts, background)
            for least, one in zip(LENGTHS, truth, strict=True):
                chosen.setdefault(str(least), []).append(one)
            for variant in scores:
                best = choose_length(dict(zip(LENGTHS, scores[variant], strict=True)))
                chosen.setdefault(variant, []).append(truth[LENGTHS.index(best)])
            worth = [true - 2 * false for true, false, _ in truth]
            chosen.setdefault("oracle", []).append(truth[worth.index(max(worth))])
        means = {name: [fmean(one[part] for one in of) for part in range(3)] for name, of in chosen.items()}
        for variant, tagged in (("clip", end), ("tags", f"{end}_tags")):
            own, fixed = means[variant], means["30"]
            yield figure(f"length_true_gain{tagged}", own[0] - fixed[0])
            yield figure(f"length_false_gain{tagged}", own[1] - fixed[1])
            yield figure(f"length_fewer_words{tagged}", 1 - own[2] / fixed[2])
        for name, of in means.items():
            for part, value in zip(("true", "false", "words"), of, strict=True):
                yield figure(f"length_{part}_{name}{end}", value)


def settings_figures(judges: Judges, weak: Judges, scenes: int) -> Iterator[Figure]:
    """Settings ranked on 30 pictures by scores, and by truth on others; and whether what is proposed is better."""
    worse, proposed = 0, 0
    for who, end, count in ((judges, "", scenes * 2 // 3), (weak, "_weak", scenes // 3)):
        settings = {**{name: PRESETS[name] for name in STARTS}, **SETTINGS}
        grid = list(settings.values())
        drawn, pictures = scenes_of(TRUTH_SEED, count)
        truth: dict[str, list[tuple[int, int]]] = {name: [] for name in settings}
        for scene, picture in zip(drawn, pictures, strict=True):
            for name, sentence in zip(settings, who.blip.caption_grid(PictureInput(picture), grid), strict=True):
                truth[name].append(counts(sentence.text, scene))
        _, pictures = scenes_of(SAMPLE_SEED, SAMPLE_PICTURES)
        background = who.background_of(pictures)
        scores: dict[str, dict[str, list[CaptionScore]]] = {"clip": {}, "tags": {}}
        for picture in pictures:
            texts = [sentence.text for sentence in who.blip.caption_grid(PictureInput(picture), grid)]
            for variant, of in who.score(picture, texts, background).items():
                for name, score in zip(settings, of, strict=True):
                    scores[variant].setdefault(name, []).append(score)
        for variant, tagged in (("clip", end), ("tags", f"{end}_tags")):
            expected = [
                (fmean(s.true_words for s in scores[variant][n]), fmean(s.false_words for s in scores[variant][n]))
                for n in SETTINGS
            ]
            real = [(fmean(one[0] for one in truth[n]), fmean(one[1] for one in truth[n])) for n in SETTINGS]
            yield figure(f"settings_true_rho{tagged}", spearman([e[0] for e in expected], [r[0] for r in real]))
            yield figure(f"settings_false_rho{tagged}", spearman([e[1] for e in expected], [r[1] for r in real]))
            for start in STARTS:
                offered = choose_settings({name: scores[variant][name] for name in (start, *SETTINGS)}, start)
                gains = [0.0]
                if offered:
                    proposed += 1
                    pairs_of = zip(truth[offered[0].name], truth[start], strict=True)
                    gains = [(new[0] - new[1]) - (old[0] - old[1]) for new, old in pairs_of]
                    worse += fmean(gains) < -2 * stdev(gains) / len(gains) ** 0.5
                yield figure(f"gain_from_{start.replace('-', '_')}{tagged}", fmean(gains))
    yield figure("settings_worse", worse)
    yield figure("settings_proposed_count", proposed)


def speed_figures(judges: Judges, rounds: int = 5) -> Iterator[Figure]:
    """Seconds of the processor: what BLIP and CLIP say of a finished 5 x 5 sweep; and of a caption of 16 beams, as a
    share of what it took. Pictures were looked at before.
    """
    _, pictures = scenes_of(LENGTH_SEED, rounds + 1)
    background = judges.background_of(pictures)
    took: dict[str, list[float]] = {"score_sweep_s": [], "sweep_s": [], "score_caption_share": []}
    for number, picture in enumerate(pictures):
        shown = PictureInput(picture)
        texts = [sentence.text for sentence in judges.blip.caption_grid(shown, SWEEP)]
        (said,) = judges.blip.caption([shown], PRESETS["everydream-beam"])
        judges.clip.opinions(shown, {said.text: ["a cat"]})
        spent = [
            timed(action, clock=time.process_time)[0]
            for action in (
                partial(judges.blip.caption_grid, shown, SWEEP),
                partial(judges.heard, picture, texts, background),
                partial(judges.blip.caption, [shown], PRESETS["everydream-beam"]),
                partial(judges.heard, picture, [said.text], background),
            )
        ]
        if number:  # the first calls of all are slower
            took["sweep_s"].append(spent[0])
            took["score_sweep_s"].append(spent[1])
            took["score_caption_share"].append(spent[3] / spent[2])
    for name, values in took.items():
        yield figure(name, median(values))


def auc(higher: Sequence[float], lower: Sequence[float]) -> float:
    """The chance that one of the first is above one of the second, ties half."""
    ranks = _ranks([*higher, *lower])
    count = len(higher)
    return (sum(ranks[:count]) - count * (count + 1) / 2) / (count * len(lower)) if higher and lower else float("nan")


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """The correlation of ranks."""
    a, b = torch.tensor(_ranks(one)), torch.tensor(_ranks(other))
    return float(torch.corrcoef(torch.stack((a, b)))[0, 1])


def _ranks(values: Sequence[float]) -> list[float]:
    """From 1, equal ones share the mean of theirs."""
    order = sorted(range(len(values)), key=lambda place: values[place])
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for place in order[start:end]:
            ranks[place] = (start + 1 + end) / 2
        start = end
    return ranks


def _share(values: Iterator[bool] | Sequence[bool]) -> float:
    kept = [float(value) for value in values]
    return fmean(kept) if kept else float("nan")


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--scenes", type=int, default=300, help="of each set (default 300)")
    parser.add_argument("--rows", default="pairs,own,length,settings,speed", help="which parts, with commas")
    parser.add_argument("--speed", action="store_true", help="only how long full-size models take (`quality_speed`)")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = parser.parse_args()
    wanted = {"full"} if arguments.speed else set(arguments.rows.split(","))
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        judges = Judges()
        weak = Judges(captioner=weakened(DEMO_FOLDER / "blip-demo", Path(temporary) / "weak"))
        parts = {
            "pairs": lambda: pair_figures(judges, arguments.scenes),
            "own": lambda: own_figures(judges, weak, arguments.scenes),
            "length": lambda: length_figures(judges, weak, arguments.scenes),
            "settings": lambda: settings_figures(judges, weak, arguments.scenes),
            "speed": lambda: speed_figures(judges),
            "full": lambda: (figure(name, value) for name, value in full_size_seconds(SWEEP)),
        }
        if wanted - set(parts):
            parser.error(f"--rows knows {', '.join(parts)}")
        figures: list[Figure] = []
        for name in parts:
            if name in wanted:
                start = time.process_time()
                for one in parts[name]():
                    figures.append(one)
                    goal = "" if one.must is None else f"  must {one.must:.3g}, aim {one.aim:.3g}"
                    print(
                        f"{one.name:36}{one.value:>9.3f}{goal}{'  MISSED' if one.is_met is False else ''}", flush=True
                    )
                print(f"{name} took {time.process_time() - start:.0f} s", file=sys.stderr)
    if arguments.json:
        rows = [{**dataclasses.asdict(one), "is_met": one.is_met} for one in figures]
        print(json.dumps({"scenes": arguments.scenes, "rows": rows, "machine": machine()}))


if __name__ == "__main__":
    main()
