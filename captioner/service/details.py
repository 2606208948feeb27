"""What is known about the selected picture, as the page's script takes it: tags and other sentences, in plain JSON.

Decides nothing: `findings` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from captioner.captions.groups import setting_groups
from captioner.captions.layers import latest
from captioner.captions.plan import Plan
from captioner.captions.review import TagFinding, other_sentences, tag_findings
from captioner.pipeline import can_draw
from captioner.records import Alternative, Layer


def details_of(
    layers: Sequence[Layer], plan: Plan, existing: str = "", drawn: Sequence[Alternative] = ()
) -> dict[str, Any]:
    """Tags by source and category, and the other sentences.

    Returns: {"sources": [{"source", "title", "categories": [{"category", "tags"}]}],
        "sentences": [{"text", "score", "caption"}], "can_draw": whether a sentence is there and others can be drawn}.
        A tag is a row [name, text, score, standing, is_near, entries that ignore it], since there may be a thousand.
    """
    titles = {group.family: group.title for group in setting_groups()}
    by_source: dict[str, dict[str, list[list[Any]]]] = {}
    for finding in tag_findings(layers, plan, existing):
        categories = by_source.setdefault(finding.tag.source, {})
        categories.setdefault(finding.tag.category, []).append(_row(finding))
    has_sentence = bool(plan.captioner.model) and plan.captioner.family in latest(layers)
    return {
        "sources": [
            {
                "source": source,
                "title": titles.get(source, source),
                "categories": [{"category": name, "tags": categories[name]} for name in sorted(categories)],
            }
            for source, categories in by_source.items()
        ],
        "sentences": [
            {"text": other.text, "score": other.score, "caption": other.caption}
            for other in other_sentences(layers, plan, existing, drawn)
        ],
        "can_draw": has_sentence and can_draw(plan),
    }


def _row(finding: TagFinding) -> list[Any]:
    tag = finding.tag
    score = round(tag.score, 4)
    return [tag.name, finding.text, score, finding.standing, finding.is_near, list(finding.ignored_by)]
