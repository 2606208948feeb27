"""What a change of many captions declares, what it may look at, and the limits that hold for all of them.

Knows no operation, no store and no page.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, TypeVar

from captioner.captions.tokens import count_tokens
from captioner.errors import SettingsError
from captioner.limits import MAX_CAPTION_LENGTH, MAX_CHANGED_LETTERS
from captioner.settings import Settings

ONE_LIMIT_S = 0.8
"""What a pattern may take on one caption; past that it is refused, since some never end."""
CHANGE_LIMIT_S = 5.0
"""What a change may take on all captions together. Both are processor time, so that a busy machine refuses nothing."""

Extra = TypeVar("Extra")

Captions = Sequence[tuple[str, str]]
"""(picture's name, caption) each."""


class Said(NamedTuple):
    """What models said about a picture.

    sentence: as its caption writes it, "" where there is none. tags: by `piece_key`, (place of the tagger in the set's
    order, minus the score), so that the best come first.
    """

    sentence: str = ""
    tags: Mapping[str, tuple[int, float]] = {}


def _nothing_else(_: str) -> str:
    raise SettingsError("no picture is there to copy from.")


def _as_clip(encoder: str) -> tuple[Callable[[str], int], bool]:
    return count_tokens, encoder == "clip"


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a change may look at.

    captions: those to change, without the set's frame. set_texts: those of the whole set. framed: a caption as it is
    exported, within the frame. said: for each of `captions`, what models said. text_of: by picture id, a caption.
    counter_of: by text encoder (clip, t5, qwen), what counts a text's tokens, and whether as that encoder does.
    """

    captions: Captions
    set_texts: Callable[[], Sequence[str]] = tuple
    framed: Callable[[str], str] = field(default=lambda text: text)
    said: Callable[[], Sequence[Said]] | None = None
    text_of: Callable[[str], str] = _nothing_else
    counter_of: Callable[[str], tuple[Callable[[str], int], bool]] = _as_clip

    def what_was_said(self) -> Sequence[Said]:
        """For each of the captions."""
        return [Said()] * len(self.captions) if self.said is None else self.said()


class Operation(Settings):
    """One way to change many captions: its fields are its form on the page, and its values are checked as all settings.

    A further one is a class with these, in the list of `OPERATIONS`.
    key: what the page calls it by. title: in the page's list, below `group`. verb: on the button, with a count behind.
    needed: fields without which there is nothing to do; blanks_count: blanks are enough for them. titles: what the
    words of its choices are called. examples: of a field, shown while it is empty. tags: fields that the set's tags
    complete. pictures: fields that hold the id of the picture that the page shows. takes_away: nothing but loss comes
    of it.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    group: ClassVar[str]
    verb: ClassVar[str] = "Change"
    needed: ClassVar[tuple[str, ...]] = ()
    blanks_count: ClassVar[bool] = False
    titles: ClassVar[Mapping[str, str]] = {}
    examples: ClassVar[Mapping[str, str]] = {}
    tags: ClassVar[tuple[str, ...]] = ()
    pictures: ClassVar[tuple[str, ...]] = ()
    takes_away: ClassVar[bool] = False

    def check_together(self) -> None:
        for name in self.needed:
            value = getattr(self, name)
            if not (value if self.blanks_count else value.strip()):
                raise SettingsError(f"{name} is empty; say what to look for or to put there.")

    def label(self) -> str:
        """What the change is called in the journal."""
        return self.title

    def change(self, material: Material) -> list[str]:
        """The new captions, in the same order.

        Raises: SettingsError: it takes too long, or a result is too long; the picture is named.
        """
        raise NotImplementedError

    def note(self, material: Material, after: Sequence[str]) -> str:
        """What stays as it is although a person may mean it too, in a sentence; "" where there is nothing."""
        return ""


def one_by_one(captions: Captions, change_one: Callable[[str], str | None]) -> list[str]:
    """The change of each caption by itself. Args: change_one: the new text, None where it would be too long."""
    return each(captions, [()] * len(captions), lambda text, _: change_one(text))


def each(captions: Captions, extras: Sequence[Extra], change_one: Callable[[str, Extra], str | None]) -> list[str]:
    """As `one_by_one`, with something more for each caption."""
    until_s = time.thread_time() + CHANGE_LIMIT_S

    def results() -> Iterator[str]:
        for (name, text), extra in zip(captions, extras, strict=True):
            if time.thread_time() > until_s:
                raise SettingsError(f"the change took longer than {CHANGE_LIMIT_S:g} s; choose fewer pictures.")
            try:
                new = change_one(text, extra)
            except TimeoutError as error:
                raise SettingsError(f"the change took longer than {ONE_LIMIT_S:g} s on {name}.") from error
            if new is None or (len(new) > MAX_CAPTION_LENGTH and new != text):
                raise too_long(name)
            yield new

    return bounded(captions, results())


def bounded(captions: Captions, results: Iterable[str]) -> list[str]:
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


def too_long(name: str) -> SettingsError:
    """What is said where a result is longer than a caption may be. Args: name: the picture's."""
    return SettingsError(
        f"the caption of {name} would get more than {MAX_CAPTION_LENGTH:,} characters, the most that a caption may "
        "have; change the replacement, or leave that picture out."
    )


def short(text: str) -> str:
    """A text as a label or a message may hold it."""
    return repr(text if len(text) <= 30 else f"{text[:29]}…")
