"""The lab's rows: sweeps with their cells, and what a person said of captions that were tried.

A sweep is stored as it fills; none of that stands in the journal, for trying changes no caption. A rating does: it is a
person's word, of a caption of a picture, wherever that was seen, and outlives the sweeps it was seen in. It is of the
caption without the set's prefix and suffix, so that a new trigger word takes no rating away. What the disk
damages costs one cell, one rating, or of a sweep its name or its grid. Knows neither models nor what a grid means.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

from captioner.errors import SettingsError, UnknownSweep
from captioner.limits import value_shown
from captioner.workspace import edits
from captioner.workspace import views as reading
from captioner.workspace.checks import check_caption, storable_name
from captioner.workspace.checksums import checksum
from captioner.workspace.database import Database
from captioner.workspace.journal import RATING, Step
from captioner.workspace.records import Change, LabChanges, Rating, Ratings, StoredCell, StoredSweep

Colour = Literal["green", "yellow", "red"]
COLOURS: tuple[Colour, ...] = ("green", "yellow", "red")

_SEARCH = '{"search":true}'
"""What stands for the grid of a search for better settings, which is kept beside the sweeps and is none of them."""

_DAMAGED_NAME = "Damaged name"
_NO_OUTCOME = "{}"


class Lab:
    """Sweeps and ratings of all sets of a workspace; safe to use from many threads."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    # Sweeps

    def create(self, set_id: str, name: str, grid: Mapping[str, Any]) -> str:
        """A new sweep without cells. Returns: its id. Args: grid: what is asked for, as JSON has it.

        Raises: UnknownSet. SettingsError: a name or grid that cannot be stored.
        """
        name, asked = storable_name(name), _json(grid, "the grid")
        with self._database.write() as db:
            return _insert(db, reading.find_set(db, set_id), name, asked, _NO_OUTCOME, self._clock())

    def put_search(self, set_id: str, outcome: Mapping[str, Any]) -> None:
        """Keep what a search for better settings found, in the place of an earlier one's. Raises: UnknownSet."""
        said = _json(outcome, "the outcome")
        with self._database.write() as db:
            set_key = reading.find_set(db, set_id)
            db.execute("DELETE FROM sweeps WHERE set_key = ? AND grid = ?", (set_key, _SEARCH))
            _insert(db, set_key, "", _SEARCH, said, self._clock())

    def search(self, set_id: str) -> Mapping[str, Any]:
        """What the newest search found; empty where there was none, or the disk has damaged it. Raises: UnknownSet."""
        with self._database.read() as db:
            set_key = reading.find_set(db, set_id)
            row = db.execute("SELECT key FROM sweeps WHERE set_key = ? AND grid = ?", (set_key, _SEARCH)).fetchone()
            return {} if row is None else next(_sweeps(db, "key = ?", row[0])).outcome

    def sweeps(self, set_id: str) -> tuple[StoredSweep, ...]:
        """The sweeps of a set, the newest first. Raises: UnknownSet."""
        with self._database.read() as db:
            return tuple(_sweeps(db, "set_key = ?", reading.find_set(db, set_id), but=_SEARCH))

    def sweep(self, set_id: str, sweep_id: str) -> StoredSweep:
        """One sweep. Raises: UnknownSet, UnknownSweep."""
        with self._database.read() as db:
            return next(_sweeps(db, "key = ?", _find(db, set_id, sweep_id)))

    def rename(self, set_id: str, sweep_id: str, name: str) -> None:
        """Give a sweep another name. Raises: UnknownSet, UnknownSweep. SettingsError: the name is too long."""
        name = storable_name(name)
        with self._database.write() as db:
            key = _find(db, set_id, sweep_id)
            db.execute(
                "UPDATE sweeps SET name = ?1, name_checksum = captioner_checksum(key, id, ?1) WHERE key = ?2",
                (name, key),
            )

    def put_outcome(self, set_id: str, sweep_id: str, outcome: Mapping[str, Any]) -> None:
        """Store what came of a sweep as a whole. Raises: UnknownSet, UnknownSweep."""
        said = _json(outcome, "the outcome")
        with self._database.write() as db:
            key = _find(db, set_id, sweep_id)
            edits.new_version(db, reading.find_set(db, set_id), self._clock())
            db.execute(
                "UPDATE sweeps SET outcome = ?, outcome_checksum = ? WHERE key = ?", (said, checksum(key, said), key)
            )

    def delete(self, set_id: str, sweep_id: str) -> None:
        """Delete a sweep for good; ratings stay, for they are of pictures and captions.

        Raises: UnknownSet, UnknownSweep.
        """
        with self._database.write() as db:
            key = _find(db, set_id, sweep_id)
            db.execute("DELETE FROM sweep_cells WHERE sweep_key = ?", (key,))
            db.execute("DELETE FROM sweeps WHERE key = ?", (key,))

    # Cells

    def put_cells(self, set_id: str, sweep_id: str, cells: Iterable[StoredCell]) -> None:
        """Store cells, in the place of what they held.

        Raises: UnknownSet, UnknownSweep. UnknownPicture: never in the set; a removed one keeps its cells.
        """
        rows = [(cell, _json(cell.content or {}, "a cell")) for cell in cells]
        with self._database.write() as db:
            key = _find(db, set_id, sweep_id)
            version = edits.new_version(db, reading.find_set(db, set_id), self._clock())
            pictures = {
                picture_id: reading.find_picture(db, set_id, picture_id, is_removed_too=True)
                for picture_id in {cell.picture_id for cell, _ in rows}
            }
            db.executemany(
                "INSERT OR REPLACE INTO sweep_cells (sweep_key, picture_key, cell, caption, content, version, checksum)"
                " VALUES (?1, ?2, ?3, ?4, ?5, ?6, captioner_checksum(?1, ?2, ?3, ?4, ?5))",
                [(key, pictures[cell.picture_id], cell.cell, cell.caption, content, version) for cell, content in rows],
            )

    def cells(self, set_id: str, sweep_id: str) -> tuple[StoredCell, ...]:
        """The cells of a sweep, by picture and cell. Raises: UnknownSet, UnknownSweep."""
        with self._database.read() as db:
            return _cells(db, _find(db, set_id, sweep_id))

    def changes_since(self, set_id: str, sweep_id: str, version: int) -> LabChanges:
        """A sweep, and what of its cells and of the set's ratings changed after a version of the set; of one moment.

        Raises: UnknownSet, UnknownSweep.
        """
        with self._database.read() as db:
            key = _find(db, set_id, sweep_id)
            set_key = reading.find_set(db, set_id)
            current = db.execute("SELECT version FROM sets WHERE key = ?", (set_key,)).fetchone()[0]
            return LabChanges(
                version=current,
                sweep=next(_sweeps(db, "key = ?", key)),
                cells=_cells(db, key, version),
                ratings=_ratings(db, set_key, version),
                settings=json.loads(reading.settings_json(db, set_key)),
            )

    # Ratings

    def rate(
        self,
        set_id: str,
        picture_id: str,
        caption: str,
        rating: Colour | None,
        made_by: Mapping[str, Any],
        *,
        label: str = "Rate",
    ) -> Change:
        """Rate a caption of a picture, or take its rating back (None), as one journal entry; none where it is so.

        Args: made_by: what it was seen with, as JSON has it; stays where there is a rating already.
        Raises: UnknownSet, UnknownPicture. SettingsError: no such rating, or a caption that cannot be stored.
        """
        if rating is not None and rating not in COLOURS:
            raise SettingsError(f"rating is {value_shown(rating)}; it must be one of {', '.join(COLOURS)}, or null.")
        check_caption(caption)
        now, seen_with = self._clock(), _json(made_by, "what made the caption")
        with self._database.write() as db:
            set_key = reading.find_set(db, set_id)
            picture_key = reading.find_picture(db, set_id, picture_id)
            key, before = _rating_row(db, picture_key, caption, seen_with, now)
            steps = [(picture_id, Step(picture_key, f"{RATING}{key}", before, rating))] if before != rating else []
            return edits.write_steps(db, set_key, "rating", label, now, steps)

    def ratings(self, set_id: str) -> Ratings:
        """What is said of captions of the set's pictures, the first rated first. Raises: UnknownSet."""
        with self._database.read() as db:
            return _ratings(db, reading.find_set(db, set_id))


