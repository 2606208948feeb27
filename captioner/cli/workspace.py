"""`python -m captioner workspace`: what the page's sets take on the disk, whether they are whole, a backup, less."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from captioner import file_bin
from captioner.cli.parser import WrongUse
from captioner.cli.terminal import note, say, say_json
from captioner.errors import StoreError
from captioner.files import data_folder
from captioner.plural import plural
from captioner.workspace import Workspace, upkeep
from taggers import vocabularies

_EPILOG = """examples:
  # How large everything is, set by set; also while the app runs.
  python -m captioner workspace info

  # A copy of all sets, pictures and vocabularies as they are now; also while the app runs.
  python -m captioner workspace backup captions-backup.zip

  # What of it was damaged. Reads every picture.
  python -m captioner workspace check

  # Give back what deleted sets have left; the app must be closed.
  python -m captioner workspace compact

  # The same after deleting for good, before their 30 days, what is in the bin (sets, vocabularies that no set uses)
  # and removed pictures.
  python -m captioner workspace empty

A backup is a zip: unpacked into an empty folder it is a workspace, for app.py --workspace FOLDER.

exit status: 0 all is well, 1 something is damaged or missing, 2 wrong use
"""
_DOES = ("info", "check", "compact", "empty", "backup")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `workspace`."""
    parser.epilog = _EPILOG
    parser.add_argument("does", choices=_DOES, help="what to do")
    parser.add_argument("file", nargs="?", metavar="FILE", help="the zip that backup writes")
    parser.add_argument("--workspace", metavar="DIR", help="the folder, as for app.py (default: your data folder)")
    parser.add_argument("--overwrite", action="store_true", help="replace a zip that is there")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")


def run(arguments: argparse.Namespace) -> int:
    """Do one of the five."""
    if arguments.workspace == "":
        raise WrongUse("--workspace is empty; give a folder, or leave the flag out.")
    if (arguments.does == "backup") != (arguments.file is not None):
        needs = "backup needs the FILE to write" if arguments.does == "backup" else f"{arguments.does} takes no FILE"
        raise WrongUse(f"{needs}.")
    folder = Path(arguments.workspace).expanduser() if arguments.workspace else data_folder()
    does = {"info": _info, "check": _check, "compact": _compact, "empty": _empty, "backup": _backup}[arguments.does]
    return does(folder, arguments)


def _info(folder: Path, arguments: argparse.Namespace) -> int:
    use = upkeep.disk_use(folder)
    own = _own_files(folder)
    own_bytes = _bytes(own)
    if arguments.json:
        for one in use.sets:
            say_json({"set": one.id, **asdict(one)})
        sizes = {name: getattr(use, name) for name in use.__slots__ if name.endswith("bytes")}
        say_json({"folder": str(folder), **sizes, "vocabulary_bytes": own_bytes})
        return 0
    in_all = use.database_bytes + use.picture_bytes + use.thumbnail_bytes + use.other_bytes + own_bytes
    say(f"{folder}: {_mb(in_all)}")
    parts = {"database": use.database_bytes, "pictures": use.picture_bytes, "thumbnails": use.thumbnail_bytes}
    say("  " + ", ".join(f"{name} {_mb(size)}" for name, size in parts.items()))
    if use.other_bytes:
        say(f"  copies that updates and rescues left: {_mb(use.other_bytes)} (captions.* beside the database)")
    if own:
        say(f"  {plural(len(own), 'vocabulary file')}, {_mb(own_bytes)}")
    for one in use.sets:
        alone = "" if one.own_bytes == one.picture_bytes else f", {_mb(one.own_bytes)} in no other set"
        binned = " (in the bin)" if one.is_in_bin else ""
        removed = f" and {plural(one.removed, 'removed one')}" if one.removed else ""
        what = f"{plural(one.pictures, 'picture')}{removed}, {_mb(one.picture_bytes)}{alone}"
        say(f"  {one.id}  {one.name or 'Unnamed set'}{binned}: {what}")
    return 0


def _check(folder: Path, arguments: argparse.Namespace) -> int:
    count = 0
    for fault in upkeep.faults(folder):
        count += 1
        if arguments.json:
            say_json({"fault": fault})
        else:
            say(fault)
    note(f"{folder}: {f'{count} found' if count else 'all is whole'}.")
    return 1 if count else 0


def _compact(folder: Path, arguments: argparse.Namespace) -> int:
    _tell_freed(upkeep.compact(folder), arguments)
    return 0


def _empty(folder: Path, arguments: argparse.Namespace) -> int:
    emptied = upkeep.empty(folder)
    before = _bytes(_own_files(folder))
    with Workspace(folder) as workspace:
        in_all = time.time() + (file_bin.KEPT_DAYS + 1) * 86_400
        files = vocabularies.empty_own_bin(folder, in_all, lambda name: bool(workspace.space.sets_naming(name)))
    freed = replace(emptied.freed, file_bytes=emptied.freed.file_bytes + before - _bytes(_own_files(folder)))
    counts = {name: value for name, value in asdict(emptied).items() if name != "freed"} | {"vocabularies": files}
    if not arguments.json:
        sets = f"{plural(emptied.sets, 'set')} of the bin with {plural(emptied.set_pictures, 'picture')}"
        removed = f"{plural(emptied.removed_pictures, 'removed picture')} of other sets"
        say(f"Deleted for good: {sets}, {removed}, {plural(files, 'vocabulary file')} of the bin that no set uses.")
    _tell_freed(freed, arguments, **counts)
    if vocabularies.is_shared(folder):
        note(f"Other workspaces may use the vocabularies in {vocabularies.folder_of(folder)}, whose bin stays.")
    return 0


def _tell_freed(freed: upkeep.Freed, arguments: argparse.Namespace, **counts: int) -> None:
    if arguments.json:
        say_json({**counts, "freed_bytes": freed.file_bytes + freed.database_bytes, **asdict(freed)})
    else:
        files, database = _mb(freed.file_bytes), _mb(freed.database_bytes)
        say(f"{_mb(freed.file_bytes + freed.database_bytes)} became free: files {files}, database {database}.")


def _backup(folder: Path, arguments: argparse.Namespace) -> int:
    target = Path(arguments.file).expanduser()
    if target.exists() and not arguments.overwrite:
        raise WrongUse(f"{target} is there already; add --overwrite, or take another name.")
    if not target.parent.is_dir():
        raise WrongUse(f"there is no folder {target.parent} for the backup.")
    try:
        count = upkeep.backup(folder, target, beside=partial(vocabularies.to_back_up, folder))
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror or error}.") from error
    size = target.stat().st_size
    if arguments.json:
        say_json({"file": str(target), "pictures": count, "bytes": size})
    else:
        say(f"{target}: all sets and {plural(count, 'picture')}, {_mb(size)}.")
    return 0


def _own_files(folder: Path) -> list[Path]:
    """The vocabularies of a workspace, those in their bin too."""
    return [*vocabularies.kept_for(folder).values()]


def _bytes(files: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in files)


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB"
