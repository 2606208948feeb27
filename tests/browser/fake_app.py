"""The real app with the fake models of tests/fakes.py: python -m tests.browser.fake_app ANSWERS [flags].

ANSWERS: JSON of delay_s, what the captioner takes for a picture; labels_each and unprepared, see `FakeClip`; warning,
see `FakeWd14`; with_echo, whether two more families of captioners are there; with_vlm, whether a tiny vision-language
model is, which wants its answers drawn.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import app
from tests.fakes import FakeCaptioner, FakeClip, FakeWd14, fake_models
from tests.other_askers import PARROT
from tests.other_families import ECHO

if __name__ == "__main__":
    answers = json.loads(sys.argv[1])
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
        sys.exit(app.main([*sys.argv[2:], "--models", models]))