def _insert(db: sqlite3.Connection, set_key: int, name: str, grid: str, outcome: str, now: float) -> str:
    """Returns: the id of the new row."""
    sweep_id = secrets.token_urlsafe(16)
    key = db.execute(
        "INSERT INTO sweeps (set_key, id, name, grid, outcome, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        (set_key, sweep_id, name, grid, outcome, now),
    ).lastrowid
    db.execute(
        "UPDATE sweeps SET name_checksum = ?, grid_checksum = ?, outcome_checksum = ? WHERE key = ?",
        (checksum(key, sweep_id, name), checksum(key, set_key, sweep_id, grid), checksum(key, outcome), key),
    )
    return sweep_id


def _find(db: sqlite3.Connection, set_id: str, sweep_id: str) -> int:
    """The key of a sweep. Raises: UnknownSet, UnknownSweep."""
    set_key = reading.find_set(db, set_id)
    row = None
    if isinstance(sweep_id, str) and sweep_id.isascii():
        row = db.execute("SELECT key FROM sweeps WHERE set_key = ? AND id = ?", (set_key, sweep_id)).fetchone()
    if row is None:
        raise UnknownSweep(
            f"the set has no comparison {value_shown(sweep_id)}; it may have been deleted. Choose one of the list."
        )
    return int(row[0])


