"""One change to many captions: what each operation makes of a text, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import regex

from captioner.captions import bulk
from captioner.captions.bulk import OPERATIONS, change_of
from captioner.errors import SettingsError

LONG_HAIR = "a girl, long hair, Hair, red hair"


@pytest.mark.parametrize(
    ("operation", "values", "before", "after"),
    [
        ("replace", {"find": "hair", "replacement": "fur"}, LONG_HAIR, "a girl, long fur, fur, red fur"),
        (
            "replace",
            {"find": "hair", "replacement": "fur", "match_case": True},
            LONG_HAIR,
            "a girl, long fur, Hair, red fur",
        ),
        (
            "replace",
            {"find": "hair", "replacement": "fur", "how": "tag"},
            LONG_HAIR,
            "a girl, long hair, fur, red hair",
        ),
        ("replace", {"find": "hair", "how": "tag"}, LONG_HAIR, "a girl, long hair, red hair"),
        (
            "replace",
            {"find": "red hair", "replacement": "long hair", "how": "tag"},
            LONG_HAIR,
            "a girl, long hair, Hair",
        ),
        (
            "replace",
            {"find": "(\\w+) hair", "replacement": "\\1 fur", "how": "pattern"},
            LONG_HAIR,
            "a girl, long fur, Hair, red fur",
        ),
        ("implied", {}, "long_hair, hair, solo, red hair", "long_hair, solo, red hair"),
        ("implied", {"tag": "hair"}, "very long hair, long hair, hair", "very long hair, long hair"),
        ("replace", {"find": "a.c", "replacement": "\\1"}, "a.c abc", "\\1 abc"),
        ("affix", {"text": "sks, "}, "a dog", "sks, a dog"),
        ("affix", {"text": "sks style"}, "ohwx", "sks style, ohwx"),
        ("affix", {"text": "a photo of "}, "a dog", "a photo of a dog"),
        ("affix", {"text": "cartoon", "where": "after"}, "A dog.", "A dog, cartoon"),
        ("affix", {"text": "sks, "}, "sks, a dog", "sks, a dog"),
        ("affix", {"text": ", cartoon", "where": "after"}, "a dog", "a dog, cartoon"),
        ("affix", {"text": ", cartoon", "where": "after"}, "solo, 1girl,", "solo, 1girl, cartoon"),
        ("affix", {"text": ", cartoon", "where": "after"}, "A dog.", "A dog, cartoon"),
        ("affix", {"text": ", cartoon", "where": "after"}, "", "cartoon"),
        ("affix", {"text": "sks, "}, "", "sks"),
        ("affix", {"text": "sks, "}, ", a dog", "sks, a dog"),
        ("tag", {"tag": "Sky"}, "a dog", "a dog, Sky"),
        ("tag", {"tag": "Sky", "where": "front"}, "a dog", "Sky, a dog"),
        ("tag", {"tag": "SKY"}, "sky, a dog", "sky, a dog"),
        ("tag", {"tag": "sky", "what": "remove"}, "a dog, SKY, sea", "a dog, sea"),
        ("tag", {"tag": "sky", "what": "remove"}, "a  dog ,sea", "a  dog ,sea"),
        ("tag", {"tag": "sky", "what": "move", "where": "front"}, "a dog, sky", "sky, a dog"),
        ("tag", {"tag": "sky", "what": "move", "where": "front"}, "a dog", "a dog"),
        (
            "subject",
            {"class_name": "dog", "subject_name": "sks dog"},
            "A dog and dogs, a dog",
            "sks dog and dogs, sks dog",
        ),
        ("clear", {}, "anything", ""),
    ],
)
def test_operations_change_texts(operation: str, values: dict[str, Any], before: str, after: str) -> None:
    label, change = change_of(operation, values)
    assert change([("1.png", before)]) == [after]
    assert label


@pytest.mark.parametrize(
    ("operation", "values", "message"),
    [
        ("explode", {}, "operation is 'explode'; it must be one of replace, affix, tag, subject, implied, clear"),
        ("replace", {"find": ""}, "find is empty"),
        ("replace", {"find": "a", "how": "magic"}, "how is 'magic'; it must be one of text, tag, pattern"),
        ("affix", {}, "text is empty"),
        ("tag", {"tag": " "}, "tag is empty"),
        ("subject", {"subject_name": "x"}, "class_name is empty"),
        ("clear", {"really": True}, "really is not a setting here"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_sentence(operation: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        change_of(operation, values)


def preview(values: dict[str, Any], *captions: str, operation: str = "replace") -> list[str]:
    _, change = change_of(operation, values)
    return change([(f"{number}.png", caption) for number, caption in enumerate(captions, 1)])


def pattern(find: str, replacement: str = "") -> dict[str, Any]:
    return {"find": find, "replacement": replacement, "how": "pattern"}


@pytest.mark.parametrize(
    ("find", "reason"),
    [
        ("(", "which is no regular expression: missing"),
        ("a{100000000}c", "takes more time or memory than a pattern may; simplify it"),
        ("((a{1000}){1000}){1000}", "takes more time or memory"),
        ("(?:[\\p{L}--\\p{Lu}]{9000}){9000}", "takes more time or memory"),
        ("(?<=a{100000000})b", "takes more time or memory"),
        ("\\X{99999999}", "takes more time or memory"),
        ("(" * 490 + "a" + ")" * 490, "no regular expression: it is nested too deeply"),
        ("\\L<words>", "no regular expression: undefined named list"),
    ],
)
def test_a_pattern_costs_little_before_it_is_refused(find: str, reason: str) -> None:
    with at_most_seconds(3):  # 0.2 s on a quiet core
        with pytest.raises(SettingsError, match=reason):
            preview(pattern(find), "a cat")


@contextmanager
def at_most_seconds(limit_s: float) -> Iterator[None]:
    """Of processor time, in the processes that are started meanwhile."""
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    yield
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < limit_s


def test_the_process_of_a_pattern_is_refused_memory_beyond_its_limit() -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("only Linux tells a process's own peak; ru_maxrss begins with its parent's")
    asked = {**pattern("a{100000000}c"), "match_case": True, "texts": [], "max_length": 9, "one_s": 1, "all_s": 1}
    code = (
        "import re; from captioner.captions import pattern_process; pattern_process.COMPILE_LIMIT_S = 60;"
        f"print(list(pattern_process.answers({asked!r})));"
        r"print(re.search(r'VmHWM:\s+(\d+)', open('/proc/self/status').read())[1])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    answer, peak_kb = ran.stdout.splitlines()
    assert answer == "[{'refused': 'memory'}]"
    assert int(peak_kb) < 150_000


def test_a_pattern_replaces_as_the_package_regex_does() -> None:
    text = "a red cat, a  red-haired dog, \n ääkkönen"
    for find, replacement in [
        ("x*", "-"),
        ("\\b", "|"),
        ("(a)|(r)", "<\\1\\2>"),
        ("(?m)$", "\\n"),
        ("(?P<w>\\w+)", "\\g<w>\\\\"),
        ("[^,]*", "x"),
        ("(?e)(?:rde){e<=1}", "x"),
        ("(?r)\\w*", "x"),
        ("r(?:e|(?R))d", "x"),
        ("(?<=a )\\p{L}+", "x"),
    ]:
        assert preview(pattern(find, replacement), text) == [regex.sub(find, replacement, text)], find


def test_a_pattern_that_does_not_end_is_given_up_in_time() -> None:
    with at_most_seconds(10):
        with pytest.raises(SettingsError, match=r"took longer than 0\.8 s on 2\.png; simplify it"):
            preview(pattern("(a+)+$"), "a cat", "a" * 5000 + "b")


def test_a_slow_pattern_is_given_up_over_many_captions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "CHANGE_LIMIT_S", 0.05)
    with pytest.raises(SettingsError, match=r"took longer than 0.05 s on these captions together; simplify it"):
        preview(pattern("(a+)+$"), *["a" * 17 + "b"] * 10_000)


def test_a_replacement_that_names_no_group_is_refused() -> None:
    with pytest.raises(SettingsError, match="does not fit the pattern"):
        preview(pattern("a", "\\3"), "a")


@pytest.mark.parametrize(
    ("operation", "values", "caption"),
    [
        ("replace", pattern("(?=(.*))", "\\1" * 10), "a" * 9_999),
        ("replace", {"find": "a", "replacement": "b" * 1_000}, "a" * 9_999),
        ("affix", {"text": "b" * 1_000}, "a" * 9_999),
        ("tag", {"tag": "b"}, "a" * 9_999),
        ("subject", {"class_name": "a", "subject_name": "b" * 200}, "a " * 4_999),
    ],
)
def test_a_result_longer_than_a_caption_is_refused_by_the_picture_s_name(
    operation: str, values: dict[str, Any], caption: str
) -> None:
    with pytest.raises(SettingsError, match=r"the caption of 2.png would get more than 10,000 characters"):
        preview(values, "b", caption, operation=operation)


@pytest.mark.parametrize("how", ["text", "tag", "pattern"])
def test_more_letters_than_one_answer_may_hold_are_refused(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_CHANGED_LETTERS", 1_000_000)
    with pytest.raises(SettingsError, match="more than 1 million letters of old and new captions; choose fewer"):
        preview({"find": "cat", "replacement": "b" * 900, "how": how}, *["cat"] * 2_000)


def test_a_change_of_text_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "CHANGE_LIMIT_S", -1.0)
    for operation, values in (("replace", {"find": "a"}), ("affix", {"text": "a"}), ("tag", {"tag": "a"})):
        with pytest.raises(SettingsError, match="the change took longer than"):
            preview(values, "a cat", operation=operation)


def test_every_operation_has_a_form_on_the_page() -> None:
    from captioner.ui import workbench

    html = workbench.read("workbench.html")
    for name, settings in OPERATIONS.items():
        assert f'<option value="{name}">' in html
        for declared in settings.fields():
            assert f'name="{declared.name}"' in html or f'name="{name}_{declared.name}"' in html


def test_a_class_name_within_its_subject_s_name_stays_and_plurals_are_named() -> None:
    values = {"class_name": "cat", "subject_name": "zwx cat"}
    once = preview(values, "ohwx, the cat, Cat", operation="subject")
    assert once == ["ohwx, zwx cat, zwx cat"]
    assert preview(values, *once, operation="subject") == once
    texts = ["2cats", "two cats", "a cat", "scats"]
    said = bulk.left_out("subject", values, texts)
    assert said == "2 captions name 'cats' and stay so; find and replace changes plurals."
    assert bulk.left_out("subject", values, ["cat"]) == bulk.left_out("clear", {}, texts) == ""
