"""`python -m captioner caption`: captions for pictures and folders, printed or written as caption files."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from captioner.captions.groups import KINDS
from captioner.captions.plan import Plan
from captioner.captions.recipe_file import RECIPE_NAME, RecipeFile
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
from captioner.cli.picture_sources import sources_of
from captioner.cli.pictures import NamedPicture, Search, find_pictures
from captioner.cli.preparing import PUBLISHED, prepare
from captioner.cli.progress import Progress
from captioner.cli.recipes import RecipeWriter, Repeat, read_recipe
from captioner.cli.results import show, texts_of, written
from captioner.cli.set_flags import add_set_flags, check_set_flags, target_of, with_pictures
from captioner.cli.sets import set_output
from captioner.cli.tally import Tally
from captioner.cli.terminal import Download, check_device, note, quiet
from captioner.errors import ExportError
from captioner.formats.folders import OutputPicture
from captioner.formats.format import ExportItem
from captioner.formats.names import safe_folder
from captioner.formats.output import FolderOutput, Output, OutputOptions, ZipOutput
from captioner.formats.targets import writable_folders, zip_target
from captioner.pipeline import batch_size_on
from captioner.preparation import can_prepare
from captioner.records import KIND, MAIN
from captioner.service.exported_kinds import kinds_note

_EPILOG = """examples:
  # Print captions; --models demo needs no download.
  python -m captioner caption photos --models demo

  # A .txt beside each picture, in EveryDream's style with a lower repetition penalty; existing captions stay.
  python -m captioner caption photos --beside --preset everydream-beam --q-factor 0.8

  # Kohya's folders: 10_cat/1.txt beside 10_cat/1.png, masks and sketches left out.
  python -m captioner caption train/* --beside --exclude "sketch*" --models demo

  # The subject's name, and tags from WD14; pictures and captions in one zip.
  python -m captioner caption photos --class-name dog --subject-name "sks dog" --wd14 default \\
      --zip set.zip --with-pictures

  # A whole set for kohya's sd-scripts: pictures, captions, config, and how to start.
  python -m captioner caption photos --format kohya --base-model sdxl --repeats 10 --zip set.zip

  # Two captions a picture, by two captioners, in columns of one table.
  python -m captioner caption photos --captioner blip-base --kind short:blip-base:max_length=12 \\
      --format csv --zip set.zip

  # For programs: one JSON object a line on stdout.
  python -m captioner caption photos --recursive --json

exit status: 0 all good, 1 some pictures failed or could not be read, 2 wrong use or a model that is not there,
130 stopped with Ctrl+C
"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `caption`: its own, the models', and one for every field of every settings class."""
    parser.usage = "%(prog)s PICTURE_OR_FOLDER... [flags]"
    parser.epilog = _EPILOG
    parser.add_argument("pictures", nargs="+", metavar="PICTURE_OR_FOLDER", help="a picture, or a folder of pictures")
    where = parser.add_argument_group("pictures and captions")
    add_search_flags(where)
    target = where.add_mutually_exclusive_group()
    target.add_argument(
        "--out",
        metavar="DIR",
        help="write a caption file for each picture to this folder; below it files lie as the pictures do below the "
        "folder named, or below what several arguments have in common. A trainer's set (--format) asks for a folder "
        "that is new or empty",
    )
    target.add_argument("--beside", action="store_true", help="write each caption file beside its picture")
    target.add_argument("--zip", metavar="FILE", help="write the caption files, or a trainer's set, to this zip")
    where.add_argument(
        "--overwrite",
        action="store_true",
        help="with --existing ignore, replace caption files too that you wrote or changed, and a zip that is not as it "
        "was written here, and for a trainer's set a folder that has files in it; each is kept as NAME.bak",
    )
    sets = parser.add_argument_group("sets for trainers (--format)")
    add_set_flags(where, sets)
    where.add_argument("--json", action="store_true", help="print one JSON object a picture, for programs")
    where.add_argument(
        "--recipe",
        metavar="FILE",
        help=f"caption as an export did, by the {RECIPE_NAME} in it: its models and settings, and for the pictures it "
        "knows, the words that a person wrote; settings given beside it win",
    )
    models = parser.add_argument_group("models")
    models.add_argument(
        "--models",
        default="auto",
        metavar="auto|hub|demo|DIR",
        help="where models come from: auto takes downloaded ones, hub downloads what is missing, demo takes the small "
        "demo models, DIR has one subfolder a model name (default auto)",
    )
    add_model_flags(models)
    add_kind_flags(models)
    models.add_argument(
        PUBLISHED,
        action="store_true",
        help="download label embeddings that others have published for CLIP's public words instead of computing them, "
        "which takes a CPU half an hour, once",
    )
    models.add_argument(
        "--device", default="auto", metavar="D", help="auto, cpu, cuda or cuda:N (default auto: CUDA if there is one)"
    )
    add_memory_flags(models)
    add_setting_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Caption what the command line names. Everything that can be wrong with it shows before a model is loaded."""
    with quiet():
        recipe = read_recipe(arguments.recipe) if arguments.recipe is not None else None
        plan = _plan(arguments, recipe)
        found = find_pictures(arguments.pictures, _search(arguments))
        for text in found.notes():
            note(f"note: {text}")
        pictures = found.pictures
        options = OutputOptions(
            format=arguments.format,
            with_pictures=with_pictures(arguments),
            existing=plan.recipe.existing,
            may_overwrite=arguments.overwrite,
            kind=plan.kind,
        )
        repeat = Repeat(recipe, plan.kind)
        for text in repeat.look(pictures):
            note(f"note: {text}")
        place = (arguments.zip or arguments.out) if target_of(arguments) else ""
        run = Tally(len(pictures), found.is_incomplete, place)
        stop: ExportError | None = None
        try:
            with _output(arguments, pictures, options) as output:
                for one in plan.of_all_kinds():
                    one.check_models(arguments.models, progress=Download())
                plan = plan.check_models(arguments.models)  # now with what all those models want
                _caption(arguments, plan, pictures, output, run, repeat)
        except ExportError as error:
            if not run.has_begun:
                raise
            # The disk is full, say: the rest would fail too. A folder keeps what was written, of a zip or a set nothing
            # is left.
            stop = error
            run.done = 0 if arguments.zip or target_of(arguments) else run.done
            run.failed = run.total - run.done
            run.is_incomplete = True
        except KeyboardInterrupt:
            if not run.is_stopped:
                raise
        for text in output.notes() if run.done else ():
            note(f"note: {text}")
        if stop is not None:
            note(f"captioner: {stop}")
        return run.end()


def _plan(arguments: argparse.Namespace, recipe: RecipeFile | None) -> Plan:
    flat = flat_settings(arguments)
    if recipe and KINDS in flat and KINDS in recipe.settings:
        raise WrongUse("the recipe has kinds of captions of its own; leave --kind out.")
    given = recipe.settings if recipe else {}
    if KIND in flat and MAIN in given.get(KINDS, {}):
        given = Plan.from_flat(given, arguments.models).of_kind(MAIN).to_flat()  # where --front finds all others
    plan = Plan.from_flat({**given, **flat}, arguments.models)
    if MAIN not in plan.kind_names:
        raise WrongUse(f"--front {plan.kind} names no kind of caption; add --kind {plan.kind}:CAPTIONER.")
    check_flags_have_effect(flat, *plan.of_all_kinds())
    check_device(arguments.device)
    for flag, target, kind in (("--out", arguments.out, "DIR"), ("--zip", arguments.zip, "FILE")):
        if target == "":
            raise WrongUse(f"{flag} is empty; give {flag} {kind}, or leave it out to print captions only.")
    if arguments.published_labels and not any(map(can_prepare, plan.of_all_kinds())):
        raise WrongUse(f"{PUBLISHED} has no effect: no model that is on has labels to embed; add --clip default.")
    if arguments.overwrite and not (arguments.out or arguments.zip or arguments.beside):
        raise WrongUse("--overwrite has no effect: nothing is written; add --out DIR, --zip FILE or --beside.")
    check_set_flags(arguments, target_of(arguments))
    is_written = arguments.out or arguments.zip or arguments.beside
    kinds = kinds_note(plan, target_of(arguments), getattr(arguments, "captions", "one")) if is_written else ""
    warnings = dict.fromkeys(text for one in plan.of_all_kinds() for text in one.warnings())
    for text in (*plan.notes, *warnings, *filter(None, [kinds]), *notes_without_effect(flat, plan)):
        note(f"note: {text}")
    return plan


def _search(arguments: argparse.Namespace) -> Search:
    is_set = with_pictures(arguments) or target_of(arguments) is not None
    in_place = Path(arguments.out) if arguments.out and not is_set else None
    return Search.of(arguments, in_place=in_place)


def _caption(
    arguments: argparse.Namespace,
    plan: Plan,
    pictures: Sequence[NamedPicture],
    output: Output,
    run: Tally,
    repeat: Repeat,
) -> None:
    """Caption and write, counting in `run`. After Ctrl+C it ends as ever, or with KeyboardInterrupt if nothing is done.

    Raises: ExportError: the target takes no more.
    """
    # Read now, since what this run writes must not be taken for what was there before it.
    existing = repeat.existing(output.existing())
    made = RecipeWriter(plan, arguments.models, repeat)
    manager = manager_of(arguments)
    batch_size = batch_size_on(manager.device)
    kept = 0
    told: set[str] = set()
    try:
        keeps = plan.recipe.existing == "keep"
        is_known = [
            repeat.text(place) is not None or (keeps and isinstance(text, str) and text.strip())
            for place, text in enumerate(existing)
        ]
        if plan.kinds or not all(is_known):  # else no model is asked
            prepare(plan, manager, published=arguments.published_labels)
        run.has_begun = True
        with Progress(len(pictures), "picture") as progress:
            sources = sources_of(pictures, existing)
            for captioned in repeat.captioned(sources, plan, manager, batch_size=batch_size):
                place = int(captioned.picture_id)
                texts = texts_of(arguments, captioned, plan, existing[place])
                captioned = written(output, place, captioned, texts)
                made.add(place, pictures[place], captioned, existing[place])
                progress.clear()
                for warning in sorted({report.warning for report in manager.report()} - {*told, ""}):
                    note(f"note: {warning}")
                    told.add(warning)
                run.glitches += show(pictures[place].path, captioned, plan, as_json=arguments.json)
                run.done += captioned.error is None
                run.failed += captioned.error is not None
                kept += captioned.was_kept
                progress.step(run.done + run.failed, quick=kept)
    except KeyboardInterrupt:
        run.is_stopped = run.has_begun
        if not run.done:  # nothing to keep: an older zip of that name stays
            raise
    finally:
        manager.close()
    if run.done:
        made.write(output)


@contextmanager
def _output(
    arguments: argparse.Namespace, pictures: Sequence[NamedPicture], options: OutputOptions
) -> Iterator[Output]:
    """Where the captions go. Raises: ExportError, WrongUse: known before a model is loaded."""
    paths = [picture.path for picture in pictures]
    items = [ExportItem(picture.path.name, "", picture.path, safe_folder(picture.folder)) for picture in pictures]
    target = target_of(arguments)
    if target is not None:
        with set_output(arguments, target, items, options) as whole:
            yield whole
    elif arguments.zip:
        with zip_target(Path(arguments.zip), may_overwrite=arguments.overwrite) as file:
            yield ZipOutput(items, paths, options, file)
    elif arguments.out or arguments.beside:
        top = Path(arguments.out or ".")
        folders = [picture.path.parent if arguments.beside else top / picture.folder for picture in pictures]
        files = [OutputPicture(path, folder) for path, folder in zip(paths, folders, strict=True)]
        own = {os.path.realpath(path.parent) for path in paths}
        if options.with_pictures and any(os.path.realpath(folder) in own for folder in folders):
            raise WrongUse(f"--with-pictures copies pictures, and some are in {top}; name another folder.")
        with writable_folders(*(dict.fromkeys(folders) if arguments.beside else [top])):
            output = FolderOutput(files, options)
            try:
                yield output
            except BaseException:
                with suppress(ExportError):  # the error that is under way is the one to tell
                    output.close()
                raise
            output.close()
    else:
        yield Output(paths, options)
