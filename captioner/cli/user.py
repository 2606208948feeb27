"""`python -m captioner user`: who may use the app, in a file that `app.py --auth-file` reads."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path

from captioner import users
from captioner.cli.parser import WrongUse
from captioner.cli.terminal import note, say
from captioner.errors import CaptionerError
from captioner.plural import plural

_DOES = {
    "add": "give a user a password (asked for, or one line on stdin); a user who is there gets a new one",
    "remove": "take a user and their tokens out",
    "token": "print a new token, with which programs come in as this user; it is told this once",
    "revoke": "take all tokens of a user out",
    "list": "name the users",
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `user`."""
    parser.add_argument(
        "action", choices=_DOES, metavar="|".join(_DOES), help="; ".join(f"{a}: {h}" for a, h in _DOES.items())
    )
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="the user; not for list")
    parser.add_argument(
        "--operator",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="with add: an operator loads, unloads, fetches and checks models and frees the card for all, and sees "
        "where on this machine they lie; other users only look at the list, those of an older file too",
    )
    parser.add_argument("--file", required=True, type=Path, metavar="FILE", help="the file that --auth-file names")


def run(arguments: argparse.Namespace) -> int:
    """Change or list the file. The app notices within a second. Raises: CaptionerError."""
    path, name, action = arguments.file.expanduser(), arguments.name, arguments.action
    if arguments.operator is not None and action != "add":
        raise WrongUse(f"--operator goes with add, not with {action}.")
    if action == "list":
        found = users.read_users(path)[1]
        for one in sorted(found.passwords):
            count = list(found.tokens.values()).count(one)
            role = f", {users.OPERATOR}" if one in found.operators else ""
            say(f"{one}  {plural(count, 'token')}{role}")
        return 0
    users.check_name(name, f"user {action} needs a NAME: ")
    if action == "add":
        is_new = users.add_user(path, name, _password(), is_operator=arguments.operator)
        note(f"{name} is {'a user' if is_new else 'there already and has the new password'} now, in {path}.")
    elif action == "remove":
        users.remove_user(path, name)
        note(f"{name} is no user any more.")
    elif action == "token":
        say(users.add_token(path, name))
        note("programs send it as Authorization: Bearer TOKEN. Keep it now; it cannot be read again.")
    else:
        count = users.remove_tokens(path, name)
        note(f"{plural(count, 'token was', 'tokens were')} taken out.")
    return 0


def _password() -> str:
    """Typed twice at a terminal, else a line of stdin. Raises: CaptionerError: two that differ."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise CaptionerError("the two passwords differ; nothing was changed.")
    return first
