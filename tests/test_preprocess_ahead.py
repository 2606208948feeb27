"""What models have made of pictures ahead: the same answers, other threads' work, and no weights held by it."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image

from captioner.captions.plan import Plan
from captioner.contract import Captioner, Model, PictureInput, Tagger
from captioner.models import registry
from captioner.models.manager import ModelManager
from captioner.models.sources import find_model
from captioner.pipeline import PictureSource, caption_pictures
from demo.drawing import draw
from demo.scenes import scene_from_seed

DEMOS = [spec for spec in registry.MODELS if spec.is_demo]
PICTURES = [draw(scene_from_seed(7, number)) for number in range(4)]


@pytest.fixture(scope="module", params=DEMOS, ids=lambda spec: spec.name)
def model(request: pytest.FixtureRequest) -> Model:
    source = find_model(request.param.name, request.param.family, "demo")
    return source.load_class().load(source.place, device="cpu", spec=source.spec)


def answers(model: Model, shown: list[PictureInput]) -> list[Any]:
    model.release_memory()  # what it remembers of pictures
    settings = model.Settings.from_mapping({})
    if isinstance(model, Captioner):
        return list(model.caption(shown, settings))
    assert isinstance(model, Tagger)
    return list(model.tag(shown, settings))


def test_answers_are_the_same_with_pictures_made_ahead_on_several_threads(model: Model) -> None:
    way = model.preprocess_ahead()
    assert way is not None
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(way, PICTURES))
    ahead = [PictureInput(image, preprocessed={model.family: one}) for image, one in zip(PICTURES, made, strict=True)]
    assert answers(model, ahead) == answers(model, [PictureInput(image) for image in PICTURES])


def test_what_was_made_ahead_is_taken_instead_of_the_image(model: Model) -> None:
    way = model.preprocess_ahead()
    assert way is not None
    other = PictureInput(Image.new("RGB", (300, 200), "red"), preprocessed={model.family: way(PICTURES[0])})
    assert answers(model, [other]) == answers(model, [PictureInput(PICTURES[0])])


@pytest.mark.parametrize("spec", DEMOS, ids=lambda spec: spec.name)
def test_what_works_ahead_holds_no_weights(spec: Any) -> None:
    source = find_model(spec.name, spec.family, "demo")
    loaded = source.load_class().load(source.place, device="cpu", spec=source.spec)
    way, gone = loaded.preprocess_ahead(), weakref.ref(loaded)
    del loaded
    gc.collect()
    assert gone() is None
    assert way is not None and way(PICTURES[0]) is not None


def test_a_file_s_digest_stands_for_its_pixels() -> None:
    source = find_model("blip-demo", "blip", "demo")
    blip: Any = source.load_class().load(source.place, device="cpu", spec=source.spec)
    settings = blip.Settings.from_mapping({})
    [first] = blip.caption([PictureInput(PICTURES[0], digest="a")], settings)
    looked_at: list[int] = []
    blip._decoder._encode_batch = lambda pictures: looked_at.append(len(pictures))
    [again] = blip.caption([PictureInput(PICTURES[1], digest="a")], settings)
    assert again == first and not looked_at


def noting_what_is_made(asked: Any, seen: list[set[str]]) -> Any:
    def asking(self: Any, inputs: Any, settings: Any) -> Any:
        seen.extend({*shown.preprocessed} for shown in inputs)
        return asked(self, inputs, settings)

    return asking


def test_a_run_makes_pictures_ahead_for_every_model_of_its_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan.from_flat({"captioner": "blip-demo", "wd14": "wd14-demo", "clip": "clip-demo"}, "demo")
    seen: list[set[str]] = []
    for planned in plan.running():
        name = "caption" if planned.family == "blip" else "tag"
        kind = registry.family_class(planned.family)
        monkeypatch.setattr(kind, name, noting_what_is_made(getattr(kind, name), seen))
    sources = [PictureSource(id=str(number), open=lambda: PICTURES[0]) for number in range(4)]
    manager = ModelManager(models="demo", device="cpu")
    try:
        results = list(caption_pictures(sources, plan, manager, batch_size=1))
    finally:
        manager.close()
    assert all(result.error is None for result in results)
    assert seen[3:] == [{"blip", "wd14", "clip"}] * 9, "the first picture was open before a model was"
