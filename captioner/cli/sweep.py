"""`python -m captioner sweep`: a grid of settings for each picture, as a page to look at, CSV and JSON."""

from __future__ import annotations

import argparse
import base64
import sys
from pathlib import Path

from captioner import images, sweep
from captioner.cli.flags import add_model_flags, add_setting_flags, flat_settings, notes_without_effect
from captioner.cli.parser import WrongUse
from captioner.cli.pictures import NamedPicture, find_pictures
from captioner.cli.progress import Progress
from captioner.cli.terminal import Download, check_device, printable, quiet
from captioner.errors import CaptionerError, ExportError
from captioner.formats.format import ExportItem
from captioner.formats.sidecars import SidecarWriter
from captioner.formats.targets import folder_target
from captioner.models.blip import SamplingSettings
from captioner.pipeline import CAPTIONER, Plan

_EPILOG = """examples:
  # The grid EveryDream's users make by hand.
  python -m captioner sweep cat.jpg --preset everydream-beam --out grids \\
      --x repetition_penalty=0.01,0.6,1,1.4,5 --y min_length=5,15,22,30,48

  # One axis alone.
  python -m captioner sweep cat.jpg --x num_beams=1,8,16,20 --models demo --out grids
  python -m captioner sweep cat.jpg --preset everydream-nucleus --x q_factor=0.01,1,20,100,200 --out grids

exit status: 0 all good, 1 some pictures failed, 2 wrong use or a model that is not there, 130 stopped with Ctrl+C
"""
_PICTURE_EDGE_PX = 512


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `sweep`: its own, the captioner's, and one for every sampling setting."""
    parser.usage = "%(prog)s PICTURE_OR_FOLDER... --x SETTING=VALUE,VALUE,... --out DIR [flags]"
    parser.epilog = _EPILOG
    parser.add_argument("pictures", nargs="+", metavar="PICTURE_OR_FOLDER", help="a picture, or a folder of pictures")
    own = parser.add_argument_group("grid")
    shape = "SETTING=VALUE,VALUE,..."
    own.add_argument("--x", required=True, metavar=shape, help="the setting that changes along a row, and its values")
    own.add_argument("--y", metavar=shape, help="the setting that changes from row to row; without it there is one row")
    own.add_argument("--out", required=True, metavar="DIR", help="where a .html, .csv and .json for each picture go")
    own.add_argument("--recursive", action="store_true", help="look into the subfolders of folders too")
    models = parser.add_argument_group("models")
    models.add_argument(
        "--models", default="auto", metavar="auto|hub|demo|DIR", help="where models come from (default auto)"
    )
    add_model_flags(models, kinds=("captioner",))
    models.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda or cuda:N (default auto)")
    add_setting_flags(parser, keys=(CAPTIONER,))


def run(arguments: argparse.Namespace) -> int:
    """Make the grids. Everything that can be wrong with the command line shows before a model is loaded."""
    with quiet():
        plan, grid = _plan(arguments)
        pictures = find_pictures(arguments.pictures, recursive=arguments.recursive)
        plan.check_models(arguments.models, progress=Download())
        return _sweep(arguments, plan, grid, pictures)


def _plan(arguments: argparse.Namespace) -> tuple[Plan, sweep.Grid]:
    flat = flat_settings(arguments)
    plan = Plan.from_flat(flat, arguments.models)
    if not plan.captioner or not isinstance(plan.sampling, SamplingSettings):
        raise WrongUse("a sweep needs a captioner with sampling settings; leave out --captioner ''.")
    check_device(arguments.device)
    if not arguments.out:
        raise WrongUse("--out is empty; give --out DIR, where the grids go.")
    x = sweep.parse_axis(arguments.x)
    y = sweep.parse_axis(arguments.y) if arguments.y is not None else None
    grid = sweep.make_grid(x, y, plan.sampling)
    idle = notes_without_effect(flat, plan, varied=[axis.name for axis in (x, y) if axis])
    for note in dict.fromkeys((*plan.notes, *grid.notes, *idle)):
        print(f"note: {note}", file=sys.stderr)
    return plan, grid


def _sweep(arguments: argparse.Namespace, plan: Plan, grid: sweep.Grid, pictures: list[NamedPicture]) -> int:
    from captioner.manager import ModelManager

    manager = ModelManager(models=arguments.models, device=arguments.device)
    items = [ExportItem(picture.path.name, "", picture.path) for picture in pictures]
    names = [Path(file.caption).stem for file in SidecarWriter(".html").plan(items, with_pictures=False)]
    done = failed = 0
    is_stopped = False
    stop: ExportError | None = None
    try:
        with folder_target(Path(arguments.out)) as target, Progress(len(pictures), "pictures") as progress:
            for picture, name in zip(pictures, names, strict=True):
                try:
                    image = images.open_picture(picture.path, follow_links=True).image
                    with manager.use(plan.captioner, plan.family) as captioner:
                        found = sweep.sweep_picture(image, grid, captioner)
                    shown = base64.b64encode(images.preview(image, _PICTURE_EDGE_PX)).decode("ascii")
                    page = sweep.to_html(found, picture.path.name, plan.captioner, shown)
                    target.write(f"{name}.csv", sweep.to_csv(found, picture.path.name))
                    target.write(f"{name}.json", sweep.to_json(found, picture.path.name, plan.captioner))
                    target.write(f"{name}.html", page)
                except ExportError as error:  # the disk is full, say: the rest would fail too
                    stop, failed = error, len(pictures) - done
                    break
                except CaptionerError as error:
                    failed += 1
                    progress.clear()
                    print(f"{printable(str(picture.path))}: {error}", file=sys.stderr)
                else:
                    done += 1
                    progress.clear()
                    print(printable(str(Path(arguments.out) / f"{name}.html")), flush=True)
                progress.step(done + failed)
    except KeyboardInterrupt:
        is_stopped = True
        print(f"captioner: stopped; {len(pictures) - done - failed} pictures were not reached.", file=sys.stderr)
    finally:
        manager.close()
    if stop is not None:
        print(f"captioner: {stop}", file=sys.stderr)
    print(f"{done} swept, {failed} failed", file=sys.stderr)
    if is_stopped:
        return 130
    return 1 if failed else 0
