"""What a call may name: asked before Gradio, which ends in a traceback where a name or a value is not what it expects.

Knows the page's functions by what calls name them with, and what the parts of a call look like; never runs one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from captioner.errors import SettingsError
from captioner.limits import MAX_NAME_LENGTH, check_text, check_whole
from captioner.ui.bodies import RefusedBody

if TYPE_CHECKING:
    import gradio as gr

_FUNCTION = "fn_index"
_FREE = ("data", "event_data")  # what the function is given: it checks that itself


@dataclass(frozen=True, kw_only=True)
class Callables:
    """The functions of one page.

    direct: by number, how many values each takes that the page calls past the queue. queued: the endpoints for
    programs, by number and name. server_functions: by their component's number, the names that the page's script calls.
    """

    direct: Mapping[int, int]
    queued: Mapping[int, str]
    server_functions: Mapping[int, frozenset[str]]

    @classmethod
    def of(cls, page: gr.Blocks) -> Callables:
        """Those of a page that is laid out."""
        functions = {number: one for number, one in page.fns.items() if one.fn is not None}
        return cls(
            direct={
                number: len(one.inputs)
                for number, one in functions.items()
                if not one.queue and one.api_visibility == "private"
            },
            queued={number: str(one.api_name) for number, one in functions.items() if one.api_visibility == "public"},
            server_functions={
                number: frozenset(name for name, value in vars(block).items() if getattr(value, "_is_server_fn", False))
                for number, block in page.blocks.items()
            },
        )

    def check(self, path: str, request: Any) -> None:
        """Looks at one call. Args: path: the request's. request: its body, read.

        Raises: RefusedBody: it names nothing that is here, or a part of it is not of its kind.
        """
        if not isinstance(request, Mapping):
            raise RefusedBody(400, "The request must be a mapping of names to values.")
        try:
            for name, value in request.items():
                if name not in _FREE:
                    _check_part(name, value)
        except SettingsError as error:
            raise RefusedBody(400, str(error)) from error
        route = path.removeprefix("/gradio_api/").rstrip("/")
        if route == "component_server":
            is_known = request.get("fn_name") in self.server_functions.get(_number(request, "component_id"), ())
        elif route == "run/predict":
            count = self.direct.get(_number(request, _FUNCTION))
            is_known = count is not None
            if is_known and not (isinstance(request.get("data"), list) and len(request["data"]) == count):
                raise RefusedBody(400, f"data must be a list of {count}.")
        elif route == "queue/join":
            is_known = _number(request, _FUNCTION) in self.queued
        else:
            is_known = not route.startswith("call/") or route.removeprefix("call/") in self.queued.values()
        if not is_known:
            raise RefusedBody(404, "There is no such function here; load the page again.", "unknown_function")
        if route != "component_server" and not isinstance(request.get("data", []), list):
            raise RefusedBody(400, "data must be a list.")


def _number(request: Mapping[str, Any], name: str) -> int:
    """The number that a call names something with; -1, which nothing has, where it is none."""
    value = request.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def _check_part(name: str, value: Any) -> None:
    """Numbers of 64 bits and short texts: Gradio repeats others in its answer, which JSON then cannot hold."""
    check_text(name, "a name in the request", max_length=MAX_NAME_LENGTH)
    if isinstance(value, str):
        check_text(value, name, max_length=MAX_NAME_LENGTH)
    elif value is not None and not isinstance(value, bool):
        check_whole(value, name)
