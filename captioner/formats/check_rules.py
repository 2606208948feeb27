"""What of a set a trainer reads otherwise than it was meant, as data: one `Rule` each, with a level for each trainer.

Read from the trainers' own sources. A trainer that a rule does not name has no trouble with it. Pure: knows no disk.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from captioner.formats.checked import Checked, Question
from captioner.formats.names import split_name
from captioner.formats.trainers.registry import TARGETS
from captioner.formats.trainers.target import Target

Level = Literal["error", "warning"]
TRAINERS: tuple[str, ...] = tuple(name for name, target in TARGETS.items() if target.is_trainer)


Find = Callable[[Sequence[Checked], Question], list[Checked]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Something a trainer stumbles over.

    what: it, behind a number of pictures. advice: what to do. is_mended: an export for that trainer does it by itself.
    mend: the change of many captions that mends it, by its key; "" where there is none.
    """

    key: str
    what: str
    advice: str
    levels: Mapping[str, Level]
    find: Find
    is_mended: bool = False
    mend: str = ""


def _levels(*, error: str = "", warning: str = "") -> dict[str, Level]:
    """Names of trainers, "*" for all, -> the level for each; an error wins."""
    found: dict[str, Level] = dict.fromkeys(_names(warning), "warning")
    return found | dict.fromkeys(_names(error), "error")


def _where(level: Callable[[Target], Level | None]) -> dict[str, Level]:
    """The level for each trainer, by what its target says of it."""
    return {name: found for name in TRAINERS if (found := level(TARGETS[name])) is not None}


def _names(names: str) -> tuple[str, ...]:
    return TRAINERS if names == "*" else tuple(names.split())


def _each(holds: Callable[[Checked], bool]) -> Find:
    return lambda pictures, question: [picture for picture in pictures if holds(picture)]


def _says(pattern: str) -> Find:
    found = re.compile(pattern)
    return _each(lambda picture: found.search(picture.words) is not None)


def _noted(note: str) -> Find:
    return _each(lambda picture: any(note in said for said in picture.notes))


_LIMITS: Mapping[str, Mapping[str, int]] = {
    "kohya": {"sd15": 75, "sdxl": 75, "sd35": 255, "flux1": 511},
    "musubi": {"qwen-image": 1023},
    "ai-toolkit": {"sd15": 75, "sdxl": 75, "sd35": 255, "flux1": 511, "qwen-image": 1023},
    "onetrainer": {"sd15": 75, "sdxl": 75, "sd35": 76, "flux1": 511, "qwen-image": 511},
    "simpletuner": {"sd15": 75, "sdxl": 75, "sd35": 153, "flux1": 511, "qwen-image": 511},
    "diffusion-pipe": {"sd35": 255, "flux1": 511, "qwen-image": 1023},
    "everydream2": {"sd15": 75},
    "diffusers": {"sd15": 75, "sdxl": 75, "sd35": 76, "flux1": 511, "qwen-image": 511},
    "webdataset": {"sd15": 75, "sdxl": 75},
    "joepenna": {"sd15": 75},
    "filename": {"sd15": 75},
}
"""Tokens of a caption that a trainer hands to its model, without the end token, as the model's own text encoder counts
them (`ENCODER_OF_MODEL`); where its tokenizer is not here, CLIP's are about as many for English. OneTrainer's FLUX.1
is at 77 unless a config says more, as ours does."""

_SETTINGS = frozenset(
    ("multiply", "cond_dropout", "flip_p", "batch_id", "loss_scale", "shuffle_tags", "local", "global")
)
_FACE_CROP = re.compile(r".+(_[^_]*){4}\Z", re.DOTALL)
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?([ T]\d\d?:\d\d(:\d\d)?)?\Z")


def token_limit(question: Question) -> int:
    """How many tokens of a caption the trainer reads for that model, 0 for no limit that is known."""
    return _LIMITS.get(question.trainer, {}).get(question.base_model, 0)


def raising(question: Question) -> str:
    """How the limit is raised, behind the advice to shorten a caption; "" where the trainer cannot."""
    is_raised = question.trainer == "kohya" and question.base_model in ("sd15", "sdxl")
    return ", or raise the limit with --max_token_length 150 or 225" if is_raised else ""


def _too_long(pictures: Sequence[Checked], question: Question) -> list[Checked]:
    limit = token_limit(question)
    return [picture for picture in pictures if limit and picture.tokens > limit]


def _of_unread_type(pictures: Sequence[Checked], question: Question) -> list[Checked]:
    reads = TARGETS[question.trainer].reads
    return [picture for picture in pictures if picture.suffix and picture.suffix not in reads]


def _with_settings_name(pictures: Sequence[Checked], question: Question) -> list[Checked]:
    if question.trainer == "onetrainer":
        return [picture for picture in pictures if picture.stem.endswith(("-masklabel", "-condlabel"))]
    return [picture for picture in pictures if picture.stem.lower() in _SETTINGS or picture.stem.startswith("_")]


