"""taggers.clip.pictures: the fast picture towers against open_clip's own encode_image."""

from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from torch import nn

from taggers.clip import pictures
from taggers.clip.pictures import CpuAttention, CpuLinear, speed_up
from tests.tiny_clip import CONFIG, tiny_clip

VISION = CONFIG["model_cfg"]["vision_cfg"]
PIXELS = torch.linspace(-200, 200, 2 * 3 * 32 * 32).view(2, 3, 32, 32).sin()


def changed(folder: Path, **vision: Any) -> tuple[Any, Any]:
    """A model as open_clip makes it, and the same one made faster."""
    path = tiny_clip(folder, vision_cfg={**VISION, **vision})
    plain, fast = (open_clip.create_model(f"local-dir:{path}").eval().requires_grad_(False) for _ in range(2))
    speed_up(fast)
    return plain, fast


def features(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        pixels = nn.functional.interpolate(PIXELS, model.visual.image_size)
        found: torch.Tensor = model.encode_image(pixels)
    return found


@pytest.mark.parametrize(
    "vision",
    [
        {},
        {"pool_type": "avg", "ls_init_value": 0.5},
        {"attentional_pool": True, "attn_pooler_heads": 4},
        {"timm_model_name": "vit_tiny_patch16_224", "timm_model_pretrained": False, "timm_pool": "", "image_size": 224},
    ],
    ids=["CLIP's own", "averaged", "pooled by attention", "timm's"],
)
def test_pictures_have_open_clip_s_features(tmp_path: Path, vision: dict[str, Any]) -> None:
    plain, fast = changed(tmp_path, **vision)
    assert sum(isinstance(module, CpuLinear) for module in fast.visual.modules()) >= 4
    expected = features(plain)
    assert expected.std() > 0.01
    assert (features(fast) - expected).abs().max() < 2e-5
    assert fast.visual.state_dict().keys() >= {name for name in plain.visual.state_dict() if ".attn." not in name}
    assert sum(p.numel() for p in fast.parameters()) == sum(p.numel() for p in plain.parameters())


def test_half_precision_and_what_else_attention_is_asked_go_torch_s_way(tmp_path: Path) -> None:
    plain, fast = changed(tmp_path)
    tokens = torch.randn(2, 5, 32)
    ours, theirs = (model.visual.transformer.resblocks[0].attn for model in (fast, plain))
    assert isinstance(ours, CpuAttention)
    with torch.inference_mode():
        for found, expected in zip(ours(tokens, tokens, tokens), theirs(tokens, tokens, tokens), strict=True):
            assert torch.allclose(found, expected, atol=1e-6)
        hidden = torch.full((5, 5), -torch.inf).triu(1)
        asked = {"need_weights": False, "attn_mask": hidden}
        assert torch.allclose(ours(tokens, tokens, tokens, **asked)[0], theirs(tokens, tokens, tokens, **asked)[0])
        halves = [model.to(torch.bfloat16).encode_image(PIXELS.to(torch.bfloat16)) for model in (fast, plain)]
    assert torch.allclose(*halves, atol=0.1)


def test_attention_of_another_build_is_left_alone() -> None:
    for options in ({"batch_first": False}, {"bias": False}, {"kdim": 4}, {"add_zero_attn": True}):
        assert not CpuAttention.fits(nn.MultiheadAttention(8, 2, **{"batch_first": True, **options}))


def test_nothing_is_changed_where_the_operator_computes_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures._one_dnn_works.cache_clear()
    try:
        assert pictures._one_dnn_works() == torch.backends.mkldnn.is_available()
        pictures._one_dnn_works.cache_clear()
        monkeypatch.setattr(pictures, "_linear", lambda inputs, weight, bias: inputs @ weight.T * 1.01)
        _, fast = changed(tmp_path)
        assert not any(isinstance(module, CpuLinear | CpuAttention) for module in fast.modules())
    finally:
        pictures._one_dnn_works.cache_clear()
