"""What files become in a set: their folders, what is left out, and which caption is whose."""

from __future__ import annotations

import unicodedata

import pytest

from captioner.formats.incoming import UNSURE, CaptionFile, Incoming, SortedFile, read_captions, sort_files


def _sorted(*paths: str, include_masks: bool = False) -> list[SortedFile]:
    return sort_files([Incoming(path) for path in paths], include_masks=include_masks)


@pytest.mark.parametrize(
    ("paths", "folders"),
    [
        (["1.png", "2.png"], ["", ""]),
        (["train/10_sks dog/1.png", "train/5_cat/1.png"], ["10_sks dog", "5_cat"]),
        (["10_sks dog/1.png"], ["10_sks dog"]),
        (["data/train/10_sks dog/1.png"], ["10_sks dog"]),
        (["photos/1.png", "photos/sub/1.png"], ["photos", "photos/sub"]),
        (["1.png", "cats/1.png"], ["", "cats"]),
        (["train/a/b/1.png", "train/a/c/1.png"], ["b", "c"]),
        (["train/mask/1.png", "train/a/1.png", "train/a/x.pdf"], ["mask", "a", "a"]),
    ],
)
def test_folders_above_what_was_chosen_are_left_away_and_a_picture_s_own_is_kept(
    paths: list[str], folders: list[str]
) -> None:
    found = _sorted(*paths)
    assert [file.folder for file in found][-1] == folders[-1]
    assert [file.folder for file in found if not file.reason] == [
        folder for folder, file in zip(folders, found, strict=True) if not file.reason
    ]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        *(("a.png", ""), ("a.PNG", ""), ("a.txt", ""), ("a.Caption", ""), (".hidden/a.png", "hidden")),
        *((".a.png", "hidden"), ("x/.DS_Store", "hidden"), ("Thumbs.db", "hidden"), (".captioner.json", "hidden")),
        *(("@eaDir/a.png/x.jpg", "thumbnails"), ("x/.thumbnails/a.png", "thumbnails")),
        *(("masks/a.png", "mask"), ("x/Mask/a.txt", "mask"), ("a-masklabel.png", "mask"), ("a-condlabel.PNG", "mask")),
        *(("a.psd", "format"), ("a.svg", "format"), ("a.pdf", UNSURE), ("a", UNSURE)),
    ],
)
def test_what_is_no_picture_is_told_by_its_name(path: str, reason: str) -> None:
    assert [file.reason for file in _sorted(path)] == [reason]


def test_masks_are_taken_when_asked_for() -> None:
    assert [file.reason for file in _sorted("masks/a.png", "a-masklabel.png", include_masks=True)] == ["", ""]


@pytest.mark.parametrize(
    ("path", "start", "reason"),
    [
        *(("IMG_1", b"\xff\xd8\xff\xe0", ""), ("x/IMG_1", b"\xff\xd8\xff\xe0", "name")),
        *(("a.pdf", b"%PDF-1.7", "other"), ("BMW.md", b"BMW is a", "other"), ("empty", b"", "other")),
    ],
)
def test_a_name_that_tells_nothing_is_decided_by_the_first_bytes(path: str, start: bytes, reason: str) -> None:
    assert sort_files([Incoming(path, start)])[0].reason == reason


def test_a_caption_belongs_to_the_picture_of_its_stem_in_its_folder() -> None:
    decomposed = unicodedata.normalize("NFD", "é.txt")
    found = _sorted("d/a/1.TXT", "d/b/1.png", "d/a/1.png", "d/a/2.txt", "d/b/é.png", f"d/b/{decomposed}", "d/a/1.jpg")
    assert [file.picture for file in found] == [6, None, None, None, None, 4, None]  # 1.jpg is the first by name
    assert [file.is_caption for file in found] == [True, False, False, True, False, True, False]


def test_txt_counts_before_caption_whichever_came_first() -> None:
    files = [CaptionFile("1.CAPTION", b"from caption"), CaptionFile("1.txt", b"from txt\n")]
    for order in (files, files[::-1]):
        found = read_captions("1.png", order)
        assert found.text == "from txt"
        assert found.notes() == ["1.CAPTION is left aside: 1.txt counts."]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xef\xbb\xbfcaf\xc3\xa9\r\nzwei\n", "café\nzwei"),
        ("日本\nzwei".encode("utf-16"), "日本\nzwei"),
        (b"\xfe\xff" + "日本".encode("utf-16-be"), "日本"),
    ],
)
def test_utf_8_and_marked_utf_16_are_read_with_their_lines(data: bytes, text: str) -> None:
    assert read_captions("1.png", [CaptionFile("1.txt", data)]).text == text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("a café 写真".encode("cp932", "replace") + b"\x81", "1.txt is not UTF-8 text; save it as UTF-8"),
        ("a girl".encode("utf-16-le"), "1.txt is not UTF-8 text; save it as UTF-8"),
        (b"x" * 10_001, "1.txt has 10,001 characters; at most 10,000 are taken"),
        (b"x" * 1_000_001, "1.txt is over 1 MB"),
    ],
)
def test_a_caption_that_cannot_be_read_is_refused_by_name(data: bytes, message: str) -> None:
    found = read_captions("1.png", [CaptionFile("1.txt", data), CaptionFile("1.caption", b"good")])
    assert (found.text, str(found.error).startswith(message)) == ("", True)
