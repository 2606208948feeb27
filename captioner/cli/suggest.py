"""`python -m captioner suggest`: settings that promise clearly more for a folder's pictures; applies none."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from captioner import images
from captioner.captions.plan import Plan
from captioner.cli.flags import add_model_flags, add_search_flags, add_setting_flags, flat_settings
from captioner.cli.memory import add_memory_flags, manager_of
from captioner.cli.parser import WrongUse
from captioner.cli.pictures import Search as PictureSearch
from captioner.cli.pictures import find_pictures, opened
from captioner.cli.progress import Progress
from captioner.cli.terminal import Download, check_device, note, quiet, say, say_json
from captioner.contract import PictureInput
from captioner.errors import CaptionerError
from captioner.lab.proposals import RULE, SAMPLE_PICTURES, Search, Trial, trials_around
from captioner.lab.voices import Voices, spread
from captioner.plural import plural

_EPILOG = """examples:
  # 30 pictures of the folder, 20 settings around the preset; --models demo needs no download.
  python -m captioner suggest photos --preset blip-paper --models demo

  # All pictures; CLIP and a tagger judge too. For programs.
  python -m captioner suggest photos --pictures all --clip default --wd14 default --json

Nothing is applied: what is proposed is printed as flags for `caption`. False words are at least so many: where a
captioner is wrong and sure of it, they are counted too low.

exit status: 0 all good, 1 some pictures failed or could not be read, 2 wrong use or a model that is not there,
130 stopped with Ctrl+C
"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `suggest`."""
    parser.usage = "%(prog)s PICTURE_OR_FOLDER... [flags]"
    parser.epilog = _EPILOG
    parser.add_argument("pictures", nargs="+", metavar="PICTURE_OR_FOLDER", help="a picture, or a folder of pictures")
    where = parser.add_argument_group("pictures")
    add_search_flags(where)
    where.add_argument(
        "--pictures",
        dest="sample",
        default=str(SAMPLE_PICTURES),
        metavar="N|all",
        help=f"how many pictures to try, spread over all (default {SAMPLE_PICTURES})",
    )
    where.add_argument(
        "--penalties", action="store_true", help="try four repetition penalties: 80 settings instead of 20"
    )
    where.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    models = parser.add_argument_group("models")
    models.add_argument(
        "--models", default="auto", metavar="auto|hub|demo|DIR", help="where models come from (default auto)"
    )
    add_model_flags(models)
    models.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda or cuda:N (default auto)")
    add_memory_flags(models)
    add_setting_flags(parser, keys=("captioner",))


def run(arguments: argparse.Namespace) -> int:
    """Search around what the command line sets. Everything that can be wrong with it shows before a model is loaded."""
    with quiet():
        plan = Plan.from_flat(flat_settings(arguments), arguments.models)
        check_device(arguments.device)
        trials = trials_around(plan, has_penalties=arguments.penalties, models=arguments.models)
        found = find_pictures(arguments.pictures, PictureSearch.of(arguments))
        for text in (*plan.notes, *found.notes()):
            note(f"note: {text}")
        paths = _sample([picture.path for picture in found.pictures], arguments.sample)
        plan = plan.check_models(arguments.models, progress=Download())
        return _search(arguments, plan, trials, paths, is_incomplete=found.is_incomplete)


def _sample(paths: Sequence[Path], wanted: str) -> list[Path]:
    if wanted == "all":
        return list(paths)
    if not wanted.isdecimal() or int(wanted) < 1:
        raise WrongUse(f"--pictures is {wanted!r}; it must be a number from 1 on, or all.")
    return [paths[place] for place in spread(len(paths), int(wanted))]


def _search(
    arguments: argparse.Namespace, plan: Plan, trials: Sequence[Trial], paths: Sequence[Path], *, is_incomplete: bool
) -> int:
    manager = manager_of(arguments)
    failed = 0
    is_stopped = False
    try:
        voices = Voices(plan, manager)
        for text in (*voices.notes, f"asked: {', '.join(voices.asked)}."):
            note(f"note: {text}")
        search = Search(trials, voices)
        with Progress(len(paths), "picture") as progress:
            try:
                voices.look_at(opened(paths[place] for place in spread(len(paths))))
                for number, path in enumerate(paths, start=1):
                    try:
                        shown = PictureInput(images.open_picture(path, follow_links=True).image, name=path.name)
                        for _ in search.look_at(shown, str(path), manager):
                            pass
                    except CaptionerError as error:
                        failed += 1
                        progress.clear()
                        note(f"{path}: {error}")
                    progress.step(number)
            except KeyboardInterrupt:
                is_stopped = True
                note(f"captioner: stopped; {plural(len(search.seen), 'picture was', 'pictures were')} tried.")
        if search.seen:
            _show(search.to_values(), as_json=arguments.json)
    finally:
        manager.close()
    note(f"{plural(len(search.seen), 'picture')} tried, {failed} failed")
    return 130 if is_stopped else 1 if failed or is_incomplete else 0


def _show(values: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json({**values, "rule": RULE})
        return
    say(f"{'true':>6}  {'false, at least':>15}  {'gain':>14}  settings")
    for dot in values["dots"]:
        gain = "" if dot["is_base"] else f"{dot['gain']:+.2f}"
        gain += "" if dot["is_base"] or dot["error"] is None else f" ± {dot['error']:.2f}"
        mark = "  <- clearly better" if dot["is_clear"] else ""
        say(f"{dot['true_words']:>6.2f}  {dot['false_words']:>15.2f}  {gain:>14}  {dot['title']}{mark}")
    say("")
    say(values["sentence"])
    for proposal in values["proposals"]:
        dot = values["dots"][proposal["dot"]]
        say(f"{dot['title']}: {proposal['about']}")
        say(f"  {_flags(dot['settings'])}")
        for example in proposal["examples"][:3]:
            say(f"  {example['name']}: {example['before']} -> {example['after']}")
    for caution in (RULE, *values["cautions"]):
        note(f"note: {caution}")


def _flags(settings: dict[str, Any]) -> str:
    """Settings as the command line writes them."""
    words = []
    for name, value in settings.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words += [f"--{flag}"] if value else []
        else:
            words += [f"--{flag} {value:g}" if isinstance(value, float) else f"--{flag} {value}"]
    return " ".join(words)
