"""captioner.models.registry: every model by name, and what must hold of each."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from captioner.contract import Captioner, ModelSpec, Tagger
from captioner.errors import ModelNotFound
from captioner.models import registry
from captioner.settings import Settings

each_model = pytest.mark.parametrize("spec", registry.MODELS, ids=lambda spec: spec.name)


@each_model
def test_every_model_is_found_by_its_name(spec: ModelSpec) -> None:
    assert registry.find(spec.name) is spec
    assert spec in registry.of_family(spec.family)


@each_model
def test_every_model_class_offers_what_its_kind_must(spec: ModelSpec) -> None:
    model_class = spec.load_class()
    assert model_class.family == spec.family
    assert issubclass(model_class.Settings, Settings)
    assert issubclass(model_class, {"captioner": Captioner, "tagger": Tagger}[spec.kind])
    assert not inspect.isabstract(model_class)


@each_model
def test_every_models_defaults_are_allowed(spec: ModelSpec) -> None:
    settings = spec.load_class().Settings.from_mapping(dict(spec.defaults))
    assert {name: getattr(settings, name) for name in spec.defaults} == dict(spec.defaults)


@each_model
def test_every_model_says_licence_and_what_it_is(spec: ModelSpec) -> None:
    assert spec.licence and spec.about and spec.name == spec.name.lower().strip()
    if spec.is_demo:
        assert spec.download_mb == 0
    else:
        assert spec.download_mb >= 0 and spec.repo is not None and spec.repo.count("/") == 1  # 0: nobody has measured


@each_model
def test_no_model_is_fetched_as_a_pickle(spec: ModelSpec) -> None:
    assert not [name for name in spec.files if name.endswith((".bin", ".pt", ".pth", ".ckpt", ".pkl"))]
    assert spec.is_demo or any(name.endswith((".safetensors", ".onnx")) for name in spec.files)


def test_names_are_unique() -> None:
    names = [spec.name for spec in registry.MODELS]
    assert len(names) == len(set(names))
    assert not set(names) & {"auto", "hub", "demo", "default", ""}


@pytest.mark.parametrize("family", registry.families())
def test_a_family_is_one_class_and_one_kind_with_a_demo_model_last(family: str) -> None:
    specs = registry.of_family(family)
    assert len({(spec.entry, spec.kind) for spec in specs}) == 1
    assert registry.family_class(family) is specs[0].load_class()
    assert not specs[0].is_demo
    assert all(not spec.is_demo for spec in specs[:-1])


def test_families_are_told_apart_by_kind() -> None:
    assert set(registry.families("captioner")) | set(registry.families("tagger")) == set(registry.families())
    assert not set(registry.families("captioner")) & set(registry.families("tagger"))


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelNotFound) as caught:
        registry.find("blip-huge")
    assert "no model is called 'blip-huge'; the names are" in str(caught.value)
    assert all(spec.name in str(caught.value) for spec in registry.MODELS)


def test_model_classes_import_nothing_heavy() -> None:
    script = (
        "import sys; from captioner.models import registry\n"
        "for spec in registry.MODELS: spec.load_class()\n"
        "heavy = ['torch', 'transformers', 'open_clip', 'onnxruntime', 'gradio']\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
