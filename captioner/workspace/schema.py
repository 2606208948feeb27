"""The tables of the workspace's database, one script a schema version, and how a file is brought to the newest.

Version 1 holds sets, pictures, layers and edits; version 2 adds the journal. A script that was released is never
changed: the next version is one more script.
"""

from __future__ import annotations

import sqlite3

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

# Undone entries are always the newest ones of a set. A step's field is text, existing, is_removed or layer:FAMILY
# (then its values are keys of layers).
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

MIGRATIONS = (_SETS_PICTURES_LAYERS, _JOURNAL)
SCHEMA_VERSION = len(MIGRATIONS)


def schema_version(connection: sqlite3.Connection) -> int:
    """The version a file says it has; 0 for a new one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, *, upto: int = SCHEMA_VERSION) -> None:
    """Bring a database to a schema version, each step whole or not at all.

    Args: connection: in autocommit mode. upto: the newest, except for tests that need an old file.
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
