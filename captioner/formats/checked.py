"""What there is to check of a set, as records: its pictures, and what they are checked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from captioner.formats.names import split_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A picture with its caption, as it lies there.

    path: as it is shown. name: of the file. text: the caption, None where no file is. tokens: of the caption,
    see `TokenCounter`.
    has_mark: the caption file begins with UTF-8's byte order mark. caption_suffix: of that file. caption_error,
    picture_error: why it cannot be read. notes: what opening the picture said, as `OpenedPicture.notes`.
    glitch: what is wrong with the caption as such, see `captioner.glitches`; "" where nothing is.
    """

    path: str
    name: str
    text: str | None = None
    tokens: int = 0
    has_mark: bool = False
    caption_suffix: str = ""
    caption_error: str = ""
    picture_error: str = ""
    notes: tuple[str, ...] = ()
    glitch: str = ""

    @property
    def suffix(self) -> str:
        """The name's suffix in lower case."""
        return split_name(self.name)[1].lower()

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return split_name(self.name)[0]

    @property
    def words(self) -> str:
        """The caption, "" for none."""
        return self.text or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a set is checked for. folder: where it lies, or will lie. is_exact: see `TokenCounter`."""

    trainer: str
    base_model: str
    trigger_word: str = ""
    folder: str = ""
    is_exact: bool = True


@dataclass(frozen=True, slots=True)
class TokenCounter:
    """What counts a caption's tokens, without those that a text encoder adds itself.

    is_exact: as the encoder of the model that is trained; otherwise as CLIP, which is about right. trouble: why the
    encoder's own tokenizer is here and cannot be used, in a sentence.
    """

    count: Callable[[str], int]
    is_exact: bool = True
    trouble: str = ""
