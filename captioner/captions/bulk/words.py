"""Changes of a caption's words: find and replace, text before or after, a class called by its subject's name."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

from captioner.captions import joining, pattern_process
from captioner.captions.bulk import operation
from captioner.captions.bulk.operation import Captions, Material, Operation, bounded, one_by_one, short, too_long
from captioner.captions.bulk.parts import SEPARATOR, lines_of, text_of, without_emptied
from captioner.captions.leaving_out import without_kinds, without_phrase
from captioner.captions.phrase_kinds import KINDS
from captioner.captions.plurals import plural_pattern, with_subject
from captioner.errors import SettingsError
from captioner.limits import MAX_CAPTION_LENGTH, MAX_TAG_LENGTH
from captioner.plural import plural as counted
from captioner.settings import choice, switch, words

_PATIENCE_S = 60.0  # with a pattern's process, by the clock
_PATTERNS_AT_ONCE = threading.BoundedSemaphore(2)


class Replace(Operation):
    """Find and replace."""

    key = "replace"
    title = "Find and replace"
    group = "Words"
    needed = ("find",)
    blanks_count = True
    titles: ClassVar = {"text": "text anywhere", "tag": "whole tag", "pattern": "regular expression"}

    find: str = words("", "What to look for.", max_length=1_000)
    replacement: str = words(
        "", "What to put in its place; \\1 is a pattern's first group.", max_length=1_000, label="Replace with"
    )
    how: str = choice(
        "text", ("text", "tag", "pattern"), "Anywhere, whole tags only, or a regular expression.", label="As"
    )
    match_case: bool = switch(False, "Tell A from a.")

    def label(self) -> str:
        return f"Replace {short(self.find)}"

    def change(self, material: Material) -> list[str]:
        if self.how == "pattern":
            return _with_pattern(self, material.captions)
        return one_by_one(material.captions, self._in_tags if self.how == "tag" else self._in_text())

    def _in_text(self) -> Callable[[str], str | None]:
        regex = _regex()
        flags = 0 if self.match_case else regex.IGNORECASE
        literal = regex.compile(regex.escape(self.find), flags, cache_pattern=False)
        return partial(_with_text, literal, self.replacement)

    def _in_tags(self, text: str) -> str:
        wanted = self.find.strip() if self.match_case else self.find.strip().casefold()
        before = lines_of(text)
        new = [
            [
                self.replacement.strip() if (tag if self.match_case else tag.casefold()) == wanted else tag
                for tag in line
            ]
            for line in before
        ]
        if new == before:
            return text
        kept = [list(dict.fromkeys(tag for tag in line if tag)) for line in new]
        return text_of(without_emptied(kept, before))


class Affix(Operation):
    """Text put before or after every caption that has it not yet."""

    key = "affix"
    title = "Put text before or after"
    group = "Words"
    needed = ("text",)
    blanks_count = True
    titles: ClassVar = {"before": "before", "after": "after"}
    examples: ClassVar = {"text": "sks style"}

    text: str = words(
        "",
        "What to put there. A comma goes between, unless a blank or a mark of its own stands there.",
        max_length=1_000,
    )
    where: str = choice("before", ("before", "after"), "At which end.")

    def label(self) -> str:
        return f"Put {short(self.text)} {self.where}"

    def change(self, material: Material) -> list[str]:
        return one_by_one(material.captions, self._of)

    def _of(self, text: str) -> str:
        if self.where == "before":
            there = joining.begins_with(text, self.text, SEPARATOR)
            return text if there else joining.put_before(self.text, text, SEPARATOR)
        there = joining.ends_with(text, self.text, SEPARATOR)
        return text if there else joining.put_after(text, self.text, SEPARATOR)


class Subject(Operation):
    """A class name replaced by a subject's name, as whole words."""

    key = "subject"
    title = "Class name to subject name"
    group = "Words"
    needed = ("class_name",)
    examples: ClassVar = {"class_name": "dog", "subject_name": "sks dog"}

    class_name: str = words("", "What captions call it: dog.", max_length=200)
    subject_name: str = words("", "What they shall call it: sks dog.", max_length=200)
    plural: bool = switch(False, "Two dogs become two sks dogs.", label="Also plural")

    def label(self) -> str:
        return f"{self.class_name} → {self.subject_name}"

    def change(self, material: Material) -> list[str]:
        found, put = with_subject(self.class_name, self.subject_name, also_plural=self.plural)
        pattern = _compiled(found)
        return one_by_one(material.captions, lambda text: str(pattern.sub(put, text, timeout=operation.ONE_LIMIT_S)))

    def note(self, material: Material, after: Sequence[str]) -> str:
        if self.plural:
            return ""
        plural = _compiled(plural_pattern(self.class_name))
        found = [match.group() for _, text in material.captions if (match := plural.search(text))]
        if not found:
            return ""
        those = counted(len(found), "caption names", "captions name")
        return f"{those} {found[0]!r} and stay{'s' if len(found) == 1 else ''} so without “Also plural”."


