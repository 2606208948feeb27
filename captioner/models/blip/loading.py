"""A folder -> BLIP's model, tokenizer and picture processor in memory, each made by class.

The folder is data: no library reads it by itself, which might follow what a file there names. Of config.json,
tokenizer_config.json and the picture processor's file only what is listed here is taken, the rest left out, since every
release of transformers writes keys of its own. Imported only by `decoder` and `matching`.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import AddedToken, BertTokenizer, BlipConfig, BlipForConditionalGeneration, BlipImageProcessor
from transformers.utils import logging as transformers_logging

from captioner.errors import BadModel
from captioner.limits import shown
from captioner.models.descriptions import (
    Rule,
    Rules,
    chosen,
    each,
    either,
    one_of,
    optional,
    read_description,
    read_text,
    real,
    switch,
    whole,
    words,
)
from captioner.models.memory import is_out_of_memory
from captioner.models.weights import check_shapes, check_weights
from captioner.together import Together

WEIGHTS = "model.safetensors"
_MAX_VOCABULARY_BYTES = 20_000_000  # BERT's has 0.7 MB
_MAX_TOKENS = 1_000_000

_COUNT = whole(1, 128)
_WIDTH = whole(1, 16_384)
_SIDE = whole(8, 4096)
_TOWER: Rules = {
    "hidden_size": _WIDTH,
    "intermediate_size": whole(1, 65_536),
    "projection_dim": _WIDTH,
    "num_hidden_layers": _COUNT,
    "num_attention_heads": _COUNT,
    "hidden_act": one_of("gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu"),
    "layer_norm_eps": real(0, 1),
    "initializer_range": real(0, 10),
}
_TOKEN_ID = whole(-1, _MAX_TOKENS)  # which of them a model knows, `_check_tokens` says
_CONFIG: Rules = {
    "model_type": one_of("blip"),
    "text_config": {
        **_TOWER,
        "vocab_size": whole(1, _MAX_TOKENS),
        "encoder_hidden_size": _WIDTH,
        "max_position_embeddings": whole(1, 8192),
        "hidden_dropout_prob": real(0, 1),
        "attention_probs_dropout_prob": real(0, 1),
        **dict.fromkeys(("bos_token_id", "pad_token_id", "sep_token_id"), optional(_TOKEN_ID)),
        "eos_token_id": optional(either(_TOKEN_ID, each(_TOKEN_ID, 1, 2, 3))),
        "tie_word_embeddings": switch(),
    },
    "vision_config": {
        **_TOWER,
        "image_size": _SIDE,
        "patch_size": whole(1, 512),
        "attention_dropout": real(0, 1),
    },
    "projection_dim": _WIDTH,
    "logit_scale_init_value": real(-100, 100),
    "image_text_hidden_size": _WIDTH,
    "tie_word_embeddings": switch(),
    "initializer_factor": real(0, 1000),
    "initializer_range": real(0, 10),
}
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
_ADDED_TOKEN: Rules = {"id": whole(0, _MAX_TOKENS), "content": words(), **dict.fromkeys(_FLAGS, switch())}
_TOKEN = either(
    words(),
    one_of(None),
    Rule("an object with its content", lambda value: isinstance(value, dict) and words().allows(value.get("content"))),
)
_TOKEN_NAMES = ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token", "bos_token", "eos_token")
_TOKENIZER: Rules = {
    "tokenizer_class": one_of(None, "BertTokenizer", "BertTokenizerFast"),
    "processor_class": one_of(None, "BlipProcessor"),
    "do_lower_case": switch(),
    "tokenize_chinese_chars": switch(),
    "strip_accents": optional(switch()),
    **dict.fromkeys(_TOKEN_NAMES, _TOKEN),
    **dict.fromkeys(("extra_special_tokens", "additional_special_tokens"), optional(each(_TOKEN, *range(101)))),
}
_SIZE = {"height": _SIDE, "width": _SIDE}
_PICTURES: Rules = {
    "image_processor_type": one_of(None, "BlipImageProcessor", "BlipImageProcessorFast", "BlipImageProcessorPil"),
    "processor_class": one_of(None, "BlipProcessor"),
    "do_resize": one_of(None, True),
    **dict.fromkeys(("do_rescale", "do_normalize", "do_convert_rgb"), optional(switch())),
    "resample": optional(whole(0, 5)),
    "rescale_factor": optional(real(0, 10)),
    "image_mean": optional(each(real(-10, 10), 3)),
    "image_std": optional(each(real(1e-6, 10), 3)),
}


def load(
    folder: Path, dtype: torch.dtype, model_class: Any = BlipForConditionalGeneration
) -> tuple[Any, BlipImageProcessor, BertTokenizer]:
    """The model on the CPU in a precision, what makes pictures its input, and its tokenizer.

    Args: model_class: which of transformers' BLIP models the weights are of.
    Raises: BadModel: files missing, damaged, not as allowed, or tensors that do not fit; before memory is taken for it.
    """
    config_values = _read_config(folder)
    check_weights(folder / WEIGHTS)
    tokenizer_values, vocabulary, added = _read_tokenizer(folder)
    picture_values = _read_pictures(folder)
    try:
        config = BlipConfig(**config_values)
        with torch.device("meta"):
            asked = model_class(config).state_dict()
        check_shapes(folder / WEIGHTS, {name: tuple(value.shape) for name, value in asked.items()}, "config.json")
        _check_tokens(folder, config.text_config, max([*vocabulary.values(), *added], default=0))
        pictures = BlipImageProcessor(**picture_values)
        _check_size(folder, config.vision_config.image_size, pictures.size)
        # Without a folder, so that transformers reads none.
        model, report = model_class.from_pretrained(
            None,
            config=config,
            state_dict=_read_weights(folder / WEIGHTS),  # of safetensors only
            dtype=dtype,
            output_loading_info=True,
        )
        tokenizer = BertTokenizer(vocab=vocabulary, added_tokens_decoder=added, **tokenizer_values)
    except BadModel:
        raise
    except Exception as error:  # transformers, tokenizers and safetensors raise what they like for bad files
        if is_out_of_memory(error):
            raise
        detail = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
        raise BadModel(
            f"{folder} cannot be loaded as a BLIP model: {detail}; copy or download the model's folder again."
        ) from error
    missing = sorted(report["missing_keys"])
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise BadModel(
            f"{folder / WEIGHTS} lacks tensors that its config.json asks for: {', '.join(missing[:3])}{more}; "
            "it may belong to another model."
        )
    return model, pictures, tokenizer


def _read_config(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise BadModel(f"{folder} is no folder; a BLIP model is one, with {WEIGHTS} and config.json.")
    path = folder / "config.json"
    values = read_description(path)
    if values.get("model_type") != "blip":
        kind = shown(str(values.get("model_type")), max_length=60)
        raise BadModel(f"{folder} holds a model of type {kind!r}; BLIP models are of type 'blip'.")
    return chosen(values, _CONFIG, str(path))


def _read_tokenizer(folder: Path) -> tuple[dict[str, Any], dict[str, int], dict[int, AddedToken]]:
    """What BertTokenizer is to be told, the vocabulary (token -> id), and tokens beside it (id -> token)."""
    path = folder / "tokenizer_config.json"
    values = chosen(read_description(path), _TOKENIZER, str(path)) if path.is_file() else {}
    for name in ("tokenizer_class", "processor_class"):
        values.pop(name, None)
    values |= {name: _content(values[name]) for name in _TOKEN_NAMES if name in values}
    values = {name: value for name, value in values.items() if value is not None}
    extra = [*values.pop("extra_special_tokens", []), *values.pop("additional_special_tokens", [])]
    values["extra_special_tokens"] = [content for token in extra if (content := _content(token)) is not None]
    is_list = not (folder / "tokenizer.json").is_file()
    path = folder / ("vocab.txt" if is_list else "tokenizer.json")
    if not path.is_file():
        raise BadModel(f"{folder} has no tokenizer.json and no vocab.txt; copy all the model's files.")
    vocabulary, added = (_read_word_list(path), {}) if is_list else _read_vocabulary(path)
    unknown = values.get("unk_token") or "[UNK]"
    if unknown not in vocabulary:
        raise BadModel(
            f"{path} has no {shown(unknown)}, which stands for words it lacks; copy or download the model's folder "
            "again."
        )
    return values, vocabulary, added


def _read_word_list(path: Path) -> dict[str, int]:
    text = read_text(path, max_bytes=_MAX_VOCABULARY_BYTES)
    try:
        lines = text.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise BadModel(f"{path} is not UTF-8 text; download it again.") from error
    tokens = [line.removesuffix("\r") for line in lines[: -1 if lines[-1] == "" else None]]
    return _checked({token: number for number, token in enumerate(tokens)}, path)


def _read_vocabulary(path: Path) -> tuple[dict[str, int], dict[int, AddedToken]]:
    """The words of a tokenizer.json; how texts are cut into them is BERT's own way, whatever else it says."""
    values = read_description(path, max_bytes=_MAX_VOCABULARY_BYTES)
    model = values.get("model")
    if not isinstance(model, dict) or model.get("type", "WordPiece") != "WordPiece":
        raise BadModel(
            f"{path} holds no WordPiece vocabulary, which BLIP's is; copy or download the model's folder again."
        )
    entries = values.get("added_tokens") or []
    if not isinstance(entries, list) or len(entries) > 1000:
        raise BadModel(f"{path} has no list of up to 1,000 added_tokens; copy or download the model's folder again.")
    added = {}
    for entry in entries:
        token = chosen(entry, _ADDED_TOKEN, f"{path}, added_tokens")
        if "id" not in token or "content" not in token:
            raise BadModel(
                f"{path} has an added token without id or content; copy or download the model's folder again."
            )
        token_id, content = token.pop("id"), token.pop("content")
        added[token_id] = AddedToken(content, **token)
    return _checked(model.get("vocab"), path), added


