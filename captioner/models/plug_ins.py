"""Models that others wrote: found in the data folder and in installed packages, checked, and put into the registry.

A file in the data folder's `plugins` has a class that derives from `captioner.plugin.Captioner` or `Tagger`, or names a
`ModelSpec`. A package names either in its pyproject.toml:

    [project.entry-points."captioner.models"]
    my-captioner = "my_package:MyCaptioner"

One that cannot be imported or does not fit is refused with a sentence, and costs itself only. Nothing that arrives
through the page is ever put into that folder.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from captioner.contract import Captioner, ModelSpec, Tagger
from captioner.errors import CaptionerError
from captioner.files import data_folder
from captioner.limits import MAX_NAME_LENGTH, check_text, shown, value_shown
from captioner.models import registry
from captioner.plugin import PlugIn
from captioner.settings import Settings

GROUP = "captioner.models"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,79}")
_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_WORDS = ("auto", "hub", "demo", "default")  # that stand for models on the command line


@dataclass(frozen=True, slots=True)
class RefusedPlugIn:
    """Models that are not offered. name: of the file or the entry point. reason: a sentence."""

    name: str
    reason: str


_refused: dict[str, RefusedPlugIn] = {}
_sources: dict[str, str] = {}


def plug_ins_folder() -> Path:
    """Where a person's own files of models lie; it need not be there."""
    return data_folder() / "plugins"


def add_plug_ins(reserved: Iterable[str] = ()) -> None:
    """Put the models of files and packages into the registry; once a process is enough, more often does no harm.

    Args: reserved: names in the flat mapping of settings that no family may take.
    """
    taken = set(reserved)
    for name, source, load in _found():
        before = registry.MODELS
        try:
            with contextlib.redirect_stdout(sys.stderr):  # stdout may be a table that a program reads
                specs = [spec for spec in _specs(load()) if spec not in before]
                for spec in specs:
                    taken |= _check(spec, taken)
                    registry.MODELS = (*registry.MODELS, spec)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever somebody else's module does
            registry.MODELS = before
            reason = str(error) if isinstance(error, CaptionerError) else f"{type(error).__name__}: {error}"
            _refused[name] = RefusedPlugIn(shown(name), shown(reason, max_length=500))
        else:
            _sources.update({spec.name: source for spec in specs})


def refused_plug_ins() -> tuple[RefusedPlugIn, ...]:
    """What `add_plug_ins` left out, and why."""
    return tuple(_refused.values())


def source_of(name: str) -> str:
    """Where a model that others wrote came from, in words; "" for one of the product's own."""
    return _sources.get(name, "")


def _found() -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """What there is: its name, where it came from, and what loads it."""
    for point in entry_points(group=GROUP):
        yield point.name, "a package", point.load
    folder = plug_ins_folder()
    try:
        paths = sorted(path for path in folder.glob("*.py") if not path.name.startswith((".", "_")))
    except OSError:  # a folder that may not be looked into has no plug-ins for us
        return
    for path in paths:
        yield path.name, f"plugins/{path.name}", lambda path=path: _module_of(path)  # type: ignore[misc]


def _module_of(path: Path) -> ModuleType:
    """The file as a module, which `ModelSpec.entry` finds again by its name. Runs it, the first time."""
    if os.name == "posix":
        for held in (path, path.parent):
            if held.stat().st_mode & stat.S_IWOTH:
                raise CaptionerError(f"every user of this machine can write to {held}: chmod o-w it, and start again.")
    name = f"captioner_plugin_{path.stem}"
    known = sys.modules.get(name)
    if known is not None and known.__file__ == str(path):
        return known
    described = importlib.util.spec_from_file_location(name, path)
    assert described is not None and described.loader is not None  # the name ends in .py
    module = importlib.util.module_from_spec(described)
    sys.modules[name] = module
    try:
        described.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _specs(loaded: Any) -> list[ModelSpec]:
    """The models that a module holds, or that an entry point names."""
    if isinstance(loaded, ModuleType):
        values = [
            value
            for value in vars(loaded).values()
            if isinstance(value, ModelSpec) or (_is_plug_in(value) and value.__module__ == loaded.__name__)
        ]
        if not values:
            raise CaptionerError(
                "it has no model; derive a class from captioner.plugin.Captioner or Tagger and give it a name."
            )
    else:
        values = [loaded] if isinstance(loaded, ModelSpec | type) else list(loaded)
    specs = [value.spec() if _is_plug_in(value) else value for value in values]
    for spec in specs:
        if not isinstance(spec, ModelSpec):
            raise CaptionerError(
                f"it names {type(spec).__name__}; it must name captioner.contract.ModelSpec, or a class of "
                "captioner.plugin."
            )
    return specs


