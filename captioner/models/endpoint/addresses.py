"""The servers that whoever starts the app has named: NAME=URL, with a key from the environment. Asks none of them.

A visitor of the page picks a name and can aim the app at no other address.
"""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from captioner.errors import CaptionerError

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is. url: without a slash at the end, and without /v1."""

    name: str
    url: str

    @property
    def host(self) -> str:
        """The machine's name or number."""
        return urlsplit(self.url).hostname or ""

    @property
    def is_here(self) -> bool:
        """Whether pictures that go there stay on this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def key_variable(self) -> str:
        """The environment variable that its key is read from; a key is kept nowhere else."""
        return "CAPTIONER_KEY_" + re.sub(r"\W", "_", self.name).upper()

    def key(self) -> str:
        """The key, "" for none."""
        return os.environ.get(self.key_variable, "").strip()


_known: dict[str, Address] = {}


def parse_address(text: str) -> Address:
    """ "studio=http://127.0.0.1:1234/v1" -> an address.

    Raises: CaptionerError: no name, no URL of http or https, or one with a password or a query in it.
    """
    name, equals, url = text.partition("=")
    name, url = name.strip(), url.strip()
    if not equals or not _NAME.fullmatch(name):
        raise CaptionerError(
            f"--endpoint is {text[:80]!r}; it must be NAME=URL, the name in lower-case letters, digits, dots or "
            "dashes.",
            code="bad_endpoint",
        )
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_good = False
    if not is_good:
        raise CaptionerError(
            f"the address of the endpoint {name} is {url[:80]!r}; it must begin with http:// or https://, as in "
            "http://127.0.0.1:11434.",
            code="bad_endpoint",
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        variable = Address(name, "").key_variable
        raise CaptionerError(
            f"the address of the endpoint {name} has more in it than a server and a path; a key belongs into the "
            f"environment's {variable}.",
            code="bad_endpoint",
        )
    return Address(name, url.rstrip("/").removesuffix("/v1").rstrip("/"))


def remember(address: Address) -> None:
    """Let the captioner of this name find it."""
    _known[address.name] = address


def find(name: str) -> Address:
    """The address of a name. Raises: KeyError."""
    return _known[name]


def forget_all() -> None:
    """For tests."""
    _known.clear()
