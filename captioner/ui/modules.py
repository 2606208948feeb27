"""Serves the page's script, one file a module, for good: their hash is part of the address. Knows no set, no Gradio."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.responses import PlainTextResponse, Response

from captioner.ui import workbench

_FOREVER = "private, max-age=31536000, immutable"


def add_modules(app: FastAPI) -> None:
    """The route of the modules; to be added before Gradio is mounted at the root."""

    @app.get("/workbench/{digest}/{path:path}")
    def module(digest: str, path: str) -> Response:
        text = workbench.modules().get(path) if digest == workbench.digest() else None
        if text is None:
            return PlainTextResponse("There is no such module; reload the page.", 404)
        return Response(text, media_type="text/javascript", headers={"Cache-Control": _FOREVER})
