"""One change to many captions: find and replace, tags added, removed and moved, a class name replaced. Pure text.

An operation is a small settings class, so that its values are checked as all settings are. Whatever it does, no result
is longer than a caption may be, and time and memory have limits: a pattern, which is a small program of a stranger,
runs in a process of its own (`pattern_process`). Knows no store and no page.
"""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from captioner.captions import joining, pattern_process
from captioner.captions.tag_relations import without_implied
from captioner.captions.tag_rules import class_plural, class_words
from captioner.errors import SettingsError
from captioner.limits import MAX_CAPTION_LENGTH, MAX_CHANGED_LETTERS, MAX_TAG_LENGTH
from captioner.settings import Settings, choice, switch, words

PATTERN_LIMIT_S = 0.8
"""What a regular expression may take on one caption; past that it is refused, since some never end."""
CHANGE_LIMIT_S = 5.0
"""What a change may take on all captions together. Both are processor time, so that a busy machine refuses nothing."""
SEPARATOR = ", "
"""What stands between a caption's parts where a person writes it."""
_PATIENCE_S = 60.0  # with a pattern's process, by the clock
_PATTERNS_AT_ONCE = threading.BoundedSemaphore(2)

Captions = Sequence[tuple[str, str]]
"""(picture's name, caption) each."""
Change = Callable[[Captions], list[str]]
"""From captions to the new ones, in the same order.

Raises: SettingsError: it takes too long, or a result is too long; the picture is named.
"""


class Replace(Settings):
    """Find and replace."""

    find: str = words("", "What to look for.", max_length=1_000)
    replacement: str = words("", "What to put in its place; \\1 is a pattern's first group.", max_length=1_000)
    how: str = choice("text", ("text", "tag", "pattern"), "Anywhere, whole tags only, or a regular expression.")
    match_case: bool = switch(False, "Tell A from a.")


class Affix(Settings):
    """Text put before or after every caption that has it not yet."""

    text: str = words(
        "",
        "What to put there. A comma goes between, unless a blank or a mark of its own stands there.",
        max_length=1_000,
    )
    where: str = choice("before", ("before", "after"), "At which end.")


class TagChange(Settings):
    """A tag added, removed or moved."""

    tag: str = words("", "The tag.", max_length=MAX_TAG_LENGTH)
    what: str = choice("add", ("add", "remove", "move"), "What to do with it.")
    where: str = choice("end", ("front", "end"), "Where to put it.")


class Subject(Settings):
    """A class name replaced by a subject's name, as whole words."""

    class_name: str = words("", "What captions call it: dog.", max_length=200)
    subject_name: str = words("", "What they shall call it: sks dog.", max_length=200)


class Implied(Settings):
    """Tags taken out that others of the same caption imply."""

    tag: str = words("", "Only this one; every such tag where nothing stands here.", max_length=MAX_TAG_LENGTH)


class Clear(Settings):
    """Every caption emptied."""


OPERATIONS: Mapping[str, type[Settings]] = {
    "replace": Replace,
    "affix": Affix,
    "tag": TagChange,
    "subject": Subject,
    "implied": Implied,
    "clear": Clear,
}


