"""`--recipe`: a run that makes the captions of an export again; and the recipe that each export has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.all_kinds import caption_all_kinds, with_other_kinds
from captioner.captions.caption_kinds import kind_of_title
from captioner.captions.plan import Plan
from captioner.captions.recipe_file import (
    RECIPE_NAME,
    KnownCaptions,
    MadeCaption,
    RecipeFile,
    models_of,
    recipe_bytes,
)
from captioner.cli.pictures import NamedPicture
from captioner.errors import CaptionerError, SettingsError
from captioner.formats.format import path_of
from captioner.formats.output import Output
from captioner.formats.targets import file_digest
from captioner.models.sources import find_model
from captioner.pipeline import Captioned, PictureSource
from captioner.plural import plural
from captioner.records import KIND, MAIN, Caption, Layer

if TYPE_CHECKING:
    from captioner.models.manager import ModelManager


def read_recipe(path: str) -> RecipeFile:
    """Raises: SettingsError: it cannot be read, or is none."""
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise SettingsError(f"{path} cannot be read: {reason}; give the {RECIPE_NAME} of an export.") from error
    return RecipeFile.read(data, path)


@dataclass(slots=True)
class Repeat:
    """A run by a recipe, or one without: which pictures it knows, and what it says of them.

    front: the run's kind of caption; the words that a recipe has are of its own.
    """

    recipe: RecipeFile | None = None
    front: str = MAIN
    _found: dict[int, MadeCaption] = field(default_factory=dict)

    def look(self, pictures: Sequence[NamedPicture]) -> list[str]:
        """Find the pictures that the recipe knows. Returns: what a person should know, in sentences."""
        if self.recipe is None:
            return []
        known: KnownCaptions = self.recipe.known()
        for place, picture in enumerate(pictures):
            caption = known.find(file_digest(picture.path), picture.path.name)
            if caption is not None:
                self._found[place] = caption
        fresh = len(pictures) - len(self._found)
        stale = sum(not caption.is_current for caption in self._found.values())
        notes = [f"the recipe does not know {plural(fresh, 'picture')}: its settings are applied."] if fresh else []
        if stale:
            notes.append(f"{plural(stale, 'picture')} had a caption of earlier settings, which may become another one.")
        return notes

    def existing(self, texts: list[str | CaptionerError]) -> list[str | CaptionerError]:
        """The captions that pictures bring along: as they were then, where the recipe says it."""
        return [
            self._found[place].existing if place in self._found and not isinstance(text, CaptionerError) else text
            for place, text in enumerate(texts)
        ]

    @property
    def _kind(self) -> str:
        """The kind of caption whose words the recipe has."""
        return kind_of_title(self.recipe.settings.get(KIND, MAIN)) if self.recipe else MAIN

    def _words(self, place: int) -> str | None:
        caption = self._found.get(place)
        return caption.text if caption is not None and caption.by in ("edit", "existing") else None

    def text(self, place: int) -> str | None:
        """The caption of a picture that no model said; None where models say it."""
        return self._words(place) if self._kind == self.front else None

    def captioned(
        self, sources: Iterable[PictureSource], plan: Plan, manager: ModelManager, *, batch_size: int
    ) -> Iterator[Captioned]:
        """As `pipeline.caption_pictures`; captions that no model said come first."""
        asked, said, known = [], [], []
        for source in sources:
            text = self.text(int(source.id))
            if text is None:
                asked.append(source)
            else:
                said.append(source)
                known.append(Captioned(picture_id=source.id, caption=Caption(text=text, is_edited=True)))
        if asked or plan.kinds:
            self._check_weights(plan, manager)
        yield from with_other_kinds(said, known, plan, manager, batch_size=batch_size)
        for one in caption_all_kinds(asked, plan, manager, batch_size=batch_size):
            words = self._words(int(one.picture_id))  # of another kind than the one in front, else it was not asked
            if words is not None and self._kind in one.kinds:
                one = replace(one, kinds={**one.kinds, self._kind: words})
            yield one

    def _check_weights(self, plan: Plan, manager: ModelManager) -> None:
        """Raises: SettingsError: a model has other weights than when the recipe was written."""
        digests = {} if self.recipe is None else {(one.family, one.name): one.digest for one in self.recipe.models}
        for planned in (planned for one in plan.of_all_kinds() for planned in one.running()):
            wanted = digests.get((planned.family, planned.model), "")
            if wanted:
                with manager.use(planned.model, planned.family) as model:
                    if model.revision != wanted:
                        place = find_model(planned.model, planned.family, manager.models).place
                        raise SettingsError(
                            f"the recipe was made with other weights of {planned.model} ({wanted}; in {place} lie "
                            f"{model.revision}); put those there, or leave --recipe out."
                        )


class RecipeWriter:
    """Collects how a run's captions come about. `write` at the end."""

    def __init__(self, plan: Plan, models_from: str, repeat: Repeat) -> None:
        self._plan = plan
        self._models_from = models_from
        self._repeat = repeat
        self._captions: dict[int, MadeCaption] = {}
        self._layers: dict[str, Layer] = {}

    def add(self, place: int, picture: NamedPicture, captioned: Captioned, existing: str | CaptionerError) -> None:
        """Take in what became of a picture."""
        if captioned.error is not None or captioned.caption is None:
            return
        is_repeated = self._repeat.text(place) is not None
        by_model = not captioned.was_kept and not is_repeated
        self._layers.update({layer.key: layer for layer in captioned.layers})
        self._captions[place] = MadeCaption(
            picture=path_of(picture.folder, picture.path.name),
            digest=file_digest(picture.path),
            by="model" if by_model else "edit" if is_repeated else "existing",
            text="" if by_model else captioned.caption.text,
            existing=existing if by_model and isinstance(existing, str) else "",
        )

    def write(self, output: Output) -> None:
        """Put the recipe where the captions go. Raises: ExportError."""
        captions = [self._captions[place] for place in sorted(self._captions)]
        models = models_of(self._plan, self._layers.values())
        output.add_file(RECIPE_NAME, recipe_bytes(self._plan, models, captions, models_from=self._models_from))
