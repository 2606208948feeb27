"""EveryDream2trainer: a picture whose caption is empty is trained with its file name up to the first underscore, and
some file names beside pictures are settings, so pictures of these names get another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from captioner.formats.trainers.quoting import json_bytes, shell_word
from captioner.formats.trainers.target import MadeSet, Target

_SETTINGS = frozenset(
    ("multiply", "cond_dropout", "flip_p", "batch_id", "loss_scale", "shuffle_tags", "local", "global")
)


class EveryDream2(Target):
    name = "everydream2"
    title = "EveryDream2trainer"
    other_names: ClassVar[tuple[str, ...]] = ("everydream", "everydream2trainer")
    reads: ClassVar[frozenset[str]] = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".jfif"))
    forms: ClassVar[tuple[str, ...]] = ("everydream2-yaml", "json-list", "sidecars")
    base_models: ClassVar[tuple[str, ...]] = ("sd15", "other")

    def stem(self, stem: str) -> str:
        if stem.startswith("_"):  # it stops at a name that begins so and has no caption
            return f"picture{stem}"
        return f"{stem}_picture" if stem.lower() in _SETTINGS else stem

    def files(self, made: MadeSet) -> Mapping[str, bytes]:
        config = {
            "data_root": made.path(self.picture_folder),
            "resume_ckpt": "stable-diffusion-v1-5/stable-diffusion-v1-5"
            if made.settings.base_model == "sd15"
            else "MODEL",
            "project_name": made.name,
            "resolution": 512,
            "batch_size": 4,
            "max_epochs": 40,
        }
        files = {"train.json": json_bytes(config)}
        for folder in made.folders:
            if folder.repeats != 1:
                files[f"{folder.folder}/multiply.txt"] = str(folder.repeats).encode()
        return files

    def start(self, made: MadeSet) -> Sequence[str]:
        return [
            f"python train.py --config {shell_word(made.path('train.json'))}",
            "",
            "Choose epochs, batch size and the model (resume_ckpt) in train.json. A picture with an empty caption is",
            "trained with its file name: write one. Of equal tags in a caption only the first is kept.",
        ]
