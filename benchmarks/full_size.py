"""A full-size BLIP with random weights as a model folder: what a speed is measured on where no real weights are.

Random weights would say one word for ever; these are scaled so that captions vary with picture and settings and end at
various lengths, as a trained model's do. Knows no benchmark.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration, BlipImageProcessor
from transformers.utils import logging

# Ids as in BERT's vocabulary, which BLIP's extends by the last two.
_IDS = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, "a": 1037, "of": 1997, "picture": 3861}
_VOCABULARY_SIZE = 30524


def save_full_size_blip(
    folder: Path, size: Literal["base", "large"] = "base", *, seed: int = 0, layers: int | None = None
) -> Path:
    """Write the folder (0.9 GB base, 1.7 GB large) unless it is there; returns it.

    Args: layers: of both towers, fewer than the real one's for tests that need the widths and not the depth.
    """
    if (folder / "model.safetensors").is_file():
        return folder
    torch.manual_seed(seed)
    vision = {"image_size": 384, "patch_size": 16, "initializer_range": 0.02}
    if size == "large":
        vision |= {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
    text = {
        "num_attention_heads": 12,  # as on the hub; the class's default is 8
        "encoder_hidden_size": 1024 if size == "large" else 768,
        "vocab_size": _VOCABULARY_SIZE,
        "bos_token_id": _VOCABULARY_SIZE - 2,
        "sep_token_id": _IDS["[SEP]"],
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
    if layers is not None:
        vision["num_hidden_layers"] = text["num_hidden_layers"] = layers
    model = BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision)).eval()
    _make_talkative(model)
    had_bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    if had_bars:
        logging.enable_progress_bar()
    BlipImageProcessor().save_pretrained(folder)
    names = {number: name for name, number in _IDS.items()}
    words = {names.get(number, _word(number)): number for number in range(_VOCABULARY_SIZE - 2)}
    words |= {"[DEC]": _VOCABULARY_SIZE - 2, "[ENC]": _VOCABULARY_SIZE - 1}
    tokenizer = BertTokenizer(vocab=words, bos_token="[DEC]", additional_special_tokens=["[ENC]"])
    tokenizer.save_pretrained(folder)
    return folder


def save_full_size_clip(folder: Path, architecture: str = "ViT-L-14-quickgelu") -> Path:
    """Write the folder of an open_clip model (1.7 GB for ViT-L) unless it is there; returns it."""
    from benchmarks.clip import lively_model

    if not (folder / "open_clip_model.safetensors").is_file():
        import open_clip

        folder.mkdir(parents=True, exist_ok=True)
        model, _, _ = lively_model(architecture)
        save_file(model.state_dict(), folder / "open_clip_model.safetensors")
        config = {"model_cfg": open_clip.get_model_config(architecture), "preprocess_cfg": {}}
        (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def _word(number: int) -> str:
    """A word of letters alone, so that it can be a rival of another one: 0 -> "waaaa", 27 -> "waabb"."""
    letters = "".join(chr(ord("a") + number // 26**place % 26) for place in reversed(range(4)))
    return f"w{letters}"


@torch.no_grad()
def _make_talkative(model: BlipForConditionalGeneration) -> None:
    """Sharper attention and larger steps, so that pictures and prefixes matter; likelier ends, so that captions end."""
    for layer in model.text_decoder.bert.encoder.layer:
        for attention in (layer.attention, layer.crossattention):
            attention.self.query.weight.mul_(4)
            attention.self.key.weight.mul_(4)
            attention.self.value.weight.mul_(1.3)
            attention.output.dense.weight.mul_(1.3)
        layer.intermediate.dense.weight.mul_(2)
        layer.output.dense.weight.mul_(2)
    for layer in model.vision_model.encoder.layers:
        for parameter in layer.parameters():
            if parameter.ndim == 2:
                parameter.mul_(2)
    embeddings = model.text_decoder.bert.embeddings  # its words are the head's weights too
    embeddings.word_embeddings.weight.normal_(std=0.1)
    embeddings.position_embeddings.weight.normal_(std=0.15)
    model.text_decoder.cls.predictions.bias[_IDS["[SEP]"]] = 5.5


def picture(seed: int, width: int = 640, height: int = 480) -> Image.Image:
    """Coloured blotches with noise, RGB."""
    generator = np.random.default_rng(seed)
    blotches = Image.fromarray(generator.integers(0, 256, (12, 12, 3), dtype=np.uint8))
    smooth = np.asarray(blotches.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)
    return Image.fromarray((smooth + generator.normal(0, 20, smooth.shape)).clip(0, 255).astype(np.uint8))
