"""Pictures decoded in processes of their own (`child`), for what a header does not bound.

A process is started when the first such picture comes, answers one picture after another, and is started anew where a
picture brought it down, which costs that picture alone. It ends with this process. Knows what a header says, no more.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import Image

from captioner.errors import BadPicture
from captioner.images import decoding
from captioner.images.decoding import OpenedPicture
from captioner.images.headers import Header
from captioner.images.strips import strip_rows

MAX_PROCESSES = min(4, os.cpu_count() or 1)
# What is ended long after it should have been done: processor time, where the system counts it, and time on the clock.
CPU_S = 3.0
CPU_S_PER_MEGAPIXEL = 0.25
WALL_S_PER_CPU_S = 5.0

_PIPE_BYTES = 1 << 20  # the most that Linux gives without asking; fewer turns between the two processes
_ENDING_S = 5.0
_SIGXCPU, _SIGKILL = getattr(signal, "SIGXCPU", 24), getattr(signal, "SIGKILL", 9)
_ROOT = Path(__file__).resolve().parents[2]


def decode(data: bytes, header: Header) -> OpenedPicture:
    """Decode a picture in another process; waits for a free one.

    Raises: BadPicture: too_slow, out_of_memory, or what `decoding.decode` raises.
    """
    return _PROCESSES.decode(data, header)


class _Process:
    """One process with its pipes. Not for two threads at once."""

    def __init__(self) -> None:
        self.is_late = False  # it was ended since it took too long
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH", "")]))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "captioner.images.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pipesize=_PIPE_BYTES,
            # Address space is limited, and each of glibc's arenas takes 64 MB of it.
            env={**os.environ, "PYTHONPATH": path, "MALLOC_ARENA_MAX": "2"},
        )

    def decode(self, data: bytes, header: Header) -> OpenedPicture:
        """Raises: BadPicture: as the other process says. EOFError: it died."""
        cpu_s = CPU_S + CPU_S_PER_MEGAPIXEL * header.width * header.height / 1e6
        timer = threading.Timer(cpu_s * WALL_S_PER_CPU_S, self._stop)
        timer.start()
        try:
            self._ask({"bytes": len(data), "peak_bytes": header.peak_bytes + 2 * len(data), "cpu_s": cpu_s}, data)
            return self._answer()
        finally:
            timer.cancel()
            timer.join()

    def end(self) -> int:
        """End the process, if it has not ended by itself. Returns: its exit status."""
        self._process.kill()
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(OSError):  # what it did not read any more
            self._process.stdin.close()
        self._process.stdout.close()
        return self._process.wait()

    def wait(self) -> int:
        """The exit status of a process that is ending."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDING_S)
        return self.end()

    def _stop(self) -> None:
        self.is_late = True
        self._process.kill()

    def _ask(self, request: dict[str, float], data: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except OSError as error:
            raise EOFError from error

    def _answer(self) -> OpenedPicture:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        answer: dict[str, Any] = json.loads(line)
        if "code" in answer:
            raise BadPicture(answer["message"], code=answer["code"])
        width, height = answer["width"], answer["height"]
        image = Image.new("RGB", (width, height))
        for top, rows in strip_rows(width, height):
            strip = self._process.stdout.read(3 * width * rows)
            if len(strip) < 3 * width * rows:
                raise EOFError
            image.paste(Image.frombytes("RGB", (width, rows), strip), (0, top))
        return OpenedPicture(image, answer["format"], tuple(answer["notes"]))


class _Processes:
    """Idle processes, and how many there may be."""

    def __init__(self) -> None:
        self._free = threading.BoundedSemaphore(MAX_PROCESSES)
        self._idle: deque[_Process] = deque()  # its own operations are safe with threads

    def decode(self, data: bytes, header: Header) -> OpenedPicture:
        with self._free:
            try:
                process = self._idle.pop()
            except IndexError:
                process = _Process()
            try:
                opened = process.decode(data, header)
            except BadPicture:
                self._idle.append(process)
                raise
            except EOFError as error:
                raise _refusal(process.wait(), process.is_late, header) from error
            except BaseException:  # it may still be answering
                process.end()
                raise
            self._idle.append(process)
            return opened

    def end(self) -> None:
        """End those that are idle."""
        while self._idle:
            self._idle.pop().end()


def _refusal(exit_status: int, is_late: bool, header: Header) -> BadPicture:
    """Why a picture brought its process down."""
    if is_late or exit_status == -_SIGXCPU:
        return BadPicture(
            f"Decoding the {header.format} picture took far longer than its {header.width} x {header.height} pixels "
            "should; save it in another format and use that.",
            code="too_slow",
        )
    if exit_status == -_SIGKILL:  # the system ends whoever takes the last memory
        return decoding.out_of_memory()
    return BadPicture(
        f"The picture is damaged (it brought the decoder of {header.format} down); copy or export it again.",
        code="damaged",
    )


_PROCESSES = _Processes()
atexit.register(_PROCESSES.end)
