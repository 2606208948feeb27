"""How layers become text, as settings: order, separators, lists, limits. What they do is in `compose`."""

from __future__ import annotations

from functools import lru_cache

from captioner.captions.phrase_kinds import KINDS
from captioner.captions.tag_rules import entries_of, replacements, word_replacements
from captioner.errors import SettingsError
from captioner.models import registry
from captioner.settings import Effect, Settings, choice, switch, whole, words

SENTENCE = "sentence"
"""The captioner's place in `Recipe.source_order`, whatever its family."""


_COMPOSE = Effect.COMPOSE


class Recipe(Settings):
    """How layers become text. Changing any of it makes captions again from stored layers and never runs a model."""

    first_fields = (
        *("prefix", "suffix", "class_name", "subject_name", "ignore", "replace", "replace_text"),
        *("existing", "max_tags", "max_tokens"),
    )

    source_order: str = words(
        ", ".join((SENTENCE, *registry.tag_families())),
        f"Which source comes first: {', '.join((SENTENCE, *registry.tag_families()))}. "
        "Those left out come last, in this order.",
        max_length=200,
        effect=_COMPOSE,
    )
    separator: str = words(", ", "What stands between the pieces.", max_length=20, effect=_COMPOSE)
    prefix: str = words(
        "",
        "Put before every caption. When it ends with a space, no separator follows.",
        label="Trigger word (prefix)",
        max_length=500,
        effect=_COMPOSE,
    )
    suffix: str = words(
        "",
        "Put after every caption. When it begins with a space, a comma or a full stop, no separator precedes.",
        max_length=500,
        effect=_COMPOSE,
    )
    underscores_to_spaces: bool = switch(
        True, "Write tags with spaces: `long_hair` becomes long hair; faces like `^_^` stay.", effect=_COMPOSE
    )
    escape_brackets: bool = switch(
        False, "Write brackets in tags as `\\(` and `\\)`, for interfaces that read them as weights.", effect=_COMPOSE
    )
    ignore: str = words(
        "",
        "Tags to leave out, separated by commas or lines; a star stands for anything: `*_background`. Sentences stay.",
        label="Ignored tags",
        effect=_COMPOSE,
    )
    replace: str = words(
        "",
        "Tags to rename, separated by commas or lines: `1girl -> a girl`. A star stands for anything, on both sides. "
        "Sentences stay.",
        label="Replaced tags",
        effect=_COMPOSE,
    )
    replace_text: str = words(
        "",
        "Words to change in the sentence, separated by commas or lines: `cat -> sks cat, a picture of ->`. Tags stay.",
        label="Replaced words of the sentence",
        effect=_COMPOSE,
    )
    leave_out: str = words(
        "",
        f"Kinds of things that captions leave out, in sentences and tags: {', '.join(KINDS)}. "
        "What captions describe stays what a prompt can change; what they leave out is learned with the trigger word.",
        label="Kinds left out",
        max_length=200,
        effect=_COMPOSE,
    )
    drop_implied: bool = switch(
        False, "Leave out a tag that a longer one ends with: hair beside long hair.", effect=_COMPOSE
    )
    max_tags: int = whole(0, 0, 500, "At most so many tags of all taggers together; 0 is no limit.", effect=_COMPOSE)
    max_tokens: int = whole(
        0,
        0,
        300,
        "At most so many CLIP tokens, tags going first; 75 is what CLIP reads at once, 0 is no limit.",
        step=5,
        effect=_COMPOSE,
    )
    class_name: str = words("", "What the models call your subject: dog.", max_length=200, effect=_COMPOSE)
    subject_name: str = words(
        "",
        'What captions shall call it instead: sks dog. "A dog" and "dog" both become it.',
        max_length=200,
        effect=_COMPOSE,
    )
    existing: str = choice(
        "keep",
        ("ignore", "keep", "prepend", "append"),
        "A caption that a picture brings along: left aside, kept as it is, or put before or after the new one.",
        label="Existing captions",
        effect=_COMPOSE,
    )

    def check_together(self) -> None:
        """Raises: SettingsError: an unknown source or kind, a replacement that cannot be read, a line break in a
        caption."""
        for name in ("separator", "prefix", "suffix", "subject_name"):
            if len(getattr(self, name).splitlines()) > 1 or getattr(self, name).endswith(("\n", "\r")):
                raise SettingsError(f"{name} has a line break; trainers read only the first line of a caption.")
        source_ranks(self.source_order)
        kinds_of(self.leave_out)
        replacements(self.replace)
        word_replacements(self.replace_text)
        if self.subject_name.strip() and not self.class_name.strip():
            raise SettingsError(
                f"subject_name is {self.subject_name!r} and class_name is empty; "
                "class_name must say which word it replaces."
            )


def trigger_of(recipe: Recipe) -> str:
    """The trigger word that stands before captions, without what joins it to them."""
    return recipe.prefix.strip().rstrip(",;:").rstrip()


@lru_cache(maxsize=64)
def kinds_of(leave_out: str) -> frozenset[str]:
    """The kinds that a list names. Raises: SettingsError: one that nobody knows."""
    named = entries_of(leave_out.casefold())
    for word in named:
        if word not in KINDS:
            raise SettingsError(f"leave_out names {word!r}; the kinds are {', '.join(KINDS)}.")
    return frozenset(named)


@lru_cache(maxsize=64)
def source_ranks(order: str) -> dict[str, int]:
    """Each source's place, those not named last in registry order.

    Raises: SettingsError: a source nobody knows.
    """
    known = (SENTENCE, *registry.tag_families())
    named = [word.strip() for word in order.split(",") if word.strip()]
    for word in named:
        if word not in known:
            raise SettingsError(f"source_order names {word!r}; the sources are {', '.join(known)}.")
    return {source: rank for rank, source in enumerate(dict.fromkeys((*named, *known)))}
