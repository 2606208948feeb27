"""captioner.lab.scores: what models say of a caption's words -> which to doubt. By the recipe, without a model."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from captioner.lab.scores import (
    DOUBTFUL,
    FALSE,
    NATS,
    Standing,
    Weights,
    near_rivals,
    score_caption,
    underlined,
    weights_for,
)
from captioner.readings import CaptionReading, Opinion, ReadWord, Rival, not_read

DEMO = weights_for("blip-demo", "clip-demo")


def reading(text: str, **of: dict[str, object]) -> CaptionReading:
    """A caption that was read; `of`: a word -> what is known of it."""
    bare_words = not_read(text, "").words
    return CaptionReading(
        text,
        tuple(
            ReadWord(one.text, one.start, one.end, **({"is_read": True} | of.get(one.text.strip(","), {})))  # type: ignore[arg-type]
            for one in bare_words
        ),
    )


def rivals(*gains: tuple[str, float]) -> dict[str, object]:
    return {"rivals": tuple(Rival(word, f"with {word}", gain) for word, gain in gains)}


def probability(nats: float) -> float:
    return 1 / (1 + math.exp(-(DEMO.slope * nats + DEMO.offset)))


def test_voices_add_up_in_nats_to_the_probability_of_the_recipe() -> None:
    one = reading("a red cat", cat={**rivals(("dog", 3.0)), "evidence": -0.5})
    score = score_caption(one, {"with dog": Opinion(0.4, 0.1)}, [None, None, 0.2], weights=DEMO)
    cat = score.words[-1]
    odds = 0.75 * math.log((0.8 + 1e-3) / (0.2 + 1e-3))
    assert cat.parts == pytest.approx({"captioner": 2.0, "clip": 1.0, "change": 0.0, "picture": 1.0, "tagger": odds})
    assert cat.nats == pytest.approx(4 + odds)
    assert cat.probability == pytest.approx(probability(4 + odds))
    assert (cat.instead, cat.changed, cat.better) == ("dog", "with dog", "dog")
    assert score.worst == cat


def test_the_strongest_rival_is_that_of_captioner_and_clip_together() -> None:
    one = reading("cat", cat=rivals(("kitten", 1.0), ("dog", -1.0)))
    score = score_caption(one, {"with kitten": Opinion(0.0, 0.0), "with dog": Opinion(1.0, 0.1)}, weights=DEMO)
    assert score.words[0].instead == "dog"
    assert score.words[0].parts["captioner"] == -1.0


def test_rivals_that_fit_as_well_add_to_the_strongest() -> None:
    one = reading("cat", cat=rivals(("dog", -1.0), ("fox", -1.0), ("owl", -40.0)))
    cat = score_caption(one, {}).words[0]
    assert cat.parts["others"] == pytest.approx(2 * math.log(2 + math.exp(-8 / 2)))
    assert cat.nats == pytest.approx(-1 + cat.parts["others"])
    assert score_caption(reading("cat", cat=rivals(("dog", -1.0))), {}).words[0].nats == -1.0


def test_a_rival_that_clip_was_not_asked_about_is_taken_to_fit_worse() -> None:
    one = reading("red cat", red=rivals(("blue", -8.9)), cat=rivals(("dog", -9.1)))
    assert near_rivals(one, DEMO) == ["with blue"]
    assert near_rivals(one, Weights()) == []
    red, cat = score_caption(one, {"with blue": Opinion(0.4, 0.1)}, weights=DEMO).words
    assert (red.parts["clip"], cat.parts["clip"]) == (pytest.approx(1.0), -2.0)
    assert "clip" not in score_caption(one, {}, weights=DEMO).words[1].parts  # there is no CLIP at all


@pytest.mark.parametrize("unknown", [{"log_probability": -20.5}, {"is_read": False}])
def test_a_word_behind_one_that_is_not_of_its_language_is_not_the_captioner_s_to_doubt(unknown: dict[str, Any]) -> None:
    doubted = {**rivals(("dog", 5.0)), "evidence": -3.0}
    known, strange = (
        score_caption(reading("my cat", my=of, cat=doubted), {"with dog": Opinion(0.4, 0.1)}, weights=DEMO).words[-1]
        for of in ({"log_probability": -19.5}, unknown)
    )
    assert known.parts == pytest.approx({"captioner": 2.0, "clip": 1.0, "change": 0.0, "picture": 6.0})
    assert strange.parts == pytest.approx({"captioner": -2.0, "clip": 1.0, "change": 0.0, "picture": 0.0})


def test_what_is_said_behind_the_end_is_doubted_a_little_more_unless_a_person_wrote_it() -> None:
    late = reading("a cat", cat={"overrun": 4.0})
    assert score_caption(late, {}).words[-1].parts["end"] == pytest.approx(0.4)
    assert score_caption(reading("a cat", cat={"overrun": 99.0}), {}).words[-1].parts["end"] == pytest.approx(1.0)
    assert "end" not in score_caption(late, {}, is_edit=True).words[-1].parts
    assert "end" not in score_caption(reading("a cat"), {}).words[-1].parts


@pytest.mark.parametrize(
    ("gain", "preference", "change", "parts"),
    [
        (-40.0, -40.0, 0.0, {"captioner": -9.0, "clip": -6.0, "change": 0.5 * math.log(0.01)}),
        (40.0, 40.0, 1.0, {"captioner": 2.0, "clip": 6.0, "change": 0.5 * math.log(1.5)}),
    ],
)
def test_no_voice_is_louder_than_its_limit(
    gain: float, preference: float, change: float, parts: dict[str, float]
) -> None:
    score = score_caption(reading("cat", cat=rivals(("dog", gain))), {"with dog": Opinion(preference, change)})
    assert {name: score.words[0].parts[name] for name in parts} == pytest.approx(parts)


def test_a_picture_speaks_only_against_a_word() -> None:
    assert score_caption(reading("cat", cat={"evidence": 5.0}), {}).words[0].parts["picture"] == 0.0


def test_a_word_that_nothing_comes_near_is_hardly_doubted() -> None:
    assert score_caption(reading("cat"), {}).words[0].probability == pytest.approx(probability(-9))


def test_expected_words_leave_out_articles_and_filler() -> None:
    text = "a red car and two small cars on grass"
    late = {"overrun": 3.0}
    score = score_caption(reading(text, grass=late), {})
    each, of_grass = probability(-9), probability(-9 + 0.3)
    assert [word.text for word in score.words if word.is_filler] == ["two", "small", "cars", "grass"]
    assert score.true_words == pytest.approx(2 * (1 - each))  # red, car
    assert score.false_words == pytest.approx(6 * each + of_grass)
    assert score.doubt == pytest.approx(-6 * math.log(1 - each) - math.log(1 - of_grass))
    of_a_person = score_caption(reading(text, grass=late), {}, is_edit=True)
    assert of_a_person.true_words == pytest.approx(3 * (1 - each))


def test_where_the_captioner_cannot_read_the_tagger_judges_the_words_it_knows() -> None:
    score = score_caption(not_read("a red cat by Ada", "it cannot read"), {}, [None, None, 0.02, None, None])
    assert [(word.text, [*word.parts]) for word in score.words] == [("cat", ["tagger"])]
    assert score.unjudged == ("red", "Ada")
    assert score.agreement == 0.02
    assert score.words[0].probability > DOUBTFUL


def test_of_a_caption_that_nobody_judged_it_is_said() -> None:
    score = score_caption(not_read("red cat", ""), {})
    assert (score.false_words, score.true_words, score.doubt, score.worst) == (0, 0, 0, None)
    assert score.explained() == "Nobody could judge a word of it."
    assert score_caption(not_read("", ""), {}).explained() == "It claims nothing."


def test_names_are_not_judged() -> None:
    score = score_caption(reading("Zwx, a cat"), {}, names=["zwx"])
    assert [word.text for word in score.words] == ["a", "cat"]
    assert score.unjudged == ()


def test_the_three_worst_words_are_underlined_and_in_a_person_s_text_only_strong_doubts() -> None:
    doubts = {word: {"evidence": -strength} for word, strength in zip("pqrst", (4.0, 9.0, 6.5, 7.0, 0.0), strict=True)}
    one = reading("p q r s t", **{word: {**of, **rivals(("x", -5.0))} for word, of in doubts.items()})
    assert [word.text for word in underlined(score_caption(one, {}))] == ["q", "s", "r"]
    mine = score_caption(one, {}, is_edit=True)
    assert [word.text for word in underlined(mine)] == ["q", "s", "r"]
    assert all(word.probability >= FALSE for word in underlined(mine))
    light = score_caption(reading("p", p={"evidence": -2.0, **rivals(("x", -2.0))}), {}, is_edit=True)
    assert DOUBTFUL <= light.words[0].probability < FALSE
    assert underlined(light) == []
    assert len(underlined(light, DOUBTFUL)) == 1


def test_a_word_is_explained_by_who_says_what() -> None:
    one = reading("a cat", cat={**rivals(("dog", 2.5)), "evidence": -0.55})
    cat = score_caption(one, {"with dog": Opinion(0.56, 0.1)}, [None, 0.03]).words[-1]
    assert cat.explained("BLIP", "WD14") == (
        "cat? BLIP would rather say dog (+2.0), CLIP agrees (+1.4), this picture speaks against it (+1.1), "
        f"WD14 gives it 3% (+2.6). {NATS}"
    )
    calm = score_caption(reading("cat", cat=rivals(("dog", -3.0))), {"with dog": Opinion(0.4, 0.1)}).words[0]
    assert calm.explained() == f"cat? the captioner would not say dog (-3.0), CLIP disagrees (+1.0). {NATS}"
    assert calm.better == ""


def test_a_score_is_explained_in_a_line_and_given_as_plain_values() -> None:
    score = score_caption(reading("a red cat", cat=rivals(("dog", 1.0))), {}, [None, None, 0.5])
    assert score.explained() == "expected false words 0.3 of 3, true words 1.7, doubt 0.4, agreement with tags 50%"
    values = json.loads(json.dumps(score.to_values(), allow_nan=False))
    assert [word["text"] for word in values["words"]] == ["a", "red", "cat"]
    assert values["words"][2]["better"] == "dog"


def test_only_models_that_were_measured_give_percentages_and_others_a_place_in_the_set() -> None:
    assert weights_for("blip-demo", "").is_calibrated
    other = weights_for("blip-large", "clip-v1")
    assert other == Weights()
    assert not other.is_calibrated
    assert other.fitted_to([Opinion(0, change) for change in (0.01, 0.02, 0.5)]).typical_change == 0.02
    assert other.fitted_to([]) == other
    assert DEMO.fitted_to([Opinion(0, 0.5)]) == DEMO
    scores = [score_caption(reading("cat", cat=rivals(("dog", gain))), {}) for gain in (-4.0, -3.0, -2.0, 1.0)]
    standing = Standing.among(scores)
    assert [standing.of(score.words[0]) for score in scores] == [1.0, 0.75, 0.5, 0.25]
