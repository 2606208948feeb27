"""Token ids -> CLIP text features, exactly as open_clip's `encode_text` gives them, in a fraction of the time.

`encode_text` runs all 77 positions of every text; labels have five to ten tokens. CLIP's text tower is causal and
pools at the end token, so positions after it change nothing, and texts with a common beginning share that beginning's
keys and values. The tests compare every path here with `encode_text`. Knows no pictures and no vocabulary.

Shapes: N texts, T positions run, P positions of a shared prefix, W width, H heads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from captioner.models.memory import in_halves, make_room

# Tokens a run: enough to fill the processor, few enough to stay in its caches (a CPU) or memory (a GPU).
_CPU_RUN_TOKENS = 2048
_CUDA_RUN_TOKENS = 32_768
# How many keys and values a run may hold for each of its tokens, where texts share a long beginning.
_KEYS_A_TOKEN = 4
# The number of tokens that packed weights are laid out for; any other works too.
_PACKED_ROWS = 512
_QUICK_GELU = 1.702

_KeysValues = list[tuple[Tensor, Tensor]]  # a layer's keys and values, each (1, H, P, W/H)
_Map = Callable[[Tensor], Tensor]


def text_tower(model: Any) -> CausalTextTower | PlainTextTower:
    """The fast runner for a model whose text tower is CLIP's own, the plain one for any other."""
    return CausalTextTower(model) if CausalTextTower.fits(model) else PlainTextTower(model)


