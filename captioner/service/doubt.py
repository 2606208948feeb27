"""Which words of a set's captions are doubtful: read by a job, or one caption while a person looks at it or types.

What was read is stored with the text and the models it is of; where either is another now it is stale, and never taken
for an answer. The sentence of a caption is read; its tags have scores of their own. Words that no model can know (the
trigger, the subject, names) are judged by nobody. Changes no caption.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from captioner.captions.plan import Plan
from captioner.captions.recipe import Recipe
from captioner.captions.spoken import capitalised, spoken
from captioner.captions.tag_rules import entries_of, piece_key
from captioner.captions.words import bare
from captioner.errors import BadPicture, ModelFailed, StoreError, UnknownPicture, UnknownSet
from captioner.models.manager import ModelManager
from captioner.records import Layer
from captioner.service.choices import Choices
from captioner.service.jobs import Jobs
from captioner.service.known_readings import KnownReadings
from captioner.service.pictures import Pictures
from captioner.service.readers import Part, Reader, Readers, can_judge, characters, planned_of
from captioner.service.recent import Recent
from captioner.service.rows import Rows
from captioner.worker import PreparationProgress, Worker
from captioner.workspace import Workspace
from captioner.workspace.readings import StoredReading
from captioner.workspace.records import View

FEW_VIEWS = 64
LOOK_S = 0.1
"""How long one question looks at pictures to compare with; who asks again has more of them looked at."""


class Doubt:
    """Answers for all sets."""

    def __init__(
        self,
        workspace: Workspace,
        worker: Worker,
        manager: ModelManager,
        *,
        choices: Choices,
        pictures: Pictures,
        rows: Rows,
        jobs: Jobs,
        readers: Readers,
    ) -> None:
        self._workspace = workspace
        self._worker = worker
        self._choices = choices
        self._pictures = pictures
        self._rows = rows
        self._jobs = jobs
        self._readers = readers
        jobs.resumes["read"] = lambda set_id, asked: self.start(set_id, asked["pictures"])
        self._known = KnownReadings(workspace, manager)
        self._tried: Recent[tuple[Any, ...], StoredReading] = Recent(64)  # what is typed is read before it is saved

    def start(self, set_id: str, picture_ids: Sequence[str] | None) -> dict[str, Any]:
        """Read all captions of a set (None) or some, as a job; those that were read as they are are passed over.

        Returns, raises: as `Jobs.start`.
        """
        plan = self._choices.stored_plan(set_id)
        self._readers.check(plan)
        wanted = None if picture_ids is None else set(picture_ids)
        rows = self._rows.of_views(set_id, self._workspace.views(set_id))
        known, planned = self._known.of_set(set_id, names_of(plan.recipe)), planned_of(plan)
        due = [
            row["id"]
            for row in rows
            if (wanted is None or row["id"] in wanted)
            and row["text"].strip()
            and not known.is_fresh(row["id"], row["text"], planned)
        ]
        if not due:
            return {"job": None}
        request = {"pictures": picture_ids and list(picture_ids)}
        steps = self._steps(set_id, due, plan)
        return self._jobs.start_steps(set_id, "read", steps, total=len(due), request=request)

    def of_set(self, set_id: str, picture_ids: Sequence[str] | None = None) -> dict[str, Any]:
        """What is known of the captions of a set (None), or of some pictures' that are there.

        Returns: can_judge: whether any model of the settings can read; readings: by picture id, for captions that were
            read: {"is_stale": the text or the models are others now; and unless the text is another: "score": how
            doubtful the worst word is, 0 to 1, None where nobody can tell; "false_words": how many of "of_words" are
            expected to be false, None where that was never measured; "has_doubt": whether a word gets a line}.
        Raises: UnknownSet.
        """
        plan = self._choices.stored_plan(set_id)
        known, planned = self._known.of_set(set_id, names_of(plan.recipe)), planned_of(plan)
        wanted = [picture_id for picture_id in (known if picture_ids is None else picture_ids) if picture_id in known]
        found = {}
        for row in self._rows.of_views(set_id, self._views(set_id, wanted)):
            found[row["id"]] = known.entry(row["id"], row["text"], planned)
        return {"can_judge": can_judge(plan), "readings": found}

    def _views(self, set_id: str, picture_ids: Sequence[str]) -> list[View]:
        """Of pictures that may be gone by now: few are looked up singly, since others of the set may be thousands."""
        if len(picture_ids) > FEW_VIEWS:
            wanted = set(picture_ids)
            return [view for view in self._workspace.views(set_id) if view.id in wanted]
        views = []
        for picture_id in picture_ids:
            with contextlib.suppress(UnknownPicture):
                views.append(self._workspace.view(set_id, picture_id))
        return views

    def of_text(self, set_id: str, picture_id: str, text: str | None = None) -> dict[str, Any]:
        """A picture's caption (None), or a text that a person types there, read now unless it was read before.

        Returns: text; doubts, fillers: see `lab.doubts`; said: the figures in words, "" where nothing was read; notes:
            who was asked, and what is not known, in sentences; entry: as in `of_set`, with the caption's "text"; None
            where nothing is stored;
            is_preliminary: there are more pictures to be looked at, to compare with: ask again.
        Raises: SettingsError: no model can read. ModelNotFound, ModelFailed, BadPicture, UnknownSet, UnknownPicture.
        """
        plan = self._choices.stored_plan(set_id)
        names, planned = names_of(plan.recipe), planned_of(plan)
        current = self._rows.of_picture(set_id, picture_id)["text"]
        text = current if text is None else text
        known = self._known.of_set(set_id, names)
        stored = self._workspace.readings.of_picture(set_id, picture_id)
        is_preliminary = False
        if stored is None or not known.is_fresh(picture_id, text, planned):
            self._readers.check(plan)
            stored, is_preliminary = self._worker.ask(lambda: self._read_live(set_id, picture_id, text, plan)).result()
        entry = {"text": current, **known.entry(picture_id, current, planned)} if picture_id in known else None
        return {"text": text, **known.shown(stored), "entry": entry, "is_preliminary": is_preliminary}

    def doubts(self, set_id: str) -> list[dict[str, Any]]:
        """All that is known of the set's captions as they are, for programs. Raises: UnknownSet.

        Returns: [{"id", "text", "doubts", "is_stale", "score", "false_words", "of_words"}] of those that were read.
        """
        found = self.of_set(set_id)["readings"]
        known = self._known.of_set(set_id, names_of(self._choices.stored_plan(set_id).recipe))
        stored = self._workspace.readings.of_set(set_id)
        return [
            {
                "id": picture_id,
                "text": stored[picture_id].caption,
                **entry,
                "doubts": known.shown(stored[picture_id])["doubts"],
            }
            for picture_id, entry in found.items()
            if "score" in entry and picture_id in stored
        ]

    # On the worker's thread

    def _steps(
        self, set_id: str, picture_ids: Sequence[str], plan: Plan
    ) -> Iterator[PreparationProgress | Exception | None]:
        """First the pictures to compare with; then one step a caption: None, or the error it failed with."""
        reader = self._readers.of_set(set_id, plan)
        yield from self._readers.looking(set_id, reader)
        for picture_id in picture_ids:
            try:
                self._read(set_id, picture_id, None, plan, reader)
            except UnknownSet:
                raise
            except UnknownPicture:
                yield None  # removed meanwhile
            except (ModelFailed, BadPicture, StoreError) as error:
                yield error
            else:
                yield None

    def _read_live(self, set_id: str, picture_id: str, text: str, plan: Plan) -> tuple[StoredReading, bool]:
        """The reading, and whether it was made before all pictures to compare with were looked at."""
        reader = self._readers.of_set(set_id, plan)
        if reader.waiting and not reader.is_looking:
            self._readers.look(set_id, reader, within_s=LOOK_S)
        return self._read(set_id, picture_id, text, plan, reader), bool(reader.waiting)

    def _read(self, set_id: str, picture_id: str, text: str | None, plan: Plan, reader: Reader) -> StoredReading:
        """Read a picture's caption (None) or another text.

        What is read of the caption that is there is stored, once all pictures to compare with were looked at.
        """
        view = self._workspace.view(set_id, picture_id)
        current = self._rows.of_views(set_id, [view])[0]["text"]
        text = current if text is None else text
        layers = self._workspace.layers(set_id, picture_id)
        is_composed = view.text is None and text == current
        said = self._rows.sentences(set_id, [view])[picture_id] if is_composed else ""
        part = _part_to_read(text, said, layers, plan)
        key = (view.digest, part, tuple(map(tuple, reader.planned)))
        reading = self._tried.get(key)
        if reading is None:
            reading = reader.read(part, layers, lambda: self._pictures.shown(set_id, view))
            if reader.waiting:
                return reading
            self._tried.put(key, reading)
        if text == current:
            self._workspace.readings.put(set_id, picture_id, reading)
            self._known.put(set_id, picture_id, reading)
        return reading


def _part_to_read(text: str, said: str, layers: Sequence[Layer], plan: Plan) -> Part:
    """Args: said: what a captioner says in the text, "" where a person wrote it."""
    is_own = (
        bool(said) and said in text and any(layer.sentence and layer.model == plan.captioner.model for layer in layers)
    )
    names = {bare(name) for name in characters(layers)}
    if is_own:
        start = text.index(said)
        return Part(text, start, start + len(said), is_own=True, names=tuple(sorted(names)))
    place = spoken(text, {piece_key(tag.name) for layer in layers for tag in layer.tags or ()})
    names |= {bare(name) for name in capitalised(text[place.start : place.stop])}
    return Part(text, place.start, place.stop, is_own=False, names=tuple(sorted(names)))


def names_of(recipe: Recipe) -> frozenset[str]:
    """The words of a set's settings that no model can know: its frame, its subject, and what words are replaced by."""
    texts = [recipe.prefix, recipe.suffix, recipe.subject_name]
    for listed in (recipe.replace, recipe.replace_text):
        texts += [entry.partition("->")[2] for entry in entries_of(listed)]
    return frozenset(word for text in texts for word in map(bare, text.replace(",", " ").split()) if word)
