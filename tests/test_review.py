"""What became of each tag, and the other sentences: pure values from layers and a plan."""

from __future__ import annotations

import time
from typing import Any

import pytest

from captioner.captions.layers import selected_tags, with_existing_used
from captioner.captions.plan import Plan
from captioner.captions.review import NEAR_TAGS, Reading, TagFinding
from captioner.records import Alternative, Layer, Sentence, Tag


def layer(family: str, *tags: Tag, said: Sentence | None = None) -> Layer:
    return Layer(
        picture_id="a",
        model=f"{family}-demo",
        family=family,
        model_revision="1",
        run_settings={},
        seed=None,
        created_at=0.0,
        sentence=said,
        tags=None if said else tags,
    )


def wd14(**scores: float) -> Layer:
    return layer("wd14", *(Tag(name, score, "general", "wd14") for name, score in scores.items()))


def plan_of(**values: Any) -> Plan:
    return Plan.from_flat({"wd14": "wd14-demo", **values})


def standings(findings: list[TagFinding]) -> dict[str, str]:
    return {one.tag.name: one.standing for one in findings}


SAID = layer("blip", said=Sentence("a dog", -0.2, (Alternative("a cat", -0.4), Alternative("a cow", None))))
SCORES = wd14(long_hair=0.9, hair=0.5, hat=0.3, shoe=0.02)


def test_a_threshold_decides_what_is_kept_and_what_is_out() -> None:
    assert standings(Reading([SCORES], plan_of()).tags) == {
        "long_hair": "kept",
        "hair": "kept",
        "hat": "out",
        "shoe": "out",
    }
    assert standings(Reading([SCORES], plan_of(general_threshold=0.2)).tags)["hat"] == "kept"


def test_tags_are_told_as_captions_write_them_and_in_the_tagger_s_order() -> None:
    found = Reading([SCORES], plan_of(replace="hat -> bonnet")).tags
    assert [one.text for one in found] == ["long hair", "hair", "bonnet", "shoe"]
    assert [one.tag.score for one in found] == [0.9, 0.5, 0.3, 0.02]


def test_the_sentence_is_told_as_the_caption_writes_it() -> None:
    recipe = {"class_name": "dog", "subject_name": "sks dog"}
    assert Reading([SAID, SCORES], plan_of(**recipe)).said == "sks dog"
    assert Reading([layer("blip", said=Sentence("long hair", -0.2)), SCORES], plan_of()).said == "long hair"
    assert Reading([SCORES], plan_of(), existing="a dog").said == ""


def test_an_ignored_tag_names_the_entries_that_leave_it_out() -> None:
    found = Reading([SCORES], plan_of(ignore="*_hair, long hair, Shoe")).tags
    assert {one.tag.name: one.ignored_by for one in found if one.standing == "ignored"} == {
        "long_hair": ("*_hair", "long hair"),
        "shoe": ("Shoe",),
    }
    assert found[0].text == "long hair"


@pytest.mark.parametrize(
    ("recipe", "out"),
    [
        ({"drop_implied": True}, "hair"),
        ({"max_tags": 1}, "hair"),
        ({"max_tokens": 2}, "hair"),
        ({"replace": "hair ->"}, "hair"),
    ],
)
def test_what_the_recipe_leaves_out_is_not_called_kept(recipe: dict[str, Any], out: str) -> None:
    plan = plan_of(**recipe)
    found = standings(Reading([SCORES], plan).tags)
    assert (found["long_hair"], found[out]) == ("kept", "out")
    assert Reading([SCORES], plan).caption.text == "long hair"


def test_a_tag_that_another_source_says_already_is_kept() -> None:
    said = layer("blip", said=Sentence("hair"))
    assert standings(Reading([said, SCORES], plan_of()).tags)["hair"] == "kept"
    assert standings(Reading([SCORES], plan_of(prefix="long hair, ")).tags)["long_hair"] == "kept"
    joined = Reading([SCORES], plan_of(existing="prepend"), existing="hair, mine").tags
    assert standings(joined)["hair"] == "kept"


