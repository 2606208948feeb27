"""The tables of the workspace's database, one script a schema version, and how a file is brought to the newest.

Version 1 holds sets, pictures, layers and edits; version 2 adds the journal; version 3 a checksum for each unit of a
row that is written whole (see `checksums`), a picture's folder, and the files that a deleted set leaves; version 4
adds whether a person has reviewed a picture and what the picture looks like; version 5 the lab: sweeps, ratings, and
what models said of the captions that are there; version 6 the edits of the kinds of captions that are not in front;
version 7 jobs; version 8 the bin; version 9 the same for removed pictures. A script that was released is never changed:
the next version is one more script.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import lru_cache

from captioner.workspace import checksums

APPLICATION_ID = 0x43415054  # "CAPT" in the file's header: tells our database from any other SQLite file

# revision counts changes of `text` only. version is the set's version at the picture's last change; layers_version at
# the last change of what its caption is composed from.
_SETS_PICTURES_LAYERS = """
CREATE TABLE sets (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    settings TEXT NOT NULL DEFAULT '{}',
    created_at REAL NOT NULL,
    changed_at REAL NOT NULL,
    version INTEGER NOT NULL DEFAULT 0,
    name_version INTEGER NOT NULL DEFAULT 0,
    settings_version INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE pictures (
    key INTEGER PRIMARY KEY,
    set_key INTEGER NOT NULL REFERENCES sets (key),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    notes TEXT NOT NULL,
    added_at REAL NOT NULL,
    existing TEXT NOT NULL DEFAULT '',
    text TEXT,
    revision INTEGER NOT NULL DEFAULT 0,
    failure_code TEXT,
    failure_message TEXT,
    is_removed INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL,
    layers_version INTEGER NOT NULL DEFAULT 0,
    UNIQUE (set_key, id)
);
CREATE INDEX pictures_by_version ON pictures (set_key, version);
CREATE INDEX pictures_by_digest ON pictures (set_key, digest);
CREATE TABLE labels (
    key INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    category TEXT NOT NULL,
    source TEXT NOT NULL,
    UNIQUE (name, category, source)
);
CREATE TABLE layers (
    key INTEGER PRIMARY KEY,
    picture_key INTEGER NOT NULL REFERENCES pictures (key),
    family TEXT NOT NULL,
    model TEXT NOT NULL,
    model_revision TEXT NOT NULL,
    run_settings TEXT NOT NULL,
    seed INTEGER,
    created_at REAL NOT NULL,
    sentence TEXT,
    tags BLOB
);
CREATE TABLE current_layers (
    picture_key INTEGER NOT NULL REFERENCES pictures (key),
    family TEXT NOT NULL,
    layer_key INTEGER NOT NULL REFERENCES layers (key),
    PRIMARY KEY (picture_key, family)
) WITHOUT ROWID;
CREATE INDEX current_layers_by_layer ON current_layers (layer_key);
"""

# Undone entries are always the newest ones of a set. A step's field is text, existing, is_removed, is_reviewed,
# layer:FAMILY (then its values are keys of layers), rating:KEY (then its values are those of that row of ratings) or
# text:KIND (then its values are edits that are put away).
_JOURNAL = """
CREATE TABLE entries (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    set_key INTEGER NOT NULL REFERENCES sets (key),
    kind TEXT NOT NULL,
    label TEXT NOT NULL,
    run_id TEXT,
    created_at REAL NOT NULL,
    changed_at REAL NOT NULL,
    picture_count INTEGER NOT NULL DEFAULT 0,
    is_undone INTEGER NOT NULL DEFAULT 0,
    settings_before TEXT,
    settings_after TEXT
);
CREATE INDEX entries_by_state ON entries (set_key, is_undone, key);
CREATE INDEX entries_by_run ON entries (set_key, run_id);
CREATE TABLE steps (
    entry_key INTEGER NOT NULL REFERENCES entries (key) ON DELETE CASCADE,
    picture_key INTEGER NOT NULL REFERENCES pictures (key),
    field TEXT NOT NULL,
    before_value,
    after_value,
    PRIMARY KEY (entry_key, picture_key, field)
) WITHOUT ROWID;
"""

# Each unit has a checksum of its own, so that writing a new text does not vouch for a damaged name beside it. What is
# changed in part (steps, entries) keeps a checksum that was wrong before.
_CHECKSUMS = """
ALTER TABLE pictures ADD COLUMN folder TEXT NOT NULL DEFAULT '';
CREATE TABLE unused_files (digest TEXT PRIMARY KEY) WITHOUT ROWID;

ALTER TABLE sets ADD COLUMN name_checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sets ADD COLUMN settings_checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pictures ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pictures ADD COLUMN text_checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pictures ADD COLUMN existing_checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE labels ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE layers ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE entries ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE steps ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;

UPDATE sets SET name_checksum = captioner_checksum(key, id, name),
    settings_checksum = captioner_checksum(key, settings);
UPDATE pictures SET
    checksum = captioner_checksum(key, set_key, id, name, digest, width, height, notes, folder),
    text_checksum = captioner_checksum(text, revision), existing_checksum = captioner_checksum(existing);
UPDATE labels SET checksum = captioner_checksum(key, name, category, source);
UPDATE layers SET checksum =
    captioner_checksum(key, picture_key, family, model, model_revision, run_settings, sentence, tags);
UPDATE entries SET checksum = captioner_checksum(key, set_key, kind, label, run_id, settings_before, settings_after);
UPDATE steps SET checksum = captioner_checksum(entry_key, picture_key, field, before_value, after_value);

CREATE TRIGGER sets_inserted AFTER INSERT ON sets BEGIN
    UPDATE sets SET name_checksum = captioner_checksum(key, id, name),
        settings_checksum = captioner_checksum(key, settings) WHERE key = NEW.key;
END;
CREATE TRIGGER sets_renamed AFTER UPDATE OF name ON sets BEGIN
    UPDATE sets SET name_checksum = captioner_checksum(key, id, name) WHERE key = NEW.key;
END;
CREATE TRIGGER sets_set AFTER UPDATE OF settings ON sets BEGIN
    UPDATE sets SET settings_checksum = captioner_checksum(key, settings) WHERE key = NEW.key;
END;
CREATE TRIGGER pictures_inserted AFTER INSERT ON pictures BEGIN
    UPDATE pictures SET
        checksum = captioner_checksum(key, set_key, id, name, digest, width, height, notes, folder),
        text_checksum = captioner_checksum(text, revision), existing_checksum = captioner_checksum(existing)
        WHERE key = NEW.key;
END;
CREATE TRIGGER pictures_edited AFTER UPDATE OF text, revision ON pictures BEGIN
    UPDATE pictures SET text_checksum = captioner_checksum(text, revision) WHERE key = NEW.key;
END;
CREATE TRIGGER pictures_imported AFTER UPDATE OF existing ON pictures BEGIN
    UPDATE pictures SET existing_checksum = captioner_checksum(existing) WHERE key = NEW.key;
END;
CREATE TRIGGER labels_inserted AFTER INSERT ON labels BEGIN
    UPDATE labels SET checksum = captioner_checksum(key, name, category, source) WHERE key = NEW.key;
END;
CREATE TRIGGER layers_inserted AFTER INSERT ON layers BEGIN
    UPDATE layers SET checksum =
        captioner_checksum(key, picture_key, family, model, model_revision, run_settings, sentence, tags)
        WHERE key = NEW.key;
END;
CREATE TRIGGER entries_inserted AFTER INSERT ON entries BEGIN
    UPDATE entries SET
        checksum = captioner_checksum(key, set_key, kind, label, run_id, settings_before, settings_after)
        WHERE key = NEW.key;
END;
CREATE TRIGGER entries_joined AFTER UPDATE OF settings_after ON entries WHEN OLD.checksum =
    captioner_checksum(OLD.key, OLD.set_key, OLD.kind, OLD.label, OLD.run_id, OLD.settings_before, OLD.settings_after)
BEGIN
    UPDATE entries SET
        checksum = captioner_checksum(key, set_key, kind, label, run_id, settings_before, settings_after)
        WHERE key = NEW.key;
END;
CREATE TRIGGER steps_inserted AFTER INSERT ON steps BEGIN
    UPDATE steps SET checksum = captioner_checksum(entry_key, picture_key, field, before_value, after_value)
        WHERE entry_key = NEW.entry_key AND picture_key = NEW.picture_key AND field = NEW.field;
END;
CREATE TRIGGER steps_joined AFTER UPDATE OF before_value, after_value ON steps WHEN OLD.checksum =
    captioner_checksum(OLD.entry_key, OLD.picture_key, OLD.field, OLD.before_value, OLD.after_value)
BEGIN
    UPDATE steps SET checksum = captioner_checksum(entry_key, picture_key, field, before_value, after_value)
        WHERE entry_key = NEW.entry_key AND picture_key = NEW.picture_key AND field = NEW.field;
END;
"""

# likeness is a perceptual hash, by which near-equal pictures are found; empty for a picture that has none yet. Neither
# column is part of a checksum: a damaged mark costs a look, a damaged likeness a missed pair.
_REVIEWED = """
ALTER TABLE pictures ADD COLUMN is_reviewed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pictures ADD COLUMN likeness TEXT NOT NULL DEFAULT '';
"""

# A bulk change writes each of these for every picture: their checksums are written in the same statement (`journal`),
# since a trigger that writes the row again takes as long as the change itself.
_CHECKSUMS_AT_ONCE = """
DROP TRIGGER pictures_edited;
DROP TRIGGER steps_inserted;
"""

# grid: axes, settings and pictures of a sweep as JSON; outcome: who scored it and what to tell of it, as JSON. caption:
# NULL where a cell has none; content: what made it, its scores, or why there is none, as JSON. A rating is of a caption
# of a picture, wherever it was seen; made_by: what it was seen with, as JSON; rating: green, yellow or red, NULL where
# it was taken back. version: the set's version at the last change. A reading is of the one caption that a picture had
# then; read_by: the models that were asked and their revisions, as JSON. All checksums are written with their rows.
_LAB = """
CREATE TABLE sweeps (
    key INTEGER PRIMARY KEY,
    set_key INTEGER NOT NULL REFERENCES sets (key),
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    grid TEXT NOT NULL,
    outcome TEXT NOT NULL DEFAULT '{}',
    created_at REAL NOT NULL,
    name_checksum INTEGER NOT NULL DEFAULT 0,
    grid_checksum INTEGER NOT NULL DEFAULT 0,
    outcome_checksum INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX sweeps_by_set ON sweeps (set_key);
CREATE TABLE sweep_cells (
    sweep_key INTEGER NOT NULL REFERENCES sweeps (key),
    picture_key INTEGER NOT NULL REFERENCES pictures (key),
    cell INTEGER NOT NULL,
    caption TEXT,
    content TEXT NOT NULL,
    version INTEGER NOT NULL,
    checksum INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (sweep_key, picture_key, cell)
) WITHOUT ROWID;
CREATE TABLE ratings (
    key INTEGER PRIMARY KEY,
    picture_key INTEGER NOT NULL REFERENCES pictures (key),
    caption TEXT NOT NULL,
    made_by TEXT NOT NULL,
    rating TEXT,
    rated_at REAL NOT NULL,
    version INTEGER NOT NULL,
    checksum INTEGER NOT NULL DEFAULT 0,
    rating_checksum INTEGER NOT NULL DEFAULT 0,
    UNIQUE (picture_key, caption)
);
CREATE TABLE readings (
    picture_key INTEGER PRIMARY KEY REFERENCES pictures (key),
    caption TEXT NOT NULL,
    read_by TEXT NOT NULL,
    content TEXT NOT NULL,
    read_at REAL NOT NULL,
    checksum INTEGER NOT NULL DEFAULT 0
);
"""

# pictures.text is the edit of the kind of caption in front; those of the others are put away here until theirs is. A
# layer's kind stands behind its family: blip/short. The checksum is written with the row.
_KINDS = """
CREATE TABLE kind_texts (
    picture_key INTEGER NOT NULL REFERENCES pictures (key),
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    checksum INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (picture_key, kind)
) WITHOUT ROWID;
"""

# A job is no change of its set. request: what was asked for, as JSON; state: running until somebody says how it ended.
# AUTOINCREMENT: a job's number is never another one's. The checksum is of what it takes to ask again, and written with
# it; damaged counts cost a number.
_JOBS = """
CREATE TABLE jobs (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    set_key INTEGER NOT NULL REFERENCES sets (key),
    kind TEXT NOT NULL,
    request TEXT NOT NULL,
    state TEXT NOT NULL,
    total INTEGER NOT NULL,
    done INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    message TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL,
    ended_at REAL,
    checksum INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX jobs_by_set ON jobs (set_key, key);
"""

# When a set was put into the bin; NULL for one that is there. No part of a checksum: damage costs a look into the bin.
_BIN = "ALTER TABLE sets ADD COLUMN deleted_at REAL;"

# When a picture was removed, seconds since 1970; NULL for one that is there. What was removed before waits from the
# update on, since nobody was told then. gone_version: the set's version up to which pictures were deleted for good, so
# that who saw no later one is told everything anew. As with the bin, no part of a checksum.
_REMOVED_AT = """
ALTER TABLE pictures ADD COLUMN removed_at REAL;
ALTER TABLE sets ADD COLUMN gone_version INTEGER NOT NULL DEFAULT 0;
UPDATE pictures SET removed_at = (julianday('now') - 2440587.5) * 86400.0 WHERE is_removed = 1;
CREATE INDEX pictures_removed ON pictures (removed_at) WHERE removed_at IS NOT NULL;
"""

MIGRATIONS = (
    *(_SETS_PICTURES_LAYERS, _JOURNAL, _CHECKSUMS, _REVIEWED + _CHECKSUMS_AT_ONCE),
    *(_LAB, _KINDS, _JOBS, _BIN, _REMOVED_AT),
)
SCHEMA_VERSION = len(MIGRATIONS)


def schema_version(connection: sqlite3.Connection) -> int:
    """The version a file says it has; 0 for a new one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def has_tables_of(connection: sqlite3.Connection, version: int) -> bool:
    """Whether a file's tables, indexes and triggers are those of a schema version; what others added is passed over."""
    wanted, ours = _objects_of(version), _objects_of(SCHEMA_VERSION)
    found = {row[:2]: row[2] for row in connection.execute(_OBJECTS) if row[:2] in ours}
    return found == wanted


_OBJECTS = "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite@_%' ESCAPE '@'"


@lru_cache
def _objects_of(version: int) -> dict[tuple[str, str], str]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as new:
        checksums.prepare(new)
        migrate(new, upto=version)
        return {row[:2]: row[2] for row in new.execute(_OBJECTS)}


def migrate(connection: sqlite3.Connection, *, upto: int = SCHEMA_VERSION) -> None:
    """Bring a database to a schema version, each step whole or not at all.

    Args:
        connection: in autocommit mode, prepared by `checksums.prepare`.
        upto: the newest, except for tests that need an old file.
    """
    for version in range(schema_version(connection), upto):
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE; {MIGRATIONS[version]} PRAGMA application_id = {APPLICATION_ID};"
                f" PRAGMA user_version = {version + 1}; COMMIT;"
            )
        except BaseException:
            if connection.in_transaction:
                connection.rollback()
            raise
