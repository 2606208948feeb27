"""`python -m captioner`: the command line. Subcommands are modules of `captioner.cli`, imported only when asked for.

Exit status: 0 all good, 1 some pictures failed, 2 wrong use or a model that is not there, 130 stopped with Ctrl+C.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from captioner.cli.terminal import note
from captioner.errors import CaptionerError

COMMANDS = {
    "caption": "write captions for pictures and folders",
    "batch": "caption a folder, a bucket, shards or a list of any size, here or on Ray",
    "score": "tell which words of the captions beside pictures to doubt, worst first",
    "check": "tell what a trainer would read otherwise than it was meant",
    "import": "take over captions that others wrote: trainers' sets, lists, shards, names",
    "models": "list the models and which are on this machine",
    "suggest": "find settings that promise clearly more for a folder's pictures",
    "sweep": "compare settings: a grid of captions for each picture",
    "user": "say who may use the app: names, passwords and tokens in a file",
    "workspace": "look after the page's sets: disk use, check, backup, compact",
}
"""Subcommand -> help; its module in `captioner.cli` has the same name, but for those in `_MODULES`."""
_MODULES = {"import": "import_set"}  # a word that Python keeps for itself

_EPILOG = """examples:
  python -m captioner caption photos                       captions of a folder, printed
  python -m captioner caption photos --out captions        a .txt for each picture
  python -m captioner caption cat.jpg --models demo        with the small demo models, offline
  python -m captioner caption --help                       all flags of a subcommand
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status. Prints what a person can mend as one sentence on stderr."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(words)
    except CaptionerError as error:
        note(f"captioner: {error}")
        return 2
    except KeyboardInterrupt:
        note("captioner: stopped.")
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone, as `head` does. Python would complain again when it flushes on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(words: list[str]) -> int:
    asked = next((word for word in words if not word.startswith("-")), "")
    from captioner.captions.groups import add_plug_ins
    from captioner.cli.parser import Parser, WrongUse
    from captioner.models.named_servers import add_named_servers

    if words and words[0].startswith("-") and words[0] not in ("-h", "--help"):
        flag, command_name = words[0].partition("=")[0], next((word for word in words if word in COMMANDS), "caption")
        raise WrongUse(
            f"{flag} is too early; flags come after the subcommand: python -m captioner {command_name} {flag}"
        )
    parser = Parser(
        prog="python -m captioner",
        description="Captions for the pictures an image generator is trained on.",
        epilog=_EPILOG,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, title="commands")
    for name, help_text in COMMANDS.items():
        command = commands.add_parser(name, help=help_text, description=f"{help_text.capitalize()}.")
        if name == asked:
            add_plug_ins()
            for said in add_named_servers(_endpoints(words)):
                note(f"note: {said}")
            module = importlib.import_module(f"captioner.cli.{_MODULES.get(name, name)}")
            module.add_flags(command)
            command.set_defaults(parser=command, run=module.run)
    parsed = parser.parse_args(words)
    status: int = parsed.run(parsed)
    return status


def _endpoints(words: Sequence[str]) -> list[str]:
    """The servers that are named, before anything else is read: which flags there are depends on them."""
    before = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    before.add_argument("--endpoint", action="append", default=[])
    try:
        known, _ = before.parse_known_args(words)
    except argparse.ArgumentError:  # said again, in its place, when all flags are read
        return []
    return list(known.endpoint)


if __name__ == "__main__":
    sys.exit(main())