class Strip(Operation):
    """A phrase left out, so that what remains still reads."""

    key = "strip"
    title = "Leave out a phrase"
    group = "Words"
    verb = "Leave out of"
    needed = ("phrase",)
    examples: ClassVar = {"phrase": "long red hair"}
    tags = ("phrase",)

    phrase: str = words(
        "",
        "As a tag, and in sentences with its article, its adjectives and the word that ties it to the rest.",
        max_length=MAX_TAG_LENGTH,
    )

    def label(self) -> str:
        return f"Leave out {short(self.phrase.strip())}"

    def change(self, material: Material) -> list[str]:
        return one_by_one(material.captions, lambda text: without_phrase(text, self.phrase))


class StripKinds(Operation):
    """All phrases of some kinds left out; the fields are `KINDS`."""

    key = "kinds"
    title = "Leave out kinds of things"
    group = "Words"
    verb = "Leave out of"

    hair: bool = switch(False, "With its length and colour.", label=KINDS["hair"].title)
    eyes: bool = switch(False, "With their colour.", label=KINDS["eyes"].title)
    body: bool = switch(False, "Skin, freckles, ears, tails and such.", label=KINDS["body"].title)
    clothes: bool = switch(False, "And what else is worn.", label=KINDS["clothes"].title)
    expression: bool = switch(False, "Smiles and such.", label=KINDS["expression"].title)
    pose: bool = switch(False, "Standing, looking at the viewer and such.", label=KINDS["pose"].title)
    background: bool = switch(False, "Where it is, and what is behind.", label=KINDS["background"].title)
    style: bool = switch(False, "Photo, drawing and such.", label=KINDS["style"].title)
    framing: bool = switch(False, "Portrait, from above and such.", label=KINDS["framing"].title)

    def label(self) -> str:
        return f"Leave out {', '.join(KINDS[kind].title.lower() for kind in self._chosen)}"

    @property
    def _chosen(self) -> list[str]:
        return [kind for kind in KINDS if getattr(self, kind)]

    def change(self, material: Material) -> list[str]:
        chosen = frozenset(self._chosen)
        return one_by_one(material.captions, lambda text: without_kinds(text, chosen))


def _compiled(pattern: str) -> Any:
    return _regex().compile(pattern, _regex().IGNORECASE, cache_pattern=False)


def _with_text(pattern: Any, replacement: str, text: str) -> str | None:
    found = pattern.findall(text, timeout=operation.ONE_LIMIT_S)
    if len(text) - sum(map(len, found)) + len(found) * len(replacement) > MAX_CAPTION_LENGTH:
        return None if found else text
    return str(pattern.sub(replacement.replace("\\", "\\\\"), text, timeout=operation.ONE_LIMIT_S)) if found else text


def _with_pattern(asked: Replace, captions: Captions) -> list[str]:
    """A regular expression's change of all captions, in a process with limits."""
    given = {
        **{name: getattr(asked, name) for name in ("find", "replacement", "match_case")},
        "texts": [text for _, text in captions],
        "max_length": MAX_CAPTION_LENGTH,
        "one_s": operation.ONE_LIMIT_S,
        "all_s": operation.CHANGE_LIMIT_S,
    }
    # -P: the folder of this package, whose modules have names such as tokens, is not searched for other modules.
    command = [sys.executable, "-P", pattern_process.__file__]
    with _PATTERNS_AT_ONCE:
        try:
            ended = subprocess.run(
                command, input=json.dumps(given).encode(), capture_output=True, timeout=_PATIENCE_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise _refused(asked, "slow_all", "", "") from error
    if ended.returncode:
        raise _refused(asked, "memory", "", "")  # the system ended it
    *new, last = (json.loads(line) for line in ended.stdout.splitlines())
    if "refused" in last:
        name = captions[len(new)][0] if len(new) < len(captions) else ""
        raise _refused(asked, last["refused"], last.get("reason", ""), name)
    return bounded(captions, (text if fresh is None else fresh for (_, text), fresh in zip(captions, new, strict=True)))


def _refused(asked: Replace, code: str, reason: str, name: str) -> SettingsError:
    find = short(asked.find)
    if code == "long_one":
        return too_long(name)
    return SettingsError(
        {
            "pattern": f"find is {find}, which is no regular expression: {reason}.",
            "replacement": f"replacement is {short(asked.replacement)}, which does not fit the pattern: {reason}.",
            "memory": f"find is {find}, which takes more time or memory than a pattern may; simplify it.",
            "slow_one": f"find is {find}, which took longer than {operation.ONE_LIMIT_S:g} s on {name}; simplify it.",
            "slow_all": f"find is {find}, which took longer than {operation.CHANGE_LIMIT_S:g} s on these captions "
            "together; simplify it.",
        }[code]
    )


def _regex() -> Any:
    """The package regex, whose patterns can be given a time limit; it comes with open_clip."""
    return importlib.import_module("regex")
