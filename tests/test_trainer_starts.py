"""What START.txt says of each trainer names what the trainer does not start without, as its own sources ask for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from captioner.formats.set_writer import START_NAME
from tests.test_trainers import items_in, write_folder

NEEDED: list[tuple[str, str, tuple[str, ...]]] = [
    ("kohya", "sdxl", ("sdxl_train_network.py", "--dataset_config", "--network_module networks.lora ")),
    ("kohya", "sd35", ("sd3_train_network.py", "networks.lora_sd3", "--clip_l, --clip_g and --t5xxl")),
    ("kohya", "flux1", ("flux_train_network.py", "networks.lora_flux", "--clip_l, --t5xxl and --ae")),
    (
        "musubi",
        "qwen-image",
        (
            "qwen_image_cache_latents.py",
            "qwen_image_cache_text_encoder_outputs.py",
            "--network_module networks.lora_qwen_image",  # imported whatever it is
            "--sdpa",  # without a way of attention it stops
            "--dit MODEL.safetensors --vae VAE.safetensors --text_encoder",
        ),
    ),
    ("ai-toolkit", "flux1", ("python run.py",)),
    ("onetrainer", "sdxl", ("--preset-path", "training_presets/SDXL/#sdxl 1.0 LoRA.json", "--config-path")),
    ("simpletuner", "flux1", ("simpletuner train",)),
    ("diffusion-pipe", "flux1", ("deepspeed --num_gpus=1 train.py --deepspeed --config", "the line under [model]")),
    ("everydream2", "sd15", ("python train.py --config",)),
    ("diffusers", "sdxl", ("train_text_to_image_lora_sdxl.py", "--train_data_dir", "--caption_column text")),
    (
        "diffusers",
        "flux1",
        ("train_dreambooth_lora_flux.py", "--dataset_name", "--caption_column", "--instance_prompt"),
    ),
    ("diffsynth", "qwen-image", ("--dataset_metadata_path", "examples/qwen_image/model_training/lora/Qwen-Image.sh")),
    ("diffsynth", "flux1", ("--data_file_keys image", "examples/flux/model_training/lora/FLUX.1-dev.sh")),
]


@pytest.mark.parametrize(("name", "model", "needed"), NEEDED, ids=[f"{row[0]} {row[1]}" for row in NEEDED])
def test_start_names_what_the_trainer_does_not_start_without(
    tmp_path: Path, name: str, model: str, needed: tuple[str, ...]
) -> None:
    write_folder(name, items_in(tmp_path / "own", [("a", ".png", "", "a cat")]), tmp_path / "set", base_model=model)
    start = (tmp_path / "set" / START_NAME).read_text()
    assert [word for word in needed if word not in start] == []
