"""Florence-2 as Microsoft published it, and its fine-tunes (PromptGen) -> transformers' own Florence-2.

The published repositories bring code of their own, for which their files are laid out: other names in config.json,
other names of tensors, one of them transposed, and tokens that only that code adds. None of it is run; the files are
read as data, renamed as transformers' own conversion script does it, and give the same logits. Imported only by
`loading`.
Source: huggingface/transformers, models/florence2/convert_florence2_original_pytorch_to_hf.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import (
    BartConfig,
    CLIPImageProcessor,
    Florence2Config,
    Florence2ForConditionalGeneration,
    Florence2Processor,
    GenerationConfig,
    PreTrainedTokenizerFast,
)

from captioner.errors import BadModel, CaptionerError
from captioner.limits import shown
from captioner.models.descriptions import Rules, chosen, each, one_of, optional, read_json_object, real, switch, whole
from captioner.models.weights import check_weights, weights_files
from captioner.plural import plural

_STAGES = 4
_IMAGE_TOKEN = "</poly>"
"""Marks the picture's place in a question: a token the model knows and no question uses, so that none need be added."""

_ADDED = (
    *("<od>", "</od>", "<ocr>", "</ocr>"),
    *(f"<loc_{place}>" for place in range(1000)),
    *("<cap>", "</cap>", "<ncap>", "</ncap>", "<dcap>", "</dcap>", "<grounding>", "</grounding>", "<seg>", "</seg>"),
    *("<sep>", "<region_cap>", "</region_cap>", "<region_to_desciption>", "</region_to_desciption>", "<proposal>"),
    *("</proposal>", "<poly>", _IMAGE_TOKEN, "<and>"),
)
"""What the published code adds to the tokenizer, in its order and spelling."""

_ID = whole(0, 1_000_000)
_WIDTH = whole(1, 65_536)
_COUNT = whole(1, 1_000)
_EACH_STAGE = each(_WIDTH, _STAGES)
_TEXT: Rules = {
    **dict.fromkeys(("vocab_size", "max_position_embeddings"), whole(1, 1_000_000)),
    **dict.fromkeys(("d_model", "encoder_ffn_dim", "decoder_ffn_dim"), _WIDTH),
    **dict.fromkeys(("encoder_layers", "decoder_layers", "encoder_attention_heads", "decoder_attention_heads"), _COUNT),
    **dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id"), _ID),
    "forced_bos_token_id": optional(_ID),  # and no forced_eos_token_id: an answer that is cut should say so
    "activation_function": one_of("gelu"),
    "scale_embedding": switch(),
}
_VISION: Rules = {
    **dict.fromkeys(("dim_embed", "num_heads", "num_groups", "depths", "patch_size", "patch_stride"), _EACH_STAGE),
    "patch_padding": each(whole(0, 64), _STAGES),
    "patch_prenorm": each(switch(), _STAGES),
    "window_size": whole(1, 512),
    "projection_dim": _WIDTH,
    "image_feature_source": each(one_of("spatial_avg_pool", "temporal_avg_pool"), 2),
    "visual_temporal_embedding": {"type": one_of("COSINE"), "max_temporal_embeddings": _WIDTH},
    "image_pos_embed": {"type": one_of("learned_abs_2d"), "max_pos_embeddings": _WIDTH},
}
_PICTURES: Rules = {
    **dict.fromkeys(("do_resize", "do_rescale", "do_normalize", "do_convert_rgb"), optional(switch())),
    "do_center_crop": one_of(False),
    "size": {"height": whole(1, 4096), "width": whole(1, 4096)},
    "resample": whole(0, 5),
    "rescale_factor": real(0, 1),
    "image_mean": each(real(-10, 10), 3),
    "image_std": each(real(0.001, 10), 3),
    "image_seq_length": whole(2, 100_000),
}
# What the published code takes where config.json is silent; transformers' own defaults are other ones.
_PUBLISHED = {
    "dim_embed": [256, 512, 1024, 2048],
    "num_heads": [8, 16, 32, 64],
    "num_groups": [8, 16, 32, 64],
    "depths": [1, 1, 9, 1],
    "patch_size": [7, 3, 3, 3],
    "patch_stride": [4, 2, 2, 2],
    "patch_padding": [3, 1, 1, 1],
    "patch_prenorm": [False, True, True, True],
    "window_size": 12,
}
_SEQUENCE = ["spatial_avg_pool", "temporal_avg_pool"]
_BART = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}
_NAMED = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}

_RENAMED = (
    (r"^vision_tower\.convs\.(\d+)\.proj\.", r"model.vision_tower.convs.\1.conv."),
    (r"^vision_tower\.", "model.vision_tower."),
    (r"_block\.conv(\d)\.fn\.dw\.", r"_block.conv\1."),
    (r"_block\.(?:window|channel)_attn\.norm\.", "_block.norm1."),
    (r"_block\.(window|channel)_attn\.fn\.", r"_block.\1_attn."),
    (r"_block\.ffn\.norm\.", "_block.norm2."),
    (r"_block\.ffn\.fn\.net\.", "_block.ffn."),
    (r"^image_projection$", "model.multi_modal_projector.image_projection.weight"),
    (r"^image_proj_norm\.", "model.multi_modal_projector.image_proj_norm."),
    (r"^image_pos_embed\.", "model.multi_modal_projector.image_position_embed."),
    (r"^visual_temporal_embed\.", "model.multi_modal_projector.visual_temporal_embed."),
    (r"^language_model\.model\.", "model.language_model."),
    (r"^language_model\.lm_head\.", "lm_head."),
)
_BIAS = "language_model.final_logits_bias"
_SHARED = "model.language_model.shared.weight"
_SAME_AS_SHARED = ("encoder.embed_tokens", "decoder.embed_tokens")


