"""Large files of a hub model, fetched so that a download that was stopped goes on where it was, after a restart too.

huggingface_hub 2.4 throws half a file away (`file_download._download_to_tmp_and_move` says why). Here it waits beside
the place in the Hugging Face cache where the whole one will be, and gets its place only when its sha256 is right; then
`snapshot_download` finds it there. When a later version keeps half a file, this can go.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captioner.models.hub_files import files_at_hub

LARGE_BYTES = 16 << 20
"""Smaller files are begun again."""
_PART = ".captioner-part"
_SHA256 = re.compile("[0-9a-f]{64}")
_CHUNK_BYTES = 4 << 20

Note = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class _Wanted:
    path: str
    size: int
    sha256: str


def fetch_large(library: Any, repo: str, patterns: list[str], note: Note) -> int:
    """Put large files of a repository's newest version into the cache; asks the hub which there are.

    Args: library: huggingface_hub. patterns: which files are wanted. note: told the bytes so far and in all.
    Returns: the bytes of those that are in the cache now. Raises: OSError, and what the library raises.
    """
    wanted, rest_bytes = _wanted(library, repo, patterns)
    total_bytes = sum(one.size for one in wanted) + rest_bytes
    blobs = _blobs(repo)
    done_bytes = 0
    for one in wanted:
        if not (blobs / one.sha256).exists():
            begun_bytes = done_bytes
            _fetch(library, repo, one, blobs, lambda here: note(begun_bytes + here, total_bytes))  # noqa: B023
        done_bytes += one.size
        note(done_bytes, total_bytes)
    return done_bytes


def _wanted(library: Any, repo: str, patterns: list[str]) -> tuple[list[_Wanted], int]:
    """The large files, and how many bytes the others take."""
    from huggingface_hub.utils import filter_repo_objects

    files = files_at_hub(library, repo)
    chosen = list(filter_repo_objects(files, allow_patterns=patterns, key=lambda one: one.path))
    large = [_Wanted(one.path, one.size, one.lfs.sha256) for one in chosen if one.lfs and one.size >= LARGE_BYTES]
    for one in large:
        if not _SHA256.fullmatch(one.sha256):  # it becomes a file's name
            raise OSError(f"the hub gives {one.path[:80]} a digest that is none: {one.sha256[:80]!r}")
    return large, sum(one.size for one in chosen) - sum(one.size for one in large)


def _blobs(repo: str) -> Path:
    """Where the cache keeps the repository's files, by their digests."""
    import huggingface_hub.constants as constants
    from huggingface_hub.file_download import repo_folder_name

    folder = Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=repo, repo_type="model"), "blobs")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _fetch(library: Any, repo: str, wanted: _Wanted, blobs: Path, note: Callable[[int], None]) -> None:
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import WeakFileLock, build_hf_headers

    part = blobs / (wanted.sha256 + _PART)
    with WeakFileLock(part.with_suffix(".captioner-lock")):  # another process may fetch it too
        if (blobs / wanted.sha256).exists():
            return
        with part.open("ab") as file:
            here_bytes = file.tell()
            if here_bytes > wanted.size:
                file.truncate(0)
                here_bytes = 0
            note(here_bytes)
            http_get(
                library.hf_hub_url(repo, wanted.path),
                _Told(file, note),
                resume_size=here_bytes,
                headers=build_hf_headers(),
                expected_size=wanted.size,
                tqdm_class=_silent_bar(),
            )
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != wanted.sha256:
            part.unlink()
            raise OSError(f"{wanted.path} came with other content than the hub says; it will be fetched anew")
        part.replace(blobs / wanted.sha256)
    part.with_suffix(".captioner-lock").unlink(missing_ok=True)


class _Told:
    """A file that says how long it has become."""

    def __init__(self, file: Any, note: Callable[[int], None]) -> None:
        self._file = file
        self._note = note

    def write(self, data: bytes) -> int:
        """Raises: whatever `note` raises, which ends the download; what came before is kept."""
        count: int = self._file.write(data)
        self._note(self._file.tell())
        return count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _silent_bar() -> type[Any]:
    from huggingface_hub.utils import tqdm

    class Silent(tqdm):  # type: ignore[misc,valid-type]
        def __init__(self, *args: Any, **keywords: Any) -> None:
            super().__init__(*args, **{**keywords, "disable": True})

    return Silent
