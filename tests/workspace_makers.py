"""Small pictures, layers and sets for the tests of the workspace."""

import contextlib
import io
import sqlite3
from pathlib import Path
from typing import Any

from PIL import Image

from captioner.records import Layer, Sentence, Tag
from captioner.workspace import Workspace
from captioner.workspace.checksums import prepare
from captioner.workspace.records import Upload


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def png(colour: str = "red", size: tuple[int, int] = (40, 30)) -> bytes:
    """A small picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def filled(workspace: Workspace, count: int) -> tuple[str, list[str]]:
    """A set of `count` equal pictures. Returns: its id, the pictures' ids."""
    set_id, data = workspace.create_set("a set"), png()
    added = workspace.add_pictures(set_id, [Upload(f"{number}.png", data) for number in range(count)])
    return set_id, [picture.id for picture in added]


def said(picture_id: str, text: str, family: str = "blip") -> Layer:
    """A layer with a sentence."""
    return Layer(
        picture_id=picture_id,
        model="blip-demo",
        family=family,
        model_revision="0123abcd",
        run_settings={"num_beams": 3, "method": "beam"},
        seed=7,
        created_at=5.5,
        sentence=Sentence(text, -0.25),
    )


def tagged(picture_id: str, *names: str, family: str = "wd14") -> Layer:
    """A layer with tags, best first."""
    return Layer(
        picture_id=picture_id,
        model="wd14-demo",
        family=family,
        model_revision="0123abcd",
        run_settings={},
        seed=None,
        created_at=6.5,
        tags=tuple(Tag(name, 0.9 - 0.001 * place, "general", family) for place, name in enumerate(names)),
    )


def damage(folder: Path, statement: str, *values: Any) -> None:
    """Change a row as a disk would: without the triggers that keep its checksum up to date."""
    with contextlib.closing(sqlite3.connect(folder / "captions.sqlite", isolation_level=None)) as db:
        prepare(db)
        triggers = db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {name}")
        assert db.execute(statement, values).rowcount == 1
        for _, sql in triggers:
            db.execute(sql)