def test_what_is_called_kept_is_in_the_caption_and_passed_the_tagger() -> None:
    layers = [SAID, SCORES]
    for threshold in (0.0, 0.1, 0.4, 1.0):
        for recipe in ({}, {"ignore": "h*"}, {"drop_implied": True}, {"max_tags": 2}):
            plan = plan_of(general_threshold=threshold, **recipe)
            pieces = Reading(layers, plan).caption.text.split(", ")
            passing = {tag.name for tag in selected_tags(layers, plan)}
            for one in Reading(layers, plan).tags:
                assert (one.standing == "kept") == (one.tag.name in passing and one.text in pieces)


def test_taggers_that_are_off_or_did_not_run_say_nothing() -> None:
    assert Reading([SCORES], Plan.from_flat({})).tags == []
    assert Reading([SAID], plan_of()).tags == []
    assert Reading([], plan_of()).tags == []


def test_those_nearest_to_the_caption_are_shown_at_once() -> None:
    many = wd14(**{f"tag{n}": 0.9 - n * 0.02 for n in range(45)})
    found = Reading([many], plan_of(general_threshold=0.8, ignore="tag0, tag44")).tags
    assert [one.tag.name for one in found if one.standing == "kept"] == [f"tag{n}" for n in range(1, 6)]
    near = [one.tag.name for one in found if one.is_near and one.standing != "kept"]
    assert near == ["tag0", *(f"tag{n}" for n in range(6, 6 + NEAR_TAGS))]


def test_every_vocabulary_has_its_share_of_the_nearest() -> None:
    tags = [Tag(f"flavor{n}", 0.3 - n / 1000, "flavors", "clip") for n in range(30)]
    tags += [Tag(f"artist{n}", 0.2 - n / 1000, "artists", "clip") for n in range(3)]
    found = Reading([layer("clip", *tags)], Plan.from_flat({"clip": "clip-demo", "flavors": 2, "artists": 1})).tags
    near = [one.tag.name for one in found if one.is_near and one.standing == "out"]
    assert near == [*(f"flavor{n}" for n in range(2, 12)), "artist1", "artist2"]


def test_other_sentences_are_composed_as_the_suggestion_is() -> None:
    found = Reading([SAID, SCORES], plan_of(prefix="sks"), existing="kept, so left aside").other_sentences()
    assert [(one.text, one.score, one.caption) for one in found] == [
        ("a cat", -0.4, "a cat, long hair, hair"),
        ("a cow", None, "a cow, long hair, hair"),
    ]
    joined = Reading([SAID], plan_of(existing="append"), existing="mine").other_sentences()
    assert joined[0].caption == "a cat, mine"


CUT = layer(
    "blip",
    said=Sentence(
        "a dog on grass under a blue",
        -0.2,
        (Alternative("a cat in a", -0.4, "length"), Alternative("a dog on grass", -0.5, "stop")),
        "length",
    ),
)


def test_a_sentence_that_was_cut_ends_at_its_last_whole_phrase() -> None:
    reading = Reading([CUT], plan_of())
    assert reading.composed.text == "a dog on grass"
    assert [one.caption for one in reading.other_sentences()] == ["a cat"]  # the other one reads the same by now
    assert [one.text for one in reading.other_sentences([Alternative("a cow with", None, "length")])][-1] == "a cow"


def test_whoever_wants_another_tool_s_captions_gets_the_cut_ones() -> None:
    for values in ({"whole_phrases": False}, {"preset": "everydream-beam"}, {"preset": "smart-preprocess"}):
        reading = Reading([CUT], plan_of(**values))
        assert reading.composed.text == "a dog on grass under a blue"
        assert [one.text for one in reading.other_sentences()] == ["a cat in a", "a dog on grass"]


