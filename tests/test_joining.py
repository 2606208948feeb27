"""captioner.captions.joining: one separator between two pieces of a caption, whatever they brought along."""

from __future__ import annotations

import pytest

from captioner.captions.joining import begins_with, ends_with, in_one_line, join, put_after, put_before, without_stop


@pytest.mark.parametrize(
    ("pieces", "separator", "joined"),
    [
        (["a girl", "solo"], ", ", "a girl, solo"),
        (["A photo of a girl.", "solo"], ", ", "A photo of a girl, solo"),
        (["a girl.", "solo."], ", ", "a girl, solo."),
        (["a girl.", "solo"], " ", "a girl. solo"),
        (["a girl.", "solo"], ". ", "a girl. solo"),
        (["a girl.", "solo"], " | ", "a girl | solo"),
        (["", " ", "solo"], ", ", "solo"),
        ([], ", ", ""),
    ],
)
def test_pieces_have_one_separator_between_them(pieces: list[str], separator: str, joined: str) -> None:
    assert join(pieces, separator) == joined


@pytest.mark.parametrize(
    "text", ["John Doe, Jr.", "S.H.I.E.L.D.", "cats, dogs, etc.", "Samuel M.", "._.", "wait...", "3.", "no stop", ""]
)
def test_a_dot_that_ends_no_sentence_stays(text: str) -> None:
    assert without_stop(text) == text


@pytest.mark.parametrize(
    ("text", "separator", "line"),
    [
        ("solo, 1girl,", ", ", "solo, 1girl"),
        ("solo,, 1girl,,", ", ", "solo, 1girl"),
        (", solo, 1girl", ", ", "solo, 1girl"),
        ("solo, 1girl, \n\n", ", ", "solo, 1girl"),
        ("solo , , 1girl", ", ", "solo , 1girl"),
        ("1girl, solo\r\nA girl stands.\r\n\r\nsks\n", ", ", "1girl, solo, A girl stands, sks"),
        ("1girl,\nsolo", ", ", "1girl, solo"),
        ("solo ; ; 1girl ;", "; ", "solo ; 1girl"),
        ("one\ntwo", " ", "one two"),
        ("1,000 dogs", ", ", "1,000 dogs"),
        (" ,, ", ", ", ""),
    ],
)
def test_a_caption_becomes_one_line_without_empty_pieces(text: str, separator: str, line: str) -> None:
    assert in_one_line(text, separator) == line
    assert in_one_line(line, separator) == line


@pytest.mark.parametrize(
    ("text", "affix", "both"),
    [
        ("solo, 1girl,", ", masterpiece", "solo, 1girl, masterpiece"),
        ("solo, 1girl, ", "masterpiece", "solo, 1girl, masterpiece"),
        ("solo,", " masterpiece", "solo, masterpiece"),
        ("", ", masterpiece", "masterpiece"),
        (" , ", ", masterpiece", "masterpiece"),
        ("A photo of a girl.", ", masterpiece", "A photo of a girl, masterpiece"),
        ("A photo of a girl.", " At night.", "A photo of a girl. At night."),
        ("a dog", " by Ada", "a dog by Ada"),
        ("a dog", "s", "a dogs"),
        ("a dog", ".", "a dog."),
        ("a dog.", ".", "a dog."),
        ("a dog,", ".", "a dog."),
        ("by John Doe, Jr.", ", oil", "by John Doe, Jr., oil"),
        ("one\ntwo\n", ", three", "one\ntwo, three"),
    ],
)
def test_text_put_after_a_caption_has_one_separator_before_it(text: str, affix: str, both: str) -> None:
    assert put_after(text, affix) == both


@pytest.mark.parametrize(
    ("affix", "text", "both"),
    [
        ("sks, ", "a dog", "sks, a dog"),
        ("sks, ", ", a dog", "sks, a dog"),
        ("sks", ", a dog", "sks, a dog"),
        ("sks,", ",a dog", "sks,a dog"),
        ("a photo of ", "a dog", "a photo of a dog"),
        ("sks, ", "", "sks"),
        ("sks, ", " , ", "sks"),
    ],
)
def test_text_put_before_a_caption_has_one_separator_behind_it(affix: str, text: str, both: str) -> None:
    assert put_before(affix, text) == both


@pytest.mark.parametrize("text", ["", "a dog", "a dog,", "a dog.", "a dog\nsolo", ", masterpiece"])
@pytest.mark.parametrize("affix", [", masterpiece", "masterpiece", " by Ada", "."])
def test_what_was_put_there_is_known_again(text: str, affix: str) -> None:
    assert ends_with(put_after(text, affix, ", "), affix, ", ")
    assert begins_with(put_before(affix, text, ", "), affix, ", ") or affix == "."


def test_what_is_not_there_is_not_known() -> None:
    assert not ends_with("a dog", ", masterpiece")
    assert not begins_with("a dog", "sks, ")
