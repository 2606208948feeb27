"""What a plan's models fetch or embed before their first picture: how much it is, and doing it in small steps."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from captioner.captions.plan import Plan
from captioner.contract import Model, ModelUser
from captioner.models import registry
from captioner.records import Forecast, Preparing
from captioner.settings import Settings


def can_prepare(plan: Plan) -> bool:
    """Whether a model of the plan may have something to prepare."""
    return any(_prepares(planned.family) for planned in plan.running())


def forecasts(
    plan: Plan, manager: ModelUser, *, only: Collection[str] | None = None
) -> Iterator[tuple[str, str, Forecast]]:
    """(model, family, forecast) of models that have something noticeable to prepare before their first picture.

    Those that are not on this machine have a download before all else. Loads those that could have something.
    Args: only: families that matter, all where it is None.
    """
    for name, family, settings in _models_of(plan, only):
        spec = manager.to_download(name, family)
        if spec is not None:
            yield name, family, Forecast(spec.download_mb, "MB", None, is_download=True)
        elif _prepares(family):
            with manager.use(name, family) as model:
                found: Forecast = model.forecast(settings)
            if found.is_noticeable:
                yield name, family, found


def fetch_steps(plan: Plan, manager: ModelUser, *, only: Collection[str] | None = None) -> Iterator[Preparing]:
    """Fetch the plan's models that are not on this machine, in small steps; what is there takes none.

    Args: only: as in `forecasts`. Yields: how far a download is.
    """
    for name, family, _ in _models_of(plan, only):
        spec = manager.to_download(name, family)
        if spec is not None:
            for done, total in manager.fetch_steps(spec):
                yield Preparing(done // 1_000_000, total // 1_000_000 or spec.download_mb, "MB")


def prepare_steps(
    plan: Plan, manager: ModelUser, *, only: Collection[str] | None = None, published: bool = False
) -> Iterator[tuple[str, Preparing]]:
    """Fetch models, and let them do in small steps what they need once before the first picture (CLIP embeds its
    labels).

    What is done when this is closed is kept, and what is prepared already takes no step.
    Args: only: as in `forecasts`. published: fetch what others have published instead (see `contract.Model`).
    Yields: the model's name, and how far it is.
    """
    for name, family, settings in _models_of(plan, only):
        for step in fetch_steps(plan, manager, only={family}):
            yield name, step
        if _prepares(family):
            with manager.use(name, family) as model:
                for step in model.prepare_steps(settings, published=published):
                    yield name, step


def _prepares(family: str) -> bool:
    """Whether models of a family may have something to prepare; only those are loaded to be asked."""
    return registry.family_class(family).prepare_steps is not Model.prepare_steps


def _models_of(plan: Plan, families: Collection[str] | None) -> list[tuple[str, str, Settings]]:
    return [
        (planned.model, planned.family, planned.settings)
        for planned in plan.running()
        if families is None or planned.family in families
    ]


def forecast_text(model: str, forecast: Forecast) -> str:
    """A forecast as the beginning of a sentence: "clip-v1 has 111,867 labels to embed once, about 31 min"."""
    if forecast.is_download:
        size = f" ({forecast.count:,} MB)" if forecast.count else ""
        return f"{model} is not on this machine and must be downloaded once{size}"
    about = "" if forecast.seconds is None else f", about {duration(forecast.seconds)}"
    return f"{model} has {forecast.count:,} {forecast.things} once{about}"


def duration(seconds: float) -> str:
    """A time that need not be exact, in words."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
