"""Whose file is this? Which files in a folder are a picture's own, and where what is made for it may go.

In a folder meet names of this run's pictures, of other pictures that lie there, and of what earlier runs wrote. A file
is a picture's own in two cases only: it has the picture's own stem and lies beside it, or the folder's index says that
it was written for the picture of this content. Everything else is somebody else's and is left alone: another name is
taken, or the picture is refused with a sentence. Nothing depends on the order in which pictures are named: of two that
want one name the first by name has it. Pure: knows no disk; a listing says what lies there.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath
from typing import Literal

from captioner.formats.names import MAX_NAME_BYTES, name_here, name_key, numbered, split_name
from captioner.images import is_picture_name

State = Literal["new", "ours", "stale", "own"]
"""What lies under a name that a picture was given: nothing; what we wrote, unchanged; the same, but written for a
picture of other content; the picture's own file with words of a person in it."""

_NUMBERED = re.compile(r"(?P<stem>.+)_(?P<number>[1-9][0-9]*)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Written:
    """What a folder's index says of a file that we wrote.

    picture: sha256 of the picture it was made for. content: sha256 of the file as we wrote it; "" where words of a
    person went into it, or where a run was killed before it could say.
    """

    picture: str
    content: str


@dataclass(frozen=True)
class Listing:
    """What lies in a folder.

    folder: as it is shown to the person. digest: sha256 of the file of a name, "" where it is no readable file.
    written: the index, by file name. is_case_blind: whether names that differ by case only are one file here.
    """

    folder: str
    names: frozenset[str] = frozenset()
    digest: Callable[[str], str] = lambda name: ""
    written: Mapping[str, Written] = field(default_factory=dict)
    is_case_blind: bool = False


@dataclass(frozen=True)
class Wish:
    """A picture that files are to be made for.

    read_digest: sha256 of its bytes, "" where they cannot be read; asked for only where it decides something.
    lies_there: the picture itself lies in that folder, under this name. suffix: what its copy is called after the stem.
    """

    name: str
    read_digest: Callable[[], str]
    lies_there: bool = False
    suffix: str = ""

    @cached_property
    def digest(self) -> str:
        """sha256 of the picture's bytes."""
        return self.read_digest()


@dataclass(frozen=True, slots=True)
class Place:
    """Where the files of a picture go: `stem` and each of the suffixes.

    states: what lies under these names now, in the order of the suffixes. picture: the name of its copy, where copies
    are made. has_picture: that copy lies there already. refusal: why it has no place, as a sentence.
    """

    stem: str
    states: tuple[State, ...] = ()
    picture: str = ""
    has_picture: bool = False
    refusal: str = ""


class Ownership:
    """Answers for one folder and the pictures of one run.

    Args: suffixes: of the files made for each picture (".txt"). with_pictures: copies of the pictures go there too.
        fit: what makes names, `name_here` for folders of this machine, `safe_name` for what any machine must take.
    """

    def __init__(
        self,
        listing: Listing,
        wishes: Sequence[Wish],
        suffixes: Sequence[str],
        *,
        with_pictures: bool = False,
        fit: Callable[[str, int], str] = name_here,
    ) -> None:
        self._fit = fit
        self._listing = listing
        self._wishes = wishes
        self._suffixes = tuple(suffixes)
        self._with_pictures = with_pictures
        self._file_keys = {name_key(name) for name in listing.names}
        self._taken: set[str] = set()
        self._numbers: dict[str, int] = {}
        self._pictures: dict[str, list[str]] = {}
        pictures = {name for name in listing.names if is_picture_name(name)}
        for name in pictures | {wish.name for wish in wishes if wish.lies_there}:
            self._pictures.setdefault(name_key(split_name(name)[0]), []).append(name)
        self._later: dict[str, list[tuple[int, str]]] = {}  # numbered names of earlier runs, by the name they come from
        for stem in {*map(self._stem_written, listing.written), *(split_name(name)[0] for name in pictures)}:
            if found := _NUMBERED.match(stem):
                self._later.setdefault(name_key(found["stem"]), []).append((int(found["number"][:9]), stem))

    def places(self) -> list[Place]:
        """A place for each picture, in the order they were given; no two share a name."""
        named = Counter(wish.name for wish in self._wishes)
        in_order = sorted(
            range(len(self._wishes)),
            key=lambda place: ((wish := self._wishes[place]).name, wish.digest if named[wish.name] > 1 else ""),
        )
        found: dict[int, Place] = {}
        for step in (self._own, self._spelt_so, self._same, self._earlier, self._fresh, self._numbered):
            for place in in_order:
                if place not in found and (made := step(self._wishes[place])) is not None:
                    found[place] = made
        return [found[place] for place in range(len(self._wishes))]

    def captions_of(self, wish: Wish, suffixes: Sequence[str]) -> list[str]:
        """Files beside a picture that are its captions, however their names are spelt; the one that counts first.

        Args: suffixes: of caption files, in the order in which they count; in lower case.
        """
        own = split_name(wish.name)[0]
        found = []
        for name in self._captions.get(name_key(own), ()):
            stem, suffix = name[: -len(PurePath(name).suffix)], PurePath(name).suffix.lower()
            if suffix in suffixes and self.owner(stem) == wish.name and not self._is_for_another(name, wish):
                found.append((suffixes.index(suffix), self._distance(own, stem), not name.endswith(suffix), name))
        return [name for *_, name in sorted(found)]

    def owner(self, stem: str) -> str | None:
        """The picture lying there that a file of this stem belongs to: the nearest in spelling, then the first."""
        near = self._pictures.get(name_key(stem), ())
        return min(near, key=lambda name: (self._distance(split_name(name)[0], stem), name), default=None)

    @cached_property
    def _captions(self) -> dict[str, list[str]]:
        by_stem: dict[str, list[str]] = {}
        for name in self._listing.names:
            if suffix := PurePath(name).suffix:
                by_stem.setdefault(name_key(name[: -len(suffix)]), []).append(name)
        return by_stem

    def _distance(self, one: str, other: str) -> int:
        if one == other or self._listing.is_case_blind:
            return 0
        return 1 if unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other) else 2

    def _stem_written(self, name: str) -> str:
        return next((name[: -len(suffix)] for suffix in self._suffixes if name.endswith(suffix)), name)

    # The steps: each gives a place, or None where the next one must find it.

    def _own(self, wish: Wish) -> Place | None:
        """The picture lies there and no other one has its stem."""
        stem = split_name(wish.name)[0]
        if wish.lies_there and self.owner(stem) == wish.name and self._fitting(wish) == stem:
            return self._placed(stem, wish)
        return None

    def _spelt_so(self, wish: Wish) -> Place | None:
        """As `_same`, and spelt just so: of two equal pictures, a.png and A.png, each keeps what it has."""
        stem = self._fitting(wish)
        owner = self.owner(stem)
        return self._same(wish) if owner is None or split_name(owner)[0] == stem else None

    def _same(self, wish: Wish) -> Place | None:
        """Under its own name an earlier run made files for it, or a copy of it lies there; content tells.

        Before any numbered name is given: two pictures may be equal, and each has its own then.
        """
        return self._known(wish, [self._fitting(wish)])

    def _earlier(self, wish: Wish) -> Place | None:
        """As `_same`, under a number."""
        later = self._later.get(name_key(self._fitting(wish)), ())
        return self._known(wish, [stem for _, stem in sorted(later)])

    def _known(self, wish: Wish, stems: Sequence[str]) -> Place | None:
        for stem in stems:
            if name_key(stem) not in self._taken and self._is_for(stem, wish):
                return self._placed(stem, wish)
        return None

    def _is_for(self, stem: str, wish: Wish) -> bool:
        owner = self.owner(stem)
        if owner is not None:
            return not wish.lies_there and bool(wish.digest) and self._listing.digest(owner) == wish.digest
        written = self._listing.written.get(stem + self._suffixes[0])
        is_there = stem + self._suffixes[0] in self._listing.names
        return written is not None and is_there and bool(wish.digest) and written.picture == wish.digest

    def _fresh(self, wish: Wish) -> Place | None:
        """Its own name, if it is free there; refused where a file has it of which nobody knows whose it is."""
        stem = self._fitting(wish)
        if name_key(stem) in self._taken or self.owner(stem) is not None:
            return None
        in_the_way = [name for name in self._names(stem, wish) if name_key(name) in self._file_keys]
        if not in_the_way:
            return self._placed(stem, wish)
        if any(name in self._listing.written for name in in_the_way):
            return None
        self._taken.add(name_key(stem))
        path = f"{self._listing.folder}/{in_the_way[0]}"
        return Place(
            stem,
            refusal=f"{path} is there and nothing says whose it is; put it beside {wish.name} if it is its caption, "
            "else move it away or name another folder.",
        )

    def _numbered(self, wish: Wish) -> Place:
        """Its own name with the first number that is free."""
        stem = self._fitting(wish)
        key = name_key(stem)
        number = self._numbers.get(key, 2)
        while not self._is_free(made := numbered(stem, number, self._room(wish), self._fit), wish):
            number += 1
        self._numbers[key] = number + 1
        return self._placed(made, wish)

    def _is_free(self, stem: str, wish: Wish) -> bool:
        return (
            name_key(stem) not in self._taken
            and self.owner(stem) is None
            and not any(name_key(name) in self._file_keys for name in self._names(stem, wish))
        )

    def _names(self, stem: str, wish: Wish) -> list[str]:
        return [stem + suffix for suffix in (*self._suffixes, *([wish.suffix] if self._with_pictures else []))]

    def _placed(self, stem: str, wish: Wish) -> Place:
        self._taken.add(name_key(stem))
        states: list[State] = []
        for name in (stem + suffix for suffix in self._suffixes):
            if name not in self._listing.names and not (
                self._listing.is_case_blind and name_key(name) in self._file_keys
            ):
                states.append("new")
                continue
            content = self._listing.digest(name)
            if not content:
                return Place(
                    stem,
                    refusal=f"{self._listing.folder}/{name} is in the way and cannot be read as a file; move it away.",
                )
            written = self._listing.written.get(name)
            if written is None or written.content != content:
                states.append("own")
            else:
                states.append("stale" if self._is_for_another(name, wish) else "ours")
        owner = self.owner(stem) if self._with_pictures else None
        picture = owner or (stem + wish.suffix if self._with_pictures else "")
        return Place(stem, tuple(states), picture, owner is not None)

    def _is_for_another(self, name: str, wish: Wish) -> bool:
        """We wrote it for a picture of other content, which this one has taken the name of; nobody changed it since."""
        written = self._listing.written.get(name)
        return (
            written is not None
            and written.picture != wish.digest
            and bool(written.content)
            and self._listing.digest(name) == written.content
        )

    def _fitting(self, wish: Wish) -> str:
        return self._fit(split_name(wish.name)[0], self._room(wish))

    def _room(self, wish: Wish) -> int:
        return MAX_NAME_BYTES - max(map(len, (*self._suffixes, wish.suffix)))
