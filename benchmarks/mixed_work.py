"""All that people do in an hour on the page, one action straight after the other, and what it leaves in memory.

Sliders moved, captions typed, pictures looked at, steps taken back, words read, many captions changed, sets opened in
new tabs, pictures added, sets captioned and exported. Knows what the page asks for each, and no figure's limit.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence

import httpx

from benchmarks.served import PageFunctions, drawn_picture
from benchmarks.visitors import SETTINGS, Visitor

_ADDED_SEED = 5_000_000  # of pictures that no set begins with


class BusyVisitor(Visitor):
    """A visitor who does a bit of everything."""

    def __init__(self, client: httpx.Client, number: int, set_id: str, pictures: Sequence[str]) -> None:
        super().__init__(client, number, set_id, pictures)
        self._pictures = list(pictures)
        self._revisions: dict[str, int] = {}
        self._numbers = itertools.count()
        self._added_seed = _ADDED_SEED + number
        self._actions: dict[Callable[[], object], int] = {
            self._ask_for_suggestion: 40,
            self._type: 25,
            self._look: 15,
            self._travel: 4,
            self._read_words: 4,
            self._see_at_a_glance: 4,
            self._change_many: 2,
            self._arrive_anew: 2,
            self._add_picture: 1,
            self._export: 1,
            self._caption: 2,
        }

    def act(self) -> None:
        """One action, by chance as often as people take it. What goes wrong is a trouble."""
        [action] = self._random.choices(list(self._actions), list(self._actions.values()))
        with self.noting_troubles():
            action()
            self._look_at_changes()
        self.moves.clear()

    def _ask_for_suggestion(self) -> None:
        self._select(self._random.choice(self._pictures))
        self._move_slider()

    def _type(self) -> None:
        picture = self._random.choice(self._pictures)
        text = f"{self.word} typed caption number {next(self._numbers)} here"
        base = self._revisions.get(picture, 0)
        saved = self._page.call("save_caption", set=self.set_id, id=picture, text=text, base=base)
        self._revisions[picture] = saved["revision"]

    def _look(self) -> None:
        picture = self._random.choice(self._pictures)
        self._client.get(f"sets/{self.set_id}/pictures/{picture}/thumbnail").raise_for_status()
        self._select(picture)
        self._page.call("details", set=self.set_id, id=picture)

    def _travel(self) -> None:
        self._page.call("undo", set=self.set_id)
        self._page.call("redo", set=self.set_id)

    def _read_words(self) -> None:
        self._page.call("reading", set=self.set_id, id=self._random.choice(self._pictures), text="a dog in the grass")

    def _see_at_a_glance(self) -> None:
        for name in ("overview", "token_counts", "readings"):
            self._page.call(name, set=self.set_id)

    def _change_many(self) -> None:
        values = {"find": "typed", "replacement": "written"}
        found = self._page.call("preview_bulk", set=self.set_id, operation="replace", values=values)
        if found["changes"]:
            self._page.call("apply_bulk", set=self.set_id, preview=found["preview"], left_out=[])

    def _arrive_anew(self) -> None:
        self._client.get("").raise_for_status()
        self._page = PageFunctions(self._client, f"{self.word.replace(' ', '')}-{next(self._numbers)}")
        self._page.call("open_set", set=self.set_id)

    def _add_picture(self) -> None:
        number = next(self._numbers)
        file = {"file": ("a.png", drawn_picture(self._added_seed, number))}
        answer = self._client.post(f"sets/{self.set_id}/pictures", data={"name": f"added {number}.png"}, files=file)
        self._pictures.append(answer.raise_for_status().json()["row"]["id"])

    def _export(self) -> None:
        wanted = {"format": "txt", "with_pictures": "true"}
        self._client.get(f"sets/{self.set_id}/export", params=wanted).raise_for_status()

    def _caption(self) -> None:
        if self._is_job_running:
            return
        settings = {**SETTINGS, "num_beams": self._random.randrange(1, 5)}
        some = self._random.sample(self._pictures, 5)
        self._page.call("start_job", set=self.set_id, ids=some, settings=settings)


def act_at_once(visitors: Sequence[BusyVisitor], count: int) -> None:
    """So many actions, by all of them at once, each its next one as soon as the last is answered."""
    left = iter(range(count))
    lock = threading.Lock()

    def next_ones() -> Iterator[None]:
        while True:
            with lock:
                if next(left, None) is None:
                    return
            yield

    def act(visitor: BusyVisitor) -> None:
        for _ in next_ones():
            visitor.act()

    at_once = [threading.Thread(target=act, args=(visitor,)) for visitor in visitors]
    for thread in at_once:
        thread.start()
    for thread in at_once:
        thread.join()
