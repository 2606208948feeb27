"""What was read of the captions of a set, at hand: figures a picture, and where a word stands among all of the set.

Read from the workspace once, and kept up to date by who reads. Runs no model.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from captioner.lab.doubts import Told, doubted, doubts_of, fillers_of, from_content, in_words, worst_of
from captioner.lab.scores import CaptionScore, Standing, Weights
from captioner.models.manager import ModelManager
from captioner.service.readers import Planned
from captioner.service.recent import Recent
from captioner.service.set_slopes import OwnSlope, own_slope
from captioner.workspace import Workspace
from captioner.workspace.readings import StoredReading

_NOT_MEASURED = (
    "These models were never measured, so a word is told by its place among the set's words, not by a percentage."
)
_MEASURED = "The figures are an order, not a promise: a captioner that is wrong and sure of it is doubted too little."
_SENTENCE = "The sentence is read; tags have scores of their own."


class _Figures(NamedTuple):
    """Of one reading. worst: a score of its most doubtful word alone. nats: of all its words."""

    caption: str
    read_by: Mapping[str, Any]
    is_measured: bool
    worst: CaptionScore
    false_words: float
    of_words: int
    nats: tuple[float, ...]


class SetReadings:
    """The readings of one set. names: words that nobody judges, by the set's settings. slope: the set's own."""

    def __init__(
        self,
        stored: Mapping[str, StoredReading],
        names: frozenset[str],
        manager: ModelManager,
        slope: OwnSlope | None = None,
    ) -> None:
        self.names = names
        self.slope = slope
        self._manager = manager
        self._figures = {picture_id: self._figures_of(reading) for picture_id, reading in stored.items()}
        self._standing: Standing | None = None

    def __contains__(self, picture_id: str) -> bool:
        return picture_id in self._figures

    def __iter__(self) -> Iterator[str]:
        """The ids of the pictures that were read, some of which may be removed by now."""
        return iter([*self._figures])

    def put(self, picture_id: str, reading: StoredReading) -> None:
        """Take a reading in."""
        self._figures[picture_id] = self._figures_of(reading)
        self._standing = None

    def is_fresh(self, picture_id: str, text: str, planned: Planned) -> bool:
        """Whether this very text of a picture was read by these models, with the weights they have where they are
        loaded."""
        figures = self._figures.get(picture_id)
        if figures is None or figures.caption != text or figures.read_by["planned"] != planned:
            return False
        revisions = figures.read_by["revisions"]
        return all(revisions.get(one.name, one.revision) == one.revision for one in self._manager.report())

    def entry(self, picture_id: str, text: str, planned: Planned) -> dict[str, Any]:
        """A picture's figures, see `Doubt.of_set`. Args: text: its caption now."""
        figures = self._figures[picture_id]
        if figures.caption != text:
            return {"is_stale": True}
        told = self._told(figures.read_by, is_measured=figures.is_measured)
        worst = worst_of(figures.worst, told)
        return {
            "is_stale": not self.is_fresh(picture_id, text, planned),
            "score": None if worst is None else round(worst, 4),
            "false_words": round(figures.false_words, 2) if figures.is_measured else None,
            "of_words": figures.of_words,
            "has_doubt": bool(doubted(figures.worst, told)),
        }

    def shown(self, reading: StoredReading) -> dict[str, Any]:
        """A reading as the editor shows it: doubts, fillers, said, notes; see `Doubt.of_text`."""
        content, text = reading.content, reading.caption
        is_measured = self._is_measured(reading)
        score, told = self._score(reading), self._told(reading.read_by, is_measured=is_measured)
        notes = [f"Asked: {', '.join(reading.read_by['revisions'])}.", *content["notes"]]
        if score.words:
            notes += [_SENTENCE, _MEASURED if is_measured else _NOT_MEASURED]
        if score.unjudged:
            notes.append(f"Not judged: {', '.join(score.unjudged)}.")
        return {
            "doubts": doubts_of(text, score, told, range(content["start"], content["end"])),
            "fillers": fillers_of(text, score, told, range(content["start"], content["end"])),
            "said": in_words(score, told) if score.words or score.unjudged else "",
            "notes": notes,
        }

    def _score(self, reading: StoredReading) -> CaptionScore:
        content = reading.content
        part = reading.caption[content["start"] : content["end"]]
        slope = self._slope_of(reading)
        weights = slope.fitted(Weights()) if slope else None
        return from_content(part, content, weights).without({*self.names, *content["names"]})

    def _slope_of(self, reading: StoredReading) -> OwnSlope | None:
        """The set's own slope, where it is for the models that read."""
        return self.slope if self.slope and self.slope.is_for(reading.read_by["revisions"]) else None

    def _is_measured(self, reading: StoredReading) -> bool:
        """Whether probabilities may be told: models were measured, or a slope was fitted to a person's ratings."""
        return self._slope_of(reading) is not None or bool(reading.content["is_measured"])

    def _figures_of(self, reading: StoredReading) -> _Figures:
        score = self._score(reading)
        worst = CaptionScore.of_words([score.worst] if score.worst else [], is_edit=score.is_edit)
        return _Figures(
            reading.caption,
            reading.read_by,
            self._is_measured(reading),
            worst,
            score.false_words,
            len(score.words),
            tuple(word.nats for word in score.words),
        )

    def _told(self, read_by: Mapping[str, Any], *, is_measured: bool) -> Told:
        return Told(**read_by["titles"], standing=None if is_measured else self._standing_now())

    def _standing_now(self) -> Standing:
        if self._standing is None:
            self._standing = Standing.of_nats(nats for one in [*self._figures.values()] for nats in one.nats)
        return self._standing


class KnownReadings:
    """The readings of the sets that were asked about last."""

    def __init__(self, workspace: Workspace, manager: ModelManager) -> None:
        self._workspace = workspace
        self._manager = manager
        self._kept: Recent[str, SetReadings] = Recent(16)
        self._lock = threading.Lock()

    def of_set(self, set_id: str, names: frozenset[str]) -> SetReadings:
        """The set's readings. Args: names: words that nobody judges. Raises: UnknownSet."""
        slope = own_slope(self._workspace.settings(set_id))
        with self._lock:
            kept = self._kept.get(set_id)
            if kept is None or (kept.names, kept.slope) != (names, slope):
                kept = SetReadings(self._workspace.readings.of_set(set_id), names, self._manager, slope)
                self._kept.put(set_id, kept)
            return kept

    def put(self, set_id: str, picture_id: str, reading: StoredReading) -> None:
        """Take in a reading that was stored."""
        with self._lock:
            kept = self._kept.get(set_id)
            if kept is not None:
                kept.put(picture_id, reading)
