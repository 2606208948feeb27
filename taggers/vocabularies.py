"""The words CLIP may choose from: public lists, a model folder's own, and a user's files. Knows no model, no picture.

The public lists come with the package clip-interrogator 0.6 (MIT), found without importing it, since that loads torch.
Label embeddings are cached under a list's digest, so every label is kept exactly as published, the blank line and the
duplicates included.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import logging
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from captioner.errors import BadVocabulary, MissingPackage
from captioner.file_bin import FileBin
from captioner.files import data_folder, written_whole
from captioner.limits import MAX_LABEL_LENGTH, shown
from captioner.models.weights import LFS_POINTER
from captioner.plural import plural

KINDS = ("mediums", "artists", "trendings", "movements", "flavors")
"""Every kind of public vocabulary, in the order in which a caption names them."""

FOLDER_VARIABLE = "CAPTIONER_VOCABULARIES"
"""What names the folder of a person's own vocabularies in the environment; the app sets it for its workspace."""

OWN = "own"
"""The kind of a person's own vocabulary."""

FOLDER = "vocabularies"
"""The subfolder of a model folder that holds the model's own vocabularies, one `<kind>.txt` each."""

MAXIMUM_LABELS = 1_000_000

MAXIMUM_BYTES = 64 * 1024 * 1024

_PUBLIC = "clip-interrogator"
_PIP = "pip install clip-interrogator"

# Where trending pictures are shown; not in the package's data but in its code. Its release 0.6.0 spells dribbble with
# two b, its published label embeddings with three.
_SITES = (
    "Artstation",
    "behance",
    "cg society",
    "cgsociety",
    "deviantart",
    "dribbble",
    "flickr",
    "instagram",
    "pexels",
    "pinterest",
    "pixabay",
    "pixiv",
    "polycount",
    "reddit",
    "shutterstock",
    "tumblr",
    "unsplash",
    "zbrush central",
)

_FOLDER = "vocabularies"
_SHARED = "SHARED.txt"  # lies in a folder that several workspaces use
_SHARED_TEXT = (
    f"{FOLDER_VARIABLE} lets several workspaces use these vocabularies. None of them knows the sets of the others, so\n"
    "that nothing in the bin here goes by itself. Delete this file when one workspace is left.\n"
)
_OWN_NAME = re.compile(r"[\w-][\w -]{0,49}-[0-9a-f]{8}")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Vocabulary:
    """Labels of one kind, in their published order. kind: flavors, mediums, ...; origin: where they came from."""

    kind: str
    labels: tuple[str, ...]
    origin: str

    @property
    def is_public(self) -> bool:
        """One of the published lists, whose embeddings are published too."""
        return self.origin == _PUBLIC

    @cached_property
    def digest(self) -> str:
        """sha256 of the labels joined by commas, hexadecimal: the key the public label embeddings carry too."""
        return hashlib.sha256(",".join(self.labels).encode()).hexdigest()


def for_model(folder: Path) -> Mapping[str, Vocabulary]:
    """The vocabularies a model ranks, by kind in the order of `KINDS`.

    A folder with its own `vocabularies/` has exactly the kinds found there (a model that does not know the public words
    must not be asked for them); any other folder has all the public ones.

    Raises:
        BadVocabulary: one of the folder's own files cannot be read.
        MissingPackage: the public ones are needed and clip-interrogator is not installed.
    """
    own = folder / FOLDER
    if not own.is_dir():
        return {kind: public(kind) for kind in KINDS}
    for path in sorted(own.glob("*.txt")):
        if path.stem not in KINDS:
            _log.warning("%s is not used: a vocabulary is one of %s", shown(str(path)), ", ".join(KINDS))
    return {kind: read(path, kind) for kind in KINDS if (path := own / f"{kind}.txt").is_file()}


def public(kind: str) -> Vocabulary:
    """One of the public lists, exactly as published.

    Raises: MissingPackage: clip-interrogator is not installed.
    """
    if kind == "trendings":
        labels = [
            *_SITES,
            *(f"trending on {site}" for site in _SITES),
            *(f"featured on {site}" for site in _SITES),
            *(f"{site} contest winner" for site in _SITES),
        ]
    else:
        labels = _published_lines(f"{kind}.txt")
        if kind == "artists":
            labels = [*(f"by {name}" for name in labels), *(f"inspired by {name}" for name in labels)]
    return Vocabulary(kind, tuple(labels), _PUBLIC)


def read(path: Path, kind: str) -> Vocabulary:
    """A user's or a model's own list: one label a line, UTF-8; blank lines and repeated labels are left out.

    Raises: BadVocabulary: not a file, not UTF-8, no label in it, more than `MAXIMUM_LABELS` lines, or a line that is
        longer than a label may be (CLIP reads 77 tokens of it, and takes a time that grows with the square of a word).
    """
    if not os.path.isfile(path):  # noqa: PTH113 (Path's own raises for a name that is too long)
        raise BadVocabulary(f"{path} is not a file; a vocabulary is a text file with one label a line.")
    try:
        size = path.stat().st_size
        if size > MAXIMUM_BYTES:
            raise BadVocabulary(f"{path} has {size:,} bytes; a vocabulary may have {MAXIMUM_BYTES:,}. Split it.")
        data = path.read_bytes()
    except OSError as error:
        raise BadVocabulary(f"{path} cannot be read: {error.strerror}.") from error
    return parse(data, kind, str(path))


