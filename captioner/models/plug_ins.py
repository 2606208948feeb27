"""Models of other installed packages: found by their entry points, checked, and put into the registry.

A package names them in its pyproject.toml, each a `ModelSpec` or several:

    [project.entry-points."captioner.models"]
    my-captioner = "my_package:SPECS"

One that cannot be imported or does not fit is refused with a sentence, and costs itself only.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from captioner.contract import Captioner, ModelSpec, Tagger
from captioner.errors import CaptionerError
from captioner.limits import shown
from captioner.models import registry
from captioner.settings import Settings

GROUP = "captioner.models"


@dataclass(frozen=True, slots=True)
class RefusedPlugIn:
    """A package's models that are not offered. name: of the entry point. reason: a sentence."""

    name: str
    reason: str


_refused: dict[str, RefusedPlugIn] = {}


def add_plug_ins(reserved: Iterable[str] = ()) -> None:
    """Put the models of installed packages into the registry; once a process is enough, more often does no harm.

    Args: reserved: names in the flat mapping of settings that no family may take.
    """
    known = {spec.name for spec in registry.MODELS}
    for point in entry_points(group=GROUP):
        try:
            specs = [spec for spec in _specs(point) if spec.name not in known]
            for spec in specs:
                _check(spec, reserved)
        except Exception as error:  # noqa: BLE001 - whatever somebody else's module does when it is imported
            reason = str(error) if isinstance(error, CaptionerError) else f"{type(error).__name__}: {error}"
            _refused[point.name] = RefusedPlugIn(shown(point.name), shown(reason, max_length=500))
        else:
            registry.MODELS = (*registry.MODELS, *specs)
            known |= {spec.name for spec in specs}


def refused_plug_ins() -> tuple[RefusedPlugIn, ...]:
    """The packages' models that `add_plug_ins` left out, and why."""
    return tuple(_refused.values())


def _specs(point: EntryPoint) -> list[ModelSpec]:
    loaded = point.load()
    specs = [loaded] if isinstance(loaded, ModelSpec) else list(loaded)
    for spec in specs:
        if not isinstance(spec, ModelSpec):
            raise CaptionerError(f"it names {type(spec).__name__}; it must name captioner.contract.ModelSpec.")
    return specs


def _check(spec: ModelSpec, reserved: Iterable[str]) -> None:
    """Raises: CaptionerError: the model cannot stand beside the others."""
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
    names = [spec.family, *(registry.prefix(spec.family) + field.name for field in model_class.Settings.fields())]
    clash = [] if others else sorted(set(names) & set(reserved))
    if clash:
        raise CaptionerError(f"{', '.join(clash)} of {spec.name} is the name of another setting; rename it.")