class PlainTextTower:
    """open_clip's own `encode_text` in batches: for text towers of another build (CoCa's)."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._device = next(model.parameters()).device
        self.size_bytes = 0

    def encode(self, tokens: Tensor) -> Tensor:
        """Features (N, width) in float32, not normalised, of token ids (N, context) as the tokenizer gives them."""

        def run(rows: Sequence[int]) -> Tensor:
            features: Tensor = self._model.encode_text(tokens[list(rows)].to(self._device)).float()
            return features

        return _in_own_order(run, _groups(range(len(tokens)), 64 if self._device.type == "cpu" else 512))

    def encode_continuations(self, tokens: Tensor) -> Tensor:
        """As `encode`; nothing can be shared here."""
        return self.encode(tokens)

    def encode_variants(self, tokens: Tensor) -> Tensor:
        """As `encode`; nothing can be shared here."""
        return self.encode(tokens)

    def lengths(self, tokens: Tensor) -> Tensor:
        """Positions that take time: all of them, for every text."""
        return torch.full((len(tokens),), tokens.shape[1])


class CausalTextTower:
    """CLIP's text transformer, run on each text's own tokens only.

    size_bytes: what it holds beside the model: packed copies of the weights, on a CPU that has them.
    """

    def __init__(self, model: Any) -> None:
        text = getattr(model, "text", model)
        blocks = text.transformer.resblocks
        self._text = text
        self._heads = blocks[0].attn.num_heads
        self._dtype = text.transformer.get_cast_dtype()
        self._device = text.token_embedding.weight.device
        self._run_tokens = _CPU_RUN_TOKENS if self._device.type == "cpu" else _CUDA_RUN_TOKENS
        is_packed = _packing_works(blocks[0])
        make = _packed_layer if is_packed else _plain_layer
        weights = sum(p.numel() * p.element_size() for p in text.transformer.parameters() if p.ndim > 1)
        self.size_bytes = weights if is_packed else 0
        make_room(self.size_bytes)
        self._layers = [make(block) for block in blocks]

    @staticmethod
    def fits(model: Any) -> bool:
        """Whether the text tower is the one this runner knows: causal, pooled at the largest id, plain blocks."""
        from open_clip.transformer import ResidualAttentionBlock

        text = getattr(model, "text", model)
        blocks = getattr(getattr(text, "transformer", None), "resblocks", None)
        pool = getattr(model, "text_pool_type", getattr(text, "pool_type", None))
        return (
            blocks is not None
            and all(type(block) is ResidualAttentionBlock for block in blocks)
            and pool == "argmax"
            and getattr(text, "attn_mask", None) is not None
            and getattr(text, "cls_emb", None) is None
        )

    def lengths(self, tokens: Tensor) -> Tensor:
        """Positions up to and with the end token, which has the largest id."""
        return tokens.argmax(dim=-1) + 1

    def encode(self, tokens: Tensor) -> Tensor:
        """Features (N, width) in float32, not normalised, of token ids (N, context)."""
        return self._in_buckets(tokens, self.lengths(tokens), None)

    def encode_continuations(self, tokens: Tensor) -> Tensor:
        """As `encode`, for texts with a common beginning: it is run once, and each text's remainder on top of it.

        The common beginning is found by columns of ids, not by characters, since a tokenizer may join characters over
        the seam.
        """
        lengths = self.lengths(tokens)
        differs = (tokens != tokens[:1]).any(dim=0)
        shared = int(differs.int().argmax()) if bool(differs.any()) else tokens.shape[1]
        shared = min(shared, int(lengths.min()) - 1)  # at least the end token is run for each
        if shared < 1 or len(tokens) < 2:
            return self.encode(tokens)
        with torch.inference_mode():
            prefix = self._keys_values(tokens[:1, :shared])
        return self._in_buckets(tokens[:, shared:], lengths - shared, prefix)

    def encode_variants(self, tokens: Tensor) -> Tensor:
        """As `encode`, for texts that begin alike to various lengths, as with one word changed: each beginning once."""
        ids, lengths = tokens.cpu().numpy(), self.lengths(tokens).cpu().numpy()
        in_order = np.lexsort(ids.T[::-1]).tolist()

        def run(rows: Sequence[int]) -> Tensor:
            members = np.asarray(rows)
            return self._run_tree(_tree(ids[members], lengths[members])).float()

        return _in_own_order(run, _groups(in_order, max(1, self._run_tokens // int(lengths.max()))))

    def _in_buckets(self, tokens: Tensor, lengths: Tensor, prefix: _KeysValues | None) -> Tensor:
        def run(rows: Sequence[int]) -> Tensor:
            members = torch.tensor(rows)
            longest = int(lengths[members].max())
            return self._run(tokens[members, :longest], lengths[members] - 1, prefix).float()

        shared = prefix[0][0].shape[2] if prefix else 0
        return _in_own_order(run, _buckets(lengths, self._run_tokens, shared))

    def _embed(self, tokens: Tensor, start: int) -> Tensor:
        return self._embed_at(tokens, torch.arange(start, start + tokens.shape[1], device=tokens.device))

    def _embed_at(self, tokens: Tensor, positions: Tensor) -> Tensor:
        embedded: Tensor = self._text.token_embedding(tokens).to(self._dtype)
        return embedded + self._text.positional_embedding[positions].to(self._dtype)

    def _heads_of(self, projected: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, T, 3W) -> queries, keys, values, each (N, H, T, W/H)."""
        n, t, triple = projected.shape
        split = projected.view(n, t, 3, self._heads, triple // 3 // self._heads)
        return tuple(split.permute(2, 0, 3, 1, 4).unbind())  # type: ignore[return-value]

    def _keys_values(self, tokens: Tensor) -> _KeysValues:
        """Every layer's keys and values of one prefix (1, P)."""
        x = self._embed(tokens.to(self._device), 0)
        kept: _KeysValues = []
        for layer in self._layers:
            block = layer.block
            q, k, v = self._heads_of(layer.in_projection(block.ln_1(x)))
            kept.append((k, v))
            attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + block.ls_1(layer.out_projection(_joined(attended)))
            x = x + block.ls_2(layer.mlp(block.ln_2(x)))
        return kept

    def _run(self, tokens: Tensor, ends: Tensor, prefix: _KeysValues | None) -> Tensor:
        """Features of texts (N, T) whose end token is at `ends` (N,), behind an optional shared prefix."""
        tokens, ends = tokens.to(self._device), ends.to(self._device)
        n, t = tokens.shape
        p = prefix[0][0].shape[2] if prefix else 0
        rows = torch.arange(n, device=self._device)
        x = self._embed(tokens, p)
        seen = torch.ones(t, p + t, dtype=torch.bool, device=self._device).tril(p) if p else None
        last = len(self._layers) - 1
        for index, layer in enumerate(self._layers):
            block = layer.block
            q, k, v = self._heads_of(layer.in_projection(block.ln_1(x)))
            if prefix:
                k = torch.cat((prefix[index][0].expand(n, -1, -1, -1), k), dim=2)
                v = torch.cat((prefix[index][1].expand(n, -1, -1, -1), v), dim=2)
            if index == last:  # behind its keys and values only the end token matters
                until_end = torch.arange(p + t, device=self._device) <= (p + ends)[:, None]
                attended = F.scaled_dot_product_attention(
                    q[rows, :, ends][:, :, None], k, v, attn_mask=until_end[:, None, None]
                )
                x = x[rows, ends] + block.ls_1(layer.out_projection(_joined(attended)[:, 0]))
            else:
                attended = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, is_causal=seen is None)
                x = x + block.ls_1(layer.out_projection(_joined(attended)))
            x = x + block.ls_2(layer.mlp(block.ln_2(x)))
        return self._projected(x)

    def _run_tree(self, tree: _Tree) -> Tensor:
        """Features of a tree's texts, (members, width): linear layers see each node once, attention each text's own."""
        tokens, rows, positions, paths, ends = (
            torch.from_numpy(array).to(self._device)
            for array in (tree.tokens, tree.rows, tree.positions, tree.paths, tree.ends)
        )
        texts = torch.arange(len(paths), device=self._device)
        until_end = torch.arange(paths.shape[1], device=self._device) <= ends[:, None]
        x = self._embed_at(tokens, positions)
        for index, layer in enumerate(self._layers):
            block = layer.block
            q, k, v = self._heads_of(layer.in_projection(block.ln_1(x))[paths])
            if index == len(self._layers) - 1:  # behind its keys and values only the end token matters
                q = q[texts, :, ends][:, :, None]
                attended = F.scaled_dot_product_attention(q, k, v, attn_mask=until_end[:, None, None])
                x = x[paths[texts, ends]] + block.ls_1(layer.out_projection(_joined(attended)[:, 0]))
            else:
                attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
                x = x + block.ls_1(layer.out_projection(_joined(attended)[rows, positions]))
            x = x + block.ls_2(layer.mlp(block.ln_2(x)))
        return self._projected(x)

    def _projected(self, x: Tensor) -> Tensor:
        """What the last layer left of end tokens -> features."""
        x = self._text.ln_final(x)
        projection = self._text.text_projection
        if projection is None:
            return x
        projected: Tensor = projection(x) if isinstance(projection, torch.nn.Linear) else x @ projection
        return projected


