"""Settings tried on a sample of pictures, by scores alone: which of them promise clearly more than today's.

Beams by minimum length, today's repetition penalty or several, and a length for each picture. Proposes, and applies
nothing. Loads no model: it is handed them; knows no page and no command line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from captioner.captions.plan import Plan
from captioner.captions.recipe import Recipe
from captioner.contract import ModelUser, PictureInput
from captioner.errors import ModelFailed, SettingsError
from captioner.lab.grid import Grid, changed, in_effect
from captioner.lab.measures import measure_text
from captioner.lab.run import run_cells
from captioner.lab.scores import score_caption
from captioner.lab.suggest import FEWEST_PICTURES, MOST_FALSE_GAIN, Promise, promises
from captioner.lab.voices import Heard, Voices
from captioner.plural import plural
from captioner.records import Layer

SAMPLE_PICTURES = 30
"""Enough to tell what is clearly better; spread over a set."""

BEAMS = (1, 3, 8, 16)
LEAST_TOKENS = (5, 15, 22, 30, 40)
PENALTIES = (0.6, 1.0, 1.4, 5.0)
MAX_TOKENS = 60

WORDING = (
    "Another repetition penalty changes the wording, and more words look like more truth: take a proposal with another "
    "penalty only where its captions please you."
)

_FITTED_BEAMS = 3
_AT_ONCE = 8  # captions that are judged together, so that others get their turn


@dataclass(frozen=True, slots=True)
class Trial:
    """Settings to try.

    title: in words. settings: what they change of today's; none for today's. plan: as it is run, the captioner alone.
    is_fitted: the length is fitted to each picture.
    """

    title: str
    settings: Mapping[str, Any]
    plan: Plan
    is_fitted: bool = False

    @property
    def is_base(self) -> bool:
        """Whether these are today's settings."""
        return not self.settings


@dataclass(frozen=True, slots=True)
class Seen:
    """What the trials made of one picture. name: as whoever asked calls it. captions: one a trial."""

    name: str
    captions: tuple[str, ...]
    heard: tuple[Heard, ...]


def trials_around(base: Plan, *, has_penalties: bool = False, models: str = "auto") -> tuple[Trial, ...]:
    """Today's settings, those of the grid that are others, and a length for each picture.

    Args: has_penalties: four repetition penalties instead of today's. models: as `Plan.from_flat`.
    Raises: SettingsError: the captioner is off, or has other settings than these.
    """
    today = base.captioner
    names = {field.name for field in today.settings.fields()}
    if not today.model or not {"num_beams", "min_length", "max_length", "fit_length"} <= names:
        who = f"{today.model} has" if today.model else "no captioner is on; it must have"
        raise SettingsError(f"{who} no beams and lengths to choose; choose BLIP as the captioner.")
    values = today.settings.to_mapping()
    longest = max(MAX_TOKENS, values["max_length"])
    penalties = PENALTIES if has_penalties else (values["repetition_penalty"],)
    found = [Trial("as now", {}, _alone(base))]
    known = {in_effect(found[0].plan)}
    for penalty, beams, least in product(penalties, BEAMS, LEAST_TOKENS):
        settings = {
            "method": "beam",
            "num_beams": beams,
            "min_length": least,
            "max_length": longest,
            "repetition_penalty": penalty,
            "fit_length": False,
        }
        length = f"at least {least} tokens" if longest == values["max_length"] else f"{least} to {longest} tokens"
        title = f"{plural(beams, 'beam')}, {length}"
        _add(found, known, f"{title}, penalty {penalty:g}" if has_penalties else title, settings, base, models)
    beams = values["num_beams"] if values["method"] == "beam" and values["num_beams"] > 1 else _FITTED_BEAMS
    settings = {
        "method": "beam",
        "num_beams": beams,
        "min_length": LEAST_TOKENS[0],
        "max_length": longest,
        "fit_length": True,
    }
    _add(found, known, f"{beams} beams, a length for each picture", settings, base, models)
    return tuple(found)


def _add(
    found: list[Trial], known: set[tuple[Any, ...]], title: str, settings: Mapping[str, Any], base: Plan, models: str
) -> None:
    plan = _alone(changed(base, settings, models))
    if in_effect(plan) not in known:
        known.add(in_effect(plan))
        found.append(Trial(title, settings, plan, bool(settings["fit_length"])))


def _alone(plan: Plan) -> Plan:
    """The captioner's sentence as it says it: without tags, lists and what came along."""
    return replace(plan, taggers=(), recipe=Recipe.from_mapping({"existing": "ignore"}))


