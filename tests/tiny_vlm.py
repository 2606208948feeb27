"""Tiny, randomly initialised models of the families that transformers' image-text-to-text door opens, as folders.

They say nonsense; what they show is wiring: batches, beams, draws, features. Each is built in a fraction of a second.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

_CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for c in m['content'] %}{% if c['type'] == 'image' %}IMAGE{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_STRING_CHAT = (
    "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m['role'] }}\n\n"
    "{% if m['role'] == 'user' %}<image>{% endif %}{{ m['content'] | trim + '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n\n{% endif %}"
)
_TALK = ("<|im_start|>", "<|im_end|>")
_QWEN = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
_SPLIT = ("<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
_LANGUAGE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
}
_TOWER: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
_SQUARE = {"height": 32, "width": 32}


def tokenizer(special: Sequence[str] = (), **named: str) -> Any:
    """A tokenizer of single letters, with these tokens of a model's own beside the usual four."""
    letters = [chr(code) for code in range(32, 127)] + ["\n"]
    known = ["<pad>", "<s>", "</s>", "<unk>", *letters]
    core = Tokenizer(models.WordLevel({token: place for place, token in enumerate(known)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    core.decoder = decoders.Fuse()
    made = hf.PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens=named,
    )
    made.add_special_tokens({"additional_special_tokens": list(special)}, replace_extra_special_tokens=False)
    return made


def _chat(image: str) -> str:
    return _CHAT.replace("IMAGE", image)


def _spiced(model: Any) -> Any:
    """With weights large enough that different pictures get different answers."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.25)
    return model


def _llama(tokens: int, **more: Any) -> Any:
    return hf.LlamaConfig(vocab_size=tokens, **{**_LANGUAGE, **more})


def llava(chat: str = "") -> tuple[Any, Any]:
    words = tokenizer(["<image>", *_TALK])
    config = hf.LlavaConfig(
        text_config=_llama(len(words)),
        vision_config=hf.SiglipVisionConfig(image_size=32, patch_size=8, **_TOWER),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        image_seq_length=16,
    )
    pictures = hf.SiglipImageProcessor(size=_SQUARE)
    how: dict[str, Any] = {"patch_size": 8, "vision_feature_select_strategy": "full"}
    processor = hf.LlavaProcessor(pictures, words, chat_template=chat or _chat("<image>"), **how)
    return hf.LlavaForConditionalGeneration(config), processor


def joycaption() -> tuple[Any, Any]:
    """As JoyCaption: a LLaVA whose chat template takes text and puts the picture in by itself."""
    return llava(_STRING_CHAT)


def llava_next() -> tuple[Any, Any]:
    words = tokenizer(["<image>", *_TALK])
    grid = [[32, 64], [64, 32], [64, 64]]
    config = hf.LlavaNextConfig(
        text_config=_llama(len(words)),
        vision_config=hf.CLIPVisionConfig(image_size=32, patch_size=8, **_TOWER),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        image_grid_pinpoints=grid,
    )
    pictures = hf.LlavaNextImageProcessor(size={"shortest_edge": 32}, crop_size=_SQUARE, image_grid_pinpoints=grid)
    how: dict[str, Any] = {
        "patch_size": 8,
        "vision_feature_select_strategy": "default",
        "num_additional_image_tokens": 1,
    }
    processor = hf.LlavaNextProcessor(pictures, words, chat_template=_chat("<image>"), **how)
    return hf.LlavaNextForConditionalGeneration(config), processor


def llava_onevision() -> tuple[Any, Any]:
    words = tokenizer(["<image>", "<video>", *_TALK])
    grid = [[32, 64], [64, 32], [64, 64]]
    config = hf.LlavaOnevisionConfig(
        text_config=hf.Qwen2Config(vocab_size=len(words), **_LANGUAGE),
        vision_config=hf.SiglipVisionConfig(image_size=32, patch_size=8, **_TOWER),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        video_token_id=words.convert_tokens_to_ids("<video>"),
        vision_feature_layer=-1,
        image_grid_pinpoints=grid,
    )
    processor = hf.LlavaOnevisionProcessor(
        hf.LlavaOnevisionImageProcessor(size=_SQUARE, image_grid_pinpoints=grid),
        words,
        hf.LlavaOnevisionVideoProcessor(size=_SQUARE),
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        chat_template=_chat("<image>"),
    )
    return hf.LlavaOnevisionForConditionalGeneration(config), processor


def _qwen(
    config: type,
    model: type,
    processor: type,
    video: type,
    vision: dict[str, Any],
    size: Mapping[str, int] = {"shortest_edge": 16 * 16, "longest_edge": 48 * 48},
    **language: Any,
) -> Any:
    words = tokenizer([*_TALK, *_QWEN])
    number = words.convert_tokens_to_ids
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2], **language.pop("rope", {})}
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "num_heads": 4,
        "patch_size": 4,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        **vision,
    }
    made = config(
        text_config={"vocab_size": len(words), "rope_parameters": rope, **_LANGUAGE, **language},
        vision_config=vision,
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
    )
    patch = vision["patch_size"]
    pictures = hf.Qwen2VLImageProcessor(patch_size=patch, merge_size=2, temporal_patch_size=2, size=dict(size))
    chat = _chat("<|vision_start|><|image_pad|><|vision_end|>")
    return model(made), processor(pictures, words, video(patch_size=patch), chat_template=chat)


def _spiced_qwen(*values: Any, **named: Any) -> Any:
    model, processor = _qwen(*values, **named)
    return _spiced(model), processor


def qwen2_vl() -> tuple[Any, Any]:
    vision = {"embed_dim": 32, "mlp_ratio": 2}
    made: tuple[Any, Any] = _spiced_qwen(
        *(hf.Qwen2VLConfig, hf.Qwen2VLForConditionalGeneration, hf.Qwen2VLProcessor, hf.Qwen2VLVideoProcessor, vision)
    )
    return made


def qwen2_5_vl() -> tuple[Any, Any]:
    vision = {"out_hidden_size": 32, "intermediate_size": 64, "window_size": 16, "fullatt_block_indexes": [1]}
    classes = (hf.Qwen2_5_VLConfig, hf.Qwen2_5_VLForConditionalGeneration, hf.Qwen2_5_VLProcessor)
    made: tuple[Any, Any] = _spiced_qwen(*classes, hf.Qwen2VLVideoProcessor, vision)
    return made


def qwen3_vl() -> tuple[Any, Any]:
    vision = {
        "out_hidden_size": 32,
        "intermediate_size": 64,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [0],
    }
    rope = {"mrope_section": [2, 1, 1], "mrope_interleaved": True}
    classes = (hf.Qwen3VLConfig, hf.Qwen3VLForConditionalGeneration, hf.Qwen3VLProcessor)
    made: tuple[Any, Any] = _spiced_qwen(*classes, hf.Qwen3VLVideoProcessor, vision, head_dim=8, rope=rope)
    return made


def qwen3_vl_at_size(layers: int = 11) -> tuple[Any, Any]:
    """195 M weights shaped as Qwen3-VL's, which turn a square picture into 576 tokens."""
    vision = {
        "depth": max(layers - 1, 4),
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_heads": 12,
        "patch_size": 16,
        "out_hidden_size": 768,
        "num_position_embeddings": 2304,
        "deepstack_visual_indexes": [1, 2, 3],
    }
    language = {
        "hidden_size": 768,
        "intermediate_size": 2240,
        "num_hidden_layers": layers,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "head_dim": 128,
    }
    rope = {"mrope_section": [24, 20, 20], "mrope_interleaved": True}
    classes = (hf.Qwen3VLConfig, hf.Qwen3VLForConditionalGeneration, hf.Qwen3VLProcessor)
    size = {"shortest_edge": 256 * 256, "longest_edge": 768 * 768}
    made: tuple[Any, Any] = _qwen(*classes, hf.Qwen3VLVideoProcessor, vision, size, rope=rope, **language)
    return made


def qwen3_5() -> tuple[Any, Any]:
    vision = {"out_hidden_size": 32, "intermediate_size": 64, "num_position_embeddings": 64}
    rope = {"mrope_section": [2, 1, 1], "mrope_interleaved": True, "partial_rotary_factor": 1.0}
    linear = {
        "linear_num_value_heads": 2,
        "linear_num_key_heads": 2,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
        "linear_conv_kernel_dim": 4,
        "layer_types": ["linear_attention", "full_attention"],
    }
    classes = (hf.Qwen3_5Config, hf.Qwen3_5ForConditionalGeneration, hf.Qwen3VLProcessor)
    made: tuple[Any, Any] = _spiced_qwen(*classes, hf.Qwen3VLVideoProcessor, vision, head_dim=8, rope=rope, **linear)
    return made


def idefics3() -> tuple[Any, Any]:
    rows = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    words = tokenizer(["<image>", *_SPLIT, *rows, *_TALK])
    config = hf.Idefics3Config(
        text_config=_llama(len(words), pad_token_id=words.pad_token_id),
        vision_config={"image_size": 32, "patch_size": 8, **_TOWER},
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=words.pad_token_id,
    )
    pictures = hf.Idefics3ImageProcessor(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    processor = hf.Idefics3Processor(pictures, words, image_seq_len=4, chat_template=_chat("<image>"))
    return _spiced(hf.Idefics3ForConditionalGeneration(config)), processor


def paligemma() -> tuple[Any, Any]:
    """Its prompt attends both ways; no chat template."""
    words = tokenizer(["<image>"])
    pictures = hf.SiglipImageProcessor(size=_SQUARE)
    pictures.image_seq_length = 16
    processor = hf.PaliGemmaProcessor(pictures, words)
    language = {"model_type": "gemma", "vocab_size": len(words), "head_dim": 8, "tie_word_embeddings": False}
    config = hf.PaliGemmaConfig(
        text_config={**_LANGUAGE, **language, "pad_token_id": words.pad_token_id},
        vision_config=hf.SiglipVisionConfig(image_size=32, patch_size=8, projection_dim=32, **_TOWER),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        projection_dim=32,
        hidden_size=32,
        tie_word_embeddings=False,
    )
    return _spiced(hf.PaliGemmaForConditionalGeneration(config)), processor


def gemma3() -> tuple[Any, Any]:
    named = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    words = tokenizer([*named.values(), *_TALK], **named)
    number = words.convert_tokens_to_ids
    language = {"head_dim": 8, "sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"]}
    config = hf.Gemma3Config(
        text_config={"vocab_size": len(words), **_LANGUAGE, **language, "tie_word_embeddings": False},
        vision_config=hf.SiglipVisionConfig(image_size=32, patch_size=8, vision_use_head=False, **_TOWER),
        image_token_id=number("<image_soft_token>"),
        boi_token_index=number("<start_of_image>"),
        eoi_token_index=number("<end_of_image>"),
        mm_tokens_per_image=4,
        tie_word_embeddings=False,
    )
    pictures = hf.Gemma3ImageProcessor(size=_SQUARE)
    chat = _chat("<start_of_image>")
    return _spiced(hf.Gemma3ForConditionalGeneration(config)), hf.Gemma3Processor(
        pictures, words, image_seq_length=4, chat_template=chat
    )


def internvl() -> tuple[Any, Any]:
    named = {
        "context_image_token": "<IMG_CONTEXT>",
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "video_token": "<video>",
    }
    words = tokenizer([*named.values(), *_TALK], **named)
    config = hf.InternVLConfig(
        text_config=hf.Qwen2Config(vocab_size=len(words), **_LANGUAGE),
        vision_config={"image_size": [32, 32], "patch_size": [8, 8], **_TOWER},
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
    )
    pictures = hf.GotOcr2ImageProcessor(size=_SQUARE, crop_to_patches=True, min_patches=1, max_patches=4)
    video = hf.InternVLVideoProcessor(size=_SQUARE)
    chat = _chat("<IMG_CONTEXT>\n")
    processor = hf.InternVLProcessor(pictures, words, video, image_seq_length=4, chat_template=chat)
    return _spiced(hf.InternVLForConditionalGeneration(config)), processor


def glm4v() -> tuple[Any, Any]:
    marks = ("<|image|>", "<|video|>", "<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>")
    words = tokenizer([*marks, "<|end_of_video|>", *_TALK])
    number = words.convert_tokens_to_ids
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2], "partial_rotary_factor": 1.0}
    config = hf.Glm4vConfig(
        text_config={"vocab_size": len(words), "rope_parameters": rope, **_LANGUAGE, "pad_token_id": 0},
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "out_hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 4,
            "patch_size": 4,
            "image_size": 32,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
        },
        image_token_id=number("<|image|>"),
        video_token_id=number("<|video|>"),
        image_start_token_id=number("<|begin_of_image|>"),
        image_end_token_id=number("<|end_of_image|>"),
        video_start_token_id=number("<|begin_of_video|>"),
        video_end_token_id=number("<|end_of_video|>"),
    )
    size = {"shortest_edge": 16 * 16, "longest_edge": 48 * 48}
    pictures = hf.Glm4vImageProcessor(patch_size=4, merge_size=2, temporal_patch_size=2, size=size)
    chat = _chat("<|begin_of_image|><|image|><|end_of_image|>")
    processor = hf.Glm4vProcessor(pictures, words, hf.Glm4vVideoProcessor(patch_size=4), chat_template=chat)
    return _spiced(hf.Glm4vForConditionalGeneration(config)), processor


