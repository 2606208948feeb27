"""How a function for the page's script is made: a name, a declared shape of what it takes, what answers, and how the
answer leaves."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from starlette.responses import JSONResponse

from captioner.errors import CaptionerError
from captioner.service.messages import message_of
from captioner.service.sending import hosts_of
from captioner.ui.asked import Check, Shape, label, listed, optional

ScriptFunction = Callable[[Any], dict[str, Any]]
"""Takes one mapping and returns one; what a person can mend comes back as {"error": {"code", "message"}}."""


def script_function(
    name: str, checks: dict[str, Check], answer: Callable[[dict[str, Any]], dict[str, Any]]
) -> ScriptFunction:
    """A function that the script calls by this name. Args: answer: is given the checked values."""
    shape = Shape(**checks)

    def function(request: Any) -> dict[str, Any]:
        try:
            return answer(shape.read(request))
        except CaptionerError as error:
            return {"error": message_of(error)}

    function.__name__ = name
    return function


def sending_function(
    name: str,
    checks: dict[str, Check],
    models: Callable[[dict[str, Any]], Any],
    answer: Callable[[dict[str, Any]], dict[str, Any]],
) -> ScriptFunction:
    """As `script_function`, of what may send pictures to another machine: only to those that the person agreed to.

    Args: models: from the checked values what names all models that will be asked.
    The answer is {"asks_first": the machines that nobody agreed to yet} where there are any.
    """

    def ask_first(asked: dict[str, Any]) -> dict[str, Any]:
        unasked = [host for host in hosts_of(models(asked)) if host not in asked["agreed"]]
        return {"asks_first": unasked} if unasked else answer(asked)

    return script_function(name, {**checks, "agreed": optional(listed(label), [])}, ask_first)


def sent_at_once(function: ScriptFunction) -> Callable[[Any], JSONResponse]:
    """The function with its answer as the bytes that are sent.

    What else FastAPI does with a mapping, looking into every value of it on the thread that serves everybody, takes
    longer than reading 10,000 captions from the store.
    """

    @functools.wraps(function)
    def answer(request: Any) -> JSONResponse:
        return JSONResponse(function(request))

    return answer
