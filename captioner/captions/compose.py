"""A sentence, kept tags and an existing caption become a caption's text by a recipe. Pure: no model, no file, no page.

The way of a caption, in this order:
1. Words of the sentence are replaced. Tags of the ignore list go; then tags are renamed; both match a whole tag as
   the model spells it or as it is shown ("long_hair" and "long hair" are one tag), whatever the case. What is of a kind
   that is left out goes from both.
2. Tags are spelt: underscores to spaces (kaomoji keep theirs), class name to subject name, brackets escaped.
3. Pieces are put in the order of `source_order`; a piece that is there already (in the sentence, in another tagger, in
   the prefix, suffix or existing caption, as a whole piece between separators) is merged with the first of its kind.
4. Implied tags go, then those beyond `max_tags`.
5. Existing caption and pieces are joined, and the frame (prefix, suffix) is put around them where there are any.
6. What is beyond `max_tokens` goes: tags from the end, then words of the sentence from its end.
Which tags a tagger keeps at all (thresholds, maxima, switches) is decided before, by the tagger's own `keep`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import attrgetter

from captioner.captions import joining
from captioner.captions.frame import Frame
from captioner.captions.leaving_out import kind_of_tag, without_kinds
from captioner.captions.recipe import SENTENCE, Recipe, kinds_of, source_ranks
from captioner.captions.tag_rules import (
    class_words,
    entries_of,
    ignored,
    ignoring,
    listed,
    one_line,
    piece_key,
    replacements,
    word_replacements,
)
from captioner.captions.tokens import count_tokens, cut_at
from captioner.errors import SettingsError
from captioner.records import Caption, Part, Sentence, Tag

KAOMOJI = frozenset(
    "0_0 (o)_(o) +_+ +_- ._. <o>_<o> <|>_<|> =_= >_< 3_3 6_9 >_o @_@ ^_^ o_o u_u x_x |_| ||_||".split()  # noqa: SIM905
)
"""The tags of WD14's vocabulary whose underscore is part of a face."""


def compose(
    sentence: Sentence | None,
    tags: Sequence[Tag],
    recipe: Recipe,
    *,
    existing: str = "",
    sentence_source: str = SENTENCE,
) -> Caption:
    """The caption of one picture.

    Args:
        tags: what each tagger's `keep` left, each tagger's in caption order.
        existing: the caption the picture brought along; blank text counts as none.
        sentence_source: what the sentence's part names as its source (the captioner's family).

    Returns: the text without line breaks (but a kept existing caption is untouched within its frame), and its parts in
        order. The source of a merged part names all of its sources, joined by "+": "clip+wd14".
    """
    frame = Frame.of(recipe)
    existing = existing if recipe.existing != "ignore" and existing.strip() else ""
    if existing and recipe.existing == "keep":
        return _framed(existing, (Part(existing, "existing"),), frame)
    own = ""
    if existing:
        own = frame.within(joining.in_one_line(existing, recipe.separator))  # an earlier run may have put it there
    pieces = _pieces(sentence, tags, recipe, own, sentence_source)
    if own:
        at = 0 if recipe.existing == "prepend" else len(pieces)
        pieces.insert(at, _Piece(own, piece_key(own), "existing"))
    if recipe.max_tokens:
        join = lambda kept: frame.around(_join(kept, recipe.separator))  # noqa: E731
        pieces = _within_tokens(pieces, join, recipe.max_tokens)
    parts = [Part(piece.text, piece.source, piece.score) for piece in pieces]
    return _framed(_join(pieces, recipe.separator), parts, frame)


def _framed(inner: str, parts: Sequence[Part], frame: Frame) -> Caption:
    if not inner.strip():
        return Caption(text="")
    added = frame.missing(inner)
    before = (Part(added.before.strip(), "prefix"),) if added.before.strip() else ()
    after = (Part(added.after.strip(), "suffix"),) if added.after.strip() else ()
    return Caption(text=added.put_around(inner), parts=(*before, *parts, *after), inner=inner)


