"""A tiny Florence-2 in two folders with the same weights: as transformers stores it, and as Microsoft published it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from safetensors.torch import save_file

from tests.tiny_vlm import florence2, tokenizer

MARKS = (
    *("<od>", "</od>", "<ocr>", "</ocr>", *(f"<loc_{place}>" for place in range(1000)), "<cap>", "</cap>", "<ncap>"),
    *("</ncap>", "<dcap>", "</dcap>", "<grounding>", "</grounding>", "<seg>", "</seg>", "<sep>", "<region_cap>"),
    *("</region_cap>", "<region_to_desciption>", "</region_to_desciption>", "<proposal>", "</proposal>", "<poly>"),
    *("</poly>", "<and>"),
)
_BACK = (
    (r"^model\.vision_tower\.convs\.(\d+)\.conv\.", r"vision_tower.convs.\1.proj."),
    (r"^model\.vision_tower\.", "vision_tower."),
    (r"_block\.conv(\d)\.", r"_block.conv\1.fn.dw."),
    (r"(spatial)_block\.norm1\.", r"\1_block.window_attn.norm."),
    (r"(channel)_block\.norm1\.", r"\1_block.channel_attn.norm."),
    (r"_block\.(window|channel)_attn\.(qkv|proj)\.", r"_block.\1_attn.fn.\2."),
    (r"_block\.norm2\.", "_block.ffn.norm."),
    (r"_block\.ffn\.fc", "_block.ffn.fn.net.fc"),
    (r"^model\.multi_modal_projector\.image_projection\.weight$", "image_projection"),
    (r"^model\.multi_modal_projector\.image_position_embed\.", "image_pos_embed."),
    (r"^model\.multi_modal_projector\.", ""),
    (r"^model\.language_model\.", "language_model.model."),
    (r"^lm_head\.", "language_model.lm_head."),
)


def save_both(native: Path, published: Path) -> hf.Florence2ForConditionalGeneration:
    """Returns: the model, whose words are single letters, the published tokens, and `<image>` in the last row."""
    torch.manual_seed(0)
    words = tokenizer([*MARKS, "<image>"], image_token="<image>")
    model, processor = florence2(words)
    with torch.no_grad():
        model.get_input_embeddings().weight[words.convert_tokens_to_ids(MARKS[0]) :] *= 0.1  # so that it says letters
    model.eval().save_pretrained(native)
    processor.save_pretrained(native)
    _publish(model, processor, published)
    return model


def _publish(model: Any, processor: Any, folder: Path) -> None:
    rows = model.config.text_config.vocab_size - 1
    tensors = {}
    for name, tensor in model.state_dict().items():
        new = name
        for pattern, instead in _BACK:
            new = re.sub(pattern, instead, new)
        if name.endswith(("embed_tokens.weight", "lm_head.weight")):
            continue  # the same table as shared
        tensors[new] = tensor[:rows] if name.endswith("shared.weight") else tensor
    tensors["image_projection"] = tensors["image_projection"].T
    tensors["language_model.final_logits_bias"] = torch.zeros(1, rows)
    folder.mkdir()
    save_file({name: tensor.clone().contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors")
    tokenizer().save_pretrained(folder)  # its code adds the other tokens
    text, vision = model.config.text_config.to_dict(), model.config.vision_config.to_dict()
    kept = ("d_model", "encoder_layers", "decoder_layers", "encoder_attention_heads", "decoder_attention_heads")
    ends = ("encoder_ffn_dim", "decoder_ffn_dim", "max_position_embeddings", "bos_token_id", "eos_token_id")
    more = ("pad_token_id", "decoder_start_token_id")
    code = {"AutoConfig": "configuration_florence2.Florence2Config"}
    config = {
        "_name_or_path": "florence2",
        "architectures": ["Florence2ForConditionalGeneration"],
        "auto_map": {**code, "AutoModelForCausalLM": "modeling_florence2.Florence2ForConditionalGeneration"},
        "model_type": "florence2",
        "projection_dim": 32,
        "is_encoder_decoder": True,
        "text_config": {
            **{name: text[name] for name in (*kept, *ends, *more)},
            "vocab_size": rows,
            "model_type": "florence2_language",
            "forced_bos_token_id": None,
            "num_beams": 3,
            "no_repeat_ngram_size": 3,
        },
        "vision_config": {
            **{name: vision[name] for name in ("depths", "num_heads", "num_groups", "window_size", "projection_dim")},
            **{name: vision[name] for name in ("patch_size", "patch_stride", "patch_padding", "patch_prenorm")},
            "model_type": "davit",
            "dim_embed": vision["embed_dim"],
            "image_feature_source": ["spatial_avg_pool", "temporal_avg_pool"],
            "image_pos_embed": {"type": "learned_abs_2d", "max_pos_embeddings": vision["max_position_embeddings"]},
            "visual_temporal_embedding": {
                "type": "COSINE",
                "max_temporal_embeddings": vision["max_temporal_embeddings"],
            },
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    pictures = {
        "auto_map": {"AutoProcessor": "processing_florence2.Florence2Processor"},
        "_valid_processor_keys": ["images"],
        "image_processor_type": "CLIPImageProcessor",
        "image_seq_length": processor.image_processor.image_seq_length,
        "do_center_crop": False,
        "do_convert_rgb": None,
        "size": {"height": 64, "width": 64},
        "crop_size": {"height": 64, "width": 64},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(pictures))
    (folder / "modeling_florence2.py").write_text("raise SystemExit('run')")
