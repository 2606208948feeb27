"""How far each word of a caption can be trusted: what captioner, CLIP and tagger say against it, added up in nats.

All three measure in nats (natural logarithms of odds): log-probabilities of the captioner, CLIP's similarity times its
own logit scale, log-odds of a tag. So they add up with a few round weights; a classifier trained on the same evidence
did no better, and worse on kinds of fault it had not seen. Knows no model and no page: see `voices` for who is asked.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, median
from typing import Any

from captioner.captions.words import bare, can_be_false, is_article, repeated
from captioner.readings import CaptionReading, Opinion, ReadWord, Rival

DOUBTFUL, FALSE = 0.2, 0.5
"""From which probability on a word is underlined thinly and thickly; in a person's own text only from the second."""

NATS = "In nats: +1 is 2.7 times as likely, +2.3 ten times."
"""What the figures of an explanation mean."""

MOST_UNDERLINED = 3
"""Words of one caption; with more the whole caption is lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How the voices are added up, for one pair of captioner and CLIP.

    captioner_limit, captioner_cap: nats by which a rival may be behind and ahead: a rare word is not yet a false one.
    strange: log-probability from which on downwards a word is none of the captioner's own language; of it, and of the
    word behind it, the captioner knows too little to speak against them.
    clip, clip_limit: weight and limit of CLIP's preference. near: nats by which a rival that CLIP is asked about may be
    behind. unasked: what CLIP is taken to say of others, since it mostly agrees.
    change, typical_change: a rival that means the same ("sketch" for "drawing") counts less; typical is 1 - cosine of
    CLIP's texts. together: nats in which a rival may be behind the strongest and still add to it.
    picture: how much it counts that this picture makes a word less likely than the set's average one.
    end, end_limit: of overrun, since what is said behind the end is more often false. behind_end: nats of overrun from
    which on words are filler.
    tagger, tagger_limit: of a tag's log-odds. slope, offset: nats -> log-odds that the word is false.
    is_calibrated: probabilities were measured to be of the right order; else they are an order only.
    """

    captioner_limit: float = 9.0
    captioner_cap: float = 2.0
    strange: float = -20.0
    clip: float = 2.5
    clip_limit: float = 6.0
    near: float = 5.0
    unasked: float = -2.0
    change: float = 0.5
    typical_change: float = 0.1
    together: float = 2.0
    picture: float = 2.0
    end: float = 0.1
    end_limit: float = 10.0
    behind_end: float = 2.0
    tagger: float = 0.75
    tagger_limit: float = 6.0
    slope: float = 0.47
    offset: float = -1.27
    is_calibrated: bool = False

    def probability(self, nats: float) -> float:
        """That a word is false against which so much speaks."""
        return 1 / (1 + math.exp(-(self.slope * nats + self.offset)))

    def fitted_to(self, opinions: Iterable[Opinion]) -> Weights:
        """With the typical change of a set's rivals, where nothing was measured for these models."""
        changes = [opinion.change for opinion in opinions if opinion.change is not None]
        if self.is_calibrated or not changes:
            return self
        return replace(self, typical_change=max(median(changes), 0.01))


# Measured on drawn scenes that no figure of benchmarks/quality.py is taken from; the optimum is flat: half or twice any
# one weight costs at most 0.02 of the area under the curve. CLIP is asked about what is in the captioner's reach; about
# nearer rivals only where a text takes a full-size CLIP long on a CPU, which costs 0.016.
_CALIBRATED = {
    (captioner, clip): Weights(near=9.0, is_calibrated=True)
    for captioner in ("blip-demo",)
    for clip in ("", "clip-demo")
}


# A matching head's preference is log-odds already, so it counts as it is.
_MATCHING = Weights(clip=1.0, near=6.0)


def weights_for(captioner: str, clip: str, *, is_matching: bool = False) -> Weights:
    """The weights of two models by name; for those that were never measured the demo models', as an order only.

    Args: is_matching: what takes CLIP's voice is a matching head.
    """
    if is_matching:
        return _MATCHING
    return _CALIBRATED.get((captioner, clip), Weights())


