"""OneTrainer: each line of a caption file is an alternative of which one is trained, so lines become one. Names that
end in -masklabel or -condlabel are no pictures to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from captioner.formats.trainers.quoting import json_bytes, shell_word
from captioner.formats.trainers.target import MANY_FIELDS, MadeSet, Target

_PRESETS = {
    "sdxl": "training_presets/SDXL/#sdxl 1.0 LoRA.json",
    "sd15": "training_presets/SD1.5/#sd 1.5 LoRA.json",
    "sd35": "training_presets/SD3/#sd 3 LoRA.json",
    "flux1": "training_presets/Flux Dev.1/#flux LoRA.json",
    "qwen-image": "training_presets/QwenImage/#qwen LoRA 16GB.json",
    "other": "training_presets/PRESET.json",
}
_LABELS = ("-masklabel", "-condlabel")


class OneTrainer(Target):
    name = "onetrainer"
    title = "OneTrainer"
    many = "lines"
    heeds: ClassVar[tuple[str, ...]] = (*Target.heeds, *MANY_FIELDS)
    reads: ClassVar[frozenset[str]] = frozenset((".bmp", ".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".avif"))

    def stem(self, stem: str) -> str:
        return f"{stem}_" if stem.endswith(_LABELS) else stem

    def files(self, made: MadeSet) -> Mapping[str, bytes]:
        concepts = [
            {
                "__version": 2,
                "name": folder.folder.rpartition("/")[2] if len(made.folders) > 1 else made.name,
                "path": made.path(folder.folder),
                "enabled": True,
                "type": "STANDARD",
                "balancing": float(folder.repeats),
                "balancing_strategy": "REPEATS",
                "text_variations": made.most_captions,
                "text": {"prompt_source": "sample"},
            }
            for folder in made.folders
        ]
        config: dict[str, Any] = {"concept_file_name": made.path("concepts.json")}
        if made.settings.base_model == "flux1":
            config["text_encoder_2_sequence_length"] = 512  # its default cuts a caption at 77
        return {"concepts.json": json_bytes(concepts), "onetrainer.json": json_bytes(config)}

    def start(self, made: MadeSet) -> Sequence[str]:
        preset = shell_word(_PRESETS[made.settings.base_model])
        return [
            f"python scripts/train.py --preset-path {preset} \\",
            f"  --config-path {shell_word(made.path('onetrainer.json'))}",
            "",
            "In the window: load that preset, then load concepts.json in the tab Concepts. Presets are called a little",
            "differently from version to version; take the one of your model.",
        ]