@pytest.mark.parametrize("finish", ["stop", ""])
def test_a_sentence_that_ended_by_itself_or_of_which_nobody_knows_stays(finish: Any) -> None:
    said = Sentence("the box that the key is in", -0.2, finish=finish)
    assert Reading([layer("blip", said=said)], plan_of()).composed.text == said.text


def test_drawn_sentences_come_after_and_each_is_told_once() -> None:
    drawn = [Alternative(text, -1.0) for text in ("a dog", "a cow", "a fox", "a fox", " ")]
    assert [one.text for one in Reading([SAID], plan_of()).other_sentences(drawn)] == ["a cat", "a cow", "a fox"]


def test_without_a_captioner_there_is_no_other_sentence() -> None:
    assert Reading([SAID], plan_of(captioner="")).other_sentences() == []
    assert Reading([SCORES], plan_of()).other_sentences() == []


def test_a_thousand_tags_are_judged_in_a_fiftieth_of_a_second() -> None:
    kinds = ("flavors", "mediums", "movements", "artists", "trendings")
    tags = [Tag(f"{kind} number {n}", 0.3 - n / 1000, kind, "clip") for n in range(200) for kind in kinds]
    best = 1.0
    for number in range(8):
        plan = Plan.from_flat({"clip": "clip-demo", "flavors": number, "ignore": "flavors *2, mediums number 7"})
        started = time.process_time()
        assert Reading([SAID, layer("clip", *tags)], plan).tags
        best = min(best, time.process_time() - started)
    assert best < 0.02


# The frame, and where the words come from

FRAMED = {"prefix": "ohwx", "suffix": "best"}


def test_the_frame_stands_around_every_caption_and_once() -> None:
    plan = plan_of(**FRAMED, wd14="")
    assert Reading([SAID], plan).caption.text == "ohwx, a dog, best"
    assert Reading([], plan, "mine").caption.text == "ohwx, mine, best"
    for edit in ("my dog", "ohwx, my dog", "my dog, best", "ohwx, my dog, best"):
        caption = Reading([SAID], plan, "mine", edit).caption
        assert (caption.text, caption.inner, caption.is_edited) == ("ohwx, my dog, best", edit, True)


def test_a_frame_alone_is_no_caption() -> None:
    plan = plan_of(**FRAMED)
    for reading in (Reading([], plan), Reading([], plan, " "), Reading([wd14(shoe=0.02)], plan)):
        assert (reading.caption.text, reading.origin) == ("", "empty")
    cleared = Reading([SAID], plan, edit=" ")
    assert (cleared.caption.text, cleared.origin) == ("", "edited")


def test_the_origin_is_where_the_words_come_from() -> None:
    plan = plan_of(**FRAMED)
    assert Reading([SAID], plan).origin == "generated"
    assert Reading([SAID], plan, "mine").origin == "existing"
    assert Reading([SAID], plan_of(existing="append"), "mine").origin == "generated"
    assert Reading([SAID], plan, "mine", "").origin == "edited"


@pytest.mark.parametrize("policy", ["ignore", "keep", "prepend", "append"])
def test_at_rest_an_existing_caption_stays_where_no_model_saw_its_picture(policy: str) -> None:
    at_rest = Reading.at_rest([], plan_of(existing=policy), "mine,\nin lines")
    assert (at_rest.caption.text, at_rest.origin) == ("mine,\nin lines", "existing")


def test_at_rest_the_layers_say_what_became_of_an_existing_caption() -> None:
    texts = {"ignore": "a dog", "keep": "mine", "prepend": "mine, a dog", "append": "a dog, mine"}
    for used, expected in texts.items():
        layers = with_existing_used([SAID], used)
        for policy in texts:
            assert Reading.at_rest(layers, plan_of(existing=policy, wd14=""), "mine").caption.text == expected


def test_at_rest_an_existing_caption_is_not_lost_with_what_was_said() -> None:
    layers = with_existing_used([SAID], "ignore")
    assert Reading.at_rest(layers, plan_of(captioner=""), "mine").caption.text == "mine"
