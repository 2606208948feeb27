"""A captioner family that the product does not have goes through flags, page, API, jobs, stored settings."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from captioner import __main__ as command_line
from captioner.captions.groups import CAPTIONER, known_names, setting_groups
from captioner.captions.layers import due, in_reading_order
from captioner.captions.plan import Plan
from captioner.captions.review import Reading
from captioner.contract import PictureInput
from captioner.errors import SettingsError
from captioner.models import registry, sources
from captioner.models.manager import ModelManager
from captioner.pipeline import make_layers
from captioner.service.service import Service
from captioner.ui import page
from captioner.worker import Worker
from captioner.workspace import Workspace
from tests.fakes import fake_models
from tests.gradio_blocks import in_loop
from tests.other_families import ECHO, ODD, EchoCaptioner, EchoSettings, odd_tagger
from tests.service_makers import RED, added, export_zip, moved, page_values, png, wait_for_job
from tests.tiny_models import save_tiny_blip


@pytest.fixture
def models(tmp_path: Path) -> Iterator[str]:
    with fake_models(tmp_path / "models") as models:
        registry.MODELS = (*registry.MODELS, ECHO)
        yield models


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "workspace") as workspace:
        yield workspace


@pytest.fixture
def service(workspace: Workspace, manager: ModelManager) -> Iterator[Service]:
    with Worker() as worker:
        yield Service(workspace, worker, manager)


def shown(name: str = "cat.png") -> PictureInput:
    return PictureInput(Image.new("RGB", (40, 20), "red"), name=name)


def test_fields_of_one_name_in_two_families_are_told_apart(models: str) -> None:
    assert {"temperature", "echo_temperature", "echo_manner"} <= set(known_names())
    assert len(known_names()) == len(set(known_names()))
    plan = Plan.from_flat({CAPTIONER: "echo-1", "echo_temperature": 0.5, "temperature": 1.5}, models)
    assert plan.captioner.settings == EchoSettings(temperature=0.5)
    [blip] = [planned for planned in plan.switched_off if planned.family == "blip"]
    assert blip.settings.to_mapping()["temperature"] == 1.5


def test_a_condition_between_fields_is_named_as_in_the_flat_mapping(models: str) -> None:
    [echo] = [group for group in setting_groups() if group.family == "echo"]
    [temperature] = [field for field in echo.fields() if field.name == "echo_temperature"]
    assert temperature.only_when == ("echo_manner", ("free",))
    assert temperature.title == "Temperature", "the family's name is for flags, not for a person"


def test_switching_the_captioner_brings_the_others_values_back(models: str) -> None:
    flat = Plan.from_flat({CAPTIONER: "echo-1", "echo_manner": "free", "num_beams": 7}, models).to_flat()
    back = Plan.from_flat({**flat, CAPTIONER: "fake-blip"}, models)
    assert back.captioner.settings.to_mapping()["num_beams"] == 7
    assert Plan.from_flat({**back.to_flat(), CAPTIONER: "echo-1"}, models).captioner.settings == EchoSettings(
        manner="free"
    )


def test_a_family_s_preset_is_its_own(models: str) -> None:
    plan = Plan.from_flat({CAPTIONER: "echo-1", "preset": "echo-freely"}, models)
    assert plan.captioner.settings == EchoSettings(manner="free", temperature=1.5)
    with pytest.raises(SettingsError, match="no preset is called 'echo-freely'; the presets are everydream-beam"):
        Plan.from_flat({"preset": "echo-freely"}, models)


def test_a_model_without_a_folder_is_loaded_by_its_name(models: str, manager: ModelManager) -> None:
    EchoCaptioner.places.clear()
    plan = Plan.from_flat({CAPTIONER: "echo-1"}, models)
    plan.check_models(models)
    [[result]] = make_layers([("a", shown())], plan, manager)
    assert EchoCaptioner.places == ["echo-1"]
    assert Reading(result.layers, plan).caption.text == "plain cat.png"


@pytest.mark.parametrize("wish", ["auto", "hub", "demo"])
def test_a_model_without_a_repository_does_not_stop_the_start(models: str, wish: str) -> None:
    choice = sources.choose_trio(wish)
    assert "echo" not in choice.names
    assert ECHO not in choice.missing


def test_a_captioner_that_reads_tags_runs_after_the_taggers(models: str, manager: ModelManager) -> None:
    flat = {CAPTIONER: "echo-1", "echo_manner": "tags", "wd14": "default"}
    plan = Plan.from_flat(flat, models)
    assert [planned.family for planned in in_reading_order(plan)] == ["wd14", "echo"]
    [[result]] = make_layers([("a", shown())], plan, manager)
    [sentence] = [layer.sentence for layer in result.layers if layer.sentence]
    assert sentence.text == "tags cat.png nami_(one_piece) red_background long_hair hair"
    assert due(result.layers, plan, "cat.png") == ()
    assert due(result.layers, plan, "dog.png") == ("echo",), "it reads the name"
    stricter = Plan.from_flat({**flat, "general_threshold": 0.55}, models)
    assert due(result.layers, stricter, "cat.png") == ("echo",), "it would read other tags"


def test_models_that_read_each_other_are_refused(models: str) -> None:
    plan = Plan.from_flat({CAPTIONER: "echo-1", "echo_manner": "tags", "clip": "default", "mode": "chain"}, models)
    with pytest.raises(SettingsError, match="echo-1 and fake-clip read each other's results"):
        in_reading_order(plan)


def test_the_command_line_has_its_flags_and_captions_with_it(
    models: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (40, 20), "red").save(tmp_path / "a.png")
    words = ["caption", str(tmp_path / "a.png"), "--models", models, "--device", "cpu"]
    assert command_line.main([*words, "--captioner", "echo-1", "--echo-manner", "free"]) == 0
    assert capsys.readouterr().out.endswith("free a.png\n")
    assert command_line.main([*words, "--echo-manner", "free"]) == 2
    assert "--echo-manner has no effect without --captioner; add --captioner echo-1." in capsys.readouterr().err


def test_a_sweep_may_have_its_settings_as_axes(models: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (40, 20), "red").save(tmp_path / "a.png")
    words = ["sweep", str(tmp_path / "a.png"), "--models", models, "--device", "cpu", "--captioner", "echo-1"]
    assert command_line.main([*words, "--x", "manner=plain,free", "--out", str(tmp_path / "grids")]) == 0
    assert "free a.png" in (tmp_path / "grids" / "a.csv").read_text()


def test_the_page_lays_out_controls_of_every_family(service: Service) -> None:
    blocks = in_loop(lambda: page.build(service))
    names = {getattr(block, "elem_id", None) for block in blocks.blocks.values()}
    assert {
        "family-blip",
        "family-echo",
        "setting-echo_manner",
        "setting-temperature",
        "preset-blip",
        "preset-echo",
    } <= names
    choices = next(block for block in blocks.blocks.values() if getattr(block, "elem_id", "") == "setting-captioner")
    assert {name for _, name in choices.choices} == {"fake-blip", "echo-1"}


def test_the_page_previews_and_captions_with_it(service: Service) -> None:
    set_id = service.new_set()["set"]
    picture = added(service, set_id, "cat.png", png(RED))
    values = page_values(service, captioner="echo-1", echo_manner="free")
    assert moved(service, set_id, picture, values)["text"] == "free cat.png"
    service.jobs.start(set_id, None, values)
    assert wait_for_job(service, set_id)["state"] == "done"
    assert service.open_set(set_id)["rows"][0]["caption"] == "free cat.png"
    assert service.jobs.start(set_id, None, values)["job"] is None, "nothing is due"


def test_a_program_captions_with_it(service: Service) -> None:
    set_id = service.new_set()["set"]
    picture = added(service, set_id, "cat.png", png(RED))
    plan = service.choices.plan_of_flat({CAPTIONER: "echo-1", "echo_temperature": 0.2})
    assert service.live.caption_one(set_id, picture, plan) == "plain cat.png"


def test_a_tagger_of_another_layout_activation_and_label_file_gives_tags(tmp_path: Path) -> None:
    with fake_models(tmp_path / "models") as models:
        registry.MODELS = (*registry.MODELS, ODD)
        odd_tagger(tmp_path / "models" / "odd-1")
        manager = ModelManager(models=models, device="cpu")
        plan = Plan.from_flat({CAPTIONER: "", "odd": "default", "odd_threshold": 0.9}, models)
        meadow = PictureInput(Image.new("RGB", (40, 20), (0, 255, 0)))
        [[result]] = make_layers([("a", meadow)], plan, manager)
        [layer] = result.layers
        assert layer.tags is not None
        [grass] = layer.tags
        assert (grass.name, grass.category, grass.source) == ("grass", "meadow", "odd")
        assert grass.score == pytest.approx(1 / (1 + math.exp(-9)), abs=1e-6)
        assert Reading(result.layers, plan).caption.text == "grass"
        manager.close()


@pytest.mark.parametrize("name", ["mine", "elsewhere"])
def test_a_folder_of_one_s_own_runs_as_the_family_whose_files_it_has(tmp_path: Path, name: str) -> None:
    folder = save_tiny_blip(tmp_path / name)
    plan = Plan.from_flat({CAPTIONER: str(folder)})
    assert (plan.captioner.family, plan.captioner.model) == ("blip", str(folder))
    assert sources.family_of(str(odd_tagger(tmp_path / "odd")), "tagger") is None, "no such family is registered"


# Stored settings


def test_settings_of_an_uninstalled_family_are_carried_and_come_back(
    service: Service, models: str, workspace: Workspace, manager: ModelManager, tmp_path: Path
) -> None:
    values = page_values(service, captioner="echo-1", echo_manner="free", prefix="sks dog")
    set_id = service.new_set(values)["set"]
    registry.MODELS = tuple(spec for spec in registry.MODELS if spec is not ECHO)
    with Worker() as worker:
        other = Service(workspace, worker, manager)
        plan = other.choices.stored_plan(set_id)
        assert plan.recipe.prefix == "sks dog", "one unknown key must not cost the recipe"
        assert plan.captioner.model == "fake-blip"
        assert any("echo_manner" in note and "kept as stored" in note for note in plan.notes)
        assert any("'echo-1' is left aside" in note for note in plan.notes)
        other.choices.store(set_id, other.choices.plan_of(page_values(other, prefix="sks cat")))
        added(other, set_id, "cat.png", png(RED))
        export_zip(other, set_id, tmp_path / "set.zip", format="txt", with_pictures=False)
    with zipfile.ZipFile(tmp_path / "set.zip") as exported:
        assert b"echo_manner" in exported.read("settings.log"), "an export says what it left aside"
    registry.MODELS = (*registry.MODELS, ECHO)
    plan = service.choices.stored_plan(set_id)
    assert plan.recipe.prefix == "sks cat"
    [echo] = [planned for planned in plan.switched_off if planned.family == "echo"]
    assert echo.settings == EchoSettings(manner="free")


def test_each_stored_value_that_is_not_allowed_falls_back_by_itself(models: str) -> None:
    stored = Plan.from_flat({"num_beams": 9, "prefix": "sks", "wd14": "default"}, models).to_flat()
    plan = Plan.from_stored({**stored, "num_beams": 900, "separator": 7, "general_threshold": 0.5}, models)
    assert plan.captioner.settings.to_mapping()["num_beams"] == 3
    assert (plan.recipe.prefix, plan.recipe.separator) == ("sks", ", ")
    assert plan.taggers[0].settings.to_mapping()["general_threshold"] == 0.5
    assert len([note for note in plan.notes if "left at its default" in note]) == 2


def test_of_stored_values_that_do_not_fit_each_other_one_falls_back(models: str) -> None:
    plan = Plan.from_stored({"min_length": 40, "max_length": 30, "num_beams": 4, "prefix": "sks"}, models)
    values = plan.captioner.settings.to_mapping()
    assert (values["min_length"], values["max_length"], values["num_beams"]) == (5, 30, 4)
    assert any("(min_length) is left at its default" in note for note in plan.notes)


def test_a_stored_model_of_the_wrong_kind_is_left_aside(models: str) -> None:
    plan = Plan.from_stored({CAPTIONER: "fake-wd14", "wd14": "fake-blip", "prefix": "sks"}, models)
    assert (plan.captioner.model, plan.taggers, plan.recipe.prefix) == ("fake-blip", (), "sks")
    assert len(plan.notes) == 2
