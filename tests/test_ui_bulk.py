"""One change to many captions: what each operation makes of a text, and what it refuses."""

from __future__ import annotations

import time
from typing import Any

import pytest

from captioner.errors import SettingsError
from captioner.ui import bulk
from captioner.ui.bulk import OPERATIONS, change_of

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
        ("replace", {"find": "a.c", "replacement": "\\1"}, "a.c abc", "\\1 abc"),
        ("affix", {"text": "sks, "}, "a dog", "sks, a dog"),
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
    assert change(before) == after
    assert label


@pytest.mark.parametrize(
    ("operation", "values", "message"),
    [
        ("explode", {}, "operation is 'explode'; it must be one of replace, affix, tag, subject, clear"),
        ("replace", {"find": ""}, "find is empty"),
        ("replace", {"find": "(", "how": "pattern"}, r"find is '\(', which is no regular expression"),
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


def test_a_pattern_that_does_not_end_is_given_up_in_time() -> None:
    _, change = change_of("replace", {"find": "(a+)+$", "replacement": "", "how": "pattern"})
    began = time.monotonic()
    with pytest.raises(SettingsError, match="took longer than 1 s on one caption; simplify it"):
        change("a" * 5000 + "b")
    assert time.monotonic() - began < 10


def test_a_slow_pattern_is_given_up_over_many_captions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "PATTERN_TOTAL_S", 0.05)
    _, change = change_of("replace", {"find": "(a+)+$", "replacement": "", "how": "pattern"})
    with pytest.raises(SettingsError, match=r"took longer than 0.05 s on these captions together; simplify it"):
        for _ in range(10_000):
            change("a" * 17 + "b")


def test_a_replacement_that_names_no_group_is_refused() -> None:
    _, change = change_of("replace", {"find": "a", "replacement": "\\3", "how": "pattern"})
    with pytest.raises(SettingsError, match="does not fit the pattern"):
        change("a")


def test_every_operation_has_a_form_on_the_page() -> None:
    from captioner.ui import workbench

    html = workbench.read("workbench.html")
    for name, settings in OPERATIONS.items():
        assert f'<option value="{name}">' in html
        for declared in settings.fields():
            assert f'name="{declared.name}"' in html or f'name="{name}_{declared.name}"' in html
