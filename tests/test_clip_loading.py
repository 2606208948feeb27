"""taggers.clip.loading: which configurations of open_clip load, and that they load as open_clip has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import image_transform
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.utils._python_dispatch import TorchDispatchMode

from captioner.errors import BadModel, OutOfMemory
from captioner.models.weights import check_shapes
from taggers.clip import loading
from tests.memory_peak import memory_growth_mb
from tests.tiny_clip import CONFIG, tiny_clip

WORDS = {"mediums": ["a photo"]}


def described(folder: Path, name: str) -> Path:
    """A folder with the configuration of one of open_clip's architectures, and weights that nobody opens."""
    config = {"model_cfg": open_clip.get_model_config(name), "preprocess_cfg": CONFIG["preprocess_cfg"]}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file({"a": torch.zeros(1)}, folder / loading.WEIGHTS)
    return folder


def test_every_architecture_is_taken_unless_its_texts_are_read_by_somebody_elses_tokenizer(tmp_path: Path) -> None:
    taken = refused = 0
    for name in open_clip.list_models():
        folder = described(tmp_path, name)
        if "hf_tokenizer_name" in open_clip.get_model_config(name)["text_cfg"]:
            with pytest.raises(BadModel, match=r"text_cfg has (hf_tokenizer_name|hf_model_name)"):
                loading.read_config(folder)
            refused += 1
        else:
            loading.read_config(folder)
            taken += 1
    assert taken > 80
    assert refused > 20


@pytest.mark.parametrize(
    "name", ["ViT-L-14-quickgelu", "ViT-H-14", "RN50", "convnext_base_w", "EVA02-B-16", "coca_ViT-B-32"]
)
def test_the_size_of_an_architecture_is_known_without_memory_for_it(tmp_path: Path, name: str) -> None:
    config = loading.read_config(described(tmp_path, name))
    shapes = loading._asked_shapes(config["model_cfg"])
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) > 50_000_000
    with pytest.raises(BadModel, match=r"asks for a model of \d"):
        check_shapes(tmp_path / loading.WEIGHTS, shapes, "open_clip_config.json")


@pytest.mark.parametrize(("device", "precision"), [("cpu", torch.float32), ("cuda:1", torch.float16)])
def test_a_model_is_made_in_its_precision_and_only_then_brought_to_a_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, precision: torch.dtype
) -> None:
    """Made there in full precision, it would take twice its memory for a moment, and torch would keep that."""
    brought = []

    def put_on(model: torch.nn.Module, wish: str) -> None:
        weight = model.visual.transformer.resblocks[0].mlp.c_fc.weight
        brought.append((wish, weight.device.type, weight.dtype))

    monkeypatch.setattr(loading, "put_on", put_on)
    folder = tiny_clip(tmp_path)
    loading.build(folder, loading.read_config(folder), device, None)
    assert brought == [(device, "cpu", precision)]


def test_a_card_that_is_full_is_no_damaged_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def put_on(model: torch.nn.Module, device: str) -> None:
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(loading, "put_on", put_on)
    folder = tiny_clip(tmp_path)
    with pytest.raises(OutOfMemory, match="does not fit on cuda"):
        loading.build(folder, loading.read_config(folder), "cuda", None)


def test_keys_beside_the_two_that_open_clip_reads_do_no_harm(tmp_path: Path) -> None:
    folder = tiny_clip(tmp_path / "m", WORDS)
    preprocessing = {**CONFIG["preprocess_cfg"], "size": [32, 32], "mode": "RGB", "fill_color": 0, "newer": 1}
    config = {**CONFIG, "preprocess_cfg": preprocessing, "library": "open_clip"}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    model, _, _ = loading.build(folder, loading.read_config(folder), "cpu", None)
    assert model.visual.image_size == (32, 32)


def test_texts_become_the_tokens_that_open_clip_gives_them(tmp_path: Path) -> None:
    folder = tiny_clip(tmp_path / "m", WORDS, text_cfg={**CONFIG["model_cfg"]["text_cfg"], "context_length": 20})
    _, _, tokenizer = loading.build(folder, loading.read_config(folder), "cpu", None)
    texts = ["a photo of a cat", "", "é — 犬 " * 20, "A  Photo"]
    assert torch.equal(tokenizer(texts), open_clip.get_tokenizer(f"local-dir:{folder}")(texts))


@pytest.mark.parametrize(
    "model_config",
    [
        {"vision_cfg": {"timm_model_name": "vit_tiny_patch16_224", "image_size": 224}},
        {"text_cfg": {**CONFIG["model_cfg"]["text_cfg"], "vocab_size": 1000}},
        {"text_cfg": {**CONFIG["model_cfg"]["text_cfg"], "hf_tokenizer_name": ""}},
    ],
    ids=["another tower", "fewer tokens than the tokenizer has", "an empty name"],
)
def test_what_open_clips_own_architectures_never_say_is_refused(
    tmp_path: Path, model_config: dict[str, object]
) -> None:
    folder = tiny_clip(tmp_path / "m", WORDS)
    config = {**CONFIG, "model_cfg": {**CONFIG["model_cfg"], **model_config}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(BadModel, match=r"timm_model_name|vocab_size 1000|hf_tokenizer_name"):
        loading.read_config(folder)


@pytest.mark.parametrize("size", [(9, 700), (700, 9), (20, 3_001), (33, 600), (50, 40)])
def test_the_middle_of_a_strip_gives_what_the_strip_gives(size: tuple[int, int]) -> None:
    preprocess = image_transform(56, is_train=False, mean=(0.0,) * 3, std=(1.0,) * 3)
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    strip = Image.fromarray(pixels)
    difference = (preprocess(loading.without_far_ends(strip)) - preprocess(strip)).abs()
    assert (
        difference.max() <= 3.5 / 255
    )  # the strip's length in whole pixels is rounded, so that its pixels shift a bit


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads the peak of memory from /proc")
def test_a_long_strip_is_not_made_larger_as_a_whole(tmp_path: Path) -> None:
    folder = tiny_clip(tmp_path / "m", WORDS)
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["preprocess_cfg"]["resize_mode"] = "shortest"
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    _, preprocess, _ = loading.build(folder, loading.read_config(folder), "cpu", None)
    with memory_growth_mb() as grown:
        preprocess(Image.new("RGB", (4, 60_000)))
    assert grown[0] < 100


class Filling(TorchDispatchMode):
    """Notes what fills tensors with random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.update(name for name in ("uniform_", "normal_") if str(function).startswith(f"aten.{name}"))
        return function(*args, **(kwargs or {}))


def test_a_model_is_filled_from_its_file_alone(tmp_path: Path) -> None:
    tiny_clip(tmp_path, {})
    with Filling() as open_clip_itself:
        open_clip.create_model(f"local-dir:{tmp_path}")
    assert open_clip_itself.seen == {"uniform_", "normal_"}
    with Filling() as filling:
        model, _, _ = loading.build(tmp_path, loading.read_config(tmp_path), "cpu", None)
    assert not filling.seen
    stored = load_file(tmp_path / loading.WEIGHTS)
    assert stored.keys() == model.state_dict().keys()
    assert all(torch.equal(tensor, stored[name]) for name, tensor in model.state_dict().items())
