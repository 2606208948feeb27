"""What stands around every caption of a set: the trigger word before it (prefix), and the suffix behind it. Pure text.

A frame is added once, however often a text passes here, and it is no caption by itself: around nothing stands nothing.
Knows no tag and no picture.
"""

from __future__ import annotations

from dataclasses import dataclass

from captioner.captions import joining
from captioner.captions.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Frame:
    """before, after: as they are written in the settings; blank ones add nothing."""

    before: str
    after: str
    separator: str

    @classmethod
    def of(cls, recipe: Recipe) -> Frame:
        """The frame of a set's captions."""
        return cls(recipe.prefix.lstrip(), recipe.suffix.rstrip(), recipe.separator)

    def missing(self, text: str) -> Frame:
        """What is still to be added to a text: nothing where it begins or ends so already, or is blank."""
        if not text.strip():
            return Frame("", "", self.separator)
        return Frame(
            "" if joining.begins_with(text, self.before, self.separator) else self.before,
            "" if joining.ends_with(text, self.after, self.separator) else self.after,
            self.separator,
        )

    def around(self, text: str) -> str:
        """The text with its frame; "" for a blank text, and a text that has its frame as it is."""
        if not text.strip():
            return ""
        missing = self.missing(text)
        framed = joining.put_before(missing.before, text, self.separator)
        return joining.put_after(framed, missing.after, self.separator)

    def within(self, text: str) -> str:
        """The text without the frame that an earlier run, or a person, put around it."""
        inner = joining.without_before(self.before, text, self.separator)
        return joining.without_after(inner, self.after, self.separator)
