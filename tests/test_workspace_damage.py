"""Bytes of a database that the disk has changed: told, never read as something else, and paid for by one picture."""

import contextlib
import random
import shutil
import sqlite3
from collections import Counter

import pytest

from captioner.errors import CaptionerError, StoreError
from captioner.workspace import Workspace
from captioner.workspace.records import DAMAGED_ROW, Upload
from tests.workspace_makers import Clock, damage, png, said, tagged

COLOURS = ("red", "blue", "green", "black", "white", "navy", "gold", "pink")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A closed workspace with something of everything. Returns: its folder, the set's id."""
    folder = tmp_path_factory.mktemp("made") / "work"
    with Workspace(folder, clock=Clock()) as workspace:
        set_id = workspace.create_set("my döggies", {"prefix": "sks dog", "num_beams": 3})
        uploads = [Upload(f"{colour} 少.png", png(colour), f"old {colour}", "deep/er") for colour in COLOURS]
        ids = [picture.id for picture in workspace.add_pictures(set_id, uploads)]
        layers = [said(picture_id, f"a dog {number}") for number, picture_id in enumerate(ids)]
        layers += [tagged(picture_id, f"tag {number}", "smile") for number, picture_id in enumerate(ids)]
        workspace.put_layers(set_id, layers, run_id="run")
        workspace.apply_edits(
            set_id, {picture_id: f"written by hand 🐕 {picture_id}" for picture_id in ids[1:]}, "Bulk"
        )
        workspace.set_settings(set_id, {"prefix": "sks cat"})
        workspace.save_edit(set_id, ids[2], "again", 1)
    return folder, set_id


@pytest.fixture
def copied(made, tmp_path):
    """The same to be damaged: (folder, set id)."""
    shutil.copytree(made[0], tmp_path / "work")
    return tmp_path / "work", made[1]


def read_all(workspace, set_id):
    """Everything that reading gives, by what it is about; what the store refuses is its error."""
    found = {}

    def take(name, ask):
        try:
            found[name] = ask()
        except CaptionerError as error:
            found[name] = error

    take("name", lambda: workspace.find_set(set_id).name)
    take("damage", lambda: workspace.damage(set_id))
    take("settings", lambda: workspace.settings(set_id))
    take("history", lambda: [(entry.id, entry.kind, entry.picture_count) for entry in workspace.history(set_id)])
    take("changes", lambda: workspace.changes_since(set_id, -1).views)
    take("views", lambda: workspace.views(set_id))
    take("layers", lambda: dict(workspace.all_layers(set_id)))
    return found


def assert_right_or_told(found, right):
    """Each value read is the right one, or an error, or says of itself that it was damaged."""
    if isinstance(found["views"], CaptionerError):
        return "set refused"
    outcome = "whole"
    layers = found["layers"]
    for view, expected in zip(found["views"], right["views"], strict=True):
        if view.is_damaged:
            outcome = "picture"
            assert view.text in (None, expected.text)
            continue
        assert (view.text, view.existing, view.name, view.folder, view.digest) == (
            *(expected.text, expected.existing, expected.name, expected.folder, expected.digest),
        )
        if not isinstance(layers, CaptionerError):
            for layer, wanted in zip(layers[view.id], right["layers"][view.id], strict=True):
                if layer.is_damaged:
                    outcome = "layer"
                else:
                    assert (layer.sentence, layer.tags) == (wanted.sentence, wanted.tags)
    if isinstance(found["settings"], dict) and found["settings"] != right["settings"]:
        assert found["settings"] == {} and found["damage"]
        outcome = "settings"
    if not isinstance(found["name"], CaptionerError):
        assert found["name"] in (right["name"], "Damaged name")
    return outcome


def try_to_work(workspace, set_id):
    """Use the store as a person would: what cannot be done is refused with a code."""
    for view in workspace.views(set_id):
        with contextlib.suppress(StoreError):
            workspace.save_edit(set_id, view.id, "new", view.revision)
        with contextlib.suppress(StoreError):
            workspace.put_layers(set_id, [said(view.id, "another")])
    with contextlib.suppress(StoreError):
        workspace.set_settings(set_id, {"prefix": "new"})
    for travel in (workspace.undo, workspace.redo):
        with contextlib.suppress(StoreError):
            travel(set_id)


def flip(data, rng):
    """One damaged place of one to eight bytes, where something lies."""
    at = rng.choice([place for place, byte in enumerate(data) if byte])
    length = rng.choice((1, 1, 1, 2, 8))
    new = bytes(rng.randrange(256) for _ in range(length))
    return data[:at] + new + data[at + length :]


