"""musubi-tuner: reads a whole caption file, leaves a picture without one out of the set in silence, and refuses keys
that it does not know. It looks for its cache by a pattern, so a path with a square bracket finds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from captioner.formats.trainers.quoting import lines_bytes, quoted, shell_word
from captioner.formats.trainers.target import MadeSet, Target

_SCRIPTS = {"qwen-image": "qwen_image", "other": "MODEL"}
_PATTERN = "musubi-tuner looks for its cache by a pattern, in which it means something else"


class Musubi(Target):
    name = "musubi"
    title = "musubi-tuner"
    other_names: ClassVar[tuple[str, ...]] = ("musubi-tuner",)
    reads: ClassVar[frozenset[str]] = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".avif"))
    forms: ClassVar[tuple[str, ...]] = ("sidecars", "jsonl")
    turns = False
    base_models: ClassVar[tuple[str, ...]] = ("qwen-image", "other")
    forbidden: ClassVar[Mapping[str, str]] = {"[": _PATTERN, "]": _PATTERN}

    def files(self, made: MadeSet) -> Mapping[str, bytes]:
        lines = [
            "[general]",
            "resolution = [1024, 1024]",
            f"caption_extension = {quoted(self.suffix)}",
            "batch_size = 1",
            "enable_bucket = true",
        ]
        for folder in made.folders:
            lines += [
                "",
                "[[datasets]]",
                f"image_directory = {quoted(made.path(folder.folder))}",
                f"cache_directory = {quoted(made.path('cache' + folder.folder.removeprefix(self.picture_folder)))}",
                f"num_repeats = {folder.repeats}",
            ]
        return {"dataset.toml": lines_bytes(lines)}

    def start(self, made: MadeSet) -> Sequence[str]:
        script = _SCRIPTS[made.settings.base_model]
        config = shell_word(made.path("dataset.toml"))
        return [
            f"python src/musubi_tuner/{script}_cache_latents.py --dataset_config {config} --vae VAE.safetensors",
            f"python src/musubi_tuner/{script}_cache_text_encoder_outputs.py --dataset_config {config} "
            "--text_encoder TEXT_ENCODER.safetensors",
            f"accelerate launch src/musubi_tuner/{script}_train_network.py --dataset_config {config} \\",
            "  --dit MODEL.safetensors --vae VAE.safetensors --text_encoder TEXT_ENCODER.safetensors \\",
            f"  --network_module networks.lora_{script} --sdpa --mixed_precision bf16 \\",
            f"  --output_dir output --output_name {shell_word(made.name)}",
            "",
            "musubi-tuner's documents name the further options of each model. When captions change, run the second",
            "command again: texts are cached.",
        ]
