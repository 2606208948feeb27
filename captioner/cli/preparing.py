"""What models must do once before the first picture, announced and with a bar on stderr."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from captioner.captions.plan import Plan
from captioner.cli.progress import Progress
from captioner.cli.terminal import note
from captioner.preparation import forecast_text, forecasts, prepare_steps

if TYPE_CHECKING:
    from captioner.models.manager import ModelManager

PUBLISHED = "--published-labels"


def prepare(plan: Plan, manager: ModelManager, *, published: bool) -> None:
    """What models must do once; announced and with a bar, since embedding the public words takes long on a CPU."""
    plans = [one for one in plan.of_all_kinds() if one.running()]
    found = {one[:2]: one for each in plans for one in forecasts(each, manager)}
    if published and not any(forecast.download_mb for _, _, forecast in found.values()):
        note(f"note: {PUBLISHED} has no effect: none are missing that somebody published.")
    for name, _, forecast in found.values():
        text = f"{forecast_text(name, forecast)}; Ctrl+C keeps what is done."
        if forecast.download_mb:
            does = "downloads" if published else "would download"
            text += f" {PUBLISHED} {does} published ones instead ({forecast.download_mb:,} MB)."
        note(f"note: {text}")
    bars: dict[tuple[str, str], Progress] = {}
    try:
        for name, step in chain.from_iterable(prepare_steps(one, manager, published=published) for one in plans):
            what = f"{step.what} ({name})"
            bar = bars.setdefault((name, step.what), Progress(step.total, what, what))
            bar.step(step.done)
    finally:
        for bar in bars.values():
            bar.clear()