def test_hundreds_of_damaged_databases_are_refused_with_a_code_or_read_rightly(made, tmp_path):
    folder, set_id = made
    with Workspace(folder) as workspace:
        right = read_all(workspace, set_id)
    data = (folder / "captions.sqlite").read_bytes()
    outcomes = Counter()
    damaged = tmp_path / "work"
    for seed in range(200):
        damaged.mkdir()
        (damaged / "captions.sqlite").write_bytes(flip(data, random.Random(seed)))
        try:
            with Workspace(damaged) as workspace:
                outcomes[assert_right_or_told(read_all(workspace, set_id), right)] += 1
                if seed % 3 == 0:
                    with contextlib.suppress(StoreError):
                        try_to_work(workspace, set_id)
        except StoreError as error:
            outcomes[error.code] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
        shutil.rmtree(damaged)
    assert outcomes["whole"] > 25  # bytes that nothing lies in
    assert outcomes["picture"] > 5
    assert outcomes["damaged"] > 25


def test_a_damaged_text_costs_its_picture_and_is_not_shown(copied):
    folder, set_id = copied
    damage(folder, "UPDATE pictures SET text = 'somebody elses words' WHERE key = 3")
    with Workspace(folder) as workspace:
        views = workspace.views(set_id)
        bad = views[2]
        assert (bad.text, bad.state, bad.failure.code) == (None, "failed", DAMAGED_ROW)
        assert "the caption of this picture was damaged on the disk and is not shown; write it" in bad.failure.message
        assert [view.is_damaged for view in views] == [number == 2 for number in range(len(COLOURS))]
        assert workspace.save_edit(set_id, views[1].id, "another goes on", views[1].revision).ok


def test_text_that_is_no_utf_8_any_more_costs_its_picture(copied):
    folder, set_id = copied
    damage(folder, "UPDATE pictures SET text = CAST(x'ff' || text AS TEXT) WHERE key = 3")
    with Workspace(folder) as workspace:
        assert [view.text is None for view in workspace.views(set_id)].count(True) == 2  # one had no edit
        assert workspace.views(set_id)[2].is_damaged


def test_a_damaged_text_is_healed_by_writing_it_again(copied):
    folder, set_id = copied
    damage(folder, "UPDATE pictures SET text = 'somebody elses words' WHERE key = 3")
    with Workspace(folder) as workspace:
        bad = workspace.views(set_id)[2]
        assert workspace.save_edit(set_id, bad.id, "my words", bad.revision).ok
        assert (workspace.view(set_id, bad.id).text, workspace.view(set_id, bad.id).state) == ("my words", "edited")
        workspace.undo(set_id)
        assert workspace.view(set_id, bad.id).text is None  # not what the disk made of it


@pytest.mark.parametrize("change", ["name = 'other.png'", "digest = upper(digest)", "folder = '../..'", "notes = 7"])
def test_what_is_stored_about_a_picture_costs_that_picture(copied, change):
    folder, set_id = copied
    damage(folder, f"UPDATE pictures SET {change} WHERE key = 3")
    with Workspace(folder) as workspace:
        bad = workspace.views(set_id)[2]
        assert bad.failure.code == DAMAGED_ROW and "remove it and add it again" in bad.failure.message
        assert bad.folder == ""
        workspace.remove_pictures(set_id, [bad.id])
        assert not any(view.is_damaged for view in workspace.views(set_id))


def test_a_picture_whose_id_was_damaged_can_still_be_removed(copied):
    folder, set_id = copied
    damage(folder, "UPDATE pictures SET id = x'00ff' WHERE key = 3")
    with Workspace(folder) as workspace:
        bad = workspace.views(set_id)[2]
        assert bad.is_damaged
        assert workspace.remove_pictures(set_id, [bad.id]).entry is not None
        assert len(workspace.views(set_id)) == len(COLOURS) - 1


def test_a_damaged_layer_is_empty_and_a_new_run_replaces_it(copied):
    folder, set_id = copied
    damage(folder, "UPDATE layers SET sentence = replace(sentence, 'dog', 'cat') WHERE key = 1")
    with Workspace(folder) as workspace:
        picture_id = workspace.views(set_id)[0].id
        blip, wd14 = workspace.layers(set_id, picture_id)
        assert blip.is_damaged and (blip.family, blip.sentence) == ("blip", None)
        assert not wd14.is_damaged
        workspace.put_layers(set_id, [said(picture_id, "a dog again")])
        assert workspace.layers(set_id, picture_id)[0].sentence.text == "a dog again"


