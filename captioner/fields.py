"""A settings field: its name, range, default and help, declared once for slider, flag and API.

A field is made by `whole`, `real`, `switch`, `choice`, `several`, `words` and `kept_file`. Knows no settings class.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from captioner.errors import SettingsError
from captioner.limits import MAX_CAPTION_LENGTH, check_text, is_finite, value_shown

Condition = tuple[str, tuple[str, ...]]
"""Another field and those of its values beside which a field has an effect."""

Meanings = tuple[tuple[str, str], ...]
"""Words that a text may have, each with what it means."""


class Effect(Enum):
    """What changing a field costs: RUN asks the model again, COMPOSE only makes the text again from stored layers.

    CONDUCT is how a run goes about it (a time limit, how often it tries again): what was made stays as it is.
    """

    RUN = "run"
    COMPOSE = "compose"
    CONDUCT = "conduct"


@dataclass(frozen=True, kw_only=True)
class Field:
    """What a settings field declares: enough to draw a slider, parse a flag and name an error.

    kind: int, float, bool or str. minimum, maximum: both ends included; None for bool and str. step: of the slider,
    not a constraint on values. options: the words a choice may take. label: None means made from the name.
    off_value: the value that switches the thing off, named in the help (top_k 0), or None.
    only_when: (other field, its values): the field has an effect only beside these, so the page hides it otherwise.
    only_with: (a text field, a word): it has an effect only where that text has the word.
    lines: how high a text's box is at least. insertable: words that mean something in a text, offered beside its box.
    picks: words of which any number may be named, separated by commas; empty where the text is free.
    help: what stands between backticks is shown as code; at most one star, since pages read two as emphasis.
    keeper: for a `kept_file`, the module that keeps such files.
    """

    name: str = ""
    kind: type = float
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    unit: str = ""
    options: tuple[str, ...] = ()
    max_length: int = MAX_CAPTION_LENGTH
    help: str = ""
    label: str = ""
    effect: Effect = Effect.RUN
    only_when: Condition | None = None
    only_with: tuple[str, str] | None = None
    lines: int = 1
    insertable: Meanings = ()
    picks: Meanings = ()
    keeper: str = ""

    def load_keeper(self) -> Any:
        """The module that keeps a `kept_file`'s files."""
        return importlib.import_module(self.keeper)

    @property
    def flag(self) -> str:
        """The command line's spelling: general_threshold -> --general-threshold."""
        return "--" + self.name.replace("_", "-")

    @property
    def title(self) -> str:
        """What the page shows beside the control: its label, or its name in words."""
        return self.label or self.name.replace("_", " ").capitalize()

    @property
    def range_text(self) -> str:
        """What values are allowed, in words, for errors and help."""
        if self.options:
            return "one of " + ", ".join(self.options)
        if self.picks:
            return "any of " + ", ".join(word for word, _ in self.picks)
        if self.kind is bool:
            return "true or false"
        if self.kind is str:
            return f"text of at most {self.max_length} characters"
        number = "a whole number" if self.kind is int else "a number"
        return f"{number} between {self.minimum:g} and {self.maximum:g}" + (f" {self.unit}" if self.unit else "")

    def is_idle(self, values: Mapping[str, Any]) -> bool:
        """Whether the field changes nothing beside these values, by its `only_when` and `only_with`.

        Args: values: by field name.
        """
        if self.only_with is not None:
            text, word = self.only_with
            if text in values and word not in str(values[text]):
                return True
        if self.only_when is None:
            return False
        other, needed = self.only_when
        return other in values and values[other] not in needed

    @property
    def needed_text(self) -> str:
        """What `only_when` and `only_with` ask for, in words: "chain or best"; "" for nothing."""
        if self.only_with:
            return f"a {self.only_with[0]} with {self.only_with[1]}"
        return " or ".join(self.only_when[1]) if self.only_when else ""

    @property
    def plain_help(self) -> str:
        """The help where nobody reads Markdown."""
        return self.help.replace("`", "")

    def json_schema(self) -> dict[str, Any]:
        """The field as JSON Schema describes a value (draft 2020-12), with its default and its help."""
        kinds: dict[type, str] = {int: "integer", float: "number", bool: "boolean", str: "string"}
        schema: dict[str, Any] = {"type": kinds[self.kind], "title": self.title, "description": self.plain_help}
        if self.options:
            schema["enum"] = list(self.options)
        elif self.kind is str:
            schema["maxLength"] = self.max_length
        if self.minimum is not None and self.maximum is not None:
            schema |= {"minimum": self.minimum, "maximum": self.maximum}
        return schema | ({} if self.default is None else {"default": self.default})

    def check(self, value: Any) -> Any:
        """The value in the field's own type.

        Raises: SettingsError: wrong type, half a character, NaN, infinite or out of range; names field, value, range.
        """
        if self.kind is bool:
            if not isinstance(value, bool):
                raise self._refuse(value)
            return value
        if self.kind is str:
            if (
                not isinstance(value, str)
                or len(value) > self.max_length
                or (self.options and value not in self.options)
            ):
                raise self._refuse(value)
            text = check_text(value, self.name, max_length=self.max_length)
            return self._picked(text) if self.picks else text
        if not is_finite(value):
            raise self._refuse(value)
        if self.kind is int and value != int(value):
            raise self._refuse(value)
        assert self.minimum is not None and self.maximum is not None
        if not self.minimum <= value <= self.maximum:
            raise self._refuse(value)
        return self.kind(value)

    def _picked(self, text: str) -> str:
        """The named words in the order in which they are offered, each once. Raises: SettingsError: an unknown one."""
        named = {word.strip().lower() for word in text.split(",")} - {""}
        known = [word for word, _ in self.picks]
        unknown = sorted(named - set(known))
        if unknown:
            raise SettingsError(f"{self.name} names {value_shown(unknown[0])}; it takes {self.range_text}.")
        return ", ".join(word for word in known if word in named)

    def parse(self, text: str) -> Any:
        """The checked value of a command-line word ("0.35", "true", "beam").

        Raises: SettingsError: as `check`.
        """
        if self.kind is str:
            return self.check(text)
        if self.kind is bool:
            word = text.strip().lower()
            if word not in ("true", "false", "yes", "no", "on", "off", "1", "0"):
                raise self._refuse(text)
            return word in ("true", "yes", "on", "1")
        try:
            number = int(text) if self.kind is int else float(text)
        except ValueError:
            raise self._refuse(text) from None
        return self.check(number)

    def _refuse(self, value: Any) -> SettingsError:
        return SettingsError(f"{self.name} is {value_shown(value)}; it must be {self.range_text}.")


