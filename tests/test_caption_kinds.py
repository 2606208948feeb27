"""Kinds of captions: a plan of several, and which layers each counts. The models are fakes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from captioner.captions.layers import due, layer_kind, of_plan
from captioner.captions.plan import Plan
from captioner.captions.review import Reading
from captioner.errors import CaptionerError, ModelNotFound, SettingsError
from captioner.lab.grid import changed
from captioner.models import sources
from captioner.records import Layer, Sentence, Tag
from captioner.settings import Effect
from tests.fakes import fake_models

KINDS: dict[str, Any] = {
    "short": {"captioner": "fake-blip", "max_length": 12},
    "tags": {"captioner": "", "wd14": "fake-wd14"},
}


@pytest.fixture(autouse=True)
def fakes(tmp_path: Path) -> Iterator[None]:
    with fake_models(tmp_path / "fakes"):
        yield


def plan_of(**values: Any) -> Plan:
    return Plan.from_flat({"captioner": "fake-blip", "num_beams": 7, "kinds": KINDS, **values})


def said(text: str, kind: str = "", **changes: Any) -> Layer:
    layer = Layer(
        picture_id="p", model="fake-blip", family="blip", model_revision="1", run_settings={}, seed=None,
        created_at=1.0, sentence=Sentence(text), kind=kind,
    )  # fmt: skip
    return replace(layer, **changes)


def test_a_plan_without_kinds_says_nothing_of_them() -> None:
    flat = Plan.from_flat({"captioner": "fake-blip"}).to_flat()
    assert not {"kind", "kinds"} & set(flat)


def test_each_kind_has_its_captioner_settings_and_taggers_and_shares_the_rest() -> None:
    plan = plan_of(prefix="sks")
    assert plan.kind_names == ["", "short", "tags"]
    short, tags = plan.of_kind("short"), plan.of_kind("tags")
    assert short.captioner.settings.to_mapping()["max_length"] == 12
    assert short.captioner.settings.to_mapping()["num_beams"] == 3  # the default, not the main kind's
    assert [one.model for one in tags.running()] == ["fake-wd14"]
    assert [one.model for one in short.running()] == ["fake-blip"]
    assert {one.recipe.prefix for one in (plan, short, tags)} == {"sks"}
    assert tags.kind_names == plan.kind_names
    assert tags.of_kind("") == plan


@pytest.mark.parametrize("kind", ["", "short", "tags"])
def test_a_plan_comes_back_from_its_flat_mapping(kind: str) -> None:
    plan = plan_of(kind=kind)
    assert plan.kind == kind
    assert Plan.from_flat(plan.to_flat()) == plan
    assert Plan.from_stored(plan.to_flat()) == plan
    assert Plan.from_stored(plan.to_flat()).notes == ()


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"kinds": {"Ünfug": {}}}, "a kind of caption is called 'Ünfug'; give 1 to 24 letters"),
        ({"kinds": {"short": {"num_beam": 3}}}, "the kind short: num_beam is not a setting; did you mean num_beams?"),
        ({"kinds": {"short": {"prefix": "x"}}}, "the kind short has prefix, which all kinds share"),
        ({"kinds": {"short": 5}}, "the settings of the kind short are int; they must be a mapping"),
        ({"kinds": {str(number): {} for number in range(9)}}, "kinds have 9 entries; at most 8 are taken"),
        ({"kinds": {"": {}, "short": {}}, "kind": "short"}, "kind is short, which stands in kinds too"),
        ({"kind": 7}, "a kind of caption is called 7"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(values: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsError, match="^" + why.replace("?", r"\?")):
        Plan.from_flat(values)


def test_an_unknown_model_of_a_kind_keeps_its_code() -> None:
    with pytest.raises(ModelNotFound, match="the kind short: "):
        Plan.from_flat({"kinds": {"short": {"wd14": "fake-clip"}}})


def test_a_kind_that_is_not_there_is_named() -> None:
    with pytest.raises(CaptionerError, match="no kind of caption called long; the kinds are main, short, tags"):
        plan_of().of_kind("long")


def test_stored_kinds_are_read_field_by_field() -> None:
    stored = {**plan_of().to_flat(), "kinds": {"short": {"captioner": "gone-1", "max_length": 9999, "odd": 1}, "?": {}}}
    plan = Plan.from_stored(stored)
    assert plan.kind_names == ["", "short"]
    assert plan.to_flat()["kinds"]["short"]["odd"] == 1
    notes = " ".join(plan.notes)
    assert all(part in notes for part in ("Kind short: ", "'gone-1'", "max_length", "called '?'"))


def test_sentences_belong_to_their_kind_and_tags_to_all() -> None:
    plan = plan_of(wd14="fake-wd14", clip="fake-clip", mode="best")
    short = plan.of_kind("short")
    by_family = {one.family: layer_kind(one, short) for one in short.running()}
    assert by_family == {"blip": "short", "wd14": "", "clip": "short"}  # CLIP goes on from the sentence
    tags = Layer(
        picture_id="p", model="fake-wd14", family="wd14", model_revision="1", run_settings={}, seed=None,
        created_at=3.0, tags=(Tag("dog", 0.9, "general", "wd14"),),
    )  # fmt: skip
    layers = [said("a long sentence"), said("brief", "short", created_at=2.0), tags]
    plan = plan_of(wd14="fake-wd14")
    assert Reading(layers, plan).caption.text == "a long sentence, dog"
    assert Reading(layers, plan.of_kind("short")).caption.text == "brief, dog"
    assert Reading(layers, plan.of_kind("tags")).caption.text == "dog"
    assert of_plan(layers, plan) == [layers[0], tags]


def test_a_kind_is_due_by_itself() -> None:
    plan = plan_of()
    layers = [said("long", run_settings=plan.captioner.settings.to_mapping(Effect.RUN))]
    assert due(layers, plan) == ()
    assert due(layers, plan.of_kind("short")) == ("blip",)
    assert due([said("long", "short")], plan) == ("blip",)


def test_a_caption_that_came_along_is_a_main_one() -> None:
    plan = plan_of(existing="keep")
    layers = [said("brief", "short")]
    assert Reading.at_rest(layers, plan, "mine").caption.text == "mine"
    assert Reading.at_rest(layers, plan.of_kind("short"), "mine").caption.text == "brief"
    assert Reading.at_rest((), plan.of_kind("short"), "mine").caption.text == ""


def test_what_a_kind_s_model_wants_counts_once_it_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan.from_flat({"captioner": "", "wd14": "fake-wd14", "kinds": {"short": {"captioner": "fake-blip"}}})
    monkeypatch.setattr(sources, "own_defaults", lambda _, family, __: {"max_length": 7} if family == "blip" else {})
    monkeypatch.setattr(sources, "find_model", lambda *_, **__: None)
    fresh = plan.check_models().of_kind("short")
    assert fresh.captioner.settings.to_mapping()["max_length"] == 7


def test_a_tagger_s_model_is_the_same_for_all_kinds_since_they_share_what_it_says() -> None:
    with pytest.raises(SettingsError, match="wd14 is wd-vit-tagger-v3 for one kind of caption and fake-wd14 for anoth"):
        plan_of(wd14="wd-vit-tagger-v3")
    plan = Plan.from_flat({"wd14": "wd-vit-tagger-v3"}).with_kinds(plan_of(wd14="fake-wd14").kinds)
    assert {model for kind in plan.all_kinds() for _, model in kind.taggers} == {"wd-vit-tagger-v3"}
    swept = changed(plan_of(wd14="fake-wd14"), {"wd14": "wd-vit-tagger-v3"})
    assert [one.model for one in swept.of_kind("tags").running()] == ["wd-vit-tagger-v3"]
