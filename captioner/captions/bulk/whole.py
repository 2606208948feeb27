"""Changes of whole captions: trimmed to what a trainer reads, copied from one picture, cleared."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import ClassVar

from captioner.captions.bulk.operation import Material, Operation, bounded, one_by_one
from captioner.captions.tokens import USABLE_TOKENS
from captioner.errors import SettingsError
from captioner.limits import MAX_ID_LENGTH
from captioner.plural import plural
from captioner.settings import choice, whole, words

# Where a tag or phrase may end: at a comma that is none of a number's, at marks before a blank, at a line's end.
_END = re.compile(r",(?!\d{3}\b)|[;:](?=\s)|(?<=[.!?])(?=\s)|\n")


class Trim(Operation):
    """Tags and phrases beyond a limit of tokens taken from the end, whole ones only."""

    key = "trim"
    title = "Trim to the token limit"
    group = "Whole captions"
    verb = "Trim"
    titles: ClassVar = {
        "clip": "CLIP: Stable Diffusion 1.5, SDXL",
        "t5": "T5: Stable Diffusion 3.5, FLUX.1",
        "qwen": "Qwen2.5-VL: Qwen-Image",
    }

    limit: int = whole(
        USABLE_TOKENS,
        1,
        1_000,
        "Trainers for Stable Diffusion read 75 tokens unless told otherwise; prefix and suffix count, and stay.",
        label="Tokens at most",
    )
    encoder: str = choice("clip", ("clip", "t5", "qwen"), "The text encoder whose tokens count.", label="As counted by")

    def label(self) -> str:
        return f"Trim to {plural(self.limit, 'token')}"

    def change(self, material: Material) -> list[str]:
        fits = self._fits(material)
        return one_by_one(material.captions, lambda text: _trimmed(text, fits))

    def _fits(self, material: Material) -> Callable[[str], bool]:
        count, _ = material.counter_of(self.encoder)
        return lambda text: count(material.framed(text)) <= self.limit

    def note(self, material: Material, after: Sequence[str]) -> str:
        fits = self._fits(material)
        pairs = zip(material.captions, after, strict=True)
        count = sum(new == text and not fits(text) for (_, text), new in pairs)
        notes = []
        if not material.counter_of(self.encoder)[1]:
            title = self.titles[self.encoder].partition(":")[0]
            notes.append(f"{title}'s tokenizer is not here: CLIP's count stands for it, about right for English.")
        if count:
            one, several = "caption is longer by its first phrase", "captions are longer by their first phrase"
            notes.append(f"{plural(count, one, several)} alone and {'stays' if count == 1 else 'stay'}.")
        return " ".join(notes)


def _trimmed(text: str, fits: Callable[[str], bool]) -> str:
    """The text without what is too much; itself where its first phrase alone is."""
    if fits(text):
        return text
    pieces = [text[: found.start()].rstrip(" \t,;:\n") for found in _END.finditer(text)]
    pieces = [piece for piece in pieces if piece.strip()]
    fitting = bisect_right(pieces, False, key=lambda piece: not fits(piece))
    return pieces[fitting - 1] if fitting else text


class Copy(Operation):
    """One picture's caption copied to the others."""

    key = "copy"
    title = "Copy the shown picture's caption"
    group = "Whole captions"
    needed = ("source",)
    pictures = ("source",)
    verb: ClassVar[str] = "Replace"

    source: str = words("", "The picture whose caption the others get.", max_length=MAX_ID_LENGTH, label="From")

    def label(self) -> str:
        return "Copy a caption"

    def change(self, material: Material) -> list[str]:
        text = material.text_of(self.source)
        if not text.strip():
            raise SettingsError("the picture to copy from has no caption; write one, or choose Clear.")
        return bounded(material.captions, [text] * len(material.captions))


class Clear(Operation):
    """Every caption emptied."""

    key = "clear"
    title = "Clear"
    group = "Whole captions"
    verb = "Clear"
    takes_away = True

    def change(self, material: Material) -> list[str]:
        return [""] * len(material.captions)
