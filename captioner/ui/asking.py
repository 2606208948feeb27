"""Who asks, for a function that Gradio calls: the door notes it with the request (`guard`), which Gradio hands on."""

from __future__ import annotations

from gradio.context import LocalContext

from captioner.ui.visitors import VISITOR


def is_operator() -> bool:
    """Whether the request that is answered now is an operator's; so is what no request asks for."""
    request = LocalContext.request.get(None)
    if request is None:
        return True
    scope = getattr(request, "scope", None) if not hasattr(request, "request") else request.request.scope
    visitor = (scope or {}).get(VISITOR)
    return visitor is not None and bool(visitor.is_operator)
