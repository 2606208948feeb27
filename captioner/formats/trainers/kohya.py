"""kohya's sd-scripts, which kohya_ss, fluxgym and ComfyUI's FluxTrainer start too.

Reads the first line of a caption file and stops at an empty one, so an empty caption is a line break. Folders are
called REPEATS_NAME, so that the set works by --dataset_config and by --train_data_dir. The TOML's keys are checked
strictly: no other key may stand in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from captioner.formats.trainers.quoting import lines_bytes, quoted, shell_word
from captioner.formats.trainers.target import MANY_FIELDS, MadeSet, Target

_SCRIPTS = {
    "sd15": ("train_network.py", "networks.lora", "v1-5-pruned-emaonly.safetensors"),
    "sdxl": ("sdxl_train_network.py", "networks.lora", "sd_xl_base_1.0.safetensors"),
    "sd35": ("sd3_train_network.py", "networks.lora_sd3", "sd3.5_large.safetensors"),
    "flux1": ("flux_train_network.py", "networks.lora_flux", "flux1-dev.safetensors"),
    "other": ("train_network.py", "networks.lora", "MODEL.safetensors"),
}
_MORE = {
    "sd35": "The text encoders are further files: --clip_l, --clip_g and --t5xxl.",
    "flux1": "The text encoders and the VAE are further files: --clip_l, --t5xxl and --ae.",
    "other": "Take the script and the network module of your model.",
}
_NUMBER = re.compile(r"[1-9][0-9]{0,3}(_|\Z)")


class Kohya(Target):
    name = "kohya"
    title = "kohya's sd-scripts"
    other_names: ClassVar[tuple[str, ...]] = ("sd-scripts", "kohya_ss", "fluxgym")
    empty = b"\n"
    many = "lines"
    heeds: ClassVar[tuple[str, ...]] = (*Target.heeds, *MANY_FIELDS)
    reads: ClassVar[frozenset[str]] = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp"))
    forms: ClassVar[tuple[str, ...]] = ("sidecars", "metadata-json", "jsonl")
    turns = False
    base_models: ClassVar[tuple[str, ...]] = ("sdxl", "sd15", "sd35", "flux1", "other")

    def folder_name(self, folder: str, repeats: int, *, set_name: str) -> str:
        above, _, own = folder.rpartition("/")
        parts = [*above.split("/"), _NUMBER.sub("", own, count=1)]
        return f"{repeats}_{'_'.join(part for part in parts if part) or set_name}"

    def files(self, made: MadeSet) -> Mapping[str, bytes]:
        lines = [
            "[general]",
            f"caption_extension = {quoted(self.suffix)}",
            "",
            "[[datasets]]",
            f"resolution = {512 if made.settings.base_model == 'sd15' else 1024}",
            "batch_size = 1",
            "enable_bucket = true",
        ]
        for folder in made.folders:
            lines += [
                "",
                "[[datasets.subsets]]",
                f"image_dir = {quoted(made.path(folder.folder))}",
                f"num_repeats = {folder.repeats}",
                *(["enable_wildcard = true"] if made.most_captions > 1 else []),  # else the first line alone is read
            ]
        return {"dataset.toml": lines_bytes(lines)}

    def start(self, made: MadeSet) -> Sequence[str]:
        model = made.settings.base_model
        script, module, weights = _SCRIPTS[model]
        lines = [
            f"accelerate launch {script} \\",
            f"  --dataset_config {shell_word(made.path('dataset.toml'))} \\",
            f"  --pretrained_model_name_or_path {weights} --network_module {module} \\",
            f"  --output_dir output --output_name {shell_word(made.name)}",
            "",
            f"In the kohya_ss page, the image folder is {made.path('img')}, the one that holds the numbered folders,",
            "and the caption extension is .txt.",
        ]
        return [*lines, *([_MORE[model]] if model in _MORE else [])]
