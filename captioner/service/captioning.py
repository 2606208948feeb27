"""Captioning pictures of a set as the steps of a job: a few pictures a step, each stored as soon as it is there.

What runs on this machine and what a server is asked run in lanes of their own, one stage after the other: a picture
that waits for a server holds up no slider and no other set. A picture that fails costs itself. Starts no job.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from captioner.ahead import Ahead, Room
from captioner.captions.layers import existing_policy, with_existing_used
from captioner.captions.plan import Plan
from captioner.contract import PictureInput
from captioner.errors import CaptionerError
from captioner.events import tell
from captioner.models.manager import ModelManager
from captioner.pipeline import make_layers
from captioner.records import Layer
from captioner.service.pictures import Pictures
from captioner.service.preparing import Preparations
from captioner.service.reviews import rewritten
from captioner.service.stages import Stage, stages_of
from captioner.worker import LOCAL, MoveTo
from captioner.workspace import Workspace
from captioner.workspace.records import Failure, View

Todo = tuple[View, tuple[str, ...]]
"""A picture, and the families that must run for it."""

GPU_BATCH = 8  # on the CPU pictures go one by one, so that a moved slider waits for one picture at most


class Run(NamedTuple):
    """What a job does to a set. front: the plan of the captions that are shown, which may be of another kind."""

    set_id: str
    plan: Plan
    run_id: str
    front: Plan


class Captioning:
    """What jobs of all sets do to pictures."""

    def __init__(
        self, workspace: Workspace, manager: ModelManager, pictures: Pictures, preparations: Preparations
    ) -> None:
        self._workspace = workspace
        self._manager = manager
        self._pictures = pictures
        self._preparations = preparations
        self._room = Room()  # for the pictures that jobs of all sets have opened ahead

    def steps(self, todo: Sequence[Todo], run: Run) -> Iterator[Any]:
        """First what models must prepare; then one step that counts a picture: None, or the error it failed with."""
        yield MoveTo(LOCAL)  # captions of another kind may have come from a server before
        yield from self._preparations.steps(run.plan, only={family for _, families in todo for family in families})
        waiting = deque(todo)
        shown_to_models = [item for item in todo if item[1]]
        with Ahead(
            shown_to_models,
            lambda item: self._pictures.shown_once(run.set_id, item[0]),
            families=lambda item: item[1],
            room=self._room,
        ) as ahead:
            while waiting:
                families = waiting[0][1]
                if not families:  # only what becomes of the existing caption is another thing now
                    chunk = _taken(waiting, self._size_here)
                    self._say_again(chunk, run)
                    yield from (None for _ in chunk)
                    continue
                stages = stages_of(run.plan, families)
                size = self._size_here
                for stage in stages:
                    if stage.is_remote:
                        yield MoveTo(stage.lane)  # to ask for its size is to reach the server
                        size = self._size_there(stage)
                yield from self._chunk(_taken(waiting, size), stages, run, ahead)

    @property
    def _size_here(self) -> int:
        return 1 if self._manager.device == "cpu" else GPU_BATCH

    def _size_there(self, stage: Stage) -> int:
        """How many pictures are worth being asked about together."""
        [planned] = stage.models
        with self._manager.use(planned.model, planned.family) as model:
            return int(model.batch_size)

    def _say_again(self, views: Sequence[View], run: Run) -> None:
        """Store the layers of pictures as they are, but that the existing caption is used as the plan has it."""
        kept = {view.id: self._workspace.layers(run.set_id, view.id) for view in views}
        whole = [layer for layers in kept.values() for layer in layers if not layer.is_damaged]
        said = with_existing_used(whole, run.plan.recipe.existing, created_at=time.time())
        lost = rewritten(views, kept, said, run.front)
        self._workspace.put_layers(run.set_id, said, run_id=run.run_id, unreviewed=lost)

    def _chunk(self, views: Sequence[View], stages: Sequence[Stage], run: Run, ahead: Ahead[Todo]) -> Iterator[Any]:
        """All stages of a few pictures, the next ones of `ahead`; what a stage made is stored before the next."""
        chunk = self._opened(run.set_id, views, {family for stage in stages for family in stage.families}, ahead)
        if chunk.errors:
            self._store([], chunk, run)
        for stage in stages:
            size = len(views) if stage.is_remote else self._size_here
            whole = [view for view in views if view.id not in chunk.errors]
            for start in range(0, len(whole), size):
                yield MoveTo(stage.lane)  # others have their turn before it
                pictures = [(view.id, chunk.opened[view.id]) for view in whole[start : start + size]]
                self._ask(pictures, stage, chunk, run, ahead)
        yield from (chunk.errors.get(view.id) for view in views)

    def _opened(self, set_id: str, views: Sequence[View], families: Collection[str], ahead: Ahead[Todo]) -> _Chunk:
        chunk = _Chunk(views)
        for view in views:
            _, shown = next(ahead)
            try:
                if isinstance(shown, CaptionerError):  # its file was damaged on the disk; the others go on
                    raise shown
                stored = self._workspace.layers(set_id, view.id)
            except CaptionerError as error:
                chunk.errors[view.id] = error
                continue
            assert shown is not None
            chunk.opened[view.id] = shown
            chunk.kept[view.id] = stored
            chunk.at_hand[view.id] = [layer for layer in stored if layer.family not in families]
        return chunk

    def _ask(
        self, pictures: Sequence[tuple[str, PictureInput]], stage: Stage, chunk: _Chunk, run: Run, ahead: Ahead[Todo]
    ) -> None:
        layers: list[Layer] = []
        began = time.monotonic()
        for batch in make_layers(
            pictures,
            run.plan,
            self._manager,
            only=stage.families,
            stored=chunk.at_hand,
            batch_size=len(pictures),
            ahead=ahead,
        ):
            for result in batch:
                policy = existing_policy(chunk.kept.get(result.picture_id, ()), run.plan)
                layers += with_existing_used(result.layers, policy)
                if result.error is not None:
                    chunk.errors[result.picture_id] = result.error
                    tell("failure", code=result.error.code)
        tell("captioned", pictures=len(pictures), seconds=time.monotonic() - began)
        self._store(layers, chunk, run)
        for layer in layers:
            chunk.at_hand[layer.picture_id] = [*chunk.at_hand[layer.picture_id], layer]
            others = [one for one in chunk.kept[layer.picture_id] if one.key != layer.key]
            chunk.kept[layer.picture_id] = [*others, layer]

    def _store(self, layers: Sequence[Layer], chunk: _Chunk, run: Run) -> None:
        """Store what was made and why pictures failed."""
        failures = {picture_id: Failure(error.code, str(error)) for picture_id, error in chunk.errors.items()}
        lost = rewritten(chunk.views, chunk.kept, layers, run.front)
        self._workspace.put_layers(
            run.set_id, layers, run_id=run.run_id, label="Caption", failures=failures, unreviewed=lost
        )


@dataclass(slots=True)
class _Chunk:
    """A few pictures that go through the stages together.

    opened: as models get them. errors: why pictures gave nothing. kept: the layers they have by now. at_hand: those of
    them that models may go on from.
    """

    views: Sequence[View]
    opened: dict[str, PictureInput] = field(default_factory=dict)
    errors: dict[str, CaptionerError] = field(default_factory=dict)
    kept: dict[str, Sequence[Layer]] = field(default_factory=dict)
    at_hand: dict[str, Sequence[Layer]] = field(default_factory=dict)


def _taken(waiting: deque[Todo], size: int) -> list[View]:
    """The next pictures off the line that need the same families, at most so many."""
    families = waiting[0][1]
    taken: list[View] = []
    while waiting and len(taken) < size and waiting[0][1] == families:
        taken.append(waiting.popleft()[0])
    return taken
