"""SimpleTuner: takes one line of a caption file, and cannot train one that holds a line break only. `repeats` counts
what comes beside the first time. It needs a second dataset for its text embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from captioner.formats.trainers.quoting import json_bytes, shell_word
from captioner.formats.trainers.target import MANY_FIELDS, MadeSet, Target

_FAMILIES = {
    "sdxl": ("sdxl", "stabilityai/stable-diffusion-xl-base-1.0"),
    "sd15": ("sd1x", "stable-diffusion-v1-5/stable-diffusion-v1-5"),
    "sd35": ("sd3", "stabilityai/stable-diffusion-3.5-large"),
    "flux1": ("flux", "black-forest-labs/FLUX.1-dev"),
    "qwen-image": ("qwen_image", "Qwen/Qwen-Image"),
    "other": ("FAMILY", "MODEL"),
}


class SimpleTuner(Target):
    name = "simpletuner"
    title = "SimpleTuner"
    many = "lines"
    heeds: ClassVar[tuple[str, ...]] = (*Target.heeds, *MANY_FIELDS)
    forms: ClassVar[tuple[str, ...]] = ("sidecars", "jsonl", "parquet")
    turns = None

    def files(self, made: MadeSet) -> Mapping[str, bytes]:
        resolution = 512 if made.settings.base_model == "sd15" else 1024
        backends: list[dict[str, Any]] = []
        for number, folder in enumerate(made.folders, 1):
            own = f"{made.name}-{number}" if len(made.folders) > 1 else made.name
            backends.append(
                {
                    "id": own,
                    "type": "local",
                    "dataset_type": "image",
                    "instance_data_dir": made.path(folder.folder),
                    "caption_strategy": "textfile",
                    "metadata_backend": "discovery",
                    "crop": False,
                    "resolution": resolution,
                    "resolution_type": "pixel_area",
                    "minimum_image_size": 0,
                    "cache_dir_vae": made.path(f"cache/vae/{number}"),
                    "repeats": folder.repeats - 1,
                }
            )
        backends.append(
            {
                "id": "text-embeds",
                "type": "local",
                "dataset_type": "text_embeds",
                "default": True,
                "cache_dir": made.path("cache/text"),
            }
        )
        family, model = _FAMILIES[made.settings.base_model]
        config = {
            "model_family": family,
            "model_type": "lora",
            "pretrained_model_name_or_path": model,
            "data_backend_config": made.path("config/multidatabackend.json"),
            "output_dir": made.path("output"),
            "max_train_steps": 2000,
            "num_train_epochs": 0,
            "train_batch_size": 1,
            "optimizer": "adamw_bf16",
            "learning_rate": 1e-4,
            "lr_scheduler": "constant",
            "mixed_precision": "bf16",
            "gradient_checkpointing": True,
            "report_to": "none",
            "seed": 42,
        }
        return {"config/multidatabackend.json": json_bytes(backends), "config/config.json": json_bytes(config)}

    def start(self, made: MadeSet) -> Sequence[str]:
        lines = [
            f"cd {shell_word(made.folder)}",
            "simpletuner train",
            "",
            "Choose steps and learning rate in config/config.json. If it finds no images, the set is small: raise",
            "repeats in config/multidatabackend.json. A picture with an empty caption cannot be trained: write one.",
        ]
        if made.settings.base_model == "other":
            lines.append("Write your model's family and name into config/config.json.")
        return lines
