"""The part of the page that runs in the browser: HTML, styles, and a script of native modules.

The modules lie in `core/` (knows no set), `set/` (the set's pictures and what was typed, without any element),
`views/`, `dialogs/` and `lab/` (Compare); each imports what it uses, downwards only; `set/opening.js` asks for the set,
and `start.js` begins. They are served under a hash of what they all say (`captioner.ui.modules`), so that a browser
keeps them and never mixes two versions. Knows no Python value but what it is handed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).resolve().parent
_STYLES = (
    "page",
    "parts",
    "pictures",
    "listing",
    "picture",
    "middle",
    "doubts",
    "tags",
    "dialogs",
    "import",
    "loupe",
    "export",
    "overview",
    "said",
    "suggest",
    "models",
    "settings",
    "prompts",
    "results",
    "first_steps",
    "lab",
    "lab_grid",
    "lab_details",
    "narrow",
    "touch",
)
"""Later ones outweigh earlier ones."""


@cache
def read(name: str) -> str:
    """The text of one of the workbench's files."""
    return (_FOLDER / name).read_text(encoding="utf-8")


def styles() -> str:
    """The page's CSS."""
    return "\n".join(read(f"styles/{name}.css") for name in _STYLES)


@cache
def modules() -> Mapping[str, str]:
    """The text of each module by its path, such as core/html.js."""
    paths = sorted(path.relative_to(_FOLDER).as_posix() for path in _FOLDER.rglob("*.js"))
    return {path: read(path) for path in paths}


@cache
def digest() -> str:
    """Changes with every change in a module."""
    return hashlib.sha256(json.dumps(modules()).encode()).hexdigest()[:20]


def address(module: str) -> str:
    """Where a module is served, relative to the page."""
    return f"workbench/{digest()}/{module}"


def head() -> str:
    """What stands in the page's head: its styles, and the modules to fetch before they are asked for."""
    early = "".join(f'<link rel="modulepreload" href="{address(module)}">' for module in modules())
    return f"<style>{styles()}</style>{early}"


def script(described_controls: Mapping[str, Any]) -> str:
    """What gr.HTML runs: it asks for the set, and starts the page once the toolbar is there as well.

    `window.captioner` is a promise of what Gradio's own controls call; they may do so before the modules have come.
    """
    return f"""
window.captioner = (async () => {{
  const load = (address) => import(new URL(address, document.baseURI));
  try {{
    const {{ askEarly }} = await load({json.dumps(address("set/opening.js"))});
    askEarly(server);
    while (!document.getElementById('cw-add')) await new Promise((next) => setTimeout(next, 10));
    const {{ start }} = await load({json.dumps(address("start.js"))});
    return start({json.dumps(described_controls)});
  }} catch (error) {{
    document.getElementById('cw-notices').textContent = `The page did not start; reload it. (${{error.message}})`;
    throw error;
  }}
}})();
"""
