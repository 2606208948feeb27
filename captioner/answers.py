"""What a model says about pictures, asked in a way that one it fails on costs no other, and how it is kept as a layer.

Knows no plan's order and no source of pictures.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from captioner.captions.layers import PROMPT_ASKED, REDRAWN
from captioner.captions.plan import PlannedModel
from captioner.contract import Captioner, Model, PictureInput, Tagger
from captioner.errors import BadPicture, CaptionerError, ModelFailed, OutOfMemory, SomeFailed
from captioner.limits import shown as as_shown
from captioner.models.cards import is_lost
from captioner.models.memory import have_idle_step_back, is_out_of_memory
from captioner.plural import plural
from captioner.records import Layer, Sentence, Tag
from captioner.redrawing import redrawn
from captioner.settings import Effect, Settings

_log = logging.getLogger(__name__)

STORED_ALTERNATIVES = 9
"""Other sentences that a layer keeps, best first: with the sentence itself the ten best of a search."""


def answers_of(
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
        return answers_of(model, inputs, settings, is_last_try=True)
    return [answer for shown in inputs for answer in answers_of(model, [shown], settings)]


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
