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
        if not (self.before or self.after):
            return self
        is_blank = not text.strip()
        before, after, separator = self.before, self.after, self.separator
        if is_blank or (before and joining.begins_with(text, before, separator)):
            before = ""
        if is_blank or (after and joining.ends_with(text, after, separator)):
            after = ""
        return self if (before, after) == (self.before, self.after) else Frame(before, after, separator)

    def around(self, text: str) -> str:
        """The text with its frame; "" for a blank text, and a text that has its frame as it is."""
        if not (self.before or self.after):
            return text if text.strip() else ""
        return self.missing(text).put_around(text)

    def put_around(self, text: str) -> str:
        """As `around`, whatever stands there already."""
        if not text.strip():
            return ""
        return joining.put_after(joining.put_before(self.before, text, self.separator), self.after, self.separator)

    def within(self, text: str) -> str:
        """The text without the frame that an earlier run, or a person, put around it."""
        inner = joining.without_before(self.before, text, self.separator)
        return joining.without_after(inner, self.after, self.separator)
