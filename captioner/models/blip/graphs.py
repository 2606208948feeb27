"""One step of BLIP's search as a CUDA graph, since launching its three hundred kernels takes longer than their work.

A graph replays launches that were recorded once, with the same shapes and on the same memory. So sizes are rounded up,
what a step needs is copied into memory of that size first, and what fills the rest is harmless: its nodes see the first
node only, and all write to the last place, which no other node looks at. A step gives the same scores as without.

What is recorded is `FastTextDecoder.scores` itself; everything but the recording also runs on a CPU, where the tests
compare it. Knows no search and no settings.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch

from captioner.models.blip.cache import PictureKeys
from captioner.models.blip.tree import AttentionInputs, NewNodes, NodeStore, PrefixTree
from captioner.models.memory import free_cached_memory, is_out_of_memory, make_room

_log = logging.getLogger(__name__)

# Nodes a picture: a prompt and up to 16 beams of one picture share a recording; of several, filling would cost as much
# as they do where there are few beams.
_LEAST_NODES, _LEAST_NODES_OF_SEVERAL = 16, 4
_LEAST_PLACES = 128
# What searches mostly need at most, taken at once: when it grows, all is recorded anew. 38 and 75 MB for BLIP base.
_NODES, _NODES_OF_SEVERAL = 1024, 2048
_MAX_STEPS = 32  # recordings kept; searches of one kind need about five


@dataclass(frozen=True, slots=True)
class _Size:
    """pictures, with filling ones. nodes: for each of them. places: that nodes may see, one for filling included."""

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
        self._spans: Sequence[tuple[int, int, int]] = ()
        self._rows = self.places[:0]
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

    def rows_of(self, spans: Sequence[tuple[int, int, int]], nodes_each: int) -> torch.Tensor:
        """Where the nodes of `NewNodes.spans` go, made on the device: a list from Python would be waited for."""
        if spans != self._spans:
            firsts = [(picture * nodes_each, end - begin) for picture, begin, end in spans]
            device = self.places.device
            self._rows = torch.cat([torch.arange(first, first + count, device=device) for first, count in firsts])
            self._spans = spans
        return self._rows

    def fill(self, growth: NewNodes, where: torch.Tensor, first_place: int) -> None:
        """Put a step's nodes at these rows; the rest stays filling."""
        self.empty()
        count = len(growth.tokens)
        self.tokens[where] = growth.tokens
        self.positions[where] = growth.positions
        self.places[where] = torch.arange(first_place, first_place + count, device=where.device)
        self.mask[:, : growth.mask.shape[1]].index_copy_(0, where, growth.mask)


class Recorder(Protocol):
    """What makes a step into one that is replayed."""

    def record(self, run: Callable[[], torch.Tensor], device: torch.device) -> tuple[Callable[[], torch.Tensor], int]:
        """What does as `run` did, its result overwritten by the next one's; and the bytes all recordings grew by."""

    def forget(self) -> None:
        """No former recording will be replayed."""


class CudaRecorder:
    """CUDA's own graphs, in one pool of memory."""

    def __init__(self) -> None:
        self._stream: Any = None
        self._pool: Any = None

    def record(self, run: Callable[[], torch.Tensor], device: torch.device) -> tuple[Callable[[], torch.Tensor], int]:
        """As `Recorder.record`. Raises: RuntimeError: it cannot be recorded, or memory runs out."""
        with torch.cuda.device(device):
            self._stream = self._stream or torch.cuda.Stream()  # one for all: older versions keep a workspace for each
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):  # libraries set themselves up at first calls, not to be recorded
                for _ in range(2):
                    run()
            torch.cuda.current_stream().wait_stream(self._stream)
            graph = torch.cuda.CUDAGraph()
            # thread_local: what another thread does with the card meanwhile spoils nothing.
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
                # What the pool has taken stays with it, in use or not.
                before_bytes = torch.cuda.memory_reserved()
                scores = run()
                grown_bytes = torch.cuda.memory_reserved() - before_bytes
            self._pool = self._pool or graph.pool()

        def replay() -> torch.Tensor:
            graph.replay()
            return scores

        return replay, grown_bytes

    def forget(self) -> None:
        """The next one begins a new pool, since the former goes with its last graph."""
        self._pool = None


