"""Tiny models with random weights, saved in the format of the real ones, so that tests run the real loaders.

Made for speed, not sense: a caption is a row of words that the weights happen to like. What they do have is variety:
sentences of various lengths that depend on the picture and on every setting.
"""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipForImageTextRetrieval,
    BlipImageProcessor,
)
from transformers.utils import logging

_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]"]
_WORDS = """
a picture of the dog cat house tree star circle car heart red blue green black white big small two three
on in next to above below left right with and is ' s , . - field street wall night day old new one man woman
sits runs stands ##s ##ing
"""
VOCABULARY = {word: number for number, word in enumerate(dict.fromkeys(_SPECIAL + _WORDS.split()))}


def tiny_tokenizer() -> BertTokenizer:
    """A WordPiece tokenizer with BLIP's special tokens and some fifty words."""
    return BertTokenizer(vocab=VOCABULARY, bos_token="[DEC]", additional_special_tokens=["[ENC]"])


def tiny_blip_model(*, seed: int = 0, layers: int = 2, width: int = 32, image_edge_px: int = 32) -> torch.nn.Module:
    """A BLIP with random weights, scaled so that its sentences end at various lengths and beams disagree."""
    torch.manual_seed(seed)
    model = BlipForConditionalGeneration(_tiny_config(layers, width, image_edge_px)).eval()
    with torch.no_grad():
        predictions = model.text_decoder.cls.predictions
        predictions.bias[[VOCABULARY[name] for name in _SPECIAL]] = -1e4  # a trained model never says them...
        predictions.bias[VOCABULARY["[SEP]"]] = 2.0  # ...but this one, which ends a sentence
    return model


def _tiny_config(layers: int, width: int, image_edge_px: int) -> BlipConfig:
    return BlipConfig(
        text_config={
            "vocab_size": len(VOCABULARY),
            "hidden_size": width,
            "encoder_hidden_size": width,
            "intermediate_size": 2 * width,
            "num_hidden_layers": layers,
            "num_attention_heads": 4,
            "max_position_embeddings": 80,
            "initializer_range": 0.3,
            "bos_token_id": VOCABULARY["[DEC]"],
            "sep_token_id": VOCABULARY["[SEP]"],
            "eos_token_id": VOCABULARY["[CLS]"],
            "pad_token_id": VOCABULARY["[PAD]"],
        },
        vision_config={
            "hidden_size": width,
            "intermediate_size": 2 * width,
            "num_hidden_layers": layers,
            "num_attention_heads": 4,
            "image_size": image_edge_px,
            "patch_size": 8,
            "initializer_range": 0.3,
        },
        image_text_hidden_size=width,
    )


def save_tiny_blip(folder: Path, *, seed: int = 0, layers: int = 2) -> Path:
    """A tiny BLIP as a model folder: config, safetensors, tokenizer, preprocessor. Returns the folder."""
    return _saved(tiny_blip_model(seed=seed, layers=layers), folder)


def save_tiny_matching(folder: Path, *, seed: int = 0) -> Path:
    """A tiny BLIP with a matching head and random weights as a model folder. Returns the folder."""
    torch.manual_seed(seed)
    return _saved(BlipForImageTextRetrieval(_tiny_config(2, 32, 32)).eval(), folder)


def _saved(model: torch.nn.Module, folder: Path) -> Path:
    edge_px = model.config.vision_config.image_size
    logging.disable_progress_bar()
    try:
        model.save_pretrained(folder)
        # One by one, as the hub's folders are laid out; BlipProcessor would write one processor_config.json.
        BlipImageProcessor(size={"height": edge_px, "width": edge_px}).save_pretrained(folder)
        tiny_tokenizer().save_pretrained(folder)
    finally:
        logging.enable_progress_bar()
    return folder


def random_picture(seed: int, width: int = 64, height: int = 48) -> Image.Image:
    """Coloured blotches, RGB."""
    generator = torch.Generator().manual_seed(seed)
    blotches = torch.randint(0, 256, (6, 8, 3), generator=generator, dtype=torch.uint8)
    return Image.fromarray(blotches.numpy()).resize((width, height), Image.Resampling.BICUBIC)
