"""A source -> what form of captions it holds, and the caption of each picture; what has no partner is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from captioner.errors import CaptionerError, SettingsError
from captioner.formats.imports.form import Form, Reading, Row, TextSettings
from captioner.formats.imports.kohya_folders import repeats_of
from captioner.formats.imports.matching import Pictures
from captioner.formats.imports.registry import FORMS
from captioner.formats.imports.source import Source
from captioner.formats.sidecars import caption_text
from captioner.limits import check_text, shown
from captioner.settings import choice

AUTO = "auto"
_FIRST = 3


class ImportSettings(TextSettings):
    """What a person says of an import."""

    form: str = choice(
        AUTO, (AUTO, *FORMS), "How the captions are stored; `auto` finds out by looking.", label="Read as"
    )


class NothingFound(CaptionerError):
    """Nothing in a source is a form of captions that is known."""

    code = "nothing_to_import"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A caption that goes to no picture. where: the file, and line or row. why: a sentence's end."""

    where: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """What an import will do.

    captions: by the picture's path, "" for an empty one. bare: pictures without any. others: forms, with how many
    pictures they know, that may be meant instead. undecodable: files whose encoding must be said, with the reason.
    """

    form: str
    title: str
    captions: Mapping[str, str]
    strays: tuple[Stray, ...] = ()
    bare: tuple[str, ...] = ()
    others: Mapping[str, int]
    undecodable: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def first(self) -> list[tuple[str, str]]:
        """The first pairs of picture and caption, to be looked at."""
        return sorted(self.captions.items())[:_FIRST]


def recognise(source: Source, paths: Sequence[str], settings: ImportSettings) -> Recognised:
    """Args: paths: of the pictures that captions may go to, as rows may name them.

    Raises: NothingFound: the source holds no captions. MissingPackage: it would, with another package.
    """
    pictures = Pictures([*paths, *(mask.path for mask in source.masks)])
    found: list[_Matched] = []
    for form in FORMS.values():
        try:
            reading = form.read(source)
        except CaptionerError as error:
            source.notes.append(str(error))
            continue
        if reading is not None:
            found.append(_Matched(form, reading, pictures, settings))
    sure = [one for one in found if (one.reading.is_sure if settings.form == AUTO else one.form.name == settings.form)]
    if not sure and source.undecodable and source.missing is None:  # for want of an encoding, which can be said
        return Recognised(
            form=settings.form,
            title="text in another encoding",
            captions={},
            bare=tuple(paths),
            others={},
            undecodable=dict(source.undecodable),
        )
    if not sure:
        raise source.missing or _nothing(source, settings)
    # min and max keep the first of equals, which is the surest.
    best = min(sure, key=lambda one: (one.form.is_guess or not one.captions, -len(one.captions)))
    return Recognised(
        form=best.form.name,
        title=best.reading.title,
        captions=best.captions,
        strays=tuple(best.strays),
        bare=tuple(path for path in paths if path not in best.captions),
        others={one.form.name: len(one.captions) for one in found if one is not best},
        undecodable=dict(source.undecodable),
        notes=(*dict.fromkeys(source.notes), *_about_folders(paths)),
    )


class _Matched:
    """A form's captions by picture."""

    def __init__(self, form: Form, reading: Reading, pictures: Pictures, settings: TextSettings) -> None:
        self.form = form
        self.reading = reading
        self.captions: dict[str, str] = {}
        self.strays: list[Stray] = []
        for row in reading.rows:
            self._take(row, pictures, settings)

    def _take(self, row: Row, pictures: Pictures, settings: TextSettings) -> None:
        try:
            paths = pictures.of(row)
            text = check_text(_cleaned(row.text, settings), "the caption")
        except SettingsError as error:
            return self._stray(row, str(error).rstrip("."))
        except ValueError as error:
            more = "" if len(error.args) < 3 else " or others"
            return self._stray(row, f"it may be of {' or '.join(map(shown, error.args[:2]))}{more}")
        if not paths and row.where not in self.reading.quiet:
            named = f"no picture {shown(row.picture)} is here" if row.picture else "it names no picture"
            return self._stray(row, named)
        for path in paths:
            if self.captions.setdefault(path, text) != text:
                self._stray(row, f"{shown(path)} has another caption already")
        return None

    def _stray(self, row: Row, why: str) -> None:
        self.strays.append(Stray(where=shown(row.where), why=why))


def _cleaned(text: str, settings: TextSettings) -> str:
    text = caption_text(text)
    if settings.lines == "first" and "\n" in text:
        return text.split("\n", 1)[0].rstrip()
    return text


def _about_folders(paths: Sequence[str]) -> list[str]:
    found = {folder: said for folder in {path.rpartition("/")[0] for path in paths} if (said := repeats_of(folder))}
    if not found:
        return []
    words = [f"{repeats} x {word or 'no class'}" for _, (repeats, word) in sorted(found.items())]
    more = f" and {len(words) - _FIRST} more" if len(words) > _FIRST else ""
    return [f"The folders' names say repeats and class: {', '.join(words[:_FIRST])}{more}."]


def _nothing(source: Source, settings: ImportSettings) -> CaptionerError:
    if settings.form != AUTO:
        return NothingFound(f"no captions are here as {FORMS[settings.form].title}; leave the form to be found out.")
    if source.notes:
        return NothingFound(f"no captions were found. {source.notes[0]}")
    return NothingFound(
        "no captions were found: no caption files, no JSON, JSONL, CSV, YAML or Parquet that names pictures, no shard "
        "and no captions in the pictures' names."
    )
