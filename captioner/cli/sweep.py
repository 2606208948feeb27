"""`python -m captioner sweep`: a grid of settings for each picture, as a page to look at, CSV and JSON."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from captioner import images
from captioner.captions.caption_kinds import kind_title
from captioner.captions.groups import DEFAULT
from captioner.captions.plan import Plan
from captioner.cli.flags import (
    add_kind_flags,
    add_model_flags,
    add_search_flags,
    add_setting_flags,
    check_flags_have_effect,
    flat_settings,
    notes_without_effect,
)
from captioner.cli.memory import add_memory_flags, manager_of
from captioner.cli.parser import WrongUse
from captioner.cli.pictures import NamedPicture, Search, find_pictures, opened
from captioner.cli.progress import Progress
from captioner.cli.sweep_files import SweepFiles
from captioner.cli.terminal import Download, check_device, note, quiet, say
from captioner.contract import PictureInput
from captioner.errors import CaptionerError, ExportError
from captioner.formats.targets import writable_folders
from captioner.lab.doubts import Told
from captioner.lab.figures import FIGURES, CellScore
from captioner.lab.grid import Grid, changed, flat_in_effect, make_axis, make_grid, parse_axis
from captioner.lab.presets import NAMED_GRIDS, named_grid
from captioner.lab.record import SweepRecord, SweptPicture, swept_picture
from captioner.lab.report import Colouring
from captioner.lab.run import sweep_cells
from captioner.lab.scores import Standing
from captioner.lab.voices import ALONE, ORDER_ONLY, Captioned, Voices, score_captions, spread
from captioner.models import registry, sources
from captioner.plural import plural
from captioner.records import KIND

if TYPE_CHECKING:
    from captioner.models.manager import ModelManager

_EPILOG = """examples:
  # The grid EveryDream's users make by hand, as a picture to send around too.
  python -m captioner sweep cat.jpg --grid everydream-beam --png --out grids

  # Any one, two or three settings: of the captioner, a tagger or the text, a model, a preset.
  python -m captioner sweep cat.jpg --x num_beams=1,8,16,20 --models demo --out grids
  python -m captioner sweep cat.jpg --x captioner=blip-base,blip-large --y preset=blip-paper,everydream-beam --out grids
  python -m captioner sweep cat.jpg --x general_threshold=.2,.35,.5 --y wd14=off,default --out grids

  # With scores: which words of each caption may be false, by BLIP, CLIP and a tagger that add no tags.
  python -m captioner sweep cat.jpg --x min_length=5,10,15 --score --judge clip --judge wd14 --out grids

A value with a comma stands in quotes: --y 'prefix=,"sks dog, a photo"'. An empty one is no text, or no model.

