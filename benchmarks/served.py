"""The real app in a process of its own, with the demo models, for benchmarks that talk to it. Knows no benchmark."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image


@dataclass(frozen=True)
class Served:
    """A running app. url: ends with a slash. process_id: of the one process that it is."""

    url: str
    process_id: int

    def memory_mb(self) -> float:
        """What the process has in memory now (VmRSS), in MB of 1,000,000 bytes; Linux only."""
        status = Path(f"/proc/{self.process_id}/status").read_text(encoding="ascii")
        [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
        return int(line.split()[1]) * 1024 / 1e6


@contextmanager
def served(workspace: Path, temporary: Path) -> Iterator[Served]:
    """The app while it runs. Args: temporary: where it puts what it needs for a while."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "app.py", "--port", str(port), "--workspace", str(workspace), "--models", "demo"]
    process = subprocess.Popen(command, env={**os.environ, "TMPDIR": str(temporary)}, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(1200):
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                if process.poll() is not None:
                    raise RuntimeError("the app did not start; its message is above") from None
                time.sleep(0.05)
        yield Served(url, process.pid)
    finally:
        process.terminate()
        process.wait(30)


def small_picture(seed: int, number: int) -> bytes:
    """A PNG of 96 x 96 pixels of one colour; 65,536 numbers give different ones."""
    image = Image.new("RGB", (96, 96), (number % 256, number // 256 % 256, seed % 256))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
