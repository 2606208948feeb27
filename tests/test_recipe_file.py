"""captioner.captions.recipe_file: what leaves with a set, and what is read of a file that anybody may have written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from captioner.captions.plan import Plan
from captioner.captions.recipe_file import RECIPE_NAME, MadeCaption, RecipeFile, UsedModel, recipe_bytes
from captioner.errors import SettingsError

PLAN = Plan.from_flat({"captioner": "blip-demo", "num_beams": 7, "prefix": "ohwx"}, "demo")
CAPTIONS = (
    MadeCaption(picture="10_cat/a.png", digest="aa", by="model", existing="grey"),
    MadeCaption(picture="b.png", digest="bb", by="edit", text="my “own” words"),
    MadeCaption(picture="c.png", digest="cc", by="existing", text="brought along", is_current=False),
    MadeCaption(picture="d.png", digest="dd", by="nobody"),
)


def written(**changes: Any) -> dict[str, Any]:
    models = [UsedModel(family="blip", name="blip-demo", digest="0123456789ab")]
    return json.loads(recipe_bytes(PLAN, models, CAPTIONS, models_from="demo")) | changes


def test_what_is_written_is_read_again() -> None:
    found = RecipeFile.read(json.dumps(written()))
    assert found.captions == CAPTIONS
    assert found.models == (UsedModel(family="blip", name="blip-demo", digest="0123456789ab"),)
    assert Plan.from_flat(found.settings, "demo") == PLAN


def test_it_names_models_versions_and_preprocessing_and_no_time() -> None:
    found = written()
    assert found["models"][0] == {
        "family": "blip",
        "name": "blip-demo",
        "repository": None,
        "revision": None,
        "digest": "0123456789ab",
    }
    assert {"captioner", "python", "torch", "transformers", "pillow"} <= set(found["packages"])
    assert "EXIF" in found["preprocessing"]
    assert recipe_bytes(PLAN, [], CAPTIONS) == recipe_bytes(PLAN, [], CAPTIONS)


def test_pictures_are_found_by_content_and_equal_ones_by_name() -> None:
    one, other = (MadeCaption(picture=f"x/{name}", digest="aa", by="edit", text=name) for name in ("1.png", "2.png"))
    known = RecipeFile(settings={}, captions=(one, other)).known()
    assert [known.find("aa", name) for name in ("1.png", "2.png")] == [one, other]
    assert known.find("aa", "renamed.png") == other
    assert known.find("bb", "1.png") is None


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\xff\xfe", "cannot be read as JSON"),
        (b"{", "cannot be read as JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", f"is no recipe of Captioner; give the {RECIPE_NAME} of an export"),
        (b'{"kind": "other"}', "is no recipe of Captioner"),
        (written(version=2), "is a recipe of version 2, and this Captioner reads version 1; update it"),
        (written(version="x" * 5_000), "is a recipe of version 'xxx"),
        (written(settings=None), "the settings in captioner-recipe.json are NoneType"),
        (written(models=[1]), "models in captioner-recipe.json must be a list of objects"),
        (written(pictures={"a": 1}), "pictures in captioner-recipe.json must be a list of objects"),
        (written(pictures=[{"by": ["model"]}]), "it must be model, edit, existing or nobody"),
        (written(pictures=[{"by": "edit", "caption": 5}]), "caption in captioner-recipe.json is int"),
        (written(pictures=[{"by": "edit", "caption": "\ud800"}]), "caption in captioner-recipe.json"),
    ],
)
def test_what_is_no_recipe_is_one_sentence(data: Any, sentence: str) -> None:
    with pytest.raises(SettingsError) as found:
        RecipeFile.read(data if isinstance(data, bytes) else json.dumps(data))
    assert sentence in str(found.value)
    assert len(str(found.value)) < 500 and "\n" not in str(found.value)
