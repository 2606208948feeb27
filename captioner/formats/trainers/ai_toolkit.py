"""ai-toolkit (ostris): trains a caption file as it is, a line break at its end too, so an empty caption is an empty
file. In its config `${...}` is an environment variable and `[name]` the job's name, in paths too. A caption and a short
one, which it then trains side by side (`short_and_long_captions`), it reads from a JSON list in a folder's place; where
it caches text embeddings it reads the caption files all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from captioner.formats.trainers.quoting import json_bytes, lines_bytes, quoted, shell_word
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


_SHORT = "short"


def _lists(made: MadeSet) -> dict[str, bytes]:
    """A list for each folder, by its name from the set's top: pictures' paths, each with caption and caption_short."""
    found: dict[str, bytes] = {}
    for number, folder in enumerate(made.folders, 1):
        rows = {
            made.path(row.picture): {"caption": row.text, "caption_short": row.kinds.get(_SHORT) or row.text}
            for row in made.rows
            if row.picture.rpartition("/")[0] == folder.folder
        }
        found[f"captions-{number}.json" if len(made.folders) > 1 else "captions.json"] = json_bytes(rows)
    return found


class AiToolkit(Target):
    name = "ai-toolkit"
    title = "ai-toolkit"
    other_names: ClassVar[tuple[str, ...]] = ("ostris",)
    reads: ClassVar[frozenset[str]] = frozenset((".jpg", ".jpeg", ".png", ".webp"))
    forms: ClassVar[tuple[str, ...]] = ("sidecars", "metadata-json")
    heeds: ClassVar[tuple[str, ...]] = (*Target.heeds, "trigger_word")
    forbidden: ClassVar[Mapping[str, str]] = {
        "${": "ai-toolkit takes it for an environment variable",
        "[name]": _NAME,
        "[trigger]": _TRIGGER,
    }

    def folder_name(self, folder: str, repeats: int, *, set_name: str) -> str:
        name = super().folder_name(folder, repeats, set_name=set_name)
        return f"{name}_" if name.endswith("_controls") else name  # such a folder is left out

    def takes_kind(self, kind: str) -> bool:
        return kind == _SHORT

    def files(self, made: MadeSet) -> Mapping[str, bytes]:
        lists = _lists(made) if _SHORT in made.kinds else {}
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
        for place, folder in enumerate(made.folders):
            listed = list(lists)[place] if lists else ""
            where = f"dataset_path: {quoted(made.path(listed))}" if lists else ""
            lines += [
                f"        - {where or f'folder_path: {quoted(made.path(folder.folder))}'}",
                "          caption_ext: txt",
                f"          num_repeats: {folder.repeats}",
                f"          resolution: {'[512]' if arch == 'sd1' else '[512, 768, 1024]'}",
            ]
        lines += [
            "      train:",
            "        batch_size: 1",
            *(["        short_and_long_captions: true"] if lists else []),
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
        return {"ai-toolkit.yaml": lines_bytes(lines), **lists}

    def start(self, made: MadeSet) -> Sequence[str]:
        lines = [
            f"python run.py {shell_word(made.path('ai-toolkit.yaml'))}",
            "",
            "Choose steps and learning rate in ai-toolkit.yaml. [trigger] in a caption becomes the trigger word.",
        ]
        if _SHORT in made.kinds:
            lines.append(
                "Captions and short ones are trained side by side, as the JSON lists have them; with cached text "
                "embeddings it reads the caption files, and the short ones are not trained."
            )
        if made.settings.base_model == "other":
            lines.append("Write your model's name_or_path and arch there too.")
        return lines
