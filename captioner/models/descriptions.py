"""What the files that describe a model may say: for each file a list of keys, and the values each may have.

A model folder is data that may come from anybody, and the libraries that load models take keys that name code, files
elsewhere, downloads, or sizes without end. So a family states what is allowed; nothing else reaches a library. Knows no
model and no library.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captioner.errors import BadModel
from captioner.limits import read_json, shown
from captioner.models.weights import LFS_POINTER

_MAX_BYTES = 1_000_000  # the longest configurations here have a few kilobytes
_CODE_KEYS = frozenset({"auto_map", "custom_pipelines", "trust_remote_code"})


@dataclass(frozen=True)
class Rule:
    """Which values a key may have. words: what follows "it must be"."""

    words: str
    allows: Callable[[Any], bool]


Rules = Mapping[str, "Rule | Rules"]
"""Keys and their rules; a mapping stands for a mapping within."""


def whole(lowest: int, highest: int) -> Rule:
    """A whole number within bounds."""
    return Rule(
        f"a whole number from {lowest:,} to {highest:,}",
        lambda value: type(value) is int and lowest <= value <= highest,
    )


def real(lowest: float, highest: float) -> Rule:
    """A number within bounds, which NaN is not."""
    return Rule(
        f"a number from {lowest:g} to {highest:g}",
        lambda value: type(value) in (int, float) and lowest <= value <= highest,
    )


def one_of(*values: Any) -> Rule:
    """One of some values, of its very type: 1 is not true."""
    return Rule(
        " or ".join(_in_words(value) for value in values),
        lambda value: any(type(value) is type(one) and value == one for one in values),
    )


def switch() -> Rule:
    """true or false."""
    return one_of(True, False)


def words(max_length: int = 100) -> Rule:
    """A short text, for what only names a token."""
    return Rule(f"a text of at most {max_length}", lambda value: isinstance(value, str) and len(value) <= max_length)


def each(rule: Rule, *counts: int) -> Rule:
    """A list in which each value obeys a rule, of one of some lengths."""
    return Rule(
        f"a list of {' or '.join(map(str, counts))}, each {rule.words}",
        lambda value: isinstance(value, list) and len(value) in counts and all(map(rule.allows, value)),
    )


def either(*rules: Rule) -> Rule:
    """What one of some rules allows."""
    return Rule(" or ".join(rule.words for rule in rules), lambda value: any(rule.allows(value) for rule in rules))


def optional(rule: Rule) -> Rule:
    """What a rule allows, or null."""
    return either(rule, one_of(None))


def read_description(path: Path, *, max_bytes: int = _MAX_BYTES) -> dict[str, Any]:
    """The JSON object in a file of a model folder.

    Raises: BadModel: no file, empty, a Git LFS pointer, too long, no JSON object, or it names code of its own.
    """
    values = read_json_object(path, max_bytes=max_bytes)
    _refuse_code(values, path)
    return values


def read_json_object(path: Path, *, max_bytes: int = _MAX_BYTES) -> dict[str, Any]:
    """As `read_description`, for who only looks at it: it may name code, which is not for a library then.

    Raises: BadModel: no file, empty, a Git LFS pointer, too long, or no JSON object.
    """
    text = read_text(path, max_bytes=max_bytes)
    try:
        values = read_json(text, str(path), error=BadModel)
    except BadModel as error:
        raise BadModel(f"{error} Copy or download the model's folder again.") from error
    if not isinstance(values, dict):
        raise BadModel(f"{path} is not a JSON object; copy or download the model's folder again.")
    return values


def read_text(path: Path, *, max_bytes: int) -> bytes:
    """The bytes of a text file in a model folder.

    Raises: BadModel: no file, empty, a Git LFS pointer, or too long.
    """
    if not path.is_file():
        raise BadModel(f"{path.parent} has no {path.name}; copy the model's folder again, with all its files.")
    with path.open("rb") as file:
        text = file.read(max_bytes + 1)
    if not text:
        raise BadModel(f"{path} is empty; download it again.")
    if text.startswith(LFS_POINTER):
        raise BadModel(f"{path} is a Git LFS pointer, not the file; fetch it with git lfs pull.")
    if len(text) > max_bytes:
        raise BadModel(f"{path} is over {max_bytes:,} bytes, too long for what it is; download it again.")
    return text


def check_all(values: Any, rules: Rules, where: str) -> None:
    """Hold a mapping to its rules, key by key. where: what to call it in messages, "config.json, text_cfg".

    Raises: BadModel: a key that has no rule, a value that its rule does not allow, or no mapping.
    """
    _refuse_unknown(values, rules, where)  # first, since it says more than a value that is out of its bounds
    chosen(values, rules, where)


def chosen(values: Any, rules: Rules, where: str) -> dict[str, Any]:
    """What of a mapping has a rule; the rest is left out, as newer libraries write keys that older ones do not know.

    Raises: BadModel: a value that its rule does not allow, or no mapping.
    """
    if not isinstance(values, dict):
        raise BadModel(f"{where} is not a JSON object; copy or download the model's folder again.")
    found = {}
    for key, rule in rules.items():
        if key not in values:
            continue
        value = values[key]
        if not isinstance(rule, Rule):
            value = chosen(value, rule, f"{where}, {key}")
        elif not rule.allows(value):
            raise BadModel(
                f"{where} has {key} {_in_words(value)}, but it must be {rule.words}; copy or download the model's "
                "folder again, or take another model."
            )
        found[key] = value
    return found


def _refuse_unknown(values: Any, rules: Rules, where: str) -> None:
    """Raises: BadModel: a key that has no rule."""
    for key, value in values.items() if isinstance(values, dict) else ():
        rule = rules.get(key)
        if rule is None:
            raise BadModel(
                f"{where} has {shown(key, max_length=60)}, which is none of what it may say here, since a folder could "
                "name code or a download by it; take the model from somewhere else, or another model."
            )
        if not isinstance(rule, Rule):
            _refuse_unknown(value, rule, f"{where}, {key}")


def _refuse_code(values: dict[str, Any], path: Path) -> None:
    """Raises: BadModel: some mapping in it has a key that stands for code to be run."""
    left: list[Any] = [values]
    while left:
        value = left.pop()
        if isinstance(value, list):
            left.extend(value)
        elif isinstance(value, dict):
            named = sorted(key for key in _CODE_KEYS.intersection(value) if value[key])
            if named:
                raise BadModel(
                    f"{path} names code of its own ({', '.join(named)}), and no code of a model folder is run here; "
                    "take a model that needs none, or ask this one through an endpoint that runs it."
                )
            left.extend(value.values())


def _in_words(value: Any) -> str:
    """As JSON spells it, cut."""
    if isinstance(value, dict | list):
        return "a list" if isinstance(value, list) else "an object"
    return shown(json.dumps(value, ensure_ascii=False), max_length=60)
