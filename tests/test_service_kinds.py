"""Several kinds of captions of one set, as page and programs use them. The models are fakes."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from captioner.errors import SettingsError
from captioner.service.lab import AskedAxis
from captioner.service.service import Service
from tests.fakes import FakeModel
from tests.service_makers import RED, added, export_notes, export_zip, page_values, png, set_with, wait_for_job

LONG, SHORT = "a red picture 40 wide under beam 3", "a red picture 40 wide under beam 1"


def captioned(service: Service, set_id: str, **changes: Any) -> dict[str, Any]:
    """Caption all with the page's values of the set."""
    front = service.kinds.of_set(set_id)["front"]
    service.jobs.start(set_id, None, page_values(service, kind=front, **changes))
    return wait_for_job(service, set_id)


def texts(service: Service, set_id: str) -> list[str]:
    return [row["text"] for row in service.open_set(set_id)["rows"]]


@pytest.fixture
def two(service: Service) -> tuple[str, str]:
    """A set of one picture with a main and a short caption, the short one in front."""
    set_id, [picture] = set_with(service, RED)
    captioned(service, set_id)
    service.kinds.add(set_id, "short", page_values(service))
    captioned(service, set_id, num_beams=1)
    return set_id, picture


def test_a_picture_holds_a_caption_of_each_kind(service: Service, two: tuple[str, str]) -> None:
    set_id, picture = two
    assert texts(service, set_id) == [SHORT]
    found = service.kinds.of_set(set_id)
    assert found["front"] == "short"
    assert [(one["name"], one["title"]) for one in found["all"]] == [("", "main"), ("short", "short")]
    assert service.live.details(set_id, picture)["kinds"] == [{"name": "", "title": "main", "caption": LONG}]
    service.kinds.choose(set_id, "main")
    assert texts(service, set_id) == [LONG]
    assert service.choices.stored_plan(set_id).to_flat()["num_beams"] == 3
    assert service.live.details(set_id, picture)["kinds"][0] == {"name": "short", "title": "short", "caption": SHORT}
    assert service.jobs.start(set_id, None, None) == {"job": None}  # what each says is known


def test_each_kind_remembers_its_settings_and_shares_the_text_ones(service: Service, two: tuple[str, str]) -> None:
    set_id, _ = two
    service.kinds.choose(set_id, "", page_values(service, kind="short", num_beams=2, prefix="sks"))
    flat = service.choices.stored_plan(set_id).to_flat()
    assert (flat["num_beams"], flat["prefix"], flat["kinds"]["short"]["num_beams"]) == (3, "sks", 2)
    service.settings_changed(set_id, page_values(service, kind="", num_beams=5))
    service.kinds.choose(set_id, "short")
    assert service.choices.stored_plan(set_id).to_flat()["num_beams"] == 2


def test_a_moved_slider_of_a_kind_asks_no_other_kinds_layers(service: Service, two: tuple[str, str]) -> None:
    set_id, picture = two
    FakeModel.calls.clear()
    shown = service.live.preview(set_id, picture, page_values(service, kind="short", num_beams=1))
    assert (shown["text"], FakeModel.calls) == (SHORT, [])
    shown = service.live.preview(set_id, picture, page_values(service, kind="short", num_beams=2))
    assert shown["text"] == "a red picture 40 wide under beam 2"
    changed = service.settings_changed(set_id, page_values(service, kind="short", num_beams=1))
    assert not changed["is_changed"]