def _broken_tags(picture: Checked) -> bool:
    parts = [part.strip() for part in picture.words.split(",")]
    return len(parts) > 1 and ("" in parts or len(set(parts[1:])) < len(parts) - 1)


def _alike(pictures: Sequence[Checked], question: Question) -> list[Checked]:
    counts = Counter(picture.words for picture in pictures)
    return list(pictures) if len(pictures) > 1 and len(counts) == 1 and pictures[0].words else []


def _without_trigger(pictures: Sequence[Checked], question: Question) -> list[Checked]:
    word = question.trigger_word.strip()
    return [picture for picture in pictures if word and picture.words and word not in picture.words]


def _with_underscores(pictures: Sequence[Checked], question: Question) -> list[Checked]:
    reads_prose = question.base_model in ("flux1", "qwen-image")
    return [picture for picture in pictures if reads_prose and re.search(r"\w_\w", picture.words)]


def _in_brackets(pictures: Sequence[Checked], question: Question) -> list[Checked]:
    return list(pictures) if "[" in question.folder or "]" in question.folder else []


def _only(kind: Callable[[Checked], bool]) -> Find:
    return lambda pictures, question: list(pictures) if pictures and all(map(kind, pictures)) else []


RULES: tuple[Rule, ...] = (
    Rule(
        key="picture",
        what="that cannot be opened",
        advice="copy or export them again, or leave them out",
        levels=_levels(error="*"),
        find=_each(lambda picture: bool(picture.picture_error)),
    ),
    Rule(
        key="encoding",
        what="with a caption file that is not UTF-8 text",
        advice="save it as UTF-8",
        levels=_levels(error="*"),
        find=_each(lambda picture: bool(picture.caption_error)),
    ),
    Rule(
        key="missing",
        what="without a caption file",
        advice="caption them; some trainers leave such a picture out in silence, others stop or train its name",
        levels=_levels(error="musubi simpletuner diffusion-pipe everydream2 diffusers diffsynth", warning="*"),
        find=_each(lambda picture: picture.text is None and not picture.caption_error),
    ),
    Rule(
        key="empty",
        what="with an empty caption",
        advice="write one; EveryDream2 trains the file name, SimpleTuner stops",
        levels=_levels(error="simpletuner everydream2 filename", warning="*"),
        find=_each(lambda picture: picture.text == "" and not picture.caption_error),
    ),
    Rule(
        key="suffix",
        what="with the caption in a .caption file, which is not read",
        advice="call it .txt (kohya reads it where caption_extension says so)",
        levels=_levels(
            error="musubi ai-toolkit onetrainer simpletuner diffusion-pipe",
            warning="kohya",
        ),
        find=_each(lambda picture: picture.caption_suffix == ".caption"),
        is_mended=True,
    ),
    Rule(
        key="texts",
        what="with a text file beside it, which is not read",
        advice="export the set for the trainer; Hugging Face's datasets takes such a folder for one of texts",
        levels=_levels(error="diffusers", warning="diffsynth joepenna filename"),
        find=_each(lambda picture: bool(picture.caption_suffix)),
        is_mended=True,
    ),
    Rule(
        key="mark",
        what="with a byte order mark in the caption file, which is trained as a letter",
        advice="save it without one",
        levels=_levels(warning="kohya musubi ai-toolkit onetrainer simpletuner diffusion-pipe everydream2"),
        find=_each(lambda picture: picture.has_mark),
        is_mended=True,
    ),
    Rule(
        key="lines",
        what="with a caption of several lines",
        advice="join them; some trainers read the first, others any of them",
        levels=_levels(
            warning="kohya musubi ai-toolkit onetrainer simpletuner diffusion-pipe everydream2 joepenna filename"
        ),
        find=_says("\n"),
        is_mended=True,
        mend="lines",
    ),
    Rule(
        key="type",
        what="of a type that is not read",
        advice="save them as PNG or JPEG",
        levels=_levels(error="*"),
        find=_of_unread_type,
        is_mended=True,
    ),
    Rule(
        key="only-avif",
        what="in AVIF like all others, which is not read as a set of pictures",
        advice="save them as PNG or JPEG (--conversion all does)",
        levels=_levels(error="diffusers"),
        find=_only(lambda picture: picture.suffix == ".avif"),
    ),
    Rule(
        key="case",
        what="with a suffix in small and capital letters, which is not found on Linux",
        advice="write it in small letters",
        levels=_levels(error="kohya musubi"),
        find=_each(lambda picture: split_name(picture.name)[1] not in (picture.suffix, picture.suffix.upper())),
        is_mended=True,
    ),
    Rule(
        key="frames",
        what="with several frames",
        advice="save them as PNG or JPEG",
        levels=_where(lambda target: None if target.reads_frames else "error"),
        find=_noted("frames"),
        is_mended=True,
    ),
    Rule(
        key="turned",
        what="turned by an EXIF tag that is not heeded: captioned upright, trained lying",
        advice="save them upright",
        levels=_where(lambda target: None if target.turns else "error" if target.turns is False else "warning"),
        find=_noted("rotated by EXIF"),
        is_mended=True,
    ),
    Rule(
        key="alpha",
        what="with transparent places, where the trainer sees what lies hidden there",
        advice="lay them on a colour (--conversion all lays them on white)",
        levels=_levels(warning="kohya musubi ai-toolkit onetrainer everydream2 diffusers"),
        find=_noted("transparen"),
    ),
    Rule(
        key="glitch",
        what="with a caption that looks wrong: cut, going round in circles, a refusal, or thoughts left in",
        advice="look at them, and caption them again or write them yourself",
        levels=_levels(warning="*"),
        find=_each(lambda picture: bool(picture.glitch) and picture.glitch != "empty"),
    ),
    Rule(
        key="tokens",
        what="with a caption over the limit of {limit} tokens",
        advice="shorten it{raise}",
        levels=_levels(warning="*"),
        find=_too_long,
        mend="trim",
    ),
    Rule(
        key="specials",
        what="with a token in the caption that ends or breaks the prompt",
        advice="take out <|endoftext|>, <|im_end|> and </s>",
        levels=_levels(warning="*"),
        find=_says(r"<\|(endoftext|startoftext|im_start|im_end)\|>|</s>"),
        mend="specials",
    ),
    Rule(
        key="escapes",
        what="with a backslash before a bracket, which is trained too",
        advice="write brackets plainly",
        levels=_levels(warning="kohya musubi ai-toolkit onetrainer simpletuner diffusion-pipe"),
        find=_says(r"\\[()]"),
        mend="escapes",
    ),
    Rule(
        key="quotes",
        what="with curly quotes in the caption, which newer tokenizers cut into several tokens",
        advice="write them straight",
        levels=_levels(warning="ai-toolkit onetrainer simpletuner diffusers"),
        find=_says("[\u2018-\u201f]"),
        mend="quotes",
    ),
    Rule(
        key="signs",
        what="with {}, ||| or ;;; in the caption, which mean something under some options",
        advice="take them out, or leave enable_wildcard and the separators off",
        levels=_levels(warning="kohya"),
        find=_says(r"[{}]|\|\|\||;;;"),
    ),
    Rule(
        key="placeholders",
        what="with [trigger] or [name] in the caption, which the trainer replaces",
        advice="set a trigger word, or take them out",
        levels=_levels(warning="ai-toolkit"),
        find=_says(r"\[(trigger|name)\]"),
    ),
    Rule(
        key="tags",
        what="with a tag twice or an empty one",
        advice="remove it",
        levels=_levels(error="everydream2", warning="kohya ai-toolkit"),
        find=_each(_broken_tags),
        mend="duplicates",
    ),
    Rule(
        key="underscores",
        what="with underscores in the caption, which this model reads as such",
        advice="write spaces",
        levels=_levels(warning="*"),
        find=_with_underscores,
        mend="underscores",
    ),
    Rule(
        key="names",
        what="with a name that means something else to the trainer",
        advice="rename them",
        levels=_levels(error="onetrainer everydream2"),
        find=_with_settings_name,
        is_mended=True,
    ),
    Rule(
        key="borrowed",
        what="called like a face crop (x_1_2_3_4) and without a caption, which gets that of x",
        advice="caption or rename them",
        levels=_levels(error="kohya"),
        find=_each(lambda picture: picture.text is None and _FACE_CROP.match(picture.stem) is not None),
    ),
    Rule(
        key="hidden",
        what="with a name that begins with a dot, which is left out",
        advice="rename them",
        levels=_levels(error="ai-toolkit everydream2"),
        find=_each(lambda picture: picture.name.startswith(".")),
        is_mended=True,
    ),
    Rule(
        key="brackets",
        what="in a folder with [ or ] in its path, where the trainer finds nothing",
        advice="rename the folder",
        levels=_levels(error="musubi diffusers"),
        find=_in_brackets,
    ),
    Rule(
        key="dates",
        what="with nothing but a date as caption like all others, which becomes a time",
        advice="write more than dates",
        levels=_levels(error="diffusers"),
        find=_only(lambda picture: _DATE.match(picture.words) is not None),
    ),
    Rule(
        key="equal",
        what="with the same caption as all others",
        advice="say what differs from picture to picture",
        levels=_levels(warning="*"),
        find=_alike,
    ),
    Rule(
        key="trigger",
        what="without the trigger word",
        advice="put it before every caption (--prefix)",
        levels={name: "warning" for name in TRAINERS if name != "ai-toolkit"},  # which adds it itself
        find=_without_trigger,
    ),
)
"""In the order in which findings are said, errors first."""
