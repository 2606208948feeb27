"""One step of BLIP's search as a CUDA graph, since launching its three hundred kernels takes longer than their work.

A graph replays launches that were recorded once, with the same shapes and on the same memory. So sizes are rounded up,
what a step needs is copied into memory of that size first, and what fills the rest is harmless: its nodes see the first
node only, and all write to the last place, which no other node looks at. A step gives the same scores as without.

What is recorded is `FastTextDecoder.scores` itself; everything but the recording also runs on a CPU, where the tests
compare it. Knows no search and no settings.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from captioner.models.blip.cache import PictureKeys
from captioner.models.blip.tree import AttentionInputs, NewNodes, NodeStore, PrefixTree
from captioner.models.memory import is_out_of_memory

_log = logging.getLogger(__name__)

_LEAST_NODES = 16  # a picture, so that a prompt and up to 16 beams share one recording
_LEAST_PLACES = 128
_MAX_STEPS = 32  # recordings kept; searches of one kind need about five


@dataclass(frozen=True, slots=True)
class _Size:
    """pictures: how many. nodes: for each of them. places: that nodes may see, one for what fills the rest included."""

    pictures: int
    nodes: int
    places: int


class _Step:
    """The memory of a step of one size, at first all filling, and what runs the step on it.

    tokens, positions, places: (pictures * nodes,). mask: (pictures * nodes, places).
    """

    def __init__(self, size: _Size, like: torch.Tensor) -> None:
        count = size.pictures * size.nodes
        self.tokens, self.positions, self.places = (
            torch.zeros(count, dtype=torch.long, device=like.device) for _ in range(3)
        )
        self.mask = like.new_empty(count, size.places)
        self.run: Callable[[], torch.Tensor] = lambda: like  # replaced when the step is recorded
        self.empty()

    @property
    def size_bytes(self) -> int:
        """What its memory takes."""
        held = (self.tokens, self.positions, self.places, self.mask)
        return sum(tensor.numel() * tensor.element_size() for tensor in held)

    def empty(self) -> None:
        """All nodes are filling."""
        self.places.fill_(self.mask.shape[1] - 1)
        self.mask.fill_(-torch.inf)
        self.mask[:, 0] = 0  # a row of -inf alone would give values that are no numbers, and 0 times those spreads

    def fill(self, growth: NewNodes, where: torch.Tensor, first_place: int) -> None:
        """Put a step's nodes at these rows; the rest stays filling."""
        self.empty()
        count = len(growth.tokens)
        self.tokens[where] = growth.tokens
        self.positions[where] = growth.positions
        self.places[where] = torch.arange(first_place, first_place + count, device=where.device)
        self.mask[:, : growth.mask.shape[1]].index_copy_(0, where, growth.mask)


class StepGraphs:
    """A decoder's steps, recorded when a size is first needed. One search at a time."""

    def __init__(self, decoder: Any, *, is_recorded: bool = True) -> None:
        """Args:
        decoder: a `FastTextDecoder`, which must not move afterwards.
        is_recorded: False runs the same steps without a graph, on any device: for tests.
        """
        self._decoder = decoder
        self._is_recorded = is_recorded
        self._steps: dict[_Size, _Step] = {}
        self._pool: Any = None
        self._store: NodeStore | None = None
        self._moves = 0  # of the store, when the steps were recorded
        self._pictures: list[PictureKeys] = []  # copies in memory that stays where it is
        self._sources: list[object] = []  # what they are copies of, by `PictureKeys.token`

    @property
    def size_bytes(self) -> int:
        """The memory beside the weights that stays between searches, but for what is in the middle of a graph."""
        store = self._store.size_bytes if self._store else 0
        steps = sum(step.size_bytes for step in list(self._steps.values()))  # a report may ask while a step is recorded
        return store + steps + sum(picture.size_bytes for picture in self._pictures)

    def store(self, like: PictureKeys) -> NodeStore:
        """The memory for a tree's nodes. Args: like: one of the tree's pictures."""
        if self._store is None:
            self._store = NodeStore(like)
        return self._store

    def scores(self, growth: NewNodes, tree: PrefixTree) -> torch.Tensor:
        """The scores of what follows each of `growth.last`, (unique rows, vocabulary)."""
        most = max(end - begin for _, begin, end in growth.spans)
        size = _Size(
            len(tree.pictures),
            _rounded_up(most, _LEAST_NODES),
            _rounded_up(tree.store.size + 1, _LEAST_PLACES),
        )
        tree.store.reserve(size.places)
        if self._take(tree.pictures) or tree.store.moves != self._moves:
            self._steps.clear()  # they work on memory that is gone
            self._pool = None
            self._moves = tree.store.moves
        step = self._steps.pop(size, None) or self._record(size, tree.store)
        self._steps[size] = step
        if len(self._steps) > _MAX_STEPS:
            del self._steps[next(iter(self._steps))]
        rows = [picture * size.nodes + row for picture, begin, end in growth.spans for row in range(end - begin)]
        where = torch.tensor(rows, device=growth.tokens.device)
        step.fill(growth, where, tree.store.size - len(growth.tokens))
        return step.run()[where[growth.last]]

    def _take(self, pictures: Sequence[PictureKeys]) -> bool:
        """Copy the pictures' keys and values to where steps look. Returns: whether that place moved."""
        known = self._sources
        has_moved = len(pictures) > len(self._pictures)
        if has_moved:
            known = []
            self._pictures = [
                PictureKeys(tuple((torch.empty_like(keys), torch.empty_like(values)) for keys, values in one.layers))
                for one in pictures
            ]
        for number, picture in enumerate(pictures):
            if number < len(known) and known[number] is picture.token:
                continue
            for mine, theirs in zip(self._pictures[number].layers, picture.layers, strict=True):
                mine[0].copy_(theirs[0])
                mine[1].copy_(theirs[1])
        self._sources = [picture.token for picture in pictures]
        return has_moved

    def _record(self, size: _Size, store: NodeStore) -> _Step:
        like = store.layers[0][0]
        step = _Step(size, like)
        layers = list(store.layers)

        def put(layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            all_keys, all_values = layers[layer]
            all_keys.index_copy_(2, step.places, keys)
            all_values.index_copy_(2, step.places, values)
            return all_keys[:, :, : size.places], all_values[:, :, : size.places]

        spans = tuple((picture, picture * size.nodes, (picture + 1) * size.nodes) for picture in range(size.pictures))
        inputs = AttentionInputs(put, self._pictures[: size.pictures], step.mask, spans)

        def run() -> torch.Tensor:
            scores: torch.Tensor = self._decoder.scores(step.tokens, step.positions, inputs)
            return scores

        step.run = run
        if self._is_recorded:
            try:
                step.run = self._recorded(run, like.device)
            except RuntimeError as error:
                if is_out_of_memory(error):
                    raise
                self._is_recorded = False  # the same steps go on, launched one by one
                _log.warning("CUDA graphs are off (%s); captions take longer", error)
        return step

    def _recorded(self, run: Callable[[], torch.Tensor], device: torch.device) -> Callable[[], torch.Tensor]:
        """What replays `run`; the result is overwritten by the next call."""
        with torch.cuda.device(device):
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):  # libraries set themselves up at their first calls, which cannot be recorded
                for _ in range(2):
                    run()
            torch.cuda.current_stream().wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool):
                scores = run()
            self._pool = self._pool or graph.pool()

        def replay() -> torch.Tensor:
            graph.replay()
            return scores

        return replay


def _rounded_up(count: int, least: int) -> int:
    """The next power of two, and at least so many."""
    return max(least, 1 << (count - 1).bit_length())
