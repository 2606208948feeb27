"""captioner.cli.picture_sources: a file is read once, for its picture and for what tells it from others."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from captioner import images
from captioner.cli.picture_sources import sources_of
from captioner.cli.pictures import NamedPicture
from captioner.errors import BadPicture


def test_the_digest_is_of_the_bytes_that_were_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (30, 20), "red").save(path)
    before = path.read_bytes()
    [source] = sources_of([NamedPicture(path)], ["old words"])
    image = source.open()
    path.unlink()
    assert source.digest() == images.digest(before)
    assert (image.size, source.existing, source.name) == ((30, 20), "old words", "a.png")


def test_a_caption_that_cannot_be_read_is_its_picture_s_error(tmp_path: Path) -> None:
    [source] = sources_of([NamedPicture(tmp_path / "a.png")], [BadPicture("no words", code="unreadable")])
    with pytest.raises(BadPicture, match="no words"):
        source.shown()
