"""A set on its way out: caption files, lists, or a whole set for a trainer, by what a person chose.

Where the files go, a zip on the disk or one that a browser reads while it is written, is the caller's. A picture that
the disk has damaged or lost is left out, and the export says so. Knows no Gradio and no HTTP; what a person can mend is
a CaptionerError.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from captioner.captions.recipe_file import RECIPE_NAME
from captioner.captions.variants import variants
from captioner.errors import BadPicture, ExportError, SettingsError
from captioner.formats.checked import TokenCounter
from captioner.formats.format import ExportItem, joined_notes, path_of
from captioner.formats.names import safe_name
from captioner.formats.set_writer import START_NAME, Below, SetPlan, SetWriter
from captioner.formats.sidecars import WRITERS, CaptionFiles, has_lines
from captioner.formats.targets import Sink
from captioner.formats.trainers.registry import find_target
from captioner.formats.trainers.target import SetSettings, Target
from captioner.limits import check_text
from captioner.service.choices import Choices
from captioner.service.export_check import findings
from captioner.service.export_recipe import ExportRecipes
from captioner.service.exported_kinds import kinds_note
from captioner.service.kinds import Kinds
from captioner.service.made_otherwise import MadeOtherwise
from captioner.service.rows import Rows
from captioner.service.token_counting import counter_for
from captioner.workspace import Workspace
from captioner.workspace.records import View

FORMAT = "format"
SETTINGS_NOTES = "settings.log"
LEFT_OUT = "left out.log"  # no caption file of any trainer's
_DEFAULT_FORMAT = "txt"
_MAX_NOTES = 6


@dataclass(frozen=True, slots=True)
class ExportWish:
    """What a person chose. target: None for caption files. format: their kind, or the target's name."""

    format: str
    target: Target | None
    settings: SetSettings

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """From names and values as programs send them: the format and the settings of its sets.

        Raises: ExportError: nobody knows the format. SettingsError: a value that is not allowed, or that changes
        nothing there.
        """
        given = dict(values)
        name = check_text(given.pop(FORMAT, _DEFAULT_FORMAT), FORMAT)
        target = None if name in WRITERS else find_target(name, others=tuple(WRITERS))
        heeded = target.heeds if target else ("with_pictures",)
        settings = SetSettings.from_mapping(given)
        for field in given:
            if field not in heeded:
                raise SettingsError(f"{field} has no effect with format {target.name if target else name}.")
        defaults = {"base_model": target.base_models[0]} if target else {"with_pictures": False}
        return cls(target.name if target else name, target, settings.replaced(**{**defaults, **given}))

    @classmethod
    def parse(cls, words: Mapping[str, str]) -> Self:
        """As `read`, from an address, where every value is a word."""
        fields = {field.name: field for field in SetSettings.fields()}
        return cls.read({name: fields[name].parse(word) if name in fields else word for name, word in words.items()})

    @property
    def with_pictures(self) -> bool:
        """Whether the pictures themselves leave too."""
        return self.settings.with_pictures


