"""Sweeps and ratings on the disk: what is stored is there again, damage costs one cell, a rating can be taken back."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from captioner.errors import SettingsError, StoreError, UnknownPicture, UnknownSweep
from captioner.workspace import Workspace
from captioner.workspace.checksums import find_damage, prepare
from captioner.workspace.records import DAMAGED_ROW, StoredCell
from captioner.workspace.schema import SCHEMA_VERSION, migrate, schema_version
from tests.workspace_makers import Clock, damage, filled, said

GRID = {"axes": [{"name": "min_length", "values": ["5", "22"]}], "pictures": ["p"]}


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "work", clock=Clock()) as opened:
        yield opened


def swept(workspace: Workspace) -> tuple[str, list[str], str]:
    """A set of two pictures with a sweep of two cells each. Returns: ids of the set, the pictures and the sweep."""
    set_id, ids = filled(workspace, 2)
    sweep = workspace.lab.create(set_id, "lengths", GRID)
    cells = [StoredCell(one, cell, f"a dog {cell}", {"seconds": 0.5}) for one in ids for cell in range(2)]
    workspace.lab.put_cells(set_id, sweep, cells)
    return set_id, ids, sweep


def captions(workspace: Workspace, set_id: str, sweep: str) -> list[str | None]:
    return [cell.caption for cell in workspace.lab.cells(set_id, sweep)]


def rated(workspace: Workspace, set_id: str) -> dict[tuple[str, str], str | None]:
    return {(one.picture_id, one.caption): one.rating for one in workspace.lab.ratings(set_id).whole}


# Sweeps


def test_a_sweep_is_there_again_after_a_restart(workspace: Workspace, tmp_path: Path) -> None:
    set_id, ids, sweep = swept(workspace)
    workspace.lab.put_outcome(set_id, sweep, {"asked": ["blip-demo"]})
    workspace.close()
    with Workspace(tmp_path / "work") as again:
        [found] = again.lab.sweeps(set_id)
        assert found == again.lab.sweep(set_id, sweep)
        assert (found.id, found.name, found.created_at, found.cells) == (sweep, "lengths", 1_000.0, 4)
        assert (found.grid, found.outcome) == (GRID, {"asked": ["blip-demo"]})
        cells = again.lab.cells(set_id, sweep)
        assert cells[1] == StoredCell(ids[0], 1, "a dog 1", {"seconds": 0.5})
        with again._database.read() as db:
            assert find_damage(db) is None


def test_only_what_changed_since_a_version_is_read(workspace: Workspace) -> None:
    set_id, ids, sweep = swept(workspace)
    first = workspace.lab.changes_since(set_id, sweep, -1)
    assert (len(first.cells), first.sweep, first.settings) == (4, workspace.lab.sweep(set_id, sweep), {})
    same = workspace.lab.changes_since(set_id, sweep, first.version)
    assert (same.version, same.cells, same.ratings.whole) == (first.version, (), ())
    workspace.lab.put_cells(set_id, sweep, [StoredCell(ids[1], 0, None, {"error": "no memory"})])
    newer = workspace.lab.changes_since(set_id, sweep, first.version)
    assert newer.version > first.version
    assert newer.cells == (StoredCell(ids[1], 0, None, {"error": "no memory"}),)


def test_a_sweep_is_renamed_and_deleted_and_its_ratings_stay(workspace: Workspace) -> None:
    set_id, ids, sweep = swept(workspace)
    other = workspace.lab.create(set_id, "second", GRID)
    workspace.lab.rate(set_id, ids[0], "a dog 0", "green", {})
    workspace.lab.rename(set_id, sweep, "short and long")
    assert [one.name for one in workspace.lab.sweeps(set_id)] == ["second", "short and long"]
    assert [one.rated for one in workspace.lab.sweeps(set_id)] == [0, 1]
    workspace.lab.delete(set_id, sweep)
    assert [one.id for one in workspace.lab.sweeps(set_id)] == [other]
    with pytest.raises(UnknownSweep, match="may have been deleted"):
        workspace.lab.cells(set_id, sweep)
    assert rated(workspace, set_id) == {(ids[0], "a dog 0"): "green"}
    workspace.undo(set_id)
    assert rated(workspace, set_id) == {(ids[0], "a dog 0"): None}


def test_trying_is_no_step_of_the_journal(workspace: Workspace) -> None:
    set_id, _, sweep = swept(workspace)
    workspace.lab.put_outcome(set_id, sweep, {})
    assert workspace.history(set_id) == ()


def test_a_sweep_of_another_set_is_unknown(workspace: Workspace) -> None:
    _, _, sweep = swept(workspace)
    other = workspace.create_set("another")
    for ask in (workspace.lab.sweep, workspace.lab.cells, workspace.lab.delete):
        with pytest.raises(UnknownSweep):
            ask(other, sweep)
        with pytest.raises(UnknownSweep):
            ask(other, "no\ud800thing")
    with pytest.raises(UnknownPicture):
        workspace.lab.put_cells(*_one_of_each(workspace))


def _one_of_each(workspace: Workspace) -> tuple[str, str, list[StoredCell]]:
    set_id, _, sweep = swept(workspace)
    return set_id, sweep, [StoredCell("nobody", 0, "a", {})]


def test_a_removed_picture_keeps_its_cells(workspace: Workspace) -> None:
    set_id, ids, sweep = swept(workspace)
    workspace.remove_pictures(set_id, ids[:1])
    workspace.lab.put_cells(set_id, sweep, [StoredCell(ids[0], 1, "late", {})])
    assert captions(workspace, set_id, sweep)[:2] == ["a dog 0", "late"]


def test_numbers_that_json_cannot_hold_are_refused(workspace: Workspace) -> None:
    set_id, ids, sweep = swept(workspace)
    with pytest.raises(SettingsError, match="a cell cannot be stored"):
        workspace.lab.put_cells(set_id, sweep, [StoredCell(ids[0], 0, "a", {"score": float("nan")})])
    assert captions(workspace, set_id, sweep)[0] == "a dog 0"


# Ratings


def test_a_rating_is_one_step_with_a_name(workspace: Workspace, tmp_path: Path) -> None:
    set_id, ids, _ = swept(workspace)
    workspace.lab.rate(set_id, ids[0], "a dog 0", "green", {"model": "blip-demo"}, label="Rate: green")
    workspace.lab.rate(set_id, ids[0], "a dog 0", "red", {"model": "another"}, label="Rate: red")
    assert workspace.lab.rate(set_id, ids[0], "a dog 0", "red", {}).entry is None
    workspace.close()
    with Workspace(tmp_path / "work") as again:
        [found] = again.lab.ratings(set_id).whole
        assert (found.rating, found.made_by) == ("red", {"model": "blip-demo"})
        assert [(entry.kind, entry.label) for entry in again.history(set_id)] == [
            ("rating", "Rate: red"),
            ("rating", "Rate: green"),
        ]
        for travel, colour in [(again.undo, "green"), (again.undo, None), (again.redo, "green"), (again.redo, "red")]:
            assert travel(set_id) is not None
            assert rated(again, set_id) == {(ids[0], "a dog 0"): colour}
        with again._database.read() as db:
            assert find_damage(db) is None


def test_a_rating_that_was_taken_back_and_given_again_says_what_it_was_seen_with_then(workspace: Workspace) -> None:
    set_id, ids, _ = swept(workspace)
    workspace.lab.rate(set_id, ids[0], "a dog 0", "green", {"model": "first"})
    workspace.lab.rate(set_id, ids[0], "a dog 0", None, {"model": "first"})
    workspace.lab.rate(set_id, ids[0], "a dog 0", "yellow", {"model": "second"})
    [found] = workspace.lab.ratings(set_id).whole
    assert (found.rating, found.made_by) == ("yellow", {"model": "second"})


def test_ratings_are_read_since_a_version_also_those_that_an_undo_changed(workspace: Workspace) -> None:
    set_id, ids, sweep = swept(workspace)
    for one in ids:
        workspace.lab.rate(set_id, one, "a dog 0", "green", {})
    version = workspace.find_set(set_id).version
    assert workspace.lab.changes_since(set_id, sweep, version).ratings.whole == ()
    workspace.undo(set_id)
    changed = workspace.lab.changes_since(set_id, sweep, version).ratings.whole
    assert [(one.picture_id, one.rating) for one in changed] == [(ids[1], None)]


def test_what_is_no_rating_is_refused(workspace: Workspace) -> None:
    set_id, ids, _ = swept(workspace)
    with pytest.raises(SettingsError, match="rating is 'blue'; it must be one of green, yellow, red"):
        workspace.lab.rate(set_id, ids[0], "a dog 0", "blue", {})  # type: ignore[arg-type]
    workspace.remove_pictures(set_id, ids[:1])
    with pytest.raises(UnknownPicture):
        workspace.lab.rate(set_id, ids[0], "a dog 0", "green", {})
    assert rated(workspace, set_id) == {}


@pytest.mark.parametrize("seed", range(4))
def test_ratings_among_everything_else_are_undone_and_done_again_in_order(workspace: Workspace, seed: int) -> None:
    rng = random.Random(seed)
    set_id, ids, _ = swept(workspace)
    workspace.put_layers(set_id, [said(one, "first") for one in ids])
    while workspace.undo(set_id):
        pass

    def state() -> tuple[Any, ...]:
        ratings = {key: value for key, value in rated(workspace, set_id).items() if value is not None}
        return ratings, [view.text for view in workspace.views(set_id)], workspace.settings(set_id)

    beginning = state()
    for number in range(80):
        match rng.choice(["rate", "rate", "rate", "type", "settings", "run", "undo", "undo", "redo"]):
            case "rate":
                colour = rng.choice(["green", "yellow", "red", None])
                workspace.lab.rate(set_id, rng.choice(ids), f"a dog {rng.randrange(3)}", colour, {})
            case "type":
                view = workspace.view(set_id, rng.choice(ids))
                workspace.save_edit(set_id, view.id, f"typed {number}", view.revision)
            case "settings":
                workspace.set_settings(set_id, {"num_beams": rng.randrange(5)})
            case "run":
                workspace.put_layers(set_id, [said(rng.choice(ids), f"run {number}")], run_id=rng.choice("AB"))
            case "undo":
                workspace.undo(set_id)
            case "redo":
                workspace.redo(set_id)
    while workspace.redo(set_id):
        pass
    end = state()
    for _ in range(2):
        while workspace.undo(set_id):
            pass
        assert state() == beginning
        while workspace.redo(set_id):
            pass
        assert state() == end
    with workspace._database.read() as db:
        assert find_damage(db) is None


# Damage


def test_a_damaged_cell_costs_that_cell_and_is_healed_by_writing_it_again(workspace: Workspace, tmp_path: Path) -> None:
    set_id, ids, sweep = swept(workspace)
    workspace.close()
    damage(tmp_path / "work", "UPDATE sweep_cells SET caption = 'a cat' WHERE picture_key = 1 AND cell = 1")
    damage(tmp_path / "work", "UPDATE sweep_cells SET content = '{}' WHERE picture_key = 2 AND cell = 0")
    with Workspace(tmp_path / "work") as again:
        cells = again.lab.cells(set_id, sweep)
        assert [cell.content is None for cell in cells] == [False, True, True, False]
        assert [cell.caption for cell in cells] == ["a dog 0", None, None, "a dog 1"]
        again.lab.put_cells(set_id, sweep, [StoredCell(ids[0], 1, "a dog 1", {})])
        assert captions(again, set_id, sweep) == ["a dog 0", "a dog 1", None, "a dog 1"]


def test_a_damaged_rating_is_left_out_and_counted_until_it_is_given_again(workspace: Workspace, tmp_path: Path) -> None:
    set_id, ids, _ = swept(workspace)
    for caption in ("a dog 0", "a dog 1"):
        workspace.lab.rate(set_id, ids[0], caption, "green", {})
    workspace.close()
    damage(tmp_path / "work", "UPDATE ratings SET rating = 'red' WHERE key = 1")
    with Workspace(tmp_path / "work") as again:
        assert (rated(again, set_id), again.lab.ratings(set_id).damaged) == ({(ids[0], "a dog 1"): "green"}, 1)
        again.lab.rate(set_id, ids[0], "a dog 0", "yellow", {})
        assert rated(again, set_id)[ids[0], "a dog 0"] == "yellow"
        again.undo(set_id)
        assert rated(again, set_id)[ids[0], "a dog 0"] is None, "not what the disk made of it"


def test_an_undo_does_not_vouch_for_a_damaged_caption_of_a_rating(workspace: Workspace, tmp_path: Path) -> None:
    set_id, ids, _ = swept(workspace)
    workspace.lab.rate(set_id, ids[0], "a dog 0", "green", {})
    workspace.lab.rate(set_id, ids[0], "a dog 0", "red", {})
    workspace.close()
    damage(tmp_path / "work", "UPDATE ratings SET caption = 'a cat' WHERE key = 1")
    with Workspace(tmp_path / "work") as again:
        again.undo(set_id)
        assert (rated(again, set_id), again.lab.ratings(set_id).damaged) == ({}, 1)


def test_a_damaged_step_of_a_rating_is_not_undone(workspace: Workspace, tmp_path: Path) -> None:
    set_id, ids, _ = swept(workspace)
    workspace.lab.rate(set_id, ids[0], "a dog 0", "green", {})
    workspace.close()
    damage(tmp_path / "work", "UPDATE steps SET before_value = 'red'")
    with Workspace(tmp_path / "work") as again:
        with pytest.raises(StoreError, match="damaged on the disk") as caught:
            again.undo(set_id)
        assert caught.value.code == DAMAGED_ROW
        assert rated(again, set_id) == {(ids[0], "a dog 0"): "green"}


def test_a_damaged_name_or_grid_costs_the_sweep_only_that(workspace: Workspace, tmp_path: Path) -> None:
    set_id, _, sweep = swept(workspace)
    other = workspace.lab.create(set_id, "second", GRID)
    workspace.lab.put_outcome(set_id, sweep, {"asked": ["blip-demo"]})
    workspace.close()
    damage(tmp_path / "work", "UPDATE sweeps SET name = 'third' WHERE key = 1")
    damage(tmp_path / "work", "UPDATE sweeps SET outcome = '{\"asked\":[]}' WHERE key = 1")
    damage(tmp_path / "work", "UPDATE sweeps SET grid = '{}' WHERE key = 2")
    with Workspace(tmp_path / "work") as again:
        second, first = again.lab.sweeps(set_id)
        assert (first.id, first.name, first.grid, first.outcome) == (sweep, "Damaged name", GRID, {})
        assert (second.id, second.name, second.grid) == (other, "second", None)
        again.lab.rename(set_id, sweep, "mine")
        assert again.lab.sweep(set_id, sweep).name == "mine"
        again.lab.delete(set_id, other)
        assert [one.id for one in again.lab.sweeps(set_id)] == [sweep]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sweeps SET name = 'x'",
        "UPDATE sweeps SET grid = '{}'",
        "UPDATE sweep_cells SET caption = 'x' WHERE picture_key = 1 AND cell = 0",
        "UPDATE ratings SET rating = 'red'",
    ],
)
def test_damage_is_found_by_looking_at_all_of_the_file(workspace: Workspace, tmp_path: Path, statement: str) -> None:
    set_id, ids, _ = swept(workspace)
    workspace.lab.rate(set_id, ids[0], "a dog 0", "green", {})
    workspace.close()
    path = tmp_path / "work" / "captions.sqlite"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        prepare(db)
        assert find_damage(db) is None
        db.execute(statement)
        assert "is not as it was written" in str(find_damage(db))


# Together with the rest


def test_a_deleted_set_leaves_nothing_of_the_lab(workspace: Workspace) -> None:
    set_id, ids, _ = swept(workspace)
    kept, kept_ids, kept_sweep = swept(workspace)
    for one, picture in ((set_id, ids[0]), (kept, kept_ids[0])):
        workspace.lab.rate(one, picture, "a dog 0", "green", {})
    workspace.delete_set(set_id)
    with workspace._database.read() as db:
        counts = [db.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0] for name in ("sweeps", "sweep_cells")]
        assert (counts, db.execute("SELECT COUNT(*) FROM ratings").fetchone()[0]) == ([1, 4], 1)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    assert captions(workspace, kept, kept_sweep)[0] == "a dog 0"


def test_threads_that_fill_and_rate_at_once_lose_nothing(workspace: Workspace) -> None:
    set_id, ids, sweep = swept(workspace)
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(20):
                cell = StoredCell(ids[number % 2], 10 + 20 * number + turn, f"{number} {turn}", {})
                workspace.lab.put_cells(set_id, sweep, [cell])
                workspace.lab.rate(set_id, ids[number % 2], f"{number} {turn}", "green", {})
                workspace.lab.cells(set_id, sweep)
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert workspace.lab.sweep(set_id, sweep).cells == 4 + 120
    assert workspace.lab.sweep(set_id, sweep).rated == 120
    while workspace.undo(set_id):
        pass
    assert set(rated(workspace, set_id).values()) == {None}


def test_a_file_of_version_4_is_migrated_with_everything_in_it(tmp_path: Path) -> None:
    path = tmp_path / "work" / "captions.sqlite"
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        prepare(db)
        migrate(db, upto=4)
        _fill_version_4(db)
    with Workspace(path.parent) as workspace:
        view = workspace.view("old", "p")
        assert (view.text, view.revision, view.is_reviewed, view.existing) == ("an edit", 1, True, "came along")
        assert workspace.settings("old") == {"prefix": "sks dog"}
        assert [entry.label for entry in workspace.history("old")] == ["Edit"]
        with workspace._database.read() as db:
            assert (schema_version(db), find_damage(db)) == (SCHEMA_VERSION, None)
        sweep = workspace.lab.create("old", "first", GRID)
        workspace.lab.put_cells("old", sweep, [StoredCell("p", 0, "a dog", {})])
        workspace.lab.rate("old", "p", "a dog", "green", {})
        for _ in range(2):
            workspace.undo("old")
        assert workspace.view("old", "p").text is None
        assert rated(workspace, "old") == {("p", "a dog"): None}


def _fill_version_4(db: sqlite3.Connection) -> None:
    db.execute(
        "INSERT INTO sets (key, id, name, settings, created_at, changed_at, version)"
        " VALUES (1, 'old', 'my dogs', '{\"prefix\": \"sks dog\"}', 1, 2, 3)"
    )
    db.execute(
        "INSERT INTO pictures (key, set_key, id, name, digest, width, height, notes, added_at, existing, text,"
        " revision, version, is_reviewed)"
        " VALUES (1, 1, 'p', 'a.png', 'd', 3, 4, '[]', 1, 'came along', 'an edit', 1, 3, 1)"
    )
    db.execute(
        "INSERT INTO entries (key, set_key, kind, label, created_at, changed_at, picture_count)"
        " VALUES (1, 1, 'edit', 'Edit', 1, 1, 1)"
    )
    db.execute(
        "INSERT INTO steps VALUES (1, 1, 'text', NULL, 'an edit', captioner_checksum(1, 1, 'text', NULL, 'an edit'))"
    )
