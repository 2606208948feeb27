"""Who reads the captions of a set: the models of its settings that can, and pictures of the set to compare with.

They are kept for the sets that were read last. All of it runs on the worker's thread; stores nothing.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from captioner.captions.plan import Plan
from captioner.contract import Captioner, PictureInput, Tagger
from captioner.errors import CaptionerError, ModelNotFound, SettingsError
from captioner.lab.doubts import to_content
from captioner.lab.scores import CaptionScore, score_caption
from captioner.lab.voices import ALONE, Heard, Voices, spread
from captioner.models import registry
from captioner.models.manager import ModelManager
from captioner.plural import plural
from captioner.readings import Opinion
from captioner.records import Layer
from captioner.service.pictures import Pictures
from captioner.service.recent import Recent
from captioner.worker import PreparationProgress
from captioner.workspace import Workspace
from captioner.workspace.readings import StoredReading

_GROWN = 1.5  # so many times as many pictures are another set, of which others are looked at
_OPINIONS = 5000  # from which what is typical of a set is reckoned

NO_SENTENCE = "Only tags stand there, which have scores of their own; sentences are read."
_SURE_CHARACTER = 0.35

Planned = list[list[str]]


def planned_of(plan: Plan) -> Planned:
    """The models that may be asked, as JSON has them: [[family, name], ...]."""
    return [[planned.family, planned.model] for planned in plan.running()]


def can_judge(plan: Plan) -> bool:
    """Whether a model of the plan can say something of captions; loads none."""
    for planned in plan.running():
        found = registry.model_class(planned.model, planned.family)
        if issubclass(found, Captioner) and found.can_read:
            return True
        if issubclass(found, Tagger) and found.known_tags is not Tagger.known_tags:
            return True
    return False


class Part(NamedTuple):
    """What of a caption is read: `text[start:end]`.

    is_own: the captioner that reads said it. names: words (as `bare` gives them) that no model can know.
    """

    text: str
    start: int
    end: int
    is_own: bool
    names: tuple[str, ...]


class Reader:
    """The voices of a set.

    planned: see `planned_of`. waiting: ids of the pictures that are still to be looked at; looked_at: how many were.
    is_looking: somebody is at it.
    """

    def __init__(self, voices: Voices, planned: Planned, picture_ids: Sequence[str]) -> None:
        self.voices = voices
        self.planned = planned
        self.waiting = deque(picture_ids[place] for place in spread(len(picture_ids)))
        self._size = len(self.waiting)
        self.looked_at = 0
        self.is_looking = False
        if not voices.reads or len(picture_ids) < 2:  # then there is nothing to compare with
            self.waiting.clear()
        self._opinions: deque[Opinion] = deque(maxlen=_OPINIONS)

    def read(self, part: Part, layers: Sequence[Layer], shown: Callable[[], PictureInput]) -> StoredReading:
        """What is said of a caption.

        Args: layers: the picture's, of which a tagger's need not be asked for again. shown: opens the picture.
        Raises: as `Voices.hear` and `shown`.
        """
        said = part.text[part.start : part.end]
        content: dict[str, Any] = {"is_edit": not part.is_own, "unjudged": [], "words": []}
        notes = []
        if said:
            [heard] = self.voices.hear(shown(), [said], tag_scores=self.tag_scores(layers))
            content = to_content(said, self._score(heard, is_edit=not part.is_own))
            if self.voices.reads and heard.reading.note:
                notes.append(heard.reading.note)
            if self.voices.reads and not self.looked_at:
                notes.append(ALONE[0].upper() + ALONE[1:])
        content |= {
            "start": part.start,
            "end": part.end,
            "names": list(part.names),
            "is_measured": self.voices.weights.is_calibrated,
            "notes": [*notes, *self.voices.notes] if said else [NO_SENTENCE],
        }
        return StoredReading(part.text, self._read_by, content)

    @property
    def _read_by(self) -> dict[str, Any]:
        """Who reads, as it is stored with a reading: planned, revisions, and what those that explain are called."""
        return {"planned": self.planned, "revisions": self.voices.revisions, "titles": self.titles}

    @property
    def titles(self) -> dict[str, str]:
        """What those that explain are called, by role: captioner, tagger, clip."""
        voices = self.voices
        called = {"captioner": voices.captioner, "tagger": voices.tagger, "clip": voices.clip}
        return {role: registry.family_class(one.family).title for role, one in called.items() if one}

    def tag_scores(self, layers: Sequence[Layer]) -> dict[str, float] | None:
        """What the tagger that is asked said of the picture already; None where that is not there."""
        if (tagger := self.voices.tagger) is None:
            return None
        asked = (tagger.family, tagger.model, self.voices.revisions[tagger.model])
        for layer in layers:
            if layer.tags is not None and (layer.family, layer.model, layer.model_revision) == asked:
                return {tag.name: tag.score for tag in layer.tags}
        return None

    def _score(self, heard: Heard, *, is_edit: bool) -> CaptionScore:
        """The score of what was said of a caption; what is typical of the set is taken from all that was said."""
        self._opinions.extend(heard.opinions.values())
        weights = self.voices.weights.fitted_to(self._opinions)
        return score_caption(heard.reading, heard.opinions, heard.tags, is_edit=is_edit, weights=weights)

    def is_of(self, planned: Planned, pictures: int) -> bool:
        """Whether it still serves a set of so many pictures under a plan."""
        return self.planned == planned and len(spread(pictures)) <= _GROWN * self._size


class Readers:
    """The readers of sets."""

    def __init__(self, workspace: Workspace, manager: ModelManager, pictures: Pictures) -> None:
        self._workspace = workspace
        self._manager = manager
        self._pictures = pictures
        self._kept: Recent[str, Reader] = Recent(4)

    def check(self, plan: Plan) -> None:
        """Raises: SettingsError: no model of the plan can read. ModelNotFound: one must be downloaded first."""
        if not can_judge(plan):
            raise SettingsError(
                "no model that is chosen can read captions; choose BLIP as the captioner, or switch WD14 on."
            )
        for planned in plan.running():
            if self._manager.to_download(planned.model, planned.family) is not None:
                raise ModelNotFound(
                    f"{planned.model} is not downloaded yet, so no caption is read; the settings on the right offer it."
                )

    def of_set(self, set_id: str, plan: Plan) -> Reader:
        """The set's reader, with its models loaded. Raises: as `Voices`; UnknownSet."""
        planned, kept = planned_of(plan), self._kept.get(set_id)
        if kept is None or not kept.is_of(planned, self._workspace.find_set(set_id).picture_count):
            ids = [picture.id for picture in self._workspace.pictures(set_id)]
            kept = Reader(Voices(plan, self._manager), planned, ids)
            self._kept.put(set_id, kept)
        return kept

    def looking(self, set_id: str, reader: Reader) -> Iterator[PreparationProgress]:
        """Look at all pictures that wait, one a step that does not count."""
        reader.is_looking = True
        try:
            total = len(reader.waiting)
            while reader.waiting:
                self.look(set_id, reader)
                done = total - len(reader.waiting)
                text = f"{done:,} of {plural(total, 'picture')} looked at, to compare with"
                yield PreparationProgress(text, "Reading captions", done, total)
        finally:
            reader.is_looking = False

    def look(self, set_id: str, reader: Reader, *, within_s: float = 0.0) -> None:
        """Look at the next picture to compare with, and at more for so long. One that cannot be opened is left out."""
        until = time.monotonic() + within_s
        while reader.waiting:
            picture_id = reader.waiting.popleft()
            try:
                shown = self._pictures.shown(set_id, self._workspace.view(set_id, picture_id))
                reader.voices.look_at([shown])
                reader.looked_at += 1
            except CaptionerError:  # what is wrong with it is said where the picture itself is read
                continue
            if time.monotonic() >= until:
                return


def characters(layers: Sequence[Layer]) -> Iterator[str]:
    """The words of the names that taggers gave a character in the picture, which no captioner knows."""
    for tag in (tag for layer in layers for tag in layer.tags or ()):
        if tag.category == "character" and tag.score >= _SURE_CHARACTER:
            yield from tag.name.partition("(")[0].replace("_", " ").split()
