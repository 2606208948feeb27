"""What becomes of a set's kinds of captions in an export, told before it is made."""

from __future__ import annotations

from captioner.captions.caption_kinds import kind_title
from captioner.captions.plan import Plan
from captioner.formats.trainers.target import Target


def kinds_note(plan: Plan, target: Target | None, captions: str) -> str:
    """What becomes of a plan's kinds of captions in an export, in a sentence; "" where it has one only.

    Args: captions: as `SetSettings.captions`.
    """
    if not plan.kinds:
        return ""
    names = [kind.name for kind in plan.kinds]
    if captions == "kinds":
        return f"Each picture leaves with its captions of all kinds: {', '.join(map(kind_title, plan.kind_names))}."
    beside = [kind_title(name) for name in names if target is not None and target.takes_kind(name)]
    left = [kind_title(name) for name in names if kind_title(name) not in beside]
    said = [f"beside them in columns of their own: {', '.join(beside)}"] if beside else []
    said += [f"not in this format: {', '.join(left)}"] if left else []
    return f"The captions are those of the kind {kind_title(plan.kind)}; {'; '.join(said)}."