def mistral3() -> tuple[Any, Any]:
    words = tokenizer(["[IMG]", "[IMG_BREAK]", "[IMG_END]", *_TALK])
    config = hf.Mistral3Config(
        text_config=hf.MistralConfig(vocab_size=len(words), **_LANGUAGE),
        vision_config=hf.PixtralVisionConfig(image_size=64, patch_size=4, **_TOWER),
        image_token_id=words.convert_tokens_to_ids("[IMG]"),
        spatial_merge_size=2,
    )
    size = {"size": {"longest_edge": 48}, "patch_size": {"height": 8, "width": 8}}
    processor = hf.PixtralProcessor(
        hf.PixtralImageProcessor(**size), words, patch_size=4, spatial_merge_size=2, chat_template=_chat("[IMG]")
    )
    return _spiced(hf.Mistral3ForConditionalGeneration(config)), processor


def florence2(words: Any = None) -> tuple[Any, Any]:
    """An encoder-decoder that knows task tokens instead of questions."""
    words = words or tokenizer(["<image>", *(f"<loc_{place}>" for place in range(1000))], image_token="<image>")
    ends = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    config = hf.Florence2Config(
        text_config=hf.BartConfig(
            vocab_size=len(words),
            d_model=32,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=64,
            decoder_ffn_dim=64,
            max_position_embeddings=512,
            decoder_start_token_id=words.eos_token_id,
            forced_eos_token_id=None,
            **ends,
        ),
        vision_config={
            "in_channels": 3,
            "depths": [1, 1, 1, 1],
            "patch_size": [7, 3, 3, 3],
            "patch_stride": [4, 2, 2, 2],
            "patch_padding": [3, 1, 1, 1],
            "patch_prenorm": [False, True, True, True],
            "embed_dim": [8, 8, 8, 8],
            "num_heads": [2, 2, 2, 2],
            "num_groups": [2, 2, 2, 2],
            "window_size": 4,
            "projection_dim": 32,
            "max_temporal_embeddings": 10,
            "max_position_embeddings": 10,
        },
        image_token_id=words.convert_tokens_to_ids("<image>"),
        is_encoder_decoder=True,
    )
    pictures = hf.CLIPImageProcessor(size={"height": 64, "width": 64}, do_center_crop=False)
    pictures.image_seq_length = 2 * 2 + 1
    return _spiced(hf.Florence2ForConditionalGeneration(config)), hf.Florence2Processor(pictures, words)


