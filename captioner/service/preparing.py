"""What a plan's models need once before their first picture, as steps of a job that do not count.

A download goes on beside other sets' captioning; what takes the machine (embedding labels) takes turns with it. Sets
take turns, but a model is prepared for one of them at a time: what two do side by side is done twice.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator

from captioner.captions.plan import Plan
from captioner.models.manager import ModelManager
from captioner.preparation import fetch_steps, prepare_steps
from captioner.records import Preparing
from captioner.service.stages import DOWNLOADS
from captioner.worker import LOCAL, MoveTo, Pause, PreparationProgress

PACE_STEPS = 12  # steps of a preparation that the time left is reckoned from; the first ones may be quick


class Preparations:
    """Those of all sets."""

    def __init__(self, manager: ModelManager) -> None:
        self._manager = manager
        self._lock = threading.Lock()
        self._going_on: set[tuple[str, str]] = set()  # models, (name, family)

    def steps(
        self, plan: Plan, *, only: Collection[str] | None = None, published: bool = False
    ) -> Iterator[PreparationProgress | Pause | MoveTo]:
        """Args: only, published: see `preparation.prepare_steps`."""
        for planned in plan.running():
            model = (planned.model, planned.family)
            name, family = model
            if only is not None and family not in only:
                continue
            while not self._begin(model):
                waiting = PreparationProgress(f"{name} is being prepared for another set", f"Preparing {name}", 0, 0)
                yield Pause(waiting, lambda model=model: model not in self._going_on)  # type: ignore[misc]
            try:
                if self._manager.to_download(name, family) is not None:
                    yield MoveTo(DOWNLOADS)
                    yield from _as_asides(name, fetch_steps(plan, self._manager, only={family}))
                    yield MoveTo(LOCAL)
                steps = prepare_steps(plan, self._manager, only={family}, published=published)
                yield from _as_asides(name, (step for _, step in steps))
            finally:
                with self._lock:
                    self._going_on.discard(model)

    def _begin(self, model: tuple[str, str]) -> bool:
        with self._lock:
            if model in self._going_on:
                return False
            self._going_on.add(model)
            return True


def _as_asides(name: str, steps: Iterable[Preparing]) -> Iterator[PreparationProgress]:
    """The steps of a model's preparation as the page shows them, with the time that is left."""
    recent: deque[tuple[str, int, float]] = deque(maxlen=PACE_STEPS)
    for step in steps:
        if recent and (recent[-1][0] != step.what or recent[-1][1] == step.done):
            recent.clear()  # something else began, or a step did not get further: the pace is measured anew
        recent.append((step.what, step.done, time.monotonic()))
        _, done, since = recent[0]
        seconds_left = None
        if step.done > done:
            seconds_left = (time.monotonic() - since) / (step.done - done) * (step.total - step.done)
        text = f"{step.done:,} of {step.total:,} {step.what}"
        yield PreparationProgress(text, f"Preparing {name}", step.done, step.total, seconds_left)
