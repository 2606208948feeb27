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

from captioner.captions.bulk import OPERATIONS, operation, operation_of
from captioner.captions.bulk.operation import Material, Said
from captioner.errors import SettingsError

LONG_HAIR = "a girl, long hair, Hair, red hair"


@pytest.mark.parametrize(
    ("key", "values", "before", "after"),
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
        ("strip", {"phrase": "red_hair"}, LONG_HAIR, "a girl, long hair, Hair"),
        ("strip", {"phrase": "long hair"}, "a girl with long hair on grass", "a girl on grass"),
        ("kinds", {"hair": True}, "a girl with long hair on grass, red hair", "a girl on grass"),
        ("kinds", {"hair": True, "background": True}, "a girl with long hair on grass", "a girl"),
        ("kinds", {}, LONG_HAIR, LONG_HAIR),
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
def test_operations_change_texts(key: str, values: dict[str, Any], before: str, after: str) -> None:
    wanted = operation_of(key, values)
    assert wanted.change(Material(captions=[("1.png", before)])) == [after]
    assert wanted.label()


@pytest.mark.parametrize(
    ("key", "values", "message"),
    [
        ("explode", {}, "operation is 'explode'; it must be one of replace, affix, subject, strip, kinds"),
        ("replace", {"find": ""}, "find is empty"),
        ("replace", {"find": "a", "how": "magic"}, "how is 'magic'; it must be one of text, tag, pattern"),
        ("affix", {}, "text is empty"),
        ("tag", {"tag": " "}, "tag is empty"),
        ("subject", {"subject_name": "x"}, "class_name is empty"),
        ("clear", {"really": True}, "really is not a setting here"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_sentence(key: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        operation_of(key, values)


def material(*captions: str, **given: Any) -> Material:
    return Material(captions=[(f"{number}.png", caption) for number, caption in enumerate(captions, 1)], **given)


def preview(values: dict[str, Any], *captions: str, key: str = "replace", **given: Any) -> list[str]:
    return operation_of(key, values).change(material(*captions, **given))


def note(values: dict[str, Any], *captions: str, key: str, **given: Any) -> str:
    wanted, looked_at = operation_of(key, values), material(*captions, **given)
    return wanted.note(looked_at, wanted.change(looked_at))


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
    monkeypatch.setattr(operation, "CHANGE_LIMIT_S", 0.05)
    with pytest.raises(SettingsError, match=r"took longer than 0.05 s on these captions together; simplify it"):
        preview(pattern("(a+)+$"), *["a" * 17 + "b"] * 10_000)


def test_a_replacement_that_names_no_group_is_refused() -> None:
    with pytest.raises(SettingsError, match="does not fit the pattern"):
        preview(pattern("a", "\\3"), "a")


@pytest.mark.parametrize(
    ("key", "values", "caption"),
    [
        ("replace", pattern("(?=(.*))", "\\1" * 10), "a" * 9_999),
        ("replace", {"find": "a", "replacement": "b" * 1_000}, "a" * 9_999),
        ("affix", {"text": "b" * 1_000}, "a" * 9_999),
        ("tag", {"tag": "b"}, "a" * 9_999),
        ("subject", {"class_name": "a", "subject_name": "b" * 200}, "a " * 4_999),
    ],
)
def test_a_result_longer_than_a_caption_is_refused_by_the_picture_s_name(
    key: str, values: dict[str, Any], caption: str
) -> None:
    with pytest.raises(SettingsError, match=r"the caption of 2.png would get more than 10,000 characters"):
        preview(values, "b", caption, key=key)


@pytest.mark.parametrize("how", ["text", "tag", "pattern"])
def test_more_letters_than_one_answer_may_hold_are_refused(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operation, "MAX_CHANGED_LETTERS", 1_000_000)
    with pytest.raises(SettingsError, match="more than 1 million letters of old and new captions; choose fewer"):
        preview({"find": "cat", "replacement": "b" * 900, "how": how}, *["cat"] * 2_000)


def test_a_change_of_text_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operation, "CHANGE_LIMIT_S", -1.0)
    for key, values in (("replace", {"find": "a"}), ("affix", {"text": "a"}), ("tag", {"tag": "a"})):
        with pytest.raises(SettingsError, match="the change took longer than"):
            preview(values, "a cat", key=key)


def test_every_operation_says_what_the_words_of_its_choices_are_called() -> None:
    for key, declared in OPERATIONS.items():
        names = {field.name for field in declared.fields()}
        options = {option for field in declared.fields() for option in field.options}
        assert (declared.key, options) == (key, set(declared.titles))
        assert names >= {*declared.needed, *declared.examples, *declared.tags, *declared.pictures}


def test_a_class_name_within_its_subject_s_name_stays_and_plurals_are_named() -> None:
    values = {"class_name": "cat", "subject_name": "zwx cat"}
    once = preview(values, "ohwx, the cat, Cat", key="subject")
    assert once == ["ohwx, zwx cat, zwx cat"]
    assert preview(values, *once, key="subject") == once
    said = note(values, "2cats", "two cats", "a cat", "scats", key="subject")
    assert said == "2 captions name 'cats' and stay so without “Also plural”."
    assert note(values, "cat", key="subject") == ""


@pytest.mark.parametrize(
    ("class_name", "subject_name", "before", "after"),
    [
        ("cat", "zwx cat", "two black cats, 2cats, a cat", "two black zwx cats, 2 zwx cats, zwx cat"),
        ("cat", "zwx cat", "The Cats and zwx cats", "zwx cats and zwx cats"),
        ("cat", "zwx", "two cats, scats, cat's", "two zwx, scats, zwx's"),
        ("woman", "sks woman", "two women, a woman, womanly", "two sks women, sks woman, womanly"),
        ("puppy", "sks puppy", "puppies", "sks puppies"),
        ("wolf", "sks wolf", "wolves", "sks wolves"),
        ("person", "sks person", "people, a person", "sks people, sks person"),
        ("black cat", "zwx cat", "black_cats, black cats", "zwx cats, zwx cats"),
        ("fox", "", "foxes, a fox here", ",  here"),
    ],
)
def test_several_of_a_class_become_several_of_the_subject(
    class_name: str, subject_name: str, before: str, after: str
) -> None:
    values = {"class_name": class_name, "subject_name": subject_name, "plural": True}
    once = preview(values, before, key="subject")
    assert once == [after]
    assert preview(values, *once, key="subject") == once
    assert note(values, before, key="subject") == ""


SPOKEN = Said("a cat, on grass", {"sky": (0, -0.9), "grass": (0, -0.95), "art": (1, -0.3)})


@pytest.mark.parametrize(
    ("values", "before", "after"),
    [
        ({}, "sea, a cat on the green grass, sea, sky", "sea, a cat on the green grass, sky, sea"),
        ({"by": "name"}, "b, a cat, on grass, c, A", "b, a cat, on grass, A, c"),
        ({"by": "name", "front": "count", "count": 1}, "d, c, b\nz, a", "d, b, c\na, z"),
        ({"by": "name", "front": "count", "count": 3}, "d, c\nz, y, x", "d, c\nz, x, y"),
        ({"by": "score"}, "unknown, art, Sky, grass", "grass, Sky, art, unknown"),
        ({"by": "name", "front": "count"}, "a,b", "a,b"),
    ],
)
def test_tags_are_sorted_behind_what_stays_in_front(values: dict[str, Any], before: str, after: str) -> None:
    given: dict[str, Any] = {"set_texts": lambda: ["sky, sea", "Sky, SKY", "sky"], "said": lambda: [SPOKEN]}
    assert preview(values, before, key="sort", **given) == [after]


def test_captions_without_scores_are_named_where_scores_count() -> None:
    given: dict[str, Any] = {"said": lambda: [SPOKEN, Said(), Said()]}
    said = note({"by": "score"}, "a", "b", "c", key="sort", **given)
    assert said == "2 of them have no scores, for no tagger that is on has seen them."
    assert note({"by": "name"}, "a", "b", "c", key="sort", **given) == ""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("long_hair, a girl, Long  Hair, sky", "long_hair, a girl, sky"),
        ("a dog ,sky", "a dog ,sky"),
        ("a, b\n\nB, A\nc, a", "a, b\n\nc"),
        ("A cat., a cat", "A cat."),
    ],
)
def test_duplicates_go_whatever_their_spelling(before: str, after: str) -> None:
    assert preview({}, before, key="duplicates") == [after]


def test_underscores_become_spaces_and_back_but_faces_and_sentences_stay() -> None:
    given: dict[str, Any] = {"said": lambda: [Said("a cat on grass")]}
    tags = "long_hair, ^_^, O_O, \\(o\\)_\\(o\\), score_8_up, (red_eyes:1.2),x_y_z"
    spaced = "long hair, ^_^, O_O, \\(o\\)_\\(o\\), score_8_up, (red eyes:1.2),x y z"
    assert preview({}, tags, key="underscores") == [spaced]
    assert preview({"to": "underscores"}, spaced, key="underscores") == [tags]
    sentence = "a cat on grass, a girl who stands there, long  hair"
    assert preview({"to": "underscores"}, sentence, key="underscores", **given) == [
        "a cat on grass, a girl who stands there, long_hair"
    ]


@pytest.mark.parametrize(
    ("limit", "before", "after"),
    [
        (3, "a cat, sky, sea", "a cat"),
        (4, "a cat, sky, sea", "a cat, sky"),  # a comma is a token
        (4, "one cat. It sleeps; it dreams.", "one cat."),
        (6, "one cat. It sleeps; it dreams.", "one cat. It sleeps"),
        (3, "a cat on grass, sky", "a cat on grass, sky"),
        (6, "1,000 cats\nsea\nsky", "1,000 cats"),
        (75, "a cat, sky", "a cat, sky"),
    ],
)
def test_whole_phrases_beyond_the_limit_go(limit: int, before: str, after: str) -> None:
    assert preview({"limit": limit}, before, key="trim") == [after]


def test_prefix_and_suffix_count_when_a_caption_is_trimmed_and_what_cannot_be_is_said() -> None:
    given: dict[str, Any] = {"framed": lambda text: f"ohwx, {text}"}
    assert preview({"limit": 4}, "cat, sky, sea", key="trim", **given) == ["cat"]
    assert note({"limit": 2}, "a cat on grass, sky", "a", key="trim") == (
        "1 caption is longer by its first phrase alone and stays."
    )


def test_what_is_trimmed_is_counted_as_the_chosen_encoder_does() -> None:
    words: dict[str, Any] = {"counter_of": lambda encoder: (lambda text: len(text.split()), encoder == "t5")}
    assert preview({"limit": 2, "encoder": "t5"}, "undoubtedly, unbelievably, sky", key="trim", **words) == [
        "undoubtedly, unbelievably"
    ]
    assert note({"limit": 2, "encoder": "t5"}, "a, b, c", key="trim", **words) == ""
    assert note({"limit": 2, "encoder": "qwen"}, "a, b", key="trim") == (
        "Qwen2.5-VL's tokenizer is not here: CLIP's count stands for it, about right for English."
    )


def test_a_caption_is_copied_unless_it_is_empty() -> None:
    assert preview({"source": "x"}, "a", "b", key="copy", text_of=lambda _: "one") == ["one", "one"]
    with pytest.raises(SettingsError, match="the picture to copy from has no caption"):
        preview({"source": "x"}, "a", key="copy", text_of=lambda _: " ")


def test_tags_of_captions_with_lines_stay_in_their_lines() -> None:
    text = "a, b\nb, c"
    assert preview({"tag": "b", "what": "remove"}, text, key="tag") == ["a\nc"]
    assert preview({"tag": "d"}, text, key="tag") == ["a, b\nb, c, d"]
    assert preview({"tag": "c", "what": "move", "where": "front"}, text, key="tag") == ["c, a, b\nb"]
    assert preview({"find": "b", "replacement": "x", "how": "tag"}, text) == ["a, x\nx, c"]
