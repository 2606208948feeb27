"""An open_clip picture tower, faster on a CPU and with the same features: its linear layers go by oneDNN.

torch hands float32 products to MKL, which on some processors runs at half the speed of oneDNN. The weights stay as and
where they are, so nothing is held twice and the model moves as before. On other devices and in other precisions the
layers are torch's own. Knows no texts; for those see `text`.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def speed_up(model: Any) -> None:
    """Change an open_clip model's picture tower in place, of whatever build; without effect where oneDNN is not."""
    if hasattr(model, "visual") and _one_dnn_works():
        _replace(model.visual)


def _replace(module: nn.Module) -> None:
    for name, child in module.named_children():
        if type(child) is nn.Linear:
            setattr(module, name, CpuLinear(child))
        elif type(child) is nn.MultiheadAttention and CpuAttention.fits(child):
            setattr(module, name, CpuAttention(child))
        else:
            _replace(child)


class CpuLinear(nn.Linear):
    """Another linear layer, on its own weights. Uses a private operator of torch: only behind `_one_dnn_works`."""

    def __init__(self, plain: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = plain.in_features, plain.out_features
        self.weight, self.bias = plain.weight, plain.bias

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return _linear(inputs, self.weight, self.bias)


class CpuAttention(nn.Module):
    """Another attention, for tokens that look at each other; whatever else it is asked it leaves to that one."""

    def __init__(self, plain: nn.MultiheadAttention) -> None:
        super().__init__()
        self.plain = plain

    @staticmethod
    def fits(plain: nn.MultiheadAttention) -> bool:
        """Whether queries, keys and values have one width and biases, and rows of tokens come first."""
        return bool(
            plain.batch_first
            and plain.in_proj_weight is not None
            and plain.in_proj_bias is not None
            and plain.bias_k is None
            and not plain.add_zero_attn
        )

    def forward(self, query: Tensor, key: Tensor, value: Tensor, **options: Any) -> tuple[Tensor, Tensor | None]:
        """(pictures, tokens, width) -> the same, and the attention's weights if they are asked for."""
        plain = self.plain
        is_plain = key is query and value is query and options == {"need_weights": False, "attn_mask": None}
        if self.training or not is_plain or query.ndim != 3:
            found: tuple[Tensor, Tensor | None] = plain(query, key, value, **options)
            return found
        pictures, tokens, width = query.shape
        each = _linear(query, plain.in_proj_weight, plain.in_proj_bias)
        by_kind = each.view(pictures, tokens, 3, plain.num_heads, width // plain.num_heads).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(*by_kind.unbind()).transpose(1, 2).reshape(pictures, tokens, width)
        return _linear(seen, plain.out_proj.weight, plain.out_proj.bias), None


def _linear(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    is_fast = inputs.device.type == "cpu" and inputs.dtype is weight.dtype is torch.float32 and inputs.numel() > 0
    if not is_fast or torch.is_grad_enabled():
        return F.linear(inputs, weight, bias)
    found: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")
    return found


@functools.cache
def _one_dnn_works() -> bool:
    """Whether this torch has the operator, and it computes what `F.linear` does."""
    if not torch.backends.mkldnn.is_available():
        return False
    with torch.inference_mode():
        inputs, weight = torch.linspace(-1, 1, 24).view(1, 3, 8), torch.linspace(-2, 3, 32).view(4, 8)
        biases = (torch.linspace(0, 1, 4), None)
        try:
            pairs = [(_linear(inputs, weight, bias), F.linear(inputs, weight, bias)) for bias in biases]
        except (AttributeError, RuntimeError, TypeError):  # gone, or with other arguments
            return False
        return all(bool(torch.allclose(found, wanted, rtol=1e-4, atol=1e-5)) for found, wanted in pairs)
