"""captioner.lab.doubts: which words get a line, what is offered for them, and what is stored."""

from __future__ import annotations

import json
from typing import Any

import pytest

from captioner.lab.doubts import Told, doubts_of, fillers_of, from_content, in_words, to_content, worst_of
from captioner.lab.scores import NATS, CaptionScore, Standing, WordScore, weights_for

WEIGHTS = weights_for("blip-demo", "")


def _word(text: str, start: int, nats: float, changed: str = "", **more: Any) -> WordScore:
    parts = {"captioner": 2.0 if changed else -9.0, "picture": nats}
    instead = changed.split()[1] if changed else "other"
    return WordScore(
        text, start, start + len(text), nats, WEIGHTS.probability(nats), parts, instead, changed=changed, **more
    )


TEXT = "a cat, and a small cat"
CERTAIN, THIN, THICK = -8.0, 1.5, 12.0


def _score(*, is_edit: bool = False) -> CaptionScore:
    return CaptionScore.of_words(
        [
            _word("a", 0, CERTAIN),
            _word("cat,", 2, THICK, "an owl, and a small cat"),
            _word("a", 11, CERTAIN, is_filler=True),
            _word("small", 13, THIN, is_filler=True),
            _word("cat", 19, CERTAIN, is_filler=True),
        ],
        is_edit=is_edit,
    )


def test_a_line_is_thin_or_thick_and_the_offer_takes_its_article_along() -> None:
    cat, small = doubts_of(TEXT, _score(), Told(captioner="BLIP"))
    assert (cat["word"], cat["start"], cat["end"], cat["is_strong"], cat["rank"]) == ("cat", 2, 6, True, None)
    assert (cat["better"], cat["change"]) == ("owl,", [0, 6, "an owl,"])
    assert cat["why"] == f"cat? BLIP would rather say owl, (+2.0), this picture speaks against it (+12.0). {NATS}"
    assert (small["word"], small["is_strong"], small["better"], small["change"]) == ("small", False, "", None)
    assert [doubt["word"] for doubt in doubts_of(TEXT, _score(is_edit=True), Told())] == ["cat"]


def test_places_go_on_from_the_part_and_count_as_browsers_do() -> None:
    text = f"\U0001f600, {TEXT}, tags"
    [cat, _] = doubts_of(text, _score(), Told(), range(3, 3 + len(TEXT)))
    assert (cat["start"], cat["end"], cat["change"]) == (6, 10, [4, 10, "an owl,"])


def test_filler_that_has_no_line_is_told_in_runs() -> None:
    assert fillers_of(TEXT, _score(), Told()) == [[11, 12], [19, 22]]
    assert fillers_of(TEXT, _score(is_edit=True), Told()) == [[11, 22]]


def test_what_is_stored_gives_the_same_lines_and_figures() -> None:
    for is_edit in (False, True):
        score = _score(is_edit=is_edit)
        again = from_content(TEXT, json.loads(json.dumps(to_content(TEXT, score))))
        assert doubts_of(TEXT, again, Told()) == doubts_of(TEXT, score, Told())
        assert fillers_of(TEXT, again, Told()) == fillers_of(TEXT, score, Told())
        assert in_words(again, Told()) == in_words(score, Told()) == "expected false words 1.4 of 5"


def test_names_are_left_out_of_lines_and_figures() -> None:
    score = _score().without(["Cat"])
    assert [doubt["word"] for doubt in doubts_of(TEXT, score, Told())] == ["small"]
    assert in_words(score, Told()) == "expected false words 0.4 of 3"
    assert score.without(["dog"]) is score


def test_models_that_were_never_measured_are_told_by_rank_and_only_among_enough_words() -> None:
    few = Told(standing=Standing.of_nats([THICK, *[CERTAIN] * 100]))
    assert not doubts_of(TEXT, _score(), few)
    assert worst_of(_score(), few) is None
    assert in_words(_score(), few) == "Not enough of the set was read to tell which words are doubtful."
    many = Told(standing=Standing.of_nats([*[THICK] * 4, *[THIN] * 36, *[CERTAIN] * 960]))
    cat, small = doubts_of(TEXT, _score(), many)
    assert (cat["probability"], cat["rank"], cat["is_strong"]) == (None, 0.004, True)
    assert cat["why"].endswith(" Among the 1 % most doubtful words of the set.")
    assert (small["rank"], small["is_strong"]) == (0.04, False)
    assert worst_of(_score(), many) == pytest.approx(0.996)
    assert in_words(_score(), many) == "the worst word is among the 1 % most doubtful words of the set"
    common = Told(standing=Standing.of_nats([THICK] * 500))
    assert not doubts_of(TEXT, _score(), common), "what half of the set is like is no doubt"


@pytest.mark.parametrize(
    ("unjudged", "said"), [((), "It claims nothing."), (("zwx",), "Nobody could judge a word of it.")]
)
def test_a_caption_of_which_nothing_was_judged_has_no_figures(unjudged: tuple[str, ...], said: str) -> None:
    score = CaptionScore.of_words([], unjudged, is_edit=False)
    assert in_words(score, Told()) == said
    assert worst_of(score, Told()) is None
