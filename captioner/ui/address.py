"""Which names and addresses mean this machine, and which of them a request may call it by.

A browser sends the name that stands in its address bar. A foreign name here means that somebody points a name of
theirs at this machine (DNS rebinding), so that their page counts as ours. Imports nothing heavy, so that flags are
checked at once.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from captioner.errors import CaptionerError
from captioner.limits import shown

_NAME = r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?"
_HOST_HEADER = re.compile(rf"(?:(?P<name>{_NAME})\.?|\[(?P<address>[0-9a-f:.]{{2,45}})\])(?::[0-9]{{1,5}})?")


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine only."""
    if host.lower() == "localhost":
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def name_in(host_header: str) -> str | None:
    """The name or address in a Host header, in small letters, without port and brackets; None where there is none."""
    found = _HOST_HEADER.fullmatch(host_header.lower())
    return (found["name"] or found["address"]) if found else None


@dataclass(frozen=True, kw_only=True)
class ServedNames:
    """The names that requests may call the server by.

    loopback_only: it listens on this machine only, so no other address leads to it.
    names: in small letters.
    """

    loopback_only: bool
    names: frozenset[str]

    @classmethod
    def of(cls, host: str, allowed: Sequence[str]) -> ServedNames:
        """For a server that listens on `host` and is also known by `allowed` (a proxy's public name).

        Raises: CaptionerError: one of `allowed` is no plain name.
        """
        for name in allowed:
            if not re.fullmatch(_NAME, name.lower()):
                raise CaptionerError(
                    f"--allow-host is {shown(name)!r}; it must be a name alone, such as captions.example."
                )
        names = {name.lower() for name in allowed} | {"localhost"}
        if is_loopback(host):
            return cls(loopback_only=True, names=frozenset(names))
        own = socket.gethostname().lower()
        names |= {host.lower(), own, own.partition(".")[0], f"{own.partition('.')[0]}.local"}
        return cls(loopback_only=False, names=frozenset(names))

    def __contains__(self, name: str) -> bool:
        address = _address(name)
        if address is None or name in self.names:
            return name in self.names
        # Nobody can point an address elsewhere, as they can a name.
        return address.is_loopback or not self.loopback_only


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
