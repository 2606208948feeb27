"""Files that Gradio's upload took, as endpoints are given them: where each is, its bytes, and what it was called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder

from captioner.errors import BadPicture, SettingsError
from captioner.formats.format import path_of
from captioner.images import MAX_BYTES
from captioner.limits import MAX_NAME_LENGTH, MAX_PATH_LENGTH, check_text, spelt_out


def upload_folder() -> Path:
    """Where Gradio puts uploads; it is made where it is missing."""
    folder = Path(get_upload_folder())
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def path_of_upload(file: Any) -> Path:
    """Where a file is that Gradio's upload took; never another file of this machine.

    Raises: SettingsError: the value is no upload, or names a file elsewhere.
    """
    path = file.get("path") if isinstance(file, dict) else None
    try:
        resolved = Path(check_text(path, "path", max_length=MAX_PATH_LENGTH)).resolve()
        if resolved.is_relative_to(upload_folder()) and resolved.is_file():
            return resolved
    except (SettingsError, OSError, ValueError, RuntimeError):  # a NUL, a name too long, a circle of links
        pass
    raise SettingsError("files must be uploaded first; gradio_client's handle_file does it.")


def read(file: Any) -> bytes:
    """The bytes of such a file. Raises: SettingsError: as `path_of_upload`. BadPicture: it is too big."""
    path = path_of_upload(file)
    if path.stat().st_size > MAX_BYTES:
        raise BadPicture(f"the file is over the limit of {MAX_BYTES >> 20} MiB.", code="too_big")
    return path.read_bytes()


def name_of(file: Any) -> str:
    """What a file was called where it came from, perhaps with its folder; "" where nothing says."""
    if not isinstance(file, dict):
        return ""
    name, path = file.get("orig_name"), file.get("path")
    if not (isinstance(name, str) and name):
        name = path.rpartition("/")[2] if isinstance(path, str) else ""
    folder, _, name = spelt_out(name[:MAX_PATH_LENGTH]).rpartition("/")
    return path_of(folder, name[:MAX_NAME_LENGTH])
