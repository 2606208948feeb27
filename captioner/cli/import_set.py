"""`python -m captioner import`: captions that others wrote, shown, or written beside pictures or into a new folder."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from captioner.cli.flags import add_field
from captioner.cli.parser import WrongUse
from captioner.cli.pictures import Search, check_names, find_pictures
from captioner.cli.terminal import note, quiet, say, say_json
from captioner.errors import CaptionerError, ExportError, FileInTheWay
from captioner.formats import folders
from captioner.formats.existing import read_caption_file
from captioner.formats.format import ExportItem, path_of
from captioner.formats.imports.arriving import Arriving, arriving
from captioner.formats.imports.recognise import ImportSettings, Recognised, recognise
from captioner.formats.imports.source import OnDisk, Source, opened_source
from captioner.formats.names import safe_folder
from captioner.formats.set_folder import folder_target
from captioner.formats.sidecars import WRITERS, caption_bytes
from captioner.plural import plural

_EPILOG = """examples:
  # What is it? Form, count and the first captions; nothing is written.
  python -m captioner import set.zip

  # Pictures and captions of a WebDataset, a Hugging Face folder or any trainer's set, as .txt beside pictures.
  python -m captioner import shards/ --out photos

  # A list that came without its pictures: captions go beside them.
  python -m captioner import metadata.jsonl --pictures photos --beside

What it is shows by its content: caption files, EveryDream2's YAML and JSON, kohya's, ai-toolkit's and diffusion-pipe's
JSON, JSONL, CSV, Parquet (needs pyarrow), WebDataset and img2dataset shards, captions in file names, kohya's folders.
Zips and tars are taken for hostile: nothing of them is written under a path of theirs.

exit status: 0 all good, 1 captions without a picture or pictures that could not be read, 2 wrong use or nothing found
"""
_MAX_SHOWN = 5


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `import`."""
    parser.usage = "%(prog)s SOURCE... [flags]"
    parser.epilog = _EPILOG
    parser.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="a folder, zip, tar, or a file that lists captions"
    )
    what = parser.add_argument_group("what is read")
    for field in ImportSettings.fields():
        add_field(what, field)
    where = parser.add_argument_group("where captions go; without one of these they are only shown")
    where.add_argument(
        "--pictures", metavar="FOLDER", help="where the pictures are, with its subfolders, if not in SOURCE"
    )
    target = where.add_mutually_exclusive_group()
    target.add_argument("--out", metavar="DIR", help="copy the pictures to this new folder, each with its caption file")
    target.add_argument("--beside", action="store_true", help="write each caption file beside its picture")
    where.add_argument(
        "--overwrite",
        action="store_true",
        help="replace captions that are there and differ, and a folder that has files in it; each is kept as NAME.bak",
    )
    where.add_argument("--format", default="txt", choices=tuple(WRITERS), help="the caption files' kind (default txt)")
    where.add_argument("--json", action="store_true", help="print one JSON object, for programs")


def run(arguments: argparse.Namespace) -> int:
    """Show or write what the command line names."""
    with quiet():
        given = {field.name: getattr(arguments, field.name, field.default) for field in ImportSettings.fields()}
        settings = ImportSettings.from_mapping(given)
        check_names(arguments.sources)
        sources = [Path(name) for name in arguments.sources]
        _check(arguments, sources)
        with opened_source(sources, settings) as source:
            beside = _Beside.of(arguments, source)
            found = recognise(source, beside.paths, settings)
            refused = _write(arguments, source, found, beside)
        _show(arguments, found, refused, len(beside.paths))
        return 1 if found.strays or found.undecodable or refused else 0


def _check(arguments: argparse.Namespace, sources: Sequence[Path]) -> None:
    for path in sources:
        if not path.exists():
            raise WrongUse(f"{path} is not there; name a folder, a zip, a tar or a file that lists captions.")
    if arguments.overwrite and not (arguments.out or arguments.beside):
        raise WrongUse("--overwrite has no effect: nothing is written; add --out DIR or --beside.")


class _Beside:
    """The pictures that captions may go to. files: where they are, by path, None for those in an archive."""

    def __init__(self, paths: list[str], files: dict[str, Path | None]) -> None:
        self.paths = paths
        self.files = files

    @classmethod
    def of(cls, arguments: argparse.Namespace, source: Source) -> _Beside:
        """Raises: WrongUse: there are none."""
        if arguments.pictures:
            if source.pictures and arguments.out:
                raise WrongUse("--pictures names pictures, and SOURCE holds some too; leave one of them out.")
            found = find_pictures([arguments.pictures], Search(recursive=True))
            for text in found.notes():
                note(f"note: {text}")
            named = {path_of(picture.folder, picture.path.name): picture.path for picture in found.pictures}
            return cls(list(named), dict(named))
        if not source.pictures:
            raise WrongUse("there are no pictures in it; add --pictures FOLDER, where they are.")
        files = {
            one.path: Path(one.read.path) if isinstance(one.read, OnDisk) else None
            for one in (*source.pictures, *source.masks)
        }
        return cls([picture.path for picture in source.pictures], files)


