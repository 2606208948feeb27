"""Pictures opened, and made what models look at, on other threads before their turn comes, so that no model waits.

    with Ahead(items, open_one) as ahead:
        for item, found in ahead:      # in order; found is a PictureInput, or the error that the picture cost
            ...                        # meanwhile the next ones are being opened
            ahead.learn(family, model)  # from now on what this model makes of a picture is made ahead too

How far ahead is bounded by pictures and, but for one more a thread, by pixels. Knows no store, no plan and no format.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from captioner.contract import Model, PictureInput
from captioner.errors import CaptionerError

if TYPE_CHECKING:
    from PIL.Image import Image

Item = TypeVar("Item")

MAX_THREADS = 4
MAX_PICTURES = 16
"""As many as are opened ahead where they are small: two batches of a card."""
MAX_PIXELS = 96_000_000
"""What may lie opened ahead, 3 bytes each: eight pictures of 12 megapixels."""
FIRST_PIXELS = 24_000_000
"""What a picture is taken for while none has been opened; afterwards for as large as the largest so far."""


def reading_threads() -> int:
    """How many threads open pictures: one a core, and no more than keep one model busy."""
    return max(1, min(MAX_THREADS, os.cpu_count() or 1))


class Room:
    """Pixels that may lie opened ahead, in all runs that share it together. Safe between threads."""

    def __init__(self, limit_pixels: int = MAX_PIXELS) -> None:
        self._limit_pixels = limit_pixels
        self._held_pixels = 0
        self._lock = threading.Lock()

    def take(self, pixels: int, *, anyway: bool) -> bool:
        """Whether there was room, which is taken then. Args: anyway: take it even where there is none."""
        with self._lock:
            if not anyway and self._held_pixels + pixels > self._limit_pixels:
                return False
            self._held_pixels += pixels
            return True

    def is_overfull(self, *, but: int) -> bool:
        """Whether pictures turned out larger than they were taken for. Args: but: pixels that do not count."""
        with self._lock:
            return self._held_pixels - but > self._limit_pixels

    def give_back(self, pixels: int) -> None:
        """What is not held any more; less than nothing where a picture is larger than it was taken for."""
        with self._lock:
            self._held_pixels -= pixels


@dataclass(eq=False, slots=True)
class _Coming(Generic[Item]):
    """An item on its way. pixels: what it has of the room. is_open: they are its own, and no guess. is_put_off: there
    was no room when it was to be opened. made: by family, what models make of it. All four are filled by threads.
    work: being opened, and then what was asked for later."""

    item: Item
    pixels: int
    is_open: bool = False
    is_put_off: bool = False
    made: dict[str, Any] = field(default_factory=dict)
    work: list[Future[Any]] = field(default_factory=list)


class Ahead(Generic[Item]):
    """An iterator over items and their pictures, in order. For one thread at a time, and to be closed: `with`, `close`.

    An item is taken from the iterable when its picture is about to be opened, so up to `MAX_PICTURES` before its turn.
    A `CaptionerError` in opening is that item's result; anything else is raised when the item's turn comes, and so is
    what the iterable raises. Closing waits for the pictures that are being opened, and opens no further ones.
    """

    def __init__(
        self,
        items: Iterable[Item],
        open_one: Callable[[Item], PictureInput | None],
        *,
        families: Callable[[Item], Collection[str] | None] = lambda item: None,
        room: Room | None = None,
        threads: int | None = None,
    ) -> None:
        """Args:
        open_one: called on other threads; None for an item that needs no picture.
        families: the models that will look at an item's picture, all where it is None.
        room: shared with other runs; threads: `reading_threads` where it is None.
        """
        self._items = iter(items)
        self._open = open_one
        self._families = families
        self._room = room or Room()
        self._pool = ThreadPoolExecutor(threads or reading_threads(), "captioner-ahead")
        self._coming: deque[_Coming[Item]] = deque()
        self._largest_pixels = 0
        self._ways: dict[str, Callable[[Image], Any]] = {}
        self._learning = threading.Lock()
        self._failure: Exception | None = None  # of the iterable, told when its turn comes
        self._is_exhausted = False

    def learn(self, family: str, model: Model) -> None:
        """Have what a model makes of pictures made ahead from now on, of those too that are open already.

        On any thread while whoever iterates waits for it.
        """
        way = model.preprocess_ahead()
        if way is None:
            return
        with self._learning:
            is_new = family not in self._ways
            self._ways[family] = way
        if is_new:
            for coming in self._coming:
                if self._is_for(family, coming.item):
                    coming.work.append(self._pool.submit(_make_later, coming.work[0], family, way, coming.made))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[Item, PictureInput | CaptionerError | None]:
        self._begin_more()
        if not self._coming:
            self.close()
            if self._failure is not None:
                raise self._failure
            raise StopIteration
        coming = self._coming.popleft()
        try:
            found: PictureInput | CaptionerError | None = coming.work[0].result()
            if coming.is_put_off:
                found = self._open(coming.item)
        except CaptionerError as error:
            found = error
        finally:
            self._room.give_back(coming.pixels)
        for work in coming.work[1:]:
            work.result()
        self._begin_more()
        return coming.item, found

    def close(self) -> None:
        """End the threads. What was not asked for yet is let go. May be called twice."""
        self._is_exhausted = True
        self._pool.shutdown(wait=True, cancel_futures=True)
        while self._coming:
            self._room.give_back(self._coming.popleft().pixels)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin_more(self) -> None:
        """Have as many opened as there is room for; the next one in any case."""
        self._largest_pixels = max([self._largest_pixels, *(one.pixels for one in self._coming if one.is_open)])
        while not self._is_exhausted and len(self._coming) < MAX_PICTURES:
            pixels = self._largest_pixels or FIRST_PIXELS
            if not self._room.take(pixels, anyway=not self._coming):
                return
            try:
                item = next(self._items)
            except Exception as error:  # noqa: BLE001 - raised when its turn comes
                self._room.give_back(pixels)
                self._is_exhausted = True
                self._failure = None if isinstance(error, StopIteration) else error
                return
            coming = _Coming(item, pixels)
            ways = {family: way for family, way in self._ways.items() if self._is_for(family, item)}
            coming.work.append(self._pool.submit(self._opened, coming, ways))
            self._coming.append(coming)

    def _is_for(self, family: str, item: Item) -> bool:
        families = self._families(item)
        return families is None or family in families

    def _opened(self, coming: _Coming[Item], ways: dict[str, Callable[[Image], Any]]) -> PictureInput | None:
        """On another thread. None too where there is no room left, since pictures before it are larger than the ones
        before those: many small ones may have begun by then."""
        if self._room.is_overfull(but=coming.pixels):
            coming.is_put_off = True
            return None
        shown = self._open(coming.item)
        pixels = 0 if shown is None else shown.image.width * shown.image.height
        self._room.give_back(coming.pixels - pixels)
        coming.pixels, coming.is_open = pixels, True
        if shown is None:
            return None
        for family, way in ways.items():
            _make(shown.image, family, way, coming.made)
        return replace(shown, preprocessed=coming.made)


def _make(image: Image, family: str, way: Callable[[Image], Any], made: dict[str, Any]) -> None:
    try:
        made[family] = way(image)
    except Exception:  # noqa: BLE001 - the model does it itself then, where an error is known to be this picture's
        made.pop(family, None)


def _make_later(
    opening: Future[PictureInput | None], family: str, way: Callable[[Image], Any], made: dict[str, Any]
) -> None:
    """On another thread, behind the opening of the same picture, which has begun or ended before this begins."""
    if opening.cancelled() or opening.exception() is not None:
        return
    shown = opening.result()
    if shown is not None:
        _make(shown.image, family, way, made)
