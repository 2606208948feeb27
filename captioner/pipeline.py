"""Pictures and settings in, layers and captions out: which models run on what, in one readable place.

A `Plan` says which models to ask and how to make text of what they say. It is made from one flat mapping, the form in
which the HTTP API, a stored caption set and the command line hold settings:

    {"captioner": "blip-base", "preset": "everydream-beam", "num_beams": 8,
     "wd14": "wd-vit-tagger-v3", "general_threshold": 0.4, "clip": "", "separator": ", "}

`captioner` and each tagger family name a model or its folder; "" switches it off and "default" takes the family's
default. Field names are unique across the settings classes, so every other key is a field of one of them. A tagger is
off unless it is named; the captioner is on unless it is "". Knows no page, no store and no file.
"""

from __future__ import annotations

import difflib
import importlib
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, Self

from captioner.captions.compose import Recipe, compose
from captioner.errors import CaptionerError, ModelFailed, ModelNotFound, SettingsError
from captioner.models import registry, sources
from captioner.models.blip import SamplingSettings, resolve_q_factor
from captioner.models.registry import ModelSpec
from captioner.records import Alternative, Caption, Forecast, Layer, Preparing, Sentence, Tag
from captioner.settings import Effect, Field, Settings

if TYPE_CHECKING:
    from PIL.Image import Image

CAPTIONER = "captioner"
PRESET = "preset"
DEFAULT = "default"

STORED_ALTERNATIVES = 9
"""Other sentences that a layer keeps, best first: with the sentence itself the ten best of a search."""

_SENTENCE_READ = "sentence"
"""Among a layer's run settings, for taggers that go on from the captioner's sentence: which one they were given."""

