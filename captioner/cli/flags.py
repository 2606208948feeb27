"""Settings classes -> command-line flags, and the parsed flags -> the flat mapping a `pipeline.Plan` is made from.

Nothing about a setting is written twice: name, range, default and help come from its `settings.Field`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from captioner.captions.groups import CAPTIONER, DEFAULT, KINDS, SettingGroup, known_names, setting_groups
from captioner.captions.plan import Plan
from captioner.cli.kinds import read_kinds
from captioner.cli.parser import WrongUse
from captioner.models import registry
from captioner.records import KIND
from captioner.settings import Field

_KINDS = "caption_kinds"


def add_setting_flags(parser: argparse.ArgumentParser, *, keys: Collection[str] | None = None) -> None:
    """A flag for every field of every settings class, in the classes' groups; only given ones are in what is parsed.

    Args: keys: only these groups (`SettingGroup.key`), None for all.
    """
    for group in setting_groups():
        if keys is not None and group.key not in keys:
            continue
        section = parser.add_argument_group(_heading(group))
        for field in (*group.fields(), *group.aliases()):
            add_field(section, field)


def add_search_flags(section: argparse._ArgumentGroup) -> None:
    """Which pictures of the folders that are named."""
    section.add_argument("--recursive", action="store_true", help="look into the subfolders of folders too")
    section.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="PATTERN",
        help="leave out files and folders whose name or path below the named folder matches, as *_old.png or raw/*; "
        "may be given several times",
    )
    section.add_argument(
        "--include-masks",
        action="store_true",
        help="take masks too: names that end with -masklabel or -condlabel, folders mask, masks and conditioning",
    )


def add_model_flags(
    section: argparse._ArgumentGroup, *, kinds: Collection[str] = ("captioner", "tagger"), writes: bool = True
) -> None:
    """Which captioner, preset and taggers, or only those of some kinds. Args: writes: the captioner writes captions."""
    captioners = [spec.name for spec in registry.MODELS if spec.kind == "captioner"]
    who = "who writes the sentence" if writes else "who reads the captions"
    _add(section, "--captioner", "NAME|DIR", f"{who}: {', '.join(captioners)}, a folder, or '' (none)")
    section.add_argument(
        "--endpoint",
        action="append",
        metavar="NAME=URL",
        help="an OpenAI-compatible server to caption with, as --captioner NAME; its key is read from the environment's "
        "CAPTIONER_KEY_NAME. May be given several times",
    )
    names = dict.fromkeys(name for group in setting_groups("captioner") for name in group.settings.presets())
    if writes:
        _add(section, "--preset", "NAME", f"start from known settings, single flags win over it: {', '.join(names)}")
    taggers = registry.tag_families() if writes else registry.families("tagger")
    for family in taggers if "tagger" in kinds else ():
        known = [spec.name for spec in registry.of_family(family)]
        shown = known if len(known) <= 4 else [known[0], "...", known[-1]]
        other = registry.family_class(family).other_names
        listed = ", ".join([*shown, *([other] if other else [])])
        does = "add tags" if writes else "asked too" if family in registry.tag_families() else "asked in place of CLIP"
        _add(section, flag_of(family), "NAME|DIR", f"{does}: {listed}, a folder, or {DEFAULT}")


def add_kind_flags(section: argparse._ArgumentGroup) -> None:
    """Several kinds of captions in one run."""
    section.add_argument(
        "--kind",
        dest=_KINDS,
        action="append",
        default=[],
        metavar="NAME:CAPTIONER:SETTING=VALUE",
        help="one more caption a picture, of a kind with a captioner, captioner's settings and taggers of its own: "
        "short:blip-base:max_length=12. Lists have a column for each, --json names them. May be given several "
        "times",
    )
    section.add_argument(
        "--front",
        dest=KIND,
        default=argparse.SUPPRESS,
        metavar="NAME",
        help="the kind whose captions are written where a format takes one a picture (default main)",
    )


def flag_of(name: str) -> str:
    """How the command line spells a name in the flat mapping."""
    return "--" + name.replace("_", "-")


def flat_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The given model and settings flags as the flat mapping for `Plan.from_flat`."""
    given = vars(arguments)
    flat = {name: given[name] for name in known_names() if name in given}
    for field in (field for group in setting_groups() for field in group.fields()):
        if field.keeper and flat.get(field.name):
            flat[field.name] = _kept(field, flat[field.name])
    if given.get(_KINDS):
        flat[KINDS] = read_kinds(given[_KINDS])
    return flat


def _kept(field: Field, file_or_name: str) -> str:
    """The name that a `settings.kept_file` is kept under, from a path or the name itself.

    Raises: CaptionerError: no such file and no such name, or the file will not do.
    """
    keeper = field.load_keeper()
    if keeper.own_text(file_or_name) is not None and not os.path.exists(file_or_name):  # noqa: PTH110 (any text)
        return file_or_name
    name: str = keeper.add_own_file(Path(os.path.expanduser(file_or_name)))  # noqa: PTH111 (~somebody who is not here)
    return name


