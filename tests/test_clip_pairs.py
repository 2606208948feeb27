"""taggers.clip.pairs: open_clip's names become repositories with safetensors, or are refused."""

import sys

import open_clip
import pytest

from captioner.contract import ModelSpec
from captioner.errors import MissingPackage, ModelNotFound
from captioner.models import registry
from taggers.clip import ClipTagger, pairs


@pytest.mark.parametrize("spec", [spec for spec in registry.of_family("clip") if spec.tag], ids=lambda spec: spec.name)
def test_the_registered_models_are_what_open_clip_means(spec: ModelSpec) -> None:
    assert spec.tag is not None
    found = pairs.spec_for("/".join(spec.tag))
    assert found is not None
    assert (found.repo, found.files[:2], found.tag) == (spec.repo, spec.files[:2], spec.tag)


def test_every_pair_is_a_repository_or_refused() -> None:
    assert len(pairs.known()) > 100
    for pair in pairs.known():
        text = open_clip.get_model_config(pair.architecture)["text_cfg"]
        if pair.file:
            with pytest.raises(ModelNotFound, match=f"{pair.name} is published as a pickle only"):
                pairs.spec_for(pair.name)
        elif "hf_tokenizer_name" in text:
            with pytest.raises(
                ModelNotFound, match=r"reads texts with the tokenizer of .*; take a pair with CLIP's own"
            ):
                pairs.spec_for(pair.name)
        else:
            spec = ClipTagger.spec_for(pair.name)
            assert spec is not None
            assert (spec.repo, spec.family, spec.is_demo) == (pair.repository, "clip", False)
            assert [name for name in spec.files if not name.endswith((".safetensors", ".json"))] == []
            assert spec.load_class() is ClipTagger


@pytest.mark.parametrize("name", ["clip-v1", "", "/", "a/", "/a", "a/b/c", "./a", "../a", "C:\\models/a"])
def test_other_names_are_left_to_others(name: str) -> None:
    assert pairs.spec_for(name) is None


def test_an_unknown_pair_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(ModelNotFound, match=r"called 'ViT-L-14/opanai'; did you mean ViT-L-14/openai"):
        pairs.spec_for("ViT-L-14/opanai")
    with pytest.raises(ModelNotFound, match=r"open_clip\.list_pretrained\(\) names them all"):
        pairs.spec_for("zzzz/qqqq")


def test_case_does_not_matter() -> None:
    spec = pairs.spec_for("vit-b-32/LAION2B_s34b_b79k")
    assert spec is not None
    assert spec.name == "ViT-B-32/laion2b_s34b_b79k"


def test_a_missing_open_clip_is_named_with_its_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs.known.cache_clear()
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(MissingPackage, match="CLIP needs open_clip: pip install open_clip_torch"):
        pairs.spec_for("ViT-B-32/openai")
