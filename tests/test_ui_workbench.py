"""The page's script as modules: which imports which, who writes HTML, and how they are served."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from captioner.ui import workbench
from captioner.ui.modules import add_modules

_IMPORT = re.compile(r"^(?:import|export)\b[^;]*?\bfrom\s+'([^']+)';|^import\s+'([^']+)';", re.MULTILINE)
_MAY_IMPORT = {
    "core": {"core"},
    "set": {"core", "set"},
    "views": {"core", "set", "views"},
    "dialogs": {"core", "set", "views", "dialogs"},
    "lab": {"core", "set", "views", "lab"},
    "": {"core", "set", "views", "dialogs", "lab"},
}
_WRITES_HTML = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|HTMLUnsafe|srcdoc|DOMParser|Fragment\("
)


def _imports() -> dict[str, set[str]]:
    """Module -> the modules that it imports, as paths from the workbench's folder."""
    found = {}
    for path, text in workbench.modules().items():
        named = {static or bare for static, bare in _IMPORT.findall(text)}
        assert all(name.startswith(("./", "../")) for name in named), f"{path} imports by a bare name"
        found[path] = {posixpath.normpath(posixpath.join(posixpath.dirname(path), name)) for name in named}
    return found


def test_every_import_names_a_module_and_every_module_is_imported() -> None:
    imports = _imports()
    reached, open_ends = set(), ["start.js"]
    while open_ends:
        module = open_ends.pop()
        reached.add(module)
        open_ends += [name for name in imports[module] if name not in reached]
    assert reached == set(imports)


def test_the_imports_have_no_circle() -> None:
    order = list(TopologicalSorter(_imports()).static_order())
    assert order[-1] == "start.js"


def test_no_module_imports_one_of_a_higher_folder() -> None:
    for module, imported in _imports().items():
        allowed = _MAY_IMPORT[posixpath.dirname(module)]
        assert {posixpath.dirname(name) for name in imported} <= allowed, module


def test_a_set_s_modules_take_hold_of_no_element() -> None:
    for module, imported in _imports().items():
        if module.startswith("set/"):
            assert "core/elements.js" not in imported
            assert "querySelector" not in workbench.read(module)


def test_only_the_escaping_template_writes_html() -> None:
    assert {module for module, text in workbench.modules().items() if _WRITES_HTML.search(text)} == {"core/html.js"}
    assert workbench.read("core/html.js").count("innerHTML") == 1


def test_only_the_start_is_known_outside_the_modules() -> None:
    for module, text in workbench.modules().items():
        assert not re.search(r"\b(?:window|globalThis|self)\.\w+\s*(?:\?\?|\|\|)?=[^=]", text), module
    script = workbench.script({})
    assert re.findall(r"window\.(\w+) =", script) == ["captioner"]


@pytest.mark.parametrize("template", ["toolbar.html", "workbench.html"])
def test_a_template_is_plain_html(template: str) -> None:
    text = workbench.read(template)
    for sign in ("{{", "${", "`"):  # Gradio reads the file as a Handlebars and as a JavaScript template
        assert sign not in text


def test_the_styles_are_those_of_all_files() -> None:
    for path in (Path(workbench.__file__).parent / "styles").iterdir():
        assert path.read_text(encoding="utf-8") in workbench.styles()


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = FastAPI()
    add_modules(app)
    with TestClient(app) as client:
        yield client


def test_a_module_is_served_as_script_for_good(client: TestClient) -> None:
    answer = client.get(workbench.address("core/html.js"))
    assert answer.text == workbench.read("core/html.js")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]


def test_only_modules_of_this_version_are_served(client: TestClient) -> None:
    digest = workbench.digest()
    for address in (
        "workbench/0123456789abcdef0123/start.js",
        f"workbench/{digest}/workbench.html",
        f"workbench/{digest}/__init__.py",
        f"workbench/{digest}/..%2Fpage.py",
        f"workbench/{digest}/core/..%2Fstart.js",
    ):
        answer = client.get(address)
        assert answer.status_code == 404, address
        assert "immutable" not in answer.headers.get("cache-control", "")


def test_the_page_fetches_every_module_early() -> None:
    for module in workbench.modules():
        assert f'<link rel="modulepreload" href="{workbench.address(module)}">' in workbench.head()