class Exports:
    """Those of all sets."""

    def __init__(
        self,
        workspace: Workspace,
        rows: Rows,
        choices: Choices,
        made_otherwise: MadeOtherwise,
        kinds: Kinds,
        count: Callable[[str], int],
    ) -> None:
        """Args: count: a text's CLIP tokens."""
        self._workspace = workspace
        self._rows = rows
        self._choices = choices
        self._kinds = kinds
        self._recipes = ExportRecipes(workspace, choices, made_otherwise)
        self._count = count

    def planned(self, set_id: str, wish: ExportWish, only: Collection[str] | None = None) -> Export:
        """An export that can be written. Everything that can be wrong with it, but the disk, shows here.

        Args: only: the pictures it is of; None for all of the set.
        Raises: UnknownSet, StoreError, SettingsError, MissingPackage. ExportError: also where nothing is left.
        """
        pictures = self._pictures(set_id, wish, only)
        items, left_out = self._items(set_id, pictures, with_pictures=wish.with_pictures)
        if left_out and not items:
            raise ExportError(f"nothing can be exported. {left_out[0]}")
        name = self._workspace.find_set(set_id).name
        joined = sum(_is_joined(view, row["text"]) for view, row in pictures)
        plan = self._choices.stored_plan(set_id)
        notes = plan.notes
        return Export(
            wish,
            safe_name(name) if name else "captions",
            items,
            left_out=left_out,
            settings_notes=notes,
            joined=joined,
            kinds_note=kinds_note(plan, wish.target, wish.settings.captions),
            recipe=lambda: self._recipes.of(set_id, pictures),
            counter=counter_for(wish.settings.base_model, self._count),
        )

    def look(self, set_id: str, wish: ExportWish, only: Collection[str] | None = None) -> dict[str, Any]:
        """What a person should know of an export before taking it.

        Returns: {"notes": sentences; which captions are empty is not among them, since the page counts and lists those,
            "findings": what the trainer would read otherwise, see `export_check`; none where the format is no
            trainer's}. Raises: as `planned`.
        """
        planned = self.planned(set_id, wish, only)
        found = []
        notes = planned.notes()
        if wish.target is not None and wish.target.is_trainer:
            pictures = self._pictures(set_id, wish, only)
            found = findings(pictures, wish.target, wish.settings, planned.folder, planned.counter)
            notes += [planned.counter.trouble] if planned.counter.trouble else []
        return {"notes": notes, "findings": found}

    def start(self, set_id: str, wish: ExportWish, only: Collection[str] | None = None) -> dict[str, Any]:
        """What START.txt says. Returns: {"start": its lines; none where the format has none}. Raises: as `planned`."""
        return {"start": self.planned(set_id, wish, only).start()}

    def _pictures(
        self, set_id: str, wish: ExportWish, only: Collection[str] | None
    ) -> list[tuple[View, dict[str, Any]]]:
        """The chosen pictures, each with its row, in which the captions are that it leaves with.

        Raises: UnknownSet. ExportError: none of the chosen ones is here.
        """
        views = [view for view in self._workspace.views(set_id) if only is None or view.id in only]
        if only is not None and not views:
            raise ExportError("none of the chosen pictures is in this set any more; choose others.")
        rows = self._rows.of_views(set_id, views)
        captions = self._kinds.captions(set_id, views) if self._takes_kinds(set_id, wish) else {}
        for row in rows:
            row["kinds"] = captions.get(row["id"], {})
        if wish.settings.captions == "kinds":
            for row in rows:
                row["others"] = list(row["kinds"].values())
        elif wish.settings.captions != "one":
            self._put_variants(set_id, views, rows, wish.settings)
        return list(zip(views, rows, strict=True))

    def _takes_kinds(self, set_id: str, wish: ExportWish) -> bool:
        """Whether captions of other kinds than the one in front leave too."""
        if wish.target is None:
            return False
        kinds = self._choices.stored_plan(set_id).kinds
        return wish.settings.captions == "kinds" or any(wish.target.takes_kind(kind.name) for kind in kinds)

    def _put_variants(
        self, set_id: str, views: Sequence[View], rows: Sequence[dict[str, Any]], settings: SetSettings
    ) -> None:
        plan = self._choices.stored_plan(set_id)
        found = {view.id: (view, row) for view, row in zip(views, rows, strict=True) if not row["is_damaged"]}
        for picture_id, layers in self._workspace.layers_of(set_id, found):
            view, row = found[picture_id]
            kind, best = settings.captions, settings.best_captions
            first, *others = variants(layers, plan, view.existing, view.text, kind=kind, best=best)
            row |= {"caption": first, "others": others}

    def _items(
        self, set_id: str, pictures: Sequence[tuple[View, Mapping[str, Any]]], *, with_pictures: bool
    ) -> tuple[list[ExportItem], list[str]]:
        """What leaves, and why some pictures do not."""
        items: list[ExportItem] = []
        left_out: list[str] = []
        for view, row in pictures:
            name = path_of(view.folder, view.name)
            path = None
            if with_pictures and not row["is_damaged"]:
                path = self._workspace.picture_path(set_id, view.id)
            if row["is_damaged"]:
                left_out.append(f"{name}: {row['error']}")
            elif path is not None and not path.exists():
                left_out.append(f"{name}: its picture file is missing; add the picture again.")
            else:
                others = tuple(row.get("others", ()))
                kinds = tuple(row.get("kinds", {}).items())
                about = (view.name, row["caption"], path, view.folder, view.digest)
                items.append(ExportItem(*about, others, view.notes, kinds))
        return items, left_out