def _write(arguments: argparse.Namespace, source: Source, found: Recognised, beside: _Beside) -> list[str]:
    """Returns: why some were not written, in sentences. Raises: WrongUse, ExportError."""
    if arguments.out and arguments.pictures:
        raise WrongUse("--out copies pictures that are in SOURCE; with --pictures use --beside.")
    if arguments.out:
        return _write_folder(arguments, arriving(source, found.captions))
    if arguments.beside:
        if any(beside.files.get(path) is None for path in found.captions):
            raise WrongUse("the pictures are in an archive, so no file can lie beside them; name a folder with --out.")
        return _write_beside(arguments, found, beside)
    return []


def _write_folder(arguments: argparse.Namespace, pictures: Sequence[Arriving]) -> list[str]:
    # The names have a picture's suffix, so that nothing is looked for behind `picture`.
    items = [ExportItem(one.name, one.text or "", Path(one.name), safe_folder(one.folder)) for one in pictures]
    files = WRITERS[arguments.format].plan(items, with_pictures=True)
    refused = []
    with folder_target(Path(arguments.out), may_overwrite=arguments.overwrite) as target:
        for file, one in zip(files, pictures, strict=True):
            try:
                data = one.data()
            except CaptionerError as error:
                refused.append(str(error))
                continue
            target.copy(file.picture, data)
            if one.text is not None:
                target.write(file.caption, caption_bytes(one.text))
        if len(refused) == len(pictures):
            raise ExportError(f"no picture could be read, so no folder was made. {refused[0]}")
    return refused


def _write_beside(arguments: argparse.Namespace, found: Recognised, beside: _Beside) -> list[str]:
    paths = [file for path, file in beside.files.items() if path in found.captions and file is not None]
    texts = [found.captions[path] for path in beside.files if path in found.captions]
    suffix = WRITERS[arguments.format].suffix
    refused = []
    run = folders.beside(paths, suffix)
    with ExitStack() as stack:
        stack.callback(run.close)
        for place, text in enumerate(texts):
            if refusal := run.places[place].refusal:
                refused.append(refusal)
                continue
            file = run.file(place, suffix)
            is_own = run.state(place, suffix) == "own"
            before = read_caption_file(file) if is_own else ""
            if before == text:
                continue
            if before and not arguments.overwrite:
                refused.append(f"{file} has another caption; --overwrite replaces it and keeps it as {file.name}.bak.")
                continue
            try:
                run.put(place, suffix, caption_bytes(text), has_own_words=True, is_kept=bool(before))
            except FileInTheWay as error:
                refused.append(str(error))
    return refused


def _show(arguments: argparse.Namespace, found: Recognised, refused: Sequence[str], count: int) -> None:
    if arguments.json:
        say_json({**shown(found), "pictures": count, "refused": list(refused)})
        return
    say(f"{found.title}: {plural(len(found.captions), 'caption')} for {plural(count, 'picture')}")
    for path, text in found.first:
        say(f"  {path}: {' / '.join(text.split(chr(10)))}")
    for name, number in found.others.items():
        note(f"note: --form {name} would find {number:,}.")
    _list("caption", "without a picture", [f"{stray.where}: {stray.why}" for stray in found.strays])
    _list("picture", "without a caption", found.bare)
    _list("file", "in another encoding", list(found.undecodable.values()))
    for text in (*found.notes, *refused):
        note(f"note: {text}")
    if arguments.out:
        note(f"the set is in {arguments.out}.")
    elif arguments.beside:
        note("caption files lie beside the pictures.")
    else:
        note("nothing was written; --out DIR or --beside writes caption files.")


def _list(thing: str, what: str, names: Sequence[str]) -> None:
    if names:
        note(f"note: {plural(len(names), thing)} {what}:")
        for name in names[:_MAX_SHOWN]:
            note(f"  {name}")
        if len(names) > _MAX_SHOWN:
            note(f"  and {len(names) - _MAX_SHOWN:,} more")


def shown(found: Recognised) -> dict[str, Any]:
    """What was recognised, for programs."""
    return {
        "form": found.form,
        "title": found.title,
        "captions": dict(found.captions),
        "without_picture": [{"where": stray.where, "why": stray.why} for stray in found.strays],
        "without_caption": list(found.bare),
        "other_forms": dict(found.others),
        "other_encoding": list(found.undecodable),
        "notes": list(found.notes),
    }
