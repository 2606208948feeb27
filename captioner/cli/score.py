"""`python -m captioner score`: captions that lie beside pictures, whoever made them, the most doubtful first."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captioner import images
from captioner.captions.plan import Plan
from captioner.captions.words import core_of, in_place_of
from captioner.cli.flags import add_model_flags, add_search_flags, flat_settings
from captioner.cli.memory import add_memory_flags, manager_of
from captioner.cli.parser import WrongUse
from captioner.cli.pictures import NamedPicture, Search, find_pictures, opened
from captioner.cli.progress import Progress
from captioner.cli.terminal import Download, check_device, note, quiet, say, say_json
from captioner.contract import PictureInput
from captioner.errors import CaptionerError
from captioner.formats import folders
from captioner.formats.existing import CAPTION_SUFFIXES, existing_captions
from captioner.lab.figures import FIGURES, SET_FIGURES
from captioner.lab.measures import measure_set, measure_text
from captioner.lab.scores import CaptionScore, Standing, WordScore, underlined
from captioner.lab.voices import ALONE, Heard, Voices, score_set, spread
from captioner.plural import plural

_EPILOG = """examples:
  # Captions made anywhere; --models demo needs no download.
  python -m captioner score photos --models demo

  # CLIP and a tagger are asked too, which finds more. The 20 worst.
  python -m captioner score photos --clip default --wd14 default --top 20

  # BLIP's matching head is asked instead of CLIP.
  python -m captioner score photos --models hub --matching default

  # For programs: one JSON object a picture, the last one about the set.
  python -m captioner score photos --recursive --json

A caption of several lines is read as one. Real models have not been measured as the demo models have: they give a
word's place among all words of the set, not a percentage.

exit status: 0 all good, 1 some pictures failed or could not be read, 2 wrong use or a model that is not there,
130 stopped with Ctrl+C
"""


def _epilog() -> str:
    meant = [f"  {figure.name:<12} {figure.about}" for figure in (*FIGURES, *SET_FIGURES)]
    return "what the figures mean:\n" + "\n".join(meant) + "\n\n" + _EPILOG


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `score`."""
    parser.usage = "%(prog)s PICTURE_OR_FOLDER... [flags]"
    parser.epilog = _epilog()
    parser.add_argument("pictures", nargs="+", metavar="PICTURE_OR_FOLDER", help="a picture, or a folder of pictures")
    where = parser.add_argument_group("pictures and captions")
    add_search_flags(where)
    where.add_argument(
        "--own",
        action="store_true",
        help="the captions are this captioner's own: doubts count from 20 %% on (else from 50 %%), and what it said "
        "behind the end that it would have chosen counts as filler",
    )
    where.add_argument("--name", action="append", default=[], metavar="WORD", help="a word that no model can know")
    where.add_argument("--top", type=int, metavar="N", help="print only the N most doubtful captions")
    where.add_argument("--json", action="store_true", help="print one JSON object a picture, for programs")
    models = parser.add_argument_group("models")
    models.add_argument(
        "--models", default="auto", metavar="auto|hub|demo|DIR", help="where models come from (default auto)"
    )
    add_model_flags(models, writes=False)
    models.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda or cuda:N (default auto)")
    add_memory_flags(models)


def run(arguments: argparse.Namespace) -> int:
    """Score what the command line names. Everything that can be wrong with it shows before a model is loaded."""
    with quiet():
        plan = Plan.from_flat(flat_settings(arguments), arguments.models)
        check_device(arguments.device)
        if arguments.top is not None and arguments.top < 1:
            raise WrongUse(f"--top is {arguments.top}; it must be at least 1.")
        found = find_pictures(arguments.pictures, Search.of(arguments))
        for text in (*plan.notes, *found.notes()):
            note(f"note: {text}")
        result = _Result(is_incomplete=found.is_incomplete)
        captioned = _captioned(found.pictures, result)
        if not captioned and result.failed:
            return result.end()
        if not captioned:
            raise WrongUse("none of the pictures has a caption beside it (NAME.txt); there is nothing to score.")
        plan = plan.check_models(arguments.models, progress=Download())
        _score(arguments, plan, captioned, result)
        return result.end()


@dataclass(frozen=True, slots=True)
class _Captioned:
    path: Path
    caption: str


@dataclass(slots=True)
class _Result:
    """How many pictures were scored, failed, and had no caption."""

    scored: int = 0
    failed: int = 0
    without: int = 0
    is_incomplete: bool = False
    is_stopped: bool = False

    def end(self) -> int:
        """Print the last line. Returns: the exit status."""
        without = f", {self.without} without a caption" if self.without else ""
        note(f"{self.scored} scored, {self.failed} failed{without}")
        if self.is_stopped:
            return 130
        return 1 if self.failed or self.is_incomplete else 0


