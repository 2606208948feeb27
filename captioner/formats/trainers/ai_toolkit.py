"""ai-toolkit (ostris): trains a caption file as it is, a line break at its end too, so an empty caption is an empty
file. In its config `${...}` is an environment variable and `[name]` the job's name, in paths too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from captioner.formats.trainers.quoting import lines_bytes, quoted, shell_word
from captioner.formats.trainers.target import MadeSet, Target

_MODELS = {
    "sdxl": ("stabilityai/stable-diffusion-xl-base-1.0", "sdxl"),
    "sd15": ("stable-diffusion-v1-5/stable-diffusion-v1-5", "sd1"),
    "sd35": ("stabilityai/stable-diffusion-3.5-large", "sd3"),
    "flux1": ("black-forest-labs/FLUX.1-dev", "flux"),
    "qwen-image": ("Qwen/Qwen-Image", "qwen_image"),
    "other": ("MODEL", "ARCH"),
}
_NAME = "ai-toolkit puts the job's name there"
_TRIGGER = "ai-toolkit puts the trigger word there"


class AiToolkit(Target):
    name = "ai-toolkit"
    title = "ai-toolkit"
    other_names: ClassVar[tuple[str, ...]] = ("ostris",)
    reads: ClassVar[frozenset[str]] = frozenset((".jpg", ".jpeg", ".png", ".webp"))
    heeds: ClassVar[tuple[str, ...]] = (*Target.heeds, "trigger_word")
    forbidden: ClassVar[Mapping[str, str]] = {
        "${": "ai-toolkit takes it for an environment variable",
        "[name]": _NAME,
        "[trigger]": _TRIGGER,
    }

    def folder_name(self, folder: str, repeats: int, *, set_name: str) -> str:
        name = super().folder_name(folder, repeats, set_name=set_name)
        return f"{name}_" if name.endswith("_controls") else name  # such a folder is left out

    def files(self, made: MadeSet) -> Mapping[str, bytes]:
        model, arch = _MODELS[made.settings.base_model]
        is_old = arch in ("sd1", "sdxl")
        trigger = made.settings.trigger_word.strip()
        lines = [
            "job: extension",
            "config:",
            f"  name: {quoted(made.name)}",
            "  process:",
            "    - type: sd_trainer",
            "      training_folder: output",
            "      device: cuda:0",
            *([f"      trigger_word: {quoted(trigger)}"] if trigger else []),
            "      network: {type: lora, linear: 16, linear_alpha: 16}",
            "      save: {dtype: float16, save_every: 250, max_step_saves_to_keep: 4}",
            "      datasets:",
        ]
        for folder in made.folders:
            lines += [
                f"        - folder_path: {quoted(made.path(folder.folder))}",
                "          caption_ext: txt",
                f"          num_repeats: {folder.repeats}",
                f"          resolution: {'[512]' if arch == 'sd1' else '[512, 768, 1024]'}",
            ]
        lines += [
            "      train:",
            "        batch_size: 1",
            "        steps: 2000",
            "        lr: 0.0001",
            "        gradient_checkpointing: true",
            f"        noise_scheduler: {'ddpm' if is_old else 'flowmatch'}",
            "        optimizer: adamw8bit",
            "        dtype: bf16",
            "        disable_sampling: true",
            "      model:",
            f"        name_or_path: {quoted(model)}",
            f"        arch: {arch}",
            f"        quantize: {'false' if is_old else 'true'}",
        ]
        return {"ai-toolkit.yaml": lines_bytes(lines)}

    def start(self, made: MadeSet) -> Sequence[str]:
        lines = [
            f"python run.py {shell_word(made.path('ai-toolkit.yaml'))}",
            "",
            "Choose steps and learning rate in ai-toolkit.yaml. [trigger] in a caption becomes the trigger word.",
        ]
        if made.settings.base_model == "other":
            lines.append("Write your model's name_or_path and arch there too.")
        return lines
