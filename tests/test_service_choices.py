"""Which models and settings a visitor may choose, and what becomes of a choice that means nothing here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from captioner.captions.groups import setting_groups
from captioner.captions.plan import Plan
from captioner.errors import SettingsError
from captioner.models import registry
from captioner.models.manager import ModelManager
from captioner.service.choices import Choices, to_flat
from captioner.service.service import Service
from captioner.worker import Worker
from captioner.workspace import Workspace
from tests.service_makers import RED, page_values, set_with


@pytest.mark.parametrize("models", ["auto", "hub"])
def test_an_open_clip_name_may_be_typed_where_models_come_from_the_hub_and_never_a_folder(
    tmp_path: Path, models: str
) -> None:
    with Workspace(tmp_path / "work") as workspace, Worker() as worker:
        service = Service(workspace, worker, ModelManager(models=models, device="cpu"), ["*"])
        assert "ViT-B-32/laion2b_s34b_b79k" in service.choices.takes_other_names("clip")
        assert service.choices.takes_other_names("wd14") == ""
        assert "hub id" in service.choices.takes_other_names("captioner")
        plan = service.choices.plan_of(page_values(service, clip_on=True, clip=" vit-b-32/LAION2B_s34b_b79k "))
        assert [choice.model for choice in plan.taggers] == ["ViT-B-32/laion2b_s34b_b79k"]
        assert service.choices.plan_of_flat({"clip": "ViT-B-32/laion2b_s34b_b79k"}).taggers == plan.taggers
        with pytest.raises(SettingsError, match="did you mean ViT-L-14/openai"):
            service.choices.plan_of(page_values(service, clip_on=True, clip="ViT-L-14/opanai"))
        for folder in (str(tmp_path), "./work", "../work", "ViT-B-32/../work", "a\\b", "x" * 300):
            with pytest.raises(SettingsError, match=r"clip is .*; it must be one of .*an open_clip name"):
                service.choices.plan_of(page_values(service, clip_on=True, clip=folder))


def test_a_repository_of_the_hub_is_chosen_only_where_the_start_allows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Workspace(tmp_path / "work") as workspace:

        def chosen(name: str, *allowed: str) -> str:
            choices = Choices("auto", workspace, allowed)
            model = choices.plan_of({"captioner": name, "captioner_on": True}).captioner.model
            assert choices.plan_of_flat({"captioner": name}).captioner.model == model
            return model

        for allowed in ((), ("ann/other",), ("bob/*",)):
            with pytest.raises(SettingsError, match=r"captioner is 'ann/net'; .* --allow-model ann/net$"):
                chosen("ann/net", *allowed)
        for name in ("ann/net", "ann/*", "*"):
            assert chosen("ann/net", name) == "ann/net"
        assert chosen("blip-demo") == "blip-demo"

        closed, named, open_ = (Choices("auto", workspace, allowed) for allowed in ((), ("ann/net",), ("*",)))
        assert closed.takes_other_names("captioner") == named.takes_other_names("captioner") == ""
        assert "hub id" in open_.takes_other_names("captioner")
        assert ("ann/net (not here)", "ann/net") in named.model_choices("captioner")
        assert (named.captioner_families()["ann/net"], open_.captioner_families()[""]) == ("vlm", "vlm")
        assert "" not in closed.captioner_families()
        assert open_.captioner_families()["*promptgen*"] == "florence"
        florence = Choices("auto", workspace, ("ann/Florence-2-flux",))
        assert [name for _, name in florence.model_choices("captioner")].count("ann/Florence-2-flux") == 1
        assert florence.captioner_families()["ann/Florence-2-flux"] == "florence"
        assert Choices("demo", workspace, ("*",)).takes_other_names("captioner") == ""

        (tmp_path / "ann" / "net").mkdir(parents=True)
        with pytest.raises(SettingsError, match=r"a folder of this name lies where the app was started"):
            chosen("ann/net", "*")


def test_another_model_brings_what_it_wants_where_its_predecessor_s_defaults_stand(tmp_path: Path) -> None:
    with Workspace(tmp_path / "work") as workspace:
        choices = Choices("auto", workspace)
        first, second = (registry.find(name) for name in ("wd-vit-tagger-v3", "wd-eva02-large-tagger-v3"))
        plan = choices.plan_of_flat({"captioner": "blip-demo", "wd14": first.name})
        before = choices.page_values(plan)
        values = {**before, "wd14": second.name}
        assert choices.brought_along(values, before) == {"values": dict(second.defaults), "family": "blip"}
        own = {**values, "general_threshold": 0.7}
        assert choices.brought_along(own, before)["values"] == {}, "a person's own value stays"
        assert choices.brought_along(before, before)["values"] == {}
        joy = registry.find("joycaption-beta-one")
        wanted = {f"vlm_{name}": value for name, value in joy.defaults.items()}
        brought = choices.brought_along({**before, "captioner": joy.name}, before)["values"]
        assert brought.items() <= wanted.items() and brought["vlm_method"] == "nucleus"
        typed = Choices("auto", workspace, ["*"])
        for name, family in (("ann/net", "vlm"), ("ann/Florence-2-mine", "florence")):
            assert typed.brought_along({**before, "captioner": name}, before)["family"] == family


def test_where_models_are_a_folder_no_other_name_is_taken(service: Service) -> None:
    assert service.choices.takes_other_names("clip") == ""
    with pytest.raises(SettingsError, match="it must be one of fake-clip"):
        service.choices.plan_of(page_values(service, clip_on=True, clip="ViT-B-32/laion2b_s34b_b79k"))


def test_settings_that_mean_nothing_any_more_do_not_keep_a_set_shut(service: Service) -> None:
    set_id, _ = set_with(service, RED)
    service.workspace.set_settings(set_id, {"num_beams": 500})
    opened = service.open_set(set_id)
    assert len(opened["rows"]) == 1
    assert "num_beams is 500" in opened["notes"][0]


def test_values_of_every_group_become_the_plan_they_came_from() -> None:
    plan = Plan.from_flat({"captioner": "blip-demo", "wd14": "wd14-demo", "num_beams": 7}, "demo")
    keys = [group.key for group in setting_groups() if group.family]
    flat = plan.to_flat()
    page: dict[str, Any] = {name: value for name, value in flat.items() if name not in keys}
    for key in keys:
        page |= {f"{key}_on": bool(flat[key]), key: flat[key] or "some-model"}
    assert Plan.from_flat(to_flat(page, keys), "demo") == plan


def test_a_switch_that_is_off_switches_the_model_off() -> None:
    assert to_flat({"clip": "clip-demo", "clip_on": False, "flavors": 3}, ["clip"]) == {"clip": "", "flavors": 3}


def test_a_stored_plan_is_read_again_only_where_something_changed(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    from_stored = Plan.from_stored
    monkeypatch.setattr(Plan, "from_stored", lambda *values: read.append(values) or from_stored(*values))
    set_id = service.new_set()["set"]
    first = service.choices.stored_plan(set_id)
    assert service.choices.stored_plan(set_id) is first
    assert len(read) == 1
    service.workspace.set_settings(set_id, {**first.to_flat(), "prefix": "ohwx"})
    assert service.choices.stored_plan(set_id).recipe.prefix == "ohwx"
    assert len(read) == 2


def test_a_stored_plan_that_names_a_folder_follows_what_becomes_of_the_folder(service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "of-mine"
    set_id = service.new_set()["set"]
    service.workspace.set_settings(set_id, {"wd14": str(folder)})
    assert any("is left aside" in note for note in service.choices.stored_plan(set_id).notes)
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"")
    (folder / "selected_tags.csv").write_text("tag_id,name,category,count\n")
    assert [planned.model for planned in service.choices.stored_plan(set_id).taggers] == [str(folder)]
