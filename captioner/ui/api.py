"""The HTTP API: named Gradio endpoints for programs, each a few lines over `desk`. Everything else is private.

A set's id is what gives access; a job's id carries its set's. Whatever a program sends is checked by our own classes,
and a refusal is a gr.Error whose message is the sentence. The functions' docstrings are the endpoints' descriptions.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from captioner.errors import BadPicture, CaptionerError, SettingsError
from captioner.formats.sidecars import WRITERS
from captioner.images import MAX_BYTES
from captioner.settings import Settings, choice, switch
from captioner.ui.desk import Desk
from captioner.ui.messages import message_of
from captioner.worker import Job


class ExportSettings(Settings):
    """What the zip holds."""

    format: str = choice("txt", tuple(WRITERS), "The caption files' kind.")
    with_pictures: bool = switch(False, "Put the pictures in as well.")


def add_endpoints(desk: Desk) -> None:
    """Adds the endpoints to the page that is being laid out."""
    for function in _functions(desk):
        gr.api(_answering(function), api_name=function.__name__, concurrency_limit=8)


def _functions(desk: Desk) -> tuple[Callable[..., Any], ...]:
    def new_set() -> str:
        """Makes an empty caption set and returns its id; who knows the id may see and change the set."""
        return str(desk.new_set()["set"])

    def add_pictures(set_id: str, files: list[gr.FileData]) -> dict:  # type: ignore[type-arg]
        """Adds pictures; returns {"added": [{"id", "name"}], "refused": [{"name", "code", "message"}]}."""
        desk.workspace.find_set(set_id)
        added, refused = [], []
        for path, name in _uploaded(files):
            try:
                if path.stat().st_size > MAX_BYTES:
                    raise BadPicture(f"the file is over the limit of {MAX_BYTES >> 20} MiB.", code="too_big")
                row = desk.add_picture(set_id, name, path.read_bytes())
                added.append({"id": row["id"], "name": row["name"]})
            except (BadPicture, SettingsError) as error:
                refused.append({"name": name, **message_of(error)})
        return {"added": added, "refused": refused}

    def caption_picture(set_id: str, picture_id: str, settings: dict) -> str:  # type: ignore[type-arg]
        """Captions one picture, stores what the models said and returns the caption; an edit stays.

        settings: names and values as on the command line, {"num_beams": 5, "wd14": "default"}; the rest is default.
        """
        return desk.live.caption_one(set_id, picture_id, desk.offer.plan_of_flat(settings))

    def start_captioning(set_id: str, settings: dict) -> str:  # type: ignore[type-arg]
        """Starts captioning all pictures and returns the job's id, "" when these settings made all captions already."""
        job = desk.jobs.start_plan(set_id, None, desk.offer.plan_of_flat(settings))["job"]
        return f"{set_id}.{job['id']}" if job else ""

    def job(job_id: str) -> dict:  # type: ignore[type-arg]
        """How far a job is: {"state": "waiting|running|done|cancelled|failed", "done", "total", "failed"}."""
        found = _job(desk, job_id)
        return {"state": found.state, "done": found.done, "total": found.total, "failed": found.failed}

    def cancel_job(job_id: str) -> dict:  # type: ignore[type-arg]
        """Stops a job before its next picture; what is done stays. Returns what `/job` returns."""
        _job(desk, job_id).cancel()
        return job(job_id)

    def captions(set_id: str) -> list:  # type: ignore[type-arg]
        """The captions as exported, in upload order: [{"id", "name", "caption", "edited", "revision"}]."""
        return [
            {
                **{name: row[name] for name in ("id", "name", "caption", "revision")},
                "edited": row["state"] == "edited",
            }
            for row in desk.open_set(set_id)["rows"]
        ]

    def save_caption(set_id: str, picture_id: str, text: str, base_revision: int) -> dict:  # type: ignore[type-arg]
        """Stores an edit unless the caption changed since base_revision.

        Returns {"ok": true, "revision"}, or {"ok": false, "conflict": the stored text, "revision"}.
        """
        if isinstance(base_revision, float) and base_revision == int(base_revision):
            base_revision = int(base_revision)  # JSON knows one kind of number
        answer = desk.save_caption(set_id, picture_id, text, base_revision)
        if answer["ok"]:
            return {"ok": True, "revision": answer["revision"]}
        return {"ok": False, "conflict": answer["row"]["caption"], "revision": answer["revision"]}

    def export_set(set_id: str, export: dict) -> dict:  # type: ignore[type-arg]
        """Returns a zip of the captions. export: {"format": "txt|caption", "with_pictures": false}."""
        if not isinstance(export, dict):
            raise SettingsError(f"export is {type(export).__name__}; it must be a mapping of names to values.")
        wanted = ExportSettings.from_mapping(export)
        folder = Path(tempfile.mkdtemp(prefix="export-", dir=_upload_folder()))  # emptied when the app ends
        name = desk.export_set(set_id, folder / "set.zip", format=wanted.format, with_pictures=wanted.with_pictures)
        target = (folder / "set.zip").rename(folder / name)
        return {"path": str(target), "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    return (
        *(new_set, add_pictures, caption_picture, start_captioning, job),
        *(cancel_job, captions, save_caption, export_set),
    )


def _upload_folder() -> Path:
    folder = Path(get_upload_folder())
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def _uploaded(files: Any) -> Iterator[tuple[Path, str]]:
    """Path and name of each file that Gradio's upload took; never another file of this machine.

    Raises: SettingsError: the value is no list of uploads, or names a file elsewhere.
    """
    if not isinstance(files, list):
        raise SettingsError(f"files are {type(files).__name__}; they must be a list of uploaded files.")
    for file in files:
        path = file.get("path") if isinstance(file, dict) else None
        if not isinstance(path, str) or not Path(path).resolve().is_relative_to(_upload_folder()):
            raise SettingsError("files must be uploaded first; gradio_client's handle_file does it.")
        name = file.get("orig_name")
        yield Path(path).resolve(), name if isinstance(name, str) and name else Path(path).name


def _job(desk: Desk, job_id: str) -> Job:
    set_id, _, number = job_id.rpartition(".") if isinstance(job_id, str) else ("", "", "")
    found = desk.jobs.find(set_id, number)
    if found is None:
        raise CaptionerError("there is no such job; jobs are forgotten when the app ends.", code="unknown_job")
    return found


def _answering(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, with errors that a person can mend as gr.Error."""

    @functools.wraps(function)
    def answer(*values: Any, **named: Any) -> Any:
        try:
            return function(*values, **named)
        except CaptionerError as error:
            raise gr.Error(message_of(error)["message"], print_exception=False) from error

    return answer
