"""Changes of a caption's tags: one added, removed or moved; repeated ones removed; sorted; spelt with underscores."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from math import inf
from typing import Any, ClassVar

from captioner.captions.bulk.operation import Material, Operation, Said, each, one_by_one, short
from captioner.captions.bulk.parts import (
    Lines,
    is_sentence,
    key_of,
    lines_of,
    sentence_end,
    sentence_keys,
    text_of,
    without_emptied,
)
from captioner.captions.compose import KAOMOJI
from captioner.captions.tag_relations import without_implied
from captioner.limits import MAX_TAG_LENGTH
from captioner.settings import choice, whole, words

_UNDERSCORED = re.compile(r"[^\s,]*_[^\s,]*")
_PART = re.compile(r"[^,\n]+")
_ESCAPED = re.compile(r"\\([\\()\[\]])")
_QUALITY = re.compile(r"score_\d+(?:_up)?", re.IGNORECASE)  # Pony Diffusion reads them with their underscores only


class TagChange(Operation):
    """A tag added, removed or moved."""

    key = "tag"
    title = "Add, remove or move a tag"
    group = "Tags"
    needed = ("tag",)
    tags = ("tag",)
    titles: ClassVar = {
        "add": "add",
        "remove": "remove",
        "move": "move",
        "front": "at the front",
        "end": "at the end",
    }

    what: str = choice("add", ("add", "remove", "move"), "What to do with it.", label="Do")
    tag: str = words("", "The tag.", max_length=MAX_TAG_LENGTH)
    where: str = choice("end", ("front", "end"), "Where to put it.")

    def label(self) -> str:
        return f"{self.what.capitalize()} tag {short(self.tag)}"

    def change(self, material: Material) -> list[str]:
        return one_by_one(material.captions, self._of)

    def _of(self, text: str) -> str:
        wanted = self.tag.strip()
        before = lines_of(text)
        others = [[tag for tag in line if tag.casefold() != wanted.casefold()] for line in before]
        is_there = others != before
        if self.what == "remove":
            return text_of(without_emptied(others, before)) if is_there else text
        if self.what == ("add" if is_there else "move"):
            return text
        others = without_emptied(others, before) or [[]]
        if self.where == "front":
            others[0].insert(0, wanted)
        else:
            others[-1].append(wanted)
        return text_of(others)


class Duplicates(Operation):
    """Tags that a caption has more than once removed, but for the first."""

    key = "duplicates"
    title = "Remove duplicate tags"
    group = "Tags"

    def change(self, material: Material) -> list[str]:
        return one_by_one(material.captions, self._of)

    def _of(self, text: str) -> str:
        before = lines_of(text)
        seen: set[str] = set()
        kept: Lines = []
        for line in before:
            kept.append([])
            for tag in line:
                if key_of(tag) not in seen:
                    kept[-1].append(tag)
                seen.add(key_of(tag))
        return text if kept == before else text_of(without_emptied(kept, before))


class Implied(Operation):
    """Tags taken out that others of the same caption imply."""

    key = "implied"
    title = "Remove implied tags"
    group = "Tags"
    tags = ("tag",)
    examples: ClassVar = {"tag": "all of them"}

    tag: str = words("", "Only this one; every such tag where nothing stands here.", max_length=MAX_TAG_LENGTH)

    def label(self) -> str:
        return f"Remove implied tag {short(self.tag)}" if self.tag.strip() else "Remove implied tags"

    def change(self, material: Material) -> list[str]:
        return one_by_one(material.captions, lambda text: without_implied(text, self.tag))


class Sort(Operation):
    """Tags sorted, line by line, behind a part that stays in front."""

    key = "sort"
    title = "Sort tags"
    group = "Tags"
    titles: ClassVar = {
        "frequency": "most frequent in the set first",
        "name": "A to Z",
        "score": "best score first",
        "sentence": "all up to the sentence",
        "count": "the first tags",
    }

    by: str = choice(
        "frequency",
        ("frequency", "name", "score"),
        "Scores are those of the taggers that are on, one tagger after the other; what none of them said comes last.",
        label="Order",
    )
    front: str = choice(
        "sentence",
        ("sentence", "count"),
        "The sentence is what the model said; where that stands there no more, the first part that reads like one.",
        label="Leave in front",
    )
    count: int = whole(0, 0, 100, "So many tags stay in front.", label="How many", only_when=("front", ("count",)))

    def change(self, material: Material) -> list[str]:
        needs_said = self.by == "score" or self.front == "sentence"
        said = material.what_was_said() if needs_said else [Said()] * len(material.captions)
        place = self._places(material)
        return each(material.captions, said, lambda text, of_models: self._of(text, of_models, place))

    def _places(self, material: Material) -> Callable[[str, Said], Any]:
        """From a tag's key and what models said to what it is sorted by."""
        if self.by == "name":
            return lambda tag, _: tag
        if self.by == "score":
            return lambda tag, said: said.tags.get(tag, (inf, 0.0))
        counts = Counter(
            found for text in material.set_texts() for found in {key_of(tag) for line in lines_of(text) for tag in line}
        )
        return lambda tag, _: -counts[tag]

    def _of(self, text: str, said: Said, place: Callable[[str, Said], Any]) -> str:
        before = lines_of(text)
        parts = [part for line in before for part in line]
        fixed = self.count if self.front == "count" else sentence_end(parts, said.sentence)
        after = []
        for line in before:
            own, fixed = min(fixed, len(line)), max(0, fixed - len(line))
            after.append([*line[:own], *sorted(line[own:], key=lambda tag: place(key_of(tag), said))])
        return text if after == before else text_of(after)

    def note(self, material: Material, after: Sequence[str]) -> str:
        count = sum(not said.tags for said in material.what_was_said()) if self.by == "score" else 0
        if not count:
            return ""
        return f"{count:,} of them {'has' if count == 1 else 'have'} no scores, for no tagger that is on has seen them."


class Underscores(Operation):
    """Underscores to spaces, or back."""

    key = "underscores"
    title = "Underscores and spaces"
    group = "Tags"
    titles: ClassVar = {"spaces": "long_hair as long hair", "underscores": "long hair as long_hair"}

    to: str = choice(
        "spaces",
        ("spaces", "underscores"),
        "Faces such as ^_^ and o_o, and score_9, keep their underscores; sentences, and parts that read like one, "
        "keep their spaces.",
        label="Write",
    )

    def label(self) -> str:
        return "Underscores to spaces" if self.to == "spaces" else "Spaces to underscores"

    def change(self, material: Material) -> list[str]:
        if self.to == "spaces":
            return one_by_one(material.captions, lambda text: _UNDERSCORED.sub(_with_spaces, text))
        return each(material.captions, material.what_was_said(), _with_underscores)


def _with_spaces(found: re.Match[str]) -> str:
    word = found.group()
    bare = _ESCAPED.sub(r"\1", word)
    # So do the taggers' own scripts: no tag of three letters or less is two words.
    is_whole = bare.casefold() in KAOMOJI or len(bare) <= 3 or _QUALITY.fullmatch(bare)
    return word if is_whole else word.replace("_", " ")


def _with_underscores(text: str, said: Said) -> str:
    of_model = sentence_keys(said.sentence)

    def spelt(found: re.Match[str]) -> str:
        part = found.group()
        inner = part.strip()
        return part if is_sentence(inner, of_model) else part.replace(inner, "_".join(inner.split()))

    return _PART.sub(spelt, text)
