"""The HTTP side beside Gradio's: pictures, uploads, files that are settings, and the zip.

Pictures are served re-encoded, never as they came, so an uploaded SVG or HTML can do nothing in a browser. A set's id
in the path is what gives access; login, Origin and the length of what is sent are checked before (see `guard`). Knows
no Gradio.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.responses import FileResponse, JSONResponse, Response

from captioner.errors import CaptionerError, StoreError, UnknownPicture, UnknownSet
from captioner.formats.sidecars import WRITERS
from captioner.service.messages import message_of
from captioner.service.service import Service
from captioner.ui.lanes import Lane

_FORM_ROOM = 200_000  # bytes of an upload beside the picture: its name, a caption
_FOREVER = "private, max-age=31536000, immutable"  # a picture's id never means another picture


def add_routes(app: FastAPI, service: Service) -> None:
    """Pictures, uploads and the zip; to be added before Gradio is mounted at the root."""
    decoding, exporting = Lane(8), Lane(4)

    @app.exception_handler(CaptionerError)
    async def tell(request: Request, error: Exception) -> Response:
        assert isinstance(error, CaptionerError)
        status = (
            404 if isinstance(error, UnknownSet | UnknownPicture) else 500 if isinstance(error, StoreError) else 400
        )
        return JSONResponse({"error": message_of(error)}, status)

    @app.get("/sets/{set_id}/pictures/{picture_id}/thumbnail")
    def thumbnail(set_id: str, picture_id: str) -> Response:
        return _picture(service.workspace.thumbnail_bytes(set_id, picture_id))

    @app.get("/sets/{set_id}/pictures/{picture_id}/preview")
    async def preview(set_id: str, picture_id: str) -> Response:
        return _picture(await decoding.run(service.pictures.preview_bytes, set_id, picture_id))

    @app.post("/sets/{set_id}/pictures")
    async def add_picture(set_id: str, request: Request) -> Response:
        try:
            form = await request.form(max_files=1, max_fields=4, max_part_size=_FORM_ROOM)
        except MultiPartException as error:
            return _refuse(400, f"The upload is not understood: {error.message}", "bad_upload")
        async with _closing(form):
            file, name, existing = form.get("file"), form.get("name"), form.get("existing", "")
            if not isinstance(file, UploadFile) or not isinstance(name, str) or not isinstance(existing, str):
                return _refuse(400, "The upload needs a file and its name.", "bad_upload")
            data = await file.read()
        return JSONResponse({"row": await decoding.run(service.add_picture, set_id, name, data, existing)})

    @app.post("/kept/{field}")
    async def keep_file(field: str, request: Request, name: str = "") -> Response:
        limit = service.kept_files.limit_bytes(field)
        data = await request.body()
        if len(data) > limit:
            return _refuse(413, f"The file is over the limit of {limit >> 20} MiB; split it.", "too_big")
        return JSONResponse(await run_in_threadpool(service.kept_files.add, field, name or "The file", data))

    @app.get("/sets/{set_id}/export")
    @exporting.along
    def export(set_id: str, format: str = "txt", with_pictures: bool = False) -> Response:
        if format not in WRITERS:
            raise CaptionerError(
                f"format is {format[:40]!r}; it must be one of {', '.join(WRITERS)}.", code="bad_setting"
            )
        folder = tempfile.TemporaryDirectory(prefix="captioner-export-")
        try:
            name = service.export_set(set_id, Path(folder.name) / "set.zip", format=format, with_pictures=with_pictures)
        except BaseException:
            folder.cleanup()
            raise
        return FileResponse(
            Path(folder.name) / "set.zip",
            filename=name,
            media_type="application/zip",
            headers={"Cache-Control": "no-store"},
            background=BackgroundTask(folder.cleanup),
        )


def _picture(data: bytes) -> Response:
    headers = {"Cache-Control": _FOREVER, "Content-Security-Policy": "default-src 'none'; sandbox"}
    return Response(data, media_type="image/webp", headers=headers)


def _refuse(status: int, message: str, code: str = "refused") -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status)


class _closing:
    """Closes a parsed form, whose file may be on the disk."""

    def __init__(self, form: Any) -> None:
        self._form = form

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *exception: object) -> None:
        await self._form.close()