def _captioned(pictures: Sequence[NamedPicture], result: _Result) -> list[_Captioned]:
    """The pictures that have a caption beside them; what is wrong with one is said."""
    captioned = []
    beside = folders.beside([picture.path for picture in pictures], CAPTION_SUFFIXES[0])
    for picture, existing in zip(pictures, existing_captions(beside), strict=True):
        for text in existing.notes():
            note(f"note: {text}")
        if existing.error is not None:
            result.failed += 1
            note(f"{picture.path}: {existing.error}")
        elif existing.text:
            captioned.append(_Captioned(picture.path, " ".join(existing.text.split())))
        elif os.path.lexists(picture.path):
            result.without += 1
        else:
            result.failed += 1
            note(f"{picture.path}: there is no such file; check the name.")
    return captioned


def _score(arguments: argparse.Namespace, plan: Plan, captioned: Sequence[_Captioned], result: _Result) -> None:
    manager = manager_of(arguments)
    heard: list[tuple[_Captioned, Heard]] = []
    try:
        voices = Voices(plan, manager)
        for text in (*voices.notes, f"asked: {', '.join(voices.asked)}."):
            note(f"note: {text}")
        with Progress(len(captioned), "picture") as progress:
            try:
                if len(captioned) > 1:
                    voices.look_at(opened(captioned[place].path for place in spread(len(captioned))))
                elif voices.reads:
                    note(f"note: {ALONE}")
                for one in captioned:
                    try:
                        image = images.open_picture(one.path, follow_links=True).image
                        heard += [(one, said) for said in voices.hear(PictureInput(image), [one.caption])]
                    except CaptionerError as error:
                        result.failed += 1
                        progress.clear()
                        _tell_failure(one, error, as_json=arguments.json)
                    progress.step(len(heard) + result.failed)
            except KeyboardInterrupt:
                result.is_stopped = True
                left = len(captioned) - len(heard) - result.failed
                note(f"captioner: stopped; {plural(left, 'picture was', 'pictures were')} not reached.")
    finally:
        manager.close()
    result.scored = len(heard)
    if heard:
        _show(arguments, heard, voices)


def _tell_failure(one: _Captioned, error: CaptionerError, *, as_json: bool) -> None:
    if as_json:
        say_json(
            {"picture": str(one.path), "caption": one.caption, "error": {"code": error.code, "message": str(error)}}
        )
    else:
        note(f"{one.path}: {error}")


def _show(arguments: argparse.Namespace, heard: Sequence[tuple[_Captioned, Heard]], voices: Voices) -> None:
    """The captions, worst first, and what is said of the set."""
    scores, weights = score_set(
        (said for _, said in heard), voices.weights, is_edit=not arguments.own, names=arguments.name
    )
    standing = Standing.among(scores)
    rows = sorted(
        zip(heard, scores, strict=True), key=lambda row: -row[1].worst.nats if row[1].worst else float("inf")
    )[: arguments.top]
    over = measure_set([one.caption for one, _ in heard])

    def doubt(word: WordScore) -> str:
        return f"{word.probability:.0%}" if weights.is_calibrated else f"top {max(standing.of(word), 0.001):.1%}"

    if arguments.json:
        for (one, said), score in rows:
            say_json(_values(one, said, score, standing, voices.clip_title))
        say_json({"set": over.to_values(), "asked": list(voices.asked), "is_calibrated": weights.is_calibrated})
        return
    say(f"{'worst word':>10}  {'false words':>11}  {'true':>5}  tokens  caption")
    for (one, said), score in rows:
        worst = doubt(score.worst) if score.worst else "-"
        false_words = f"{score.false_words:.1f} of {len(score.words)}"
        tokens = measure_text(one.caption).tokens
        marked = _marked(one.caption, underlined(score), doubt)
        say(f"{worst:>10}  {false_words:>11}  {score.true_words:>5.1f}  {tokens:>6}  {one.path}: {marked}")
        if said.reading.note and voices.reads:
            note(f"{one.path}: {said.reading.note}")
    if not weights.is_calibrated:
        note("note: these models were never measured, so a word has its place among all words here, no percentage.")
    note(f"note: {over.explained()}")


def _marked(caption: str, words: Sequence[WordScore], doubt: Any) -> str:
    """The caption with its doubtful words in brackets: "a red [cat? dog 62%] on grass"."""
    for word in sorted(words, key=lambda one: -one.start):
        better = f" {word.better}" if word.better else ""
        marked = in_place_of(word.text, f"[{core_of(word.text)}?{better} {doubt(word)}]")
        caption = f"{caption[: word.start]}{marked}{caption[word.end :]}"
    return caption


def _values(one: _Captioned, said: Heard, score: CaptionScore, standing: Standing, clip_title: str) -> dict[str, Any]:
    measure = measure_text(one.caption)
    doubtful = underlined(score)
    return {
        "picture": str(one.path),
        "caption": one.caption,
        "score": {**score.to_values(), "worst_of_set": round(standing.of(score.worst), 4) if score.worst else None},
        "doubtful": [
            {"word": word.text, "start": word.start, "why": word.explained(clip=clip_title)} for word in doubtful
        ],
        "tokens": measure.tokens,
        "repetition": round(measure.repetition, 4),
        "detail": measure.detail,
        "note": said.reading.note,
        "error": None,
    }