def test_a_damaged_label_costs_the_layers_that_have_it(copied):
    folder, set_id = copied
    damage(folder, "UPDATE labels SET name = 'tag x' WHERE name = 'tag 4'")
    with Workspace(folder) as workspace:
        found = [[layer.is_damaged for layer in layers] for _, layers in workspace.all_layers(set_id)]
    assert found == [[False, number == 4] for number in range(len(COLOURS))]


def test_damaged_settings_are_those_of_a_new_set_until_they_are_chosen_again(copied):
    folder, set_id = copied
    damage(folder, "UPDATE sets SET settings = replace(settings, 'cat', 'rat')")
    with Workspace(folder) as workspace:
        assert workspace.settings(set_id) == {}
        assert "the settings of this set were damaged on the disk" in workspace.damage(set_id)[0]
        workspace.set_settings(set_id, {"prefix": "mine"})
        assert (workspace.settings(set_id), workspace.damage(set_id)) == ({"prefix": "mine"}, ())


def test_a_damaged_name_says_so_until_the_set_is_named_again(copied):
    folder, set_id = copied
    damage(folder, "UPDATE sets SET name = 'other'")
    with Workspace(folder) as workspace:
        assert workspace.find_set(set_id).name == "Damaged name"
        workspace.rename_set(set_id, "mine")
        assert workspace.find_set(set_id).name == "mine"


def test_a_damaged_step_is_not_undone(copied):
    folder, set_id = copied
    damage(folder, "UPDATE steps SET before_value = 'somebody elses words' WHERE entry_key = 4 AND field = 'text'")
    with Workspace(folder) as workspace:
        before = [view.text for view in workspace.views(set_id)]
        with pytest.raises(
            StoreError, match=r"a step of what would be taken back .* was damaged on the disk"
        ) as caught:
            workspace.undo(set_id)
        assert caught.value.code == DAMAGED_ROW
        assert [view.text for view in workspace.views(set_id)] == before


def test_joining_an_entry_does_not_vouch_for_its_damaged_step(copied):
    folder, set_id = copied
    damage(folder, "UPDATE steps SET before_value = 'somebody elses words' WHERE entry_key = 4 AND field = 'text'")
    with Workspace(folder) as workspace:
        edited = workspace.views(set_id)[2]
        workspace.save_edit(set_id, edited.id, "once more", edited.revision)
        workspace.undo(set_id)
        assert workspace.view(set_id, edited.id).text == "again"
        with pytest.raises(StoreError, match="damaged on the disk"):
            workspace.undo(set_id)


def test_a_schema_version_that_does_not_fit_the_tables_is_refused_with_a_code(copied):
    folder, _ = copied
    for version in (0, 1, 2):
        with contextlib.closing(sqlite3.connect(folder / "captions.sqlite")) as db:
            db.execute(f"PRAGMA user_version = {version}")
        with pytest.raises(StoreError, match=f"its tables are not those of schema {version}, which it says") as caught:
            Workspace(folder)
        assert caught.value.code == "damaged"


def test_a_damaged_index_is_made_again_and_a_copy_is_kept(copied):
    folder, set_id = copied
    with contextlib.closing(sqlite3.connect(folder / "captions.sqlite", isolation_level=None)) as db:
        digest = db.execute("SELECT digest FROM pictures WHERE key = 5").fetchone()[0]
    path = folder / "captions.sqlite"
    data = path.read_bytes()
    first, second = (place for place in range(len(data)) if data.startswith(digest.encode(), place))
    with contextlib.closing(sqlite3.connect(folder / "captions.sqlite", isolation_level=None)) as db:
        root = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'pictures_by_digest'").fetchone()[0]
        page_bytes = db.execute("PRAGMA page_size").fetchone()[0]
    place = next(at for at in (first, second) if at // page_bytes + 1 == root)
    path.write_bytes(data[:place] + b"0000" + data[place + 4 :])
    with Workspace(folder) as workspace:
        assert not any(view.is_damaged for view in workspace.views(set_id))
    assert len(list(folder.glob("captions.sqlite.damaged-*"))) == 1
    Workspace(folder).close()
    assert len(list(folder.glob("captions.sqlite.damaged-*"))) == 1


def test_an_error_that_no_damage_explains_stays_what_it_is(copied):
    with Workspace(copied[0]) as workspace, pytest.raises(ZeroDivisionError), workspace._database.read():
        raise ZeroDivisionError
