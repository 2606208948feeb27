"""Captions of a picture -> what each model that is asked says of them, and the score that comes of it.

The captioner reads the captions, CLIP (or a matching head in its place) compares each with its rivals, a tagger judges
the words that spell its tags. A captioner that cannot read is said so, and those that remain are asked. Loads no model:
it is handed a manager of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from captioner.answers import failures_on_picture
from captioner.captions.plan import Plan, PlannedModel
from captioner.captions.words import spans, tag_probabilities
from captioner.contract import ModelUser, PictureInput
from captioner.errors import SettingsError
from captioner.lab.figures import CellScore
from captioner.lab.measures import measure_text
from captioner.lab.scores import CaptionScore, Weights, near_rivals, score_caption, weights_for
from captioner.readings import CaptionReading, Opinion, not_read

BACKGROUND_PICTURES = 32
"""How many pictures, spread over a set, stand for all of it."""

ALONE = "a single picture is compared with no others; with more pictures of the set false words are found better."
"""What a person should know where `look_at` has nothing to look at."""

ORDER_ONLY = "these models were never measured: their scores put captions in an order and promise no number of words."
"""What a person should know of weights that are not calibrated."""

_LOOKED_AT = 8  # pictures that are held at a time


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said of one caption. opinions: by the rival's text. tags: for each word, see `tag_probabilities`."""

    reading: CaptionReading
    opinions: Mapping[str, Opinion]
    tags: tuple[float | None, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether all of it are numbers; a model that is broken says NaN, which a limit would hide."""
        words = self.reading.words
        numbers = [number for word in words for number in (word.log_probability, word.evidence, word.overrun)]
        numbers += [rival.gain for word in words for rival in word.rivals]
        numbers += [one.preference for one in self.opinions.values()]
        numbers += [one.change for one in self.opinions.values() if one.change is not None]
        numbers += [tag for tag in self.tags if tag is not None]
        return all(map(math.isfinite, numbers))


@dataclass(frozen=True, slots=True)
class Captioned:
    """A caption and the sentence in it: models are shown the sentence, since tags and a trigger are none."""

    caption: str
    sentence: str = ""

    @property
    def judged(self) -> str:
        """What the models are shown: the sentence as far as the caption has it, else all of it."""
        return self.sentence if self.sentence and self.sentence in self.caption else self.caption


class Voices:
    """The models of a plan that can say something of captions.

    weights: how what they say is added up. notes: who is not asked, and why, in sentences. revisions: of the weights of
    those that are asked, by the model's name. clip_title: what the one that compares is called.
    """

    def __init__(self, plan: Plan, models: ModelUser) -> None:
        """Loads the models, to learn what they can do.

        Raises: SettingsError: none of them can say anything. Else as `ModelUser.use`.
        """
        self._models = models
        self._background: Any = None
        self._clip_background: Any = None
        self.revisions: dict[str, str] = {}
        self._captioner: PlannedModel | None = None
        self._clip: PlannedModel | None = None
        self._tagger: PlannedModel | None = None
        self._is_matching = False
        self.clip_title = "CLIP"
        notes = []
        if plan.captioner.model:
            with models.use(plan.captioner.model, plan.captioner.family) as captioner:
                if captioner.can_read:
                    self._captioner = plan.captioner
                    self.revisions[plan.captioner.model] = captioner.revision
                else:
                    notes.append(f"{plan.captioner.model} cannot read captions; the others are asked without it.")
        notes += self._choose(plan.taggers)
        self.notes = tuple(notes)
        if not self.asked:
            raise SettingsError(
                f"nobody can judge captions here. {' '.join(notes) or 'No model is named.'} Choose a captioner that "
                "reads (BLIP), or switch WD14 on."
            )
        self.weights = weights_for(
            self._captioner.model if self._captioner else "",
            self._clip.model if self._clip else "",
            is_matching=self._is_matching,
        )

    def _choose(self, taggers: Sequence[PlannedModel]) -> list[str]:
        """Give each tagger its part: one compares, one judges tags. Returns: who is not asked and why, in sentences."""
        known = []
        for planned in taggers:
            with self._models.use(planned.model, planned.family) as tagger:
                abilities = bool(tagger.gives_tags), bool(tagger.can_compare), bool(tagger.known_tags)
                known.append((planned, tagger.revision, tagger.title, *abilities))
        notes = []
        # What can do nothing but compare was chosen for that, so it comes before CLIP.
        for planned, revision, title, gives_tags, can_compare, has_tags in sorted(known, key=lambda one: one[3]):
            if can_compare and self._captioner is None:
                notes.append(f"{planned.model} is not asked: it compares words with what a captioner would rather say.")
            elif can_compare and self._clip is None:
                self._clip, self._is_matching, self.clip_title = planned, not gives_tags, title
                self.revisions[planned.model] = revision
            elif can_compare and self._clip and self._is_matching:
                notes.append(f"{planned.model} is not asked: {self._clip.model} compares in its place.")
            elif has_tags and self._tagger is None:
                self._tagger = planned
                self.revisions[planned.model] = revision
            else:
                notes.append(f"{planned.model} is not asked: it says nothing of captions that another does not say.")
        return notes

    @property
    def asked(self) -> tuple[str, ...]:
        """The models that are asked, by name."""
        return tuple(one.model for one in (self._captioner, self._clip, self._tagger) if one)

    @property
    def captioner(self) -> PlannedModel | None:
        """The one that reads; None where none does."""
        return self._captioner

    @property
    def clip(self) -> PlannedModel | None:
        """The one that compares captions: CLIP, or a matching head in its place; None where none is asked."""
        return self._clip

    @property
    def tagger(self) -> PlannedModel | None:
        """The one that judges the words that spell its tags; None where none is asked."""
        return self._tagger

    @property
    def reads(self) -> bool:
        """Whether a captioner reads, so that other pictures of the set are worth looking at."""
        return self._captioner is not None

    def look_at(self, pictures: Iterable[PictureInput]) -> None:
        """Take these pictures for the set: a word that would be said of any of them says little of one.

        One picture alone is nothing to compare with, and no harm. Pictures of a later call count beside the earlier
        ones, so that a person who waits for something else need not wait for all of them. Raises: as `hear`.
        """
        if self._captioner is None:
            return
        source = iter(pictures)
        while batch := [*islice(source, _LOOKED_AT)]:
            with self._using(self._captioner) as captioner:
                self._background = captioner.background_of(batch, self._background)
            if self._clip is not None:
                with self._using(self._clip) as clip:
                    self._clip_background = clip.background_of(batch, self._clip_background)

    def hear(
        self, shown: PictureInput, captions: Sequence[str], *, tag_scores: Mapping[str, float] | None = None
    ) -> list[Heard]:
        """What is said of captions of a picture, in order.

        Args: tag_scores: what the tagger that is asked said of the picture before; None asks it.
        Raises: ModelFailed, OutOfMemory: of this picture. Else as `ModelUser.use`.
        """
        different = list(dict.fromkeys(captions))
        readings = [not_read(caption, "no captioner read it.") for caption in different]
        if self._captioner is not None:
            with self._using(self._captioner) as captioner:
                readings = captioner.read(shown, different, self._background)
        opinions: dict[str, dict[str, Opinion]] = {}
        if self._clip is not None:
            with self._using(self._clip) as clip:
                near = {reading.text: near_rivals(reading, self.weights) for reading in readings}
                opinions = clip.opinions(shown, near, self._clip_background)
        tags: dict[str, tuple[float | None, ...]] = {}
        if self._tagger is not None:
            with self._using(self._tagger) as tagger:
                known = tagger.known_tags
            if tag_scores is None:
                tag_scores = self.tag_scores(shown)
            for caption in different:
                words = [word.text for word in spans(caption)]
                tags[caption] = tuple(tag_probabilities(words, tag_scores, known))
        heard = {
            reading.text: Heard(reading, opinions.get(reading.text, {}), tags.get(reading.text, ()))
            for reading in readings
        }
        return [heard[caption] for caption in captions]

    def tag_scores(self, shown: PictureInput) -> dict[str, float]:
        """What the tagger that is asked says of a picture; empty without one. Raises: as `hear`."""
        if self._tagger is None:
            return {}
        with self._using(self._tagger) as tagger:
            (found,) = tagger.tag([shown], self._tagger.settings)
        return {tag.name: tag.score for tag in found}

    @contextmanager
    def _using(self, planned: PlannedModel) -> Any:
        with self._models.use(planned.model, planned.family) as model:
            with failures_on_picture(model):
                yield model


def score_captions(
    captions: Sequence[Captioned], shown: PictureInput, voices: Voices, *, names: Sequence[str] = ()
) -> list[CellScore]:
    """A score for each of a picture's captions, in order; equal ones are read once.

    Args: names: as `scores.score_caption`. Raises: as `Voices.hear`.
    """
    scores, _ = score_set(
        voices.hear(shown, [one.judged for one in captions]), voices.weights, is_edit=False, names=names
    )
    return [
        CellScore(score, measure_text(one.caption), max(0, one.caption.find(one.judged)))
        for score, one in zip(scores, captions, strict=True)
    ]


def spread(count: int, most: int = BACKGROUND_PICTURES) -> list[int]:
    """Places spread over so many pictures, at most `most`, ascending."""
    kept = min(count, most)
    return [place * count // kept for place in range(kept)]


def score_set(
    heard: Iterable[Heard], weights: Weights, *, is_edit: bool, names: Sequence[str] = ()
) -> tuple[list[CaptionScore], Weights]:
    """The scores of captions that belong together, and the weights as they were fitted to what is typical of them.

    Args: is_edit, names: as `scores.score_caption`.
    """
    kept = list(heard)
    fitted = weights.fitted_to(opinion for one in kept for opinion in one.opinions.values())
    return [
        score_caption(one.reading, one.opinions, one.tags, is_edit=is_edit, weights=fitted, names=names) for one in kept
    ], fitted
