"""`python -m captioner sweep`: a grid of settings for each picture, as a page to look at, CSV and JSON."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from captioner import images
from captioner.captions.plan import Plan
from captioner.cli.flags import (
    add_model_flags,
    add_search_flags,
    add_setting_flags,
    check_flags_have_effect,
    flat_settings,
    notes_without_effect,
)
from captioner.cli.parser import WrongUse
from captioner.cli.pictures import NamedPicture, Search, find_pictures, opened
from captioner.cli.progress import Progress
from captioner.cli.terminal import Download, check_device, note, quiet, say
from captioner.contract import PictureInput
from captioner.errors import CaptionerError, ExportError, FileInTheWay
from captioner.formats.folders import FolderRun, OutputPicture
from captioner.formats.targets import writable_folders
from captioner.lab.figures import CellScore
from captioner.lab.grid import Grid, flat_in_effect, make_grid, parse_axis
from captioner.lab.record import SweepRecord, SweptPicture, swept_picture
from captioner.lab.report import to_csv, to_html, to_json
from captioner.lab.run import sweep_cells
from captioner.lab.voices import ALONE, Captioned, Voices, score_captions, spread

if TYPE_CHECKING:
    from captioner.models.manager import ModelManager

_EPILOG = """examples:
  # The grid EveryDream's users make by hand.
  python -m captioner sweep cat.jpg --preset everydream-beam --out grids \\
      --x repetition_penalty=0.01,0.6,1,1.4,5 --y min_length=5,15,22,30,48

  # One axis alone.
  python -m captioner sweep cat.jpg --x num_beams=1,8,16,20 --models demo --out grids
  python -m captioner sweep cat.jpg --preset everydream-nucleus --x q_factor=0.01,1,20,100,200 --out grids
  # With scores: which words of each caption may be false, by BLIP, CLIP and a tagger.
  python -m captioner sweep cat.jpg --x min_length=5,22,48 --score --clip default --wd14 default --out grids

