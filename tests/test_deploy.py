"""deploy/: a real nginx before the real app, below a path, with nginx's login and with ours."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from captioner import users
from captioner.ui import workbench

ROOT = Path(__file__).resolve().parents[1]
NGINX = shutil.which("nginx")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def waited(address: str, process: subprocess.Popen[bytes]) -> None:
    """Until something answers there."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert process.poll() is None, "it ended at once"
        try:
            httpx.get(address)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"nothing answers at {address}")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app at example.org/captioner/ behind nginx, which asks for bob's password; and the users' file beside it."""
    if NGINX is None:
        pytest.skip("nginx is not installed")
    folder = tmp_path_factory.mktemp("deploy")
    users.add_user(folder / "users", "ada", "a long word")
    port, outside = free_port(), free_port()
    flags = ["--root-path", "/captioner", "--allow-host", "example.org", "--auth-file", str(folder / "users")]
    flags += ["--auth-header", "Remote-User", "--trusted-proxy", "127.0.0.2"]
    command = [sys.executable, "app.py", "--port", str(port), "--models", "demo", "--workspace", str(folder / "work")]
    app = subprocess.Popen([*command, *flags], cwd=ROOT)
    server = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha1(b"bob's own word").digest()).decode()
    (folder / "captioner.htpasswd").write_text(f"bob:{{SHA}}{digest}\n")
    server = server.replace("listen 80", f"listen 127.0.0.1:{outside}").replace("127.0.0.1:7860", f"127.0.0.1:{port}")
    server = server.replace("# auth_basic ", "proxy_bind 127.0.0.2; auth_basic ")
    server = server.replace("# auth_basic_user_file /etc/nginx", f"auth_basic_user_file {folder}")
    kinds = ("proxy", "fastcgi", "uwsgi", "scgi", "client_body")
    places = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log stderr; user root; events {{}}\n"
        f"http {{ access_log off; {places}\n{server} }}\n"
    )
    nginx = subprocess.Popen([NGINX, "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")])
    try:
        waited(f"http://127.0.0.1:{port}/", app)
        waited(f"http://127.0.0.1:{outside}/", nginx)
        yield f"http://127.0.0.1:{outside}"
    finally:
        for process in (nginx, app):
            process.send_signal(signal.SIGTERM)
        for process in (nginx, app):
            process.wait(30)


@pytest.fixture
def bob(served: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served, auth=("bob", "bob's own word"), headers={"Host": "example.org"}) as client:
        yield client


def test_nginx_asks_for_the_login_and_names_the_user(served: str, bob: httpx.Client) -> None:
    assert httpx.get(f"{served}/captioner/who", headers={"Host": "example.org"}).status_code == 401
    assert bob.get("/captioner/who").json()["user"] == "bob"
    assert bob.get("/captioner/who", headers={"Remote-User": "ada"}).json()["user"] == "bob", "nginx sets it anew"
    assert bob.get("/captioner", follow_redirects=False).headers["location"].endswith("/captioner/")


def test_the_page_and_its_parts_are_below_the_path(bob: httpx.Client) -> None:
    page = bob.get("/captioner/")
    assert page.status_code == 200
    config = bob.get("/captioner/config").json()
    assert config["root"].endswith("/captioner")
    assert httpx.URL(config["root"]).host == "example.org"
    assert bob.get(f"/captioner/{workbench.address('start.js')}").headers["content-type"].startswith("text/javascript")


def test_programs_call_through_it(bob: httpx.Client) -> None:
    def called(name: str, *data: Any) -> Any:
        event = bob.post(f"/captioner/gradio_api/call/{name}", json={"data": list(data)}).json()["event_id"]
        told = bob.get(f"/captioner/gradio_api/call/{name}/{event}").text
        return json.loads(told.rpartition("data: ")[2])

    [set_id] = called("new_set")
    picture = {"file": ("a.png", (ROOT / "assets" / "samples" / SAMPLE).read_bytes())}
    sent = bob.post(f"/captioner/sets/{set_id}/pictures", data={"name": "a.png"}, files=picture)
    assert sent.status_code == 200
    [rows] = called("captions", set_id)
    assert [row["name"] for row in rows] == ["a.png"]
    assert bob.get(f"/captioner/sets/{set_id}/sharing").json()["owner"] == "bob"


SAMPLE = sorted(os.listdir(ROOT / "assets" / "samples"))[0]  # noqa: PTH208
