"""Pictures and settings in, layers and captions out: which models run on what, in one readable place.

Models run in the order in which they read each other; a failed batch is asked again picture by picture. Knows no page,
no store and no file.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from captioner.captions.layers import SENTENCE_READ, reads_sentence, sentence_of
from captioner.captions.plan import Plan
from captioner.captions.review import caption_text
from captioner.contract import ModelUser
from captioner.errors import CaptionerError, ModelFailed
from captioner.models import registry
from captioner.records import Alternative, Caption, Layer, Sentence, Tag
from captioner.settings import Effect, Settings

if TYPE_CHECKING:
    from PIL.Image import Image


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
    """A picture still to be opened. existing: the caption it brings along."""

    id: str
    open: Callable[[], Image]
    existing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Captioned:
    """What became of a picture: a caption, or the error that prevented it.

    was_kept: the caption is the existing one, and no model was asked.
    """

    picture_id: str
    caption: Caption | None = None
    layers: tuple[Layer, ...] = ()
    error: CaptionerError | None = None
    was_kept: bool = False


def caption_pictures(
    sources: Iterable[PictureSource], plan: Plan, manager: ModelUser, *, batch_size: int = 8
) -> Iterator[Captioned]:
    """Caption pictures, one result a picture, in order. Neither a picture nor a model's failure on it stops the rest.

    Under `existing = keep` a picture that has a caption is neither opened nor shown to a model.

    Raises: CaptionerError: what concerns all pictures, as `make_layers`.
    """
    waiting: deque[tuple[PictureSource, Captioned | None]] = deque()  # taken from sources, not yet yielded

    def opened() -> Iterator[tuple[str, Image]]:
        for source in sources:
            if plan.recipe.existing == "keep" and source.existing.strip():
                kept = caption_text((), plan, source.existing)
                waiting.append((source, Captioned(picture_id=source.id, caption=kept, was_kept=True)))
                continue
            try:
                image = source.open()
            except CaptionerError as error:
                waiting.append((source, Captioned(picture_id=source.id, error=error)))
            else:
                waiting.append((source, None))
                yield source.id, image

    for batch in make_layers(opened(), plan, manager, batch_size=batch_size):
        for answer in batch:
            while (done := waiting[0][1]) is not None:
                waiting.popleft()
                yield done
            source, _ = waiting.popleft()
            if answer.error is not None:
                yield Captioned(picture_id=source.id, layers=answer.layers, error=answer.error)
            else:
                caption = caption_text(answer.layers, plan, source.existing)
                yield Captioned(picture_id=source.id, caption=caption, layers=answer.layers)
    yield from (done for _, done in waiting if done is not None)


def make_layers(
    pictures: Iterable[tuple[str, Image]],
    plan: Plan,
    manager: ModelUser,
    *,
    only: Collection[str] | None = None,
    stored: Mapping[str, Sequence[Layer]] | None = None,
    batch_size: int = 8,
    batch_pixels: int = 60_000_000,
) -> Iterator[list[PictureLayers]]:
    """Ask the plan's models about pictures, a batch at a time; one result a picture, in order.

    A picture a model fails on is a result with an error. What concerns all pictures (a model that is not there, a
    setting the model cannot follow) is raised. Pictures are taken from the iterable as they are needed.

    Args:
        pictures: (id, RGB picture).
        only: families to ask, for when the other layers are there already. A tagger that goes on from the sentence
            (CLIP's chain) takes it from `stored`, a picture's layers by its id, or else the captioner is asked too.
        batch_pixels: a batch is closed early when its pictures have more, since they are held at full size.
    """
    source = iter(pictures)
    while batch := _next_batch(source, batch_size, batch_pixels):
        yield _ask_models(batch, plan, manager, only, stored or {})


def can_draw(plan: Plan) -> bool:
    """Whether another draw may say another sentence: under nucleus sampling, from a captioner that draws several."""
    return (
        bool(plan.captioner)
        and getattr(plan.sampling, "method", "") == "nucleus"
        and hasattr(registry.family_class(plan.family), "decode")
    )


def draw_sentences(image: Image, plan: Plan, manager: ModelUser, *, skip: int, count: int) -> list[Alternative]:
    """Further sentences for one picture: those of the seeds that follow the settings' own. Some may be equal.

    Args: plan: one that `can_draw`. skip: how many seeds from the settings' own on were drawn before.
    Raises: as the captioner's `encode` and `decode`.
    """
    seed: int = plan.sampling.to_mapping()["seed"]
    sampling = plan.sampling.replaced(seed=(seed + skip) % 2**31)
    with manager.use(plan.captioner, plan.family) as model:
        [drawn] = model.decode(model.encode([image]), sampling, samples=count)
    return [Alternative(drawn.text, drawn.score), *drawn.alternatives]


def _next_batch(source: Iterator[tuple[str, Image]], size: int, pixels: int) -> list[tuple[str, Image]]:
    batch: list[tuple[str, Image]] = []
    for picture_id, image in islice(source, size):
        batch.append((picture_id, image))
        pixels -= image.width * image.height
        if pixels <= 0:
            break
    return batch


def _ask_models(
    batch: Sequence[tuple[str, Image]],
    plan: Plan,
    manager: ModelUser,
    only: Collection[str] | None,
    stored: Mapping[str, Sequence[Layer]],
) -> list[PictureLayers]:
    settings = {plan.family: plan.sampling} | {choice.family: choice.settings for choice in plan.taggers}
    layers: dict[str, list[Layer]] = {picture_id: [] for picture_id, _ in batch}
    errors: dict[str, CaptionerError] = {}
    for name, family in plan.models():
        todo = [(picture_id, image) for picture_id, image in batch if picture_id not in errors]
        if only is not None and family not in only:
            is_read = any(reads_sentence(other, settings[other]) for other in only if other in settings)
            if family != plan.family or not is_read:
                continue
            todo = [
                (picture_id, image) for picture_id, image in todo if not sentence_of(stored.get(picture_id, ()), plan)
            ]
        if not todo:
            continue
        sentences: list[str] | None = None
        if reads_sentence(family, settings[family]):
            known = [(*stored.get(picture_id, ()), *layers[picture_id]) for picture_id, _ in todo]
            sentences = [sentence_of(at_hand, plan) for at_hand in known]
        with manager.use(name, family) as model:
            answers = _answers(model, [image for _, image in todo], settings[family], sentences)
            for place, ((picture_id, _), answer) in enumerate(zip(todo, answers, strict=True)):
                if isinstance(answer, CaptionerError):
                    errors[picture_id] = answer
                    continue
                run_settings = settings[family].to_mapping(Effect.RUN)
                if sentences is not None:
                    run_settings[SENTENCE_READ] = sentences[place]
                layers[picture_id].append(_layer(picture_id, name, family, model.revision, run_settings, answer))
    return [PictureLayers(picture_id, tuple(made), errors.get(picture_id)) for picture_id, made in layers.items()]


def _answers(
    model: Any, images: Sequence[Image], settings: Settings, sentences: Sequence[str] | None
) -> list[Sentence | tuple[Tag, ...] | CaptionerError]:
    """What the model says about each picture, or why it could not: a failed batch is asked again one by one."""
    try:
        if hasattr(model, "caption"):
            return list(model.caption(images, settings))
        if sentences is None:
            return list(model.tag(images, settings))
        return list(model.tag(images, settings, sentences))
    except ModelFailed as error:
        if len(images) == 1:
            return [error]
    return [
        answer
        for place, image in enumerate(images)
        for answer in _answers(model, [image], settings, None if sentences is None else [sentences[place]])
    ]


def _layer(
    picture_id: str,
    name: str,
    family: str,
    revision: str,
    run_settings: Mapping[str, Any],
    answer: Sentence | tuple[Tag, ...],
) -> Layer:
    return Layer(
        picture_id=picture_id,
        model=name,
        family=family,
        model_revision=revision,
        run_settings=run_settings,
        seed=run_settings.get("seed"),
        created_at=time.time(),
        sentence=_with_best_alternatives(answer) if isinstance(answer, Sentence) else None,
        tags=None if isinstance(answer, Sentence) else answer,
    )


def _with_best_alternatives(sentence: Sentence) -> Sentence:
    return replace(sentence, alternatives=sentence.alternatives[:STORED_ALTERNATIVES])
