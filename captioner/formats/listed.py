"""Captions that stand in no file beside their pictures, as a trainer reads them: in lists, in names, in shards."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from captioner.errors import CaptionerError
from captioner.formats.imports.json_sets import CaptionsJson
from captioner.formats.imports.recognise import ImportSettings, NothingFound, recognise
from captioner.formats.imports.sidecars import Sidecars
from captioner.formats.imports.source import Source
from captioner.formats.trainers.target import Target


class Listed(NamedTuple):
    """A picture's caption. texts: alternatives are several. is_first: it counts before a file beside the picture."""

    texts: tuple[str, ...]
    is_first: bool

    @property
    def text(self) -> str:
        """All that may be trained of it, as one text."""
        return " ".join(self.texts)

    def tokens(self, count: Callable[[str], int]) -> int:
        """Those of the longest alternative."""
        return max(count(text) if text else 0 for text in self.texts)


def may_be_listed(target: Target, *, all_have_files: bool) -> bool:
    """Whether captions that count may stand elsewhere. Args: all_have_files: one beside each picture."""
    return target.forms[0] != Sidecars.name or (len(target.forms) > 1 and not all_have_files)


def listed_captions(source: Source, target: Target) -> dict[str, Listed]:
    """By the picture's path in the source; what cannot be read is in the source's notes."""
    paths = [file.path for file in (*source.pictures, *source.masks)]
    found: dict[str, Listed] = {}
    is_first = True
    for form in target.forms:
        if form == Sidecars.name:
            is_first = False
            continue
        try:
            read = recognise(source, paths, ImportSettings.from_mapping({"form": form}))
        except NothingFound:
            continue
        except CaptionerError as error:  # a package that is not here
            source.notes.append(str(error))
            continue
        source.notes += read.undecodable.values()
        for path, text in read.captions.items():
            texts = tuple(text.split("\n")) if form == CaptionsJson.name else (text,)
            found.setdefault(path, Listed(texts, is_first))
    return found
