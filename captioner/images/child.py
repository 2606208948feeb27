"""The process that decodes pictures under limits on time and memory: `python -m captioner.images.child`.

Reads requests from its standard input and writes answers to its standard output, until the input ends. A request is
one line of JSON ("bytes": how many follow, "peak_bytes": memory that the picture may need, "cpu_s": processor seconds
it may take) and the picture's bytes. An answer is one line of JSON, either "code" and "message" of a refusal, or
"format", "notes", "width" and "height", and then the picture's RGB bytes, strip by strip (`strips.strips`). Where the
time is over, the system ends this process; whoever asked sees that (`process`). Systems without `resource`
(Windows) or without /proc have the limits that they can have.
"""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from PIL import AvifImagePlugin

from captioner.errors import BadPicture
from captioner.images import decoding
from captioner.images.strips import strips

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

# Beside what the picture is known to need: codecs' buffers, the stacks of their threads.
SPARE_BYTES = 256 << 20
MAX_CODEC_THREADS = 8
_MEMORY_STATE = Path("/proc/self/statm")


def main() -> None:
    """Answer requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for whoever asks; its end is ours
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    sys.stderr = os.fdopen(os.dup(sys.stderr.fileno()), "w", buffering=1)  # for errors of our own
    with Path(os.devnull).open("wb") as nowhere:
        for stream in (1, 2):  # codecs print what they think of a file, as if to a person or as an answer of ours
            os.dup2(nowhere.fileno(), stream)
    logging.disable()  # so does Pillow
    AvifImagePlugin.DEFAULT_MAX_THREADS = min(MAX_CODEC_THREADS, os.cpu_count() or 1)
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while line := requests.readline():
        _answer(json.loads(line), requests, answers)
        answers.flush()


def _answer(request: dict[str, Any], requests: BinaryIO, answers: BinaryIO) -> None:
    data = requests.read(request["bytes"])
    try:
        with _limits(request["peak_bytes"], request["cpu_s"]):
            opened = decoding.decode(data)
    except BadPicture as error:
        _write_line(answers, {"code": error.code, "message": str(error)})
        return
    image = opened.image
    facts = {"format": opened.format, "notes": opened.notes, "width": image.width, "height": image.height}
    _write_line(answers, facts)
    for _, strip in strips(image):
        answers.write(strip.tobytes())


def _write_line(answers: BinaryIO, value: dict[str, Any]) -> None:
    answers.write(json.dumps(value).encode() + b"\n")


@contextmanager
def _limits(peak_bytes: int, cpu_s: float) -> Iterator[None]:
    """Let the block have so much more memory and so many more processor seconds than this process has had so far."""
    if resource is None:
        yield
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    limits = {resource.RLIMIT_CPU: math.ceil(usage.ru_utime + usage.ru_stime + cpu_s)}
    if _MEMORY_STATE.exists():
        pages = int(_MEMORY_STATE.read_text(encoding="ascii").split()[0])
        limits[resource.RLIMIT_AS] = pages * resource.getpagesize() + peak_bytes + SPARE_BYTES
    before = {kind: resource.getrlimit(kind) for kind in limits}
    for kind, limit in limits.items():
        hard = before[kind][1]
        resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
    try:
        yield
    finally:
        for kind, old in before.items():
            resource.setrlimit(kind, old)


if __name__ == "__main__":
    main()
