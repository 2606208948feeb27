"""captioner.captions.spoken: the sentence of a caption, and the names in it."""

from __future__ import annotations

import pytest

from captioner.captions.spoken import capitalised, spoken


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a cat on grass", "a cat on grass"),
        ("a cat on grass, long hair, outdoors", "a cat on grass"),
        ("sks dog, a cat on grass,  in a cartoon style , simple background", "a cat on grass,  in a cartoon style"),
        ("1girl, solo, long hair", ""),
        ("a woman standing in the rain, looking at viewer, night", "a woman standing in the rain"),
        ("two large cats and a dog.\nA beach, at night", "two large cats and a dog.\nA beach, at night"),
        ("three small red cars", "three small red cars"),
        ("red car", "red car"),
        ("looking at viewer", ""),
        ("", ""),
        (" , ,", ""),
    ],
)
def test_the_sentence_is_what_is_no_tag(text: str, said: str) -> None:
    place = spoken(text, {"looking at viewer"})
    assert text[place.start : place.stop] == said


def test_a_capital_within_a_sentence_makes_a_name() -> None:
    text = 'Nami stands beside Ada Lovelace. A dog sits, and "Max" (Rex) too.'
    assert list(capitalised(text)) == ["Ada", "Lovelace", "Max", "Rex"]
    assert list(capitalised("a cat")) == []