def change_of(name: str, values: Mapping[str, Any]) -> tuple[str, Change]:
    """What an operation is called in the journal, and the function from old to new captions.

    Raises: SettingsError: an unknown operation, a value that is not allowed, nothing to look for; and from the
        function, see `Change`, a bad pattern too.
    """
    if not isinstance(name, str) or name not in OPERATIONS:
        raise SettingsError(f"operation is {str(name)[:40]!r}; it must be one of {', '.join(OPERATIONS)}.")
    operation: Any = OPERATIONS[name].from_mapping(values)
    if isinstance(operation, Replace):
        _need(operation.find, "find")
        change = partial(_with_pattern, operation) if operation.how == "pattern" else _one_by_one(_replacing(operation))
        return f"Replace {_short(operation.find)}", change
    if isinstance(operation, Affix):
        _need(operation.text, "text")
        return f"Put {_short(operation.text)} {operation.where}", _one_by_one(partial(_with_affix, operation))
    if isinstance(operation, TagChange):
        _need(operation.tag.strip(), "tag")
        label = f"{operation.what.capitalize()} tag {_short(operation.tag)}"
        return label, _one_by_one(partial(_with_tag, operation))
    if isinstance(operation, Subject):
        _need(operation.class_name.strip(), "class_name")
        found = class_words(operation.class_name, operation.subject_name)
        pattern = _regex().compile(found, _regex().IGNORECASE, cache_pattern=False)
        label = f"{operation.class_name} → {operation.subject_name}"
        return label, _one_by_one(partial(_with_text, pattern, operation.subject_name.strip()))
    if isinstance(operation, Implied):
        what = f"implied tag {_short(operation.tag)}" if operation.tag.strip() else "implied tags"
        return f"Remove {what}", _one_by_one(lambda text: without_implied(text, operation.tag))
    return "Clear", lambda captions: [""] * len(captions)


def left_out(name: str, values: Mapping[str, Any], texts: Iterable[str]) -> str:
    """What an operation leaves as it is although a person may mean it too, in a sentence; "" where there is nothing."""
    if OPERATIONS.get(name) is not Subject:
        return ""
    class_name = Subject.from_mapping(values).class_name.strip()
    plural = re.compile(class_plural(class_name), re.IGNORECASE)
    found = [match.group() for text in texts if (match := plural.search(text))]
    if not found:
        return ""
    several = "1 caption names" if len(found) == 1 else f"{len(found):,} captions name"
    return f"{several} {found[0]!r} and stay{'s' if len(found) == 1 else ''} so; find and replace changes plurals."


def _one_by_one(change_one: Callable[[str], str | None]) -> Change:
    """A change of each caption by itself. Args: change_one: the new text, None where it would be too long."""

    def change(captions: Captions) -> list[str]:
        until_s = time.thread_time() + CHANGE_LIMIT_S

        def results() -> Iterator[str]:
            for name, text in captions:
                if time.thread_time() > until_s:
                    raise SettingsError(f"the change took longer than {CHANGE_LIMIT_S:g} s; choose fewer pictures.")
                try:
                    new = change_one(text)
                except TimeoutError as error:
                    raise SettingsError(f"the change took longer than {PATTERN_LIMIT_S:g} s on {name}.") from error
                if new is None or (len(new) > MAX_CAPTION_LENGTH and new != text):
                    raise _too_long(name)
                yield new

        return _bounded(captions, results())

    return change


def _bounded(captions: Captions, results: Iterable[str]) -> list[str]:
    """The results as a list, unless what changes is too much for one answer. Raises: SettingsError."""
    kept: list[str] = []
    letters = 0
    for (_, text), new in zip(captions, results, strict=True):
        letters += len(text) + len(new) if new != text else 0
        if letters > MAX_CHANGED_LETTERS:
            raise SettingsError(
                f"the change makes more than {MAX_CHANGED_LETTERS // 1_000_000} million letters of old and new "
                "captions; choose fewer pictures."
            )
        kept.append(new)
    return kept


def _too_long(name: str) -> SettingsError:
    return SettingsError(
        f"the caption of {name} would get more than {MAX_CAPTION_LENGTH:,} characters, the most that a caption may "
        "have; change the replacement, or leave that picture out."
    )


def _replacing(operation: Replace) -> Callable[[str], str | None]:
    regex = _regex()
    flags = 0 if operation.match_case else regex.IGNORECASE
    if operation.how == "text":
        literal = regex.compile(regex.escape(operation.find), flags, cache_pattern=False)
        return partial(_with_text, literal, operation.replacement)
    wanted = operation.find.strip() if operation.match_case else operation.find.strip().casefold()

    def replace_tags(text: str) -> str:
        tags = split(text)
        new = [
            operation.replacement.strip() if (tag if operation.match_case else tag.casefold()) == wanted else tag
            for tag in tags
        ]
        return text if new == tags else join(dict.fromkeys(tag for tag in new if tag))

    return replace_tags