def _declare(default: Any, declared: Field) -> Any:
    return dataclasses.field(default=default, metadata={"declared": declared})


def whole(
    default: int,
    minimum: int,
    maximum: int,
    help: str,
    *,
    step: int = 1,
    unit: str = "",
    label: str = "",
    effect: Effect = Effect.RUN,
    only_when: Condition | None = None,
    only_with: tuple[str, str] | None = None,
) -> Any:
    """A whole number from minimum to maximum, both included."""
    return _declare(
        default,
        Field(
            kind=int,
            minimum=minimum,
            maximum=maximum,
            step=step,
            unit=unit,
            help=help,
            label=label,
            effect=effect,
            only_when=only_when,
            only_with=only_with,
        ),
    )


def real(
    default: float,
    minimum: float,
    maximum: float,
    help: str,
    *,
    step: float = 0.01,
    unit: str = "",
    label: str = "",
    effect: Effect = Effect.RUN,
    only_when: Condition | None = None,
) -> Any:
    """A finite number from minimum to maximum, both included."""
    return _declare(
        default,
        Field(
            kind=float,
            minimum=minimum,
            maximum=maximum,
            step=step,
            unit=unit,
            help=help,
            label=label,
            effect=effect,
            only_when=only_when,
        ),
    )


def switch(
    default: bool,
    help: str,
    *,
    label: str = "",
    effect: Effect = Effect.RUN,
    only_when: Condition | None = None,
) -> Any:
    """On or off."""
    return _declare(default, Field(kind=bool, help=help, label=label, effect=effect, only_when=only_when))


def choice(
    default: str,
    options: Sequence[str],
    help: str,
    *,
    label: str = "",
    effect: Effect = Effect.RUN,
    only_when: Condition | None = None,
) -> Any:
    """One of a few words."""
    declared = Field(kind=str, options=tuple(options), help=help, label=label, effect=effect, only_when=only_when)
    return _declare(default, declared)


def several(picks: Meanings, help: str, *, label: str = "", effect: Effect = Effect.RUN) -> Any:
    """Any number of words, named with commas between; none at first."""
    return _declare("", Field(kind=str, picks=tuple(picks), help=help, label=label, effect=effect))


def words(
    default: str,
    help: str,
    *,
    max_length: int = MAX_CAPTION_LENGTH,
    label: str = "",
    effect: Effect = Effect.RUN,
    lines: int = 1,
    insertable: Meanings = (),
) -> Any:
    """Free text. Args: lines, insertable: see `Field`."""
    declared = Field(
        kind=str, max_length=max_length, help=help, label=label, effect=effect, lines=lines, insertable=insertable
    )
    return _declare(default, declared)


def kept_file(
    help: str, *, keeper: str, label: str = "", effect: Effect = Effect.RUN, only_when: Condition | None = None
) -> Any:
    """A file of the person's own, by the name it is kept under; "" for none.

    Args: keeper: the module that keeps it. Its `add_own(file name, bytes)` and `add_own_file(path)` give the name, its
        `own(name)` raises where there is none, its `own_text(name)` is what a list shows, None where there is none. A
        name means the same content for ever. MAXIMUM_BYTES limits a file. `delete_own`, `own_goes_at`, `restore_own`,
        `delete_own_for_good` and `empty_own_bin` are its bin, `take_over_own` copies what a workspace uses from
        the command line's, as those of `taggers.vocabularies`.
    """
    declared = Field(kind=str, max_length=60, help=help, label=label, effect=effect, only_when=only_when, keeper=keeper)
    return _declare("", declared)
