"""Which machines pictures would be sent to, and that nobody sends them there without having said so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from captioner.errors import CaptionerError
from captioner.models import registry

SEND_PICTURES = "send_pictures"
"""What a program says true to, in its settings or beside them, where pictures may leave this machine."""


def hosts_of(named: Any) -> list[str]:
    """The machines elsewhere that the models among these values send pictures to, however deep they are named."""
    sends_to = {spec.name: spec.sends_to for spec in registry.MODELS if spec.sends_to}
    return sorted({sends_to[word] for word in _words(named) if word in sends_to})


def refuse_unasked(named: Any, *, may_send: bool) -> None:
    """Raises: CaptionerError: pictures would leave this machine, and nobody said that they may."""
    hosts = hosts_of(named)
    if hosts and not may_send:
        raise CaptionerError(
            f"this sends pictures to {' and '.join(hosts)}; if that is meant, say so with send_pictures: true.",
            code="pictures_leave",
        )


def _words(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    return [word for one in value for word in _words(one)] if isinstance(value, list | tuple) else []