Q_FACTOR = Field(
    name="q_factor",
    kind=float,
    minimum=0.01,
    maximum=10_000.0,
    help="EveryDream's name: the repetition penalty under beam search, top_p under nucleus sampling.",
)
"""Another name for a sampling field, accepted beside the declared ones; `resolve_q_factor` says which it becomes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingGroup:
    """One settings class as the page and the command line show it.

    key: what names its model in the flat mapping ("captioner" or a tagger's family), or "recipe", which has no model.
    family: the model family, "" for the recipe.
    """

    key: str
    title: str
    settings: type[Settings]
    family: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggerChoice:
    """A tagger, its model's name or folder ("" when it is off), and its settings."""

    family: str
    model: str
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run and how to make captions of it.

    captioner: a model's name or folder, "" for none. family: the captioner's. taggers: those that are on, in registry
    order. switched_off: the others, whose settings are checked and remembered, so that switching one on again brings
    its values back. notes: what was understood differently from how it was written, in sentences.
    """

    captioner: str
    family: str
    sampling: Settings
    taggers: tuple[TaggerChoice, ...] = ()
    recipe: Recipe = field(default_factory=lambda: Recipe.from_mapping({}))
    switched_off: tuple[TaggerChoice, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def from_flat(cls, values: Mapping[str, Any], models: str = "auto") -> Self:
        """The plan that a flat mapping describes. Asks no disk for models; `check_models` does.

        A preset's values replace the captioner's defaults, and single fields given beside it win over it. A model's
        own defaults (`ModelSpec.defaults`) stand behind what is given.

        Args: models: "auto", "hub", "demo" or a folder of models; decides what "default" means.
        Raises:
            SettingsError: an unknown name (the closest one is suggested), an unknown preset, a value not allowed.
            ModelNotFound: a model name of the wrong kind, or no default model in a folder of models.
        """
        _check_names(values)
        name = _model_name(values, CAPTIONER, DEFAULT)
        family = _captioner_family(name)
        name = _default_model(family, models) if name == DEFAULT else name
        sampling, notes = _sampling(values, family, name)
        choices = [_tagger_choice(values, tagger_family, models) for tagger_family in registry.families("tagger")]
        return cls(
            captioner=name,
            family=family,
            sampling=sampling,
            taggers=tuple(choice for choice in choices if choice.model),
            recipe=Recipe.from_mapping(_own_fields(values, Recipe)),
            switched_off=tuple(choice for choice in choices if not choice.model),
            notes=notes,
        )

    def to_flat(self) -> dict[str, Any]:
        """The mapping that makes this plan again, with every field written out; JSON can hold it."""
        flat: dict[str, Any] = {CAPTIONER: self.captioner, **self.sampling.to_mapping()}
        for choice in (*self.taggers, *self.switched_off):
            flat |= {choice.family: choice.model, **choice.settings.to_mapping()}
        return flat | self.recipe.to_mapping()

    def models(self) -> tuple[tuple[str, str], ...]:
        """(model, family) of everything that would run."""
        own = ((self.captioner, self.family),) if self.captioner else ()
        return (*own, *((choice.model, choice.family) for choice in self.taggers))

    def settings(self) -> dict[str, Settings]:
        """By family, the settings of everything that would run."""
        return {self.family: self.sampling} | {choice.family: choice.settings for choice in self.taggers}

    def check_models(self, models: str = "auto", *, progress: sources.Progress | None = None) -> None:
        """Make sure that each model's files are here, before any is loaded; under "hub" missing ones are downloaded.

        Raises: ModelNotFound, BadModel, MissingPackage: as `sources.find_model`.
        """
        for name, family in self.models():
            sources.find_model(name, family, models, progress=progress)


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


class ModelUser(Protocol):
    """The side of `manager.ModelManager` that is needed here."""

    def use(self, name: str, family: str, /) -> AbstractContextManager[Any]:
        """The loaded model for as long as the context lasts."""

    def to_download(self, name: str, family: str, /) -> ModelSpec | None:
        """The hub model that must be fetched before this one is used, None where it is here."""


def setting_groups() -> tuple[SettingGroup, ...]:
    """Every settings class once: captioners, taggers in registry order, the recipe last."""
    groups = []
    for kind in ("captioner", "tagger"):
        for index, family in enumerate(registry.families(kind)):
            model_class = registry.family_class(family)
            key = CAPTIONER if kind == "captioner" and index == 0 else family
            title = getattr(model_class, "title", family.upper())
            groups.append(SettingGroup(key=key, title=title, settings=model_class.Settings, family=family))
    return (*groups, SettingGroup(key="recipe", title="Caption text", settings=Recipe))


def presets(family: str) -> Mapping[str, Settings]:
    """A captioner family's presets by name; a module that has none offers none."""
    module = importlib.import_module(registry.of_family(family)[0].entry.partition(":")[0])
    found: Mapping[str, Settings] = getattr(module, "PRESETS", {})
    return found


def default_settings(family: str, model: str) -> Settings:
    """A family's settings as a model wants them: the class's defaults, then the model's own."""
    settings: Settings = registry.family_class(family).Settings.from_mapping(_model_defaults(model))
    return settings


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


def can_prepare(plan: Plan) -> bool:
    """Whether a model of the plan may have something to prepare."""
    return any(hasattr(registry.family_class(family), "prepare_steps") for _, family in plan.models())


def forecasts(
    plan: Plan, manager: ModelUser, *, only: Collection[str] | None = None
) -> Iterator[tuple[str, str, Forecast]]:
    """(model, family, forecast) of models that have something noticeable to prepare before their first picture.

    Those that are not on this machine have a download before all else. Loads those that could have something.
    Args: only: families that matter, all where it is None.
    """
    settings = plan.settings()
    for name, family in _models_of(plan, only):
        spec = manager.to_download(name, family)
        if spec is not None:
            yield name, family, Forecast(spec.download_mb, "MB", None, is_download=True)
        elif hasattr(registry.family_class(family), "forecast"):
            with manager.use(name, family) as model:
                found: Forecast = model.forecast(settings[family])
            if found.is_noticeable:
                yield name, family, found


def prepare_steps(
    plan: Plan, manager: ModelUser, *, only: Collection[str] | None = None, published: bool = False
) -> Iterator[tuple[str, Preparing]]:
    """Fetch models, and let them do in small steps what they need once before the first picture (CLIP embeds its
    labels).

    What is done when this is closed is kept, and what is prepared already takes no step.
    Args: only: as in `forecasts`. published: fetch what others have published instead (see `records.Tagger`).
    Yields: the model's name, and how far it is.
    """
    settings = plan.settings()
    for name, family in _models_of(plan, only):
        spec = manager.to_download(name, family)
        if spec is not None:
            for done, total in sources.download_steps(spec):
                yield name, Preparing(done // 1_000_000, total // 1_000_000 or spec.download_mb, "MB")
        if hasattr(registry.family_class(family), "prepare_steps"):
            with manager.use(name, family) as model:
                for step in model.prepare_steps(settings[family], published=published):
                    yield name, step


def _models_of(plan: Plan, families: Collection[str] | None) -> list[tuple[str, str]]:
    return [(name, family) for name, family in plan.models() if families is None or family in families]


def forecast_text(model: str, forecast: Forecast) -> str:
    """A forecast as the beginning of a sentence: "clip-v1 has 111,867 labels to embed once, about 31 min"."""
    if forecast.is_download:
        size = f" ({forecast.count:,} MB)" if forecast.count else ""
        return f"{model} is not on this machine and must be downloaded once{size}"
    about = "" if forecast.seconds is None else f", about {duration(forecast.seconds)}"
    return f"{model} has {forecast.count:,} {forecast.things} once{about}"


def duration(seconds: float) -> str:
    """A time that need not be exact, in words."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


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


def families_to_run(layers: Sequence[Layer], plan: Plan) -> tuple[str, ...]:
    """The families whose layer is missing or was made by another model or other RUN settings than the plan's.

    Fields that have no effect do not count: another seed changes nothing under beam search.
    A tagger that goes on from the sentence runs again when the captioner does, or another sentence stands there now.
    """
    current = latest(layers)
    settings = plan.settings()
    sentence = _sentence(layers, plan)
    due: list[str] = []
    for model, family in plan.models():
        expected = settings[family].to_mapping(Effect.RUN)
        reads_sentence = _reads_sentence(family, settings[family])
        if reads_sentence:
            expected[_SENTENCE_READ] = sentence
        layer = current.get(family)
        if (
            layer is None
            or layer.model != model
            or _effective(layer.run_settings, settings[family]) != _effective(expected, settings[family])
            or (reads_sentence and plan.family in due)
        ):
            due.append(family)
    return tuple(due)


def caption_text(layers: Sequence[Layer], plan: Plan, existing: str = "") -> Caption:
    """The caption that layers make under a plan. Runs no model: thresholds and recipe work on stored scores.

    Args: layers: of one picture; the newest of each family counts, families that are off do not.
    """
    said = latest(layers).get(plan.family) if plan.captioner else None
    sentence = said.sentence if said else None
    return compose(sentence, kept_tags(layers, plan), plan.recipe, existing=existing, sentence_source=plan.family)


def kept_tags(layers: Sequence[Layer], plan: Plan) -> list[Tag]:
    """The tags that pass each tagger's COMPOSE settings, best first within a tagger, before the recipe."""
    current = latest(layers)
    kept: list[Tag] = []
    for choice in plan.taggers:
        layer = current.get(choice.family)
        if layer is not None and layer.tags is not None:
            kept += registry.family_class(choice.family).keep(layer.tags, choice.settings)
    return kept


def sentence_to_read(family: str, layers: Sequence[Layer], plan: Plan) -> str | None:
    """The sentence among a picture's layers that a family's tagger goes on from ("" for none); None: it reads none."""
    settings = {choice.family: choice.settings for choice in plan.taggers}.get(family)
    return None if settings is None or not _reads_sentence(family, settings) else _sentence(layers, plan)


def sentence_read(layer: Layer) -> str | None:
    """The sentence that a tagger went on from when it made this layer; None: it read none."""
    read: str | None = layer.run_settings.get(_SENTENCE_READ)
    return read


def latest(layers: Sequence[Layer]) -> dict[str, Layer]:
    """By family, the newest of a picture's layers: the one that counts."""
    return {layer.family: layer for layer in sorted(layers, key=lambda layer: layer.created_at)}


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
            is_read = any(_reads_sentence(other, settings[other]) for other in only if other in settings)
            if family != plan.family or not is_read:
                continue
            todo = [
                (picture_id, image) for picture_id, image in todo if not _sentence(stored.get(picture_id, ()), plan)
            ]
        if not todo:
            continue
        sentences: list[str] | None = None
        if _reads_sentence(family, settings[family]):
            known = [(*stored.get(picture_id, ()), *layers[picture_id]) for picture_id, _ in todo]
            sentences = [_sentence(at_hand, plan) for at_hand in known]
        with manager.use(name, family) as model:
            answers = _answers(model, [image for _, image in todo], settings[family], sentences)
            for place, ((picture_id, _), answer) in enumerate(zip(todo, answers, strict=True)):
                if isinstance(answer, CaptionerError):
                    errors[picture_id] = answer
                    continue
                run_settings = settings[family].to_mapping(Effect.RUN)
                if sentences is not None:
                    run_settings[_SENTENCE_READ] = sentences[place]
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


def _reads_sentence(family: str, settings: Settings) -> bool:
    """Whether a tagger with these settings goes on from the captioner's sentence, by its `uses_sentence`."""
    uses_sentence = getattr(registry.family_class(family), "uses_sentence", None)
    return uses_sentence is not None and bool(uses_sentence(settings))


def _sentence(layers: Sequence[Layer], plan: Plan) -> str:
    """What the plan's captioner said last; "" when it is off or said nothing yet."""
    said = latest(layers).get(plan.family) if plan.captioner else None
    return said.sentence.text if said and said.sentence else ""


def _effective(run_settings: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """The run settings without fields that by their own `only_when` have no effect among these values."""
    idle = {
        declared.name
        for declared in settings.fields()
        if declared.only_when
        and run_settings.get(declared.only_when[0], declared.only_when[1]) != declared.only_when[1]
    }
    return {name: value for name, value in run_settings.items() if name not in idle}


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


def _known_names() -> list[str]:
    names = [CAPTIONER, PRESET, *registry.families("tagger")]
    for group in setting_groups():
        names += [declared.name for declared in group.settings.fields()]
    return [*names, Q_FACTOR.name]


def _check_names(values: Mapping[str, Any]) -> None:
    known = _known_names()
    for name in values:
        if name in known:
            continue
        close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.6)
        advice = f"did you mean {close[0]}?" if close else f"the settings are {', '.join(known)}."
        raise SettingsError(f"{str(name)[:80]} is not a setting; {advice}")


def _model_name(values: Mapping[str, Any], key: str, default: str) -> str:
    name = values.get(key, default)
    if not isinstance(name, str) or len(name) > 4096:
        raise SettingsError(
            f'{key} is {str(name)[:80]}; it must be a model\'s name, its folder, "{DEFAULT}", or "" for none.'
        )
    return name.strip()


def _default_model(family: str, models: str) -> str:
    name = sources.default_model(family, models)
    if not name:
        raise ModelNotFound(f"there is no demo model of {family}; leave {family} out or use real models.")
    return name


def _captioner_family(name: str) -> str:
    """The family of a captioner by name; a folder, "default" and "" mean the first family.

    Raises: ModelNotFound: the name is a tagger's.
    """
    first = registry.families("captioner")[0]
    for spec in registry.MODELS:
        if spec.name == name and spec.kind != "captioner":
            captioners = ", ".join(spec.name for spec in registry.MODELS if spec.kind == "captioner")
            raise ModelNotFound(f"{name} is a tagger and writes no sentences; the captioners are {captioners}.")
        if spec.name == name:
            return spec.family
    return first


def _own_fields(values: Mapping[str, Any], settings: type[Settings]) -> dict[str, Any]:
    return {declared.name: values[declared.name] for declared in settings.fields() if declared.name in values}


def _model_defaults(model: str) -> Mapping[str, Any]:
    return next((spec.defaults for spec in registry.MODELS if spec.name == model), {})


def _sampling(values: Mapping[str, Any], family: str, model: str) -> tuple[Settings, tuple[str, ...]]:
    """The captioner's settings: its defaults, the model's, the preset's, the given fields; and what to tell."""
    settings_class: type[Settings] = registry.family_class(family).Settings
    chosen = dict(_model_defaults(model))
    preset = values.get(PRESET, "")
    if preset != "":
        known = presets(family)
        if not isinstance(preset, str) or preset not in known:
            names = ", ".join(known) or "none"
            raise SettingsError(f"no preset is called {str(preset)[:80]!r}; the presets are {names}.")
        chosen = known[preset].to_mapping()
    chosen |= _own_fields(values, settings_class)
    notes: tuple[str, ...] = ()
    if Q_FACTOR.name in values:
        if not issubclass(settings_class, SamplingSettings):
            raise SettingsError(f"{Q_FACTOR.name} is a setting of BLIP; the captioner here is {model}.")
        chosen, notes = resolve_q_factor({**chosen, Q_FACTOR.name: values[Q_FACTOR.name]})
    return settings_class.from_mapping(chosen), notes


def _tagger_choice(values: Mapping[str, Any], family: str, models: str) -> TaggerChoice:
    name = _model_name(values, family, "")
    if name == DEFAULT:
        name = _default_model(family, models)
    spec = next((spec for spec in registry.MODELS if spec.name == name), None)
    if spec is not None and spec.family != family:
        names = ", ".join(spec.name for spec in registry.of_family(family))
        raise ModelNotFound(f"{name} is a {spec.family} model; {family} takes one of {names}, or a folder.")
    settings_class = registry.family_class(family).Settings
    chosen = {**_model_defaults(name), **_own_fields(values, settings_class)}
    return TaggerChoice(family=family, model=name, settings=settings_class.from_mapping(chosen))
