"""One picture's result: what of it is written, and how it is printed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from captioner.captions.caption_kinds import kind_title
from captioner.captions.layers import of_plan, selected_tags
from captioner.captions.plan import Plan
from captioner.captions.review import Reading
from captioner.captions.variants import variants
from captioner.cli.terminal import note, say, say_json
from captioner.errors import BadPicture, CaptionerError, FileInTheWay
from captioner.formats.output import Output
from captioner.glitches import GLITCHES
from captioner.pipeline import Captioned


def texts_of(
    arguments: argparse.Namespace, captioned: Captioned, plan: Plan, existing: str | CaptionerError
) -> list[str]:
    """What a picture's captions are in a set: its caption, or what --captions asks for instead."""
    if captioned.caption is None:
        return []
    kind = getattr(arguments, "captions", "one")
    if kind == "kinds":
        found = [captioned.caption.text, *captioned.kinds.values()]
        return [text for text in dict.fromkeys(found) if text.strip()] or found[:1]
    if kind == "one" or captioned.caption.is_edited or not captioned.layers or isinstance(existing, CaptionerError):
        return [captioned.caption.text]
    return variants(captioned.layers, plan, existing, kind=kind, best=getattr(arguments, "best_captions", 3))


def written(output: Output, place: int, captioned: Captioned, texts: Sequence[str]) -> Captioned:
    """Write a caption; where its file may not be written, that is the picture's error."""
    if captioned.error is None and captioned.caption is not None:
        try:
            output.write(place, texts[0], was_kept=captioned.was_kept, others=texts[1:], kinds=captioned.kinds)
        except (FileInTheWay, BadPicture) as error:
            return replace(captioned, caption=None, error=error)
    return captioned


def show(path: Path, captioned: Captioned, plan: Plan, *, as_json: bool) -> bool:
    """One picture's result: a line of text, its error on stderr; or one JSON object on stdout either way.

    Returns: whether the caption looks wrong, which is said on stderr.
    """
    reading = Reading(captioned.layers, plan)
    glitch = reading.glitch if captioned.caption is not None else None
    _print(path, captioned, plan, reading, as_json=as_json)
    if glitch is not None:
        again = f", asked {reading.redrawn + 1} times" if reading.redrawn else ""
        note(f"{path}: this caption looks wrong: {GLITCHES[glitch]}{again}.")
    return glitch is not None


def _print(path: Path, captioned: Captioned, plan: Plan, reading: Reading, *, as_json: bool) -> None:
    error, caption = captioned.error, captioned.caption
    if not as_json:
        if error is not None:
            note(f"{path}: {error}")
        elif caption is not None:
            say(f"{path}: {' '.join(caption.text.split())}")
            for kind, text in captioned.kinds.items():
                say(f"{path} [{kind_title(kind)}]: {' '.join(text.split())}")
        return
    said = (layer.sentence.text for layer in of_plan(captioned.layers, plan) if layer.sentence is not None)
    sentence = next(said, None)
    tags = selected_tags(captioned.layers, plan)
    shown: dict[str, Any] = {
        "picture": str(path),
        "caption": caption.text if caption else None,
        "sentence": sentence,
        "tags": [{"name": tag.name, "score": round(tag.score, 6), "source": tag.source} for tag in tags],
        "asked": reading.asked or None,
        "redrawn": reading.redrawn,
        "glitch": reading.glitch if caption else None,
        "error": {"code": error.code, "message": str(error)} if error else None,
    }
    if plan.kinds:
        shown["kinds"] = {kind_title(kind): text for kind, text in captioned.kinds.items()}
    say_json(shown)