def check_flags_have_effect(flat: dict[str, Any], *plans: Plan) -> None:
    """Refuse flags of a model that is on in none of the plans: whoever writes one expects it to do something.

    Raises: WrongUse: names the flag and the one that is missing.
    """
    running = {planned.family for plan in plans for planned in plan.running()}
    if not running:
        raise WrongUse("there is nothing to run: --captioner is empty and no tagger is named.")
    for group in setting_groups():
        if not group.family or group.family in running:
            continue
        for field in (*group.fields(), *group.aliases()):
            if field.name in flat:
                is_default = group.kind == "tagger" or group.family == registry.families("captioner")[0]
                needed = DEFAULT if is_default else registry.of_family(group.family)[0].name
                raise WrongUse(
                    f"{field.flag} has no effect without {flag_of(group.key)}; add {flag_of(group.key)} {needed}."
                )


def notes_without_effect(flat: dict[str, Any], plan: Plan, *, varied: Collection[str] = ()) -> list[str]:
    """A sentence for each given setting that changes nothing as the others are.

    Args: varied: settings that take several values in this run (a sweep's axes).
    """
    settings = {planned.family: planned.settings for planned in plan.running()} | {"": plan.recipe}
    notes = []
    for group in setting_groups():
        if group.family not in settings:
            continue
        own = settings[group.family]
        values = group.to_flat(own.to_mapping())
        for field in group.fields():
            if field.name in flat and field.name not in varied and field.is_idle(values):
                other, _ = field.only_when or field.only_with or ("", ())
                if other not in varied:
                    given = _as_written(field, flat[field.name])
                    effect = f"under {flag_of(other)} {values[other]}, only under {field.needed_text}"
                    if field.only_with:
                        effect = f"without {field.only_with[1]} in {flag_of(other)}"
                    notes.append(f"{given} has no effect {effect}.")
        for alias in group.aliases():
            target = group.prefix + own.alias_target(alias.name.removeprefix(group.prefix), own.to_mapping())
            if alias.name in flat and target in flat:
                replaced = next(field for field in group.fields() if field.name == target)
                given, winner = _as_written(replaced, flat[target]), _as_written(alias, flat[alias.name])
                notes.append(f"{given} has no effect: {winner} takes its place.")
    return notes


def _as_written(field: Field, value: Any) -> str:
    if field.kind is bool:
        return field.flag if value else f"--no-{field.flag.removeprefix('--')}"
    return f"{field.flag} {value if field.kind is str else _number(value)}"


def _heading(group: SettingGroup) -> str:
    if not group.family:
        return "caption text, whatever it is made from"
    return f"sentence ({group.title})" if group.key == CAPTIONER else f"tags ({flag_of(group.key)})"


def add_field(section: argparse._ArgumentGroup, field: Field) -> None:
    """A flag for a declared field, in what is parsed only if it was given."""
    if field.kind is bool:
        default = "on" if field.default else "off"
        section.add_argument(
            field.flag,
            action=argparse.BooleanOptionalAction,
            default=argparse.SUPPRESS,
            help=_escaped(f"{_lower(field.plain_help)} (default {default})"),
        )
        return
    if field.keeper:
        _add(section, field.flag, "FILE", f"{_lower(field.plain_help)}{_range(field)}")
        return
    letter = "N" if field.kind is int else "X" if field.kind is float else "TEXT"
    _add(
        section,
        field.flag,
        "|".join(field.options) or letter,
        f"{_lower(field.plain_help)}{_range(field)}",
        field.parse,
    )


def _add(section: argparse._ArgumentGroup, flag: str, metavar: str, help: str, parse: Any = str) -> None:
    section.add_argument(flag, metavar=metavar, type=parse, default=argparse.SUPPRESS, help=_escaped(help))


def _range(field: Field) -> str:
    parts = []
    if field.minimum is not None and field.maximum is not None:
        parts.append(f"{_number(field.minimum)} to {_number(field.maximum)}")
    if field.default not in (None, ""):
        is_text = field.kind is str and not field.options
        shown = repr(field.default) if is_text else field.default if field.options else _number(field.default)
        parts.append(f"default {shown}")
    if field.needed_text:
        parts.append(f"only under {field.needed_text}")
    return f" ({', '.join(parts)})" if parts else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:g}"


def _lower(help: str) -> str:
    """A field's help as a flag's: no capital at the start (unless of a name), no full stop after a single sentence."""
    help = help[:-1] if help.endswith(".") and ". " not in help else help
    first = help.partition(" ")[0]
    return help[:1].lower() + help[1:] if first[1:].islower() or len(first) == 1 else help


def _escaped(help: str) -> str:
    return help.replace("%", "%%")
