"""A set at a glance: its tags and the words of its sentences, what contradicts or implies what, and where the trigger
word is missing. Each is a figure and the pictures behind it. Runs no model and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from captioner.captions.tag_relations import contradictions, implications
from captioner.captions.tag_rules import piece_key
from captioner.captions.told_apart import AllTags, Told, content_words, told_apart
from captioner.service.choices import Choices
from captioner.service.rows import Rows
from captioner.workspace import Workspace


class _Tally:
    """Pictures by what they have, each named by its place in the set."""

    def __init__(self) -> None:
        self._places: dict[Any, list[int]] = {}

    def note(self, key: Any, place: int) -> None:
        places = self._places.get(key)
        if places is None:
            self._places[key] = [place]
        elif places[-1] != place:
            places.append(place)

    def plain(self) -> list[list[Any]]:
        """[key, places of its pictures], those of most pictures first."""
        found = sorted(self._places.items(), key=lambda item: (-len(item[1]), item[0]))
        return [[key, places] for key, places in found]

    def of_any_case(self) -> _Tally:
        """The same for texts, where case alone tells no two apart; each is called as it is most often."""
        called: dict[str, str] = {}
        merged = _Tally()
        for text, places in self.plain():
            name = called.setdefault(text.casefold(), text)
            known = merged._places.get(name)
            merged._places[name] = sorted({*known, *places}) if known else places
        return merged


class Overview:
    """Answers for all sets."""

    def __init__(self, workspace: Workspace, rows: Rows, choices: Choices) -> None:
        self._workspace = workspace
        self._rows = rows
        self._choices = choices

    def of_set(self, set_id: str) -> dict[str, Any]:
        """What the captions of a set are made of, without its frame. Raises: UnknownSet.

        Returns: ids: of all pictures; for the rest a picture is its place among them. tags: [tag, places], where case
            alone tells no two apart; words: [word of the sentences, places]; contradictions, implied: [[tag, tag],
            places], of implied ones the longer first; trigger: the trigger word, "" where the set has none;
            without_trigger: places of the pictures whose caption lacks it, empty ones among them.
        """
        views = self._workspace.views(set_id)
        rows = self._rows.of_views(set_id, views)
        told = tell_apart(rows, self._rows.sentences(set_id, views), [bool(view.existing) for view in views])
        tags, words, clashing, implied = _Tally(), _Tally(), _Tally(), _Tally()
        key_of = cache(piece_key)
        for place, one in enumerate(told):
            for tag in one.tags:
                tags.note(tag, place)
            for sentence in one.sentences:
                for word in content_words(sentence):
                    words.note(word, place)
            keys = [key_of(tag) for tag in one.tags]
            for pair in contradictions(keys):
                clashing.note(pair, place)
            for pair in implications(keys):
                implied.note(pair, place)
        trigger = self._choices.stored_plan(set_id).recipe.prefix.strip(" ,;")
        lacking = [place for place, row in enumerate(rows) if trigger.casefold() not in row["caption"].casefold()]
        return {
            "ids": [row["id"] for row in rows],
            "tags": tags.of_any_case().plain(),
            "words": words.plain(),
            "contradictions": clashing.plain(),
            "implied": implied.plain(),
            "trigger": trigger,
            "without_trigger": lacking,
        }


def tell_apart(
    rows: Sequence[Mapping[str, Any]], sentences: Mapping[str, str], have_existing: Sequence[bool]
) -> list[Told]:
    """Each caption's sentences and tags: those that models made first, since they say what else is a tag.

    Args: rows, sentences: as `Rows` gives them. have_existing: whether a caption came along with each picture.
    """
    found: dict[int, Told] = {}
    known: set[str] = set()
    for place, row in enumerate(rows):
        if row["state"] == "generated" and not have_existing[place]:
            found[place] = told_apart(row["text"], sentences.get(row["id"], ""), AllTags())
            known.update(piece_key(tag) for tag in found[place].tags)
    return [
        found[place] if place in found else told_apart(row["text"], sentences.get(row["id"], ""), known)
        for place, row in enumerate(rows)
    ]
