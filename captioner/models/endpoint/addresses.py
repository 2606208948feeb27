"""The servers that whoever starts the app has named: NAME=URL, with a key from the environment. Asks none of them.

A visitor of the page picks a name and can aim the app at no other address.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from captioner.errors import CaptionerError
from captioner.limits import shown

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is. url: without a slash at the end, and without /v1. models: those that may be asked there, the
    first of them where none is named; empty for any."""

    name: str
    url: str
    models: tuple[str, ...] = ()

    def model(self, wanted: str) -> str:
        """The model to ask, "" for the one that the server lists first. Raises: CaptionerError: it may not be asked."""
        if self.models and wanted and wanted not in self.models:
            raise CaptionerError(
                f"the endpoint {self.name} may be asked for {', '.join(self.models)}, and model is {shown(wanted)}; "
                "choose one of these, or leave it empty.",
                code="model_not_allowed",
            )
        return wanted or next(iter(self.models), "")

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


def parse_models(texts: Iterable[str], names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """["studio=llava:7b,eyes"] -> the models that may be asked, by endpoint.

    Args: names: of the endpoints. Raises: CaptionerError: no NAME=MODEL,..., or no endpoint of that name.
    """
    known, found = set(names), {}
    for text in texts:
        name, _, rest = text.partition("=")
        models = tuple(dict.fromkeys(model.strip() for model in rest.split(",") if model.strip()))
        if name.strip() not in known or not models:
            raise CaptionerError(
                f"--endpoint-models is {shown(text)!r}; it must be NAME=MODEL,MODEL with the NAME of an --endpoint.",
                code="bad_endpoint",
            )
        found[name.strip()] = models
    return found


def remember(address: Address) -> None:
    """Let the captioner of this name find it."""
    _known[address.name] = address


def find(name: str) -> Address:
    """The address of a name. Raises: KeyError."""
    return _known[name]


def forget_all() -> None:
    """For tests."""
    _known.clear()