# A rating is of the caption without what stands around every caption of the set; in earlier sets it was of all of it.
_TEXT = "CASE WHEN json_valid(sweep_cells.content) THEN json_extract(sweep_cells.content, '$.text') END"
_OF_CELL = "FROM ratings WHERE ratings.picture_key = sweep_cells.picture_key AND ratings.caption ="
_RATED = (
    "SELECT COUNT(*) FROM sweep_cells WHERE sweep_key = sweeps.key AND CASE"
    f" WHEN EXISTS (SELECT 1 {_OF_CELL} {_TEXT}) THEN (SELECT rating {_OF_CELL} {_TEXT})"
    f" ELSE (SELECT rating {_OF_CELL} sweep_cells.caption) END IS NOT NULL"
)


def _sweeps(db: sqlite3.Connection, where: str, value: int, *, but: str = "") -> Iterator[StoredSweep]:
    """Args: but: a grid whose rows are left out."""
    rows = db.execute(
        "SELECT key, set_key, id, name, grid, outcome, created_at, name_checksum, grid_checksum, outcome_checksum,"
        f" (SELECT COUNT(*) FROM sweep_cells WHERE sweep_key = sweeps.key), ({_RATED}) FROM sweeps"
        f" WHERE {where} AND grid != ? ORDER BY key DESC",
        (value, but),
    )
    for key, set_key, sweep_id, name, grid, outcome, created_at, name_sum, grid_sum, outcome_sum, cells, rated in rows:
        yield StoredSweep(
            id=sweep_id,
            name=name if name_sum == checksum(key, sweep_id, name) else _DAMAGED_NAME,
            created_at=created_at,
            grid=json.loads(grid) if grid_sum == checksum(key, set_key, sweep_id, grid) else None,
            outcome=json.loads(outcome) if outcome_sum == checksum(key, outcome) else {},
            cells=cells,
            rated=rated,
        )


def _cells(db: sqlite3.Connection, sweep_key: int, since: int = -1) -> tuple[StoredCell, ...]:
    rows = db.execute(
        "SELECT id, picture_key, cell, caption, content, sweep_cells.checksum FROM sweep_cells"
        " JOIN pictures ON pictures.key = picture_key WHERE sweep_key = ? AND sweep_cells.version > ?"
        " ORDER BY picture_key, cell",
        (sweep_key, since),
    )
    return tuple(
        StoredCell(picture_id, cell, caption, json.loads(content))
        if stored == checksum(sweep_key, picture_key, cell, caption, content)
        else StoredCell(picture_id, cell, None, None)
        for picture_id, picture_key, cell, caption, content, stored in rows
    )


def _ratings(db: sqlite3.Connection, set_key: int, since: int = -1) -> Ratings:
    rows = db.execute(
        "SELECT ratings.key, picture_key, caption, made_by, ratings.checksum, rating, rating_checksum, rated_at, id"
        " FROM ratings JOIN pictures ON pictures.key = picture_key WHERE set_key = ? AND ratings.version > ?"
        " ORDER BY ratings.key",
        (set_key, since),
    )
    whole, damaged = [], 0
    for key, picture_key, caption, made_by, stored, rating, rating_stored, rated_at, picture_id in rows:
        if stored != checksum(key, picture_key, caption, made_by) or rating_stored != checksum(key, rating):
            damaged += 1
        else:
            whole.append(Rating(picture_id, caption, rating, json.loads(made_by), rated_at))
    return Ratings(tuple(whole), damaged)


def _rating_row(
    db: sqlite3.Connection, picture_key: int, caption: str, made_by: str, now: float
) -> tuple[int, Colour | None]:
    """The row that a caption's rating stands in, made or mended where need be, and the rating that it has."""
    row = db.execute(
        "SELECT key, made_by, checksum, rating, rating_checksum FROM ratings WHERE picture_key = ? AND caption = ?",
        (picture_key, caption),
    ).fetchone()
    if row is None:
        key = db.execute(
            "INSERT INTO ratings (picture_key, caption, made_by, rated_at, version) VALUES (?, ?, ?, ?, 0)",
            (picture_key, caption, made_by, now),
        ).lastrowid
        assert key is not None
        before = None
    else:
        key, seen_with, stored, rating, rating_stored = row
        is_whole = stored == checksum(key, picture_key, caption, seen_with) and rating_stored == checksum(key, rating)
        before = rating if is_whole else None
        made_by = seen_with if before is not None else made_by
    db.execute(
        "UPDATE ratings SET made_by = ?1, rated_at = ?2, rating = ?3, checksum = captioner_checksum(key, picture_key,"
        " caption, ?1), rating_checksum = captioner_checksum(key, ?3) WHERE key = ?4",
        (made_by, now, before, key),
    )
    return key, before


def _json(value: Mapping[str, Any], what: str) -> str:
    """Raises: SettingsError: a number that JSON cannot hold (NaN), or half a character."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode()
    except ValueError as error:  # UnicodeEncodeError is one
        raise SettingsError(f"{what} cannot be stored: {error}.") from error
    return text
