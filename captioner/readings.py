"""What models say of a caption that is given to them, its own or anybody's, word by word. Values only.

Nats are natural logarithms of odds: what BLIP's log-probabilities and CLIP's scaled similarities are measured in.
"""

from __future__ import annotations

from dataclasses import dataclass

from captioner.captions.words import spans


@dataclass(frozen=True, slots=True)
class Rival:
    """The caption with one word changed. word: what stands there instead. text: the whole changed caption.

    gain: by how much likelier it is given the picture, in nats; above 0 the captioner would rather say this.
    """

    word: str
    text: str
    gain: float


@dataclass(frozen=True, slots=True)
class ReadWord:
    """A word of a caption as a captioner reads it: `caption[start:end]`, punctuation included.

    is_read: False behind what the model can take, and for a word that it has no tokens for; the rest is 0 then.
    log_probability: given the picture and the words before it; a and an count as one choice.
    evidence: by how much this picture makes it likelier than the set's average picture does, in nats; below 0 it speaks
        against the word, near 0 the word would be said of any picture. 0 where nothing was there to compare with.
    overrun: how much rather the captioner would have ended the caption here or before, in nats, at least 0.
    rivals: likeliest first, without those that it would say right behind the word; none for words that claim nothing.
    """

    text: str
    start: int
    end: int
    is_read: bool = False
    log_probability: float = 0.0
    evidence: float = 0.0
    overrun: float = 0.0
    rivals: tuple[Rival, ...] = ()


@dataclass(frozen=True, slots=True)
class CaptionReading:
    """A caption as a captioner reads it. log_probability: of all that was read, and its end; None where nothing was.

    note: what was not read and why, as a sentence; "" where everything was.
    """

    text: str
    words: tuple[ReadWord, ...]
    log_probability: float | None = None
    note: str = ""

    @property
    def rivals(self) -> list[str]:
        """The changed captions, each once."""
        return list(dict.fromkeys(rival.text for word in self.words for rival in word.rivals))


@dataclass(frozen=True, slots=True)
class Opinion:
    """What an image-text model says of a changed caption beside the caption itself.

    preference: logit scale x (the changed one's similarity to the picture - the caption's), in nats; less what it is
        for the set's average picture, where there was one. Of a matching head: the difference of its log-odds.
    change: 1 - cosine of both texts: near 0 where they mean the same; None from a model that compares no texts.
    """

    preference: float
    change: float | None = None


def not_read(text: str, why: str) -> CaptionReading:
    """The reading of a captioner that cannot read: the words, and nothing about them."""
    return CaptionReading(text, tuple(ReadWord(one.text, one.start, one.end) for one in spans(text)), note=why)
