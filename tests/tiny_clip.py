"""A tiny open_clip model with random weights in a folder, in the layout of the real ones."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file

CONFIG: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 4, "layers": 3},
    },
    "preprocess_cfg": {
        "mean": [0.48145466, 0.4578275, 0.40821073],
        "std": [0.26862954, 0.26130258, 0.27577711],
        "interpolation": "bicubic",
        "resize_mode": "squash",
    },
}


def tiny_clip(
    folder: Path, words: Mapping[str, Sequence[str]] | None = None, *, seed: int = 0, **model_config: Any
) -> Path:
    """A folder that loads as a CLIP model.

    Args: words: vocabulary kind -> labels, as the model's own; None leaves it to the public vocabularies.
        model_config: entries of `model_cfg` to change.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = {**CONFIG, "model_cfg": {**CONFIG["model_cfg"], **model_config}}
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    torch.manual_seed(seed)
    logging.disable(logging.WARNING)  # it warns that there are no weights; there will be
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    logging.disable(logging.NOTSET)
    with torch.no_grad():
        for name, value in model.named_parameters():
            # The library's own start values are so small that every text gets nearly the same features.
            if "positional" in name or "token_embedding" in name:
                value.normal_(0, 0.5)
            elif value.ndim > 1:
                value.mul_(2)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors")
    if words is not None:
        own = folder / "vocabularies"
        own.mkdir(exist_ok=True)
        for kind, labels in words.items():
            (own / f"{kind}.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")
    return folder
