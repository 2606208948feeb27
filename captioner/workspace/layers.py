"""Layers as rows and back, and a bounded cache of parsed ones.

A picture may have thousands of scored tags, so a tag is stored as the number of its label and its score (12 bytes)
and parsed once, not at every threshold change.
"""

from __future__ import annotations

import json
import sqlite3
import struct
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

from captioner.records import Alternative, Layer, Sentence, Tag
from captioner.workspace.checksums import checksum

Label = tuple[str, str, str]  # name, category, source

# About 95 bytes a tag: 300 MB when full. Holds a thousand pictures with every tag of two large models.
CACHED_TAGS = 3_000_000


class Labels:
    """The numbers under which a workspace stores its labels; safe to use from many threads."""

    def __init__(self) -> None:
        self._keys: dict[Label, int] = {}
        self._labels: dict[int, Label] = {}
        self._newest = 0

    def keys(self, db: sqlite3.Connection, tags: Iterable[Tag], fresh: dict[Label, int]) -> list[int]:
        """The numbers of tags' labels; new ones get one in the running transaction.

        Args: fresh: takes the labels looked up or added here; give it to `remember` once the transaction has ended.
        """
        keys = []
        for tag in tags:
            label = (tag.name, tag.category, tag.source)
            key = self._keys.get(label) or fresh.get(label)
            if key is None:
                row = db.execute(
                    "SELECT key FROM labels WHERE name = ? AND category = ? AND source = ?", label
                ).fetchone()
                key = (
                    int(row[0])
                    if row
                    else db.execute("INSERT INTO labels (name, category, source) VALUES (?, ?, ?)", label).lastrowid
                )
                assert key is not None
                fresh[label] = key
            keys.append(key)
        return keys

    def remember(self, fresh: dict[Label, int]) -> None:
        """Keep numbers in memory that a finished transaction looked up or gave."""
        self._keys.update(fresh)

    def labels(self, db: sqlite3.Connection, keys: Sequence[int]) -> list[Label]:
        """The labels of numbers. Raises: KeyError: one was damaged on the disk, or is gone."""
        if keys and max(keys) > self._newest:
            rows = db.execute("SELECT key, name, category, source, checksum FROM labels WHERE key > ?", (self._newest,))
            for key, *label, stored in rows:
                if stored == checksum(key, *label):
                    self._labels[key] = tuple(label)
                self._newest = max(self._newest, key)
        return [self._labels[key] for key in keys]


def to_row(db: sqlite3.Connection, picture_key: int, layer: Layer, labels: Labels, fresh: dict[Label, int]) -> int:
    """Store a layer, not yet as the current one. Returns: its key."""
    sentence = tags = None
    if layer.sentence is not None:
        said = layer.sentence
        others = [[other.text, other.score, other.finish] for other in said.alternatives]
        sentence = json.dumps([said.text, said.score, others, said.finish])
    if layer.tags is not None:
        keys = labels.keys(db, layer.tags, fresh)
        tags = struct.pack(f"<{len(keys)}I{len(keys)}d", *keys, *(tag.score for tag in layer.tags))
    key = db.execute(
        "INSERT INTO layers (picture_key, family, model, model_revision, run_settings, seed, created_at, sentence,"
        " tags) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(picture_key, layer.key, layer.model, layer.model_revision, json.dumps(dict(layer.run_settings))),
            *(layer.seed, layer.created_at, sentence, tags),
        ),
    ).lastrowid
    assert key is not None
    return key


_CURRENT_LAYERS = """
SELECT c.family, l.key, l.picture_key, l.family, l.model, l.model_revision, l.run_settings, l.sentence, l.tags,
    l.checksum, l.seed, l.created_at
FROM current_layers AS c LEFT JOIN layers AS l ON l.key = c.layer_key WHERE c.picture_key = ? ORDER BY c.family
"""


