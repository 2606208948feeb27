"""Captioning for several kinds of captions in one run: as `pipeline`, with the captions of a plan's other kinds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice

from captioner import pipeline
from captioner.captions.layers import due
from captioner.captions.plan import Plan
from captioner.captions.review import Reading
from captioner.contract import ModelUser, PictureInput
from captioner.errors import CaptionerError
from captioner.pipeline import Captioned, PictureSource, make_layers

AT_ONCE = 17  # pictures that one kind's models look at before the next kind's do, which may have to be loaded first


def caption_all_kinds(
    sources: Iterable[PictureSource], plan: Plan, manager: ModelUser, *, batch_size: int
) -> Iterator[Captioned]:
    """As `pipeline.caption_pictures`, with the captions of the plan's other kinds.

    A picture whose caption came along and is kept is shown to the other kinds' models.
    """
    if not _others(plan):
        yield from pipeline.caption_pictures(sources, plan, manager, batch_size=batch_size)
        return
    left = iter(sources)
    while chunk := list(islice(left, AT_ONCE)):
        done = list(pipeline.caption_pictures(chunk, plan, manager, batch_size=batch_size))
        yield from with_other_kinds(chunk, done, plan, manager, batch_size=batch_size)


def with_other_kinds(
    chunk: Sequence[PictureSource],
    done: Sequence[Captioned],
    plan: Plan,
    manager: ModelUser,
    *,
    batch_size: int,
) -> Sequence[Captioned]:
    """What became of pictures, with the captions of the plan's other kinds. Args: chunk: the pictures, in order."""
    for other in _others(plan):
        done = _with_kind(chunk, done, other, manager, batch_size)
    return done


def _others(plan: Plan) -> list[Plan]:
    return [one for one in plan.of_all_kinds() if one.kind != plan.kind and one.running()]


def _with_kind(
    chunk: Sequence[PictureSource], done: Sequence[Captioned], plan: Plan, manager: ModelUser, batch_size: int
) -> list[Captioned]:
    """The same with the captions of a plan of another kind."""
    found = {one.picture_id: one for one in done}
    existing = {source.id: source.existing for source in chunk}
    todo = [
        (source, due(found[source.id].layers, plan, source.name, source.existing, source.folder))
        for source in chunk
        if found[source.id].error is None
    ]
    for families, group in groupby(todo, key=lambda item: item[1]):
        opened: list[tuple[str, PictureInput]] = []
        for source, _ in group:
            try:
                opened.append((source.id, source.shown()))
            except CaptionerError as error:
                found[source.id] = _failed(found[source.id], error)
        stored = {picture_id: found[picture_id].layers for picture_id, _ in opened}
        for batch in make_layers(opened, plan, manager, only=families, stored=stored, batch_size=batch_size):
            for answer in batch:
                one = found[answer.picture_id]
                layers = (*one.layers, *answer.layers)
                found[answer.picture_id] = (
                    replace(
                        one,
                        layers=layers,
                        kinds={**one.kinds, plan.kind: Reading(layers, plan, existing[one.picture_id]).caption.text},
                    )
                    if answer.error is None
                    else _failed(one, answer.error)
                )
    return [found[one.picture_id] for one in done]


def _failed(one: Captioned, error: CaptionerError) -> Captioned:
    return replace(one, caption=None, error=error, was_kept=False)