def test_one_job_makes_the_captions_of_all_kinds(service: Service) -> None:
    set_id, _ = set_with(service, RED, (20, 20, 220))
    service.kinds.add(set_id, "short", page_values(service, wd14_on=True))
    service.settings_changed(set_id, page_values(service, kind="short", num_beams=1, wd14_on=True))
    service.kinds.choose(set_id, "main")
    FakeModel.calls.clear()
    values = page_values(service, wd14_on=True)
    service.jobs.start(set_id, None, values, all_kinds=True)
    job = wait_for_job(service, set_id)
    assert (job["state"], job["done"], job["total"]) == ("done", 4, 4)
    assert len(FakeModel.calls) == 6  # two pictures by two captioners, and the tagger once
    found = service.kinds.captions(set_id, service.workspace.views(set_id))
    assert [list(kinds) for kinds in found.values()] == [["short"], ["short"]]
    assert all("beam 1" in kinds["short"] and "long hair" in kinds["short"] for kinds in found.values())
    assert service.jobs.start(set_id, None, values, all_kinds=True) == {"job": None}


def test_edits_belong_to_their_kind(service: Service, two: tuple[str, str]) -> None:
    set_id, picture = two
    revision = service.save_caption(set_id, picture, "my short one", 0)["revision"]
    service.kinds.choose(set_id, "main")
    assert texts(service, set_id) == [LONG]
    assert service.kinds.captions(set_id, service.workspace.views(set_id)) == {picture: {"short": "my short one"}}
    assert not service.save_caption(set_id, picture, "typed for the short one", revision)["ok"]
    service.travel(set_id, is_undo=True)
    assert (service.kinds.of_set(set_id)["front"], texts(service, set_id)) == ("short", ["my short one"])


def test_a_kind_is_taken_away_and_comes_back(service: Service, two: tuple[str, str]) -> None:
    set_id, picture = two
    service.save_caption(set_id, picture, "my short one", 0)
    assert service.kinds.remove(set_id, "short")["front"] == ""
    assert [one["name"] for one in service.kinds.of_set(set_id)["all"]] == [""]
    assert texts(service, set_id) == [LONG]
    service.travel(set_id, is_undo=True)
    assert texts(service, set_id) == ["my short one"]


@pytest.mark.parametrize(
    ("act", "name", "why"),
    [
        ("add", "main", "there is a kind called main"),
        ("add", "Kurz!", "a kind of caption is called 'Kurz!'; give 1 to 24 letters a to z, digits, - and _."),
        ("add", "SHORT", "there is a kind called short"),
        ("choose", "long", "there is no kind of caption called long; the kinds are main, short."),
        ("remove", "main", "the main kind cannot be removed"),
        ("remove", "long", "there is no kind of caption called long"),
    ],
)
def test_what_cannot_be_is_said(service: Service, two: tuple[str, str], act: str, name: str, why: str) -> None:
    with pytest.raises(SettingsError) as refused:
        getattr(service.kinds, act)(two[0], name)
    assert str(refused.value).startswith(why)


def exported(service: Service, set_id: str, folder: Path, **export: Any) -> dict[str, str]:
    """What a set's zip holds, without the folder that all of it lies in."""
    files = export_zip(service, set_id, folder / "set.zip", **export)
    return {name.partition("/")[2] or name: data.decode() for name, data in files.items() if b"\x00" not in data}


def export_zip_names(folder: Path) -> list[str]:
    with zipfile.ZipFile(folder / "set.zip") as archive:
        return [name.partition("/")[2] for name in archive.namelist()]


@pytest.fixture
def three(service: Service, two: tuple[str, str]) -> str:
    """The same with a third kind that says nothing yet, and an edited short caption; the main one is in front."""
    set_id, picture = two
    service.save_caption(set_id, picture, "my short, one", 0)
    service.kinds.add(set_id, "long")
    service.kinds.choose(set_id, "main")
    return set_id


