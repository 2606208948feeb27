"""The part of the page that runs in the browser, joined from its files when it is served.

One JavaScript file a concern; they share one scope, in the order of `_SCRIPTS`. Knows no Python value but what it is
handed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).resolve().parent
_SCRIPTS = (
    "base.js",
    "pictures.js",
    "journal.js",
    "tokens.js",
    "grid.js",
    "editor.js",
    "details.js",
    "preview.js",
    "sentences.js",
    "tags.js",
    "sync.js",
    "kept_files.js",
    "job.js",
    "prepare.js",
    "upload.js",
    "selection.js",
    "chips.js",
    "undo.js",
    "bulk.js",
    "overview.js",
    "sets.js",
    "download.js",
    "keys.js",
    "start.js",
)


@cache
def read(name: str) -> str:
    """The text of one of the workbench's files."""
    return (_FOLDER / name).read_text(encoding="utf-8")


def script(described_controls: Mapping[str, Any]) -> str:
    """All scripts as the body of one function, which begins once the toolbar is on the page as well."""
    parts = "\n".join(f"// {name}\n{read(name)}" for name in _SCRIPTS)
    return (
        "(async () => {\n"
        "while (!document.getElementById('cw-add')) await new Promise((next) => setTimeout(next, 10));\n"
        f"const CONTROLS = {json.dumps(described_controls)};\n{parts}\n}})();"
    )
