"""DiffSynth-Studio: one metadata.jsonl with the keys image and prompt; its csv turns an empty caption into no text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from captioner.formats.trainers.quoting import jsonl_bytes, shell_word
from captioner.formats.trainers.target import MadeSet, Target

_MODELS = {
    "qwen-image": ("qwen_image", "Qwen-Image.sh"),
    "flux1": ("flux", "FLUX.1-dev.sh"),
    "other": ("MODEL", "MODEL.sh"),
}


class DiffSynth(Target):
    name = "diffsynth"
    title = "DiffSynth-Studio"
    other_names: ClassVar[tuple[str, ...]] = ("diffsynth-studio",)
    suffix = ""
    forms: ClassVar[tuple[str, ...]] = ("jsonl", "csv", "json-list", "sidecars")
    turns = False
    keeps_lines = True
    base_models: ClassVar[tuple[str, ...]] = ("qwen-image", "flux1", "other")

    def files(self, made: MadeSet) -> Mapping[str, bytes]:
        return {
            "metadata.jsonl": jsonl_bytes([{"image": row.picture, "prompt": row.text} for row in made.rows]),
        }

    def start(self, made: MadeSet) -> Sequence[str]:
        model, example = _MODELS[made.settings.base_model]
        repeats = max((folder.repeats for folder in made.folders), default=1)
        lines = [
            f"accelerate launch examples/{model}/model_training/train.py \\",
            f"  --dataset_base_path {shell_word(made.folder)} \\",
            f"  --dataset_metadata_path {shell_word(made.path('metadata.jsonl'))} \\",
            f"  --dataset_repeat {repeats} --data_file_keys image",
            "",
            f"Weights, rank and further options are added to it as in examples/{model}/model_training/lora/{example}.",
        ]
        if len({folder.repeats for folder in made.folders}) > 1:
            lines.append("DiffSynth-Studio repeats all pictures alike; the folders' own numbers are not heeded.")
        return lines
