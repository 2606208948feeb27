"""Given rows of tokens -> what BLIP would say after each of them: the decoder run on text that is there, no search.

Rows that begin alike (captions of one picture, a caption with one word changed) are laid out as a tree of prefixes, in
which each is computed once. Further rows may grow out of a tree that was run; its nodes are not run again. Rows of
several pictures (a picture and its set's average one) go in one pass, since on a CPU a pass over few nodes takes as
long as its weights take to be read. Knows no text; a row is start token, prompt and what follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, cast

import torch

from captioner.models.blip.cache import PictureKeys
from captioner.models.blip.tree import AttentionInputs

# Nodes that go through the decoder together: more gain nothing on a CPU, and each has a score for every word there is.
_NODES = 512
_PLAIN_ROWS = 16


@dataclass(frozen=True, slots=True)
class Row:
    """Tokens given a picture, by its number among those that a `Forced` has.

    known: how many of them, from the first on, are nodes of the tree that its tree grows out of.
    """

    ids: Sequence[int]
    picture: int = 0
    known: int = 0


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """What a run leaves of a tree's nodes: their numbers in the order of the keys, and each layer's keys and values,
    (1, heads, nodes, head size).
    """

    order: list[int]
    layers: list[tuple[torch.Tensor, torch.Tensor]]


class TokenTree:
    """Rows as the trees of their prefixes, one tree a picture; a node is a token after its prefix, given its picture.

    tokens, positions, pictures: of each node. paths: for each row its nodes in order, without those that are known.
    root: the tree that it grows out of, which was run before and has none itself. keys: what a run left for such trees.
    """

    def __init__(self, rows: Sequence[Row] = (), root: TokenTree | None = None) -> None:
        self.root = root
        self.keys: NodeKeys | None = None
        self.rows: list[Row] = []
        self.tokens: list[int] = []
        self.positions: list[int] = []
        self.pictures: list[int] = []
        self.paths: list[list[int]] = []
        self._known = len(root.tokens) if root else 0
        self._parents: list[int] = []  # the root's nodes are counted before its own
        self._node_of: dict[tuple[int, int], int] = {}
        for row in rows:
            self.add(row)

    def add(self, row: Row) -> None:
        """Lay out one more row."""
        node, path = -1 - row.picture, []
        for token in row.ids[: row.known]:
            assert self.root is not None
            node = self.root._node_of[node, token]
        for position, token in enumerate(row.ids[row.known :], row.known):
            new = self._node_of.setdefault((node, token), self._known + len(self.tokens))
            if new == self._known + len(self.tokens):
                self.tokens.append(token)
                self.positions.append(position)
                self.pictures.append(row.picture)
                self._parents.append(node)
            node = new
            path.append(node - self._known)
        self.rows.append(row)
        self.paths.append(path)

    def sees(self) -> torch.Tensor:
        """(nodes, the root's nodes and these), booleans: whether the second is the first or a beginning of it."""
        found = torch.zeros(self._known + len(self.tokens), self._known + len(self.tokens), dtype=torch.bool)
        if self.root is not None:
            found[: self._known, : self._known] = self.root.sees()
        for node, parent in enumerate(self._parents, self._known):
            found[node, node] = True
            if parent >= 0:
                found[node] |= found[parent]
        return found[self._known :]


Forced = Callable[[TokenTree], torch.Tensor]
"""A tree -> (nodes, vocabulary): the log-probability of each token after each node's prefix, float32."""


def trees(
    groups: Sequence[Sequence[Row]], root: TokenTree | None = None
) -> Iterator[tuple[TokenTree, Sequence[Sequence[Row]]]]:
    """Groups of rows in order, in trees that are small enough for one pass; a group's rows stay in one tree.

    Rows of several hundred tokens may have a larger tree: in small ones their beginning would be computed again and
    again.
    """
    tree, start = TokenTree(root=root), 0
    for number, group in enumerate(groups):
        if tree.rows and len(tree.tokens) >= max(_NODES, 3 * max(len(row.ids) for row in group)):
            yield tree, groups[start:number]
            tree, start = TokenTree(root=root), number
        for row in group:
            tree.add(row)
    if tree.rows:
        yield tree, groups[start:]


def in_one_pass(text_decoder: Any, pictures: Sequence[PictureKeys]) -> Forced:
    """The way of `fast.FastTextDecoder`: all nodes of a tree at once. Args: pictures: the keys of each."""

    def run(tree: TokenTree) -> torch.Tensor:
        like = pictures[0].layers[0][0]
        order = sorted(range(len(tree.tokens)), key=lambda node: tree.pictures[node])  # a picture's nodes side by side
        ends = list(accumulate(tree.pictures.count(number) for number in range(len(pictures))))
        spans = tuple(
            (number, begin, end)
            for number, (begin, end) in enumerate(zip([0, *ends], ends, strict=False))
            if end > begin
        )
        sees = tree.sees()[order]
        own, layers = sees[:, sees.shape[1] - len(order) :][:, order], list[tuple[torch.Tensor, torch.Tensor]]()
        before: list[tuple[torch.Tensor, torch.Tensor]] = []
        if tree.root is not None and tree.root.keys is not None:
            seen = sees[:, tree.root.keys.order]
            used = seen.any(0).nonzero()[:, 0]
            own = torch.cat([seen[:, used], own], 1)
            used = used.to(like.device)
            before = [(keys[:, :, used], values[:, :, used]) for keys, values in tree.root.keys.layers]

        def put(layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            if tree.root is None:
                layers.append((keys, values))
                return keys, values
            return torch.cat([before[layer][0], keys], 2), torch.cat([before[layer][1], values], 2)

        own = own.to(like.device)
        mask = torch.zeros(own.shape, dtype=like.dtype, device=like.device).masked_fill_(~own, -torch.inf)
        inputs = AttentionInputs(put, pictures, mask, spans)
        tokens = torch.tensor([tree.tokens[node] for node in order], device=like.device)
        positions = torch.tensor([tree.positions[node] for node in order], device=like.device)
        scores = text_decoder.scores(tokens, positions, inputs).float().log_softmax(-1)
        if tree.root is None:
            tree.keys = NodeKeys(order, layers)
        if order == sorted(order):
            return cast("torch.Tensor", scores)
        found = torch.empty_like(scores)
        found[order] = scores
        return found

    return run


def row_by_row(text_decoder: Any, pictures: Sequence[torch.Tensor]) -> Forced:
    """Plain transformers' way, where `fast` is off: each row by itself.

    Args: pictures: the states of each, (1, image tokens, width).
    """

    def run(tree: TokenTree) -> torch.Tensor:
        found: torch.Tensor | None = None
        for start in range(0, len(tree.rows), _PLAIN_ROWS):
            rows, paths = tree.rows[start : start + _PLAIN_ROWS], tree.paths[start : start + _PLAIN_ROWS]
            longest = max(len(row.ids) for row in rows)
            # What is behind a row's end changes nothing before it: each token sees those before it only.
            ids = [[*row.ids, *[0] * (longest - len(row.ids))] for row in rows]
            states = torch.cat([pictures[row.picture] for row in rows])
            logits = text_decoder(torch.tensor(ids, device=states.device), encoder_hidden_states=states).logits
            for row, path, of_row in zip(rows, paths, logits, strict=True):
                log_probs = of_row[row.known : len(row.ids)].float().log_softmax(-1)
                if found is None:
                    found = log_probs.new_empty(len(tree.tokens), log_probs.shape[1])
                found[path] = log_probs
        assert found is not None
        return found

    return run
