"""A folder in open_clip's layout -> a model in memory, with its picture preparation and its tokenizer.

The folder is data: its configuration is held to a list of what it may say before open_clip reads it. Pictures may be
seen by open_clip's own towers or by a tower of timm that open_clip's own architectures use, which is installed code
filled from the safetensors file. Texts are read by CLIP's own tokenizer and tower only: others (SigLIP, CLIPA, roberta
and so on) would be fetched from the hub, or made by classes that the folder names.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.contract import ModelSpec
from captioner.errors import BadModel, OutOfMemory
from captioner.models.cards import put_on
from captioner.models.descriptions import (
    Rule,
    Rules,
    check_all,
    chosen,
    each,
    either,
    one_of,
    optional,
    read_description,
    real,
    switch,
    whole,
)
from captioner.models.memory import is_out_of_memory
from captioner.models.weights import check_shapes, check_weights
from taggers.clip import pairs

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

_STRIP_RATIO = 16
_RANDOM = ("normal_", "uniform_", "trunc_normal_", "kaiming_uniform_", "xavier_uniform_")
WEIGHTS = "open_clip_model.safetensors"
CONFIG = "open_clip_config.json"
_OWN_TOKENS = 49_408
"""The tokens of CLIP's own tokenizer."""

_SIDE = whole(8, 4096)
_COUNT = whole(1, 128)
_WIDTH = whole(1, 16_384)
_BLOCK: Rules = {
    "layers": _COUNT,
    "width": _WIDTH,
    "mlp_ratio": real(0.1, 32),
    "ls_init_value": optional(real(0, 10)),
    "final_ln_after_pool": switch(),
    "output_tokens": switch(),
    "act_kwargs": {"approximate": one_of("none", "tanh")},
    "norm_kwargs": {"eps": real(0, 1)},
    "block_type": one_of(None, "default", "custom"),
    **dict.fromkeys(
        ("qk_norm", "scaled_cosine_attn", "scale_heads", "scale_attn_inner", "scale_attn", "scale_fc"), switch()
    ),
}
_TEXT: Rules = {
    **_BLOCK,
    "context_length": whole(1, 1024),
    "vocab_size": whole(_OWN_TOKENS, 2_000_000),
    "heads": _COUNT,
    "embed_cls": switch(),
    "pad_id": whole(0, _OWN_TOKENS - 1),
    "eos_id": whole(0, _OWN_TOKENS - 1),
    "no_causal_mask": switch(),
    "pool_type": one_of("first", "last", "argmax", "eos", "none"),
    "proj_bias": switch(),
    "proj_type": one_of("linear", "none"),
}
_PREPROCESSING: Rules = {
    "size": either(_SIDE, each(_SIDE, 2)),
    "mode": one_of("RGB"),
    "mean": optional(each(real(-10, 10), 3)),
    "std": optional(each(real(1e-6, 10), 3)),
    "interpolation": one_of(None, "bicubic", "bilinear", "random"),
    "resize_mode": one_of(None, "shortest", "longest", "squash"),
    "fill_color": whole(0, 255),
}


@cache
def _model_rules() -> Rules:
    """What `model_cfg` may say: the fields of open_clip's own configurations that name no code and no download."""
    vision: Rules = {
        **_BLOCK,
        "layers": either(_COUNT, each(_COUNT, 4)),
        "head_width": _WIDTH,
        "patch_size": optional(whole(1, 512)),
        "image_size": either(_SIDE, each(_SIDE, 2)),
        "patch_dropout": real(0, 1),
        "attentional_pool": either(switch(), one_of("parallel", "cascade")),
        "attn_pooler_queries": whole(1, 4096),
        "attn_pooler_heads": _COUNT,
        "no_ln_pre": switch(),
        "pos_embed_type": one_of("learnable", "sin_cos_2d"),
        "pool_type": one_of("tok", "avg", "none"),
        "timm_model_name": _timm_tower(),
        "timm_model_pretrained": one_of(False),
        "timm_pool": one_of("", "avg", "avgmax", "max", "token", "map", "abs_attn", "rot_attn"),
        "timm_proj": one_of(None, "", "none", "linear", "mlp"),
        "timm_proj_bias": switch(),
        "timm_drop": real(0, 1),
        "timm_drop_path": optional(real(0, 1)),
    }
    decoder: Rules = {**_TEXT, "dim_head": _WIDTH, "n_queries": whole(1, 4096), "attn_pooler_heads": _COUNT}
    return {
        "embed_dim": _WIDTH,
        "vision_cfg": vision,
        "text_cfg": _TEXT,
        "multimodal_cfg": decoder,
        "custom_text": switch(),
        "quick_gelu": switch(),
        "init_logit_scale": real(-100, 100),
        "init_logit_bias": optional(real(-100, 100)),
        "nonscalar_logit_scale": switch(),
    }


def _timm_tower() -> Rule:
    """One of the towers of timm in open_clip's own architectures: timm takes addresses of the hub for names too."""
    open_clip = pairs.import_open_clip()
    towers = {open_clip.get_model_config(name)["vision_cfg"].get("timm_model_name") for name in open_clip.list_models()}
    return Rule("a tower that one of open_clip's own architectures has", lambda value: value in towers)


