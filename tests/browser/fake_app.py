"""The real app with the fake models of tests/fakes.py.

python -m tests.browser.fake_app SECONDS_A_PICTURE LABELS_TO_EMBED WARNING [flags]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import app
from tests.fakes import FakeCaptioner, FakeClip, FakeWd14, fake_models

if __name__ == "__main__":
    delay_s = float(sys.argv[1])
    answer_at_once = FakeCaptioner.caption

    def answer_later(self: FakeCaptioner, pictures: Any, settings: Any) -> Any:
        time.sleep(delay_s * len(pictures))
        return answer_at_once(self, pictures, settings)

    FakeCaptioner.caption = answer_later  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder, fake_models(Path(folder)) as models:
        FakeClip.unprepared = int(sys.argv[2])
        FakeClip.seconds_a_step = 0.3
        FakeWd14.warning = sys.argv[3]
        sys.exit(app.main([*sys.argv[4:], "--models", models]))