class Search:
    """Trials on picture after picture. seen: the pictures so far that all trials worked on."""

    def __init__(self, trials: Sequence[Trial], voices: Voices, names: Sequence[str] = ()) -> None:
        """Args: names: as `scores.score_caption`."""
        self.trials = tuple(trials)
        self.seen: list[Seen] = []
        self._voices = voices
        self._names = names

    def look_at(
        self,
        shown: PictureInput,
        name: str,
        models: ModelUser,
        *,
        stored: Sequence[Layer] = (),
        tag_scores: Mapping[str, float] | None = None,
    ) -> Iterator[tuple[int, int]]:
        """Try all settings on a picture; gives how much of it is done, and of how much, after each step.

        Args: name: what to call it in the outcome. stored, tag_scores: as `run_cells` and `Voices.hear`.
        Raises: CaptionerError: of this picture, which does not count then.
        """
        grid = Grid((), tuple(trial.plan for trial in self.trials))
        captions: dict[int, str] = {}
        for result in run_cells(shown, grid, models, stored):
            if result.error is not None:
                raise result.error
            captions[result.cell] = result.sentence
            yield len(captions), 2 * len(grid.cells)
        if tag_scores is None:
            tag_scores = self._voices.tag_scores(shown)
        texts = sorted(set(captions.values()))
        heard: dict[str, Heard] = {}
        for start in range(0, len(texts), _AT_ONCE):
            now = texts[start : start + _AT_ONCE]
            heard |= dict(zip(now, self._voices.hear(shown, now, tag_scores=tag_scores), strict=True))
            yield len(grid.cells) * (len(texts) + len(heard)) // len(texts), 2 * len(grid.cells)
        if not all(one.is_sound for one in heard.values()):
            raise ModelFailed("what the models say of this picture's captions are no numbers; choose another model.")
        in_order = tuple(captions[cell] for cell in range(len(grid.cells)))
        self.seen.append(Seen(name, in_order, tuple(heard[text] for text in in_order)))

    def promises(self) -> list[Promise[int]]:
        """What each trial promises, in order. Raises: SettingsError: no picture was seen."""
        if not self.seen:
            raise SettingsError("no picture could be looked at, so that nothing can be proposed.")
        opinions = (opinion for one in self.seen for heard in one.heard for opinion in heard.opinions.values())
        weights = self._voices.weights.fitted_to(opinions)
        scores = {
            number: [
                score_caption(
                    one.heard[number].reading,
                    one.heard[number].opinions,
                    one.heard[number].tags,
                    weights=weights,
                    names=self._names,
                )
                for one in self.seen
            ]
            for number in range(len(self.trials))
        }
        return promises(scores, 0)

    def to_values(self, *, most: int = 6) -> dict[str, Any]:
        """The outcome as plain values, for page, API and command line.

        Args: most: pictures whose captions are shown of a proposal.
        Returns:
            pictures: how many were seen. sentence: the outcome in words. cautions: sentences.
            dots: [{"title", "settings", "true_words", "false_words", "gain", "false_gain", "error", "is_base",
                "is_fitted", "is_clear"}]; error is None for a single picture.
            proposals: [{"dot", "about", "examples": [{"name", "before", "after", "tokens_before", "tokens_after"}],
                "differing"}] of those that are clearly better, best first.
            fitted: the same of the length for each picture, better or not; None where that is today's.
        """
        found = self.promises()
        clear = sorted((one for one in found if one.is_clear), key=lambda one: one.false_gain - one.true_gain)
        fitted = next((number for number, trial in enumerate(self.trials) if trial.is_fitted), None)
        return {
            "pictures": len(self.seen),
            "sentence": self._sentence(clear),
            "dots": [_dot(trial, one) for trial, one in zip(self.trials, found, strict=True)],
            "proposals": [self._proposal(one, most) for one in self._different(clear)],
            "fitted": None if fitted is None else self._proposal(found[fitted], most),
            "cautions": self._cautions(),
        }

    def _sentence(self, clear: Sequence[Promise[int]]) -> str:
        """The outcome in words."""
        others = sum(not (trial.is_base or trial.is_fitted) for trial in self.trials)
        better = sum(not self.trials[one.name].is_fitted for one in clear)
        if better:
            return (
                f"{better} of {plural(others, 'setting')} {'is' if better == 1 else 'are'} clearly better than yours."
            )
        none = f"one of {plural(others, 'setting')} is clearly better than yours"
        return f"A length for each picture is clearly better; n{none}." if clear else f"N{none}."

    def _different(self, clear: Sequence[Promise[int]]) -> Iterator[Promise[int]]:
        """Of those that make the same captions the first in the trials' order, which takes the least time."""
        made = [tuple(one.captions[number] for one in self.seen) for number in range(len(self.trials))]
        for promise in clear:
            if not any(made[one.name] == made[promise.name] and one.name < promise.name for one in clear):
                yield promise

    def _proposal(self, promise: Promise[int], most: int) -> dict[str, Any]:
        number = promise.name
        pairs = [(one.name, one.captions[0], one.captions[number]) for one in self.seen]
        differing = [pair for pair in pairs if pair[1] != pair[2]]
        return {
            "dot": number,
            "about": promise.explained(),
            "differing": len(differing),
            "examples": [
                {
                    "name": name,
                    "before": before,
                    "after": after,
                    "tokens_before": measure_text(before).tokens,
                    "tokens_after": measure_text(after).tokens,
                }
                for name, before, after in differing[:most]
            ],
        }

    def _cautions(self) -> list[str]:
        """What a person should know of these figures."""
        said = []
        if len(self.seen) < FEWEST_PICTURES:
            said.append(f"Of fewer than {FEWEST_PICTURES} pictures nothing is proposed; 30 are worth having.")
        if not self._voices.weights.is_calibrated:
            said.append(
                "These models' doubts were never measured: settings can be compared by them, and no figure counts."
            )
        penalties = {trial.plan.captioner.settings.to_mapping()["repetition_penalty"] for trial in self.trials}
        if len(penalties) > 1:
            said.append(WORDING)
        return said


def _dot(trial: Trial, promise: Promise[int]) -> dict[str, Any]:
    is_known = promise.error != float("inf")
    return {
        "title": trial.title,
        "settings": dict(trial.settings),
        "true_words": round(promise.true_words, 4),
        "false_words": round(promise.false_words, 4),
        "gain": round(promise.true_gain, 4),
        "false_gain": round(promise.false_gain, 4),
        "error": round(promise.error, 4) if is_known else None,
        "is_base": trial.is_base,
        "is_fitted": trial.is_fitted,
        "is_clear": promise.is_clear,
    }


RULE = (
    f"Clearly better is a gain in true words of more than twice its error, with at most {MOST_FALSE_GAIN:g} more false "
    "words a caption."
)
