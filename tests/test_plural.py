"""captioner.plural: numbers with their nouns, everywhere in one way."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from captioner.plural import plural

ROOT = Path(__file__).resolve().parents[1]
COUNTED = "picture caption file row piece cell rating token label set job setting word sample model user"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((0, "picture"), "0 pictures"),
        ((1, "picture"), "1 picture"),
        ((1200, "picture"), "1,200 pictures"),
        ((1, "row names", "rows name"), "1 row names"),
        ((2, "row names", "rows name"), "2 rows name"),
    ],
)
def test_a_number_has_its_noun(words: tuple[int, str], said: str) -> None:
    assert plural(*words) == said


def test_nobody_writes_a_plural_behind_a_number_that_may_be_1() -> None:
    names = "count|number|total|done|left|failed|pictures|captions"
    counts = rf"\{{(?!word_count)(?:len\([^{{}}]*\)|[\w.]*(?:{names}))(?::,)?\}}"
    slip = re.compile(rf"{counts} (?:of \{{[^{{}}]*\}} )?(?:{'|'.join(COUNTED.split())})s\b")
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for folder in ("captioner", "taggers")
        for path in (ROOT / folder).rglob("*.py")
        for match in slip.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []
