"""Pictures and settings in, layers and captions out: which models run on what, in one readable place.

Models run in the order in which they read each other; a failed batch is asked again picture by picture. Knows no page,
no store and no file.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from captioner.ahead import Ahead
from captioner.captions.layers import (
    PROMPT_ASKED,
    REDRAWN,
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
from captioner.contract import Captioner, Model, ModelUser, PictureInput, Tagger
from captioner.errors import BadPicture, CaptionerError, ModelFailed, OutOfMemory, SomeFailed
from captioner.limits import shown as as_shown
from captioner.models import registry
from captioner.models.cards import is_lost
from captioner.models.memory import have_idle_step_back, is_out_of_memory
from captioner.plural import plural
from captioner.records import Alternative, Caption, Layer, Sentence, Tag
from captioner.redrawing import redrawn
from captioner.settings import Effect, Settings

if TYPE_CHECKING:
    from PIL.Image import Image


_log = logging.getLogger(__name__)

STORED_ALTERNATIVES = 9
"""Other sentences that a layer keeps, best first: with the sentence itself the ten best of a search."""


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


def caption_pictures(
    sources: Iterable[PictureSource], plan: Plan, manager: ModelUser, *, batch_size: int = 8
) -> Iterator[Captioned]:
    """Caption pictures, one result a picture, in order. Neither a picture nor a model's failure on it stops the rest.

    Pictures are opened on other threads, some ahead of their turn (`ahead`), which end when the iterator is closed.
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
        for batch in make_layers(opened(), plan, manager, batch_size=batch_size, ahead=ahead):
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
        batch_pixels: a batch is closed early when its pictures have more, since they are held at full size.
        ahead: where the pictures come from, to be told what the models make of pictures before they look.
    """
    source = iter(pictures)
    while batch := _next_batch(source, batch_size, batch_pixels):
        yield _ask_models(batch, plan, manager, only, stored or {}, ahead)


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
) -> list[PictureLayers]:
    ordered = in_reading_order(plan)
    wanted = {planned.family for planned in ordered} if only is None else set(only)
    read_by_wanted = {
        family for planned in ordered if planned.family in wanted for family in read_families(planned, plan)
    }
    layers: dict[str, list[Layer]] = {picture_id: [] for picture_id, _ in batch}
    errors: dict[str, CaptionerError] = {}
    for planned in ordered:
        todo = [(picture_id, shown) for picture_id, shown in batch if picture_id not in errors]
        if planned.family not in wanted:
            if planned.family not in read_by_wanted:
                continue
            todo = [one for one in todo if planned.family not in latest(stored.get(one[0], ()), plan)]
        if todo:
            _ask(planned, todo, plan, manager, stored, layers, errors, ahead)
    return [PictureLayers(picture_id, tuple(made), errors.get(picture_id)) for picture_id, made in layers.items()]


def _ask(
    planned: PlannedModel,
    todo: Sequence[tuple[str, PictureInput]],
    plan: Plan,
    manager: ModelUser,
    stored: Mapping[str, Sequence[Layer]],
    layers: Mapping[str, list[Layer]],
    errors: dict[str, CaptionerError],
    ahead: Ahead[Any] | None,
) -> None:
    """Ask one model; what it says goes to `layers`, why it could not to `errors`."""
    inputs, marks = [], []
    for picture_id, shown in todo:
        at_hand = (*stored.get(picture_id, ()), *layers[picture_id])
        inputs.append(input_for(planned, shown, plan, at_hand))
        marks.append(what_it_reads(planned, plan, at_hand, shown.name, shown.existing, shown.folder))
    with manager.use(planned.model, planned.family) as model:
        if ahead is not None:
            ahead.learn(planned.family, model)
        size = model.batch_size
        answers = [
            answer
            for start in range(0, len(inputs), size)
            for answer in _answers(model, inputs[start : start + size], planned.settings)
        ]
        for (picture_id, _), given, read, answer in zip(todo, inputs, marks, answers, strict=True):
            try:
                with failures_on_picture(model):
                    made = answered_layer(picture_id, planned, model, given, read, answer)
                layers[picture_id].append(as_of_plan(made, planned, plan))
            except (ModelFailed, BadPicture) as error:
                errors[picture_id] = error


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


def _answers(
    model: Model, inputs: Sequence[PictureInput], settings: Settings, *, is_last_try: bool = False
) -> list[Sentence | tuple[Tag, ...] | CaptionerError]:
    """What the model says about each picture, or why it could not: a failed batch is asked again one by one.

    Where one finds no memory, the models that nobody uses step back, and it has a last try; a model that says
    OutOfMemory had them do so itself (`in_halves`).
    """
    try:
        if isinstance(model, Captioner):
            answers: list[Any] = list(model.caption(inputs, settings))
        else:
            assert isinstance(model, Tagger)
            answers = list(model.tag(inputs, settings))
        if len(answers) != len(inputs):
            raise RuntimeError(f"{plural(len(answers), 'answer')} for {plural(len(inputs), 'picture')}")
        return answers
    except SomeFailed as error:
        return list(error.answers)
    except Exception as error:
        if _concerns_all_pictures(error):
            raise
        is_short = is_out_of_memory(error) and not isinstance(error, OutOfMemory)
        if len(inputs) == 1 and (is_last_try or not is_short):
            return [_failure(model, error)]
    # Outside the except block, whose traceback would keep the failed batch's tensors alive.
    if len(inputs) == 1:
        have_idle_step_back()
        return _answers(model, inputs, settings, is_last_try=True)
    return [answer for shown in inputs for answer in _answers(model, [shown], settings)]


@contextmanager
def failures_on_picture(model: Model) -> Iterator[None]:
    """Whatever a model raises about a picture within the block costs that picture: it becomes a `ModelFailed`.

    Raises: CaptionerError: what concerns all pictures, a model that is damaged, say.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, CaptionerError) or _concerns_all_pictures(error):
            raise
        raise _failure(model, error) from error


