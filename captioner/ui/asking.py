"""Who asks, for a function that Gradio calls: the door notes it with the request (`guard`), which Gradio hands on."""

from __future__ import annotations

from gradio.context import LocalContext

from captioner.errors import CaptionerError
from captioner.service.service import Service
from captioner.ui.visitors import VISITOR, Visitor


def _visitor() -> Visitor | None:
    """Whose request is answered now; None where Gradio hands none on, so that nobody is known."""
    request = LocalContext.request.get(None)
    scope = getattr(getattr(request, "request", request), "scope", None) or {}
    found = scope.get(VISITOR)
    return found if isinstance(found, Visitor) else None


def is_operator() -> bool:
    """Whether the request that is answered now is known to be an operator's."""
    visitor = _visitor()
    return visitor is not None and visitor.is_operator


def user() -> str:
    """The name of who asks; "" where nobody has a name, or nobody is known."""
    visitor = _visitor()
    return "" if visitor is None else visitor.user


def check_operator(service: Service) -> None:
    """Raises: CaptionerError: who asks may not do what only who looks after the app may."""
    if not service.models.may_manage(is_operator=is_operator()):
        raise CaptionerError(
            "only who looks after this app deletes a file for good before its time in the bin is over.",
            code="not_allowed",
        )
