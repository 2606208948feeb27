"""The HTTP side beside Gradio's: pictures, uploads, files that are settings, compared settings as files, and the zip.

Pictures are served re-encoded, never as they came, so an uploaded SVG or HTML can do nothing in a browser. A set's id
in the path is what gives access; login, Origin and the length of what is sent are checked before (see `guard`). Knows
no Gradio.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import BinaryIO

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException
from starlette.responses import JSONResponse, Response

from captioner.errors import CaptionerError, StoreError, UnknownPicture, UnknownSet, UnknownSweep
from captioner.formats.incoming import CaptionFile
from captioner.limits import MAX_PATH_LENGTH, read_json, spelt_out
from captioner.service.exports import Export, ExportWish
from captioner.service.messages import message_of
from captioner.service.service import Service
from captioner.ui.downloads import attachment
from captioner.ui.lanes import Lane
from captioner.ui.zip_response import ZipResponse
from captioner.workspace.records import Upload

_FORM_ROOM = 2_000_000  # bytes of one field of an upload: the names of many files
_CAPTIONS_BESIDE = 8  # files of one picture: .txt and .caption, in some spellings
CAPTIONS_AT_ONCE = 1_000
IMPORTED_AT_ONCE = 20_000
_FOREVER = "private, max-age=31536000, immutable"  # a picture's id never means another picture


def add_routes(app: FastAPI, service: Service) -> None:
    """Pictures, uploads and the zip; to be added before Gradio is mounted at the root."""
    decoding, exporting, importing = Lane(8), Lane(4), Lane(2)

    @app.exception_handler(CaptionerError)
    async def tell(request: Request, error: Exception) -> Response:
        assert isinstance(error, CaptionerError)
        status = (
            404
            if isinstance(error, UnknownSet | UnknownPicture | UnknownSweep)
            else 500
            if isinstance(error, StoreError)
            else 400
        )
        return JSONResponse({"error": message_of(error)}, status)

    @app.get("/sets/{set_id}/pictures/{picture_id}/thumbnail")
    def thumbnail(set_id: str, picture_id: str) -> Response:
        return _picture(service.workspace.thumbnail_bytes(set_id, picture_id))

    @app.get("/sets/{set_id}/pictures/{picture_id}/preview")
    async def preview(set_id: str, picture_id: str) -> Response:
        return _picture(await decoding.run(service.pictures.preview_bytes, set_id, picture_id))

    @app.get("/sets/{set_id}/pictures/{picture_id}/full")
    async def full(set_id: str, picture_id: str) -> Response:
        return _picture(await decoding.run(service.pictures.full_bytes, set_id, picture_id), "image/jpeg")

    @app.post("/sets/{set_id}/pictures")
    async def add_picture(set_id: str, request: Request) -> Response:
        """Form: file, name, folder; captions (files), caption_names (JSON list of their names); upload (an id)."""
        async with _read_form(request, max_files=1 + _CAPTIONS_BESIDE) as form:
            file, name, folder = form.one("file"), form.text("name", None), form.text("folder")
            captions = await form.captions([folder] * _CAPTIONS_BESIDE)
            upload = Upload(name, await file.read(), folder=folder)
            upload_id = form.text("upload")
        add = decoding.along(service.intake.add_picture)
        return JSONResponse(await add(set_id, upload, captions, upload_id=upload_id))

    @app.post("/sets/{set_id}/captions")
    async def add_captions(set_id: str, request: Request) -> Response:
        """Form: captions (files), caption_names and caption_folders (JSON lists); upload (an id), replace ("true")."""
        async with _read_form(request, max_files=CAPTIONS_AT_ONCE) as form:
            captions = await form.captions(form.texts("caption_folders"))
            upload_id, is_replacing = form.text("upload"), form.text("replace") == "true"
        add = service.intake.add_captions
        return JSONResponse(
            await run_in_threadpool(add, set_id, captions, upload_id=upload_id, is_replacing=is_replacing)
        )

    @app.post("/sets/{set_id}/imports")
    async def keep_import(set_id: str, request: Request) -> Response:
        """Form: files, and paths (JSON list) of them below what was chosen. Answer: what it is, and its token."""
        async with _read_form(request, max_files=IMPORTED_AT_ONCE) as form:
            look = importing.along(service.imports.keep_and_look)
            return JSONResponse(await look(set_id, form.files()))

    @app.post("/kept/{field}")
    async def keep_file(field: str, request: Request, name: str = "") -> Response:
        limit = service.kept_files.limit_bytes(field)
        data = await request.body()
        if len(data) > limit:
            return _refuse(413, f"The file is over the limit of {limit >> 20} MiB; split it.", "too_big")
        return JSONResponse(await run_in_threadpool(service.kept_files.add, field, name or "The file", data))

    @app.get("/sets/{set_id}/export")
    async def export(set_id: str, request: Request) -> Response:
        """What is asked for, and the name of a choice of pictures (`scope`), stand in the address."""
        planned = await exporting.run(_planned, service, set_id, dict(request.query_params))
        return ZipResponse(planned, exporting)

    @app.get("/sets/{set_id}/sweeps/{sweep_id}.{kind}")
    @exporting.along
    def sweep_file(set_id: str, sweep_id: str, kind: str, colour: str = "") -> Response:
        """Compared settings as a page, a picture, CSV or JSON; colour: what cells are coloured by."""
        file = service.lab.files.file(set_id, sweep_id, kind, colour)
        own = {"Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox"}
        return Response(file.data, media_type=file.media_type, headers={**attachment(file.name), **own})


def _planned(service: Service, set_id: str, words: dict[str, str]) -> Export:
    only = service.export_scopes.ids(words.pop("scope", ""))
    return service.exports.planned(set_id, ExportWish.parse(words), only)


def _picture(data: bytes, media_type: str = "image/webp") -> Response:
    headers = {"Cache-Control": _FOREVER, "Content-Security-Policy": "default-src 'none'; sandbox"}
    return Response(data, media_type=media_type, headers=headers)


def _refuse(status: int, message: str, code: str = "refused") -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status)


class _Form:
    """A form of an upload. Raises: CaptionerError: a field that is not as it must be."""

    def __init__(self, form: FormData) -> None:
        self._form = form

    def one(self, name: str) -> UploadFile:
        file = self._form.get(name)
        if not isinstance(file, UploadFile):
            raise _not_understood(f"it needs a {name}")
        return file

    def text(self, name: str, default: str | None = "") -> str:
        value = self._form.get(name, default)
        if not isinstance(value, str):
            raise _not_understood(f"{name} must be text")
        return value

    def texts(self, name: str) -> list[str]:
        """A JSON list of texts; empty where it is missing."""
        value = read_json(self.text(name) or "[]", name)
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise _not_understood(f"{name} must be a list of texts")
        return value

    def files(self) -> list[tuple[str, BinaryIO]]:
        """Files with their paths, to be read until the form is closed."""
        paths, files = self.texts("paths"), self._form.getlist("files")
        if not files or len(paths) != len(files):
            raise _not_understood("each of its files needs a path")
        found = []
        for path, file in zip(paths, files, strict=True):
            if not isinstance(file, UploadFile):
                raise _not_understood("files must be files")
            found.append((spelt_out(path[:MAX_PATH_LENGTH]), file.file))
        return found

    async def captions(self, folders: Sequence[str]) -> list[CaptionFile]:
        names, files = self.texts("caption_names"), self._form.getlist("captions")
        if len(names) != len(files) or len(files) > len(folders):
            raise _not_understood("each of its captions needs a name and a folder")
        found = []
        for name, folder, file in zip(names, folders, files, strict=False):
            if not isinstance(file, UploadFile):
                raise _not_understood("captions must be files")
            found.append(CaptionFile(name, await file.read(), folder))
        return found


@asynccontextmanager
async def _read_form(request: Request, *, max_files: int) -> AsyncIterator[_Form]:
    """A request's form, closed in the end, since its files may be on the disk."""
    try:
        form = await request.form(max_files=max_files, max_fields=8, max_part_size=_FORM_ROOM)
    except MultiPartException as error:
        raise _not_understood(error.message) from error
    try:
        yield _Form(form)
    finally:
        await form.close()


def _not_understood(reason: str) -> CaptionerError:
    return CaptionerError(f"the upload is not understood: {reason}.", code="bad_upload")
