"""The HTTP API by plain HTTP: a call needs only the values that have no default, as README's example with curl does."""

from __future__ import annotations

import inspect
import json
import subprocess
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import httpx
import pytest
from PIL import Image

from captioner.ui import api
from tests.browser.conftest import AppServer

ROOT = Path(__file__).resolve().parents[1]
VALUES: dict[Any, Any] = {str: "nothing", int: 1, bool: False, dict: {}, list: []}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    server = AppServer(tmp_path_factory.mktemp("plain"))
    server.start()
    yield server
    server.stop()


def _functions() -> list[Any]:
    return [pytest.param(one, id=one.__name__) for one in api._functions(types.SimpleNamespace())]  # type: ignore[arg-type]


def _call(server: AppServer, name: str, data: list[Any]) -> httpx.Response:
    return httpx.post(f"{server.url}gradio_api/call/{name}", json={"data": data})


def _told(server: AppServer, name: str, data: list[Any]) -> str:
    called = _call(server, name, data)
    assert called.status_code == 200, called.text
    return httpx.get(f"{server.url}gradio_api/call/{name}/{called.json()['event_id']}", timeout=30).text


@pytest.mark.parametrize("function", _functions())
def test_what_has_a_default_may_be_left_out(server: AppServer, function: Any) -> None:
    name, parameters = function.__name__, inspect.signature(function).parameters.values()
    types_ = get_type_hints(function)
    needed = [
        VALUES[get_origin(types_[one.name]) or types_[one.name]] for one in parameters if one.default is one.empty
    ]
    defaults = [one.default for one in parameters if one.default is not one.empty]
    told = [_told(server, name, [*needed, *defaults[:count]]) for count in range(len(defaults) + 1)]
    assert "argument" not in told[0] and told[0].startswith("event: ")
    if name != "new_set":
        assert set(told) == {told[-1]}
    too_many = _call(server, name, [*needed, *defaults, 1])
    assert (too_many.status_code, too_many.json()["error"]["code"]) == (400, "bad_request")
    if needed:
        too_few = _call(server, name, needed[:-1])
        missing = list(parameters)[len(needed) - 1].name
        assert too_few.status_code == 400
        assert too_few.json()["error"]["message"].endswith(f" in data; {missing} is missing.")


def test_the_example_with_curl_does_what_it_says(server: AppServer, tmp_path: Path) -> None:
    [example] = [block for block in (ROOT / "README.md").read_text().split("```") if "curl" in block[:400]]
    Image.new("RGB", (40, 30), (200, 30, 30)).save(tmp_path / "cat.jpg")
    script = example.partition("\n")[2].replace("http://127.0.0.1:7860/", server.url)
    assert server.url in script
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    [rows] = json.loads(done.stdout)
    assert [(row["name"], row["state"]) for row in rows] == [("cat.jpg", "generated")]
