"""Which picture a row means: by its path, relative to the list or not, else by as much of its end as is needed."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cached_property

from captioner.formats.imports.form import Row
from captioner.formats.names import split_name


class Pictures:
    """The pictures that rows may mean. paths: with "/" between names, all different."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = list(paths)

    @cached_property
    def _by_path(self) -> dict[str, str]:
        return {_plain(path): path for path in self.paths}

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self.paths:
            found.setdefault(_plain(_stem(path)), []).append(path)
        return found

    @cached_property
    def _by_key(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self.paths:
            folder, slash, name = path.rpartition("/")
            found.setdefault(_plain(folder + slash + name.partition(".")[0]), []).append(path)
        return found

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self.paths:
            found.setdefault(_plain(path).rpartition("/")[2].casefold(), []).append(path)
        return found

    @cached_property
    def _by_name_stem(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self.paths:
            found.setdefault(_plain(_stem(path)).rpartition("/")[2].casefold(), []).append(path)
        return found

    def of(self, row: Row) -> list[str]:
        """The pictures that a row is of: none, one, or those that share a stem that the row names.

        Raises: ValueError: it may be of several, whose paths the error holds.
        """
        named = _plain(row.picture)
        if row.is_key:
            return self._by_key.get(named, [])
        if row.is_stem:
            exact = self._by_stem.get(named) or self._by_stem.get(f"{row.folder}/{named}")
            return exact or self._nearest(named, self._by_name_stem)
        named = named.replace("\\", "/")
        parts = [part for part in named.split("/") if part not in ("", ".")]
        for path in (f"{_plain(row.folder)}/{'/'.join(parts)}".lstrip("/"), "/".join(parts)):
            if path in self._by_path:
                return [self._by_path[path]]
        return self._nearest("/".join(parts), self._by_name)

    def _nearest(self, named: str, index: dict[str, list[str]]) -> list[str]:
        """The one picture whose path ends most like this. Raises: ValueError: several do."""
        parts = named.casefold().split("/")
        candidates = index.get(parts[-1], []) if parts[-1] else []
        if len(candidates) < 2:
            return candidates
        folders = parts[-2::-1]
        alike = {path: _common(_plain(path).casefold().split("/")[-2::-1], folders) for path in candidates}
        most = max(alike.values())
        best = [path for path in candidates if alike[path] == most]
        if len(best) > 1 and len({_stem(path) for path in best}) > 1:
            raise ValueError(*best)
        return best


def _common(one: list[str], other: list[str]) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _plain(path: str) -> str:
    return path if path.isascii() else unicodedata.normalize("NFC", path)


def _stem(path: str) -> str:
    return split_name(path)[0]
