"""captioner.ahead: pictures opened before their turn, in order and within bounds, and what is left of a run cut off."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from typing import Any, cast

import pytest
from PIL import Image

from captioner import ahead as module
from captioner.ahead import MAX_PICTURES, Ahead, Room
from captioner.contract import Model, PictureInput
from captioner.errors import BadPicture, CaptionerError

WAIT_S = 20


def shown(number: int) -> PictureInput:
    return PictureInput(Image.new("RGB", (4, 4), (number, 0, 0)), name=str(number))


class Looking:
    """A model that has its pictures' first colour read ahead."""

    def __init__(self, way: Callable[[Image.Image], Any] | None = None) -> None:
        self._way = way or (lambda image: image.getpixel((0, 0))[0])

    def preprocess_ahead(self) -> Callable[[Image.Image], Any]:
        return self._way


def looking(way: Callable[[Image.Image], Any] | None = None) -> Model:
    return cast(Model, Looking(way))


def left_running() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("captioner-ahead")]


def image_of(found: PictureInput | CaptionerError | None) -> PictureInput:
    assert isinstance(found, PictureInput)
    return found


def test_pictures_come_in_order_whichever_is_opened_first() -> None:
    later = threading.Event()

    def open_one(number: int) -> PictureInput:
        if number == 0:
            assert later.wait(WAIT_S)
        elif number == 3:
            later.set()
        return shown(number)

    with Ahead(range(6), open_one, threads=2) as ahead:
        assert [image_of(found).name for _, found in ahead] == list("012345")


def test_a_bad_picture_costs_itself() -> None:
    def open_one(number: int) -> PictureInput:
        if number == 1:
            raise BadPicture("It is empty.", code="empty")
        return shown(number)

    with Ahead(range(3), open_one) as ahead:
        assert [isinstance(found, BadPicture) for _, found in ahead] == [False, True, False]


def test_an_item_may_need_no_picture() -> None:
    with Ahead(range(3), lambda number: None if number == 1 else shown(number)) as ahead:
        assert [(number, found is None) for number, found in ahead] == [(0, False), (1, True), (2, False)]


def test_a_bug_is_raised_when_its_turn_comes() -> None:
    def open_one(number: int) -> PictureInput:
        if number == 1:
            raise ZeroDivisionError
        return shown(number)

    with Ahead(range(3), open_one) as ahead:
        assert next(ahead)[0] == 0
        with pytest.raises(ZeroDivisionError):
            next(ahead)
    assert left_running() == []


def test_what_the_iterable_raises_comes_behind_the_pictures_before_it() -> None:
    def numbers() -> Iterator[int]:
        yield 0
        yield 1
        raise OSError("the list is cut off")

    with Ahead(numbers(), shown) as ahead:
        assert [next(ahead)[0], next(ahead)[0]] == [0, 1]
        with pytest.raises(OSError, match="cut off"):
            next(ahead)


def test_small_pictures_are_opened_ahead_up_to_a_number() -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    with Ahead(numbers(), shown) as ahead:
        for number in range(40):
            assert next(ahead)[0] == number
            assert len(taken) <= number + 1 + MAX_PICTURES
        assert len(taken) > 41, "some are ahead"


def test_large_pictures_are_opened_ahead_up_to_a_number_of_pixels() -> None:
    large = PictureInput(Image.new("L", (2000, 1000)))
    opened: list[int] = []

    def open_one(number: int) -> PictureInput:
        opened.append(number)
        return large

    room = Room(5_000_000)
    with Ahead(range(12), open_one, room=room, threads=2) as ahead:
        for number, _ in ahead:
            # One is taken out, two fit into the room, and the one that has its turn is opened in any case.
            assert max(opened) <= number + 3