def _checked(vocabulary: Any, path: Path) -> dict[str, int]:
    """Raises: BadModel: it is no mapping of tokens to ids."""
    is_sound = (
        isinstance(vocabulary, dict)
        and 0 < len(vocabulary) <= _MAX_TOKENS
        and all(len(token) <= 1000 and _TOKEN_ID.allows(number) and number >= 0 for token, number in vocabulary.items())
    )
    if not is_sound:
        raise BadModel(
            f"{path} has no vocabulary of up to {_MAX_TOKENS:,} tokens; copy or download the model's folder again."
        )
    return dict(vocabulary)


def _content(token: Any) -> str | None:
    content: str | None = token["content"] if isinstance(token, dict) else token
    return content


def _read_pictures(folder: Path) -> dict[str, Any]:
    """What BlipImageProcessor is to be told. transformers keeps it in either of two files."""
    path = folder / "processor_config.json"
    values = read_description(path).get("image_processor") if path.is_file() else None
    if values is None:
        path = folder / "preprocessor_config.json"
        values = read_description(path)
    found = chosen(values, _PICTURES, str(path))
    for name in ("image_processor_type", "processor_class"):
        found.pop(name, None)
    size = values.get("size")
    if isinstance(size, int):
        size = {"height": size, "width": size}
    if size is not None:
        found["size"] = chosen(size, _SIZE, f"{path}, size")
    return {name: value for name, value in found.items() if value is not None}


