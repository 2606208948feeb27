"""What the chosen trainer would read otherwise of a set than it was meant, as a table, with what mends each.

A mend is a change of captions (`bulk`) that a person sees before it is done, or another setting of the export. What an
export does by itself is said and asks for nothing. Knows no page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from captioner.captions.bulk import OPERATIONS
from captioner.captions.bulk.whole import Trim
from captioner.formats.check import Finding, check_set
from captioner.formats.check_rules import token_limit
from captioner.formats.checked import Checked, Question, TokenCounter
from captioner.formats.sidecars import caption_text
from captioner.formats.trainers.target import ENCODER_OF_MODEL, SetSettings, Target
from captioner.glitches import find_glitch
from captioner.workspace.records import View

_BY_CONVERSION: Mapping[str, tuple[str, ...]] = {
    "type": ("needed", "all"),
    "turned": ("needed", "all"),
    "frames": ("needed", "all"),
    "alpha": ("all",),
    "only-avif": ("all",),
}
"""Rules about pictures, and the conversions that mend what breaks them."""


def findings(
    pictures: Sequence[tuple[View, Mapping[str, Any]]],
    target: Target,
    settings: SetSettings,
    folder: str,
    counter: TokenCounter,
) -> list[dict[str, Any]]:
    """What breaks a rule, errors first.

    Args: pictures: each with its row. folder: where the set will lie. counter: of tokens.
    Returns: [{"rule", "level", "what", "advice", "ids", "is_mended": the export does it by itself, "mend": None,
        {"title", "operation", "values"} for a change of captions, or {"title", "settings"} for one of the export}].
    """
    question = Question(
        trainer=target.name,
        base_model=settings.base_model,
        trigger_word=settings.trigger_word,
        folder=folder,
        is_exact=counter.is_exact,
    )
    checked = [_checked(view, row, counter.count) for view, row in pictures]
    return [_told(found, question, settings) for found in check_set(checked, question)]


def _checked(view: View, row: Mapping[str, Any], count: Callable[[str], int]) -> Checked:
    text = caption_text(row["caption"])
    return Checked(
        path=view.id,
        name=view.name,
        text=text,
        tokens=count(text) if text else 0,
        picture_error=row["error"] if row["is_damaged"] else "",
        notes=view.notes,
        glitch=row["glitch"] or (find_glitch(text) or "" if text.strip() else ""),
    )


def _told(found: Finding, question: Question, settings: SetSettings) -> dict[str, Any]:
    rule = found.rule
    conversions = _BY_CONVERSION.get(rule.key, ())
    is_mended = settings.with_pictures and settings.conversion in conversions if conversions else rule.is_mended
    mend: dict[str, Any] | None = None
    if rule.mend:
        values = _trim_values(question) if rule.mend == Trim.key else {}
        mend = {"title": OPERATIONS[rule.mend].title, "operation": rule.mend, "values": values}
    elif conversions and settings.with_pictures and not is_mended:
        mend = {"title": "Convert pictures", "settings": {"conversion": conversions[0]}}
    return {
        "rule": rule.key,
        "level": found.level,
        "what": found.what,
        "advice": found.advice.partition(" (--")[0],  # without flags of the command line
        "ids": list(found.pictures),
        "is_mended": is_mended,
        "mend": mend,
    }


def _trim_values(question: Question) -> dict[str, Any]:
    """What captions are trimmed to, and whose tokens count."""
    most = next(field.maximum for field in Trim.fields() if field.name == "limit")
    encoder = ENCODER_OF_MODEL.get(question.base_model, "clip")
    return {"limit": min(token_limit(question), int(most or 0)), "encoder": encoder}
