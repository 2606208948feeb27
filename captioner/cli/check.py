"""`python -m captioner check`: pictures and their captions, whoever made them, checked for a trainer."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from captioner.cli.flags import add_field, add_search_flags
from captioner.cli.parser import WrongUse
from captioner.cli.pictures import Search, check_names, find_pictures
from captioner.cli.terminal import Download, note, quiet, say, say_json
from captioner.errors import CaptionerError
from captioner.formats import folders
from captioner.formats.check import Finding, check_set, look_at, look_at_shards
from captioner.formats.check_rules import TRAINERS, token_limit
from captioner.formats.checked import Checked, Question
from captioner.formats.existing import CAPTION_SUFFIXES
from captioner.formats.imports.source import OnDisk, opened_source
from captioner.formats.imports.webdataset import WebDataset
from captioner.formats.listed import Listed, listed_captions, may_be_listed
from captioner.formats.trainers.registry import find_target
from captioner.formats.trainers.target import BASE_MODELS, SetSettings, Target
from captioner.plural import plural
from captioner.service.token_counting import counter_for, download_for, encoder_title

_EPILOG = """examples:
  # What kohya's sd-scripts would read otherwise, in a set that was made anywhere.
  python -m captioner check photos --for kohya

  # For another model, with a trigger word, for programs.
  python -m captioner check train --recursive --for ai-toolkit --base-model flux1 --trigger-word sks --json

  # With T5's tokens exactly: its tokenizer (1 MB; Qwen's has 7) is downloaded once and found again, offline too.
  python -m captioner check photos --for kohya --base-model flux1 --exact-tokens

Tokens are counted as the model's text encoder does: CLIP's always, T5's and Qwen's where their tokenizers are in the
Hugging Face cache. Otherwise CLIP's number stands for theirs, which is about right for English.
"mended on the way" is what `caption --format TRAINER` does by itself.

exit status: 0 nothing or warnings only, 1 errors, or something could not be read, 2 wrong use
"""
_MAX_NAMES = 5


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `check`."""
    parser.usage = "%(prog)s PICTURE_OR_FOLDER... --for TRAINER [flags]"
    parser.epilog = _EPILOG
    parser.add_argument("pictures", nargs="+", metavar="PICTURE_OR_FOLDER", help="a picture, or a folder of pictures")
    where = parser.add_argument_group("what is checked")
    where.add_argument("--for", dest="trainer", metavar="TRAINER", required=True, help=f"one of {', '.join(TRAINERS)}")
    for field in SetSettings.fields():
        if field.name in ("base_model", "trigger_word"):
            add_field(where, field)
    where.add_argument(
        "--exact-tokens",
        action="store_true",
        help="download the tokenizer that counts exactly for the model, T5's or Qwen's, where it is not here",
    )
    add_search_flags(where)
    where.add_argument("--captions-only", action="store_true", help="do not look into the pictures, which takes longer")
    where.add_argument("--json", action="store_true", help="print one JSON object, for programs")


def run(arguments: argparse.Namespace) -> int:
    """Check what the command line names."""
    with quiet():
        target, question = _question(arguments)
        model = question.base_model
        counter = download_for(model, Download()) if arguments.exact_tokens else counter_for(model)
        question = replace(question, is_exact=counter.is_exact)
        if counter.trouble:
            note(f"note: {counter.trouble} Tokens are counted about.")
        checked, is_incomplete = _looked_at(arguments, target, counter.count)
        findings = check_set(checked, question)
        if arguments.json:
            say_json(
                {
                    "trainer": target.name,
                    "base_model": question.base_model,
                    "pictures": len(checked),
                    "tokens": {
                        "encoder": encoder_title(model) or None,
                        "limit": token_limit(question) or None,
                        "is_exact": counter.is_exact,
                    },
                    "findings": [finding.to_json() for finding in findings],
                }
            )
        else:
            _show(findings, target, question, len(checked))
        has_errors = any(finding.level == "error" for finding in findings)
        return 1 if has_errors or is_incomplete else 0


def _looked_at(
    arguments: argparse.Namespace, target: Target, count: Callable[[str], int]
) -> tuple[list[Checked], bool]:
    """The pictures, and whether some that were named could not be looked at. Raises: WrongUse: there are none."""
    opens = not arguments.captions_only
    if WebDataset.name in target.forms:
        check_names(arguments.pictures)
        with opened_source([Path(name) for name in arguments.pictures]) as source:
            checked = list(look_at_shards(source, target, count, opens=opens))
            _tell(source.notes)
        if checked:
            return checked, False
    found = find_pictures(arguments.pictures, Search.of(arguments))
    _tell(found.notes())
    paths = [picture.path for picture in found.pictures]
    beside = folders.beside(paths, target.suffix or ".txt")
    all_have_files = all(beside.captions_of(place, CAPTION_SUFFIXES) for place in range(len(paths)))
    listed = _listed(arguments.pictures, target) if may_be_listed(target, all_have_files=all_have_files) else {}
    return list(look_at(paths, beside, count, listed=listed, opens=opens)), found.is_incomplete


def _listed(names: Sequence[str], target: Target) -> dict[str, Listed]:
    """Captions that stand elsewhere than beside their pictures, by the picture's absolute path."""
    found: dict[str, Listed] = {}
    try:
        with opened_source([Path(name) for name in names]) as source:
            files = {file.path: file.read for file in (*source.pictures, *source.masks)}
            for path, caption in listed_captions(source, target).items():
                if isinstance(read := files[path], OnDisk):
                    found[os.path.abspath(read.path)] = caption  # noqa: PTH100 (a link stays one)
            _tell(source.notes)
    except CaptionerError as error:  # what cannot be read is no list
        _tell([str(error)])
    return found


def _tell(notes: Sequence[str]) -> None:
    for text in dict.fromkeys(notes):
        note(f"note: {text}")


def _question(arguments: argparse.Namespace) -> tuple[Target, Question]:
    """Raises: WrongUse: no trainer, or one that does not train the model. ExportError: nobody knows it."""
    target = find_target(arguments.trainer)
    if target.name not in TRAINERS:
        raise WrongUse(f"{target.name} is a list, which any program may read; --for takes {', '.join(TRAINERS)}.")
    model = getattr(arguments, "base_model", target.base_models[0])
    if model not in target.base_models:
        raise WrongUse(
            f"{target.title} does not train {BASE_MODELS[model]}; it trains {', '.join(target.base_models)}."
        )
    named = [name if os.path.isdir(name) else os.path.dirname(name) for name in arguments.pictures]  # noqa: PTH112, PTH120 (any text)
    folder = os.pathsep.join(os.path.abspath(name) for name in named)  # noqa: PTH100 (a link stays one)
    trigger = getattr(arguments, "trigger_word", "")
    return target, Question(trainer=target.name, base_model=model, trigger_word=trigger, folder=folder)


def _show(findings: Sequence[Finding], target: Target, question: Question, count: int) -> None:
    say(f"{plural(count, 'picture')} for {target.title}, to train {BASE_MODELS[question.base_model]}")
    for finding in findings:
        names = ", ".join(finding.pictures[:_MAX_NAMES])
        more = len(finding.pictures) - _MAX_NAMES
        say(f"{finding.level:<7}  {len(finding.pictures):>5} {finding.what}: {names}{f' and {more} more' * (more > 0)}")
        mended = "; mended on the way by `caption --format`" if finding.rule.is_mended else ""
        say(f"{'':<15}{finding.advice}{mended}")
    if not findings:
        say("nothing to mend")
