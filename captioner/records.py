"""The values that travel between the parts. Holds no logic and imports nothing heavy.

Three kinds of thing stay apart: a `Layer` is what a model said about a picture, the recipe (`compose.Recipe`) is how
layers become text, and the edit is what the person wrote. A caption is the edit if there is one, else composed text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Finish = Literal["stop", "length", ""]
"""How a sentence ended: by itself, cut at the captioner's limit, or nobody knows (a captioner that does not say, a
layer of an earlier version)."""

MAIN = ""
"""The kind of caption that every set has; others (short, long, tags, ...) have names."""

MAIN_TITLE = "main"
"""What people call it."""

KIND = "kind"
"""Among a set's settings, the kind of caption in front: its edits are those that are shown and written."""

NOTICEABLE_S = 4.0
"""A preparation that takes longer is announced; a shorter one is simply done."""


@dataclass(frozen=True, slots=True)
class Tag:
    """One label a tagger gave a picture.

    name: as the model's own list spells it (WD14's underscores are kept; `compose` turns them into spaces).
    score: a probability for WD14 and DeepDanbooru, a cosine similarity for CLIP.
    category: the tagger's own word: general, character, rating; for CLIP the vocabulary (flavors, mediums, ...).
    source: the tagger's family: clip, wd14, deepdanbooru, onnx, ...
    """

    name: str
    score: float
    category: str
    source: str


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another sentence the captioner found for the same picture, best first in `Sentence.alternatives`."""

    text: str
    score: float | None
    finish: Finish = ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a captioner said.

    score: the sum of token log-probabilities as the search ranked it (length-normalised under beam search);
        None where the method gives none.
    """

    text: str
    score: float | None = None
    alternatives: tuple[Alternative, ...] = ()
    finish: Finish = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one model said about one picture in one run: a sentence or scored tags, never both.

    model: the name or folder that was asked for. family: blip, clip, wd14, ... kind: of caption that it was made for;
    one layer a family and kind is current (what all kinds share is of the main one, see `captions.layers.layer_kind`).
    run_settings: the RUN fields that produced it, as a flat mapping. created_at: seconds since 1970, UTC.
    tags: best score first. A layer that was damaged on the disk has no model and no tags.
    """

    picture_id: str
    model: str
    family: str
    model_revision: str
    run_settings: Mapping[str, Any]
    seed: int | None
    created_at: float
    sentence: Sentence | None = None
    tags: tuple[Tag, ...] | None = None
    kind: str = MAIN

    def __post_init__(self) -> None:
        if (self.sentence is None) == (self.tags is None):
            raise ValueError("a layer holds a sentence or tags, one of the two")

    @property
    def key(self) -> str:
        """What tells a picture's current layers apart: the family, and its kind where that is not the main one."""
        return f"{self.family}/{self.kind}" if self.kind else self.family

    @property
    def is_damaged(self) -> bool:
        """Whether this only stands for a layer that the disk has damaged; a new run of its family replaces it."""
        return not self.model


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture in a caption set.

    name: the file name as uploaded, data and never a path. digest: sha256 of the original bytes, hexadecimal.
    width, height: in pixels, after EXIF rotation. notes: what decoding had to do ("rotated by EXIF", ...).
    folder: where it lies within its set, with "/" between folders; "" at the top.
    """

    id: str
    name: str
    digest: str
    width: int
    height: int
    notes: tuple[str, ...] = ()
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a composed caption and where it came from (blip, wd14, clip, existing, prefix, suffix)."""

    text: str
    source: str
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Caption:
    """The text a picture would be exported with.

    inner: the same without the frame (prefix and suffix) around it: what a person edits.
    revision: counts changes of the person's edit only; 0 while nobody wrote anything.
    parts: the pieces in order; empty when the text is an edit.
    """

    text: str
    is_edited: bool = False
    revision: int = 0
    parts: tuple[Part, ...] = field(default=())
    inner: str = ""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a model still has to prepare, once, before its first picture.

    count, things: how many of what ("labels to embed"). seconds: about how long that takes on its device, None where
    that cannot be told. download_mb: what it takes to fetch instead what others have published; 0 where nobody did.
    is_download: the model itself is not on this machine, and count is its megabytes, 0 where that is not known.
    """

    count: int
    things: str
    seconds: float | None
    download_mb: int = 0
    is_download: bool = False

    @property
    def is_noticeable(self) -> bool:
        """Whether a person would wonder what the wait is for."""
        return self.seconds is None or self.seconds > NOTICEABLE_S


@dataclass(frozen=True, slots=True)
class Preparing:
    """How far a preparation is: `done` of `total` so and so many ("labels", "MB")."""

    done: int
    total: int
    what: str
