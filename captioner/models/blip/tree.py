"""The token prefixes of one search that are still alive, with the keys and values of their tokens.

A `PrefixTree` lives for one search; what its tokens left behind is in a `NodeStore`. Knows no settings, no text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from transformers import Cache

from captioner.models.blip.cache import PictureKeys

# The tree is pruned when it holds more than twice its living nodes and this many more.
_PRUNE_SLACK = 64


class NodeStore:
    """Self-attention keys and values of a tree's nodes, layer by layer, in memory that grows by doubling.

    Nodes are numbered in the order in which they came. What lies behind the last one is zeros or older nodes, never
    anything that is no number.
    """

    def __init__(self, like: PictureKeys) -> None:
        """Args: like: any picture's, for the number of layers, the sizes, the precision and the device."""
        first = like.layers[0][0]
        self.size = 0
        self.moves = 0  # how often everything moved to other memory
        self.layers: list[tuple[torch.Tensor, torch.Tensor]] = [
            (torch.zeros_like(first[:, :, :0]), torch.zeros_like(first[:, :, :0])) for _ in like.layers
        ]

    @property
    def capacity(self) -> int:
        """How many nodes the memory holds."""
        return int(self.layers[0][0].shape[2])

    @property
    def size_bytes(self) -> int:
        """What the memory takes."""
        return sum(tensor.numel() * tensor.element_size() for pair in self.layers for tensor in pair)

    def reserve(self, count: int) -> None:
        """Make room for so many nodes in all."""
        if count <= self.capacity:
            return
        capacity = max(2 * self.capacity, count, 128)
        layers = []
        for pair in self.layers:
            larger = [old.new_zeros(1, old.shape[1], capacity, old.shape[3]) for old in pair]
            for new, old in zip(larger, pair, strict=True):
                new[:, :, : self.size] = old[:, :, : self.size]
            layers.append((larger[0], larger[1]))
        self.layers = layers  # all at once: memory may run out before the last one
        self.moves += 1

    def extend(self, count: int) -> None:
        """Add so many nodes; `put` then says what they are, a layer at a time."""
        self.reserve(self.size + count)
        self.size += count

    def put(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Store the newest nodes' keys and values, (1, heads, nodes, head size); returns those of all nodes."""
        start = self.size - keys.shape[2]
        all_keys, all_values = self.layers[layer]
        all_keys[:, :, start : self.size] = keys
        all_values[:, :, start : self.size] = values
        return all_keys[:, :, : self.size], all_values[:, :, : self.size]

    def keep(self, kept: torch.Tensor) -> None:
        """Forget all nodes but those with these numbers, ascending; they are numbered anew."""
        for keys, values in self.layers:
            keys[:, :, : len(kept)] = keys[:, :, kept]
            values[:, :, : len(kept)] = values[:, :, kept]
        self.size = len(kept)

    def clear(self) -> None:
        """Forget all nodes; the memory stays, emptied of what a search that failed may have left: no numbers."""
        self.size = 0
        for keys, values in self.layers:
            keys.zero_()
            values.zero_()


@dataclass(frozen=True, slots=True)
class NewNodes:
    """The new nodes of one step of a search, which are what has to be computed.

    tokens, positions: (nodes,). mask: (nodes, nodes in the tree), 0 where a node sees another, else -inf.
    spans: for each picture its number and where its nodes begin and end; a picture's nodes are adjacent.
    last: (unique rows,), the node whose output predicts the next token. rows: (rows,), which of `last` a row reads.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    spans: tuple[tuple[int, int, int], ...]
    last: torch.Tensor
    rows: torch.Tensor


@dataclass(frozen=True, slots=True)
class AttentionInputs:
    """What a step's new nodes look at.

    put: layer, keys and values of the new nodes -> those of all nodes (`NodeStore.put`). pictures: the pictures that
    spans name by number. mask, spans: see `NewNodes`.
    """

    put: Callable[[int, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
    pictures: Sequence[PictureKeys]
    mask: torch.Tensor
    spans: Sequence[tuple[int, int, int]]


class PrefixTree(Cache):
    """Self-attention keys and values of every token prefix in a search, each held and computed once.

    A node is a token after its prefix, for one picture. Rows of the search (beams, cells of a sweep) that have the same
    picture and prefix share a node, a beam that is reordered only points elsewhere, and no keys are ever copied except
    when the tree is pruned of nodes no living row descends from. Attention masks out the nodes that are no ancestors,
    which adds exact zeros.

    transformers' generate sees a cache that knows its length and can be reordered.
    """

    def __init__(
        self,
        pictures: Sequence[PictureKeys],
        picture_of_cell: Sequence[int],
        rows_each: int,
        vocabulary_size: int,
        store: NodeStore | None = None,
        *,
        is_rounded: bool = False,
    ) -> None:
        """Args:
        picture_of_cell: indices into pictures, ascending, none left out; a cell is a sentence that is searched for.
        rows_each: how many adjacent rows a cell has (beams).
        store: one whose memory is used again; what it held is forgotten.
        is_rounded: steps are computed in rounded sizes, so that a few nodes less gain nothing. Then a device is not
            asked for what it would have to be waited for: where a picture has one cell, each row has a node of its own,
            ended ones too, and it is looked rarely whether there is something to prune.
        """
        super().__init__(layers=[])
        first_key = pictures[0].layers[0][0]
        self._dtype, self._device = first_key.dtype, first_key.device
        self._vocabulary_size = vocabulary_size
        self.pictures = pictures
        self.rows_each = rows_each
        # For each row the index of its node among the last step's; before the first step there is one a picture.
        self._node_of_row = torch.tensor(picture_of_cell, device=self._device).repeat_interleave(rows_each)
        self._picture_of_node = torch.arange(len(pictures), device=self._device)
        self._sees = torch.zeros(len(pictures), 0, dtype=torch.bool, device=self._device)  # (last nodes, all nodes)
        self._is_running: torch.Tensor | None = None
        self._is_rounded = is_rounded
        self._has_node_per_row = is_rounded and len(picture_of_cell) == len(pictures)
        self._prune_beyond = _PRUNE_SLACK
        self._length = 0
        self.store = store or NodeStore(pictures[0])
        self.store.clear()
        self._row_scores: torch.Tensor | None = None
        self.row_count = 0
        self.node_count = 0

    def grow(self, input_ids: torch.Tensor) -> NewNodes:
        """Add the tokens that a step of the search appends to its rows.

        Args: input_ids: (rows, new tokens): first the prompt, the same in all rows, then one token each.
        """
        self._prune()
        new_count = input_ids.shape[1]
        if self._length == 0:
            pictures = len(self.pictures)
            tokens = input_ids[0].repeat(pictures)
            positions = torch.arange(new_count, device=self._device).repeat(pictures)
            order = torch.arange(pictures * new_count, device=self._device)
            sees = (order[:, None] >= order) & (order[:, None] // new_count == order // new_count)
            last = torch.arange(1, pictures + 1, device=self._device) * new_count - 1
            self._sees = sees[last]
            counts = [new_count] * pictures
        else:
            assert new_count == 1, "after the prompt a search grows by one token a row"
            tokens, parents = self._next_nodes(input_ids[:, 0])
            positions = torch.full_like(tokens, self._length)
            itself = torch.eye(len(tokens), dtype=torch.bool, device=self._device)
            sees = self._sees = torch.cat((self._sees[parents], itself), dim=1)
            self._picture_of_node = self._picture_of_node[parents]
            last = torch.arange(len(tokens), device=self._device)
            counts = self._counts()
        self.store.extend(len(tokens))
        self._length += new_count
        self.row_count += input_ids.numel()
        self.node_count += len(tokens)
        mask = torch.zeros(sees.shape, dtype=self._dtype, device=self._device).masked_fill_(~sees, -torch.inf)
        return NewNodes(tokens, positions, mask, _spans(counts), last, self._node_of_row)

    def _next_nodes(self, token_of_row: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The tokens of the new nodes and which of the last step's nodes each follows; rows then know their own."""
        if self._has_node_per_row:
            parents = self._node_of_row
            self._node_of_row = torch.arange(len(parents), device=self._device)
            return token_of_row, parents
        key = self._node_of_row * self._vocabulary_size + token_of_row
        if self._is_running is None:
            unique, self._node_of_row = torch.unique(key, return_inverse=True)
        else:
            unique, inverse = torch.unique(key[self._is_running], return_inverse=True)
            self._node_of_row = torch.zeros_like(self._node_of_row)  # ended rows read any node; nobody heeds them
            self._node_of_row[self._is_running] = inverse
        return unique % self._vocabulary_size, unique // self._vocabulary_size

    def _counts(self) -> list[int]:
        """How many of the newest nodes each picture has."""
        if self._has_node_per_row:
            return [self.rows_each] * len(self.pictures)
        if len(self.pictures) == 1:
            return [len(self._picture_of_node)]
        counts: list[int] = torch.bincount(self._picture_of_node, minlength=len(self.pictures)).tolist()
        return counts

    def scores_of_rows(self, scores: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The scores of unique rows spread over all rows: (unique rows, vocabulary) -> (rows, vocabulary).

        Args: rows: as `NewNodes.rows`.
        Returns: the same tensor at every step, since generate copies it: 400 rows of BLIP's vocabulary are 49 MB, and
            new memory of that size costs 15 times the writing.
        """
        if self._row_scores is None:
            self._row_scores = scores.new_empty(len(rows), scores.shape[1])
        return torch.index_select(scores, 0, rows, out=self._row_scores)

    def stop_cells(self, is_open: torch.Tensor) -> None:
        """Compute nothing more for cells whose sentences can no longer change. Args: is_open: (cells,), booleans."""
        if self._has_node_per_row or int(is_open.sum()) in (0, len(is_open)):
            return
        self._is_running = is_open.repeat_interleave(self.rows_each)

    def _prune(self) -> None:
        if self.store.size <= self._prune_beyond:
            return
        kept = self._sees.any(dim=0).nonzero().squeeze(1)
        if self._is_rounded:
            self._prune_beyond = 2 * len(kept) + _PRUNE_SLACK
        if self.store.size > 2 * len(kept) + _PRUNE_SLACK:
            self.store.keep(kept)
            self._sees = self._sees[:, kept]

    # What transformers' generate asks of a cache.

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens in a row so far."""
        return self._length

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        """Row i goes on from where row beam_idx[i] was."""
        self._node_of_row = self._node_of_row[beam_idx]


def _spans(counts: Sequence[int]) -> tuple[tuple[int, int, int], ...]:
    """As `NewNodes.spans`. Args: counts: how many nodes each picture has."""
    spans, end = [], 0
    for picture, count in enumerate(counts):
        begin, end = end, end + count
        if count:
            spans.append((picture, begin, end))
    return tuple(spans)