@dataclass(frozen=True, slots=True)
class WordScore:
    """A word that claims something: `caption[start:end]`.

    nats: all that speaks against it. probability: that it is false. parts: who says how much: captioner, clip and
    change of the strongest rival, others (what the other rivals add), picture, end, tagger; one that is not there was
    not asked. instead, changed: the strongest rival, "" where there is
    none, and the whole caption with it. tag: the probability of the tag it spells, None where there is none.
    is_filler: said before, or behind the end that the captioner would have chosen: not false for that, but nothing
    gained either.
    """

    text: str
    start: int
    end: int
    nats: float
    probability: float
    parts: Mapping[str, float]
    instead: str = ""
    changed: str = ""
    tag: float | None = None
    is_filler: bool = False

    @property
    def better(self) -> str:
        """The rival, if captioner and CLIP together would rather have it than the word; else ""."""
        return self.instead if self.parts.get("captioner", 0.0) + self.parts.get("clip", 0.0) > 0 else ""

    def explained(self, captioner: str = "the captioner", tagger: str = "the tagger", clip: str = "CLIP") -> str:
        """Who says what, in a line; for a person, with the names that models have there."""
        said = []
        if "captioner" in self.parts:
            gain = self.parts["captioner"]
            would = "would rather say" if gain > 0 else "would not say"
            said.append(
                f"{captioner} {would} {self.instead} ({gain:+.1f})"
                if self.instead
                else f"{captioner} has no other word"
            )
        if "clip" in self.parts:
            preference = self.parts["clip"]
            said.append(f"{clip} {'agrees' if (preference > 0) == (gain > 0) else 'disagrees'} ({preference:+.1f})")
        for name, words in (
            ("others", "other words fit as well"),
            ("picture", "this picture speaks against it"),
            ("end", f"{captioner} would have ended before"),
        ):
            if self.parts.get(name, 0.0) >= 0.05:
                said.append(f"{words} ({self.parts[name]:+.1f})")
        if self.tag is not None:
            said.append(f"{tagger} gives it {self.tag:.0%} ({self.parts['tagger']:+.1f})")
        told = f"{bare(self.text)}? {', '.join(said)}."
        return f"{told} {NATS}" if self.parts else told


@dataclass(frozen=True, slots=True)
class CaptionScore:
    """What is to be expected of a caption.

    words: those that were judged. false_words, true_words: how many are expected to be false, and to be true and no
    filler (articles left out). doubt: -log P(all are true), to compare captions of one picture by; 0 is best.
    agreement: the mean probability of the tags that its words spell, None where it spells none.
    unjudged: words that claim something and that nobody could judge, in the caption's order.
    """

    words: tuple[WordScore, ...]
    false_words: float
    true_words: float
    doubt: float
    agreement: float | None = None
    unjudged: tuple[str, ...] = ()
    is_edit: bool = False

    @classmethod
    def of_words(cls, words: Iterable[WordScore], unjudged: Iterable[str] = (), *, is_edit: bool) -> CaptionScore:
        """What comes of the words that were judged."""
        scored = tuple(words)
        statements = [word for word in scored if not word.is_filler and not is_article(word.text)]
        known = [word.tag for word in scored if word.tag is not None and not is_article(word.text)]
        return cls(
            scored,
            sum(word.probability for word in scored),
            sum(1 - word.probability for word in statements),
            -sum(math.log1p(-word.probability) for word in scored),
            fmean(known) if known else None,
            tuple(unjudged),
            is_edit,
        )

    def without(self, names: Collection[str]) -> CaptionScore:
        """The same, but for words that no model can know, which are not judged."""
        own = {bare(name) for name in names}
        kept = [word for word in self.words if bare(word.text) not in own]
        if len(kept) == len(self.words):
            return self
        return CaptionScore.of_words(kept, self.unjudged, is_edit=self.is_edit)

    @property
    def worst(self) -> WordScore | None:
        """The most doubtful word, by which a set is reviewed, since doubt also grows with length."""
        return max(self.words, key=lambda word: word.nats, default=None)

    def explained(self) -> str:
        """The figures in a line: never a lone percentage."""
        if not self.words:
            return "Nobody could judge a word of it." if self.unjudged else "It claims nothing."
        line = f"expected false words {self.false_words:.1f} of {len(self.words)}"
        line += f", true words {self.true_words:.1f}, doubt {self.doubt:.1f}"
        if self.agreement is not None:
            line += f", agreement with tags {self.agreement:.0%}"
        return line + (f"; not judged: {', '.join(self.unjudged)}" if self.unjudged else "")

    def to_values(self) -> dict[str, Any]:
        """All of it as plain values, rounded, for JSON."""
        return {
            "false_words": round(self.false_words, 4),
            "true_words": round(self.true_words, 4),
            "doubt": round(self.doubt, 4),
            "agreement": None if self.agreement is None else round(self.agreement, 4),
            "unjudged": list(self.unjudged),
            "words": [
                {
                    "text": word.text,
                    "start": word.start,
                    "end": word.end,
                    "probability": round(word.probability, 4),
                    "nats": round(word.nats, 3),
                    "parts": {name: round(part, 3) for name, part in word.parts.items()},
                    "better": word.better,
                    "changed": word.changed if word.better else "",
                    "is_filler": word.is_filler,
                }
                for word in self.words
            ],
        }


