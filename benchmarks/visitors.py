"""Visitors of the running app, each with a set and a tab of its own, who ask as the page asks for a person.

A visitor moves a slider, waits for the suggestion, looks at it and moves the next one; `JobBeside` is a set that is
captioned meanwhile, over and over. Decides nothing about what is quick enough.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from benchmarks.served import PageFunctions

MOVES_A_PICTURE = 5
PAUSE_S = 3.0
"""How long a person looks before the next move: evenly spread between nothing and twice as long."""

_REQUEST_LIMIT_S = 120.0
_LOOKED_EVERY_S = 0.6  # as often as a tab looks whose set is being captioned
_SLIDERS: Mapping[str, Sequence[float]] = {
    "num_beams": range(1, 6),
    "min_length": range(5, 16),
    "repetition_penalty": [1 + step / 100 for step in range(51)],
}
"""Around the defaults. Each makes the captioner run: a threshold would be answered from what is known."""

SETTINGS = {"captioner": "blip-demo", "captioner_on": True, "wd14": "wd14-demo", "wd14_on": True, "max_length": 48}


@dataclass(frozen=True)
class Moved:
    """One move of a slider and its suggestion. before: the settings of the last one. seconds: until it was there."""

    picture: str
    settings: Mapping[str, Any]
    before: Mapping[str, Any] | None
    caption: str
    seconds: float


class Visitor:
    """One tab with one set.

    word: what its captions begin with. moves: all that were answered. troubles: what was refused or broke, in words.
    """

    def __init__(self, client: httpx.Client, number: int, set_id: str, pictures: Sequence[str]) -> None:
        """Args: client: this visitor's own; its base URL is the app's."""
        self.set_id = set_id
        self.moves: list[Moved] = []
        self.troubles: list[str] = []
        self._client = client
        self._page = PageFunctions(client, f"visitor{number}")
        self._pictures = pictures
        self._random = random.Random(number)
        self.word = f"visitor {number}"
        self._settings: dict[str, Any] | None = None
        self._selected = pictures[0]
        self._cursor = -1
        self._is_job_running = False

    def move(self) -> None:
        """Moves a slider; every fifth time another picture is selected first. What goes wrong is a trouble."""
        with self.noting_troubles():
            number = len(self.moves) + len(self.troubles)
            if number % MOVES_A_PICTURE == 0:
                self._select(self._pictures[number // MOVES_A_PICTURE % len(self._pictures)])
            self._move_slider()
            self._look_at_changes()

    @contextmanager
    def noting_troubles(self) -> Iterator[None]:
        """What is refused or breaks in here becomes a trouble."""
        try:
            yield
        except (RuntimeError, httpx.HTTPError) as error:
            self.troubles.append(f"{self.word}: {error!r}")

    def _select(self, picture: str) -> None:
        self._selected = picture
        self._client.get(f"sets/{self.set_id}/pictures/{picture}/preview").raise_for_status()

    def _move_slider(self) -> None:
        name = self._random.choice(list(_SLIDERS))
        before = self._settings
        settings = {**(before or {**SETTINGS, "prefix": self.word}), name: self._random.choice(_SLIDERS[name])}
        start_s = time.perf_counter()
        asked = {"set": self.set_id, "id": self._selected, "settings": settings, "before": before}
        answer = self._page.call("preview", **asked)
        seconds = time.perf_counter() - start_s
        self.moves.append(Moved(self._selected, settings, before, answer["caption"], seconds))
        self._settings = settings
        self._page.call("settings_changed", set=self.set_id, settings=settings)

    def _look_at_changes(self) -> None:
        reply = self._page.call("changes", set=self.set_id, since=self._cursor)
        self._cursor = reply["cursor"]
        self._is_job_running = bool(reply["job"]) and reply["job"]["state"] in ("waiting", "running")

    def visit(self, seconds: float, pause_s: float = PAUSE_S) -> None:
        """Moves sliders for so long, looking in between; begins after such a look, so that many do not come at once."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(left_s, self._random.uniform(0, 2 * pause_s)))
            self.move()


def visit_at_once(visitors: Sequence[Visitor], seconds: float, pause_s: float = PAUSE_S) -> None:
    """All of them for so long."""
    at_once = [threading.Thread(target=visitor.visit, args=(seconds, pause_s)) for visitor in visitors]
    for thread in at_once:
        thread.start()
    for thread in at_once:
        thread.join()


class JobBeside:
    """A set that is captioned all the time, by other settings each time it is done; a tab looks at it.

    Use as a context manager. troubles: as a visitor's.
    """

    def __init__(self, client: httpx.Client, set_id: str) -> None:
        self.troubles: list[str] = []
        self._page = PageFunctions(client, "job")
        self._set_id = set_id
        self._lock = threading.Lock()
        self._done, self._seconds = 0, 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._go_on)

    def __enter__(self) -> JobBeside:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        self._page.call("stop_job", set=self._set_id)

    def take_pace(self) -> float:
        """Pictures a second since this was asked last; the moments between two jobs do not count."""
        with self._lock:
            done, seconds = self._done, self._seconds
            self._done, self._seconds = 0, 0.0
        if not seconds:
            raise RuntimeError(f"the job did not go on: {self.troubles}")
        return done / seconds

    def _go_on(self) -> None:
        try:
            self._watch()
        except (RuntimeError, httpx.HTTPError) as error:
            self.troubles.append(f"the job: {error!r}")

    def _watch(self) -> None:
        cursor, seed = -1, 0
        seen: tuple[str, int, float] | None = None  # the job, pictures done, when
        while not self._is_over.wait(_LOOKED_EVERY_S):
            reply = self._page.call("changes", set=self._set_id, since=cursor)
            cursor, job, now_s = reply["cursor"], reply["job"], time.monotonic()
            if job and job["failed"]:
                raise RuntimeError(f"{job['failed']} pictures failed: {job['message']}")
            if job is None or job["state"] == "done":
                seed += 1
                settings = {**SETTINGS, "num_beams": 3, "repetition_penalty": 1 + seed / 1000}
                self._page.call("start_job", set=self._set_id, settings=settings)
                seen = None
                continue
            if job["state"] != "running":
                continue
            if seen is not None and seen[0] == job["id"]:
                with self._lock:
                    self._done += job["done"] - seen[1]
                    self._seconds += now_s - seen[2]
            seen = (job["id"], job["done"], now_s)
