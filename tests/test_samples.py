"""The sample pictures: shipped as `demo.samples` draws them, and served by name."""

from __future__ import annotations

import io

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from captioner.errors import UnknownPicture
from captioner.service import samples
from captioner.service.service import Service
from captioner.ui.routes import add_routes
from captioner.ui.samples import add_samples
from demo import drawing
from demo.samples import EDGE_PX, sample_name, sample_scenes


def test_twelve_are_shipped_as_they_are_drawn() -> None:
    scenes = sample_scenes()
    names = [sample_name(number, scene) for number, scene in enumerate(scenes, start=1)]
    assert samples.listed() == {"names": names}
    assert len(names) == 12
    assert names[3] == "sample-04-brown-car.png"
    for name, scene in zip(names, scenes, strict=True):
        shipped = Image.open(io.BytesIO(samples.sample_bytes(name)))
        apart = np.abs(np.asarray(shipped, np.int16) - np.asarray(drawing.draw(scene, EDGE_PX), np.int16))
        assert apart.mean() < 0.5, name  # another Pillow may round its edges otherwise


def test_none_of_them_has_a_rating_to_wonder_about() -> None:
    assert {scene.rating for scene in sample_scenes()} == {"general"}


@pytest.mark.parametrize("name", ["../README.md", "", "..", "sample-01.png", "a" * 500])
def test_no_other_file_is_a_sample(name: str) -> None:
    with pytest.raises(UnknownPicture, match="no sample picture is called"):
        samples.sample_bytes(name)


def test_a_sample_is_served_as_it_is_and_another_name_refused(service: Service) -> None:
    app = FastAPI()
    add_routes(app, service)
    add_samples(app)
    with TestClient(app) as client:
        name = samples.listed()["names"][0]
        answer = client.get(f"/samples/{name}")
        assert answer.headers["content-type"] == "image/png"
        assert answer.content == samples.sample_bytes(name)
        assert client.get("/samples/passwd").status_code == 404
        assert client.get("/samples/..%2F..%2FREADME.md").status_code == 404
