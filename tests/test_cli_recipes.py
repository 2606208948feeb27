"""`caption --recipe`: an export's captions made again, and what cannot be."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from captioner.captions.recipe_file import RECIPE_NAME
from captioner.service.service import Service
from demo import scenes
from tests.fakes import FakeModel
from tests.service_makers import added, export_zip, page_values, png, wait_for_job
from tests.shell import Shell

RED = "a red picture 40 wide under beam 3"


def recipe_in(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return next(archive.read(name) for name in archive.namelist() if name.endswith(RECIPE_NAME))


@pytest.mark.parametrize("target", ["txt", "kohya", "csv"])
def test_each_export_has_its_recipe_and_equal_runs_equal_ones(shell: Shell, target: str) -> None:
    shell.picture("photos/a.png")
    for number in (1, 2):
        ran = shell.caption("photos", "--format", target, "--zip", f"{number}/set.zip", "--num-beams", "7")
        assert ran.status == 0, ran.err
    assert (shell.folder / "1/set.zip").read_bytes() == (shell.folder / "2/set.zip").read_bytes()
    recipe = json.loads(recipe_in(shell.folder / "1/set.zip"))
    assert recipe["settings"]["num_beams"] == 7
    assert [(one["picture"], one["by"]) for one in recipe["pictures"]] == [("a.png", "model")]
    assert recipe["models"][0]["digest"]


def test_settings_words_of_a_person_and_what_came_along_are_repeated(shell: Shell) -> None:
    shell.picture("photos/a.png")
    shell.picture("photos/b.png", "blue")
    shell.picture("photos/c.png", "lime")
    (shell.folder / "photos/b.txt").write_text("mine")
    flags = ["--num-beams", "7", "--prefix", "ohwx"]
    first = shell.caption("photos", "--zip", "set.zip", *flags)
    (shell.folder / RECIPE_NAME).write_bytes(recipe_in(shell.folder / "set.zip"))
    (shell.folder / "photos/b.txt").unlink()  # the recipe says it
    (shell.folder / "photos/c.png").unlink()
    shell.picture("photos/d.png", "white")
    again = shell.caption("photos", "--recipe", RECIPE_NAME)
    assert again.status == 0
    assert sorted(again.out.splitlines())[:2] == sorted(first.out.splitlines())[:2]
    assert "photos/b.png: ohwx, mine\n" in again.out
    assert "photos/d.png: ohwx, a white picture 40 wide under beam 7\n" in again.out
    assert "note: the recipe does not know 1 picture: its settings are applied." in again.err
    assert "under beam 9" in shell.caption("photos", "--recipe", RECIPE_NAME, "--num-beams", "9").out


def test_the_page_s_edits_come_again_from_its_recipe(service: Service, tmp_path: Path) -> None:
    set_id = service.new_set()["set"]
    ids = [added(service, set_id, f"{number}.png", png((40 * number, 30, 30))) for number in range(3)]
    values = page_values(service, num_beams=5)
    service.settings_changed(set_id, values)
    service.jobs.start(set_id, None, values)
    wait_for_job(service, set_id)
    service.save_caption(set_id, ids[1], "typed by hand", 0)
    recipe = json.loads(export_zip(service, set_id, tmp_path / "set.zip")[RECIPE_NAME])
    assert [one["by"] for one in recipe["pictures"]] == ["model", "edit", "model"]
    assert recipe["pictures"][1]["caption"] == "typed by hand"
    assert recipe["models"][0]["digest"]
    assert not any("by_other_settings" in one for one in recipe["pictures"])
    service.settings_changed(set_id, page_values(service, num_beams=6))
    recipe = json.loads(export_zip(service, set_id, tmp_path / "set.zip", format="kohya")[f"captions/{RECIPE_NAME}"])
    assert [one.get("by_other_settings", False) for one in recipe["pictures"]] == [True, False, True]


def test_a_recipe_becomes_the_set_s_settings_as_one_step(service: Service, tmp_path: Path) -> None:
    first = service.new_set(page_values(service, num_beams=9, prefix="ohwx"))["set"]
    added(service, first, "a.png", png((200, 30, 30)), "mine")
    recipe = export_zip(service, first, tmp_path / "set.zip")[RECIPE_NAME].decode()
    other = service.new_set()["set"]
    assert service.open_recipe(other, recipe) == {}
    stored = service.choices.stored_plan(other)
    assert (stored.captioner.settings.to_mapping()["num_beams"], stored.recipe.prefix) == (9, "ohwx")
    assert service.travel(other, is_undo=True) == {
        "label": "Settings of a recipe",
        "has_settings": True,
        "gone": 0,
        "is_changed": True,
    }
    assert service.choices.stored_plan(other).recipe.prefix == ""
    for change, sentence in (
        ({"captioner": "blip-9000"}, "captioner is 'blip-9000'; it must be one of"),
        ({"num_beams": 900}, "num_beams is 900"),
        ({"of_the_future": 1}, "of_the_future is not a setting"),
    ):
        broken = json.loads(recipe)
        broken["settings"] |= change
        with pytest.raises(Exception, match=sentence):
            service.open_recipe(other, json.dumps(broken))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"version": 2}, "is a recipe of version 2, and this Captioner reads version 1; update it."),
        ({"settings": {"captioner": "blip-9000"}}, "blip-9000"),
        ({"settings": {"of_the_future": 1}}, "of_the_future is not a setting"),
        (None, "cannot be read as JSON"),
        ("missing", "cannot be read: No such file or directory; give the captioner-recipe.json of an export."),
    ],
)
def test_what_cannot_be_repeated_is_one_sentence_and_no_model_runs(shell: Shell, change: object, sentence: str) -> None:
    shell.picture("photos/a.png")
    shell.caption("photos", "--zip", "set.zip")
    recipe = json.loads(recipe_in(shell.folder / "set.zip"))
    if isinstance(change, dict):
        (shell.folder / RECIPE_NAME).write_text(json.dumps(recipe | change))
    elif change is None:
        (shell.folder / RECIPE_NAME).write_text("{")
    FakeModel.calls.clear()
    ran = shell.caption("photos", "--recipe", RECIPE_NAME)
    assert (ran.status, ran.out) == (2, "")
    assert sentence in ran.err and len(ran.err.splitlines()) == 1
    assert FakeModel.calls == []


def test_other_weights_are_said_and_nothing_is_written(shell: Shell) -> None:
    shell.picture("photos/a.png")
    shell.caption("photos", "--zip", "set.zip")
    recipe = json.loads(recipe_in(shell.folder / "set.zip"))
    recipe["models"][0]["digest"] = "ffffffffffff"
    (shell.folder / RECIPE_NAME).write_text(json.dumps(recipe))
    ran = shell.caption("photos", "--recipe", RECIPE_NAME, "--zip", "again.zip")
    assert ran.status == 2 and "the recipe was made with other weights of" in ran.err
    assert not (shell.folder / "again.zip").exists()


def test_demo_models_repeat_a_recipe_to_the_letter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenes.write_scenes(4_712, 4, tmp_path / "scenes", 256)
    shell = Shell(tmp_path, "demo", capsys)
    flags = ["--clip", "default", "--wd14", "default", "--method", "nucleus", "--seed", "5"]
    first = shell.caption(tmp_path / "scenes", "--zip", tmp_path / "set.zip", *flags)
    assert first.status == 0, first.err
    recipe = tmp_path / RECIPE_NAME
    recipe.write_bytes(recipe_in(tmp_path / "set.zip"))
    shutil.copytree(tmp_path / "scenes", tmp_path / "copies")
    again = shell.caption(tmp_path / "copies", "--recipe", recipe)
    assert again.status == 0, again.err
    assert again.out.replace("/copies/", "/scenes/") == first.out
    models = json.loads(recipe.read_text())["models"]
    assert [len(model["digest"]) for model in models] == [12, 12, 12]