def spell(name: str, recipe: Recipe) -> str:
    """A tag as captions write it: underscores, subject name and brackets by the recipe."""
    if recipe.underscores_to_spaces and name not in KAOMOJI:
        name = name.replace("_", " ")
    name = _as_subject(one_line(name), recipe)
    return _BRACKETS.sub(r"\\\g<0>", name) if recipe.escape_brackets else name


def written(name: str, recipe: Recipe) -> str | None:
    """A tag as captions write it, replacements made; None where the ignore list, a kind or a replacement leaves it
    out."""
    made = _rules(recipe).spelt[name]
    return made[0] if made else None


REWRITING = ("ignore", "replace", "replace_text", "leave_out", "class_name", "subject_name")
"""The fields of a recipe that `rewritten` does."""


def rewritten(text: str, recipe: Recipe) -> str:
    """A text that a person wrote, as the recipe's lists would have it: parts ignored and renamed, words replaced, kinds
    left out, the class called by its subject's name. The same text where they name nothing in it."""
    words = word_replacements(recipe.replace_text)
    parts = [part.strip() for part in text.split(",") if part.strip()]
    kept: list[str] = []
    for part in parts:
        matchable = piece_key(part)
        if ignored(recipe.ignore).matches(matchable):
            continue
        renamed = next((new for old in replacements(recipe.replace) if (new := old.of(matchable)) is not None), part)
        kept.append(words.of(renamed))
    new = _as_subject(_of_kept_kinds(", ".join(filter(None, kept)), recipe), recipe)
    return text if new == ", ".join(parts) else new


def pieces_in(caption: Caption, recipe: Recipe) -> frozenset[str]:
    """What a caption says piece by piece, wherever a piece comes from; each as `piece_key` gives it."""
    divider = recipe.separator.strip() or ","
    return frozenset(piece_key(piece) for part in caption.parts for piece in (part.text, *part.text.split(divider)))


def _of_kept_kinds(sentence: str, recipe: Recipe) -> str:
    """A sentence without the kinds that are left out."""
    kinds = kinds_of(recipe.leave_out)
    return without_kinds(sentence, kinds) if kinds else sentence


def is_ignored(name: str, recipe: Recipe) -> bool:
    """Whether the recipe's ignore list names this tag."""
    return ignored(recipe.ignore).matches(piece_key(name))


def ignored_by(name: str, recipe: Recipe) -> tuple[str, ...]:
    """The entries of the ignore list that leave this tag out, as they are written there."""
    if not is_ignored(name, recipe):
        return ()
    key = piece_key(name)
    return ignoring(recipe.ignore, key)


def with_ignored(recipe: Recipe, name: str) -> Recipe:
    """The same recipe with a tag on its ignore list.

    A comma in the tag's name would divide the entry, so a star stands for it.
    Raises: SettingsError: the list has no room, or nothing but stars would stand there, which is every tag.
    """
    entry = one_line(name if name in KAOMOJI else name.replace("_", " ")).replace(",", "*")
    if not entry.strip("* "):
        raise SettingsError(f"the tag {name!r} cannot be ignored by name; replace it with nothing instead.")
    if is_ignored(name, recipe):
        return recipe
    return recipe.replaced(ignore=listed([*entries_of(recipe.ignore), entry], recipe.ignore))


def without_ignored(recipe: Recipe, name: str) -> Recipe:
    """The same recipe without the entries of its ignore list that leave a tag out; one with a star frees others too."""
    gone = ignored_by(name, recipe)
    return recipe.replaced(
        ignore=listed([entry for entry in entries_of(recipe.ignore) if entry not in gone], recipe.ignore)
    )


@dataclass(slots=True)
class _Piece:
    """A part in the making. key: what makes it equal to another."""

    text: str
    key: str
    source: str
    score: float | None = None
    is_tag: bool = False