def _concerns_all_pictures(error: Exception) -> bool:
    if isinstance(error, CaptionerError):
        return not isinstance(error, ModelFailed | BadPicture)
    return is_lost(error)  # the manager says so


def _failure(model: Model, error: Exception) -> CaptionerError:
    """What a picture is said to have failed with. What nobody foresaw is a bug, and goes to the log as a whole."""
    if isinstance(error, CaptionerError):
        return error
    name = model.title or model.family
    if is_out_of_memory(error):
        return OutOfMemory(f"{name} found no memory for this picture; close other programs or save a smaller copy.")
    _log.error("%s failed on a picture", name, exc_info=error)
    reason = as_shown(f"{type(error).__name__}: {error}", max_length=160)
    return ModelFailed(f"{name} failed on this picture ({reason}); leave it out. The log says where it failed.")


def answered_layer(
    picture_id: str,
    planned: PlannedModel,
    model: Model,
    given: PictureInput,
    read: Mapping[str, str],
    answer: Sentence | tuple[Tag, ...] | CaptionerError,
) -> Layer:
    """A model's answer as it is kept; one that went wrong is asked for again, see `redrawing`.

    Args: given, read: what the model read beside the picture, itself and as `layers.what_it_reads`.
    Raises: CaptionerError: the answer is that it failed; as `Captioner.draw`.
    """
    if not isinstance(model, Captioner):
        if isinstance(answer, CaptionerError):
            raise answer
        return made_layer(picture_id, planned, model.revision, read, answer)
    assert not isinstance(answer, tuple)
    found = redrawn(model, given, planned.settings, answer)
    told: dict[str, Any] = {} if found.draws is None else {REDRAWN: found.draws}
    if asked := model.asked(given, planned.settings):
        told[PROMPT_ASKED] = asked
    return made_layer(picture_id, planned, model.revision, {**read, **told}, found.sentence, seeds_on=found.kept)


def made_layer(
    picture_id: str,
    planned: PlannedModel,
    revision: str,
    read: Mapping[str, Any],
    answer: Sentence | tuple[Tag, ...],
    *,
    seeds_on: int = 0,
) -> Layer:
    """A model's answer as it is kept.

    Args: read: what it read beside the picture, as `layers.what_it_reads`, and what else there is to tell of the run.
        seeds_on: how many seeds behind the settings' own the one lies that drew it.
    """
    run_settings = {**planned.settings.to_mapping(Effect.RUN), **read}
    seed = run_settings.get("seed")
    return Layer(
        picture_id=picture_id,
        model=planned.model,
        family=planned.family,
        model_revision=revision,
        run_settings=run_settings,
        seed=seed if seed is None else (seed + seeds_on) % 2**31,
        created_at=time.time(),
        sentence=_with_best_alternatives(answer) if isinstance(answer, Sentence) else None,
        tags=None if isinstance(answer, Sentence) else answer,
    )


def _with_best_alternatives(sentence: Sentence) -> Sentence:
    return replace(sentence, alternatives=sentence.alternatives[:STORED_ALTERNATIVES])
