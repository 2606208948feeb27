"""BLIP written for searching many sentences of one picture: the same sums as transformers', each done once.

transformers copies a picture's 577 states for every beam before the first step and projects each copy to keys and
values; at 16 beams that is 94 % of the projections for nothing, and every reordering of beams copies them again. Here
the keys and values are made once a picture, beams are more queries to them, and what a search remembers of its tokens
is a `PrefixTree`. The picture tower keeps transformers' code but for its attention. On the CPU the weights are packed
for oneDNN as well, and the plain ones let go.

The search stays transformers' generate. Whether all this works with the installed transformers and torch is decided by
`selfcheck`, on a tiny model; where it does not, plain transformers goes on being used.
"""

from __future__ import annotations

import functools
import logging
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import BlipTextPreTrainedModel, GenerationMixin
from transformers.modeling_outputs import CausalLMOutputWithCrossAttentions

from captioner.models.blip.cache import PictureKeys
from captioner.models.blip.tree import AttentionInputs, PrefixTree

if TYPE_CHECKING:
    from captioner.models.blip.graphs import StepGraphs

_log = logging.getLogger(__name__)

# The row count oneDNN lays packed weights out for; measured equal from 4 to 577 rows, and better than a hint of 1.
_PACKED_ROWS = 16


class PackedLinear(nn.Module):
    """A linear layer with its weights in oneDNN's own order, which saves the reordering at every call (CPU, fp32).

    Uses private operators of torch: only behind `selfcheck`.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        super().__init__()
        self.size_bytes = (weight.numel() + bias.numel()) * weight.element_size()
        self._bias = bias.detach().clone()
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), _PACKED_ROWS)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(..., in) -> (..., out)."""
        return torch.ops.mkldnn._linear_pointwise(inputs, self._packed, self._bias, "none", [], "")


class TiedLinear(nn.Module):
    """A linear layer on another one's weights as they are, by oneDNN, which needs no packed copy (CPU, fp32).

    For the decoder's head, whose weights are the words' embeddings too: packed beside them they would take 94 MB more,
    and save 3 ms of the 28 that a step of 16 beams takes. Uses a private operator: only behind `selfcheck`.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        super().__init__()
        self._weight = weight  # no parameter of this module: the embeddings count and move it
        self._bias = bias.detach().clone()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(..., in) -> (..., out)."""
        return torch.ops.mkldnn._linear_pointwise(inputs, self._weight, self._bias, "none", [], "")


class FusedLinear(nn.Module):
    """A linear layer of given weights, for devices where nothing is to be packed."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        super().__init__()
        self.weight = _as_parameter(weight)
        self.bias = _as_parameter(bias)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(..., in) -> (..., out)."""
        return F.linear(inputs, self.weight, self.bias)


class HeadLinear(FusedLinear):
    """The decoder's head for such devices. On CUDA its products come out in fp32 whatever the weights are.

    In fp16 logits of different words are often equal, 0.3 % of neighbours among the best 17, and beams trade places.
    """

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(rows, width) -> (rows, vocabulary)."""
        if inputs.is_cuda and inputs.dtype != torch.float32 and gives_fp32(inputs.device, inputs.dtype):
            return torch.mm(inputs, self.weight.T, out_dtype=torch.float32) + self.bias
        return super().forward(inputs)


@functools.cache
def gives_fp32(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether a product of this precision can come out in fp32 there, by trying a small one once; logged where not.

    torch has it for NVIDIA's cards alone, and AMD's are "cuda" to it too.
    """
    ones = torch.ones(16, 16, device=device, dtype=dtype)
    try:
        product = torch.mm(ones, ones, out_dtype=torch.float32)
    except (RuntimeError, TypeError) as error:
        _log.warning("No product of %s in fp32 on %s, so logits may tie: %s", dtype, device, error)
        return False
    return bool((product == 16.0).all())