def test_lists_have_a_column_for_each_kind(service: Service, three: str, tmp_path: Path) -> None:
    files = exported(service, three, tmp_path, format="csv")
    assert files["metadata.csv"].splitlines() == [
        "file_name,text,text_long,text_short",
        f'0.png,{LONG},,"my short, one"',
    ]
    row = {"file_name": "0.png", "text": LONG, "text_long": "", "text_short": "my short, one"}
    assert json.loads(exported(service, three, tmp_path, format="jsonl")["metadata.jsonl"]) == row
    assert json.loads(exported(service, three, tmp_path, format="json")["metadata.json"]) == {
        "0.png": {"caption": LONG, "caption_long": "", "caption_short": "my short, one"}
    }
    assert json.loads(exported(service, three, tmp_path, format="diffusers")["train/metadata.jsonl"]) == row
    service.kinds.choose(three, "short")
    header = exported(service, three, tmp_path, format="csv")["metadata.csv"].splitlines()
    assert header == ["file_name,text,text_long,text_main", f'0.png,"my short, one",,{LONG}']


def test_ai_toolkit_gets_a_caption_and_a_short_one(service: Service, three: str, tmp_path: Path) -> None:
    files = exported(service, three, tmp_path, format="ai-toolkit", set_folder="/sets/mine")
    [dataset] = yaml.safe_load(files["ai-toolkit.yaml"])["config"]["process"][0]["datasets"]
    assert (dataset["dataset_path"], "folder_path" in dataset) == ("/sets/mine/captions.json", False)
    assert yaml.safe_load(files["ai-toolkit.yaml"])["config"]["process"][0]["train"]["short_and_long_captions"] is True
    [(path, said)] = json.loads(files["captions.json"]).items()
    assert said == {"caption": LONG, "caption_short": "my short, one"}
    assert path.removeprefix("/sets/mine/") in export_zip_names(tmp_path)
    assert files["img/0.txt"] == LONG


def test_a_set_without_a_short_kind_leaves_as_ever(service: Service, tmp_path: Path) -> None:
    set_id, _ = set_with(service, RED)
    files = exported(service, set_id, tmp_path, format="ai-toolkit")
    assert "dataset_path" not in files["ai-toolkit.yaml"] and "captions.json" not in files
    assert exported(service, set_id, tmp_path, format="csv")["metadata.csv"].startswith("file_name,text\n")
    assert export_notes(service, set_id, format="csv") == []


def test_trainers_that_take_several_get_all_kinds(service: Service, three: str, tmp_path: Path) -> None:
    files = exported(service, three, tmp_path, format="onetrainer", captions="kinds")
    [text] = [data for name, data in files.items() if name.endswith("0.txt")]
    assert text.splitlines() == [LONG, "my short, one"]


@pytest.mark.parametrize(
    ("format", "note"),
    [
        ("txt", "The captions are those of the kind main; not in this format: long, short."),
        ("csv", "The captions are those of the kind main; beside them in columns of their own: long, short."),
        (
            "ai-toolkit",
            "The captions are those of the kind main; beside them in columns of their own: short; "
            "not in this format: long.",
        ),
    ],
)
def test_an_export_says_which_kinds_leave(service: Service, three: str, format: str, note: str) -> None:
    assert note in export_notes(service, three, format=format)


def test_a_recipe_carries_the_kinds(service: Service, three: str, tmp_path: Path) -> None:
    recipe = exported(service, three, tmp_path)["captioner-recipe.json"]
    assert json.loads(recipe)["settings"]["kinds"]["short"]["num_beams"] == 1
    other = service.new_set()["set"]
    service.open_recipe(other, recipe)
    plan = service.choices.stored_plan(other)
    assert plan.kind_names == ["", "long", "short"]
    assert plan.of_kind("short").captioner.settings.to_mapping()["num_beams"] == 1


def test_a_visitor_names_no_folder_for_a_kind(service: Service, tmp_path: Path) -> None:
    for plan_of in (service.choices.plan_of_flat, service.choices.plan_of):
        with pytest.raises(SettingsError, match=r"captioner is .*; it must be one of"):
            plan_of({"kinds": {"short": {"captioner": str(tmp_path)}}})


