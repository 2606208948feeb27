"""One picture while a person waits for it: the live preview, its tags, further sentences, one caption for a program.

What was tried is kept in memory, so that a model runs only for what is new; `caption_one` alone stores what models
say. Model work goes through the worker, before any job's next step. Knows no job.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, NamedTuple

from captioner.captions.kind_readings import other_readings
from captioner.captions.layers import (
    as_of_plan,
    due,
    existing_due,
    existing_policy,
    in_reading_order,
    latest,
    of_plan,
    read_families,
    run_key,
    what_it_read,
    what_it_reads,
    with_existing_used,
)
from captioner.captions.plan import Plan
from captioner.captions.review import Reading
from captioner.captions.tokens import count_tokens
from captioner.errors import CaptionerError, SettingsError
from captioner.models import registry
from captioner.models.manager import ModelManager
from captioner.pipeline import can_draw, draw_sentences, make_layers
from captioner.preparation import forecast_text, forecasts
from captioner.records import Alternative, Forecast, Layer
from captioner.service.choices import Choices
from captioner.service.details import details_of, kinds_of
from captioner.service.newest import Newest, Question
from captioner.service.pictures import Pictures
from captioner.service.recent import Recent
from captioner.service.reviews import rewritten
from captioner.service.stages import lane_of, stages_of
from captioner.worker import LOCAL, Worker
from captioner.workspace import Workspace
from captioner.workspace.records import View

_log = logging.getLogger(__name__)

DRAWN_AT_ONCE = 4
_QUICK_S = 2.0
"""A model that took less for its last answer is asked again without a press on a button, once the settings rest."""


class _Drawn(NamedTuple):
    """Further sentences that a person asked for, and how many seeds from the settings' own on are used up."""

    seeds: int
    sentences: tuple[Alternative, ...] = ()