def test_large_pictures_behind_many_small_ones_are_opened_within_the_room() -> None:
    large, go_on = PictureInput(Image.new("L", (2000, 1000))), threading.Event()
    opened: list[int] = []

    def open_one(number: int) -> PictureInput:
        assert number < 20 or go_on.wait(WAIT_S)
        opened.append(number)
        return shown(number) if number < 20 else large

    with Ahead(range(40), open_one, room=Room(5_000_000), threads=1) as ahead:
        for _ in range(4):
            next(ahead)
            ahead._coming[-1].work[0].result(WAIT_S)
        for _ in range(16):  # as a batch of small ones goes: as many large ones are taken for small
            next(ahead)
        go_on.set()
        ahead._coming[-1].work[0].result(WAIT_S)
        assert opened == list(range(23)), "with the third large one the room is full"
        assert [(number, image_of(found).image.size) for number, found in ahead] == [
            (number, (2000, 1000)) for number in range(20, 40)
        ]
    assert sorted(opened) == list(range(40))


def test_a_picture_larger_than_the_room_is_opened_alone() -> None:
    opened: list[int] = []

    def open_one(number: int) -> PictureInput:
        opened.append(number)
        return shown(number)

    with Ahead(range(5), open_one, room=Room(1)) as ahead:
        for number, _ in ahead:
            assert max(opened) <= number + 1


def test_runs_that_share_a_room_give_it_back() -> None:
    room = Room(5 * 16)
    for _ in range(3):
        with Ahead(range(9), shown, room=room) as ahead:
            next(ahead)
            next(ahead)
    assert room.take(5 * 16, anyway=False)


def test_closing_opens_no_further_picture_and_ends_the_threads() -> None:
    begun, go_on = threading.Event(), threading.Event()
    opened: list[int] = []

    def open_one(number: int) -> PictureInput:
        opened.append(number)
        if number:
            begun.set()
            assert go_on.wait(WAIT_S)
        return shown(number)

    ahead = Ahead(range(50), open_one, threads=1)
    assert next(ahead)[0] == 0
    assert begun.wait(WAIT_S)
    waiting = ahead._coming[-1].work[0]
    closing = threading.Thread(target=ahead.close)
    closing.start()
    with pytest.raises(CancelledError):
        waiting.result(WAIT_S)
    go_on.set()
    closing.join(WAIT_S)
    assert left_running() == []
    assert opened == [0, 1]
    ahead.close()


def test_the_threads_end_with_the_last_picture() -> None:
    ahead = Ahead(range(3), shown)
    assert len(list(ahead)) == 3
    assert left_running() == []


def test_what_a_model_makes_of_pictures_is_made_ahead_from_when_it_is_known() -> None:
    with Ahead(range(40), shown) as ahead:
        assert image_of(next(ahead)[1]).preprocessed == {}
        ahead.learn("looking", looking())
        for number, found in ahead:
            assert image_of(found).preprocessed == {"looking": number}


def test_nothing_is_made_for_a_model_that_will_not_look() -> None:
    with Ahead(range(40), shown, families=lambda number: ["looking"] if number % 2 else ["other"]) as ahead:
        next(ahead)
        ahead.learn("looking", looking())
        assert all((image_of(found).preprocessed == {}) == (number % 2 == 0) for number, found in ahead)


def test_what_cannot_be_made_ahead_is_left_to_the_model() -> None:
    def fails(image: Image.Image) -> Any:
        raise RuntimeError("no memory")

    with Ahead(range(40), shown) as ahead:
        next(ahead)
        ahead.learn("looking", looking(fails))
        assert all(image_of(found).preprocessed == {} for _, found in ahead)


def test_a_model_that_makes_nothing_ahead_changes_nothing() -> None:
    class Plain:
        preprocess_ahead = Model.preprocess_ahead

    with Ahead(range(3), shown) as ahead:
        next(ahead)
        ahead.learn("plain", cast(Model, Plain()))
        assert all(image_of(found).preprocessed == {} for _, found in ahead)


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 2), (64, 4), (None, 1)])
def test_threads_are_one_a_core_and_few(cores: int | None, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.os, "cpu_count", lambda: cores)
    assert module.reading_threads() == threads
