"""Sets and settings for the tests of the service and its parts; itself it is the fixture `service` of conftest."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from PIL import Image

from captioner.formats.incoming import CaptionFile
from captioner.formats.targets import zip_target
from captioner.service.exports import ExportWish
from captioner.service.service import Service
from captioner.workspace.records import Upload
from tests.fakes import FakeModel

RED = (200, 30, 30)


def png(colour: tuple[int, int, int]) -> bytes:
    """A small picture of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(buffer, "PNG")
    return buffer.getvalue()


def added(service: Service, set_id: str, name: str, data: bytes, caption: str = "", *, folder: str = "") -> str:
    """Adds a picture as the page does, with a caption file beside it. Returns: its id."""
    beside = [CaptionFile(f"{name.rpartition('.')[0]}.txt", caption.encode(), folder)] if caption else []
    return str(service.intake.add_picture(set_id, Upload(name, data, folder=folder), beside)["row"]["id"])


def set_with(service: Service, *colours: tuple[int, int, int]) -> tuple[str, list[str]]:
    """A set of small pictures. Returns: its id, the pictures' ids."""
    set_id = service.new_set()["set"]
    ids = [added(service, set_id, f"{number}.png", png(colour)) for number, colour in enumerate(colours)]
    FakeModel.calls.clear()
    return set_id, ids


def export_zip(
    service: Service, set_id: str, path: Path, *, only: Collection[str] | None = None, **export: Any
) -> dict[str, bytes]:
    """A set's zip, written to a path. Args: export: as programs say it. Returns: what is in it, in order."""
    planned = service.exports.planned(set_id, ExportWish.read(export), only)
    with zip_target(path) as sink:
        planned.write(sink)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def export_notes(service: Service, set_id: str, *, only: Collection[str] | None = None, **export: Any) -> list[str]:
    """What is said of an export before it."""
    return list(service.exports.look(set_id, ExportWish.read(export), only)["notes"])


def page_values(service: Service, **changes: Any) -> dict[str, Any]:
    """The page's values by name as it shows them at first, some of them changed."""
    values = dict(service.choices.default_flat)
    for key in service.choices.model_keys:
        values |= {f"{key}_on": key == "captioner", key: service.choices.model_name(key)}
    return values | changes


def moved(service: Service, set_id: str, picture_id: str, values: dict[str, Any]) -> dict[str, Any]:
    """What the page is told when a control was moved: what the settings make of the picture, and what else changed."""
    answer = service.live.preview(set_id, picture_id, values)
    return {**answer, **service.settings_changed(set_id, values)}


def wait_for_job(service: Service, set_id: str, timeout_s: float = 20) -> dict[str, Any]:
    """The set's newest job, ended."""
    newest = service.jobs.newest(set_id)
    assert newest is not None
    job = service.jobs.find(set_id, newest["id"])
    assert job is not None
    assert job.wait(timeout_s)
    ended = service.jobs.newest(set_id)
    assert ended is not None
    return ended


def standings(details: dict[str, Any]) -> dict[str, str]:
    """What became of each tag, by its name, from what `Live.details` returns."""
    return {row[0]: row[3] for source in details["sources"] for group in source["categories"] for row in group["tags"]}
