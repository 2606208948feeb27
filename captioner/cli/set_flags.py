"""The flags of `--format`: which target, and what a person says of its set, drawn from `SetSettings`."""

from __future__ import annotations

import argparse
from typing import Any

from captioner.cli.flags import add_field
from captioner.cli.parser import WrongUse
from captioner.formats.sidecars import WRITERS
from captioner.formats.trainers.registry import TARGETS, find_target
from captioner.formats.trainers.target import SetSettings, Target


def add_set_flags(where: argparse._ArgumentGroup, sets: argparse._ArgumentGroup) -> None:
    """Args: where: the group of what is written where. sets: that of what trainers' sets need."""
    trainers = ", ".join(name for name, target in TARGETS.items() if target.is_trainer)
    lists = ", ".join(name for name, target in TARGETS.items() if not target.is_trainer)
    where.add_argument(
        "--format",
        default="txt",
        metavar="NAME",
        help=f"a caption file a picture: {', '.join(WRITERS)} (default txt); with --zip or --out a whole set with its "
        f"config and START.txt: {trainers}; or one list of all captions: {lists}",
    )
    for field in SetSettings.fields():
        if field.name == "with_pictures":  # its default depends on the format
            where.add_argument(
                field.flag,
                action=argparse.BooleanOptionalAction,
                default=argparse.SUPPRESS,
                help="put the pictures beside their captions (default on for a set or a list, off for caption files); "
                "no picture is ever replaced",
            )
        else:
            add_field(sets, field)


def target_of(arguments: argparse.Namespace) -> Target | None:
    """The target that was named, None for caption files. Raises: ExportError: nobody knows it."""
    return None if arguments.format in WRITERS else find_target(arguments.format, others=tuple(WRITERS))


def set_settings(arguments: argparse.Namespace, target: Target) -> SetSettings:
    """What was said of a set; the base model is the target's first one where none was named.

    Raises: WrongUse: a flag that changes nothing for this target. SettingsError.
    """
    given = _given(arguments)
    for name in given:
        if name not in target.heeds:
            advice = " --prefix puts a word before every caption." if name == "trigger_word" else ""
            raise WrongUse(f"{_flag(name)} has no effect with --format {target.name}.{advice}")
    settings = SetSettings.from_mapping({"base_model": target.base_models[0], **given})
    heeded = settings.in_effect()
    for name in given:
        if name not in heeded:
            field = next(field for field in SetSettings.fields() if field.name == name)
            other = field.only_when[0] if field.only_when else ""
            raise WrongUse(f"{field.flag} has no effect with {_flag(other)} {getattr(settings, other)}.")
    return settings


def check_set_flags(arguments: argparse.Namespace, target: Target | None) -> None:
    """Raises: WrongUse: flags that do not go together."""
    if target is None:
        for name in _given(arguments):
            if name != "with_pictures":
                raise WrongUse(f"{_flag(name)} needs --format with a trainer's name, such as kohya.")
        if with_pictures(arguments) and not (arguments.out or arguments.zip):
            raise WrongUse("--with-pictures needs --out DIR or --zip FILE, where the pictures go.")
    elif not (arguments.out or arguments.zip):
        raise WrongUse(f"--format {target.name} makes a whole set; add --zip FILE or --out DIR.")


def with_pictures(arguments: argparse.Namespace) -> bool:
    """Whether pictures go beside caption files, which they do on request only."""
    return bool(getattr(arguments, "with_pictures", False))


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    names = [field.name for field in SetSettings.fields()]
    return {name: getattr(arguments, name) for name in names if hasattr(arguments, name)}


def _flag(name: str) -> str:
    return next(field.flag for field in SetSettings.fields() if field.name == name)
