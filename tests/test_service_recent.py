"""The small memory of what can be made again."""

from __future__ import annotations

from captioner.service.recent import Recent


def test_recent_forgets_what_was_unused_for_longest() -> None:
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (1, None, 3)