class StepGraphs:
    """A decoder's steps, recorded when a size is first needed. One search at a time."""

    def __init__(self, decoder: Any, recorder: Recorder | None) -> None:
        """Args:
        decoder: a `FastTextDecoder`, which must not move afterwards.
        recorder: None runs the same steps without a graph, on any device: for tests.
        """
        self._decoder = weakref.ref(decoder)  # which holds this: a circle would keep a card's memory until a collection
        self._recorder = recorder
        self.has_failed = False  # a step could not be recorded, so that its rounded sizes only cost time
        self._steps: dict[_Size, _Step] = {}
        self._recorded_bytes = 0
        self._store: NodeStore | None = None
        self._moves = 0  # of the store, when the steps were recorded
        self._pictures: PictureKeys | None = None  # copies, side by side, in memory that stays where it is
        self._sources: list[object] = []  # what they are copies of, by `PictureKeys.token`; None: zeros

    @property
    def size_bytes(self) -> int:
        """The memory beside the weights that stays between searches."""
        # A report may ask while another thread searches.
        held = [one for one in (self._store, self._pictures, *list(self._steps.values())) if one is not None]
        return sum(one.size_bytes for one in held) + self._recorded_bytes

    def forget(self) -> None:
        """Let go of all memory but the weights; between searches."""
        self._forget_steps()
        self._store, self._moves = None, 0
        self._pictures, self._sources = None, []

    def store(self, pictures: Sequence[PictureKeys]) -> NodeStore:
        """The memory for the nodes of a tree of these pictures."""
        if self._store is None:
            self._store = NodeStore(pictures[0])
        count = _NODES if len(pictures) == 1 else _NODES_OF_SEVERAL
        if count > self._store.capacity:
            keys = pictures[0].layers[0][0]
            make_room(2 * len(pictures[0].layers) * count * keys.shape[1] * keys.shape[3] * keys.element_size())
            self._store.reserve(count)
        return self._store

    def scores(self, growth: NewNodes, tree: PrefixTree) -> torch.Tensor:
        """The scores of what follows each of `growth.last`, (unique rows, vocabulary)."""
        most = max(end - begin for _, begin, end in growth.spans)
        pictures = _rounded_up(len(tree.pictures), 1)
        size = _Size(
            pictures,
            _rounded_up(most, _LEAST_NODES if pictures == 1 else _LEAST_NODES_OF_SEVERAL),
            _rounded_up(tree.store.size + 1, _LEAST_PLACES),
        )
        tree.store.reserve(size.places)
        if tree.store.moves != self._moves:
            self._forget_steps()
            self._moves = tree.store.moves
        self._take(tree.pictures, pictures)
        step = self._steps.pop(size, None) or self._record(size, tree.store)
        self._steps[size] = step
        if len(self._steps) > _MAX_STEPS:
            del self._steps[next(iter(self._steps))]
        where = step.rows_of(growth.spans, size.nodes)
        step.fill(growth, where, tree.store.size - len(growth.tokens))
        return step.run()[where[growth.last]]

    def _forget_steps(self) -> None:
        """When they work on memory that is gone."""
        self._steps.clear()
        self._recorded_bytes = 0
        if self._recorder is not None:
            self._recorder.forget()

    def _take(self, pictures: Sequence[PictureKeys], count: int) -> None:
        """Copy the pictures' keys and values to where steps look. Args: count: of places, what is filling included."""
        if count > len(self._sources):
            self._forget_steps()
            self._pictures, self._sources = None, []
            make_room(count * pictures[0].size_bytes)
            self._pictures = PictureKeys(
                tuple(
                    (keys.new_zeros(count, *keys.shape[1:]), values.new_zeros(count, *values.shape[1:]))
                    for keys, values in pictures[0].layers
                )
            )
            self._sources = [None] * count
        assert self._pictures is not None
        for number in range(count):
            source = pictures[number] if number < len(pictures) else None
            token = source.token if source else None
            if self._sources[number] is token:
                continue
            for layer, (keys, values) in enumerate(self._pictures.layers):
                if source:
                    keys[number].copy_(source.layers[layer][0][0])
                    values[number].copy_(source.layers[layer][1][0])
                else:  # a picture of late may have been no numbers, which filling would spread
                    keys[number].zero_()
                    values[number].zero_()
            self._sources[number] = token

    def _record(self, size: _Size, store: NodeStore) -> _Step:
        assert self._pictures is not None
        like = store.layers[0][0]
        step = _Step(size, like)
        # Nothing below holds this object or the step: the step holds it.
        tokens, positions, places, layers = step.tokens, step.positions, step.places, list(store.layers)

        def put(layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            all_keys, all_values = layers[layer]
            all_keys.index_copy_(2, places, keys)
            all_values.index_copy_(2, places, values)
            return all_keys[:, :, : size.places], all_values[:, :, : size.places]

        count = size.pictures
        pictures = PictureKeys(tuple((keys[:count], values[:count]) for keys, values in self._pictures.layers))
        inputs = AttentionInputs(put, [pictures], step.mask, ((0, 0, count * size.nodes),))
        decoder = self._decoder

        def run() -> torch.Tensor:
            scores: torch.Tensor = cast("Any", decoder()).scores(tokens, positions, inputs)
            return scores

        step.run = run
        if self._recorder is None:
            return step
        try:
            step.run, grown_bytes = self._recorder.record(run, like.device)
            self._recorded_bytes += grown_bytes
            return step
        except RuntimeError as error:
            if not is_out_of_memory(error):
                self._recorder = None  # the same steps go on, launched one by one, to the end of the search
                self.has_failed = True
                _log.warning("CUDA graphs are off (%s); captions take longer", error)
                return step
        # Outside the except block, whose traceback would keep the failed recording's tensors alive.
        free_cached_memory()
        _log.info("no memory to record a step of %s; it is launched kernel by kernel", size)
        return step


def _rounded_up(count: int, least: int) -> int:
    """The next power of two, and at least so many."""
    return max(least, 1 << (count - 1).bit_length())
