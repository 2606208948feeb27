"""captioner.models.descriptions: what the files that describe a model may say."""

import json
from pathlib import Path
from typing import Any

import pytest

from captioner.errors import BadModel
from captioner.models.descriptions import (
    Rule,
    Rules,
    check_all,
    chosen,
    each,
    either,
    one_of,
    optional,
    read_description,
    read_text,
    real,
    switch,
    whole,
    words,
)

RULES: Rules = {"layers": whole(1, 12), "tower": {"width": whole(1, 64), "bias": switch()}}


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (whole(1, 12), [1, 12], [0, 13, 1.0, True, "1", None, 10**400, [1]]),
        (real(0, 1), [0, 1, 0.5], [-0.1, 1.1, float("nan"), float("inf"), 10**400, True, "0"]),
        (switch(), [True, False], [0, 1, None, "true"]),
        (one_of("avg", None, 1), ["avg", None, 1], ["max", "", True, 1.0, {}]),
        (words(3), ["", "abc"], ["abcd", None, 3]),
        (each(real(0, 1), 2, 3), [[0, 1], [0, 1, 0.5]], [[0], [0, 2], "01", {}, 0]),
        (either(whole(1, 2), one_of("x")), [1, "x"], [3, "y"]),
        (optional(whole(1, 2)), [1, None], [3, ""]),
    ],
)
def test_a_rule_takes_what_it_says_and_nothing_else(rule: Rule, good: list[Any], bad: list[Any]) -> None:
    assert [value for value in good if not rule.allows(value)] == []
    assert [value for value in bad if rule.allows(value)] == []
    assert rule.words


def test_a_key_without_a_rule_is_refused_however_deep() -> None:
    check_all({"layers": 3, "tower": {"width": 2}}, RULES, "config")
    with pytest.raises(BadModel, match=r"^config has evil, which is none of .*; take the model from somewhere else"):
        check_all({"evil": None}, RULES, "config")
    with pytest.raises(BadModel, match=r"^config, tower has evil, which"):
        check_all({"tower": {"evil": 1}}, RULES, "config")


def test_what_has_no_rule_is_left_out_of_what_is_chosen() -> None:
    values = {"layers": 3, "newer": {"width": 99}, "tower": {"width": 2, "newer": 1}}
    assert chosen(values, RULES, "config") == {"layers": 3, "tower": {"width": 2}}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"layers": 13}, "config has layers 13, but it must be a whole number from 1 to 12; copy or download"),
        ({"layers": "\x1b[2J\n"}, r'config has layers "\\u001b\[2J\\n", but'),
        ({"layers": "x" * 999}, 'config has layers "x{58}…, but'),
        ({"layers": {}}, "config has layers an object, but"),
        ({"layers": [[]]}, "config has layers a list, but"),
        ({"tower": 3}, "config, tower is not a JSON object"),
        ({"tower": {"bias": 1}}, "config, tower has bias 1, but it must be true or false"),
        ([], "config is not a JSON object"),
    ],
)
def test_a_value_that_is_not_allowed_is_named_with_what_is(values: Any, message: str) -> None:
    for check in (check_all, chosen):
        with pytest.raises(BadModel, match=message):
            check(values, RULES, "config")


@pytest.mark.parametrize("key", ["auto_map", "custom_pipelines", "trust_remote_code"])
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: {"a": [{"b": v}]}], ids=["above", "deep"])
def test_a_file_that_names_code_is_refused(tmp_path: Path, key: str, wrap: Any) -> None:
    (tmp_path / "config.json").write_text(json.dumps(wrap({key: {"AutoModel": "evil.Evil"}})))
    with pytest.raises(BadModel, match=rf"names code of its own \({key}\).* take a model that needs none"):
        read_description(tmp_path / "config.json")


def test_a_file_that_says_it_needs_no_code_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"auto_map": null, "trust_remote_code": false, "a": 1}')
    assert read_description(tmp_path / "config.json")["a"] == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "config.json is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "config.json is a Git LFS pointer"),
        (b"[1]", "config.json is not a JSON object; copy or download"),
        (b"{", r"config.json cannot be read as JSON: .* Copy or download"),
        (b"\xff\xfe", r"config.json cannot be read as JSON"),
        (b"[" * 100_000, r"config.json cannot be read as JSON: it is nested too deeply. Copy or download"),
        (b'{"a": ' * 900 + b"1" + b"}" * 900, ""),
        (b'{"a": 1' + b"0" * 5000 + b"}", r"config.json cannot be read as JSON"),
        (b" " * 1_000_001, "config.json is over 1,000,000 bytes"),
    ],
)
def test_what_is_no_description_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "config.json").write_bytes(data)
    if not message:  # deep, but readable
        assert "a" in read_description(tmp_path / "config.json")
        return
    with pytest.raises(BadModel, match=message):
        read_description(tmp_path / "config.json")


def test_a_file_that_is_not_there_or_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    for name in ("missing", "device", "folder"):
        with pytest.raises(BadModel, match=f"has no {name}; copy the model's folder again"):
            read_text(tmp_path / name, max_bytes=9)


def test_a_link_to_a_file_is_followed_as_the_hub_cache_has_them(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "0123").write_text('{"a": 1}')
    (tmp_path / "config.json").symlink_to(Path("blobs") / "0123")
    assert read_description(tmp_path / "config.json") == {"a": 1}
