"""The real app in a process of its own, with the demo models, for benchmarks that talk to it. Knows no benchmark."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from captioner.workspace import Workspace
from captioner.workspace.records import Upload
from demo.drawing import draw
from demo.scenes import scene_from_seed


@dataclass(frozen=True)
class Served:
    """A running app.

    url: ends with a slash. process_id: of the one process that it is. start_s: from the command to the first answered
    page.
    """

    url: str
    process_id: int
    start_s: float

    def memory_mb(self) -> float:
        """What the process has in memory now (VmRSS), in MB of 1,000,000 bytes; Linux only."""
        status = Path(f"/proc/{self.process_id}/status").read_text(encoding="ascii")
        [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
        return int(line.split()[1]) * 1024 / 1e6

    def loaded(self, packages: Collection[str]) -> set[str]:
        """Those of some Python packages whose libraries the process has loaded; Linux only."""
        maps = Path(f"/proc/{self.process_id}/maps").read_text(encoding="utf-8")
        return {name for name in packages if f"/site-packages/{name}/" in maps}


@contextmanager
def served(workspace: Path, temporary: Path) -> Iterator[Served]:
    """The app while it runs. Args: temporary: where it puts what it needs for a while."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "app.py", "--port", str(port), "--workspace", str(workspace), "--models", "demo"]
    start_s = time.perf_counter()
    process = subprocess.Popen(command, env={**os.environ, "TMPDIR": str(temporary)}, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(6000):
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                if process.poll() is not None:
                    raise RuntimeError("the app did not start; its message is above") from None
                time.sleep(0.01)
        yield Served(url, process.pid, time.perf_counter() - start_s)
    finally:
        process.terminate()
        process.wait(30)


class PageFunctions:
    """The functions of the page's script, called over HTTP."""

    def __init__(self, client: httpx.Client, session: str = "benchmark") -> None:
        """Args: client: its base URL is the app's. session: the name of the tab that asks."""
        self._client = client
        self._session = session
        components = client.get("config").raise_for_status().json()["components"]
        self._bench = next(one["id"] for one in components if one["props"].get("server_fns"))

    def call(self, name: str, **asked: Any) -> dict[str, Any]:
        """Raises: RuntimeError: it was refused."""
        body = {"component_id": self._bench, "session_hash": self._session, "fn_name": name, "data": asked}
        answer = self._client.post("gradio_api/component_server/", json=body).raise_for_status().json()
        if "error" in answer:
            raise RuntimeError(f"{name}: {answer['error']['message']}")
        return dict(answer)


def drawn_set(workspace: Workspace, name: str, seed: int, count: int) -> tuple[str, list[str]]:
    """A new set of drawn scenes, all different. Returns: its id, the pictures' ids."""
    set_id = workspace.create_set(name)
    uploads = (Upload(f"{number}.png", drawn_picture(seed, number)) for number in range(count))
    return set_id, [picture.id for picture in workspace.add_pictures(set_id, uploads)]  # type: ignore[union-attr]


def drawn_picture(seed: int, number: int) -> bytes:
    """A PNG of a drawn scene, of which the demo models have something to say."""
    buffer = io.BytesIO()
    draw(scene_from_seed(seed, number)).save(buffer, "PNG")
    return buffer.getvalue()


def small_picture(seed: int, number: int) -> bytes:
    """A PNG of 96 x 96 pixels of one colour; 65,536 numbers give different ones."""
    image = Image.new("RGB", (96, 96), (number % 256, number // 256 % 256, seed % 256))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