def is_published(folder: Path) -> bool:
    """Whether a folder has Florence-2 in the published layout, by its config.json."""
    try:
        config = read_json_object(folder / "config.json")
    except CaptionerError:
        return False
    vision = config.get("vision_config")
    is_renamed = isinstance(vision, dict) and "embed_dim" in vision  # transformers' own may carry old names along
    return config.get("model_type") == "florence2" and isinstance(vision, dict) and not is_renamed


def load(folder: Path, dtype: torch.dtype) -> tuple[Any, dict[str, Any], Any]:
    """The model on the CPU, what transformers says of its loading, and its processor.

    Raises: BadModel: files missing or damaged, a pickle, values that Florence-2 does not have, unknown tensors.
    """
    files = weights_files(folder)
    for path in files:
        check_weights(path)
    config = read_json_object(folder / "config.json")
    processor = _processor(folder)
    state = _renamed(folder, {name: tensor for path in files for name, tensor in load_file(path).items()})
    native = _config(config, processor.tokenizer.convert_tokens_to_ids(_IMAGE_TOKEN))
    rows = native.text_config.vocab_size
    if len(processor.tokenizer) > rows:
        raise BadModel(
            f"{folder} has a tokenizer of {plural(len(processor.tokenizer), 'token')} and a config.json of {rows:,}; "
            "the two are not of the same model. Download both again."
        )
    model, told = Florence2ForConditionalGeneration.from_pretrained(
        None, config=native, state_dict=state, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True
    )
    text = native.text_config
    ids = {name: getattr(text, name, None) for name in (*_BART, "forced_bos_token_id")}
    model.generation_config = GenerationConfig(**{name: value for name, value in ids.items() if value is not None})
    return model, told, processor


def _config(config: Mapping[str, Any], image_token_id: int) -> Any:
    """Raises: BadModel: a value that the published code does not have either."""
    text = chosen(config.get("text_config", {}), _TEXT, "config.json, text_config")
    vision = {**_PUBLISHED, **chosen(config.get("vision_config"), _VISION, "config.json, vision_config")}
    if vision.pop("image_feature_source", _SEQUENCE) != _SEQUENCE:
        raise BadModel(f"config.json has image_feature_source otherwise than {_SEQUENCE}; take another model.")
    temporal = vision.pop("visual_temporal_embedding", {}).get("max_temporal_embeddings", 100)
    places = vision.pop("image_pos_embed", {}).get("max_pos_embeddings", 50)
    width = vision.pop("projection_dim", text.get("d_model", 1024))
    return Florence2Config(
        text_config=BartConfig(**{"vocab_size": 51289, **_BART, **text}),
        vision_config={
            **vision,
            "embed_dim": vision.pop("dim_embed"),
            "projection_dim": width,
            "max_temporal_embeddings": temporal,
            "max_position_embeddings": places,
        },
        image_token_id=image_token_id,
        is_encoder_decoder=True,
    )


def _processor(folder: Path) -> Any:
    """Raises: BadModel: no tokenizer.json, or a preprocessor_config.json that says what it may not."""
    read_json_object(folder / "tokenizer.json", max_bytes=50_000_000)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), **_NAMED)
    tokenizer.add_special_tokens({"additional_special_tokens": list(_ADDED)}, replace_extra_special_tokens=False)
    tokenizer.image_token = _IMAGE_TOKEN
    tokenizer.image_token_id = tokenizer.convert_tokens_to_ids(_IMAGE_TOKEN)
    described = read_json_object(folder / "preprocessor_config.json")
    found = chosen(described, _PICTURES, "preprocessor_config.json")
    values = {name: value for name, value in found.items() if value is not None}
    count = values.pop("image_seq_length", 577)
    pictures = CLIPImageProcessor(**{"do_center_crop": False, **values})
    pictures.image_seq_length = count
    return Florence2Processor(pictures, tokenizer)


def _renamed(folder: Path, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Raises: BadModel: tensors that Florence-2 has no place for."""
    bias = tensors.pop(_BIAS, None)
    if bias is not None and bias.any():
        raise BadModel(f"{folder} has {_BIAS} other than 0, which Florence-2 has not; take another model.")
    renamed = {}
    for name, tensor in tensors.items():
        new = name
        for pattern, instead in _RENAMED:
            new = re.sub(pattern, instead, new)
        if new == name:
            raise BadModel(f"{folder} has a tensor {shown(name, max_length=80)}, which Florence-2 has not.")
        renamed[new] = tensor.T.contiguous() if name == "image_projection" else tensor
    for name in _SAME_AS_SHARED:  # the table of words is stored under one of its names
        table = renamed.pop(f"model.language_model.{name}.weight", None)
        if table is not None:
            renamed.setdefault(_SHARED, table)
    head = renamed.pop("lm_head.weight", None)
    if head is not None:
        renamed.setdefault(_SHARED, head)
    return renamed
