BEGIN TRANSACTION;
PRAGMA application_id = 1128353876;
PRAGMA user_version = 2;
CREATE TABLE current_layers (
    picture_key INTEGER NOT NULL REFERENCES pictures (key),
    family TEXT NOT NULL,
    layer_key INTEGER NOT NULL REFERENCES layers (key),
    PRIMARY KEY (picture_key, family)
) WITHOUT ROWID;
INSERT INTO "current_layers" VALUES(1,'blip',1);
INSERT INTO "current_layers" VALUES(1,'wd14',2);
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
INSERT INTO "entries" VALUES(1,1,'run','Caption','r1',1000.0,1000.0,1,0,NULL,NULL);
INSERT INTO "entries" VALUES(2,1,'edit','Edit',NULL,1010.0,1010.0,1,0,NULL,NULL);
INSERT INTO "entries" VALUES(3,1,'bulk','Bulk',NULL,1010.0,1010.0,2,0,NULL,NULL);
INSERT INTO "entries" VALUES(4,1,'settings','Settings',NULL,1010.0,1010.0,0,0,'{"num_beams": 3, "prefix": "sks dog"}','{"num_beams": 4, "prefix": "sks cat"}');
INSERT INTO "entries" VALUES(5,1,'remove','Remove',NULL,1010.0,1010.0,1,0,NULL,NULL);
INSERT INTO "entries" VALUES(6,1,'edit','Edit',NULL,1010.0,1010.0,1,1,NULL,NULL);
CREATE TABLE labels (
    key INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    category TEXT NOT NULL,
    source TEXT NOT NULL,
    UNIQUE (name, category, source)
);
INSERT INTO "labels" VALUES(1,'1dog','general','wd14');
INSERT INTO "labels" VALUES(2,'smile','general','wd14');
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
INSERT INTO "layers" VALUES(1,1,'blip','blip-demo','0123abcd','{"num_beams": 3}',7,5.5,'["a dog", -0.25, [["a cat", -0.5]]]',NULL);
INSERT INTO "layers" VALUES(2,1,'wd14','wd14-demo','0123abcd','{"num_beams": 3}',7,5.5,NULL,X'0100000002000000CDCCCCCCCCCCEC3F000000000000E03F');
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
INSERT INTO "pictures" VALUES(1,1,'mnopqrstuvwx','a.png','af87446eb0e14f0f74afd0828dbbb3b82b001caec89b9070884f28908209019e',4,3,'[]',1000.0,'an old caption','bulk one',3,NULL,NULL,0,8,3);
INSERT INTO "pictures" VALUES(2,1,'abcdefghijkl','b 少女.png','2b54fd7c7d5abbb1938f85784cab2b84a505b5fd23c4d76dd9bfc0d3ea2cb55a',4,3,'[]',1000.0,'','bulk two 🐈',3,NULL,NULL,0,10,2);
INSERT INTO "pictures" VALUES(3,1,'yz234567abcd','c.png','af87446eb0e14f0f74afd0828dbbb3b82b001caec89b9070884f28908209019e',4,3,'[]',1000.0,'',NULL,0,NULL,NULL,1,8,2);
INSERT INTO "pictures" VALUES(4,1,'efghijklmnop','d.png','9712e646ee196a52688c65a17b5f718079e7e51db7c1de3ed8cee4015c7cd654',4,3,'[]',1000.0,'',NULL,0,'model_failed','no sentence',0,3,2);
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
INSERT INTO "sets" VALUES(1,'set-of-version-2-aaaaa','my döggies','{"num_beams": 4, "prefix": "sks cat"}',1000.0,1010.0,10,1,7);
CREATE TABLE steps (
    entry_key INTEGER NOT NULL REFERENCES entries (key) ON DELETE CASCADE,
    picture_key INTEGER NOT NULL REFERENCES pictures (key),
    field TEXT NOT NULL,
    before_value,
    after_value,
    PRIMARY KEY (entry_key, picture_key, field)
) WITHOUT ROWID;
INSERT INTO "steps" VALUES(1,1,'layer:blip',NULL,1);
INSERT INTO "steps" VALUES(1,1,'layer:wd14',NULL,2);
INSERT INTO "steps" VALUES(2,1,'text',NULL,'a red dog on grass');
INSERT INTO "steps" VALUES(3,1,'text','a red dog on grass','bulk one');
INSERT INTO "steps" VALUES(3,2,'text',NULL,'bulk two 🐈');
INSERT INTO "steps" VALUES(5,3,'is_removed',0,1);
INSERT INTO "steps" VALUES(6,2,'text','bulk two 🐈','undone later');
CREATE INDEX pictures_by_version ON pictures (set_key, version);
CREATE INDEX pictures_by_digest ON pictures (set_key, digest);
CREATE INDEX current_layers_by_layer ON current_layers (layer_key);
CREATE INDEX entries_by_state ON entries (set_key, is_undone, key);
CREATE INDEX entries_by_run ON entries (set_key, run_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('entries',6);
COMMIT;
