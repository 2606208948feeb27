"""Captions in the names of pictures, as the first trainers read them: EveryDream's and JoePenna's (MrWho's).

A file name cannot hold every caption: what no system takes in a name becomes a blank, and what is too long ends after a
whole word. START.txt says how many captions changed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import ClassVar

from captioner.formats.trainers.quoting import shell_word
from captioner.formats.trainers.target import CONVERSION_FIELDS, MadeSet, Target, Wanted

_MAX_CAPTION_BYTES = 200  # of a name's 255; the rest is for numbers and suffix
_NOT_IN_NAMES = frozenset('/\\:*?"<>|')


class _FileNames(Target):
    suffix = ""
    heeds: ClassVar[tuple[str, ...]] = ("set_folder", *CONVERSION_FIELDS)
    base_models: ClassVar[tuple[str, ...]] = ("sd15", "other")
    changes: ClassVar[str] = "a file name cannot hold all of them"
    not_read: ClassVar[str] = ""

    def text(self, text: str) -> str:
        line = super().text(text)
        letters = (" " if letter in self.not_read or _is_refused(letter) else letter for letter in line)
        words = "".join(letters).split()
        while len(" ".join(words).encode()) > _MAX_CAPTION_BYTES:
            last = words.pop()
            if not words:  # one word that is too long
                words = [last.encode()[:_MAX_CAPTION_BYTES].decode(errors="ignore")]
        return " ".join(words).lstrip(". \ufeff")  # a name that begins with a dot is hidden


def _is_refused(letter: str) -> bool:
    turns = "\u202a" <= letter <= "\u202e" or "\u2066" <= letter <= "\u2069"
    return letter in _NOT_IN_NAMES or turns or unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")


class FileName(_FileNames):
    """`caption_N.ext`: the caption is what stands before the first underscore."""

    name = "filename"
    title = "EveryDream's file names"
    other_names: ClassVar[tuple[str, ...]] = ("everydream-filename",)
    reads: ClassVar[frozenset[str]] = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".jfif"))
    forms: ClassVar[tuple[str, ...]] = ("sidecars", "filename")
    not_read = "_"

    def file_stem(self, wanted: Wanted, text: str) -> str:
        return f"{text or 'picture'}_{wanted.number}"

    def start(self, made: MadeSet) -> Sequence[str]:
        return [
            f"EveryDream reads the captions from the names in {made.path(self.picture_folder)}: what stands before the",
            "first underscore. A picture with an empty caption is called picture_N and trained with that word.",
        ]


class JoePenna(_FileNames):
    """`N@caption.ext`: words S and C stand for the token and the class there, so they are written small."""

    name = "joepenna"
    title = "JoePenna's Dreambooth"
    other_names: ClassVar[tuple[str, ...]] = ("mrwho", "captionizer")
    turns = False
    forms: ClassVar[tuple[str, ...]] = ("sidecars", "joepenna")
    heeds: ClassVar[tuple[str, ...]] = (*_FileNames.heeds, "trigger_word")
    not_read = "_@"

    def text(self, text: str) -> str:
        return " ".join(word.lower() if word in ("S", "C") else word for word in super().text(text).split())

    def file_stem(self, wanted: Wanted, text: str) -> str:
        return f"{wanted.number}@{text}"

    def start(self, made: MadeSet) -> Sequence[str]:
        token = made.settings.trigger_word.strip()
        return [
            f"The training images are {shell_word(made.path(self.picture_folder))}; each caption is in its picture's",
            "name, behind the @.",
            *([f"The token is {shell_word(token)}."] if token else []),
        ]
