"""What is known about the selected picture, as the page's script takes it: tags and other sentences, in plain JSON.

Decides nothing: `findings` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from captioner.captions.caption_kinds import kind_title
from captioner.captions.groups import setting_groups
from captioner.captions.plan import Plan
from captioner.captions.review import Reading, TagFinding
from captioner.pipeline import can_draw
from captioner.records import Alternative


def details_of(reading: Reading, plan: Plan, drawn: Sequence[Alternative] = ()) -> dict[str, Any]:
    """Tags by source and category, and the other sentences.

    Returns: {"sources": [{"source", "title", "categories": [{"category", "tags"}]}],
        "said": the sentence as captions write it, "sentences": the others [{"text", "score", "caption", "glitch": what
        is wrong with it}], "asked": what the captioner was asked, "redrawn": how often it was asked again since its
        answer went wrong, "can_draw": whether a sentence is there and others can be drawn}; `kinds_of` stands beside
        them.
        A tag is a row [name, text, score, standing, is_near, entries that ignore it], since there may be a thousand.
    """
    titles = {group.family: group.title for group in setting_groups()}
    by_source: dict[str, dict[str, list[list[Any]]]] = {}
    for finding in reading.tags:
        categories = by_source.setdefault(finding.tag.source, {})
        categories.setdefault(finding.tag.category, []).append(_row(finding))
    return {
        "sources": [
            {
                "source": source,
                "title": titles.get(source, source),
                "categories": [{"category": name, "tags": categories[name]} for name in sorted(categories)],
            }
            for source, categories in by_source.items()
        ],
        "said": reading.said,
        "sentences": [
            {"text": other.text, "score": other.score, "caption": other.caption, "glitch": other.glitch or ""}
            for other in reading.other_sentences(drawn)
        ],
        "asked": reading.asked,
        "redrawn": reading.redrawn,
        "can_draw": reading.has_sentence and can_draw(plan),
    }


def kinds_of(readings: Mapping[str, Reading]) -> list[dict[str, Any]]:
    """What a picture has of other kinds of captions: [{"name", "title", "caption": without the frame}].

    Args: readings: by kind, as `kind_readings.other_readings` gives them.
    """
    return [
        {"name": kind, "title": kind_title(kind), "caption": reading.caption.inner}
        for kind, reading in readings.items()
        if reading.caption.inner.strip()
    ]


def _row(finding: TagFinding) -> list[Any]:
    tag = finding.tag
    score = round(tag.score, 4)
    return [tag.name, finding.text, score, finding.standing, finding.is_near, list(finding.ignored_by)]