def _as_parameter(tensor: torch.Tensor) -> nn.Parameter:
    """One that a module has already stays the same, so that a layer on another one's weights moves along with it."""
    if isinstance(tensor, nn.Parameter):
        return tensor
    return nn.Parameter(tensor.detach(), requires_grad=False)


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

    def forward(self, hidden: torch.Tensor, layer: int, inputs: AttentionInputs) -> torch.Tensor:
        """(nodes, width) -> the same. Args: layer: which one this is."""
        query, key, value = self.query_key_value(hidden).chunk(3, dim=-1)
        keys, values = inputs.put(layer, self._by_head(key), self._by_head(value))
        seen = F.scaled_dot_product_attention(self._by_head(query), keys, values, attn_mask=inputs.mask)
        hidden = self.self_norm(self.self_out(self._joined_heads(seen)) + hidden)

        query = self.cross_query(hidden)
        seen_of_pictures = [
            self._seen_of(query[begin:end], *inputs.pictures[picture].layers[layer])
            for picture, begin, end in inputs.spans
        ]
        seen = torch.cat(seen_of_pictures) if len(seen_of_pictures) > 1 else seen_of_pictures[0]
        hidden = self.cross_norm(self.cross_out(seen) + hidden)

        return self.norm(self.narrow(self.activation(self.widen(hidden))) + hidden)

    def _seen_of(self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """What queries find in a picture, (rows, width) -> the same; of several pictures each has equally many rows."""
        pictures, heads, _, size = keys.shape
        query = query.view(pictures, -1, heads, size).transpose(1, 2)
        return F.scaled_dot_product_attention(query, keys, values).transpose(1, 2).reshape(-1, heads * size)

    def _by_head(self, rows: torch.Tensor) -> torch.Tensor:
        """(rows, width) -> (1, heads, rows, head size)."""
        return rows.view(1, rows.shape[0], self.heads, -1).transpose(1, 2)

    def _joined_heads(self, seen: torch.Tensor) -> torch.Tensor:
        """(1, heads, rows, head size) -> (rows, width)."""
        return seen.transpose(1, 2).reshape(seen.shape[2], -1)


class _Search(threading.local):
    """The search that a thread is at. tree: its own, which must not outlive it."""

    tree: weakref.ref[PrefixTree] | None = None


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
        head = plain.cls.predictions.decoder
        is_tied = head.weight is self.embeddings.word_embeddings.weight
        self.head: nn.Module
        if is_packed:
            self.head = TiedLinear(head.weight.detach(), head.bias) if is_tied else _joined([head], is_packed)
        else:
            self.head = HeadLinear(head.weight, head.bias)
        self._search = _Search()
        self.graphs: StepGraphs | None = None  # runs the steps where there is one

    def keys_of(self, states: torch.Tensor) -> PictureKeys:
        """A picture's cross-attention keys and values. Args: states: (1, image tokens, width)."""
        return PictureKeys(tuple(layer.keys_of(states) for layer in self.layers))

    def forward(
        self, input_ids: torch.Tensor, cache: PrefixTree, logits_to_keep: int = 1, **_: Any
    ) -> CausalLMOutputWithCrossAttentions:
        """The scores of each row's next token, (rows, 1, vocabulary). What else generate passes has no meaning here."""
        tree = cache
        self._search.tree = weakref.ref(tree)
        growth = tree.grow(input_ids)
        if self.graphs is not None:
            scores = self.graphs.scores(growth, tree)
        else:
            inputs = AttentionInputs(tree.store.put, tree.pictures, growth.mask, growth.spans)
            scores = self.scores(growth.tokens, growth.positions, inputs, growth.last)
        return CausalLMOutputWithCrossAttentions(
            logits=tree.scores_of_rows(scores, growth.rows)[:, None],
            cache=tree,
        )

    def scores(
        self, tokens: torch.Tensor, positions: torch.Tensor, inputs: AttentionInputs, wanted: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The scores of what follows some of the nodes, (wanted, vocabulary).

        Args: tokens, positions: of all nodes, (nodes,). wanted: numbers of nodes; None for all.
        """
        embeddings = self.embeddings
        hidden = embeddings.word_embeddings(tokens) + embeddings.position_embeddings(positions)
        hidden = embeddings.LayerNorm(hidden)
        for number, layer in enumerate(self.layers):
            hidden = layer(hidden, number, inputs)
        hidden = hidden if wanted is None else hidden[wanted]
        found: torch.Tensor = self.head(self.transform_norm(self.transform_activation(self.transform(hidden))))
        return found

    def _check_early_stop_heuristic(self, *arguments: Any, **keywords: Any) -> torch.Tensor:
        """As generate's own, which decides picture by picture whether the search goes on; ended ones cost no more.

        A hook into transformers 5; without it ended rows are merely computed on.
        """
        is_open: torch.Tensor = super()._check_early_stop_heuristic(*arguments, **keywords)  # (cells, 1)
        tree = self._search.tree() if self._search.tree else None
        if tree is not None and len(is_open) > 1:
            tree.stop_cells(is_open.squeeze(1))
        return is_open


class FastPictureAttention(nn.Module):
    """The picture tower's attention without a matrix of all tokens by all tokens in memory."""

    def __init__(self, plain: Any, is_packed: bool) -> None:
        """Args: plain: a transformers BlipAttention."""
        super().__init__()
        self.heads = plain.num_heads
        self.query_key_value = _joined([plain.qkv], is_packed)
        self.out = _joined([plain.projection], is_packed)

    def forward(self, hidden_states: torch.Tensor, **_: Any) -> tuple[torch.Tensor, None]:
        """(pictures, tokens, width) -> the same, and no attention weights."""
        pictures, tokens, width = hidden_states.shape
        by_kind = self.query_key_value(hidden_states).view(pictures, tokens, 3, self.heads, width // self.heads)
        query, key, value = by_kind.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value)
        return self.out(seen.transpose(1, 2).reshape(pictures, tokens, width)), None


def speed_up(model: Any, is_packed: bool) -> None:
    """Change a BlipForConditionalGeneration in place: the fast text decoder, and a faster picture tower.

    Both at once, since to pack them takes a third of loading.

    Args: is_packed: for the CPU in fp32 only; the weights cannot be moved afterwards.
    """
    with ThreadPoolExecutor(1, "captioner-packing") as thread:
        tower = thread.submit(_speed_up_tower, model.vision_model, is_packed)
        with torch.inference_mode(False), torch.no_grad():
            model.text_decoder = FastTextDecoder(model.text_decoder, is_packed).eval()
        tower.result()


def _speed_up_tower(tower: Any, is_packed: bool) -> None:
    with torch.inference_mode(False), torch.no_grad():
        for layer in tower.encoder.layers:
            layer.self_attn = FastPictureAttention(layer.self_attn, is_packed)
            layer.mlp.fc1 = _joined([layer.mlp.fc1], is_packed)
            layer.mlp.fc2 = _joined([layer.mlp.fc2], is_packed)


def packed_bytes(model: Any) -> int:
    """What packed weights take; they are no parameters."""
    return sum(module.size_bytes for module in model.modules() if isinstance(module, PackedLinear))
