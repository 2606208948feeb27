"""The example scripts of diffusers, which read a folder through Hugging Face's `datasets`: pictures in train/, captions
in train/metadata.jsonl and in no file beside a picture, else the set is taken for one of texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from captioner.formats.trainers.quoting import jsonl_bytes, shell_word
from captioner.formats.trainers.target import CONVERSION_FIELDS, MANY_FIELDS, MadeSet, Target

_MODELS = {
    "sdxl": ("text_to_image/train_text_to_image_lora_sdxl.py", "stabilityai/stable-diffusion-xl-base-1.0"),
    "sd15": ("text_to_image/train_text_to_image_lora.py", "stable-diffusion-v1-5/stable-diffusion-v1-5"),
    "sd35": ("dreambooth/train_dreambooth_lora_sd3.py", "stabilityai/stable-diffusion-3.5-large"),
    "flux1": ("dreambooth/train_dreambooth_lora_flux.py", "black-forest-labs/FLUX.1-dev"),
    "qwen-image": ("dreambooth/train_dreambooth_lora_qwen_image.py", "Qwen/Qwen-Image"),
    "other": ("text_to_image/train_text_to_image_lora.py", "MODEL"),
}
_PATTERN = "Hugging Face's datasets takes it for a pattern and finds nothing"


class Diffusers(Target):
    name = "diffusers"
    title = "diffusers"
    other_names: ClassVar[tuple[str, ...]] = ("hf", "huggingface", "imagefolder")
    suffix = ""
    keeps_lines = True
    many = "list"
    heeds: ClassVar[tuple[str, ...]] = (
        "base_model",
        "set_folder",
        "with_pictures",
        "trigger_word",
        *CONVERSION_FIELDS,
        *MANY_FIELDS,
    )
    forms: ClassVar[tuple[str, ...]] = ("jsonl", "csv", "parquet", "sidecars")
    forbidden: ClassVar[Mapping[str, str]] = {"[": _PATTERN, "]": _PATTERN}
    picture_folder = "train"

    def stem(self, stem: str) -> str:
        return "metadata_" if stem.lower() == "metadata" else stem

    def takes_kind(self, kind: str) -> bool:
        return True

    def files(self, made: MadeSet) -> Mapping[str, bytes]:
        # One column holds texts or lists, never both.
        is_list = made.most_captions > 1
        rows = [
            {
                "file_name": row.picture.removeprefix("train/"),
                "text": row.texts if is_list else row.text,
                **{f"text_{kind}": row.kinds.get(kind, "") for kind in made.kinds},
            }
            for row in made.rows
        ]
        return {"train/metadata.jsonl": jsonl_bytes(rows)}

    def start(self, made: MadeSet) -> Sequence[str]:
        script, model = _MODELS[made.settings.base_model]
        lines = [
            f"accelerate launch examples/{script} \\",
            f"  --pretrained_model_name_or_path {shell_word(model)} --output_dir output \\",
        ]
        if script.startswith("text_to_image"):
            return [*lines, f"  --train_data_dir {shell_word(made.folder)} --caption_column text"]
        prompt = made.settings.trigger_word.strip() or "PROMPT"
        return [
            *lines,
            f"  --dataset_name {shell_word(made.folder)} --caption_column text --instance_prompt {shell_word(prompt)}",
            "",
            "The instance prompt stands in for empty captions. Without --caption_column the captions are not read.",
            "For long captions add --max_sequence_length 512 where the script has it.",
        ]
