"""Who may come in: a file of users, each with the scrypt hash of a password and with tokens for programs.

A line is `NAME:scrypt$N$R$P$SALT$HASH` for a password, with `:operator` behind it for who looks after the models, or
`NAME:token$HASH` for a token (its sha256); empty lines and lines that begin with # do not count. Neither a password nor
a token can be read from it. Knows no HTTP and no page.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from captioner.errors import CaptionerError
from captioner.files import written_whole
from captioner.limits import shown

MAX_BYTES = 1_000_000
OPERATOR = "operator"
MIN_PASSWORD_LENGTH = 8
_MAX_PASSWORD_LENGTH = 1_000
_COST, _BLOCK, _PARALLEL = 2**14, 8, 1  # 16 MiB and some 50 ms, as RFC 7914 advises for logins
_MAX_MEMORY = 64 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_PASSWORD = re.compile(r"scrypt\$(\d{1,8})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9+/=]{16,64})\$([A-Za-z0-9+/=]{40,128})")
_TOKEN = re.compile(r"token\$([0-9a-f]{64})")
_LOOKED_AGAIN_S = 1.0


def hashed(password: str) -> str:
    """A password as a line holds it. Raises: CaptionerError: too short, too long, or with control characters."""
    if not MIN_PASSWORD_LENGTH <= len(password) <= _MAX_PASSWORD_LENGTH or not password.isprintable():
        raise CaptionerError(
            f"the password must have {MIN_PASSWORD_LENGTH} to {_MAX_PASSWORD_LENGTH:,} letters, digits and signs; "
            "choose another."
        )
    salt = secrets.token_bytes(16)
    parts = (base64.b64encode(one).decode() for one in (salt, _scrypt(password, salt, _COST, _BLOCK, _PARALLEL)))
    return "$".join(("scrypt", str(_COST), str(_BLOCK), str(_PARALLEL), *parts))


def is_password(password: str, stored: str) -> bool:
    """Whether a password is the one of a stored hash. Takes some 50 ms, right or wrong."""
    found = _PASSWORD.fullmatch(stored)
    assert found is not None  # `Users` takes no other
    cost, block, parallel = (int(number) for number in found.groups()[:3])
    salt, wanted = (base64.b64decode(text) for text in found.groups()[3:])
    return hmac.compare_digest(_scrypt(password, salt, cost, block, parallel), wanted)


def _scrypt(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"), salt=salt, n=cost, r=block, p=parallel, maxmem=_MAX_MEMORY, dklen=32
    )


@dataclass(frozen=True)
class Users:
    """What a file says. passwords: name -> hash. tokens: sha256 -> name. operators: names; the lines of older versions
    make none."""

    passwords: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    operators: set[str] = field(default_factory=set)

    def user_of_password(self, name: str, password: str) -> str | None:
        """The user whose name and password these are; takes as long for a name that nobody has."""
        stored = self.passwords.get(name)
        is_right = is_password(password, stored or _nobody())
        return name if is_right and stored is not None else None

    def user_of_token(self, token: str) -> str | None:
        """The user whose token this is."""
        return self.tokens.get(_digest(token))


@cache
def _nobody() -> str:
    """A hash of no one's password, which takes as long to compare."""
    return hashed(secrets.token_urlsafe(24))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def is_users(text: str) -> bool:
    """Whether a text is a file of users, and not one login in plain words."""
    return any(line.partition(":")[2].startswith(("scrypt$", "token$")) for line in _lines(text))


def parse_users(text: str, source: str) -> Users:
    """What the text of such a file says.

    Raises: CaptionerError: a line that is none, or a name twice; it names the source and the line, never a hash.
    """
    users = Users()
    for number, raw in enumerate(text.splitlines(), 1):
        if raw.strip() not in _lines(raw):
            continue
        name, _, rest = raw.strip().partition(":")
        secret, colon, role = rest.partition(":")
        if colon and (role != OPERATOR or not secret.startswith("scrypt$")):
            raise CaptionerError(
                f"{source}, line {number}: behind the hash of a password may stand :{OPERATOR}, and nothing else."
            )
        token = _TOKEN.fullmatch(secret)
        check_name(name, f"{source}, line {number}: ")
        if token is not None:
            users.tokens[token[1]] = name
        elif (found := _PASSWORD.fullmatch(secret)) is None or not _is_bearable(*map(int, found.groups()[:3])):
            raise CaptionerError(
                f"{source}, line {number} must be NAME:HASH; python -m captioner user add NAME --file FILE writes it."
            )
        elif name in users.passwords:
            raise CaptionerError(f"{source}, line {number}: {name} has a line already; take one of them out.")
        else:
            users.passwords[name] = secret
            if role:
                users.operators.add(name)
    for name in users.tokens.values():
        if name not in users.passwords:
            raise CaptionerError(f"{source} has a token of {name}, who is no user there; add the user or take it out.")
    return users