def test_a_caption_that_came_along_stays_the_main_one(service: Service) -> None:
    set_id = service.new_set()["set"]
    picture = added(service, set_id, "1.png", png(RED), "it came along")
    service.kinds.add(set_id, "short", page_values(service, existing="ignore"))
    captioned(service, set_id, existing="ignore")
    assert texts(service, set_id) == [LONG]
    service.kinds.choose(set_id, "main")
    row = service.rows.of_picture(set_id, picture)
    assert (row["text"], row["state"]) == ("it came along", "existing")


def test_the_lab_compares_kinds(service: Service, two: tuple[str, str]) -> None:
    set_id, picture = two
    plan = service.choices.knowing_kinds(
        set_id, service.choices.plan_of(page_values(service, kind="short", num_beams=1))
    )
    [axis] = [axis for axis in service.lab.offer.of_plan(plan)["axes"] if axis["name"] == "kind"]
    assert (axis["title"], axis["choices"]) == ("Kind", [["main", "main"], ["short", "short"]])
    FakeModel.calls.clear()
    asked = [AskedAxis("kind", ["main", "short"]), AskedAxis("prefix", ["", "sks"])]
    sweep = service.lab.start(set_id, [picture], asked, plan)["sweep"]
    wait_for_job(service, set_id)
    read = service.lab.read(set_id, sweep, None)
    assert [cell["caption"] for cell in read["cells"]] == [LONG, SHORT, f"sks, {LONG}", f"sks, {SHORT}"]
    assert FakeModel.calls == []  # what each kind says is stored
    values = service.lab.cell_settings(set_id, sweep, 0)["settings"]
    assert (values["kind"], values["num_beams"]) == ("", 3)
    service.settings_changed(set_id, values)
    assert service.kinds.of_set(set_id)["front"] == ""
    assert texts(service, set_id) == [LONG]
    with pytest.raises(SettingsError, match="no kind of caption called long"):
        service.lab.start(set_id, [picture], [AskedAxis("kind", ["long"])], plan)


def test_programs_name_kinds_among_the_settings(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    settings = {"kinds": {"short": {"num_beams": 1}, "tags": {"captioner": "", "wd14": "default"}}}
    service.jobs.start_plan(set_id, None, service.choices.plan_of_flat(settings), all_kinds=True)
    wait_for_job(service, set_id)
    found = service.kinds.captions(set_id, service.workspace.views(set_id))[picture]
    assert found == {"short": SHORT, "tags": "nami (one piece), red background, long hair, hair"}
    text = service.live.caption_one(set_id, picture, service.choices.plan_of_flat({"kind": "short", "num_beams": 1}))
    assert (text, service.kinds.of_set(set_id)["front"]) == (SHORT, "short")


def test_an_edit_typed_for_a_kind_that_is_not_in_front_is_asked_about(service: Service, two: tuple[str, str]) -> None:
    set_id, picture = two
    answer = service.save_caption(set_id, picture, "typed for the main one", 0, kind="")
    assert (answer["ok"], answer["conflict"], answer["row"]["text"]) == (False, None, SHORT)
    assert service.save_caption(set_id, picture, "typed for the short one", answer["revision"], kind="short")["ok"]


def test_a_new_set_begins_with_the_main_kind(service: Service) -> None:
    set_id = service.new_set(page_values(service, kind="short", num_beams=1))["set"]
    assert service.choices.stored_plan(set_id).kind_names == [""]
    assert service.choices.stored_plan(set_id).to_flat()["num_beams"] == 1


def test_captions_of_other_settings_are_told_of_a_kind_too_where_a_main_one_came_along(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    service.workspace.set_existing(set_id, {picture: "came along"})
    service.kinds.add(set_id, "short", page_values(service))
    captioned(service, set_id)
    assert service.made_otherwise.of_set(set_id) == []
    service.settings_changed(set_id, page_values(service, kind="short", num_beams=7))
    assert service.made_otherwise.of_set(set_id) == [picture]