def parse(data: bytes, kind: str, origin: str) -> Vocabulary:
    """As `read`, from bytes; `origin` names them in errors."""
    if data.startswith(LFS_POINTER):
        raise BadVocabulary(f"{origin} is a Git LFS pointer, not the words; fetch them with git lfs pull.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise BadVocabulary(f"{origin} is not UTF-8 text (line {number}); save it as UTF-8.") from error
    # Not splitlines(): that would also split at signs that may stand inside a label.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    if len(lines) > MAXIMUM_LABELS:
        raise BadVocabulary(f"{origin} has {len(lines):,} lines; a vocabulary may have {MAXIMUM_LABELS:,}. Split it.")
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LABEL_LENGTH and len(line.strip()) > MAX_LABEL_LENGTH:
            advice = (
                "It looks like JSON: write the labels one a line, without brackets, quotes and commas."
                if text.lstrip()[:1] in ("[", "{")
                else "Write one label a line, or shorten it."
            )
            raise BadVocabulary(
                f"{origin} has {len(line.strip()):,} characters in line {number:,}; a label may have "
                f"{MAX_LABEL_LENGTH}. {advice}"
            )
    labels = tuple(dict.fromkeys(label for line in lines if (label := line.strip())))
    if not labels:
        raise BadVocabulary(f"{origin} has no label; write one label a line.")
    return Vocabulary(kind, labels, origin)


def own_folder() -> Path:
    """Where a person's own vocabularies are kept: those of the workspace in the platform's place for user data, unless
    the environment names another folder."""
    return folder_of(data_folder())


def folder_of(workspace: Path) -> Path:
    """Where those of a workspace are kept: in its folder, unless the environment names another."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named).expanduser() if named else workspace / _FOLDER


def own(name: str) -> Vocabulary:
    """One of the person's own vocabularies, by the name that `add_own` gave it; a name is never a path.

    Raises: BadVocabulary: there is none of that name, or the file was damaged or changed.
    """
    path = _own_path(name)
    if path is None and own_goes_at(name) is not None:
        raise BadVocabulary(
            f"the vocabulary {name[:80]!r} was deleted and waits in the bin; restore it, or add its file."
        )
    if path is None:
        raise BadVocabulary(f"there is no vocabulary of your own called {name[:80]!r}; add its file again.")
    vocabulary = read(path, OWN)
    if not name.endswith(vocabulary.digest[:8]):
        raise BadVocabulary(f"{path} was changed since it was added; add the changed file, which gets its own name.")
    return vocabulary


def own_text(name: str) -> str | None:
    """What a list shows for one of the person's own vocabularies: "colours (12 labels)"; None where it is neither here
    nor in the bin."""
    path = _own_path(name) or (own_bin().path(f"{name}.txt") if own_goes_at(name) is not None else None)
    if path is None:
        return None
    count = path.read_bytes().count(b"\n")
    return f"{name.rpartition('-')[0]} ({plural(count, 'label')})"


def add_own(file_name: str, data: bytes) -> str:
    """Check a file's bytes and keep its labels.

    Returns: the name it has from now on, "colours-3fa2b1c4" for colours.txt. It ends with the start of the labels'
        digest, so that a name means the same labels for ever: what was stored under it cannot become untrue, and
        nobody's file takes another's place.
    Raises: BadVocabulary: as `read`, or the folder cannot be written.
    """
    if len(data) > MAXIMUM_BYTES:
        raise BadVocabulary(f"{file_name} has {len(data):,} bytes; a vocabulary may have {MAXIMUM_BYTES:,}. Split it.")
    return _keep(file_name, parse(data, OWN, file_name))


def add_own_file(path: Path) -> str:
    """As `add_own`, from a file of this machine."""
    return _keep(path.name, read(path, OWN))


def own_bin() -> FileBin:
    """Where deleted ones of the person's own wait."""
    return FileBin(own_folder())


def own_goes_at(name: str) -> float | None:
    """When a deleted vocabulary goes for good, seconds since 1970, infinity where several workspaces share the folder;
    None for one that is not in the bin."""
    goes_at = own_bin().goes_at(f"{name}.txt") if _OWN_NAME.fullmatch(name) else None
    return goes_at if goes_at is None or not (own_folder() / _SHARED).is_file() else math.inf


def delete_own(name: str, now: float) -> None:
    """Put a vocabulary of the person's own into the bin. Raises: BadVocabulary: there is none."""
    if _own_path(name) is None:
        raise BadVocabulary(f"there is no vocabulary of your own called {name[:80]!r}.")
    _moving(lambda: own_bin().put(f"{name}.txt", now))


def restore_own(name: str) -> None:
    """Bring a vocabulary back from the bin. Raises: BadVocabulary: it is not there."""
    _binned(name)
    _moving(lambda: own_bin().take_back(f"{name}.txt"))


def delete_own_for_good(name: str) -> None:
    """Delete a vocabulary that is in the bin before its time. Raises: BadVocabulary: it is not there."""
    _binned(name)
    _moving(lambda: own_bin().path(f"{name}.txt").unlink(missing_ok=True))


def left_behind(workspace: Path, is_used: Callable[[str], bool]) -> list[Path]:
    """Files that a workspace uses and does not keep itself: they lie in the platform's place for user data, where the
    command line puts them; perhaps in the bin there, which does not know who uses them here."""
    here, there = folder_of(workspace), data_folder() / _FOLDER
    kept = {path.name for path in here.rglob("*.txt")}
    found = {path.name: path for path in there.rglob("*.txt") if path.is_file()} if there != here else {}
    return [
        path
        for name, path in sorted(found.items())
        if name not in kept and _OWN_NAME.fullmatch(path.stem) and is_used(path.stem)
    ]


def take_over_own(workspace: Path, is_used: Callable[[str], bool]) -> None:
    """Copy what was left behind to where those of a workspace are kept; where that is not a folder of its own, note in
    the folder that it is shared. Raises: BadVocabulary: the folder cannot be written."""
    folder = folder_of(workspace)
    if _is_elsewhere(workspace) and not (folder / _SHARED).is_file():
        try:
            _write(folder / _SHARED, _SHARED_TEXT.encode())
        except OSError as error:  # nobody here can delete anything there either
            _log.warning("%s cannot be marked as shared: %s", folder, error.strerror or error)
    for path in left_behind(workspace, is_used):
        _moving(functools.partial(_copy, path, folder))


def empty_own_bin(workspace: Path, now: float, is_used: Callable[[str], bool]) -> int:
    """Delete for good what a workspace deleted 30 days before `now`, but for names that are used; nothing where other
    workspaces share the folder, whose sets nobody knows here. Returns: how many went."""
    if is_shared(workspace):
        return 0
    return FileBin(folder_of(workspace)).empty(now, lambda file_name: is_used(file_name.removesuffix(".txt")))


def is_shared(workspace: Path) -> bool:
    """Whether other workspaces may use the vocabularies of this one."""
    return _is_elsewhere(workspace) or (folder_of(workspace) / _SHARED).is_file()


def kept_for(workspace: Path) -> dict[str, Path]:
    """All that is kept for a workspace, in the bin too, by its path in the folder."""
    folder = folder_of(workspace)
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    found.pop(_SHARED, None)
    return found


def to_back_up(workspace: Path, is_used: Callable[[str], bool]) -> dict[str, Path]:
    """What a backup takes along, by its name there: all that is kept for a workspace, in the bin too, and what was left
    behind."""
    kept = kept_for(workspace) | {path.name: path for path in left_behind(workspace, is_used)}
    return {f"{_FOLDER}/{name}": path for name, path in sorted(kept.items())}


def _is_elsewhere(workspace: Path) -> bool:
    return folder_of(workspace).resolve() != (workspace / _FOLDER).resolve()


def _copy(path: Path, folder: Path) -> None:
    _write(folder / path.name, path.read_bytes())


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as file:
        file.write(data)


def _binned(name: str) -> None:
    if own_goes_at(name) is None:
        raise BadVocabulary(f"no vocabulary called {name[:80]!r} is in the bin; add its file again.")


def _moving(move: Callable[[], None]) -> None:
    try:
        move()
    except OSError as error:
        raise BadVocabulary(f"the folder {own_folder()} cannot be written: {error.strerror or error}.") from error


def _keep(file_name: str, vocabulary: Vocabulary) -> str:
    # Any file name will do; what could be a path or would be trouble in a file name becomes a space.
    stem = " ".join(re.sub(r"[^\w-]", " ", re.sub(r"(?i)\.txt$", "", file_name)).split())[:50].strip(" -") or "words"
    name = f"{stem}-{vocabulary.digest[:8]}"
    path = own_folder() / f"{name}.txt"
    try:
        if not _is_whole(name):
            _write(path, ("\n".join(vocabulary.labels) + "\n").encode())
        own_bin().path(path.name).unlink(missing_ok=True)
    except OSError as error:
        raise BadVocabulary(f"the vocabulary cannot be kept in {path.parent}: {error}.") from error
    return name


def _is_whole(name: str) -> bool:
    try:
        own(name)
    except BadVocabulary:
        return False
    return True


def _own_path(name: str) -> Path | None:
    if not _OWN_NAME.fullmatch(name):
        return None
    path = own_folder() / f"{name}.txt"
    return path if path.is_file() else None


def _published_lines(name: str) -> list[str]:
    spec = importlib.util.find_spec("clip_interrogator")
    if spec is None or not spec.submodule_search_locations:
        raise MissingPackage(f"CLIP's public word lists come with clip-interrogator: {_PIP}")
    path = Path(spec.submodule_search_locations[0]) / "data" / name
    if not path.is_file():
        raise MissingPackage(
            f"the installed clip-interrogator has no {name}: pip install --force-reinstall {_PIP[12:]}"
        )
    with path.open(encoding="utf-8", errors="replace") as lines:
        return [line.strip() for line in lines]