@dataclass(frozen=True)
class _Tree:
    """Texts as the tree of their beginnings; a node is a token behind what comes before it.

    tokens, rows, positions: of each node, its own token, and where it was seen first.
    paths: (members, T), each text's nodes, any behind its end. ends: positions of the end tokens.
    """

    tokens: NDArray[np.int64]
    rows: NDArray[np.int64]
    positions: NDArray[np.int64]
    paths: NDArray[np.int64]
    ends: NDArray[np.int64]


def _tree(tokens: NDArray[np.int64], lengths: NDArray[np.int64]) -> _Tree:
    """Args: tokens: (N, context), in the order of their ids. lengths: with the end token."""
    places = np.arange(int(lengths.max()))
    tokens = tokens[:, : len(places)]
    alike = np.cumprod(tokens[1:] == tokens[:-1], axis=1).sum(axis=1)
    shared = np.minimum(np.concatenate(([0], alike)), lengths - 1)  # the end token of each is a node of its own
    is_new = (places >= shared[:, None]) & (places < lengths[:, None])
    numbers = np.where(is_new, is_new.cumsum().reshape(is_new.shape) - 1, 0)
    paths = np.maximum.accumulate(numbers, axis=0)  # what is shared is the latest node at that place
    rows, positions = np.nonzero(is_new)
    return _Tree(tokens[rows, positions], rows, positions, paths, lengths - 1)


def _joined(attended: Tensor) -> Tensor:
    """(N, H, T, W/H) -> (N, T, W)."""
    return attended.transpose(1, 2).flatten(2)


@dataclass(frozen=True)
class _Layer:
    """A block of the transformer with its three linear stretches. mlp: widen, activate, narrow."""

    block: Any
    in_projection: _Map
    out_projection: _Map
    mlp: _Map


