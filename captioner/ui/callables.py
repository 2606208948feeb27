"""What a call may name: asked before Gradio, which ends in a traceback where a name or a value is not what it expects.

Knows the page's functions by what calls name them with, and what the parts of a call look like; never runs one. What a
program leaves out that has a default it fills in: Gradio wants every value.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from captioner.errors import SettingsError
from captioner.limits import MAX_NAME_LENGTH, check_text, check_whole
from captioner.plural import plural
from captioner.ui.bodies import RefusedBody

if TYPE_CHECKING:
    import gradio as gr

_FUNCTION = "fn_index"
_FREE = ("data", "event_data")  # what the function is given: it checks that itself


@dataclass(frozen=True)
class Endpoint:
    """A function for programs. parameters: in the order of the values in a call."""

    name: str
    parameters: Sequence[inspect.Parameter]

    def filled(self, data: list[Any]) -> list[Any]:
        """All values, from those of a call. Raises: RefusedBody: one is missing that has no default, or too many."""
        left = self.parameters[len(data) :]
        if missing := [one.name for one in left if one.default is one.empty]:
            raise RefusedBody(400, f"{self._takes()}; {missing[0]} is missing.")
        if len(data) > len(self.parameters):
            raise RefusedBody(400, f"{self._takes()}, not {len(data):,}.")
        return [*data, *(one.default for one in left)]

    def _takes(self) -> str:
        count = len(self.parameters)
        return f"/{self.name} takes {plural(count, 'value') if count else 'no values'} in data"


@dataclass(frozen=True, kw_only=True)
class Callables:
    """The functions of one page.

    direct: by number, how many values each takes that the page calls past the queue. queued: the endpoints for
    programs, by number. server_functions: by their component's number, the names that the page's script calls.
    """

    direct: Mapping[int, int]
    queued: Mapping[int, Endpoint]
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
            queued={
                number: Endpoint(str(one.api_name), tuple(inspect.signature(one.fn).parameters.values()))
                for number, one in functions.items()
                if one.api_visibility == "public" and one.fn is not None
            },
            server_functions={
                number: frozenset(name for name, value in vars(block).items() if getattr(value, "_is_server_fn", False))
                for number, block in page.blocks.items()
            },
        )

    def check(self, path: str, request: Any) -> bool:
        """Looks at one call, and fills in what a program's leaves out.

        Args: path: the request's. request: its body, read.
        Returns: whether something was filled in.
        Raises: RefusedBody: it names nothing that is here, or a part of it is not of its kind, or one is missing.
        """
        if not isinstance(request, dict):
            raise RefusedBody(400, "The request must be a mapping of names to values.")
        try:
            for name, value in request.items():
                if name not in _FREE:
                    _check_part(name, value)
        except SettingsError as error:
            raise RefusedBody(400, str(error)) from error
        route = path.removeprefix("/gradio_api/").rstrip("/")
        endpoint = None
        if route == "component_server":
            is_known = request.get("fn_name") in self.server_functions.get(_number(request, "component_id"), ())
        elif route == "run/predict":
            count = self.direct.get(_number(request, _FUNCTION))
            is_known = count is not None
            if is_known and not (isinstance(request.get("data"), list) and len(request["data"]) == count):
                raise RefusedBody(400, f"data must be a list of {count}.")
        elif route == "queue/join":
            endpoint = self.queued.get(_number(request, _FUNCTION))
            is_known = endpoint is not None
        elif route.startswith("call/"):
            named = (one for one in self.queued.values() if one.name == route.removeprefix("call/"))
            endpoint = next(named, None)
            is_known = endpoint is not None
        else:
            is_known = True
        if not is_known:
            raise RefusedBody(404, "There is no such function here; load the page again.", "unknown_function")
        if route != "component_server" and not isinstance(request.get("data", []), list):
            raise RefusedBody(400, "data must be a list.")
        if endpoint is None:
            return False
        given = request.get("data", [])
        request["data"] = endpoint.filled(given)
        return len(request["data"]) != len(given)


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
