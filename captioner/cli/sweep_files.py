"""The files of a sweep: for each picture, and one of each kind for all of them; none that a person changed is lost."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from captioner.errors import ExportError, FileInTheWay
from captioner.formats.folders import FolderRun, OutputPicture
from captioner.lab.record import SweepRecord
from captioner.lab.report import to_csv, to_html, to_json, to_png

TOGETHER, MOST_TOGETHER = "sweep", 8
"""The name of the files of all pictures, and up to how many pictures there are such: more are no longer looked at."""


class SweepFiles:
    """The files of a run, all in one folder.

    Args: colour_by: as `to_html`. with_png: a PNG too.
    """

    def __init__(self, pictures: Sequence[Path], out: Path, *, colour_by: str, with_png: bool) -> None:
        self._makers: dict[str, Callable[[SweepRecord], bytes]] = {
            ".csv": to_csv,
            ".json": to_json,
            ".html": lambda record: to_html(record, colour_by),
        }
        if with_png:
            self._makers[".png"] = lambda record: to_png(record, colour_by)
        wanted = [OutputPicture(path, out) for path in pictures]
        self.has_together = 2 <= len(pictures) <= MOST_TOGETHER
        if self.has_together:
            wanted.append(OutputPicture(Path(TOGETHER), out, _digest(pictures)))
        self._files = FolderRun(wanted, tuple(self._makers))

    @classmethod
    @contextmanager
    def opened(cls, pictures: Sequence[Path], out: Path, *, colour_by: str, with_png: bool) -> Iterator[Self]:
        """The files; what was written where is stored at the end."""
        files = cls(pictures, out, colour_by=colour_by, with_png=with_png)
        try:
            yield files
        except BaseException:
            with suppress(ExportError):  # the error that is under way is the one to tell
                files._files.close()
            raise
        files._files.close()

    def check_free(self, place: int, *, may_overwrite: bool) -> None:
        """Raises: FileInTheWay: a file would replace one that is not ours or was changed since."""
        if refusal := self._files.places[place].refusal:
            raise FileInTheWay(refusal)
        own = [self._files.file(place, suffix) for suffix in self._makers if self._files.state(place, suffix) == "own"]
        if own and not may_overwrite:
            raise FileInTheWay(
                f"{own[0]} is not as a sweep wrote it; --overwrite replaces it and keeps it as {own[0].name}.bak."
            )

    def put(self, place: int, record: SweepRecord) -> Path:
        """Write the files of a picture, or after the last one those of all. Returns: the page.

        Raises: ExportError, FileInTheWay: as `FolderRun.put`. CaptionerError: as `to_png`.
        """
        for suffix, make in self._makers.items():  # the PNG last, which may become too large
            self._files.put(place, suffix, make(record), is_kept=self._files.state(place, suffix) == "own")
        return self._files.file(place, ".html")


def _digest(pictures: Sequence[Path]) -> str:
    """Tells files of these pictures from those of others."""
    return hashlib.sha256(b"\0".join(os.fsencode(path.absolute()) for path in pictures)).hexdigest()
