"""A model folder's files: there, whole, of an accepted kind, and fingerprinted. Knows no model and loads nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

from captioner.errors import BadModel

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_PICKLE_ENDINGS = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def require(folder: Path, name: str) -> Path:
    """The path of a file a model needs.

    Raises:
        BadModel: it is missing (then pickles lying there instead are named as refused), empty, or a Git LFS pointer
            that stands for a file that was never fetched.
    """
    path = folder / name
    if not path.is_file():
        pickles = sorted(p.name for p in folder.glob("*") if p.suffix in _PICKLE_ENDINGS)
        if pickles:
            raise BadModel(
                f"{folder} has {', '.join(pickles)} but no {name}; pickled weights are never loaded, since they can "
                "run code. Get or convert the weights as safetensors."
            )
        raise BadModel(f"{folder} has no {name}; a model folder needs it. Download the model again.")
    with path.open("rb") as file:
        head = file.read(len(_LFS_POINTER))
    if not head:
        raise BadModel(f"{path} is empty; download it again.")
    if head == _LFS_POINTER:
        raise BadModel(f"{path} is a Git LFS pointer, not the file itself; run `git lfs pull` or download the file.")
    return path


def fingerprint(path: Path) -> str:
    """The first 12 hexadecimal digits of the file's sha256: which weights made a result."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
