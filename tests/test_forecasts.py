"""captioner.models.forecasts: what a model will take, from headers and config.json, before anything is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from captioner.contract import ModelSpec
from captioner.models import registry
from captioner.models.blip import BlipCaptioner
from captioner.models.forecasts import ANSWER_TOKENS, MemoryForecast, forecast_folder, forecast_known
from captioner.models.sources import DEMO_FOLDER
from tests.tiny_vlm import save

DEMO_BLIP = DEMO_FOLDER / "blip-demo"


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save("llava", tmp_path_factory.mktemp("forecasts") / "llava")


def test_it_is_what_the_loaded_model_takes() -> None:
    forecast = forecast_folder(DEMO_BLIP, "cpu")
    loaded = BlipCaptioner.load(DEMO_BLIP, device="cpu").size_bytes
    assert forecast.weights_bytes == pytest.approx(loaded, rel=0.03)
    assert forecast.disk_bytes == (DEMO_BLIP / "model.safetensors").stat().st_size


def test_a_card_takes_half_of_what_the_cpu_takes(llava: Path) -> None:
    on_cpu, on_card = (forecast_folder(llava, device) for device in ("cpu", "cuda:1"))
    assert on_cpu.weights_bytes == 2 * on_card.weights_bytes > 0
    assert on_cpu.answer_bytes == 2 * on_card.answer_bytes
    assert on_card.total_bytes == on_card.weights_bytes + on_card.answer_bytes


def test_the_precision_on_disk_does_not_change_what_memory_takes(llava: Path, tmp_path: Path) -> None:
    tensors = {name: tensor.bfloat16() for name, tensor in load_file(llava / "model.safetensors").items()}
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_bytes((llava / "config.json").read_bytes())
    halved, full = forecast_folder(tmp_path, "cpu"), forecast_folder(llava, "cpu")
    assert (halved.weights_bytes, halved.answer_bytes) == (full.weights_bytes, full.answer_bytes)
    assert halved.disk_bytes < full.disk_bytes


def test_an_answer_takes_the_keys_and_values_of_every_layer(llava: Path) -> None:
    """The tiny language model has two layers with two key-value heads of 8 numbers."""
    assert forecast_folder(llava, "cpu").answer_bytes == 2 * 2 * 2 * 8 * ANSWER_TOKENS * 4


def test_shards_count_by_their_sum(tmp_path: Path) -> None:
    for number, count in enumerate((1000, 3000)):
        save_file({f"part{number}": torch.zeros(count)}, tmp_path / f"model-{number}.safetensors")
    index = {"weight_map": {"part0": "model-0.safetensors", "part1": "model-1.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    save_file({"other": torch.zeros(9000)}, tmp_path / "consolidated.safetensors")
    forecast = forecast_folder(tmp_path, "cpu")
    assert forecast.weights_bytes == 4000 * 4
    assert forecast.disk_bytes == sum(path.stat().st_size for path in tmp_path.glob("model-*.safetensors"))


def test_quantised_and_onnx_weights_take_what_they_take_on_disk(tmp_path: Path) -> None:
    save_file({"packed": torch.zeros(1000, dtype=torch.uint8)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"quantization_config": {"bits": 4}}')
    size = (tmp_path / "model.safetensors").stat().st_size
    assert forecast_folder(tmp_path, "cpu") == MemoryForecast(size, size)
    size = (DEMO_FOLDER / "wd14-demo" / "model.onnx").stat().st_size
    assert forecast_folder(DEMO_FOLDER / "wd14-demo", "cuda") == MemoryForecast(size, size)


@pytest.mark.parametrize("damage", [b"", b"no weights", b"\xff" * 100])
def test_damaged_files_count_with_their_size(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(damage)
    (tmp_path / "config.json").write_text('{"text_config": {"num_hidden_layers": -3, "hidden_size": "all"}}')
    assert forecast_folder(tmp_path, "cpu") == MemoryForecast(len(damage), len(damage))


def test_a_folder_without_files_takes_nothing(tmp_path: Path) -> None:
    assert forecast_folder(tmp_path, "cpu") == MemoryForecast(0, 0)


def test_a_model_that_is_not_here_is_told_from_its_known_size() -> None:
    blip, qwen, wd14 = (registry.find(name) for name in ("blip-base", "qwen3-vl-2b", "wd-vit-tagger-v3"))
    assert forecast_known(blip, "cpu") == MemoryForecast(990_000_000, 990_000_000)
    assert forecast_known(blip, "cuda") == MemoryForecast(990_000_000, 495_000_000)
    assert forecast_known(qwen, "cpu") == MemoryForecast(5_000_000_000, 10_000_000_000)
    assert forecast_known(wd14, "cuda") == MemoryForecast(379_000_000, 379_000_000)
    unknown = ModelSpec(name="a/b", kind="captioner", family="vlm", entry="x:Y", licence="?", about="")
    assert forecast_known(unknown, "cpu") is None


def test_it_imports_nothing_heavy() -> None:
    code = "import sys, captioner.models.forecasts; print({'torch', 'transformers', 'safetensors'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