exit status: 0 all good, 1 some pictures failed or could not be read, 2 wrong use or a model that is not there,
130 stopped with Ctrl+C
"""
_PICTURE_EDGE_PX = 512
_SUFFIXES = (".html", ".csv", ".json")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `sweep`: its own, the captioner's, and one for every sampling setting."""
    parser.usage = "%(prog)s PICTURE_OR_FOLDER... --x SETTING=VALUE,VALUE,... --out DIR [flags]"
    parser.epilog = _EPILOG
    parser.add_argument("pictures", nargs="+", metavar="PICTURE_OR_FOLDER", help="a picture, or a folder of pictures")
    own = parser.add_argument_group("grid")
    shape = "SETTING=VALUE,VALUE,..."
    own.add_argument("--x", required=True, metavar=shape, help="the setting that changes along a row, and its values")
    own.add_argument("--y", metavar=shape, help="the setting that changes from row to row; without it there is one row")
    own.add_argument("--z", metavar=shape, help="a third setting: a grid for each of its values")
    own.add_argument("--out", required=True, metavar="DIR", help="where a .html, .csv and .json for each picture go")
    own.add_argument(
        "--overwrite", action="store_true", help="replace grids too that you changed; each file is kept as NAME.bak"
    )
    own.add_argument(
        "--score",
        action="store_true",
        help="say of each caption which words may be false and how many, by what the captioner itself and the taggers "
        "that are named (--clip, --wd14) say of it",
    )
    add_search_flags(own)
    models = parser.add_argument_group("models")
    models.add_argument(
        "--models", default="auto", metavar="auto|hub|demo|DIR", help="where models come from (default auto)"
    )
    add_model_flags(models)
    models.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda or cuda:N (default auto)")
    add_setting_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Make the grids. Everything that can be wrong with the command line shows before a model is loaded."""
    with quiet():
        sweep = _planned(arguments)
        found = find_pictures(arguments.pictures, Search.of(arguments))
        for text in found.notes():
            note(f"note: {text}")
        for plan in (*sweep.grid.of_each_models(), *((sweep.plan,) if arguments.score else ())):
            plan.check_models(arguments.models, progress=Download())
        return _sweep(arguments, sweep, found.pictures) or int(found.is_incomplete)


@dataclass(frozen=True, slots=True)
class _Sweep:
    """What is to be done. base_cell: the cell that does what the command line asks for without its axes."""

    plan: Plan
    grid: Grid

    @property
    def base_cell(self) -> int:
        return self.grid.base_cell(self.plan)

    def record(self, picture: SweptPicture, voices: Voices | None) -> SweepRecord:
        return SweepRecord(
            name=picture.name,
            axes=self.grid.axes,
            settings=tuple(map(flat_in_effect, self.grid.cells)),
            base_cell=self.base_cell,
            pictures=(picture,),
            notes=self.grid.notes,
            asked=voices.asked if voices else (),
        )


def _planned(arguments: argparse.Namespace) -> _Sweep:
    flat = flat_settings(arguments)
    plan = Plan.from_flat(flat, arguments.models)
    check_device(arguments.device)
    if not arguments.out:
        raise WrongUse("--out is empty; give --out DIR, where the grids go.")
    written = [text for text in (arguments.x, arguments.y, arguments.z) if text is not None]
    axes = [parse_axis(text, plan) for text in written]
    grid = make_grid(axes, plan, arguments.models)
    check_flags_have_effect(flat, *grid.cells)
    idle = notes_without_effect(flat, plan, varied=[axis.name for axis in axes])
    for text in dict.fromkeys((*plan.notes, *grid.notes, *idle)):
        note(f"note: {text}")
    return _Sweep(plan, grid)


def _sweep(arguments: argparse.Namespace, sweep: _Sweep, pictures: list[NamedPicture]) -> int:
    from captioner.models.manager import ModelManager

    manager = ModelManager(models=arguments.models, device=arguments.device)
    out = Path(arguments.out)
    done = failed = 0
    is_stopped = False
    stop: ExportError | None = None
    try:
        with writable_folders(out), _files(pictures, out) as files, Progress(len(pictures), "pictures") as progress:
            voices = _voices(sweep.plan, manager, pictures) if arguments.score else None
            for place, picture in enumerate(pictures):
                try:
                    _check_free(files, place, may_overwrite=arguments.overwrite)
                    swept = _swept(sweep, picture, manager, voices)
                    record = sweep.record(swept, voices)
                    made = {".csv": to_csv(record), ".json": to_json(record), ".html": to_html(record)}
                    for suffix, data in made.items():
                        files.put(place, suffix, data, is_kept=files.state(place, suffix) == "own")
                except ExportError as error:  # the disk is full, say: the rest would fail too
                    stop, failed = error, len(pictures) - done
                    break
                except CaptionerError as error:
                    failed += 1
                    progress.clear()
                    note(f"{picture.path}: {error}")
                else:
                    done += 1
                    progress.clear()
                    say(str(files.file(place, ".html")))
                progress.step(done + failed)
    except KeyboardInterrupt:
        is_stopped = True
        note(f"captioner: stopped; {len(pictures) - done - failed} pictures were not reached.")
    finally:
        manager.close()
    if stop is not None:
        note(f"captioner: {stop}")
    note(f"{done} swept, {failed} failed")
    if is_stopped:
        return 130
    return 1 if failed else 0


def _swept(sweep: _Sweep, picture: NamedPicture, manager: ModelManager, voices: Voices | None) -> SweptPicture:
    """The grid on one picture. Raises: CaptionerError: all cells failed, or the picture did."""
    image = images.open_picture(picture.path, follow_links=True).image
    shown = PictureInput(image, name=picture.path.name)
    results = sweep_cells(shown, sweep.grid, manager)
    failures = [result.error for result in results if result.error]
    if len(failures) == len(results):
        raise failures[0]
    for text in dict.fromkeys(map(str, failures)):
        note(f"{picture.path}: some cells failed: {text}")
    scores: list[CellScore | None] = [None] * len(results)
    if voices is not None:
        good = [result for result in results if not result.error]
        said = [Captioned(result.caption, result.sentence) for result in good]
        names = {name for cell in sweep.grid.cells for name in cell.recipe.subject_name.split()}
        for result, score in zip(good, score_captions(said, shown, voices, names=sorted(names)), strict=True):
            scores[result.cell] = score
    preview = images.preview(image, _PICTURE_EDGE_PX)
    return swept_picture(picture.path.name, sweep.grid, sweep.base_cell, results, image=preview, scores=scores)


def _voices(plan: Plan, manager: ModelManager, pictures: Sequence[NamedPicture]) -> Voices:
    """Who is asked for scores; has looked at the other pictures of the run, where there are some."""
    voices = Voices(plan, manager)
    for text in voices.notes:
        note(f"note: {text}")
    note(f"note: scored by {', '.join(voices.asked)}.")
    if len(pictures) > 1:
        voices.look_at(opened(pictures[place].path for place in spread(len(pictures))))
    elif voices.reads:
        note(f"note: {ALONE}")
    return voices


@contextmanager
def _files(pictures: Sequence[NamedPicture], out: Path) -> Iterator[FolderRun]:
    """The grids' files, all in one folder."""
    files = FolderRun([OutputPicture(picture.path, out) for picture in pictures], _SUFFIXES)
    try:
        yield files
    except BaseException:
        with suppress(ExportError):  # the error that is under way is the one to tell
            files.close()
        raise
    files.close()


def _check_free(files: FolderRun, place: int, *, may_overwrite: bool) -> None:
    """Raises: FileInTheWay: a grid would replace a file that is not ours or was changed since."""
    if refusal := files.places[place].refusal:
        raise FileInTheWay(refusal)
    own = [files.file(place, suffix) for suffix in _SUFFIXES if files.state(place, suffix) == "own"]
    if own and not may_overwrite:
        raise FileInTheWay(
            f"{own[0]} is not as a sweep wrote it; --overwrite replaces it and keeps it as {own[0].name}.bak."
        )
