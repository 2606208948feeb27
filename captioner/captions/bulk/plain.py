"""Changes that write a caption as trainers read it best: in one line, with plain quotes and brackets, and without the
tokens that end a prompt.
"""

from __future__ import annotations

import re

from captioner.captions.bulk.operation import Material, Operation, one_by_one
from captioner.settings import words

_GROUP = "As trainers read it"
_QUOTES = str.maketrans(
    {**dict.fromkeys("\u2018\u2019\u201a\u201b", "'"), **dict.fromkeys("\u201c\u201d\u201e\u201f", '"')}
)
_ESCAPED = re.compile(r"\\+([()])")
_SPECIAL = re.compile(r"\s*(?:<\|(?:endoftext|startoftext|im_start|im_end)\|>|</s>)")


class JoinLines(Operation):
    """Lines made one, since many trainers read the first only, or any of them."""

    key = "lines"
    title = "Join lines"
    group = _GROUP
    verb = "Join"

    between: str = words(" ", "What stands between two lines then.", max_length=20)

    def change(self, material: Material) -> list[str]:
        return one_by_one(material.captions, self._joined)

    def _joined(self, text: str) -> str:
        lines = [line.strip() for line in text.split("\n") if line.strip()]
        return self.between.join(lines) if "\n" in text else text


class StraightenQuotes(Operation):
    """Curly quotes made straight, which cost one token and not three."""

    key = "quotes"
    title = "Straighten quotes"
    group = _GROUP
    verb = "Straighten"

    def change(self, material: Material) -> list[str]:
        return one_by_one(material.captions, lambda text: text.translate(_QUOTES))


class DropEscapes(Operation):
    """Backslashes before brackets taken away: where no option reads them, they are trained too."""

    key = "escapes"
    title = "Drop escapes before brackets"
    group = _GROUP
    verb = "Drop"

    def change(self, material: Material) -> list[str]:
        return one_by_one(material.captions, lambda text: _ESCAPED.sub(r"\1", text))


class DropSpecials(Operation):
    """Special tokens taken away, behind which a prompt is not read."""

    key = "specials"
    title = "Remove tokens that end a prompt"
    group = _GROUP
    verb = "Remove"

    def change(self, material: Material) -> list[str]:
        return one_by_one(material.captions, _without_specials)


def _without_specials(text: str) -> str:
    while (shorter := _SPECIAL.sub("", text)) != text:  # what is left may make another one
        text = shorter.lstrip()
    return text
