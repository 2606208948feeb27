"""captioner.formats.ownership: whose file is whose, decided from a listing alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations

import pytest

from captioner.formats.ownership import Listing, Ownership, Place, Wish, Written


def wish(name: str, digest: str = "", lies_there: bool = False) -> Wish:
    return Wish(name, lambda: digest or f"content of {name}", lies_there, f".{name.rpartition('.')[2]}")


def places(
    wishes: Sequence[Wish],
    files: Mapping[str, str] | None = None,
    written: Mapping[str, Written] | None = None,
    *,
    with_pictures: bool = False,
) -> dict[str, Place]:
    files = files or {}
    listing = Listing("out", frozenset(files), lambda name: files.get(name, ""), written or {})
    made = Ownership(listing, wishes, (".txt",), with_pictures=with_pictures).places()
    return {wish.name: place for wish, place in zip(wishes, made, strict=True)}


def test_in_an_empty_folder_each_picture_has_its_own_name() -> None:
    found = places([wish("b.png"), wish("a.png")])
    assert {name: (place.stem, place.states) for name, place in found.items()} == {
        "a.png": ("a", ("new",)),
        "b.png": ("b", ("new",)),
    }


def test_no_order_of_arrival_changes_a_place() -> None:
    wishes = [wish(name) for name in ("a.png", "a.jpg", "a_2.png", "A.webp")]
    files = {"a_3.txt": "somebody's", "a_4.png": "another picture"}
    first = places(wishes, files)
    for order in permutations(wishes):
        assert places(order, files) == first
    assert len({place.stem.casefold() for place in first.values()}) == 4


@pytest.mark.parametrize(
    ("written", "files", "state"),
    [
        (Written("p", "text"), {"a.png": "p", "a.txt": "text"}, "ours"),
        (Written("p", "text"), {"a.png": "p", "a.txt": "edited"}, "own"),
        (Written("p", ""), {"a.png": "p", "a.txt": "text"}, "own"),
        (Written("another", "text"), {"a.png": "p", "a.txt": "text"}, "stale"),
        (Written("another", "text"), {"a.png": "p", "a.txt": "edited"}, "own"),
        (None, {"a.png": "p", "a.txt": "by hand"}, "own"),
        (None, {"a.png": "p"}, "new"),
    ],
)
def test_beside_a_picture_its_stem_is_its_own(written: Written | None, files: dict[str, str], state: str) -> None:
    index = {"a.txt": written} if written else {}
    assert places([wish("a.png", "p", lies_there=True)], files, index)["a.png"].states == (state,)


@pytest.mark.parametrize(
    ("files", "written", "stem"),
    [
        ({"a.txt": "text"}, {"a.txt": Written("p", "text")}, "a"),
        ({"a.txt": "edited"}, {"a.txt": Written("p", "text")}, "a"),
        ({"a.txt": "text"}, {"a.txt": Written("another", "text")}, "a_2"),
        ({"a.txt": "x", "a_7.txt": "text"}, {"a.txt": Written("y", "x"), "a_7.txt": Written("p", "text")}, "a_7"),
        ({"a.png": "another"}, {}, "a_2"),
        ({"a.png": "p"}, {}, "a"),
        ({"a.png": "another", "a_2.png": "p", "a_2.txt": "by hand"}, {}, "a_2"),
        ({}, {"a.txt": Written("another", "text")}, "a"),
        ({"a.png": "another", "a.txt": "text"}, {"a.txt": Written("p", "text")}, "a_2"),
    ],
)
def test_elsewhere_content_tells_whose_a_file_is(files: dict[str, str], written: dict[str, Written], stem: str) -> None:
    assert places([wish("a.png", "p")], files, written, with_pictures=True)["a.png"].stem == stem


def test_a_picture_that_cannot_be_read_owns_nothing_by_content() -> None:
    unread = Wish("a.png", lambda: "")
    assert places([unread], {"a.txt": "text"}, {"a.txt": Written("", "text")})["a.png"].stem == "a_2"


def test_what_is_no_file_refuses_its_picture() -> None:
    place = places([wish("a.png", lies_there=True)], {"a.png": "p", "a.txt": ""})["a.png"]
    assert place.refusal == "out/a.txt is in the way and cannot be read as a file; move it away."


def test_one_file_for_two_spellings_belongs_to_one_picture() -> None:
    files = {"Dog.png": "1", "dOG.jpg": "2"}
    wishes = [wish("Dog.png", "1", lies_there=True), wish("dOG.jpg", "2", lies_there=True)]
    listing = Listing("out", frozenset(files), lambda name: files.get(name, ""), {}, is_case_blind=True)
    assert [place.stem for place in Ownership(listing, wishes, (".txt",)).places()] == ["Dog", "dOG_2"]
    assert [place.stem for place in places(wishes, files).values()] == ["Dog", "dOG"]


def test_equal_pictures_keep_the_places_they_got() -> None:
    wishes = [wish("a.jpg", "q"), wish("a.png", "p"), wish("a_2.png", "p")]
    first = places(wishes)
    assert [place.stem for place in first.values()] == ["a", "a_3", "a_2"]
    files = {f"{place.stem}.txt": f"text of {place.stem}" for place in first.values()}
    index = {f"{first[one.name].stem}.txt": Written(one.digest, f"text of {first[one.name].stem}") for one in wishes}
    again = places(wishes[::-1], files, index)
    assert {name: place.stem for name, place in again.items()} == {name: place.stem for name, place in first.items()}
