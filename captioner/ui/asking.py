"""Who asks, for a function that Gradio calls: the door notes it with the request (`guard`), which Gradio hands on."""

from __future__ import annotations

from gradio.context import LocalContext

from captioner.errors import CaptionerError
from captioner.service.service import Service
from captioner.ui.visitors import VISITOR


def is_operator() -> bool:
    """Whether the request that is answered now is an operator's; so is what no request asks for."""
    request = LocalContext.request.get(None)
    if request is None:
        return True
    scope = getattr(request, "scope", None) if not hasattr(request, "request") else request.request.scope
    visitor = (scope or {}).get(VISITOR)
    return visitor is not None and bool(visitor.is_operator)


def check_operator(service: Service) -> None:
    """Raises: CaptionerError: who asks may not do what only who looks after the app may."""
    if not service.models.may_manage(is_operator=is_operator()):
        raise CaptionerError(
            "a file is deleted for good by who looks after this app; it goes by itself after 30 days.",
            code="not_allowed",
        )
