"""Find settings: a search on a sample of a set's pictures, as a job; what it found, and taking one of the proposals.

What was found is kept in the set until another search finds something. Changes no caption, and no setting unasked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from captioner.captions.plan import Plan
from captioner.errors import CaptionerError, SettingsError, UnknownSet
from captioner.lab.grid import changed
from captioner.lab.proposals import RULE, SAMPLE_PICTURES, Search, Trial, trials_around
from captioner.lab.voices import spread
from captioner.models.manager import ModelManager
from captioner.plural import plural
from captioner.service.choices import Choices
from captioner.service.doubt import names_of
from captioner.service.jobs import Jobs
from captioner.service.pictures import Pictures
from captioner.service.readers import Readers
from captioner.service.recent import Recent
from captioner.worker import PreparationProgress
from captioner.workspace import Workspace
from captioner.workspace.records import View

_LOOK_AGAIN = 5  # pictures; the chart follows


@dataclass(slots=True)
class _Kept:
    """A search of a set. values: what was found so far, as `Search.to_values`, with who was asked."""

    plan: Plan
    trials: Sequence[Trial]
    job_id: str = ""
    values: dict[str, Any] | None = None
    failed: list[str] = field(default_factory=list)


class Suggest:
    """The searches of all sets."""

    def __init__(
        self,
        workspace: Workspace,
        manager: ModelManager,
        *,
        choices: Choices,
        pictures: Pictures,
        jobs: Jobs,
        readers: Readers,
    ) -> None:
        self._workspace = workspace
        self._manager = manager
        self._choices = choices
        self._pictures = pictures
        self._jobs = jobs
        self._readers = readers
        self._kept: Recent[str, _Kept] = Recent(64)
        jobs.resumes["suggest"] = self._search_again

    def start(self, set_id: str, plan: Plan, *, is_whole: bool = False, has_penalties: bool = False) -> dict[str, Any]:
        """Search around a plan on 30 pictures spread over the set, or on all; goes on when the page is closed.

        Args: has_penalties: try four repetition penalties, 80 settings instead of 20.
        Returns: {"job": as `Jobs.newest`}.
        Raises: SettingsError: the captioner has no such settings, nobody can judge captions, the set has no picture.
            CaptionerError: another job of the set is going on. ModelNotFound: a model must be downloaded first.
        """
        trials = trials_around(plan, has_penalties=has_penalties, models=self._choices.models)
        self._readers.check(plan)
        views = self._workspace.views(set_id)
        if not views:
            raise SettingsError("the set has no pictures; add some first.")
        chosen = list(views) if is_whole else [views[place] for place in spread(len(views), SAMPLE_PICTURES)]
        kept = _Kept(plan, trials)
        request = {"settings": plan.to_flat(), "is_whole": is_whole, "has_penalties": has_penalties}
        steps = self._steps(set_id, chosen, kept)
        answer = self._jobs.start_steps(set_id, "suggest", steps, total=len(chosen), request=request)
        kept.job_id = answer["job"]["id"]
        self._kept.put(set_id, kept)
        return answer

    def _search_again(self, set_id: str, asked: Mapping[str, Any]) -> None:
        """From the beginning: what a search found is not kept."""
        plan = Plan.from_stored(asked["settings"], self._choices.models)
        self.start(set_id, plan, is_whole=asked["is_whole"], has_penalties=asked["has_penalties"])

    def read(self, set_id: str) -> dict[str, Any]:
        """How the set's newest search stands.

        Returns: state: none, waiting, running, done, cancelled or failed; job: as `Jobs.newest`, None without one;
            found: None before there is anything, else as `Search.to_values`, and asked: names of the models that judge;
            failed: sentences of pictures that did not count; rule: what clearly better means.
        Raises: UnknownSet.
        """
        self._workspace.find_set(set_id)
        kept = self._kept.get(set_id)
        job = self._jobs.report(set_id, kept.job_id) if kept else None
        if kept is None or job is None:  # of before the app was started, if there is one
            stored = self._workspace.lab.search(set_id)
            state = "none" if not stored else "done" if stored["is_whole"] else "cancelled"
            found, failed = stored.get("found"), stored.get("failed", [])
            return {"state": state, "job": None, "found": found, "failed": failed, "rule": RULE}
        return {"state": job["state"], "job": job, "found": kept.values, "failed": list(kept.failed), "rule": RULE}

    def use(self, set_id: str, dot: int, values: Mapping[str, Any] | None) -> dict[str, Any]:
        """Make the settings of a dot the set's, as one step that undo takes back.

        Args: values: the page's settings, which stay but for what the dot changes; None takes the set's.
        Returns: {"settings": what was changed, by name}. Raises: SettingsError: there is no such dot.
        """
        found = self.read(set_id)["found"]
        if found is None or not 0 < dot < len(found["dots"]):
            raise SettingsError("these settings are not known any more; search again.")
        settings, title = found["dots"][dot]["settings"], found["dots"][dot]["title"]
        plan = self._choices.stored_plan(set_id) if values is None else self._choices.plan_of(values)
        self._choices.store(set_id, changed(plan, settings, self._choices.models), label=f"Use {title}")
        return {"settings": dict(settings)}

    def _steps(self, set_id: str, views: Sequence[View], kept: _Kept) -> Iterator[Any]:
        """As `Worker.start` takes them: one step that counts a picture. Ends where the set is deleted meanwhile."""
        try:
            yield from self._jobs.preparing(kept.plan)
            yield PreparationProgress("asking who can judge", "Finding settings", 0, 0)
            reader = self._readers.of_set(set_id, kept.plan)
            yield from self._readers.looking(set_id, reader)
            search = Search(kept.trials, reader.voices, sorted(names_of(kept.plan.recipe)))
            for number, view in enumerate(views):
                error: CaptionerError | None = None
                try:
                    shown = self._pictures.shown(set_id, self._workspace.view(set_id, view.id))
                    stored = [one for one in self._workspace.layers(set_id, view.id) if not one.is_damaged]
                    tags = reader.tag_scores(stored)
                    for done, total in search.look_at(shown, view.id, self._manager, stored=stored, tag_scores=tags):
                        part = (number * total + done, len(views) * total)
                        settings = plural(len(kept.trials), "setting")
                        text = f"{number:,} of {plural(len(views), 'picture')} tried with {settings}"
                        yield PreparationProgress(text, "Finding settings", *part)
                except UnknownSet:
                    raise
                except CaptionerError as found:
                    error = found
                    kept.failed.append(f"{view.name}: {found}")
                if search.seen and (number + 1 == len(views) or len(search.seen) % _LOOK_AGAIN == 0):
                    asked = {"asked": list(reader.voices.asked), "notes": list(reader.voices.notes)}
                    kept.values = {**search.to_values(), **asked}
                    is_whole = number + 1 == len(views)
                    told = {"found": kept.values, "failed": kept.failed, "is_whole": is_whole}
                    self._workspace.lab.put_search(set_id, told)
                yield error
        except UnknownSet:
            return