_BRACKETS = re.compile(r"[\\()\[\]]")
_NEGATIONS = ("no ", "without ")


def _pieces(
    sentence: Sentence | None, tags: Sequence[Tag], recipe: Recipe, existing: str, sentence_source: str
) -> list[_Piece]:
    """Sentence and tags in the recipe's order, ignored, replaced, merged and within max_tags."""
    rules = _rules(recipe)
    by_rank: dict[int, list[_Piece]] = {}
    if sentence is not None and sentence.text.strip():
        said = word_replacements(recipe.replace_text)
        text = _as_subject(_of_kept_kinds(said.of(one_line(sentence.text)), recipe), recipe)
        if text:
            by_rank[rules.ranks[SENTENCE]] = [_Piece(text, piece_key(text), sentence_source, sentence.score)]
    for source, own in groupby(tags, attrgetter("source")):
        rank = rules.ranks.get(source, len(rules.ranks))
        by_rank.setdefault(rank, []).extend(
            _Piece(*spelt, source, tag.score, True) for tag in own if (spelt := rules.spelt[tag.name]) is not None
        )
    in_order = [piece for rank in sorted(by_rank) for piece in by_rank[rank]]
    merged = _merged(in_order, rules, existing)
    if recipe.drop_implied:
        merged = _without_implied(merged)
    if recipe.max_tags:
        places = [place for place, piece in enumerate(merged) if piece.is_tag]
        merged = _without(merged, places[recipe.max_tags :])
    return merged


class _Spelt(dict[str, tuple[str, str] | None]):
    """By a tag's name, its text under a recipe and what makes it equal to another; None where it is left out.

    Remembered: a set's pictures share most of their tags.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self._recipe = recipe
        self._ignored = ignored(recipe.ignore)
        self._left_out = kinds_of(recipe.leave_out)
        self._replacements = replacements(recipe.replace)

    def __missing__(self, name: str) -> tuple[str, str] | None:
        if len(self) >= 200_000:  # more than any vocabulary; only a bound
            self.clear()
        self[name] = made = self._spell(name)
        return made

    def _spell(self, name: str) -> tuple[str, str] | None:
        matchable = piece_key(name)
        if self._ignored.matches(matchable) or (self._left_out and kind_of_tag(name) in self._left_out):
            return None
        name = next((new for old in self._replacements if (new := old.of(matchable)) is not None), name)
        text = spell(name, self._recipe)
        return (text, piece_key(text)) if text else None


class _Rules:
    """What of a recipe is the same for all captions. ranks: by source, its place. divider: what ends a piece. framing:
    the keys of the frame's pieces, and the empty one."""

    def __init__(self, recipe: Recipe) -> None:
        self.ranks = source_ranks(recipe.source_order)
        self.spelt = _Spelt(recipe)
        self.divider = recipe.separator.strip() or ","
        self.framing = _keys_of(self.divider, recipe.prefix, recipe.suffix, "")


@lru_cache(maxsize=16)
def _rules(recipe: Recipe) -> _Rules:
    return _Rules(recipe)


def _keys_of(divider: str, *texts: str) -> frozenset[str]:
    return frozenset(piece_key(part) for text in texts for part in text.split(divider))


def _merged(pieces: Sequence[_Piece], rules: _Rules, existing: str) -> list[_Piece]:
    """The same without repetitions; the first of equal ones stays and names the sources of all."""
    divider = rules.divider
    fixed = rules.framing | _keys_of(divider, existing) if existing else rules.framing
    already = f"{divider}{divider.join(_piece_keys(existing, divider))}{divider}" if existing else divider * 2
    sentence_keys = {
        piece_key(part): piece for piece in pieces if not piece.is_tag for part in piece.text.split(divider)
    }
    first: dict[str, _Piece] = dict(sentence_keys)
    kept: list[_Piece] = []
    for piece in pieces:
        if not piece.is_tag:
            own = divider.join(_piece_keys(piece.text, divider))
            if f"{divider}{own}{divider}" not in already:
                kept.append(piece)
            continue
        if piece.key in fixed:
            continue
        known = first.setdefault(piece.key, piece)
        if known is piece:
            kept.append(piece)
        elif piece.source not in known.source.split("+"):
            known.source += f"+{piece.source}"
    return kept