def _is_plug_in(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, PlugIn) and bool(value.name)


def _check(spec: ModelSpec, taken: Iterable[str]) -> set[str]:
    """The names that the model takes in the flat mapping.

    Raises: CaptionerError: the model cannot stand beside the others.
    """
    if not _NAME.fullmatch(spec.name) or spec.name in _WORDS:
        raise CaptionerError(f"{shown(repr(spec.name))} is no name for a model; take letters, digits, dots and dashes.")
    if any(other.name == spec.name for other in registry.MODELS):
        raise CaptionerError(f"a model is called {spec.name!r} already; rename this one.")
    _check_facts(spec)
    model_class = spec.load_class()
    base = {"captioner": Captioner, "tagger": Tagger}.get(spec.kind)
    if base is None or not (isinstance(model_class, type) and issubclass(model_class, base)):
        raise CaptionerError(f"{spec.entry} of {spec.name} is no captioner.contract.Captioner or Tagger.")
    if inspect.isabstract(model_class):
        missing = ", ".join(sorted(model_class.__abstractmethods__))
        raise CaptionerError(f"{spec.entry} of {spec.name} lacks {missing}.")
    if not issubclass(model_class.Settings, Settings):
        raise CaptionerError(f"{spec.entry} of {spec.name} has no settings class.")
    if spec.family != model_class.family:
        raise CaptionerError(f"{spec.name} is of family {spec.family!r}, its class of {model_class.family!r}.")
    if not spec.family.isidentifier():
        raise CaptionerError(f"the family {spec.family!r} of {spec.name} is no name that a flag can have.")
    others = registry.of_family(spec.family)
    if others and (others[0].entry, others[0].kind) != (spec.entry, spec.kind):
        raise CaptionerError(f"another package has a family {spec.family!r} already; rename the one of {spec.name}.")
    _check_words(spec.name, {"title": model_class.title, "about": model_class.about})
    settings = model_class.Settings
    settings.levels()
    settings.presets()
    settings.from_mapping(spec.defaults)
    fields = (*settings.fields(), *settings.aliases())
    names = {spec.family, *(registry.prefix(spec.family) + field.name for field in fields)}
    clash = [] if others else sorted(name for name in names if {name, name.removeprefix("no_")} & set(taken))
    if clash:
        raise CaptionerError(f"{', '.join(clash)} of {spec.name} is the name of another setting or flag; rename it.")
    return names


def _check_facts(spec: ModelSpec) -> None:
    """Raises: CaptionerError: what the model says of itself could not be shown, or fetched."""
    _check_words(spec.name, {"licence": spec.licence, "about": spec.about})
    for what, number, lowest in (("download_mb", spec.download_mb, 0), ("stored_bytes", spec.stored_bytes, 1)):
        if type(number) is not int or number < lowest:
            raise CaptionerError(
                f"{what} of {spec.name} is {value_shown(number)}; it must be a whole number of at least {lowest}."
            )
    if spec.repo is None:
        return
    if not (isinstance(spec.repo, str) and _REPO.fullmatch(spec.repo)):
        raise CaptionerError(f"repo of {spec.name} is {value_shown(spec.repo)}; it must be a hub id, owner/name.")
    files = spec.files
    if not (isinstance(files, tuple) and len(files) > 1 and all(isinstance(name, str) and name for name in files)):
        raise CaptionerError(f"files of {spec.name} must be a tuple of two names of files or more.")


def _check_words(name: str, said: Mapping[str, Any]) -> None:
    for what, words in said.items():
        if not isinstance(words, str):
            raise CaptionerError(f"{what} of {name} is {value_shown(words)}; it must be text.")
        check_text(words, f"{what} of {name}", max_length=MAX_NAME_LENGTH)
