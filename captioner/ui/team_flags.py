"""The app's flags for several people: a proxy that asks for the login, operators, a sub-path, limits, logs."""

from __future__ import annotations

import argparse
import re
from typing import Any

from captioner.errors import CaptionerError
from captioner.limits import shown
from captioner.ui.login import ProxyLogin
from captioner.users import check_name


def add_team_flags(parser: argparse.ArgumentParser) -> None:
    """All of them."""
    team = parser.add_argument_group("for several people")
    team.add_argument(
        "--auth-header",
        metavar="NAME",
        help="a proxy has asked for the login and names the user in this header, such as Remote-User",
    )
    team.add_argument(
        "--trusted-proxy",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="the address or network from which that header is believed; may be given several times",
    )
    team.add_argument(
        "--operators",
        default="",
        metavar="NAME,...",
        help="the users of that header who look after models for all; those of --auth-file are named there (none)",
    )
    team.add_argument(
        "--root-path",
        default="",
        metavar="/PATH",
        help="what addresses begin with, where a proxy serves it below a path",
    )
    team.add_argument("--upload-gib", type=float, metavar="N", help="what a user may send a day, in GiB (no limit)")
    team.add_argument("--set-pictures", type=int, metavar="N", help="how many pictures a set may have (no limit)")
    team.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help="json: one object a line on stderr, requests, jobs and failures among them, without captions and names "
        "(%(default)s)",
    )
    team.add_argument("--user-jobs", type=int, metavar="N", help="how many sets of a user may be worked on at once")


def proxy(flags: argparse.Namespace) -> ProxyLogin | None:
    """The one whose word is taken for a login. Raises: CaptionerError."""
    if flags.auth_header is None:
        if flags.trusted_proxy:
            raise CaptionerError("--trusted-proxy says whose --auth-header NAME is believed; give that too.")
        return None
    if flags.no_auth:
        raise CaptionerError("--no-auth lets everyone in, so --auth-header would mean nothing; leave one of them out.")
    return ProxyLogin.of(flags.auth_header, flags.trusted_proxy)


def operators(flags: argparse.Namespace) -> tuple[str, ...]:
    """The users of the proxy who look after models. Raises: CaptionerError."""
    if flags.operators and flags.auth_header is None:
        raise CaptionerError(
            "--operators names users of --auth-header NAME; in a file of users, python -m captioner user add NAME "
            "--operator makes one."
        )
    return tuple(check_name(name.strip(), "--operators: ") for name in flags.operators.split(",") if name.strip())


def root_path(text: str) -> str:
    """What addresses begin with, without a slash at its end. Raises: CaptionerError."""
    if text and not re.fullmatch(r"(?:/[A-Za-z0-9._~-]+)+/?", text):
        raise CaptionerError(f"--root-path is {shown(text)!r}; it must begin with a slash, such as /captioner.")
    return text.rstrip("/")


def more_than_nothing(number: Any, flag: str) -> Any:
    """The limit that a flag gives, None for none. Raises: CaptionerError."""
    if number is not None and not 0 < number < 1e9:
        raise CaptionerError(f"{flag} is {number}; it must be more than 0.")
    return number
