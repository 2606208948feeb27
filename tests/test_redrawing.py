"""Answers that went wrong: another one takes their place, what was tried stays, and what is still wrong is marked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from captioner import __main__ as command_line
from captioner.captions.groups import CAPTIONER
from captioner.captions.layers import REDRAWN, due, glitch_of
from captioner.captions.plan import Plan
from captioner.contract import PictureInput
from captioner.errors import ModelFailed, OutOfMemory
from captioner.glitches import GLITCHES
from captioner.models.blip import BlipCaptioner
from captioner.models.endpoint import EndpointCaptioner
from captioner.models.endpoint.settings import EndpointSettings
from captioner.models.manager import ModelManager
from captioner.models.vision_language import VisionLanguageCaptioner
from captioner.models.vision_language.settings import VisionLanguageSettings
from captioner.pipeline import PictureLayers, make_layers
from captioner.records import Alternative, Sentence
from captioner.service.service import Service
from captioner.ui import workbench
from captioner.worker import Worker
from captioner.workspace import Workspace
from tests.fakes import fake_models
from tests.other_askers import parrot
from tests.service_makers import RED, page_values, set_with, wait_for_job

PICTURE = PictureInput(Image.new("RGB", (40, 20), "red"))
LOOP = "a dog with a dog with a dog with a dog with a dog"
CUT = Sentence("a dog on a", -2.0, (), "length")
DRAWN = {"parrot_method": "nucleus", "parrot_seed": 5}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with fake_models(tmp_path_factory.mktemp("redrawing") / "models") as models:
        yield models


@pytest.fixture(scope="module")
def manager(models: str) -> Iterator[ModelManager]:
    manager = ModelManager(models=models, device="cpu")
    yield manager
    manager.close()


def asked(models: str, manager: ModelManager, **values: Any) -> tuple[Plan, PictureLayers]:
    plan = Plan.from_flat({CAPTIONER: "parrot-1", **values}, models)
    [[result]] = make_layers([("a", PICTURE)], plan, manager)
    return plan, result


def test_a_good_answer_is_asked_for_once(models: str, manager: ModelManager) -> None:
    with parrot({5: "a dog"}) as drawn:
        plan, result = asked(models, manager, **DRAWN)
        [layer] = result.layers
        assert (layer.sentence, layer.seed, drawn) == (Sentence("a dog", -1.0, (), "stop"), 5, [])
        assert layer.run_settings[REDRAWN] == 0 and due([layer], plan) == ()


def test_the_next_seed_without_a_glitch_is_taken_and_the_tries_are_kept(models: str, manager: ModelManager) -> None:
    with parrot({5: LOOP, 6: "I'm sorry, I can't help.", 7: "a dog", 8: "never drawn"}) as drawn:
        plan, result = asked(models, manager, **DRAWN)
        [layer] = result.layers
        assert layer.sentence is not None and layer.sentence.text == "a dog"
        assert [other.text for other in layer.sentence.alternatives] == [LOOP, "I'm sorry, I can't help."]
        assert (drawn, layer.seed, layer.run_settings[REDRAWN]) == ([6, 7], 7, 2)
        assert glitch_of(layer.sentence, plan.captioner) is None and due([layer], plan) == ()


def test_where_all_went_wrong_the_one_worth_most_stays_and_is_marked(models: str, manager: ModelManager) -> None:
    with parrot({5: LOOP, 6: CUT, 7: "!!!!!!!!!"}):
        plan, result = asked(models, manager, **DRAWN)
        [layer] = result.layers
        assert layer.sentence is not None and layer.sentence.text == CUT.text and layer.seed == 6
        assert glitch_of(layer.sentence, plan.captioner) == "cut"
        assert due([layer], plan) == (), "it was drawn as often as it may be"
        more = Plan.from_flat({CAPTIONER: "parrot-1", **DRAWN, "parrot_redraws": 3}, models)
        assert due([layer], more) == ("parrot",)
        fewer = Plan.from_flat({CAPTIONER: "parrot-1", **DRAWN, "parrot_redraws": 0}, models)
        assert due([layer], fewer) == ()


def test_0_leaves_an_answer_as_it_is(models: str, manager: ModelManager) -> None:
    with parrot({5: LOOP}, [Alternative("a dog", -3.0)]) as drawn:
        plan, result = asked(models, manager, **DRAWN, parrot_redraws=0)
        [layer] = result.layers
        assert layer.sentence is not None and (layer.sentence.text, drawn) == (LOOP, [])
        assert glitch_of(layer.sentence, plan.captioner) == "loop"


def test_a_search_gives_its_next_best_and_draws_nothing(models: str, manager: ModelManager) -> None:
    with parrot({0: LOOP}, [Alternative(LOOP + " with a dog", -1.5), Alternative("a dog", -2.0)]) as drawn:
        _, result = asked(models, manager)
        [layer] = result.layers
        assert layer.sentence is not None and (layer.sentence.text, layer.sentence.score) == ("a dog", -2.0)
        assert [other.text for other in layer.sentence.alternatives] == [LOOP, LOOP + " with a dog"]
        assert drawn == [] and REDRAWN not in layer.run_settings
    with parrot({0: LOOP}) as drawn:
        plan, result = asked(models, manager)
        [layer] = result.layers
        assert drawn == [] and glitch_of(layer.sentence, plan.captioner) == "loop"
        assert due([layer], plan) == (), "it would say the same again"


def test_no_caption_at_all_is_drawn_again_and_else_said(models: str, manager: ModelManager) -> None:
    nothing = ModelFailed("the model said nothing.", code="no_caption")
    with parrot({5: nothing, 6: nothing, 7: "a dog"}):
        _, result = asked(models, manager, **DRAWN)
        [layer] = result.layers
        assert layer.sentence == Sentence("a dog", -1.0, (), "stop") and layer.seed == 7
    with parrot({5: nothing, 6: nothing, 7: nothing}):
        _, result = asked(models, manager, **DRAWN)
        assert result.layers == () and str(result.error) == "the model said nothing."


def test_a_failure_is_no_glitch(models: str, manager: ModelManager) -> None:
    with parrot({5: LOOP, 6: OutOfMemory("no memory")}):
        _, result = asked(models, manager, **DRAWN)
        assert result.layers == () and str(result.error) == "no memory"


def test_each_family_says_how_a_glitch_is_drawn_again() -> None:
    beam = VisionLanguageSettings.from_mapping({})
    assert VisionLanguageCaptioner.drawing(beam) == beam.replaced(method="nucleus")
    cold = EndpointSettings.from_mapping({"temperature": 0.0})
    assert EndpointCaptioner.drawing(cold) == cold.replaced(temperature=0.6) and not EndpointCaptioner.can_draw(cold)
    blip = BlipCaptioner.Settings.from_mapping({"redraws": 4})
    assert BlipCaptioner.drawing(blip) is None
    nucleus = blip.replaced(method="nucleus")
    assert BlipCaptioner.drawing(nucleus) == nucleus and BlipCaptioner.redraws(nucleus) == 4


def test_a_blip_sentence_that_ends_at_a_whole_phrase_is_not_cut() -> None:
    plan = Plan.from_flat({CAPTIONER: "blip-base"})
    assert glitch_of(CUT, plan.captioner) is None
    raw = Plan.from_flat({CAPTIONER: "blip-base", "whole_phrases": False})
    assert glitch_of(CUT, raw.captioner) == "cut"


def test_a_caption_that_looks_wrong_is_told_in_its_row_until_a_person_writes_another(
    models: str, tmp_path: Path
) -> None:
    manager = ModelManager(models=models, device="cpu")
    with parrot({0: LOOP}), Workspace(tmp_path / "work") as workspace, Worker() as worker:
        service = Service(workspace, worker, manager)
        set_id, [picture_id] = set_with(service, RED)
        service.jobs.start(set_id, None, page_values(service, captioner="parrot-1"))
        assert wait_for_job(service, set_id)["state"] == "done"
        row = service.rows.of_picture(set_id, picture_id)
        assert (row["glitch"], row["caption"]) == ("loop", LOOP)
        assert service.live.details(set_id, picture_id)["asked"].startswith("Describe this picture")
        service.save_caption(set_id, picture_id, LOOP + ", as I wanted", row["revision"])
        assert service.rows.of_picture(set_id, picture_id)["glitch"] == ""
    manager.close()


def test_the_command_line_tells_what_looks_wrong(
    models: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    PICTURE.image.save(tmp_path / "a.png")
    words = ["caption", str(tmp_path / "a.png"), "--models", models, "--captioner", "parrot-1", "--json"]
    with parrot({0: LOOP, 1: LOOP, 2: LOOP}):
        assert command_line.main([*words, "--parrot-method", "nucleus"]) == 0
    told = capsys.readouterr()
    assert {"glitch": "loop", "redrawn": 2, "caption": LOOP}.items() <= json.loads(told.out).items()
    assert "this caption looks wrong: it goes round in circles, asked 3 times." in told.err
    assert told.err.splitlines()[-1] == "1 captioned, 1 of them looks wrong, 0 failed"


def test_the_page_has_the_same_words() -> None:
    script = workbench.modules()["set/glitches.js"].replace('"', "'")
    said = {kind: words.replace("'", "") for kind, words in GLITCHES.items()}
    assert all(f"{kind}: '{words}'" in script.replace("model's", "models") for kind, words in said.items())