exit status: 0 all good, 1 some pictures failed or could not be read, 2 wrong use or a model that is not there,
130 stopped with Ctrl+C
"""
_PICTURE_EDGE_PX = 512


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `sweep`: its own, those of models, and one for every setting."""
    parser.usage = "%(prog)s PICTURE_OR_FOLDER... (--grid NAME | --x SETTING=VALUE,VALUE,...) --out DIR [flags]"
    parser.epilog = _EPILOG
    parser.add_argument("pictures", nargs="*", metavar="PICTURE_OR_FOLDER", help="a picture, or a folder of pictures")
    own = parser.add_argument_group("grid")
    shape = "SETTING=VALUE,VALUE,..."
    own.add_argument("--grid", metavar="NAME", help="a named grid instead of --x and --y; flags win over its settings")
    own.add_argument("--list-grids", action="store_true", help="print the named grids and what they compare")
    own.add_argument("--x", metavar=shape, help="the setting that changes along a row, and its values")
    own.add_argument("--y", metavar=shape, help="the setting that changes from row to row; without it there is one row")
    own.add_argument("--z", metavar=shape, help="one setting more: a grid for each of its values")
    own.add_argument("--out", metavar="DIR", help="where a .html, .csv and .json for each picture go")
    own.add_argument("--png", action="store_true", help="a .png too, with pictures, axes and captions")
    own.add_argument(
        "--overwrite", action="store_true", help="replace grids too that you changed; each file is kept as NAME.bak"
    )
    add_search_flags(own)
    scores = parser.add_argument_group("scores")
    scores.add_argument(
        "--score",
        action="store_true",
        help="say of each caption which words may be false and how many, by what the captioner itself and the taggers "
        "that are on say of it",
    )
    families = ", ".join(registry.families("tagger"))
    scores.add_argument(
        "--judge",
        action="append",
        default=[],
        metavar="NAME|DIR",
        help=f"a tagger that is asked for scores and adds no tags: {families} or one of their models; may be repeated",
    )
    figures = ", ".join(figure.name for figure in FIGURES)
    scores.add_argument("--colour", default="", metavar="SCORE", help=f"colour cells by {figures} (default doubt)")
    models = parser.add_argument_group("models")
    models.add_argument(
        "--models", default="auto", metavar="auto|hub|demo|DIR", help="where models come from (default auto)"
    )
    add_model_flags(models)
    add_kind_flags(models)
    models.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda or cuda:N (default auto)")
    add_memory_flags(models)
    add_setting_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Make the grids. Everything that can be wrong with the command line shows before a model is loaded."""
    if arguments.list_grids:
        for grid in NAMED_GRIDS:
            say(f"{grid.name}: {grid.about}")
            say(f"    {' x '.join(grid.axes_in_words)}")
        return 0
    with quiet():
        sweep = _planned(arguments)
        found = find_pictures(arguments.pictures, Search.of(arguments))
        for text in found.notes():
            note(f"note: {text}")
        for plan in (*sweep.grid.of_each_models(), *((sweep.judges,) if sweep.judges else ())):
            plan.check_models(arguments.models, progress=Download())
        return _sweep(arguments, sweep, found.pictures) or int(found.is_incomplete)


@dataclass(frozen=True, slots=True)
class _Sweep:
    """What is to be done. judges: the plan whose models score, None where nobody is asked."""

    grid: Grid
    base_cell: int
    judges: Plan | None

    @property
    def names(self) -> list[str]:
        """Words of captions that no model can know."""
        return sorted({name for cell in self.grid.cells for name in cell.recipe.subject_name.split()})

    def record(self, name: str, pictures: Sequence[SweptPicture], voices: Voices | None) -> SweepRecord:
        return SweepRecord(
            name=name,
            axes=self.grid.axes,
            settings=tuple(map(flat_in_effect, self.grid.cells)),
            base_cell=self.base_cell,
            pictures=tuple(pictures),
            notes=(*self.grid.notes, *([ORDER_ONLY] if voices and not voices.weights.is_calibrated else [])),
            asked=voices.asked if voices else (),
        )


def _planned(arguments: argparse.Namespace) -> _Sweep:
    """Raises: CaptionerError: anything that is wrong with the command line."""
    if not arguments.pictures:
        raise WrongUse("no picture is named; name a picture or a folder.")
    if not arguments.out:
        raise WrongUse("--out DIR is missing, where the grids go.")
    check_device(arguments.device)
    named = named_grid(arguments.grid) if arguments.grid is not None else None
    if named and (arguments.x or arguments.y):
        raise WrongUse(f"--grid {named.name} has its own --x and --y; leave those out, or --grid.")
    if not named and not arguments.x:
        raise WrongUse("the grid is missing; give --grid NAME (see --list-grids) or --x SETTING=VALUE,VALUE,...")
    flat = flat_settings(arguments)
    plan = Plan.from_flat({**(named.settings if named else {}), **flat}, arguments.models)
    axes = [make_axis(name, words, plan) for name, words in named.axes] if named else []
    axes += [parse_axis(text, plan) for text in (arguments.x, arguments.y, arguments.z) if text]
    if plan.kinds and KIND not in {axis.name for axis in axes}:
        names = ",".join(map(kind_title, plan.kind_names))
        raise WrongUse(f"--kind has no effect: no axis compares kinds of captions; add --x {KIND}={names}.")
    grid = make_grid(axes, plan, arguments.models)
    check_flags_have_effect(flat, *grid.cells)
    idle = notes_without_effect(flat, plan, varied=[axis.name for axis in axes])
    for text in dict.fromkeys((*plan.notes, *grid.notes, *idle)):
        note(f"note: {text}")
    return _Sweep(grid, grid.base_cell(plan), _judges(arguments, plan))


def _judges(arguments: argparse.Namespace, plan: Plan) -> Plan | None:
    """Who scores: the plan's models and those that are named for it. Raises: WrongUse: named in vain."""
    if not arguments.score:
        for flag, value in (("--judge", arguments.judge), ("--colour", arguments.colour)):
            if value:
                raise WrongUse(f"{flag} has no effect without --score; add it.")
        return None
    Colouring.check_name(arguments.colour)
    chosen = {}
    for name in arguments.judge:
        family = name if name in registry.families("tagger") else sources.family_of(name, "tagger", arguments.models)
        if family is None:
            known = ", ".join(registry.families("tagger"))
            raise WrongUse(f"--judge {name} is no tagger that is known here; the families are {known}.")
        chosen[family] = DEFAULT if name == family else name
    return changed(plan, chosen, arguments.models)


