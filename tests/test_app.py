"""The app's flags and its start: what comes before the page."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import app
from captioner import users
from captioner.errors import CaptionerError
from captioner.users import UserFile

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "transformers", "open_clip", "onnxruntime")


def test_the_page_is_built_without_any_heavy_package(tmp_path: Path) -> None:
    script = f"""
import sys
from pathlib import Path
from fastapi import FastAPI
from captioner.models.manager import ModelManager
from captioner.ui import page
from captioner.service.service import Service
from captioner.worker import Worker
from captioner.workspace import Workspace
with Workspace(Path({str(tmp_path)!r})) as workspace, Worker() as worker:
    page.mount(FastAPI(), Service(workspace, worker, ModelManager()))
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_the_app_answers_before_any_library_of_a_model_is_imported(tmp_path: Path) -> None:
    command = [sys.executable, "app.py", "--port", "0", "--models", "demo", "--workspace", str(tmp_path / "work")]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=(imports := (tmp_path / "imports").open("w+")),
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPROFILEIMPORTTIME": "1"},
    )
    assert process.stdout is not None
    with imports:
        url = process.stdout.readline().split()[4]
        urllib.request.urlopen(url, timeout=60).close()
        process.terminate()
        process.communicate(timeout=60)
        imports.seek(0)
        imported = {line.rpartition("|")[2].strip() for line in imports}
    assert "captioner.ui.page" in imported
    assert imported.isdisjoint(HEAVY)


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
    with pytest.raises(CaptionerError, match=r"--host 0\.0\.0\.0 lets other machines in: add --auth-file FILE, or"):
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


def test_a_workspace_without_a_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        app.parse_flags(["--workspace", ""])
    assert "argument --workspace: it is empty; give a path, or leave the flag out." in capsys.readouterr().err


def test_the_login_may_come_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTIONER_AUTH", "eve:from the environment")
    file = tmp_path / "login"
    file.write_text("ada:from the file\n")
    assert app.parse_flags(["--auth-file", str(file)]).login == ("ada", "from the file")
    assert app.parse_flags(["--auth", "bob:a flag"]).login == ("bob", "a flag")
    assert app.parse_flags(["--host", "0.0.0.0"]).login == ("eve", "from the environment")
    assert app.parse_flags(["--no-auth"]).login is None


def test_a_login_in_the_environment_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTIONER_AUTH", "")
    with pytest.raises(CaptionerError, match="the environment's CAPTIONER_AUTH must be USER:PASSWORD"):
        app.parse_flags([])


def test_further_names_are_taken_and_checked() -> None:
    config = app.parse_flags(["--allow-host", "captions.example", "--allow-host", "gpu-box"])
    assert config.allowed_hosts == ("captions.example", "gpu-box")
    with pytest.raises(CaptionerError, match=r"--allow-host is 'https://x\.example'; it must be a name alone"):
        app.parse_flags(["--allow-host", "https://x.example"])


def test_models_that_visitors_may_name_are_said_at_the_start_unless_nobody_else_gets_in() -> None:
    def allowed(*flags: str) -> tuple[str, ...]:
        return app.parse_flags(flags).allowed_models

    assert allowed() == ("*",)
    assert allowed("--allow-host", "captions.example") == allowed("--host", "0.0.0.0", "--no-auth") == ()
    assert allowed("--allow-model", "ann/net", "--allow-model", "bob/*") == ("ann/net", "bob/*")
    with pytest.raises(CaptionerError, match=r"--allow-model is '\.\./net'; it must be owner/name, owner/\* or \*\."):
        allowed("--allow-model", "../net")


def test_users_come_from_a_file_with_their_hashes_or_by_a_proxy(tmp_path: Path) -> None:
    users.add_user(tmp_path / "users", "ada", "a long word")
    assert isinstance(app.parse_flags(["--host", "0.0.0.0", "--auth-file", str(tmp_path / "users")]).login, UserFile)
    by_proxy = ["--auth-header", "Remote-User", "--trusted-proxy", "10.0.0.0/8"]
    config = app.parse_flags(["--host", "0.0.0.0", *by_proxy, "--root-path", "/a/b/", "--user-jobs", "2"])
    assert config.proxy is not None and config.proxy.is_proxy("10.1.2.3") and not config.proxy.is_proxy("11.1.2.3")
    assert (config.root_path, config.user_jobs, config.allowed_models) == ("/a/b", 2, ())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--auth-header", "Remote-User"], "needs --trusted-proxy ADDRESS"),
        (["--operators", "ada"], "--operators names users of --auth-header NAME"),
        (["--trusted-proxy", "10.0.0.1"], "--trusted-proxy says whose --auth-header NAME is believed"),
        (["--auth-header", "X-User", "--trusted-proxy", "10.0.0.1", "--no-auth"], "leave one of them out"),
        (["--root-path", "captioner"], "--root-path is 'captioner'; it must begin with a slash"),
        (["--upload-gib", "nan"], "--upload-gib is nan; it must be more than 0"),
        (["--set-pictures", "0"], "--set-pictures is 0; it must be more than 0"),
    ],
)
def test_flags_for_several_people_that_will_not_do(flags: list[str], message: str) -> None:
    with pytest.raises(CaptionerError, match=message):
        app.parse_flags(flags)


def test_a_port_in_use_is_one_sentence_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert app.main(["--port", str(port)]) == 2
    assert capsys.readouterr().err == (
        f"app.py: 127.0.0.1 port {port} cannot be listened on: another program uses it; choose another with --port.\n"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_a_manager_of_services_stop_the_app_in_order(tmp_path: Path, number: signal.Signals) -> None:
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
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "Captioner has stopped; everything saved stays saved.\n")
    assert [path.name for path in (tmp_path / "work").glob("captions.sqlite*")] == ["captions.sqlite"], "it was closed"


def test_vocabularies_are_kept_in_the_workspace(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "CAPTIONER_VOCABULARIES"}
    command = [sys.executable, "app.py", "--port", "0", "--models", "demo", "--workspace", str(tmp_path / "work")]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**environment, "PYTHONUNBUFFERED": "1"}
    )
    assert process.stdout is not None
    try:
        address = process.stdout.readline().split()[4]
        with urllib.request.urlopen(
            urllib.request.Request(f"{address}/kept/own_vocabulary?name=words.txt", b"rot\n", method="POST")
        ) as reply:
            name = json.load(reply)["name"]
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert (tmp_path / "work" / "vocabularies" / f"{name}.txt").read_text() == "rot\n"


def test_a_folder_without_models_is_one_sentence_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert app.main(["--port", "0", "--workspace", str(tmp_path / "work"), "--models", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"app.py: there is no model in {tmp_path}")
    assert error.count("\n") == 1