def _with_text(pattern: Any, replacement: str, text: str) -> str | None:
    found = pattern.findall(text, timeout=PATTERN_LIMIT_S)
    if len(text) - sum(map(len, found)) + len(found) * len(replacement) > MAX_CAPTION_LENGTH:
        return None if found else text
    return str(pattern.sub(replacement.replace("\\", "\\\\"), text, timeout=PATTERN_LIMIT_S)) if found else text


def _with_pattern(operation: Replace, captions: Captions) -> list[str]:
    """A regular expression's change of all captions, in a process with limits."""
    asked = {
        **{name: getattr(operation, name) for name in ("find", "replacement", "match_case")},
        "texts": [text for _, text in captions],
        "max_length": MAX_CAPTION_LENGTH,
        "one_s": PATTERN_LIMIT_S,
        "all_s": CHANGE_LIMIT_S,
    }
    # -P: the folder of this package, whose modules have names such as tokens, is not searched for other modules.
    command = [sys.executable, "-P", pattern_process.__file__]
    with _PATTERNS_AT_ONCE:
        try:
            ended = subprocess.run(
                command, input=json.dumps(asked).encode(), capture_output=True, timeout=_PATIENCE_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise _refused(operation, "slow_all", "", "") from error
    if ended.returncode:
        raise _refused(operation, "memory", "", "")  # the system ended it
    *new, last = (json.loads(line) for line in ended.stdout.splitlines())
    if "refused" in last:
        name = captions[len(new)][0] if len(new) < len(captions) else ""
        raise _refused(operation, last["refused"], last.get("reason", ""), name)
    return _bounded(
        captions, (text if fresh is None else fresh for (_, text), fresh in zip(captions, new, strict=True))
    )


def _refused(operation: Replace, code: str, reason: str, name: str) -> SettingsError:
    find = _short(operation.find)
    if code == "long_one":
        return _too_long(name)
    return SettingsError(
        {
            "pattern": f"find is {find}, which is no regular expression: {reason}.",
            "replacement": f"replacement is {_short(operation.replacement)}, which does not fit the pattern: {reason}.",
            "memory": f"find is {find}, which takes more time or memory than a pattern may; simplify it.",
            "slow_one": f"find is {find}, which took longer than {PATTERN_LIMIT_S:g} s on {name}; simplify it.",
            "slow_all": f"find is {find}, which took longer than {CHANGE_LIMIT_S:g} s on these captions together; "
            "simplify it.",
        }[code]
    )


def _with_affix(operation: Affix, text: str) -> str:
    if operation.where == "before":
        there = joining.begins_with(text, operation.text, SEPARATOR)
        return text if there else joining.put_before(operation.text, text, SEPARATOR)
    there = joining.ends_with(text, operation.text, SEPARATOR)
    return text if there else joining.put_after(text, operation.text, SEPARATOR)


def _with_tag(operation: TagChange, text: str) -> str:
    wanted = operation.tag.strip()
    tags = split(text)
    others = [tag for tag in tags if tag.casefold() != wanted.casefold()]
    is_there = len(others) < len(tags)
    if operation.what == "remove":
        return join(others) if is_there else text
    if operation.what == ("add" if is_there else "move"):
        return text
    return join([wanted, *others] if operation.where == "front" else [*others, wanted])


def split(text: str) -> list[str]:
    """A caption's parts, at its commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def join(tags: Any) -> str:
    """Parts as a caption."""
    return SEPARATOR.join(tags)


def _need(value: str, name: str) -> None:
    if not value:
        raise SettingsError(f"{name} is empty; say what to look for or to put there.")


def _short(text: str) -> str:
    return repr(text if len(text) <= 30 else f"{text[:29]}…")


def _regex() -> Any:
    """The package regex, whose patterns can be given a time limit; it comes with open_clip."""
    return importlib.import_module("regex")