class LivePreview:
    """What visitors try on pictures of their sets."""

    def __init__(
        self, workspace: Workspace, worker: Worker, manager: ModelManager, choices: Choices, pictures: Pictures
    ) -> None:
        self._workspace = workspace
        self._worker = worker
        self._manager = manager
        self._choices = choices
        self._pictures = pictures
        self._previewed: Recent[tuple[Any, ...], Layer] = Recent(512)  # by picture, family, settings, sentence read
        self._drawn: Recent[tuple[Any, ...], _Drawn] = Recent(256)  # by picture, family, settings, what was read
        self._took_s: dict[tuple[str, str], float] = {}  # a model that is not live for its last answer, once loaded
        self._newest = Newest(worker)
        self._has_warmed = False

    def preview(
        self,
        set_id: str,
        picture_id: str,
        values: Mapping[str, Any],
        before: Mapping[str, Any] | None = None,
        *,
        is_whole: bool = False,
        is_asked: bool = False,
        tab: str = "",
    ) -> dict[str, Any]:
        """What the page's settings make of one picture; stores nothing.

        A model runs only where its own settings changed or it never saw the picture: a threshold or the recipe works
        on scores that are there. A model that must be prepared for longer than a person waits is left out.
        A model that is not live (`contract.Model.is_live`) runs only when a person asks: what it said last serves.
        Args: before: the settings as they were before they were moved, the set's where it is None. is_whole: run what
            other settings made too, whatever was moved. is_asked: run models that are not live too. tab: who asks,
            of whose questions only the newest is worked on; "" for somebody who wants an answer to each.
        Returns: {"text": without the frame, "caption": with it, "glitch": as in `Rows.of_views`, "details": as
            `details`, "unprepared": None, or of the models left out {"text": what is missing, "action": what a button
            says or "", "download_mb": what fetching published parts instead takes, 0 where there are none}, "untried":
            None, or of models that wait to be asked {"text": which, "is_quick": whether they may be asked once the
            settings rest}}.
        Raises: Superseded: the tab asked anew. SettingsError, ModelNotFound, BadModel, ModelFailed, UnknownSet, ...
        """
        plan = self._choices.plan_of(values)
        planned_before = self._choices.stored_plan(set_id) if before is None else self._choices.plan_of(before)
        view = self._workspace.view(set_id, picture_id)
        stored = self._workspace.layers(set_id, picture_id)
        layers, missing = self._layers_at_hand(view, stored, plan, None if is_whole else planned_before)
        idle = [] if is_asked else [family for family in missing if not registry.family_class(family).is_live]
        own = of_plan(stored, plan)
        layers += [layer for layer in own if layer.family in idle]
        unsaid = {family for family in idle if all(layer.family != family for layer in own)}
        readers = {one.family for one in plan.running() if read_families(one, plan) & unsaid}  # they would ask those
        missing = [family for family in missing if family not in idle and family not in readers]
        unprepared: dict[str, Forecast] = {}
        with self._newest.question(tab or None) as question:
            for left_out in self._run_in_lanes(set_id, view, plan, missing, layers, question):
                unprepared |= left_out
        reading = Reading(layers, plan, view.existing)
        caption = reading.suggestion or reading.caption
        return {
            "text": caption.inner,
            "caption": caption.text,
            "glitch": reading.glitch or "",
            "details": self._details(set_id, view, layers, reading, plan),
            "unprepared": _missing(unprepared) if unprepared else None,
            "untried": self._untried(plan, idle) if idle else None,
        }

    def _untried(self, plan: Plan, families: Sequence[str]) -> dict[str, Any]:
        """What `preview` says of models that wait to be asked."""
        waiting = [planned for planned in plan.running() if planned.family in families]
        names = " and ".join(planned.model for planned in waiting)
        is_quick = all(self._took_s.get((one.family, one.model), _QUICK_S) < _QUICK_S for one in waiting)
        return {
            "text": f"{names} {'is' if len(waiting) == 1 else 'are'} asked about this picture when you say so.",
            "is_quick": is_quick and not any(registry.family_class(family).is_remote for family in families),
        }

    def use_preview(self, set_id: str, picture_id: str, values: Mapping[str, Any], seen: str, base: int) -> bool:
        """Make a preview the picture's caption by storing the layers that made it, instead of an edit if there is one.

        So the caption goes on following the settings. One step for undo.
        Args: seen: the text that `preview` gave. base: the revision of the edit that the person saw.
        Returns: whether it was done; not where the preview would say something else by now, or an edit changed.
        """
        plan = self._choices.plan_of(values)
        view = self._workspace.view(set_id, picture_id)
        layers, _ = self._layers_at_hand(view, self._workspace.layers(set_id, picture_id), plan, plan)
        said = Reading(layers, plan, view.existing).suggestion
        if said is None or said.inner != seen or view.revision != base:
            return False
        policy = existing_policy(self._workspace.layers(set_id, picture_id), plan)
        policy = "ignore" if policy == "keep" and not plan.kind else policy  # it takes the kept one's place
        own = [replace(layer, picture_id=view.id) for layer in layers]  # an equal picture may have been asked
        own = with_existing_used(own, policy, created_at=time.time())
        self._workspace.put_layers(set_id, own, label="Use", replaces_edits=True)
        return True

    def caption_one(self, set_id: str, picture_id: str, plan: Plan) -> str:
        """Run a plan's models on one picture, store what they say, and return the caption that makes of it.

        The picture's edit, if it has one, stays as it is.
        """
        view = self._workspace.view(set_id, picture_id)
        stored = self._workspace.layers(set_id, picture_id)
        missing = due(stored, plan, view.name, view.existing, view.folder)
        at_hand = [layer for layer in of_plan(stored, plan) if layer.family not in missing]
        layers = list(at_hand)
        with self._newest.question(None) as question:
            for unprepared in self._run_in_lanes(set_id, view, plan, missing, layers, question):
                for name, forecast in unprepared.items():
                    text = forecast_text(name, forecast)
                    raise CaptionerError(f"{text}; captioning the whole set does it.", code="not_prepared")
        made = with_existing_used(layers, existing_policy(stored, plan), created_at=time.time())
        changed = made if existing_due(stored, plan, view.existing) else made[len(at_hand) :]
        if changed:
            lost = rewritten([view], {view.id: stored}, changed, plan)
            self._workspace.put_layers(set_id, changed, label="Caption", unreviewed=lost)
        self._choices.store(set_id, plan)
        return Reading(made, plan, view.existing).caption.text

    def warm_up(self, set_id: str) -> None:
        """Load the captioner in the background once the first picture has come: its caption is asked for next."""
        if self._has_warmed:
            return
        self._has_warmed = True
        plan = self._choices.stored_plan(set_id)

        def load() -> None:
            count_tokens("a caption")  # reads CLIP's word list
            for planned in plan.running():
                if lane_of(planned) != LOCAL:
                    continue  # a server is asked when a person wants something of it
                if self._manager.to_download(planned.model, planned.family) is None:  # a download is announced first
                    with self._manager.use(planned.model, planned.family):
                        pass

        def report(future: Future[None]) -> None:
            error = None if future.cancelled() else future.exception()
            if error is not None:
                _log.info("no model was loaded in advance: %s", error)  # said again, aloud, when one is needed

        self._worker.ask(load).add_done_callback(report)

    # Which layers serve, and which models must run

    def _layers_at_hand(
        self, view: View, stored: Sequence[Layer], plan: Plan, before: Plan | None
    ) -> tuple[list[Layer], list[str]]:
        """Layers that serve a preview, and the families that must run for it.

        A model that reads others' layers is asked again for other ones, whatever its own settings are.
        """
        layers: list[Layer] = []
        missing: list[str] = []
        by_family = latest(stored, plan)
        unfit = due(stored, plan, view.name, view.existing, view.folder)
        planned_before = {planned.family: planned for planned in before.running()} if before else {}
        for planned in in_reading_order(plan):
            family = planned.family
            own = by_family.get(family)
            read = what_it_reads(planned, plan, layers, view.name, view.existing, view.folder)
            if read_families(planned, plan) & set(missing):
                missing.append(family)  # what it reads is still to come
            elif own is not None and family not in unfit:
                layers.append(own)
            elif (tried := self._previewed.get((view.digest, run_key(planned, read)))) is not None:
                layers.append(as_of_plan(tried, planned, plan))
            elif (
                own is not None
                and family in planned_before
                and run_key(planned_before[family], read) == run_key(planned, what_it_read(own))
            ):
                layers.append(own)  # the person changed something else
            else:
                missing.append(family)
        return layers, missing

    def _run_in_lanes(
        self, set_id: str, view: View, plan: Plan, families: Sequence[str], layers: list[Layer], question: Question
    ) -> Iterator[dict[str, Forecast]]:
        """Run families' models, each where its turn is, and add what they say to the picture's other layers.

        Yields: after those of a lane, the ones that are not prepared and what they have to prepare, by name.
        """
        for stage in stages_of(plan, families):
            run = functools.partial(self._run_prepared, set_id, view, plan, stage.families, tuple(layers))
            fresh, unprepared = question.ask(run, lane=stage.lane)
            layers += fresh
            yield unprepared

    def _run_prepared(
        self, set_id: str, view: View, plan: Plan, families: Sequence[str], at_hand: Sequence[Layer]
    ) -> tuple[list[Layer], dict[str, Forecast]]:
        """As `_run`, without the models that are not prepared, and what those have to prepare, by name."""
        left_out = list(forecasts(plan, self._manager, only=families))
        names = {family for _, family, _ in left_out}
        ready = [family for family in families if family not in names]
        layers = self._run(set_id, view, plan, ready, at_hand) if ready else []
        return layers, {name: forecast for name, _, forecast in left_out}

    def _run(
        self, set_id: str, view: View, plan: Plan, families: Sequence[str], at_hand: Sequence[Layer]
    ) -> list[Layer]:
        """Runs on the worker's thread. Args: at_hand: the picture's other layers. Raises: what went wrong with it."""
        picture = (view.id, self._pictures.shown(set_id, view))
        asked = [planned for planned in plan.running() if planned.family in families]
        slow = [planned for planned in asked if not registry.family_class(planned.family).is_live]
        for planned in slow:
            with self._manager.use(planned.model, planned.family):  # loading is no part of what an answer takes
                pass
        start_s = time.perf_counter()
        [[result]] = list(make_layers([picture], plan, self._manager, only=families, stored={view.id: at_hand}))
        if result.error is not None:
            raise result.error
        for planned in slow:
            self._took_s[planned.family, planned.model] = time.perf_counter() - start_s
        by_family = {planned.family: planned for planned in plan.running()}
        for layer in result.layers:
            key = run_key(by_family[layer.family], what_it_read(layer))
            self._previewed.put((view.digest, key), layer)
        return list(result.layers)

    # Tags and other sentences

    def details(self, set_id: str, picture_id: str) -> dict[str, Any]:
        """The picture's tags with what became of them, and other sentences it could have; see `ui.details`.

        Of its stored layers, under the set's settings, as its caption is. Raises: UnknownSet, UnknownPicture.
        """
        view = self._workspace.view(set_id, picture_id)
        plan = self._choices.stored_plan(set_id)
        layers = self._workspace.layers(set_id, picture_id)
        return self._details(set_id, view, layers, Reading.at_rest(layers, plan, view.existing), plan)

    def _details(
        self, set_id: str, view: View, layers: Sequence[Layer], reading: Reading, plan: Plan
    ) -> dict[str, Any]:
        """Args: layers: those that the reading is of."""
        drawn = self._drawn.get(_drawn_key(view, layers, plan))
        plan = self._choices.knowing_kinds(set_id, plan)
        others: Mapping[str, Reading] = {}
        if plan.kinds:
            edits = self._workspace.kind_texts.of_picture(set_id, view.id)
            others = other_readings(self._workspace.layers(set_id, view.id), plan, view.existing, edits)
        return {**details_of(reading, plan, drawn.sentences if drawn else ()), "kinds": kinds_of(others)}

    def draw_sentences(self, set_id: str, picture_id: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Draw a few more sentences for a picture under nucleus sampling; they are stored nowhere.

        Returns: {"details": as `details`, the new sentences at their end; "new": how many they are}.
        Raises: SettingsError: the settings draw nothing. As `preview`.
        """
        plan = self._choices.plan_of(values)
        if not can_draw(plan):
            raise SettingsError("method is beam search or the captioner is off; only nucleus sampling can draw again.")
        view = self._workspace.view(set_id, picture_id)
        layers, _ = self._layers_at_hand(view, self._workspace.layers(set_id, picture_id), plan, plan)
        reading = Reading(layers, plan, view.existing)
        known = len(self._details(set_id, view, layers, reading, plan)["sentences"])
        self._worker.ask(lambda: self._draw(set_id, view, layers, plan), lane=lane_of(plan.captioner)).result()
        details = self._details(set_id, view, layers, reading, plan)
        return {"details": details, "new": len(details["sentences"]) - known}

    def _draw(self, set_id: str, view: View, layers: Sequence[Layer], plan: Plan) -> None:
        """Runs on the worker's thread."""
        key = _drawn_key(view, layers, plan)
        before = self._drawn.get(key) or _Drawn(seeds=1)  # the settings' own seed made the sentence itself
        shown = self._pictures.shown(set_id, view)
        found = draw_sentences(shown, plan, self._manager, layers, skip=before.seeds, count=DRAWN_AT_ONCE)
        sentences = {one.text: one for one in (*before.sentences, *found)}
        self._drawn.put(key, _Drawn(before.seeds + DRAWN_AT_ONCE, tuple(sentences.values())))


def _drawn_key(view: View, layers: Sequence[Layer], plan: Plan) -> tuple[Any, ...]:
    read = what_it_reads(plan.captioner, plan, layers, view.name, view.existing, view.folder)
    return (view.digest, run_key(plan.captioner, read))


def _missing(unprepared: Mapping[str, Forecast]) -> dict[str, Any]:
    """What `LivePreview.preview` says of models that it left out; no action where a download, which is offered beside
    the model's name, is all they need."""
    sentences = [
        f"{forecast_text(name, forecast)}, and is left out until then." for name, forecast in unprepared.items()
    ]
    return {
        "text": " ".join(sentences),
        "action": "" if all(forecast.is_download for forecast in unprepared.values()) else "Prepare now",
        "download_mb": sum(forecast.download_mb for forecast in unprepared.values()),
    }
