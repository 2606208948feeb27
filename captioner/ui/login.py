"""The login: where its words come from, whose a request's are, and how guessing is slowed down.

Knows no page and no HTTP but the Authorization header, and the header of a proxy that has asked already. Imports
nothing heavy, so that flags are checked at once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner.errors import CaptionerError
from captioner.limits import shown
from captioner.users import MAX_BYTES, UserFile, check_name, is_users

_LOGIN_MAX_BYTES = 10_000
_PROVEN_MAX = 10_000
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


def read_login_file(path: Path) -> tuple[str, str] | UserFile:
    """One (user, password) from a file of one line in plain words, or a file of users with the hashes of theirs.

    Raises: CaptionerError: it cannot be read, is no UTF-8 text, or holds something else.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise CaptionerError(f"--auth-file {path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise CaptionerError(f"--auth-file {path} is not UTF-8 text; save it as UTF-8.") from error
    if is_users(text):
        return UserFile(path)
    if len(data) > _LOGIN_MAX_BYTES:
        raise CaptionerError(f"--auth-file {path} is over {_LOGIN_MAX_BYTES:,} bytes; it must hold one line.")
    return parse_login(text.removesuffix("\n").removesuffix("\r"), f"--auth-file {path}")


@dataclass(frozen=True)
class ProxyLogin:
    """The word of a proxy that has asked for a login itself: a header, believed from its addresses only.

    header: in small letters. proxies: addresses and networks.
    """

    header: str
    proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

    @classmethod
    def of(cls, header: str, proxies: Sequence[str]) -> ProxyLogin:
        """From what the flags say. Raises: CaptionerError: no header's name, no address, or none at all."""
        if not (header.isascii() and header.replace("-", "").isalnum()):
            raise CaptionerError(
                f"--auth-header is {shown(header)!r}; it must be a header's name, such as Remote-User."
            )
        if not proxies:
            raise CaptionerError(
                f"--auth-header {header} needs --trusted-proxy ADDRESS, since anybody could send that header."
            )
        return cls(header.lower(), tuple(_network(text) for text in proxies))

    def is_proxy(self, peer: str) -> bool:
        """Whether a connection from this address is the proxy's."""
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self.proxies)

    def user(self, value: str) -> str:
        """The user that the header names. Raises: CaptionerError: that is no name."""
        return check_name(value.strip(), f"The header {self.header}: ")


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise CaptionerError(
            f"--trusted-proxy is {shown(text)!r}; it must be an address or a network, such as 127.0.0.1 or 10.0.0.0/8."
        ) from error


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

    def __init__(self, login: tuple[str, str] | UserFile, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Args: login: the one of all, or a file of users; theirs are proven slowly, once."""
        self._login = login
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._lock = threading.Lock()
        self._proving = threading.BoundedSemaphore(2)  # each takes 16 MiB
        self._secret = secrets.token_bytes(32)
        self._proven: OrderedDict[bytes, str] = OrderedDict()
        self._generation = 0

    @property
    def has_users(self) -> bool:
        """Whether people come in under names of their own."""
        return isinstance(self._login, UserFile)

    def is_quick(self, authorization: str) -> bool:
        """Whether `check` answers at once: there is nothing to prove, or it was proven before."""
        is_password = authorization[:6].lower() == "basic "
        return not self.has_users or not is_password or self._known(authorization) is not None

    def user(self, authorization: str) -> str:
        """Whose login it is, for which `check` gave 0.0."""
        return self._user_of(authorization) or ""

    def check(self, authorization: str, client: str) -> float | None:
        """0.0 for the right login, None for none or a wrong one, else the seconds to wait before the next try.

        Args: authorization: the header, "" where there is none. client: the address the request came from.
        """
        if not authorization:
            return None
        address = _of_one_person(client)
        now_s = self._clock()
        with self._lock:
            record = self._records.get(address)
            if record is not None and now_s - record.last_failure_s > _FORGOTTEN_AFTER_S:
                record.failures = 0
            is_trusted = record is not None and record.has_entered and record.failures <= _SHARED_FAILURES
            if record is not None and now_s < record.waits_until_s and not is_trusted:
                return record.waits_until_s - now_s
        is_right = self._user_of(authorization) is not None
        with self._lock:
            record = self._records.setdefault(address, _Record())
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

    def _user_of(self, authorization: str) -> str | None:
        if not isinstance(self._login, UserFile):
            is_right = secrets.compare_digest(_given(authorization), ":".join(self._login).encode())
            return self._login[0] if is_right else None
        if authorization[:7].lower() == "bearer ":
            return self._login.now().user_of_token(authorization[7:].strip())
        known = self._known(authorization)
        if known is not None:
            return known
        try:
            name, _, password = _given(authorization).decode().partition(":")
        except UnicodeDecodeError:
            return None
        if not name:
            return None
        users, generation = self._login.now(), self._login.generation
        with self._proving:
            user = users.user_of_password(name, password)
        if user is not None:
            with self._lock:
                if generation == self._generation:
                    self._proven[self._mark(authorization)] = user
                    if len(self._proven) > _PROVEN_MAX:
                        self._proven.popitem(last=False)
        return user

    def _known(self, authorization: str) -> str | None:
        """Whose words these were when they were proven, if the file has not changed since."""
        if not isinstance(self._login, UserFile):
            return None
        self._login.now()
        with self._lock:
            if self._generation != self._login.generation:
                self._generation = self._login.generation
                self._proven.clear()
            return self._proven.get(self._mark(authorization))

    def _mark(self, authorization: str) -> bytes:
        """So that no password stays in memory."""
        return hashlib.blake2b(authorization.encode("utf-8", "surrogatepass"), key=self._secret).digest()


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