def _is_bearable(cost: int, block: int, parallel: int) -> bool:
    """Whether scrypt takes these numbers, within our memory."""
    is_power = cost > 1 and cost & (cost - 1) == 0
    return is_power and block > 0 and 0 < parallel <= 4 and 128 * cost * block <= _MAX_MEMORY // 2


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def check_name(name: str, where: str = "") -> str:
    """The name. Raises: CaptionerError: it is none for a user."""
    if not _NAME.fullmatch(name):
        raise CaptionerError(
            f"{where}{shown(repr(name), max_length=80)} is no name for a user; it must be 1 to 64 letters, digits and "
            "the signs . _ @ -."
        )
    return name


def read_users(path: Path, *, must_exist: bool = True) -> tuple[str, Users]:
    """The text of a file of users, and what it says.

    Raises: CaptionerError: it cannot be read, is no UTF-8 text, is too long, or as `parse_users`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        text = data.decode("utf-8-sig")
    except FileNotFoundError as error:
        if must_exist:
            raise CaptionerError(
                f"there is no {path}; python -m captioner user add NAME --file FILE makes it."
            ) from error
        return "", Users()
    except OSError as error:
        raise CaptionerError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise CaptionerError(f"{path} is not UTF-8 text; save it as UTF-8.") from error
    if len(data) > MAX_BYTES:
        raise CaptionerError(f"{path} is over {MAX_BYTES:,} bytes; a user takes one line.")
    return text, parse_users(text, str(path))


def add_user(path: Path, name: str, password: str, *, is_operator: bool | None = None) -> bool:
    """Give a user a password, a new one where there is one; makes the file, for its owner's eyes only.

    Args: is_operator: None leaves it as it is, for a new user at no.
    Returns: whether the user is new. Raises: CaptionerError.
    """
    text, users = read_users(path, must_exist=False)
    is_operator = name in users.operators if is_operator is None else is_operator
    line = f"{check_name(name)}:{hashed(password)}" + (f":{OPERATOR}" if is_operator else "")
    kept = [one for one in text.splitlines() if not one.strip().startswith(f"{name}:scrypt$")]
    _write(path, [*kept, line])
    return name not in users.passwords


def remove_user(path: Path, name: str) -> None:
    """Take a user and their tokens out. Raises: CaptionerError: nobody has the name."""
    text, users = read_users(path)
    _known(users, name, path)
    _write(path, [one for one in text.splitlines() if one.strip().partition(":")[0] != name])


def add_token(path: Path, name: str) -> str:
    """A new token of a user, which is told this once. Raises: CaptionerError: nobody has the name."""
    text, users = read_users(path)
    _known(users, name, path)
    token = f"cpt_{secrets.token_urlsafe(32)}"
    _write(path, [*text.splitlines(), f"{name}:token${_digest(token)}"])
    return token


def remove_tokens(path: Path, name: str) -> int:
    """Take all tokens of a user out. Returns: how many. Raises: CaptionerError: nobody has the name."""
    text, users = read_users(path)
    _known(users, name, path)
    _write(path, [one for one in text.splitlines() if not one.strip().startswith(f"{name}:token$")])
    return list(users.tokens.values()).count(name)


def _known(users: Users, name: str, path: Path) -> None:
    if name not in users.passwords:
        raise CaptionerError(
            f"nobody in {path} is called {shown(name)}; the users are {', '.join(sorted(users.passwords)) or 'none'}."
        )


def _write(path: Path, lines: list[str]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
        with written_whole(path) as file:
            os.chmod(file.name, mode)  # noqa: PTH101 (an open file's own name)
            file.write("".join(f"{line}\n" for line in lines).encode())
    except OSError as error:
        raise CaptionerError(f"{path} cannot be written: {error.strerror or error}.") from error


class UserFile:
    """A file of users that is read again when it has changed, so that who is added or taken out need not wait."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises: CaptionerError: as `read_users`."""
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._users = read_users(path)[1]
        self._look = self._status()
        self._looked_at = clock()
        self.generation = 0
        """Grows with each change, so that what was proven before it is proven again."""

    def now(self) -> Users:
        """What the file says. One that has become unreadable lets nobody in."""
        with self._lock:
            if self._clock() - self._looked_at >= _LOOKED_AGAIN_S:
                self._looked_at = self._clock()
                look = self._status()
                if look != self._look:
                    try:
                        self._users = read_users(self._path)[1]
                    except CaptionerError:
                        self._users = Users()
                    self._look = look
                    self.generation += 1
            return self._users

    def _status(self) -> tuple[int, int, int]:
        try:
            status = self._path.stat()
        except OSError:
            return (0, 0, 0)
        return (status.st_ino, status.st_mtime_ns, status.st_size)
