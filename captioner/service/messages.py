"""Errors as the page and the HTTP API show them. Knows no page."""

from __future__ import annotations

from captioner.errors import CaptionerError
from captioner.events import tell
from captioner.limits import without_halves


def message_of(error: BaseException) -> dict[str, str]:
    """An error as the page shows it, the one place where that is decided: {"code", "message"}.

    Ours say what happened and what to do; anything else is a bug, which is raised again.
    """
    if not isinstance(error, CaptionerError):
        raise error
    tell("failure", code=error.code)
    message = without_halves(str(error))  # what it quotes may be anything, and an answer is UTF-8
    if message.partition(" ")[0].isalpha():  # else it is a name, which keeps its own spelling
        message = message[:1].upper() + message[1:]
    return {"code": error.code, "message": message}
