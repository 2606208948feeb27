"""Pictures and captions coming into a set, before, with and after each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from captioner.errors import SettingsError
from captioner.formats.incoming import CaptionFile, Incoming, SortedFile
from captioner.service.service import Service
from captioner.workspace.records import Upload
from tests.service_makers import RED, added, export_notes, export_zip, page_values, png, wait_for_job

BLUE = (20, 20, 220)


def _captions(service: Service, set_id: str) -> dict[str, str]:
    rows = service.open_set(set_id)["rows"]
    return {f"{row['folder']}/{row['name']}": row["caption"] for row in rows}


def _give(service: Service, set_id: str, *files: tuple[str, str, bytes], **options: Any) -> dict[str, Any]:
    """Caption files as (folder, name, data)."""
    sent = [CaptionFile(name, data, folder) for folder, name, data in files]
    return service.intake.add_captions(set_id, sent, **options)


def test_a_caption_added_later_becomes_its_picture_s_as_one_step(service: Service) -> None:
    set_id = service.new_set()["set"]
    for folder in ("a", "b"):
        added(service, set_id, "1.png", png(RED), folder=folder)
    answer = _give(service, set_id, ("b", "1.TXT", b"later"), ("a", "1.txt", "früher".encode()))
    assert (answer["refused"], answer["notes"]) == ([], [])
    assert {row["folder"] for row in answer["rows"]} == {"a", "b"}
    assert _captions(service, set_id) == {"a/1.png": "früher", "b/1.png": "later"}
    assert service.travel(set_id, is_undo=True)["label"] == "Import captions"
    assert _captions(service, set_id) == {"a/1.png": "", "b/1.png": ""}


def test_a_caption_that_a_picture_has_is_replaced_only_when_the_person_says_so(service: Service) -> None:
    set_id = service.new_set()["set"]
    added(service, set_id, "1.png", png(RED), "first")
    for _ in range(2):
        answer = service.intake.add_picture(set_id, Upload("1.png", png(RED)), [CaptionFile("1.txt", b"second")])
        assert answer["refused"] == [
            {"name": "1.txt", "code": "has_caption", "message": "1.png has another caption already, which stays."}
        ]
    assert _give(service, set_id, ("", "1.txt", b"second"))["refused"] == answer["refused"]
    assert _captions(service, set_id) == {"/1.png": "first"}
    assert _give(service, set_id, ("", "1.txt", b"first"))["refused"] == []
    assert _give(service, set_id, ("", "1.txt", b"second"), is_replacing=True)["refused"] == []
    assert _captions(service, set_id) == {"/1.png": "second"}


def test_a_caption_for_a_picture_that_the_person_wrote_about_lies_beside_what_they_wrote(service: Service) -> None:
    set_id = service.new_set()["set"]
    picture = added(service, set_id, "1.png", png(RED))
    service.save_caption(set_id, picture, "mine", 0)
    answer = _give(service, set_id, ("", "1.txt", b"from a file"))
    assert answer["notes"] == ["1.txt is kept beside what you wrote for 1.png, which stays."]
    assert _captions(service, set_id) == {"/1.png": "mine"}


def test_a_caption_without_a_picture_is_refused_by_name_and_folder(service: Service) -> None:
    set_id = service.new_set()["set"]
    added(service, set_id, "1.png", png(RED), folder="a")
    answer = _give(service, set_id, ("b", "1.txt", b"x"), ("", "2.txt", b"y"))
    assert [(one["name"], one["code"]) for one in answer["refused"]] == [
        ("b/1.txt", "no_picture"),
        ("2.txt", "no_picture"),
    ]
    assert answer["refused"][0]["message"].startswith("No picture of this name is in the folder b of this set")


def test_a_caption_without_a_folder_goes_to_the_only_picture_of_its_name(service: Service) -> None:
    set_id = service.new_set()["set"]
    for folder, name in (("a", "1.png"), ("a", "2.png"), ("b", "2.jpg"), ("b", "3.png")):
        added(service, set_id, name, png(RED), folder=folder)
    answer = _give(service, set_id, ("", "1.TXT", b"one"), ("", "2.txt", b"two"), ("", "3.txt", b"three"))
    assert _captions(service, set_id) == {"a/1.png": "one", "a/2.png": "", "b/2.jpg": "", "b/3.png": "three"}
    [refused] = answer["refused"]
    assert (refused["name"], refused["message"]) == ("2.txt", "It may be of a/2.png, b/2.jpg; add it with its folder.")
    assert answer["notes"] == ["1.TXT went to a/1.png, the only picture of this name, and 1 more so."]
    service.travel(set_id, is_undo=True)
    assert set(_captions(service, set_id).values()) == {""}


def test_a_caption_that_comes_after_the_models_stands_in_their_place_and_that_is_said(service: Service) -> None:
    set_id = service.new_set()["set"]
    added(service, set_id, "1.png", png(RED))
    service.jobs.start(set_id, None, page_values(service))
    wait_for_job(service, set_id)
    said = _captions(service, set_id)
    answer = _give(service, set_id, ("", "1.txt", b"from a file"))
    assert answer["notes"] == ["1 caption that came stands in the place of what models said; undo takes that back."]
    assert _captions(service, set_id) == {"/1.png": "from a file"}
    service.travel(set_id, is_undo=True)
    assert _captions(service, set_id) == said


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("x" * 10_001, "1.txt has 10,001 characters; at most 10,000 are taken: shorten it."),
        ("写真".encode("cp932"), "1.txt is not UTF-8 text; save it as UTF-8"),
        ("a girl".encode("utf-16-le"), "1.txt is not UTF-8 text; save it as UTF-8"),
    ],
)
def test_a_bad_caption_does_not_cost_its_picture(service: Service, data: str | bytes, message: str) -> None:
    set_id = service.new_set()["set"]
    file = CaptionFile("1.txt", data.encode() if isinstance(data, str) else data)
    answer = service.intake.add_picture(set_id, Upload("1.png", png(RED)), [file])
    [refused] = answer["refused"]
    assert refused["code"] == "bad_caption"
    assert refused["message"].startswith(message)
    assert _captions(service, set_id) == {"/1.png": ""}
    assert _give(service, set_id, ("", "1.txt", file.data))["refused"] == [refused]


def test_of_two_caption_files_txt_counts_and_the_other_is_named(service: Service) -> None:
    set_id = service.new_set()["set"]
    files = [CaptionFile("1.caption", b"from caption", "a"), CaptionFile("1.txt", b"from txt", "a")]
    answer = service.intake.add_picture(set_id, Upload("1.png", png(RED), folder="a"), files)
    assert answer["notes"] == ["a/1.caption is left aside: 1.txt counts."]
    assert answer["row"]["caption"] == "from txt"


def test_lines_of_a_caption_stay_lines(service: Service) -> None:
    set_id = service.new_set()["set"]
    picture = added(service, set_id, "1.png", png(RED), "1girl\r\na girl stands\n")
    assert _captions(service, set_id) == {"/1.png": "1girl\na girl stands"}
    service.save_caption(set_id, picture, "one\ntwo", 0)
    assert _captions(service, set_id) == {"/1.png": "one\ntwo"}


def test_what_leaves_in_lines_or_joined_or_under_another_name_is_said_before(service: Service) -> None:
    set_id = service.new_set()["set"]
    added(service, set_id, "1.png", png(RED), "1girl\na girl stands", folder="a")
    added(service, set_id, "1.jpg", png(BLUE), "one line", folder="a")
    notes = export_notes(service, set_id, format="txt", with_pictures=False)
    assert notes[0].startswith("The caption of a/1.png is in a/1_2.txt; rename")
    assert notes[1].startswith("1 caption has several lines and keeps them")
    service.jobs.start(set_id, None, page_values(service, existing="append"))
    wait_for_job(service, set_id)
    notes = export_notes(service, set_id, format="txt", with_pictures=False)
    assert notes[1:] == ["The lines of 1 existing caption were joined into one line."]


def test_files_of_one_call_find_each_other_in_any_order(service: Service) -> None:
    set_id = service.new_set()["set"]

    def reading(data: bytes) -> Callable[[], bytes]:
        return lambda: data

    def refusing() -> bytes:
        raise SettingsError("a file that cannot be read.")

    added(service, set_id, "0.png", png(RED))
    files = [
        (SortedFile("", "0.txt", is_caption=True), reading(b"zero")),
        (SortedFile("a", "1.txt", is_caption=True), reading(b"one")),
        (SortedFile("a", "1.png"), reading(png(RED))),
        (SortedFile("a", "2.png"), reading(b"no picture")),
        (SortedFile("..", "3.png"), reading(png(RED))),
        (SortedFile("b", "1.png"), reading(png(BLUE))),
        (SortedFile("b", "2.png"), refusing),
    ]
    answer = service.intake.add_files(set_id, files)
    assert [(row["folder"], row["name"]) for row in answer["rows"]] == [("a", "1.png"), ("b", "1.png")]
    assert [one["name"] for one in answer["refused"]] == ["a/2.png", "../3.png", "b/2.png"]
    assert _captions(service, set_id) == {"/0.png": "zero", "a/1.png": "one", "b/1.png": ""}


def test_what_was_chosen_is_sorted_and_what_is_left_out_is_said_by_reason(service: Service) -> None:
    paths = ["d/a/1.png", "d/a/1.txt", "d/mask/1.png", "d/a/x.pdf", "d/a/y.psd", "d/a/.z.png", "d/b/2.png"]
    files = [Incoming(path, b"%PDF" if path.endswith("pdf") else None) for path in paths]
    found = service.intake.sort(files)
    assert [(file["folder"], file["kind"], file["picture"]) for file in found["files"]] == [
        *(("a", "picture", None), ("a", "caption", 0), ("mask", "mask", None)),
        *(("a", "other", None), ("a", "format", None), ("a", "hidden", None), ("b", "picture", None)),
    ]
    assert found["notes"] == [
        "1 passed over as files of a format that is not read here (save them as PNG or JPEG): d/a/y.psd.",
        "1 passed over as masks: d/mask/1.png.",
        "1 passed over as hidden: d/a/.z.png.",
        "1 passed over as neither pictures nor captions: d/a/x.pdf.",
    ]
    assert (found["left_out"], found["masks"], found["is_missed"]) == (4, 1, True)


def test_equal_names_are_told_apart_by_their_folders_everywhere(service: Service, tmp_path: Any) -> None:
    set_id = service.new_set()["set"]
    ids = [added(service, set_id, "1.png", png(RED), "a cat", folder=folder) for folder in ("b", "a", "")]
    found = service.bulk.preview_bulk(set_id, None, "replace", {"find": "cat", "replacement": "dog"})
    assert [change["name"] for change in found["changes"]] == ["b/1.png", "a/1.png", "1.png"]
    service.save_caption(set_id, ids[0], "meanwhile", 0)
    assert service.bulk.apply_bulk(set_id, found["preview"])["conflicts"] == ["b/1.png"]
    service.workspace.picture_path(set_id, ids[0]).unlink()
    with pytest.raises(Exception, match=r"b/1\.png: its picture file is missing"):
        export_zip(service, set_id, tmp_path / "set.zip", format="txt", with_pictures=True)
