"""Tiny, randomly initialised models of the older families, as folders: those that continue a text, or take none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tokenizers import processors

from tests.tiny_vlm import _SQUARE, _TOWER, _spiced, save_made, tokenizer


def _ends(words: Any) -> dict[str, int]:
    return {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}


def git() -> tuple[Any, Any]:
    """Looks at the picture and writes. As Bert's, its tokenizer ends every text, with what ends an answer."""
    words = tokenizer()
    words.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", words.bos_token_id), ("</s>", words.eos_token_id)]
    )
    config = hf.GitConfig(
        vision_config={"image_size": 32, "patch_size": 8, **_TOWER},
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=128,
        **_ends(words),
    )
    pictures = hf.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=_SQUARE)
    return _spiced(hf.GitForCausalLM(config)), hf.GitProcessor(pictures, words)


def _opt(words: Any) -> Any:
    return hf.OPTConfig(
        vocab_size=len(words),
        hidden_size=32,
        ffn_dim=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        word_embed_proj_dim=32,
        max_position_embeddings=512,
        **_ends(words),
    )


def _t5(words: Any) -> Any:
    return hf.T5Config(
        vocab_size=len(words),
        d_model=32,
        d_ff=64,
        d_kv=8,
        num_layers=2,
        num_decoder_layers=2,
        num_heads=4,
        decoder_start_token_id=words.pad_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )


def blip2_t5() -> tuple[Any, Any]:
    """BLIP-2 on an encoder-decoder (flan-t5)."""
    words = tokenizer(["<image>"])
    config = hf.Blip2Config(
        vision_config={"image_size": 32, "patch_size": 8, **_TOWER},
        qformer_config={"encoder_hidden_size": 32, "vocab_size": len(words), **_TOWER},
        text_config=_t5(words),
        num_query_tokens=4,
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    pictures = hf.BlipImageProcessor(size=_SQUARE)
    return _spiced(hf.Blip2ForConditionalGeneration(config)), hf.Blip2Processor(pictures, words, num_query_tokens=4)


def _instructblip(text: Callable[[Any], Any]) -> tuple[Any, Any]:
    words = tokenizer(["<image>"])
    config = hf.InstructBlipConfig(
        vision_config={"image_size": 32, "patch_size": 8, **_TOWER},
        qformer_config={"encoder_hidden_size": 32, "vocab_size": len(words), **_TOWER},
        text_config=text(words),
        num_query_tokens=4,
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    processor = hf.InstructBlipProcessor(hf.BlipImageProcessor(size=_SQUARE), words, tokenizer(), num_query_tokens=4)
    return _spiced(hf.InstructBlipForConditionalGeneration(config)), processor


def instructblip() -> tuple[Any, Any]:
    """Its picture tower reads the question too."""
    return _instructblip(_opt)


def instructblip_t5() -> tuple[Any, Any]:
    return _instructblip(_t5)


def kosmos2() -> tuple[Any, Any]:
    words = tokenizer()
    text = {
        "embed_dim": 32,
        "layers": 2,
        "ffn_dim": 64,
        "attention_heads": 4,
        "max_position_embeddings": 512,
        "dropout": 0.0,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "layerdrop": 0.0,
    }
    pictures = hf.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=_SQUARE)
    processor = hf.Kosmos2Processor(pictures, words, num_patch_index_tokens=16)
    config = hf.Kosmos2Config(
        text_config={**text, "vocab_size": len(words), **_ends(words)},
        vision_config={"image_size": 32, "patch_size": 8, **_TOWER},
        latent_query_num=64,
    )
    return _spiced(hf.Kosmos2ForConditionalGeneration(config)), processor


BUILDERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    build.__name__: build for build in (git, blip2_t5, instructblip, instructblip_t5, kosmos2)
}


def save(family: str, folder: Path) -> Path:
    """A model of a family in a folder, as the hub has it. Returns: the folder."""
    torch.manual_seed(0)
    return save_made(folder, *BUILDERS[family]())