def from_row(db: sqlite3.Connection, picture: tuple[int, str], row: Sequence[Any], labels: Labels) -> Layer:
    """The layer in a row of _CURRENT_LAYERS; an empty one without a model where the disk has damaged it.

    Args: picture: key and id of the picture that the row was asked for.
    """
    wanted_key, *values, stored, seed, created_at = row
    picture_key, key, model, model_revision, run_settings, sentence_json, tags_blob = values[1:]
    picture_id = picture[1]
    family, _, kind = str(wanted_key).partition("/")
    lost = Layer(
        picture_id=picture_id,
        model="",
        family=family,
        kind=kind,
        model_revision="",
        run_settings={},
        seed=None,
        created_at=0.0,
        tags=(),
    )
    if stored != checksum(*values) or (picture_key, key) != (picture[0], wanted_key):
        return lost
    sentence = tags = None
    if sentence_json is not None:
        text, score, alternatives, *finish = json.loads(sentence_json)  # versions up to schema 3 stored no finish
        sentence = Sentence(text, score, tuple(Alternative(*other) for other in alternatives), *finish)
    if tags_blob is not None:
        count = len(tags_blob) // 12
        numbers = struct.unpack(f"<{count}I{count}d", tags_blob)
        try:
            found = labels.labels(db, numbers[:count])
        except KeyError:
            return lost
        tags = tuple(
            Tag(name, score, category, source)
            for (name, category, source), score in zip(found, numbers[count:], strict=True)
        )
    return Layer(
        picture_id=picture_id,
        model=model,
        family=family,
        kind=kind,
        model_revision=model_revision,
        run_settings=json.loads(run_settings),
        seed=seed,
        created_at=created_at if isinstance(created_at, float) else 0.0,
        sentence=sentence,
        tags=tags,
    )


class LayerCache:
    """Parsed layers of pictures, each valid for one `layers_version`, so that a write needs to tell nobody.

    Sets whose pictures were asked for longest ago make room; within one set that is too large the first pictures
    stay, since a pass over all of them would otherwise push out each one just before it is needed again.
    """

    def __init__(self, tags: int = CACHED_TAGS) -> None:
        self._room = tags
        self._lock = threading.Lock()
        self._sets: OrderedDict[str, dict[int, tuple[int, tuple[Layer, ...]]]] = OrderedDict()

    def find(self, set_id: str, pictures: Iterable[tuple[int, int]]) -> dict[int, tuple[Layer, ...]]:
        """Layers by picture key, for those that are here. Args: pictures: (key, layers_version)."""
        with self._lock:
            kept = self._sets.get(set_id)
            if kept is None:
                return {}
            self._sets.move_to_end(set_id)
            found = {}
            for key, version in pictures:
                held = kept.get(key)
                if held is not None and held[0] == version:
                    found[key] = held[1]
            return found

    def keep(self, set_id: str, parsed: Iterable[tuple[int, int, tuple[Layer, ...]]]) -> None:
        """Hold on to layers while there is room. Args: parsed: (picture key, layers_version, layers)."""
        with self._lock:
            kept = self._sets.setdefault(set_id, {})
            self._sets.move_to_end(set_id)
            for key, version, layers in parsed:
                old = kept.pop(key, None)
                self._room += _weight(old[1]) if old else 0
                weight = _weight(layers)
                while self._room < weight and len(self._sets) > 1:
                    _, dropped = self._sets.popitem(last=False)
                    self._room += sum(_weight(held) for _, held in dropped.values())
                if self._room >= weight:
                    self._room -= weight
                    kept[key] = (version, layers)


class StoredLayers:
    """The layers of a workspace's pictures, parsed once; safe to use from many threads."""

    def __init__(self) -> None:
        self.labels = Labels()
        self._cache = LayerCache()

    def current(
        self, db: sqlite3.Connection, set_id: str, pictures: Sequence[tuple[int, str, int]]
    ) -> dict[str, tuple[Layer, ...]]:
        """Current layers by picture id, from the cache where they are. Args: pictures: (key, id, layers_version)."""
        found = self._cache.find(set_id, ((key, version) for key, _, version in pictures))
        fresh = []
        for key, picture_id, version in pictures:
            if key not in found:
                rows = db.execute(_CURRENT_LAYERS, (key,)).fetchall()
                found[key] = tuple(from_row(db, (key, picture_id), row, self.labels) for row in rows)
                fresh.append((key, version, found[key]))
        self._cache.keep(set_id, fresh)
        return {picture_id: found[key] for key, picture_id, _ in pictures}


def _weight(layers: tuple[Layer, ...]) -> int:
    """What layers take, in tags; a sentence and the records around it count as ten."""
    return sum(10 + len(layer.tags or ()) for layer in layers)
