"""The real app with the fake models of tests/fakes.py, in a process forked from one that has imported it."""

from __future__ import annotations

import atexit
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import app
from tests.fakes import FakeCaptioner, FakeClip, FakeWd14, fake_models
from tests.other_askers import PARROT
from tests.other_families import ECHO

FORKED = get_context("forkserver")
FORKED.set_forkserver_preload(["captioner.ui.page", "captioner.ui.server", __name__])


def run(answers: dict[str, Any], flags: Sequence[str], environment: dict[str, str], log: Path) -> None:
    """Serves until it is ended, in a process of `FORKED`.

    Args: answers: delay_s, what the captioner takes for a picture; labels_each and unprepared, see `FakeClip`; warning,
    see `FakeWd14`; with_echo, whether two more families of captioners are there; with_vlm, whether a tiny
    vision-language model is, which wants its answers drawn.
    """
    os.environ.clear()
    os.environ.update({"GRADIO_ANALYTICS_ENABLED": "False", **environment})  # as captioner.ui.page sets it
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        sys.exit(_serve(answers, flags))
    finally:
        atexit._run_exitfuncs()  # a forked process runs none of them by itself


def _serve(answers: dict[str, Any], flags: Sequence[str]) -> int:
    delay_s = answers["delay_s"]
    answer_at_once = FakeCaptioner.caption

    def answer_later(self: FakeCaptioner, pictures: Any, settings: Any) -> Any:
        time.sleep(delay_s * len(pictures))
        return answer_at_once(self, pictures, settings)

    FakeCaptioner.caption = answer_later  # type: ignore[method-assign]
    more = [ECHO, PARROT] if answers["with_echo"] else []
    with tempfile.TemporaryDirectory() as folder, fake_models(Path(folder), *more) as models:
        FakeClip.labels_each, FakeClip.unprepared = answers["labels_each"], answers["unprepared"]
        FakeClip.seconds_a_step = 0.3
        FakeWd14.warning = answers["warning"]
        if answers["with_vlm"]:
            from tests.tiny_vlm import save, want

            want(save("qwen3_vl", Path(models) / "qwen3-vl-2b"), do_sample=True, top_k=7)
        return app.main([*flags, "--models", models])
