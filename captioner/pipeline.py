"""Pictures and settings in, layers and captions out: which models run on what, in one readable place.

Models run in the order in which they read each other, and those that do not at once where cores are idle
(`side_by_side`); a failed batch is asked again picture by picture (`answers`). Knows no page, no store and no file.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from captioner.ahead import Ahead
from captioner.answers import answered_layer, answers_of, failures_on_picture
from captioner.captions.layers import (
    as_of_plan,
    in_reading_order,
    latest,
    own_existing,
    read_families,
    reads,
    selected_tags,
    sentence_of,
    what_it_reads,
)
from captioner.captions.plan import Plan, PlannedModel
from captioner.captions.recipe import trigger_of
from captioner.captions.review import Reading
from captioner.contract import Model, ModelUser, PictureInput
from captioner.errors import BadPicture, CaptionerError, ModelFailed, OutOfMemory
from captioner.models import registry
from captioner.records import Alternative, Caption, Layer
from captioner.side_by_side import SideBySide, models_at_once

if TYPE_CHECKING:
    from PIL.Image import Image


_log = logging.getLogger(__name__)

Item = TypeVar("Item")
_Said = dict[str, "Layer | CaptionerError"]
"""What one model said about each picture, or why it could not."""


@dataclass(frozen=True, slots=True)
class PictureLayers:
    """What the models said about one picture; with an error, what they said before it."""

    picture_id: str
    layers: tuple[Layer, ...] = ()
    error: CaptionerError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSource:
    """A picture still to be opened. existing: the caption it brings along. name, folder: its file's, see
    `PictureInput`. digest: tells its file's, "" where that costs more than it saves. Both are called on any thread."""

    id: str
    open: Callable[[], Image]
    existing: str = ""
    name: str = ""
    folder: str = ""
    digest: Callable[[], str] = str

    def shown(self) -> PictureInput:
        """The picture, opened, as models get it. Raises: as `open`."""
        return PictureInput(
            self.open(), name=self.name, existing=self.existing, folder=self.folder, digest=self.digest()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Captioned:
    """What became of a picture: a caption, or the error that prevented it.

    was_kept: the caption is the existing one, and no model was asked. kinds: the captions of other kinds, where a run
        makes several.
    """

    picture_id: str
    caption: Caption | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    layers: tuple[Layer, ...] = ()
    error: CaptionerError | None = None
    was_kept: bool = False


def batch_size_on(device: str) -> int:
    """Pictures that models are asked about at once.

    On a CPU a search for four together reads the weights once for all, which takes 25 to 40 % less time of 8 or 16
    beams; as many fours are searched for at once as there are idle cores for. Ctrl+C loses the batch that is under way.
    """
    return 8 if device.startswith("cuda") else 4 * models_at_once()


def caption_pictures(
    sources: Iterable[PictureSource], plan: Plan, manager: ModelUser, *, batch_size: int = 8
) -> Iterator[Captioned]:
    """Caption pictures, one result a picture, in order. Neither a picture nor a model's failure on it stops the rest.

    The first picture is a batch of its own, so that its caption is soon there. Pictures are opened on other threads,
    some ahead of their turn (`ahead`), which end when the iterator is closed.
    Under `existing = keep` a picture that has a caption, which is a main one, is neither opened nor shown to a model.

    Raises: CaptionerError: what concerns all pictures, as `make_layers`.
    """
    waiting: deque[tuple[PictureSource, Captioned | None]] = deque()  # taken from sources, not yet yielded

    def is_kept(source: PictureSource) -> bool:
        return plan.recipe.existing == "keep" and bool(own_existing(source.existing, plan).strip())

    def open_one(source: PictureSource) -> PictureInput | None:
        return None if is_kept(source) else source.shown()

    def opened() -> Iterator[tuple[str, PictureInput]]:
        for source, shown in ahead:
            if shown is None:
                kept = Reading((), plan, source.existing).caption
                waiting.append((source, Captioned(picture_id=source.id, caption=kept, was_kept=True)))
            elif isinstance(shown, CaptionerError):
                waiting.append((source, Captioned(picture_id=source.id, error=shown)))
            else:
                waiting.append((source, None))
                yield source.id, shown

    with Ahead(sources, open_one) as ahead:
        for batch in make_layers(opened(), plan, manager, batch_size=batch_size, first_size=1, ahead=ahead):
            for answer in batch:
                while (done := waiting[0][1]) is not None:
                    waiting.popleft()
                    yield done
                source, _ = waiting.popleft()
                if answer.error is not None:
                    yield Captioned(picture_id=source.id, layers=answer.layers, error=answer.error)
                else:
                    caption = Reading(answer.layers, plan, source.existing).caption
                    yield Captioned(picture_id=source.id, caption=caption, layers=answer.layers)
    yield from (done for _, done in waiting if done is not None)


def make_layers(
    pictures: Iterable[tuple[str, PictureInput]],
    plan: Plan,
    manager: ModelUser,
    *,
    only: Collection[str] | None = None,
    stored: Mapping[str, Sequence[Layer]] | None = None,
    batch_size: int = 8,
    first_size: int | None = None,
    batch_pixels: int = 60_000_000,
    ahead: Ahead[Any] | None = None,
) -> Iterator[list[PictureLayers]]:
    """Ask the plan's models about pictures, a batch at a time; one result a picture, in order.

    A picture a model fails on is a result with an error. What concerns all pictures (a model that is not there, a
    setting the model cannot follow) is raised. Pictures are taken from the iterable as they are needed.

    Args:
        pictures: (id, picture with its name and existing caption).
        only: families to ask, for when the other layers are there already. A model that reads others' layers (CLIP's
            chain goes on from the sentence) takes them from `stored`, a picture's layers by its id, or else those
            models are asked too.
        first_size: of the first batch, where it is another.
        batch_pixels: a batch is closed early when its pictures have more, since they are held at full size.
        ahead: where the pictures come from, to be told what the models make of pictures before they look.
    """
    source = iter(pictures)
    with SideBySide() as side_by_side:
        size = first_size or batch_size
        while batch := _next_batch(source, size, batch_pixels):
            size = batch_size
            yield _ask_models(batch, plan, manager, only, stored or {}, ahead, side_by_side)


def can_draw(plan: Plan) -> bool:
    """Whether another draw may say another sentence."""
    captioner = plan.captioner
    return bool(captioner.model) and registry.captioner_class(captioner.family).can_draw(captioner.settings)


def draw_sentences(
    shown: PictureInput, plan: Plan, manager: ModelUser, layers: Sequence[Layer] = (), *, skip: int, count: int
) -> list[Alternative]:
    """Further sentences for one picture by chance; some may be equal.

    Args: plan: one that `can_draw`. layers: the picture's, of which the captioner may read. skip: how many were drawn
        before.
    Raises: as `Captioner.draw`.
    """
    captioner = plan.captioner
    given = input_for(captioner, shown, plan, layers)
    with manager.use(captioner.model, captioner.family) as model:
        with failures_on_picture(model):
            drawn: list[Alternative] = model.draw(given, captioner.settings, skip=skip, count=count)
    return drawn


def _next_batch(source: Iterator[tuple[str, PictureInput]], size: int, pixels: int) -> list[tuple[str, PictureInput]]:
    batch: list[tuple[str, PictureInput]] = []
    for picture_id, shown in islice(source, size):
        batch.append((picture_id, shown))
        pixels -= shown.image.width * shown.image.height
        if pixels <= 0:
            break
    return batch


def _ask_models(
    batch: Sequence[tuple[str, PictureInput]],
    plan: Plan,
    manager: ModelUser,
    only: Collection[str] | None,
    stored: Mapping[str, Sequence[Layer]],
    ahead: Ahead[Any] | None,
    side_by_side: SideBySide,
) -> list[PictureLayers]:
    ordered = in_reading_order(plan)
    wanted = {planned.family for planned in ordered} if only is None else set(only)
    read_by_wanted = {
        family for planned in ordered if planned.family in wanted for family in read_families(planned, plan)
    }
    asked = [planned for planned in ordered if planned.family in wanted | read_by_wanted]
    found = _Found({picture_id: [] for picture_id, _ in batch})

    def todo_of(planned: PlannedModel) -> list[tuple[str, PictureInput]]:
        todo = [(picture_id, shown) for picture_id, shown in batch if picture_id not in found.errors]
        if planned.family in wanted:
            return todo
        return [one for one in todo if planned.family not in latest(stored.get(one[0], ()), plan)]

    def work_on(planned: PlannedModel, todo: Sequence[tuple[str, PictureInput]]) -> Callable[[], _Said]:
        return partial(_ask, planned, todo, plan, manager, stored, found.layers, ahead)

    for group in _independent(asked, plan):
        todo_by_model = [(planned, todo) for planned in group if (todo := todo_of(planned))]
        pieces = [
            work_on(planned, part)
            for planned, todo in todo_by_model
            for part in _parts(todo, side_by_side.places() if _class_of(planned).may_be_shared else 1)
        ]
        if side_by_side.places() > 1 and len(pieces) > 1 and manager.budget_bytes is None:
            try:
                said = side_by_side.run(pieces)
            except Exception as error:  # noqa: BLE001 - asked again one after the other, where it is raised
                _log.info("models are asked one after the other: %s", error)
                said = []
            if said and not any(isinstance(one, OutOfMemory) for each in said for one in each.values()):
                for each in said:
                    found.take(each)
                continue
            side_by_side.give_up()
        for planned, todo in todo_by_model:
            if left := [one for one in todo if one[0] not in found.errors]:
                found.take(work_on(planned, left)())
    return [PictureLayers(one, tuple(made), found.errors.get(one)) for one, made in found.layers.items()]


@dataclass(slots=True)
class _Found:
    """What models said about a batch, by picture, and why one could not."""

    layers: dict[str, list[Layer]]
    errors: dict[str, CaptionerError] = field(default_factory=dict)

    def take(self, said: _Said) -> None:
        """One model's, in their order; of a picture that one before could not look at, nothing."""
        for picture_id, one in said.items():
            if picture_id in self.errors:
                continue
            if isinstance(one, CaptionerError):
                self.errors[picture_id] = one
            else:
                self.layers[picture_id].append(one)


def _independent(ordered: Sequence[PlannedModel], plan: Plan) -> list[list[PlannedModel]]:
    """The models in their order, in groups of neighbours that may work at once: none reads another."""
    groups: list[list[PlannedModel]] = []
    for planned in ordered:
        are_apart = groups and not {one.family for one in groups[-1]} & set(read_families(planned, plan))
        if are_apart and all(_class_of(one).may_work_beside for one in (planned, groups[-1][0])):
            groups[-1].append(planned)
        else:
            groups.append([planned])
    return groups


def _class_of(planned: PlannedModel) -> type[Model]:
    return registry.model_class(planned.model, planned.family)


def _parts(todo: Sequence[Item], count: int) -> list[Sequence[Item]]:
    """All of them in at most so many parts, as equal as can be."""
    ends = [len(todo) * number // count for number in range(count + 1)]
    return [todo[begin:end] for begin, end in pairwise(ends) if begin < end]


def _ask(
    planned: PlannedModel,
    todo: Sequence[tuple[str, PictureInput]],
    plan: Plan,
    manager: ModelUser,
    stored: Mapping[str, Sequence[Layer]],
    layers: Mapping[str, Sequence[Layer]],
    ahead: Ahead[Any] | None,
) -> _Said:
    """Ask one model. Args: layers: what others said before.

    Returns: what it said about each picture, or why it could not.
    """
    inputs, marks = [], []
    for picture_id, shown in todo:
        at_hand = (*stored.get(picture_id, ()), *layers[picture_id])
        inputs.append(input_for(planned, shown, plan, at_hand))
        marks.append(what_it_reads(planned, plan, at_hand, shown.name, shown.existing, shown.folder))
    said: _Said = {}
    with manager.use(planned.model, planned.family) as model:
        if ahead is not None:
            ahead.learn(planned.family, model)
        size = model.batch_size
        answers = [
            answer
            for start in range(0, len(inputs), size)
            for answer in answers_of(model, inputs[start : start + size], planned.settings)
        ]
        for (picture_id, _), given, read, answer in zip(todo, inputs, marks, answers, strict=True):
            try:
                with failures_on_picture(model):
                    made = answered_layer(picture_id, planned, model, given, read, answer)
                said[picture_id] = as_of_plan(made, planned, plan)
            except (ModelFailed, BadPicture) as error:
                said[picture_id] = error
    return said


def input_for(planned: PlannedModel, shown: PictureInput, plan: Plan, layers: Sequence[Layer]) -> PictureInput:
    """The picture with what this model reads, and nothing else."""
    read = reads(planned)
    return PictureInput(
        shown.image,
        name=shown.name if "name" in read else "",
        existing=shown.existing if "existing" in read else "",
        sentence=sentence_of(layers, plan) if "sentence" in read else "",
        tags=tuple(selected_tags(layers, plan, but=planned.family)) if "tags" in read else (),
        folder=shown.folder if "folder" in read else "",
        trigger=trigger_of(plan.recipe) if "trigger" in read else "",
        digest=shown.digest,
        preprocessed=shown.preprocessed,
    )
