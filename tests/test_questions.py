"""Questions for captioners that follow instructions: their variables, and when a picture is asked again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from captioner import __main__ as command_line
from captioner.captions.groups import CAPTIONER
from captioner.captions.layers import PROMPT_ASKED, due
from captioner.captions.plan import Plan
from captioner.contract import PictureInput
from captioner.errors import SettingsError
from captioner.lab.grid import changed
from captioner.models.endpoint.settings import EndpointSettings
from captioner.models.manager import ModelManager
from captioner.models.questions import PROMPTS, VARIABLES, WISHES, AskedCaptioner, QuestionSettings
from captioner.models.vision_language.settings import VisionLanguageSettings
from captioner.pipeline import draw_sentences, make_layers
from captioner.records import Tag
from tests.fakes import fake_models
from tests.other_askers import parrot

PICTURE = Image.new("RGB", (40, 20), "red")
SHOWN = PictureInput(
    PICTURE,
    name="my cat.png",
    existing="a pet",
    folder="10_cat/old",
    trigger="sks cat",
    tags=(Tag("long_hair", 0.9, "general", "wd14"),),
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with fake_models(tmp_path_factory.mktemp("questions") / "models") as models, parrot():
        yield models


def asking(prompt: str, **values: Any) -> QuestionSettings:
    return QuestionSettings.from_mapping({"prompt": prompt, **values})


def test_variables_in_a_prompt_are_filled_in_and_read() -> None:
    prompt = 'Tags: {tags}. File {name} in {folder}, before: {existing}. {trigger}, {word_count} words, {"json": 1}.'
    settings = asking(prompt, word_count=40)
    said = 'Tags: long hair. File my cat in 10_cat/old, before: a pet. sks cat, 40 words, {"json": 1}.'
    assert settings.asked(SHOWN) == said == AskedCaptioner.asked(SHOWN, settings)
    assert set(settings.reads()) == {"tags", "name", "folder", "existing", "trigger"}
    assert asking("What is it?").reads() == ()
    assert asking("{name}").asked(PictureInput(PICTURE, name="{tags}.png")) == "{tags}", "filled in once"


def test_a_variable_that_nobody_knows_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SettingsError, match=r"the prompt has \{tag\}, which stands for nothing; .*\{tags\}.*\{word_co"):
        asking("Use {tag}.")
    assert asking('{"tag": []} {} {a b}').asked(SHOWN) == '{"tag": []} {} {a b}', "braces that are no variable stay"


def test_further_draws_are_asked_as_the_first_was(models: str) -> None:
    flat = {"parrot_method": "nucleus", "parrot_prompt": "{trigger}: {tags}", "prefix": "sks, ", "wd14": "default"}
    plan = Plan.from_flat({CAPTIONER: "parrot-1", **flat}, models)
    with closing(ModelManager(models=models, device="cpu")) as manager:
        [[result]] = make_layers([("a", SHOWN)], plan, manager)
        [said] = [layer.sentence.text for layer in result.layers if layer.sentence]
        assert said.startswith("sks: nami (one piece)")
        assert [one.text for one in draw_sentences(SHOWN, plan, manager, result.layers, skip=1, count=1)] == [said]


def test_wishes_stand_behind_the_prompt_in_their_order() -> None:
    settings = asking("What is it?", wishes="MOOD, lighting,mood, call-it")
    assert settings.wishes == "call-it, lighting, mood"
    assert settings.asked(SHOWN).splitlines() == [
        "What is it?",
        "Call the main subject sks cat.",
        WISHES["lighting"],
        WISHES["mood"],
    ]
    assert settings.reads() == ("trigger",)
    with pytest.raises(SettingsError, match=r"wishes names 'moods'; it takes any of call-it, "):
        asking("What is it?", wishes="moods")


@pytest.mark.parametrize("settings", [VisionLanguageSettings, EndpointSettings])
def test_every_preset_asks_what_can_be_asked_and_leaves_the_rest(settings: type[QuestionSettings]) -> None:
    values = settings.preset_values()
    assert set(values) == set(PROMPTS) >= {"straightforward", "short", "long", "tags", "character-lora", "style-lora"}
    assert all("prompt" in fields and len(fields) == 2 for fields in values.values())


def test_a_preset_sets_the_question_and_nothing_else(models: str) -> None:
    flat = {CAPTIONER: "parrot-1", "parrot_system": "You are terse.", "parrot_prompt": "What?"}
    plan = Plan.from_flat({**flat, "preset": "short"}, models)
    assert plan.captioner.settings.to_mapping()["prompt"] == "What?", "what is given beside a preset wins"
    assert changed(plan, {"preset": "short"}, models).captioner.settings.to_mapping() == {
        **plan.captioner.settings.to_mapping(),
        "prompt": PROMPTS["short"][0],
    }


@pytest.fixture(scope="module")
def manager(models: str) -> Iterator[ModelManager]:
    manager = ModelManager(models=models, device="cpu")
    yield manager
    manager.close()


def plan_of(models: str, prompt: str, **values: Any) -> Plan:
    return Plan.from_flat({CAPTIONER: "parrot-1", "wd14": "default", "parrot_prompt": prompt, **values}, models)


MOVED: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "{tags}": ({}, {"general_threshold": 0.9}),
    "{name}": ({"name": "dog.png"}, {}),
    "{folder}": ({"folder": "dogs"}, {}),
    "{existing}": ({"existing": "a dog"}, {}),
    "{trigger}": ({}, {"prefix": "sks dog, "}),
    "{word_count}": ({}, {"parrot_word_count": 60}),
}


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_caption_is_due_when_what_its_prompt_read_is_another(
    variable: str, models: str, manager: ModelManager
) -> None:
    own = {"name": "cat.png", "folder": "cats", "existing": "a cat"}
    plan = plan_of(models, f"Say {variable}.", prefix="sks cat, ")
    [[result]] = make_layers([("a", PictureInput(PICTURE, **own))], plan, manager)
    [layer] = [layer for layer in result.layers if layer.family == "parrot"]
    assert layer.sentence is not None and layer.run_settings[PROMPT_ASKED] == layer.sentence.text != f"Say {variable}."
    assert due(result.layers, plan, **own) == ()
    for other, (moved, values) in MOVED.items():
        now = plan_of(models, f"Say {variable}.", **{"prefix": "sks cat, ", **values})
        wanted = ("parrot",) if other == variable else ()
        assert due(result.layers, now, **{**own, **moved}) == wanted, other
    stored = {**layer.run_settings}
    for name in ("wishes", "redraws", "word_count", PROMPT_ASKED) if variable != "{word_count}" else ():
        stored.pop(name, None)
    others = [one for one in result.layers if one is not layer]
    assert due([*others, replace(layer, run_settings=stored)], plan, **own) == (), "as an earlier version kept it"


def test_the_trigger_word_is_the_prefix_without_what_joins_it(models: str, manager: ModelManager) -> None:
    plan = plan_of(models, "Call it {trigger}!", prefix=" sks dog,  ")
    [[result]] = make_layers([("a", PictureInput(PICTURE))], plan, manager)
    assert [layer.sentence.text for layer in result.layers if layer.sentence] == ["Call it sks dog!"]


def test_prompts_are_chosen_and_filled_in_on_the_command_line(
    models: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "set" / "cats").mkdir(parents=True)
    (tmp_path / "set" / "dogs").mkdir()
    PICTURE.save(tmp_path / "set" / "cats" / "a.png")
    PICTURE.save(tmp_path / "set" / "dogs" / "b.png")
    words = ["caption", str(tmp_path / "set"), "--recursive", "--models", models, "--captioner", "parrot-1"]
    assert command_line.main([*words, "--parrot-prompt", "{folder}/{name}, {trigger}", "--prefix", "sks, "]) == 0
    assert [line.partition(".png: ")[2] for line in capsys.readouterr().out.splitlines()] == [
        "sks, cats/a, sks",
        "sks, dogs/b, sks",
    ]
    more = ["--preset", "short", "--parrot-wishes", "mood", "--parrot-word-count", "9"]
    assert command_line.main([*words, *more]) == 0
    told = capsys.readouterr()
    assert f"{PROMPTS['short'][0]} {WISHES['mood']}" in told.out
    assert "--parrot-word-count 9 has no effect without {word_count} in --parrot-prompt." in told.err
    assert command_line.main([*words, "--parrot-prompt", "{nme}"]) == 2
    assert "{nme}, which stands for nothing; the variables are {tags}, {name}" in capsys.readouterr().err