def _plain_layer(block: Any) -> _Layer:
    weight, bias = block.attn.in_proj_weight, block.attn.in_proj_bias
    return _Layer(block, lambda x: F.linear(x, weight, bias), block.attn.out_proj, block.mlp)


def _packed_layer(block: Any) -> _Layer:
    """A layer whose weights are laid out for the CPU once; F.linear does that again in every call.

    And with the activation made while the CPU still has the numbers at hand: together a fifth of the time of label
    batches (torch 2.15). Private to torch, hence `_packing_works`. It can go when `F.linear` is as fast with a weight
    it has seen before.
    """
    quick = type(block.mlp.gelu).__name__ == "QuickGELU"
    scale = _QUICK_GELU if quick else 1.0  # x * sigmoid(1.702 x) is swish(1.702 x) / 1.702
    widen, narrow = block.mlp.c_fc, block.mlp.c_proj
    activation = ("swish", "") if quick else ("gelu", "none")
    wide = _packed_linear(widen.weight * scale, widen.bias * scale, activation)
    back = _packed_linear(narrow.weight / scale, narrow.bias)
    return _Layer(
        block,
        _packed_linear(block.attn.in_proj_weight, block.attn.in_proj_bias),
        _packed_linear(block.attn.out_proj.weight, block.attn.out_proj.bias),
        lambda x: back(wide(x)),
    )


def _packed_linear(weight: Tensor, bias: Tensor, activation: tuple[str, str] = ("none", "")) -> _Map:
    kind, algorithm = activation
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), _PACKED_ROWS)
    bias = bias.detach()
    return lambda x: torch.ops.mkldnn._linear_pointwise(  # type: ignore[no-any-return]
        x, packed, bias, kind, [], algorithm
    )


def _packing_works(block: Any) -> bool:
    """Whether this torch has packed layers for such a block, and they compute what the block itself does."""
    weight = block.mlp.c_fc.weight
    if weight.device.type != "cpu" or weight.dtype is not torch.float32 or not torch.backends.mkldnn.is_available():
        return False
    with torch.inference_mode():
        x = torch.linspace(-1, 1, 3 * weight.shape[1]).view(1, 3, -1)
        plain = _plain_layer(block)
        try:
            packed = _packed_layer(block)
            pairs = [
                (packed.in_projection(x), plain.in_projection(x)),
                (packed.out_projection(x), plain.out_projection(x)),
                (packed.mlp(x), plain.mlp(x)),
            ]
        except (AttributeError, RuntimeError, TypeError):  # gone, or with other arguments
            return False
        return all(
            bool(torch.allclose(found, wanted, rtol=1e-4, atol=1e-5 * float(wanted.abs().max())))
            for found, wanted in pairs
        )


def _buckets(lengths: Tensor, run_tokens: int, shared: int = 0) -> Iterator[list[int]]:
    """Row numbers in order of length, in groups of at most `run_tokens` padded tokens.

    Args: shared: of a common beginning, whose keys and values each row has too: of those a group has `_KEYS_A_TOKEN`
        times as many at most.
    """
    order = torch.argsort(lengths, stable=True)
    ordered = lengths[order].tolist()
    start = 0
    while start < len(ordered):
        end = start + 1
        while (
            end < len(ordered)
            and (end + 1 - start) * ordered[end] <= run_tokens
            and (end + 1 - start) * (shared + ordered[end]) <= _KEYS_A_TOKEN * run_tokens
        ):
            end += 1
        yield order[start:end].tolist()
        start = end


def _groups(rows: Sequence[int], at_once: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(rows), at_once):
        yield rows[start : start + at_once]


def _in_own_order(run: Callable[[Sequence[int]], Tensor], groups: Iterable[Sequence[int]]) -> Tensor:
    """Features of all rows, of groups that together are all of them; a group that finds no memory is halved.

    Raises: OutOfMemory: not even one text fits.
    """
    ran: list[Tensor] = []
    order: list[int] = []

    def noted(rows: Sequence[int]) -> Sequence[int]:
        with torch.inference_mode():
            ran.append(run(rows))
        order.extend(rows)
        return rows

    for rows in groups:
        in_halves(noted, rows)
    found = torch.cat(ran)
    features = torch.empty_like(found)
    features[torch.tensor(order, device=found.device)] = found
    return features