def score_caption(
    reading: CaptionReading,
    opinions: Mapping[str, Opinion],
    tag_probabilities: Sequence[float | None] = (),
    *,
    is_edit: bool = False,
    weights: Weights = Weights(),
    names: Collection[str] = (),
) -> CaptionScore:
    """The recipe: what speaks against each word, added up.

    Args:
        opinions: CLIP's, by the rival's text; empty where no CLIP was asked.
        tag_probabilities: for each word, of the tag it spells; None where there is none, empty where no tagger was
            asked.
        is_edit: a person or another captioner wrote it, who may say more than this captioner would.
        names: words that no model can know (the trigger, the subject's name): they are not judged.
    """
    tags = [*tag_probabilities, *[None] * (len(reading.words) - len(tag_probabilities))]
    again = repeated([word.text for word in reading.words])
    strange = [not word.is_read or word.log_probability < weights.strange for word in reading.words]
    own = {bare(name) for name in names}
    scored: list[WordScore] = []
    unjudged: list[str] = []
    for place, (word, tag) in enumerate(zip(reading.words, tags, strict=True)):
        if not can_be_false(word.text) or bare(word.text) in own:
            continue
        if not word.is_read and tag is None:
            if not is_article(word.text):
                unjudged.append(word.text)
            continue
        parts, rival = dict[str, float](), None
        if word.is_read:
            is_strange = strange[place] or (place > 0 and strange[place - 1])
            parts, rival = _of_captioner(word, opinions, weights, is_strange=is_strange)
            if not is_edit and word.overrun > 0:
                parts["end"] = weights.end * min(weights.end_limit, word.overrun)
        if tag is not None:
            odds = math.log((1 - tag + 1e-3) / (tag + 1e-3))
            parts["tagger"] = weights.tagger * max(-weights.tagger_limit, min(weights.tagger_limit, odds))
        nats = sum(parts.values())
        scored.append(
            WordScore(
                word.text,
                word.start,
                word.end,
                nats,
                weights.probability(nats),
                parts,
                rival.word if rival else "",
                rival.text if rival else "",
                tag,
                is_filler=again[place] or (word.overrun > weights.behind_end and not is_edit),
            )
        )
    return CaptionScore.of_words(scored, unjudged, is_edit=is_edit)


def near_rivals(reading: CaptionReading, weights: Weights) -> list[str]:
    """The changed captions that CLIP is to be asked about, each once."""
    near = (rival.text for word in reading.words for rival in word.rivals if rival.gain >= -weights.near)
    return list(dict.fromkeys(near))


def _of_captioner(
    word: ReadWord, opinions: Mapping[str, Opinion], weights: Weights, *, is_strange: bool
) -> tuple[dict[str, float], Rival | None]:
    """What captioner and CLIP say against a word, and the rival that they would rather have."""
    cap = -weights.captioner_cap if is_strange else weights.captioner_cap
    said = [_of_rival(rival, opinions, weights, cap) for rival in word.rivals]
    picture = 0.0 if is_strange else weights.picture * max(0.0, -word.evidence)
    if not said:
        nobody = {"clip": weights.unasked} if opinions else {}
        return {"captioner": -weights.captioner_limit, **nobody, "picture": picture}, None
    sums = [sum(voices.values()) for voices in said]
    strongest = sums.index(max(sums))
    parts = {**said[strongest], "picture": picture}
    if len(said) > 1:
        near = sum(math.exp((one - sums[strongest]) / weights.together) for one in sums)
        parts["others"] = weights.together * math.log(near)
    return parts, word.rivals[strongest]


def _of_rival(rival: Rival, opinions: Mapping[str, Opinion], weights: Weights, cap: float) -> dict[str, float]:
    voices = {"captioner": max(-weights.captioner_limit, min(cap, rival.gain))}
    if opinion := opinions.get(rival.text):
        voices["clip"] = max(-weights.clip_limit, min(weights.clip_limit, weights.clip * opinion.preference))
        if opinion.change is not None:
            change = min(max(opinion.change, 0.01 * weights.typical_change), 1.5 * weights.typical_change)
            voices["change"] = weights.change * math.log(change / weights.typical_change)
    elif opinions and rival.gain < -weights.near:
        voices["clip"] = weights.unasked
    return voices


def underlined(score: CaptionScore, least: float | None = None, most: int = MOST_UNDERLINED) -> list[WordScore]:
    """The words to underline, worst first.

    Args: least: from which probability on; None: `DOUBTFUL`, in a text that is not the captioner's own `FALSE`.
    """
    limit = least if least is not None else FALSE if score.is_edit else DOUBTFUL
    doubtful = [word for word in score.words if word.probability >= limit]
    return sorted(doubtful, key=lambda word: -word.nats)[:most]


@dataclass(slots=True)
class Standing:
    """Where a word stands among all of a set: what models that were never measured can say instead of a percentage."""

    _nats: list[float] = field(default_factory=list)

    @classmethod
    def among(cls, scores: Iterable[CaptionScore]) -> Standing:
        """Args: scores: of the set's captions."""
        return cls.of_nats(word.nats for score in scores for word in score.words)

    @classmethod
    def of_nats(cls, nats: Iterable[float]) -> Standing:
        """Args: nats: of the set's words."""
        return cls(sorted(nats))

    def __len__(self) -> int:
        return len(self._nats)

    def of(self, word: WordScore) -> float:
        """The share of the set's words that are as doubtful or more: 0.02 is among the 2 % most doubtful."""
        return (len(self._nats) - bisect_left(self._nats, word.nats)) / len(self._nats)
