"""What a browser is told of a file that it shall save. Knows no file."""

from __future__ import annotations

from urllib.parse import quote


def attachment(name: str) -> dict[str, str]:
    """Headers of an answer that is saved under this name and kept by nobody on the way."""
    plain = f'filename="{name}"' if name.isascii() else f"filename*=utf-8''{quote(name, safe='')}"
    return {"Cache-Control": "no-store", "Content-Disposition": f"attachment; {plain}"}
