"""diffusion-pipe: reads a whole caption file and leaves a picture without one out. It writes its cache into the folder
of the pictures, which must stay writable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from captioner.formats.trainers.quoting import json_bytes, lines_bytes, quoted, shell_word
from captioner.formats.trainers.target import MANY_FIELDS, MadeSet, Target

_MODELS = {
    "sdxl": ("sdxl", "checkpoint_path", "/path/to/sd_xl_base_1.0.safetensors"),
    "sd35": ("sd3", "diffusers_path", "/path/to/stable-diffusion-3.5-large"),
    "flux1": ("flux", "diffusers_path", "/path/to/FLUX.1-dev"),
    "qwen-image": ("qwen_image", "diffusers_path", "/path/to/Qwen-Image"),
    "other": ("MODEL", "diffusers_path", "/path/to/MODEL"),
}


class DiffusionPipe(Target):
    name = "diffusion-pipe"
    title = "diffusion-pipe"
    many = "list"
    heeds: ClassVar[tuple[str, ...]] = (*Target.heeds, *MANY_FIELDS)
    forms: ClassVar[tuple[str, ...]] = ("captions-json", "sidecars")
    turns = False
    reads_frames = False
    base_models: ClassVar[tuple[str, ...]] = ("sdxl", "sd35", "flux1", "qwen-image", "other")

    def files(self, made: MadeSet) -> Mapping[str, bytes]:
        dataset = [
            "resolutions = [1024]",
            "enable_ar_bucket = true",
            "min_ar = 0.5",
            "max_ar = 2.0",
            "num_ar_buckets = 7",
            "frame_buckets = [1]",
        ]
        for folder in made.folders:
            dataset += [
                "",
                "[[directory]]",
                f"path = {quoted(made.path(folder.folder))}",
                f"num_repeats = {folder.repeats}",
            ]
        kind, key, weights = _MODELS[made.settings.base_model]
        train = [
            f"output_dir = {quoted(made.path('output'))}",
            f"dataset = {quoted(made.path('dataset.toml'))}",
            "epochs = 100",
            "micro_batch_size_per_gpu = 1",
            "pipeline_stages = 1",
            "gradient_accumulation_steps = 1",
            "gradient_clipping = 1.0",
            "warmup_steps = 100",
            "save_every_n_epochs = 10",
            "activation_checkpointing = true",
            "partition_method = 'parameters'",
            "save_dtype = 'bfloat16'",
            "caching_batch_size = 1",
            "steps_per_print = 1",
            "",
            "[model]",
            f"type = {quoted(kind)}",
            "# Change this: where the model's weights lie on your machine.",
            f"{key} = {quoted(weights)}",
            "dtype = 'bfloat16'",
            "",
            "[adapter]",
            "type = 'lora'",
            "rank = 32",
            "dtype = 'bfloat16'",
            "",
            "[optimizer]",
            "type = 'adamw_optimi'",
            "lr = 2e-5",
            "betas = [0.9, 0.99]",
            "weight_decay = 0.01",
            "eps = 1e-8",
        ]
        return {"dataset.toml": lines_bytes(dataset), "train.toml": lines_bytes(train), **_lists(made)}

    def start(self, made: MadeSet) -> Sequence[str]:
        lines = [
            f"deepspeed --num_gpus=1 train.py --deepspeed --config {shell_word(made.path('train.toml'))}",
            "",
            "First write into train.toml where the model's weights lie, in the line under [model] that is marked.",
        ]
        if made.settings.base_model == "other":
            lines.append("Its documents (docs/supported_models.md) name the type and the paths of each model.")
        return lines


def _lists(made: MadeSet) -> dict[str, bytes]:
    """A captions.json in each folder of a set whose pictures may have several captions; beside it no .txt is read."""
    if not made.settings.has_many:
        return {}
    found: dict[str, dict[str, list[str]]] = {}
    for row in made.rows:
        folder, _, name = row.picture.rpartition("/")
        found.setdefault(folder, {})[name] = row.texts
    return {f"{folder}/captions.json": json_bytes(captions) for folder, captions in found.items()}