def read_config(folder: Path) -> dict[str, Any]:
    """What the folder's configuration says, with nothing in it that is not allowed.

    Raises: BadModel: weights or configuration are not there, damaged, or not as allowed. MissingPackage.
    """
    rules = _model_rules()
    check_weights(folder / WEIGHTS)
    path = folder / CONFIG
    config = read_description(path)
    model = config.get("model_cfg")
    if not isinstance(model, dict) or not all(isinstance(model.get(key), dict) for key in ("vision_cfg", "text_cfg")):
        raise BadModel(f"{path} is not an open_clip configuration; download it again.")
    check_all(model, rules, f"{path}, model_cfg")
    if config.get("preprocess_cfg") is not None:
        chosen(config["preprocess_cfg"], _PREPROCESSING, f"{path}, preprocess_cfg")
    return config


def build(
    folder: Path, config: Mapping[str, Any], device: str, spec: ModelSpec | None
) -> tuple[Any, Callable[[Image], Tensor], Callable[[Sequence[str]], Tensor]]:
    """The model in evaluation mode on `device`, picture -> its input, texts -> token ids (texts, context).

    Args: config: as `read_config` gave it. spec: the registered model that the folder holds, if it is one.
    Raises: BadModel: weights and configuration do not fit. OutOfMemory. MissingPackage.
    """
    open_clip = pairs.import_open_clip()
    weights = folder / WEIGHTS
    try:
        with _unfilled():
            check_shapes(weights, _asked_shapes(config["model_cfg"]), CONFIG)
            model, _, preprocess = open_clip.create_model_and_transforms(
                f"local-dir:{folder}",
                precision="fp16" if device.startswith("cuda") else "fp32",
                device="cpu",  # on a card it would take twice its memory: made in fp32 and turned to fp16 there
                force_quick_gelu=needs_quick_gelu(folder, config, spec),
                pretrained_text=False,
            )
        put_on(model, device)
    except BadModel:
        raise
    except Exception as error:  # open_clip and safetensors raise what they like for a damaged folder
        if is_out_of_memory(error):
            raise OutOfMemory(f"{folder.name} does not fit on {device}; use --device cpu.") from error
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = " ".join(lines)[:600] or type(error).__name__
        raise BadModel(
            f"{weights} does not fit {CONFIG} beside it, or one is damaged; download both again. {reason}"
        ) from error
    model.eval().requires_grad_(False)
    is_centred = any(type(step).__name__ == "CenterCrop" for step in preprocess.transforms)
    return (
        model,
        (lambda picture: preprocess(without_far_ends(picture))) if is_centred else preprocess,
        open_clip.SimpleTokenizer(context_length=config["model_cfg"]["text_cfg"].get("context_length", 77)),
    )


@contextmanager
def _unfilled() -> Iterator[None]:
    """Within the block a new model's tensors are not filled with random numbers, half the time of making a ViT-L.

    open_clip loads a folder's weights strictly: each tensor is filled from the file, or loading fails.
    """
    from torch.overrides import TorchFunctionMode

    class Unfilled(TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(
            self, function: Any, types: Any, args: Sequence[Any] = (), keywords: Mapping[str, Any] | None = None
        ) -> Any:
            given = keywords or {}
            if getattr(function, "__name__", "") in _RANDOM:
                return args[0] if args else given["tensor"]
            return function(*args, **given)

    with Unfilled():
        yield


def without_far_ends(picture: Image) -> Image:
    """The middle of a long strip, of which a centred square is cut out anyway, after all of it was made larger.

    That would take 13 GB for 1 x 65,000 pixels. What goes is a multiple of the shorter side at either end, so that the
    rest is resized to the same places.
    """
    width, height = picture.size
    shorter = min(width, height)
    end = (max(width, height) // shorter - _STRIP_RATIO) // 2 * shorter
    if end <= 0:
        return picture
    box = (end, 0, width - end, height) if width > height else (0, end, width, height - end)
    return picture.crop(box)


def _asked_shapes(model_config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The tensors that a configuration asks for, found without memory for them.

    open_clip itself stretches position tables that do not fit, in silence, and takes the memory first.
    """
    import torch
    from open_clip.coca_model import CoCa
    from open_clip.model import CLIP, CustomTextCLIP

    asked = copy.deepcopy(dict(model_config))
    is_custom = asked.pop("custom_text", False)
    kind = (CoCa if "multimodal_cfg" in asked else CustomTextCLIP) if is_custom else CLIP
    with torch.device("meta"):
        model = kind(**asked)
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def needs_quick_gelu(folder: Path, config: Mapping[str, Any], spec: ModelSpec | None) -> bool:
    """Whether the weights were trained with OpenAI's quick GELU, whatever the configuration says.

    open_clip builds such weights with the ordinary GELU where a configuration lacks the switch, and only warns. Its own
    table knows which repositories hold such weights, so for folders of those it is forced.
    """
    if config["model_cfg"].get("quick_gelu"):
        return True
    names = {folder.name, *(part.rpartition("--")[2] for part in folder.parts if part.startswith("models--"))}
    if spec is not None and spec.repo is not None:
        names.add(spec.repo.rpartition("/")[2])
    return any(pair.quick_gelu and pair.repository.rpartition("/")[2] in names for pair in pairs.known())
