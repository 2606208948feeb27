"""Whether a model's files are as the hub has them, by its own digests: sha256 of large files, git's sha1 of others.

The Hugging Face cache names each file by the digest that the hub gave when it was downloaded, so that no server need be
asked; for files elsewhere the hub is. Changes nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from captioner.contract import ModelSpec
from captioner.errors import CaptionerError, ModelNotFound
from captioner.models.download import hub_digests
from captioner.plural import plural

_CHUNK_BYTES = 4 << 20
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

Outcome = Literal["same", "differs", "unknown"]


@dataclass(frozen=True, slots=True)
class Checked:
    """One file. path: where its bytes lie. outcome: unknown: the hub has no file of this name in this version."""

    name: str
    path: Path
    outcome: Outcome


def verify_steps(spec: ModelSpec, folder: Path) -> Iterator[Checked]:
    """Each file of a model's folder, the large ones taking their time.

    Raises: CaptionerError: there is nothing to compare it with. ModelNotFound: the hub was needed and not reached.
    """
    if spec.repo is None:
        raise CaptionerError(f"{spec.name} is on no hub, so there is nothing to compare it with.", code="no_hub")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    cached = {path: digest for path in files if (digest := _named_digest(path))}
    asked: Mapping[str, str] = {}
    if len(cached) < len(files):
        commit = folder.name if folder.parent.name == "snapshots" else None
        asked = hub_digests(spec, commit)
    for path in files:
        name = path.relative_to(folder).as_posix()
        wanted = cached.get(path) or asked.get(name)
        outcome: Outcome = "unknown" if not wanted else "same" if _digest(path, wanted) == wanted else "differs"
        yield Checked(name, path.resolve(), outcome)


def verdict(spec: ModelSpec, checked: list[Checked]) -> str:
    """What was found, in a sentence that says what to do.

    Raises: ModelNotFound: none of the files is the hub's.
    """
    damaged = [one for one in checked if one.outcome == "differs"]
    unknown = [one.name for one in checked if one.outcome == "unknown"]
    if damaged:
        names, places = (", ".join(some) for some in zip(*((one.name, str(one.path)) for one in damaged), strict=True))
        as_it_was = "is not as the hub has it" if len(damaged) == 1 else "are not as the hub has them"
        return f"{spec.name}: {names} {as_it_was}; delete {places} and download the model again."
    count = len(checked) - len(unknown)
    if not count:
        raise ModelNotFound(f"{spec.name}: the hub's {spec.repo} has none of its files.")
    others = f"; it does not know {', '.join(unknown)}" if unknown else ""
    as_it_is = plural(count, "file is as the hub has it", "files are as the hub has them")
    return f"{spec.name}: {as_it_is}{others}."


def _named_digest(path: Path) -> str:
    """The hub's digest, off the name that the cache gives a file's bytes; "" where it has another name."""
    target = path.resolve().name
    return target if path.is_symlink() and _DIGEST.fullmatch(target) else ""


def _digest(path: Path, like: str) -> str:
    """Of a file, of the kind that `like` is."""
    make: Callable[[], hashlib._Hash] = hashlib.sha256 if len(like) == 64 else hashlib.sha1
    found = make()
    if len(like) == 40:
        found.update(b"blob %d\0" % path.stat().st_size)  # as git names a file's content
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            found.update(chunk)
    return found.hexdigest()
