"""A caption and a picture -> what BLIP makes of it, word by word: how likely each is, and what it would rather say.

All captions of a picture are read together. At each word that claims something BLIP's own likeliest other words are its
rivals, but for those that it would say right behind the word ("red" for "large" in "a large cat" adds something and
denies nothing); those that come near are tried in the sentence, over the next few tokens. Knows no CLIP and no
settings: whoever asks hands it the decoder run on the picture and on the set's average one, as `forced.Forced`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from captioner.captions.words import (
    ARTICLES,
    FUNCTION_WORDS,
    Span,
    article_for,
    bare,
    can_be_false,
    in_place_of,
    is_article,
    spans,
)
from captioner.errors import ModelFailed
from captioner.models.blip.forced import Forced, Row, TokenTree, trees
from captioner.plural import plural
from captioner.readings import CaptionReading, ReadWord, Rival

PROMPT = "a picture of "

# Measured on drawn scenes: the last two rivals bring 0.01 of the area under the curve; trials over four tokens tell as
# much as over the whole sentence, at a tenth of its cost.
RIVALS = 5
ADDED_FROM = 0.05  # the probability from which on a word is one to go on with, and no rival
TRIED_FROM = -5.0  # nats: a rival this far behind by itself is not tried in the sentence
WINDOW = 4  # tokens behind the changed word that a trial counts
LEAST_PROBABILITY = 1e-3  # below this, likely or unlikely, a word says nothing: it may just be one that BLIP never uses

_CANDIDATES = 4 * RIVALS  # many of them are pieces of words, function words, or the word itself


_WORDS = 10_000  # whose tokens are remembered

_PICTURE, _BACKGROUND = 0, 1  # their numbers for `forced.Row`


@dataclass(frozen=True, slots=True)
class _Row:
    """A caption as tokens.

    ids: the caption's, and the end token where all of it is there. tokens_of: for each word its tokens' places in ids;
    none behind what the model can take. core_of: the same without punctuation around the word; none for a word that
    the model does not know. after_article: the content words behind an article, by place.
    """

    text: str
    words: list[Span]
    ids: list[int]
    tokens_of: list[range]
    core_of: list[range]
    after_article: list[int]


@dataclass(slots=True)
class _Draft:
    """A rival before it is tried. first: the first place in ids that changes. until: behind the last that counts.

    gain: by itself; it becomes that of the trial.
    """

    place: int
    word: str
    text: str
    first: int
    until: int
    ids: list[int]
    gain: float


@dataclass(slots=True)
class _Read:
    """A row with what the picture says of it.

    own: log-probabilities of its tokens, (ids,). blank: the background's. chances: as `Reader._chances` gives them of
    its tokens, (ids, 2), and ahead: of each draft's first changed token, (drafts, 2).
    """

    row: _Row
    own: torch.Tensor
    blank: torch.Tensor | None
    overruns: list[float]
    drafts: list[_Draft]
    chances: torch.Tensor
    ahead: torch.Tensor


class Reader:
    """Reads captions with a BLIP's words; one for each model."""

    def __init__(self, tokenizer: Any, config: Any, prompt_ids: Sequence[int]) -> None:
        """Args: config: the text decoder's. prompt_ids: of `PROMPT`, with the start token."""
        self._tokenizer = tokenizer
        self._prompt = list(prompt_ids)
        self._end = int(config.sep_token_id)
        self._unknown = tokenizer.unk_token_id
        self._longest = int(config.max_position_embeddings)
        found = [tokenizer.convert_tokens_to_ids(article) for article in ARTICLES]
        self._articles: list[int] = [] if self._unknown in found else found
        self._ids: dict[str, list[int]] = {}

    def read(self, captions: Sequence[str], run: Forced, *, has_background: bool) -> list[CaptionReading]:
        """What BLIP makes of captions of one picture, in order.

        Args: run: the decoder on the picture, and where `has_background` on the set's average picture as its second.
        Raises: ModelFailed: the model's scores are not numbers.
        """
        # In the order of the alphabet those that begin alike come into one tree.
        order = sorted(dict.fromkeys(captions))
        readings: dict[str, CaptionReading] = {}
        for tree, read in self._read_rows([self._row(caption) for caption in order], run, has_background):
            self._try_rivals(read, tree, run)
            readings |= {one.row.text: self._reading(one) for one in read}
        if len(self._ids) > _WORDS:
            self._ids.clear()
        return [readings[caption] for caption in captions]

    def _row(self, caption: str) -> _Row:
        words = spans(caption)
        ids: list[int] = []
        tokens_of: list[range] = []
        core_of: list[range] = []
        for word in words:
            own = self._tokens(word.text)
            if len(self._prompt) + len(ids) + len(own) > self._longest:
                break
            place = range(len(ids), len(ids) + len(own))
            pieces = self._tokenizer.convert_ids_to_tokens(own)
            said = [number for number, piece in zip(place, pieces, strict=True) if any(map(str.isalnum, piece))]
            is_known = bool(said) and self._unknown not in own
            tokens_of.append(place)
            core_of.append(range(said[0], said[-1] + 1) if is_known else range(0))
            ids += own
        is_whole = len(tokens_of) == len(words)
        missing = [range(0)] * (len(words) - len(tokens_of))
        return _Row(
            caption,
            words,
            [*ids, self._end] if is_whole else ids,
            [*tokens_of, *missing],
            [*core_of, *missing],
            [
                place
                for place in range(1, len(tokens_of))
                if core_of[place]
                and core_of[place].start == tokens_of[place].start  # no quotation mark between them
                and is_article(words[place - 1].text)
                and ids[tokens_of[place - 1].start] in self._articles
                and can_be_false(words[place].text)
            ],
        )

    def _tokens(self, word: str) -> list[int]:
        """A word's tokens, also of a word that is spelt like one of the tokenizer's own marks ("[SEP]")."""
        if word not in self._ids:
            self._ids[word] = self._tokenizer(word, add_special_tokens=False, split_special_tokens=True).input_ids
        return self._ids[word]

    # The captions as they are

    def _read_rows(
        self, rows: Sequence[_Row], run: Forced, has_background: bool
    ) -> Iterator[tuple[TokenTree, list[_Read]]]:
        """Each row's log-probabilities, where BLIP would have ended, and the rivals it has in mind; with their tree."""
        groups = [
            [
                self._prompted(row.ids),
                *(self._prompted(self._with_other_article(row, place)) for place in row.after_article),
                *([self._prompted(row.ids, _BACKGROUND)] if has_background else []),
            ]
            for row in rows
        ]
        left = iter(rows)
        for tree, scores, paths in self._passes(groups, run):
            read = []
            for (path, *others), row in zip(paths, left, strict=False):
                nodes = self._predicting(path)[: len(row.ids)]
                chances = self._chances(scores, nodes, row.ids)
                own = self._of_tokens(chances, row.ids)
                blank = None
                if has_background:
                    blank = self._of_tokens(self._chances(scores, self._predicting(others[-1]), row.ids), row.ids)
                overruns = (scores[nodes, self._end] - scores[nodes, row.ids]).tolist() if nodes else []
                behind = {place: other[-1] for place, other in zip(row.after_article, others, strict=False)}
                drafts = self._drafts(row, own, scores, nodes, behind)
                first = [draft.first for draft in drafts]
                new = [draft.ids[draft.first] for draft in drafts]
                ahead = self._chances(scores, [nodes[place] for place in first], new)
                read.append(_Read(row, own, blank, overruns, drafts, chances, ahead))
            yield tree, read

    def _prompted(self, ids: Sequence[int], picture: int = _PICTURE) -> Row:
        """Behind the prompt. The last token is only predicted, so there is no node for it."""
        return Row([*self._prompt, *ids[:-1]], picture)

    def _predicting(self, path: Sequence[int]) -> Sequence[int]:
        """Of a row's nodes those that predict its tokens."""
        return path[len(self._prompt) - 1 :]

    def _with_other_article(self, row: _Row, place: int) -> list[int]:
        """The caption up to the article before a word, which is "an" for "a" or the other way round.

        With one more token behind it, which is only to be predicted.
        """
        article = row.tokens_of[place - 1].start
        other = self._articles[1 - self._articles.index(row.ids[article])]
        return [*row.ids[:article], other, self._end]

    def _drafts(
        self, row: _Row, own: torch.Tensor, scores: torch.Tensor, nodes: Sequence[int], behind: dict[int, int]
    ) -> list[_Draft]:
        """BLIP's likeliest other words at each content word's place.

        Args: nodes: for each of the row's tokens the node that predicts it. behind: place -> the node behind the other
            article, since a rival may want that one.
        """
        places = [place for place, core in enumerate(row.core_of) if core and can_be_false(row.words[place].text)]
        if not places:
            return []
        chances = scores[[nodes[row.core_of[place].start] for place in places]]  # (places, vocabulary)
        for number, place in enumerate(places):
            if place in behind:
                article = row.tokens_of[place - 1].start
                mine, other = self._article_chances(scores[nodes[article]], row.ids[article])
                chances[number] = torch.logaddexp(chances[number] + mine, scores[behind[place]] + other)
        top = chances.topk(min(_CANDIDATES, chances.shape[1]))
        drafts = []
        for place, tokens, values in zip(places, top.indices.tolist(), top.values.tolist(), strict=True):
            word = bare(row.words[place].text)
            core = row.core_of[place]
            going_on = (
                scores[nodes[core.stop], tokens].tolist() if core.stop < len(nodes) else [-math.inf] * len(tokens)
            )
            said = float(own[core.start : core.stop].sum())
            names = self._tokenizer.convert_ids_to_tokens(tokens)
            fitting = [
                (name, value - said)
                for name, value, added in zip(names, values, going_on, strict=True)
                if name and name.isalpha() and name != word and name not in FUNCTION_WORDS
                if added < math.log(ADDED_FROM)
            ]
            drafts += [self._draft(row, place, name, alone) for name, alone in fitting[:RIVALS]]
        return drafts

    def _article_chances(self, scores: torch.Tensor, article: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the article that is there and of the other one, as logarithms, if it is one of both."""
        chances = scores[self._articles].log_softmax(0)
        mine = self._articles.index(article)
        return chances[mine], chances[1 - mine]

    def _draft(self, row: _Row, place: int, name: str, alone: float) -> _Draft:
        """The caption with another word, and with its article as that word wants it."""
        changes = {place: in_place_of(row.words[place].text, name)}
        if place in row.after_article:
            changes = {place - 1: article_for(row.words[place - 1].text, name), **changes}
        first, behind = row.tokens_of[min(changes)].start, row.tokens_of[place].stop
        new = [token for word in changes.values() for token in self._tokens(word)]
        text = row.text
        for at, word in reversed(changes.items()):
            text = text[: row.words[at].start] + word + text[row.words[at].end :]
        ids = [*row.ids[:first], *new, *row.ids[behind : behind + WINDOW]]
        return _Draft(place, name, text, first, behind + WINDOW, ids, alone)

    # The rivals in the sentence

    def _try_rivals(self, read: Sequence[_Read], tree: TokenTree, run: Forced) -> None:
        """Args: tree: the one of the unchanged captions, whose beginnings are not run again."""
        tried = [
            (one, draft, one.ahead[number : number + 1])
            for one in read
            for number, draft in enumerate(one.drafts)
            if draft.gain > TRIED_FROM
        ]
        rows = [[Row([*self._prompt, *draft.ids[:-1]], known=len(self._prompt) + draft.first)] for _, draft, _ in tried]
        left = iter(tried)
        for _, scores, paths in self._passes(rows, run, tree):
            for (path,), (one, draft, ahead) in zip(paths, left, strict=False):
                behind = self._chances(scores, path, draft.ids[draft.first + 1 :])
                said = self._of_tokens(torch.cat([one.chances[: draft.first], ahead, behind]), draft.ids)
                draft.gain = float(said[draft.first :].sum() - one.own[draft.first : draft.until].sum())

    def _passes(
        self, groups: Sequence[Sequence[Row]], run: Forced, root: TokenTree | None = None
    ) -> Iterator[tuple[TokenTree, torch.Tensor, list[list[list[int]]]]]:
        """Trees of the groups in order, with their scores, and for each group of a tree the nodes of each row.

        Raises: ModelFailed: the scores are not numbers.
        """
        for tree, part in trees(groups, root):
            scores = run(tree) if tree.tokens else torch.empty(0, 0)  # nothing behind what the root knows
            if bool(scores.sum().isnan()):
                raise ModelFailed(
                    "the model's scores for this picture are not numbers (NaN) when it reads captions; its weights may "
                    "be damaged or overflow in fp16: try --device cpu or another model."
                )
            paths = iter(tree.paths)
            yield tree, scores, [[next(paths) for _ in group] for group in part]

    def _chances(self, scores: torch.Tensor, nodes: Sequence[int], ids: Sequence[int]) -> torch.Tensor:
        """The log-probabilities of tokens, and of either article in each one's place, (ids, 2) on the CPU.

        Args: nodes: for each token the node that predicts it.
        """
        if not ids:
            return torch.empty(0, 2)
        of = torch.tensor(nodes[: len(ids)], device=scores.device)
        either = torch.stack([scores[of, article] for article in self._articles or ids[:1]], 1).logsumexp(1)
        return torch.stack([scores[of, torch.tensor(ids, device=scores.device)], either], 1).cpu()

    def _of_tokens(self, chances: torch.Tensor, ids: Sequence[int]) -> torch.Tensor:
        """The log-probabilities of tokens, (ids,); which of a and an it is, the word behind it decides.

        Args: chances: as `_chances` gives them.
        """
        found = chances[:, 0].clone()
        for place in [place for place, token in enumerate(ids) if token in self._articles]:
            both = chances[place, 1]
            if place + 1 < len(ids):
                found[place + 1] += found[place] - both
            found[place] = both
        return found

    # What comes out

    def _reading(self, read: _Read) -> CaptionReading:
        row = read.row
        rivals: dict[int, list[Rival]] = {}
        for draft in read.drafts:
            rivals.setdefault(draft.place, []).append(Rival(draft.word, draft.text, draft.gain))
        evidence = torch.zeros(len(read.own))
        if read.blank is not None:
            evidence = torch.log((read.own.exp() + LEAST_PROBABILITY) / (read.blank.exp() + LEAST_PROBABILITY))
        words: list[ReadWord] = []
        overrun = 0.0
        for place, span in enumerate(row.words):
            if row.tokens_of[place]:
                overrun = max(overrun, read.overruns[row.tokens_of[place].start])
            core = row.core_of[place]
            if not core:
                words.append(ReadWord(span.text, span.start, span.end))
                continue
            words.append(
                ReadWord(
                    span.text,
                    span.start,
                    span.end,
                    is_read=True,
                    log_probability=float(read.own[core.start : core.stop].sum()),
                    evidence=_strongest(evidence[core.start : core.stop].tolist()),
                    overrun=overrun,
                    rivals=tuple(sorted(rivals.get(place, ()), key=lambda rival: -rival.gain)),
                )
            )
        return CaptionReading(row.text, tuple(words), float(read.own.sum()), self._note(row))

    def _note(self, row: _Row) -> str:
        beyond = sum(not tokens for tokens in row.tokens_of) if row.ids[-1:] != [self._end] else 0
        if not beyond:
            return ""
        unread = plural(beyond, "word at the end was", "words at the end were")
        return f"BLIP reads {self._longest} tokens; {unread} not read."


def _strongest(evidence: Sequence[float]) -> float:
    """Of a word's tokens what speaks against it, if anything does, else the most that speaks for it."""
    return min(evidence) if min(evidence) < 0 else max(evidence)