def _check_size(folder: Path, edge_px: int, size: Any) -> None:
    """Raises: BadModel: pictures are made another size than the model sees."""
    if (size["height"], size["width"]) != (edge_px, edge_px):
        raise BadModel(
            f"{folder} makes pictures {size['width']} x {size['height']}, but its config.json says that the model sees "
            f"{edge_px} x {edge_px}; copy or download the model's folder again."
        )


def _check_tokens(folder: Path, config: Any, highest: int) -> None:
    """Raises: BadModel: a token of the vocabulary, or one that a search needs, is not among those the model knows."""
    known = f"but the model knows tokens 0 to {config.vocab_size - 1}; copy or download the model's folder again."
    for name in ("bos_token_id", "sep_token_id", "pad_token_id"):
        token_id = getattr(config, name)
        if token_id is None and name == "pad_token_id":  # a search does without
            continue
        if token_id is None or not 0 <= token_id < config.vocab_size:
            raise BadModel(f"{folder / 'config.json'} has {name} {token_id}, {known}")
    if highest >= config.vocab_size:
        raise BadModel(f"{folder} has a vocabulary up to token {highest}, {known}")


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    """A safetensors file's tensors, where the file is mapped into memory: see `unmap`.

    `check_weights` has found it whole. Who cuts it short in the second until `unmap`, as a copy over it does, ends the
    process: no check can rule that out, and to read it instead would take that second again and the memory twice.
    """
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping


def unmap(model: Any, *, but: Collection[type] = ()) -> None:
    """Give what a model on the CPU keeps memory of its own, so that the file of its weights is let go.

    Args: but: modules whose weights will be packed, which makes the copy that stays.
    """
    own = (part for module in model.modules() if type(module) not in but for part in module.parameters(recurse=False))
    for parameter in {id(one): one for one in own if one.device.type == "cpu"}.values():
        parameter.data = parameter.data.clone()


@Together
@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing of transformers on stderr: its progress bars, advice and warnings are for programmers."""
    verbosity = transformers_logging.get_verbosity()
    had_bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if had_bars:
            transformers_logging.enable_progress_bar()