def blip2() -> tuple[Any, Any]:
    """It has a generate of its own."""
    words = tokenizer(["<image>"])
    ends = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    config = hf.Blip2Config(
        vision_config={"image_size": 32, "patch_size": 8, **_TOWER},
        qformer_config={"encoder_hidden_size": 32, "vocab_size": len(words), **_TOWER},
        text_config=hf.OPTConfig(
            vocab_size=len(words),
            hidden_size=32,
            ffn_dim=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            word_embed_proj_dim=32,
            max_position_embeddings=512,
            **ends,
        ),
        num_query_tokens=4,
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    pictures = hf.BlipImageProcessor(size=_SQUARE)
    model = _spiced(hf.Blip2ForConditionalGeneration(config))
    return model, hf.Blip2Processor(pictures, words, num_query_tokens=4)


def vit_gpt2() -> tuple[Any, Any]:
    """Pictures alone: its folder has no processor that joins both."""
    words = tokenizer()
    config = hf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        hf.ViTConfig(image_size=32, patch_size=8, **_TOWER),
        hf.GPT2Config(
            vocab_size=len(words),
            n_embd=32,
            n_layer=2,
            n_head=4,
            n_positions=128,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
        ),
    )
    config.decoder_start_token_id = words.bos_token_id
    config.pad_token_id = words.pad_token_id
    config.eos_token_id = words.eos_token_id
    return _spiced(hf.VisionEncoderDecoderModel(config)), (hf.ViTImageProcessor(size=_SQUARE), words)


BUILDERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    build.__name__: build
    for build in (
        *(llava, joycaption, llava_next, llava_onevision, qwen2_vl, qwen2_5_vl, qwen3_vl, qwen3_5, idefics3),
        *(paligemma, gemma3, internvl, glm4v, mistral3, florence2, blip2, vit_gpt2),
    )
}


def save(family: str, folder: Path) -> Path:
    """A model of a family in a folder, as the hub has it. Returns: the folder."""
    torch.manual_seed(0)
    return save_made(folder, *BUILDERS[family]())


def want(folder: Path, **wanted: Any) -> Path:
    """Let a folder's generation_config.json ask for more. Returns: the folder."""
    path = folder / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **wanted}))
    return folder


def save_made(folder: Path, model: Any, processors: Any) -> Path:
    """What a builder gave, in a folder. Returns: the folder."""
    parts = processors if isinstance(processors, tuple) else (processors,)
    words = getattr(parts[-1], "tokenizer", parts[-1])
    stored = model.generation_config
    stored.pad_token_id = words.pad_token_id if stored.pad_token_id is None else stored.pad_token_id
    stored.eos_token_id = words.eos_token_id if stored.eos_token_id is None else stored.eos_token_id
    model.eval().save_pretrained(folder)
    for part in parts:
        part.save_pretrained(folder)
    return folder