def _sweep(arguments: argparse.Namespace, sweep: _Sweep, pictures: Sequence[NamedPicture]) -> int:
    manager = manager_of(arguments)
    swept: list[SweptPicture] = []
    failed = 0
    is_stopped = False
    stop: ExportError | None = None
    paths, out = [picture.path for picture in pictures], Path(arguments.out)
    opened_files = SweepFiles.opened(paths, out, colour_by=arguments.colour, with_png=arguments.png)
    try:
        with writable_folders(out), opened_files as files, Progress(len(pictures), "picture") as progress:
            voices = _voices(sweep.judges, manager, pictures) if sweep.judges else None
            for place, picture in enumerate(pictures):
                try:
                    files.check_free(place, may_overwrite=arguments.overwrite)
                    found = _swept(sweep, picture, manager, voices)
                    page = files.put(place, sweep.record(found.name, [found], voices))
                except ExportError as error:  # the disk is full, say: the rest would fail too
                    stop, failed = error, len(pictures) - len(swept)
                    break
                except CaptionerError as error:
                    failed += 1
                    progress.clear()
                    note(f"{picture.path}: {error}")
                else:
                    swept.append(found)
                    progress.clear()
                    say(str(page))
                progress.step(len(swept) + failed)
            if files.has_together and len(swept) > 1 and stop is None:
                progress.clear()
                failed += _put_together(
                    files, len(pictures), sweep.record(out.name, swept, voices), arguments.overwrite
                )
    except KeyboardInterrupt:
        is_stopped = True
        left = len(pictures) - len(swept) - failed
        note(f"captioner: stopped; {plural(left, 'picture was', 'pictures were')} not reached.")
    finally:
        manager.close()
    if stop is not None:
        note(f"captioner: {stop}")
    note(f"{len(swept)} swept, {failed} failed")
    if is_stopped:
        return 130
    return 1 if failed else 0


def _put_together(files: SweepFiles, place: int, record: SweepRecord, may_overwrite: bool) -> int:
    """Write the files of all pictures. Returns: 1 where that failed."""
    try:
        files.check_free(place, may_overwrite=may_overwrite)
        say(str(files.put(place, record)))
    except CaptionerError as error:
        note(f"all pictures together: {error}")
        return 1
    return 0


def _swept(sweep: _Sweep, picture: NamedPicture, manager: ModelManager, voices: Voices | None) -> SweptPicture:
    """The grid on one picture. Raises: CaptionerError: all cells failed, or the picture did."""
    image = images.open_picture(picture.path, follow_links=True).image
    shown = PictureInput(image, name=picture.path.name, folder=picture.folder)
    results = sweep_cells(shown, sweep.grid, manager)
    failures = [result.error for result in results if result.error]
    if len(failures) == len(results):
        raise failures[0]
    for text in dict.fromkeys(map(str, failures)):
        note(f"{picture.path}: some cells failed: {text}")
    scores: list[CellScore | None] = [None] * len(results)
    told = Told()
    if voices is not None:
        good = [result for result in results if not result.error]
        said = [Captioned(result.caption, result.sentence) for result in good]
        for result, score in zip(good, score_captions(said, shown, voices, names=sweep.names), strict=True):
            scores[result.cell] = score
        is_order = not voices.weights.is_calibrated  # then a word has its place among those of all cells
        standing = Standing.among(score.accuracy for score in scores if score) if is_order else None
        told = Told(clip=voices.clip_title, standing=standing)
    preview = images.preview(image, _PICTURE_EDGE_PX)
    return swept_picture(
        picture.path.name, sweep.grid, sweep.base_cell, results, image=preview, scores=scores, told=told
    )


def _voices(plan: Plan, manager: ModelManager, pictures: Sequence[NamedPicture]) -> Voices:
    """Who is asked for scores; has looked at the other pictures of the run, where there are some."""
    voices = Voices(plan, manager)
    for text in (*voices.notes, *([] if voices.weights.is_calibrated else [ORDER_ONLY])):
        note(f"note: {text}")
    note(f"note: scored by {', '.join(voices.asked)}.")
    if len(pictures) > 1:
        voices.look_at(opened(pictures[place].path for place in spread(len(pictures))))
    elif voices.reads:
        note(f"note: {ALONE}")
    return voices
