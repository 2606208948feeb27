"""BLIP's text decoder written for searching: the same sums as transformers', each done once.

transformers copies a picture's 577 states for every beam before the first step and projects each copy to keys and
values; at 16 beams that is 94 % of the projections for nothing, and every reordering of beams copies them again. Here
the keys and values are made once a picture, beams are more queries to them, and what a search remembers of its tokens
is a `PrefixTree`. On the CPU the weights are packed for oneDNN as well, and the plain ones let go.

The search stays transformers' generate. Whether all this works with the installed transformers and torch is decided by
`is_supported`, on a tiny model; where it does not, the plain decoder goes on being used.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import BlipTextConfig, GenerationMixin
from transformers.modeling_outputs import CausalLMOutputWithCrossAttentions
from transformers.models.blip.modeling_blip_text import BlipTextLMHeadModel, BlipTextPreTrainedModel

from captioner.models.blip_cache import PictureKeys, PrefixTree

_log = logging.getLogger(__name__)

# The row count oneDNN lays packed weights out for; measured equal from 4 to 577 rows, and better than a hint of 1.
_PACKED_ROWS = 16


class PackedLinear(nn.Module):
    """A linear layer with its weights in oneDNN's own order, which saves the reordering at every call (CPU, fp32).

    Uses private operators of torch: only behind `is_supported`.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        super().__init__()
        self.size_bytes = (weight.numel() + bias.numel()) * weight.element_size()
        self._bias = bias.detach().clone()
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), _PACKED_ROWS)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(rows, in) -> (rows, out)."""
        return torch.ops.mkldnn._linear_pointwise(inputs, self._packed, self._bias, "none", [], "")


class FusedLinear(nn.Module):
    """A linear layer of given weights, for devices where nothing is to be packed."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach(), requires_grad=False)
        self.bias = nn.Parameter(bias.detach(), requires_grad=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(rows, in) -> (rows, out)."""
        return F.linear(inputs, self.weight, self.bias)


def _joined(layers: Sequence[Any], is_packed: bool) -> nn.Module:
    """One linear layer whose output is those of several side by side."""
    weight = torch.cat([layer.weight for layer in layers]) if len(layers) > 1 else layers[0].weight
    bias = torch.cat([layer.bias for layer in layers]) if len(layers) > 1 else layers[0].bias
    return (PackedLinear if is_packed else FusedLinear)(weight, bias)


class FastLayer(nn.Module):
    """One layer of the decoder: self-attention over the tree, cross-attention to the picture, feed-forward."""

    def __init__(self, plain: Any, is_packed: bool) -> None:
        """Args: plain: a transformers BlipTextLayer."""
        super().__init__()
        itself, cross = plain.attention, plain.crossattention
        self.heads = itself.self.num_attention_heads
        self.query_key_value = _joined([itself.self.query, itself.self.key, itself.self.value], is_packed)
        self.self_out = _joined([itself.output.dense], is_packed)
        self.self_norm = itself.output.LayerNorm
        self.cross_query = _joined([cross.self.query], is_packed)
        self.cross_key_value = _joined([cross.self.key, cross.self.value], is_packed)
        self.cross_out = _joined([cross.output.dense], is_packed)
        self.cross_norm = cross.output.LayerNorm
        self.widen = _joined([plain.intermediate.dense], is_packed)
        self.activation = plain.intermediate.intermediate_act_fn
        self.narrow = _joined([plain.output.dense], is_packed)
        self.norm = plain.output.LayerNorm

    def keys_of(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(1, image tokens, width) -> cross-attention keys and values, (1, heads, image tokens, head size)."""
        keys, values = self.cross_key_value(states[0]).chunk(2, dim=-1)
        return self._by_head(keys).contiguous(), self._by_head(values).contiguous()

    def forward(
        self,
        hidden: torch.Tensor,
        layer: int,
        tree: PrefixTree,
        mask: torch.Tensor,
        spans: Sequence[tuple[int, int, int]],
    ) -> torch.Tensor:
        """(nodes, width) -> the same. mask, spans: see `blip_cache.Growth`."""
        query, key, value = self.query_key_value(hidden).chunk(3, dim=-1)
        keys, values = tree.append(layer, self._by_head(key), self._by_head(value))
        seen = F.scaled_dot_product_attention(self._by_head(query), keys, values, attn_mask=mask)
        hidden = self.self_norm(self.self_out(self._joined_heads(seen)) + hidden)

        query = self._by_head(self.cross_query(hidden))
        seen_of_pictures = [
            F.scaled_dot_product_attention(query[:, :, begin:end], *tree.pictures[picture].layers[layer])
            for picture, begin, end in spans
        ]
        seen = torch.cat(seen_of_pictures, dim=2) if len(seen_of_pictures) > 1 else seen_of_pictures[0]
        hidden = self.cross_norm(self.cross_out(self._joined_heads(seen)) + hidden)

        return self.norm(self.narrow(self.activation(self.widen(hidden))) + hidden)

    def _by_head(self, rows: torch.Tensor) -> torch.Tensor:
        """(rows, width) -> (1, heads, rows, head size)."""
        return rows.view(1, rows.shape[0], self.heads, -1).transpose(1, 2)

    def _joined_heads(self, seen: torch.Tensor) -> torch.Tensor:
        """(1, heads, rows, head size) -> (rows, width)."""
        return seen.transpose(1, 2).reshape(seen.shape[2], -1)


class FastTextDecoder(BlipTextPreTrainedModel, GenerationMixin):
    """A BlipTextLMHeadModel for generate, made from a plain one, with `PrefixTree` as its only cache."""

    def __init__(self, plain: Any, is_packed: bool) -> None:
        """Takes the plain decoder's layers out of it one by one, so that no two copies of all weights are in memory."""
        super().__init__(plain.config)
        self.generation_config = plain.generation_config
        self.embeddings = plain.bert.embeddings
        plain_layers = plain.bert.encoder.layer
        self.layers = nn.ModuleList()
        while len(plain_layers):
            self.layers.append(FastLayer(plain_layers[0], is_packed))
            del plain_layers[0]
        transform = plain.cls.predictions.transform
        self.transform = _joined([transform.dense], is_packed)
        self.transform_activation = transform.transform_act_fn
        self.transform_norm = transform.LayerNorm
        self.head = _joined([plain.cls.predictions.decoder], is_packed)
        self._tree: PrefixTree | None = None

    @property
    def packed_bytes(self) -> int:
        """What packed weights take; they are no parameters."""
        return sum(module.size_bytes for module in self.modules() if isinstance(module, PackedLinear))

    def keys_of(self, states: torch.Tensor) -> PictureKeys:
        """A picture's cross-attention keys and values. Args: states: (1, image tokens, width)."""
        return PictureKeys(tuple(layer.keys_of(states) for layer in self.layers))

    def forward(
        self, input_ids: torch.Tensor, past_key_values: PrefixTree, logits_to_keep: int = 1, **_: Any
    ) -> CausalLMOutputWithCrossAttentions:
        """The scores of each row's next token, (rows, 1, vocabulary). What else generate passes has no meaning here."""
        tree = self._tree = past_key_values
        growth = tree.grow(input_ids)
        embeddings = self.embeddings
        hidden = embeddings.word_embeddings(growth.tokens) + embeddings.position_embeddings(growth.positions)
        hidden = embeddings.LayerNorm(hidden)
        for number, layer in enumerate(self.layers):
            hidden = layer(hidden, number, tree, growth.mask, growth.spans)
        hidden = hidden[growth.last]
        hidden = self.transform_norm(self.transform_activation(self.transform(hidden)))
        scores = self.head(hidden)[growth.rows]
        return CausalLMOutputWithCrossAttentions(logits=scores[:, None], past_key_values=tree)

    def _check_early_stop_heuristic(self, *arguments: Any, **keywords: Any) -> torch.Tensor:
        """As generate's own, which decides picture by picture whether the search goes on; ended ones cost no more.

        A hook into transformers 5; without it ended rows are merely computed on.
        """
        is_open: torch.Tensor = super()._check_early_stop_heuristic(*arguments, **keywords)  # (cells, 1)
        tree = self._tree
        if tree is not None and len(is_open) > 1:
            tree.stop_cells(is_open.squeeze(1))
        return is_open


@functools.cache
def is_supported(is_packed: bool) -> bool:
    """True when the fast decoder gives the plain one's scores with the installed transformers and torch.

    Tried once a process on a tiny model; a failure is logged, once, and means slower captions, not others.
    """
    try:
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            torch.manual_seed(0)
            difference = _difference(is_packed)
    except Exception as error:  # noqa: BLE001 - whatever a later version changed, the plain decoder still works
        _log.warning("fast BLIP decoding is off (%s: %s); captions take longer", type(error).__name__, error)
        return False
    if not difference < 1e-3:
        _log.warning("fast BLIP decoding is off (its scores differ by %g); captions take longer", difference)
        return False
    return True


def _difference(is_packed: bool) -> float:
    """The largest difference of scores between both decoders: a prompt of two tokens, then two rows go on from it."""
    config = BlipTextConfig(
        vocab_size=24,
        hidden_size=16,
        encoder_hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=8,
        initializer_range=0.5,
        bos_token_id=1,
        sep_token_id=2,
        eos_token_id=2,
    )
    plain = BlipTextLMHeadModel(config).eval()
    states = torch.randn(1, 5, 16)
    rows = torch.tensor([[1, 2, 3], [1, 2, 4], [1, 2, 3]])
    expected = plain(rows, encoder_hidden_states=states.expand(3, -1, -1)).logits[:, 1:]
    fast = FastTextDecoder(plain, is_packed).eval()
    tree = PrefixTree([fast.keys_of(states)], [0, 0, 0], 1, config.vocab_size)
    after_prompt = fast(rows[:, :2], tree).logits[:, 0]
    tree.reorder_cache(torch.tensor([1, 0, 2]))
    after_token = fast(rows[:, 2:], tree).logits[:, 0]
    return float((torch.stack((after_prompt, after_token), dim=1) - expected).abs().max())
