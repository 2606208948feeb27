"""The login: where its words come from, whether a request has them, and how guessing is slowed down.

Knows no page and no HTTP but the Authorization header. Imports nothing heavy, so that flags are checked at once.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from captioner.errors import CaptionerError

_FILE_MAX_BYTES = 10_000
_FREE_FAILURES = 5
_SHARED_FAILURES = 30  # beyond these an address whose right login came before is trusted no longer
_WAIT_MAX_S = 30.0
_FORGOTTEN_AFTER_S = 3600.0
_ADDRESSES_MAX = 10_000


def parse_login(text: str, source: str) -> tuple[str, str]:
    """(user, password) of "USER:PASSWORD".

    Raises: CaptionerError: one of them is missing; the message names the source, never the words.
    """
    user, colon, password = text.partition(":")
    if not (user and colon and password) or not text.isprintable():
        raise CaptionerError(f"{source} must be USER:PASSWORD on one line, with something on both sides of the colon.")
    return user, password


def read_login_file(path: Path) -> tuple[str, str]:
    """(user, password) from a file of one line.

    Raises: CaptionerError: it cannot be read, is no UTF-8 text, or holds something else.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_FILE_MAX_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise CaptionerError(f"--auth-file {path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise CaptionerError(f"--auth-file {path} is not UTF-8 text; save it as UTF-8.") from error
    if len(data) > _FILE_MAX_BYTES:
        raise CaptionerError(f"--auth-file {path} is over {_FILE_MAX_BYTES:,} bytes; it must hold one line.")
    return parse_login(text.removesuffix("\n").removesuffix("\r"), f"--auth-file {path}")


@dataclass
class _Record:
    """What an address has tried. failures: wrong logins. has_entered: the right one came once. Times: of the clock."""

    failures: int = 0
    has_entered: bool = False
    waits_until_s: float = 0.0
    last_failure_s: float = 0.0


class Login:
    """Whether a request may come in; an address that keeps guessing waits, longer each time, up to half a minute.

    While an address waits, its logins are not even looked at, unless the right one came from it before: then
    people behind one proxy are not shut out by a neighbour who guesses, until that neighbour has guessed thirty times.
    Only so many addresses are remembered. Nothing sleeps here, so nobody else waits.
    """

    def __init__(self, login: tuple[str, str], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._words = ":".join(login).encode()
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def check(self, authorization: str, client: str) -> float | None:
        """0.0 for the right login, None for none or a wrong one, else the seconds to wait before the next try.

        Args: authorization: the header, "" where there is none. client: the address the request came from.
        """
        if not authorization:
            return None
        address = _of_one_person(client)
        now_s = self._clock()
        record = self._records.get(address)
        if record is not None and now_s - record.last_failure_s > _FORGOTTEN_AFTER_S:
            record.failures = 0
        is_trusted = record is not None and record.has_entered and record.failures <= _SHARED_FAILURES
        if record is not None and now_s < record.waits_until_s and not is_trusted:
            return record.waits_until_s - now_s
        is_right = secrets.compare_digest(_given(authorization), self._words)
        if record is None:
            record = self._records[address] = _Record()
        self._records.move_to_end(address)
        if len(self._records) > _ADDRESSES_MAX:
            self._records.popitem(last=False)
        if is_right:
            record.has_entered = True
            return 0.0
        record.failures += 1
        record.last_failure_s = now_s
        if record.failures >= _FREE_FAILURES:
            record.waits_until_s = now_s + min(2.0 ** min(record.failures - _FREE_FAILURES, 10), _WAIT_MAX_S)
        return None


def _given(authorization: str) -> bytes:
    kind, _, encoded = authorization.partition(" ")
    if kind.lower() != "basic":
        return b""
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _of_one_person(client: str) -> str:
    """The address, or of IPv6 the network that one household is given whole."""
    try:
        return str(ipaddress.IPv6Network((client.partition("%")[0], 64), strict=False))
    except ValueError:  # IPv4, or no address at all
        return client
