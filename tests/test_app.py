"""The app's flags, its start, its door: what comes before the page."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

import app
from captioner.errors import CaptionerError
from captioner.ui.address import is_loopback
from captioner.ui.guard import Guard

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "transformers", "open_clip", "onnxruntime")


def test_the_page_is_built_without_any_heavy_package(tmp_path: Path) -> None:
    script = f"""
import sys
from pathlib import Path
from fastapi import FastAPI
from captioner.models.manager import ModelManager
from captioner.ui import page
from captioner.service.service import Desk
from captioner.worker import Worker
from captioner.workspace import Workspace
with Workspace(Path({str(tmp_path)!r})) as workspace, Worker() as worker:
    page.mount(FastAPI(), Desk(workspace, worker, ModelManager()))
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["service.service", "ui.routes", "ui.guard"])
def test_what_knows_no_page_loads_no_gradio(module: str) -> None:
    script = f"import sys, captioner.{module}; print('gradio' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"


def test_flags_become_a_configuration() -> None:
    config = app.parse_flags(["--port", "8000", "--workspace", "work", "--models", "demo", "--auth", "ada:pass:word"])
    assert (config.host, config.port, config.workspace, config.models) == ("127.0.0.1", 8000, Path("work"), "demo")
    assert config.login == ("ada", "pass:word")
    assert not config.is_open


def test_a_workspace_in_ones_home_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("USERPROFILE", "/home/ada")
    assert app.parse_flags(["--workspace=~/work"]).workspace == Path("/home/ada/work")


def test_another_host_needs_a_login_or_a_plain_statement() -> None:
    with pytest.raises(CaptionerError, match=r"--host 0\.0\.0\.0 lets other machines in: add --auth USER:PASSWORD, or"):
        app.parse_flags(["--host", "0.0.0.0"])
    assert app.parse_flags(["--host", "0.0.0.0", "--no-auth"]).is_open
    assert app.parse_flags(["--host", "0.0.0.0", "--auth", "a:b"]).login == ("a", "b")


@pytest.mark.parametrize("login", ["ada", "ada:", ":word", ""])
def test_half_a_login_is_refused(login: str) -> None:
    with pytest.raises(CaptionerError, match="--auth must be USER:PASSWORD"):
        app.parse_flags(["--auth", login])


def test_a_port_that_is_none_is_refused() -> None:
    with pytest.raises(CaptionerError, match="--port is 70000; it must be between 0 and 65535"):
        app.parse_flags(["--port", "70000"])


def test_loopback_is_known_by_name_and_number() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "localhost", "LOCALHOST", "::1", "[::1]")))
    assert not any(map(is_loopback, ("0.0.0.0", "192.168.1.2", "example.org", "")))


def test_a_port_in_use_is_one_sentence_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert app.main(["--port", str(port)]) == 2
    assert capsys.readouterr().err == (
        f"app.py: 127.0.0.1 port {port} cannot be listened on: another program uses it; choose another with --port.\n"
    )


def test_ctrl_c_stops_the_app_with_a_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "app.py", "--port", "0", "--models", "demo", "--workspace", str(tmp_path / "work")]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("Captioner is ready on http://127.0.0.1:")
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "Captioner has stopped; everything saved stays saved.\n")


def test_a_folder_without_models_is_one_sentence_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert app.main(["--port", "0", "--workspace", str(tmp_path / "work"), "--models", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"app.py: there is no model in {tmp_path}")
    assert error.count("\n") == 1


def _guarded(**options: Any) -> TestClient:
    inner = FastAPI()

    @inner.get("/")
    def read() -> str:
        return "in"

    @inner.post("/")
    def write() -> str:
        return "done"

    settings: dict[str, Any] = {"login": None, "loopback_only": True, **options}
    return TestClient(Guard(inner, **settings), base_url="http://127.0.0.1:7860")


@pytest.fixture
def open_door() -> Iterator[TestClient]:
    with _guarded() as client:
        yield client


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:7861", "https://localhost", "null"])
def test_a_request_from_a_foreign_page_is_refused(open_door: TestClient, origin: str) -> None:
    answer = open_door.post("/", headers={"Origin": origin})
    assert answer.status_code == 403
    assert "Another page tried to use this one" in answer.text


def test_our_own_page_and_programs_may_write(open_door: TestClient) -> None:
    assert open_door.post("/", headers={"Origin": "http://127.0.0.1:7860"}).status_code == 200
    assert open_door.post("/").status_code == 200


def test_a_foreign_name_for_this_machine_is_refused(open_door: TestClient) -> None:
    answer = open_door.get("/", headers={"Host": "evil.example:7860"})
    assert answer.status_code == 403
    assert "answers to localhost only" in answer.text
    with _guarded(loopback_only=False) as client:
        assert client.get("/", headers={"Host": "captions.example:7860"}).status_code == 200


def test_a_proxy_may_give_the_page_another_name() -> None:
    with _guarded(loopback_only=False) as client:
        headers = {"Origin": "https://captions.example", "X-Forwarded-Host": "captions.example"}
        assert client.post("/", headers=headers).status_code == 200


def test_a_login_is_asked_for_and_checked() -> None:
    with _guarded(login=("ada", "pass:wörd"), loopback_only=False) as client:
        refused = client.get("/")
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Basic")
        good = base64.b64encode("ada:pass:wörd".encode()).decode()
        assert client.get("/", headers={"Authorization": f"Basic {good}"}).status_code == 200
        for wrong in (base64.b64encode(b"ada:other").decode(), "%%%", ""):
            assert client.get("/", headers={"Authorization": f"Basic {wrong}"}).status_code == 401
        assert client.get("/", headers={"Authorization": f"Bearer {good}"}).status_code == 401


def test_every_answer_tells_the_browser_to_stay_on_this_machine(open_door: TestClient) -> None:
    headers = open_door.get("/").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["content-security-policy"].startswith("default-src 'self'")