class Export:
    """One that can be written. name: of the zip, and of the folder in it that a whole set has, without a suffix."""

    def __init__(
        self,
        wish: ExportWish,
        name: str,
        items: Sequence[ExportItem],
        *,
        left_out: Sequence[str],
        settings_notes: Sequence[str],
        joined: int,
        kinds_note: str,
        recipe: Callable[[], bytes],
        counter: TokenCounter,
    ) -> None:
        """Args: joined: how many captions that came along in lines stand in one. kinds_note: what becomes of the set's
        kinds of captions; "" for nothing to say. recipe: made when it is written."""
        self.name = name
        self._recipe = recipe
        self.counter = counter
        self._items = items
        self._left_out = left_out
        self._settings_notes = settings_notes
        self._joined = joined
        self._kinds_note = kinds_note
        self._target = wish.target
        if wish.target is None:
            self._captions = CaptionFiles(items, format=wish.format, with_pictures=wish.with_pictures)
            return
        if not items:
            raise ExportError("there is no picture yet, so no set can be made; add pictures first.")
        self._plan = SetPlan(wish.target, wish.settings, items, name=name)

    @property
    def folder(self) -> str:
        """Where the set will lie, as its configs say; "" for what has none."""
        return self._plan.folder if self._target else ""

    def write(self, sink: Sink) -> None:
        """Write all files. Raises: ExportError."""
        if self._target is not None:
            self._write_set(sink)
            return
        for index, item in enumerate(self._items):
            self._captions.add(sink, index, item.text)
        for name, lines in self._logs(self._left_out).items():
            sink.write(name, "\n".join([*lines, ""]).encode())
        sink.write(RECIPE_NAME, self._recipe())

    def notes(self) -> list[str]:
        """What to know before, in sentences."""
        notes = [*([self._kinds_note] if self._kinds_note else []), *joined_notes(self._joined)]
        if self._target is None:
            notes = [*replace(self._captions.result(), empty=()).notes(), *notes]
        more = len(notes) - _MAX_NOTES
        return [*self._left_out, *(notes if more <= 0 else [*notes[:_MAX_NOTES], f"and {more} more of the kind."])]

    def start(self) -> list[str]:
        """The lines of START.txt; no picture is looked into for them."""
        if self._target is None:
            return []
        kept = _Kept()
        self._write_set(kept, has_pictures=False)
        return kept.text.splitlines()

    def _write_set(self, sink: Sink, *, has_pictures: bool = True) -> None:
        left_out, plan = list(self._left_out), self._plan
        with SetWriter(plan, Below(sink, plan.name), counter=self.counter, has_pictures=has_pictures) as writer:
            for index, item in enumerate(self._items):
                try:
                    writer.add(index, item.text, item.others, item.kinds)
                except BadPicture as error:
                    left_out.append(f"{path_of(item.folder, item.name)}: {error}")
            if has_pictures:
                writer.add_file(RECIPE_NAME, self._recipe())
            writer.finish([line for lines in self._logs(left_out).values() for line in lines])

    def _logs(self, left_out: Sequence[str]) -> dict[str, list[str]]:
        logs = {}
        if left_out:
            logs[LEFT_OUT] = ["Not in this zip:", *left_out]
        if self._settings_notes:
            logs[SETTINGS_NOTES] = ["How this set's settings were understood:", *self._settings_notes]
        return logs


class _Kept:
    """A sink that keeps START.txt and nothing else."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, name: str, data: bytes) -> None:
        if name.rpartition("/")[2] == START_NAME:
            self.text = data.decode()

    def copy(self, name: str, source: object) -> None:
        """Nothing is copied."""

    def stream(self, name: str) -> Any:
        raise AssertionError("only a packer of its own streams, and none is used here")


def _is_joined(view: View, text: str) -> bool:
    """Whether a caption of several lines that came along stands in one line within a text that is no edit."""
    lines = [line.strip() for line in view.existing.splitlines()]
    return (
        has_lines(view.existing) and not view.is_edited and not has_lines(text) and all(line in text for line in lines)
    )