def _piece_keys(text: str, divider: str) -> list[str]:
    """The keys of a text's pieces; a sentence is the same with its full stop and without, since joining drops it."""
    return [piece_key(joining.without_stop(part)) for part in text.split(divider)]


def _without_implied(pieces: Sequence[_Piece]) -> list[_Piece]:
    """The same without tags that are the last words of a longer tag.

    Only the end counts, since English puts the noun there: "long hair" implies "hair", "cat ears" does not imply "cat".
    "no shoes" implies nothing.
    """
    implied: set[str] = set()
    for piece in pieces:
        if piece.is_tag and not piece.key.startswith(_NEGATIONS):
            implied.update(_endings(piece.key))
    return [piece for piece in pieces if not (piece.is_tag and piece.key in implied)]


@lru_cache(maxsize=50_000)
def _endings(key: str) -> tuple[str, ...]:
    """ "very long hair" -> "long hair", "hair"."""
    all_words = key.split(" ")
    return tuple(" ".join(all_words[start:]) for start in range(1, len(all_words)))


def _join(pieces: Sequence[_Piece], separator: str) -> str:
    return joining.join((piece.text for piece in pieces), separator).strip()


def _within_tokens(pieces: list[_Piece], join: Callable[[Sequence[_Piece]], str], limit: int) -> list[_Piece]:
    """As many pieces as fit into `limit` CLIP tokens: tags go from the end, then words of the sentence from its end,
    then words of the existing caption.

    Prefix and suffix stay whole: a trigger word is the last thing to lose.
    """
    tag_places = [place for place, piece in enumerate(pieces) if piece.is_tag]
    # Counts of pieces nearly add up ("^_^," is one token less than "^_^" and ","): they say where to begin to look.
    free = limit - count_tokens(join(_without(pieces, tag_places)))
    count = 0
    while count < len(tag_places) and (free := free - _piece_tokens(pieces[tag_places[count]].text)) >= 0:
        count += 1
    while count < len(tag_places) and count_tokens(join(_without(pieces, tag_places[count + 1 :]))) <= limit:
        count += 1
    while count and count_tokens(join(_without(pieces, tag_places[count:]))) > limit:
        count -= 1
    kept = _without(pieces, tag_places[count:])
    for piece in sorted(kept, key=lambda piece: piece.source == "existing"):
        over = count_tokens(join(kept)) - limit
        if over <= 0:
            break
        if not piece.is_tag:
            room = max(0, count_tokens(piece.text) - over)
            text = piece.text[: cut_at(piece.text, room)]
            if piece.text[len(text) : len(text) + 1].strip():  # in the middle of a word
                text = text.rpartition(" ")[0]
            piece.text = text.rstrip(" ,;:-")
    return [piece for piece in kept if piece.text]


@lru_cache(maxsize=50_000)
def _piece_tokens(text: str) -> int:
    """Tokens of a piece and a comma."""
    return count_tokens(text) + 1


def _without(pieces: Sequence[_Piece], places: Sequence[int]) -> list[_Piece]:
    gone = set(places)
    return [piece for place, piece in enumerate(pieces) if place not in gone]


def _as_subject(text: str, recipe: Recipe) -> str:
    subject = recipe.subject_name.strip()
    pattern = _class_pattern(recipe.class_name.strip(), subject)
    return pattern.sub(lambda _: subject, text) if pattern is not None and subject else text


@lru_cache(maxsize=64)
def _class_pattern(class_name: str, subject_name: str) -> re.Pattern[str] | None:
    if not class_name:
        return None
    return re.compile(class_words(class_name, subject_name), re.IGNORECASE)
