"""Serves the sample pictures, as files to be added. Knows no set, no Gradio."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.responses import Response

from captioner.service.samples import sample_bytes


def add_samples(app: FastAPI) -> None:
    """The route of the samples; to be added before Gradio is mounted at the root."""

    @app.get("/samples/{name}")
    def sample(name: str) -> Response:
        headers = {"Cache-Control": "no-cache", "Content-Security-Policy": "default-src 'none'; sandbox"}
        return Response(sample_bytes(name), media_type="image/png", headers=headers)
