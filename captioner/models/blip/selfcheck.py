"""Whether BLIP's own ways give plain transformers' scores here, tried once a process on a tiny model.

What fails is off, logged once, and means slower captions, never others.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from transformers import BlipConfig, BlipForConditionalGeneration

from captioner.models.blip.fast import speed_up
from captioner.models.blip.forced import Row, TokenTree, in_one_pass, row_by_row
from captioner.models.blip.graphs import CudaRecorder, Recorder, StepGraphs
from captioner.models.blip.tree import PrefixTree

_log = logging.getLogger(__name__)

_WITHOUT_GRAPHS: set[str] = set()


@functools.cache
def fast_is_supported(is_packed: bool) -> bool:
    """True when the fast model gives the plain one's scores with the installed transformers and torch.

    Tried once a process on a tiny model; a failure is logged, once, and means slower captions, not others.
    """
    return _agrees("fast BLIP decoding is", lambda: _fast_difference(is_packed))


def graphs_are_supported(device: str) -> bool:
    """True when graphs on this device give the scores of steps without; tried once a process, on a tiny model.

    A failure is logged, once, and means slower captions, not others.
    """
    return device not in _WITHOUT_GRAPHS and _graphs_agree(device)


def give_up_graphs(device: str) -> None:
    """When a step of a real model could not be recorded: in this process no other model tries there."""
    _WITHOUT_GRAPHS.add(device)


@functools.cache
def _graphs_agree(device: str) -> bool:
    in_full, in_half = (
        partial(_graphs_difference, device, dtype, CudaRecorder()) for dtype in (torch.float32, torch.float16)
    )
    return _agrees("CUDA graphs are", in_full) and _agrees("CUDA graphs are", in_half, limit=0.05)


def _agrees(what_is: str, difference: Callable[[], float], limit: float = 1e-3) -> bool:
    """Whether scores made in two ways differ by less than a limit; if not, or where one way fails, it is logged.

    Args: what_is: what is off then, with its verb. difference: makes the scores, from random numbers, and compares.
    """
    try:
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            torch.default_generator.manual_seed(0)  # the CPU's alone, which is what was forked
            found = difference()
    except Exception as error:  # noqa: BLE001 - whatever a later version or a driver changed, the plain way still works
        _log.warning("%s off (%s: %s); captions take longer", what_is, type(error).__name__, error)
        return False
    if not found < limit:
        _log.warning("%s off (its scores differ by %g); captions take longer", what_is, found)
        return False
    return True


def _fast_difference(is_packed: bool) -> float:
    """The largest difference of scores between both models after a prompt, rows that part, and their reordering; and
    of rows of two pictures that are given as a whole, with further ones that grow out of them.

    Infinite when generate finds other tokens with the fast one.
    """
    model = _tiny_model()
    pixels, rows = torch.randn(2, 3, 16, 16), torch.tensor([[1, 5, 4, 6], [1, 5, 3, 7], [1, 5, 3, 8]])
    states, other = model.vision_model(pixel_values=pixels).last_hidden_state.split(1)
    seen_by_row = states.expand(3, -1, -1)
    expected = model.text_decoder(rows, encoder_hidden_states=seen_by_row).logits[:, -1]
    first, second, third = rows.tolist()
    given = TokenTree([Row(first), Row(second, 1), Row(third), Row([*second, 9])])
    grown = TokenTree([Row([*first[:3], 7, 8], known=3), Row([*second, 3], 1, known=2)], given)
    expected_given, expected_grown = map(row_by_row(model.text_decoder, [states, other]), (given, grown))
    search = {"num_beams": 3, "num_return_sequences": 3, "max_length": 7, "eos_token_id": 2, "pad_token_id": 0}
    expected_rows = model.text_decoder.generate(rows[:1, :2], encoder_hidden_states=states, **search)
    speed_up(model, is_packed)
    both = [
        model.text_decoder.keys_of(one) for one in model.vision_model(pixel_values=pixels).last_hidden_state.split(1)
    ]
    pictures = both[:1]
    found_rows = model.text_decoder.generate(
        rows[:1, :2], cache=PrefixTree(pictures, [0], 3, model.config.text_config.vocab_size), **search
    )
    if not torch.equal(found_rows, expected_rows):
        return float("inf")
    tree = PrefixTree(pictures, [0, 0, 0], 1, model.config.text_config.vocab_size)
    model.text_decoder(rows[:, :2], tree)
    model.text_decoder(torch.tensor([[3], [4], [3]]), tree)
    tree.reorder_cache(torch.tensor([1, 0, 2]))
    given_whole = in_one_pass(model.text_decoder, both)
    differences = [
        model.text_decoder(rows[:, 3:], tree).logits[:, 0] - expected,
        given_whole(given) - expected_given,
        given_whole(grown) - expected_grown,
    ]
    return max(float(one.abs().max()) for one in differences)


def _graphs_difference(device: str, dtype: torch.dtype, recorder: Recorder | None) -> float:
    """The largest difference of scores in two searches, of two pictures and of one, whose later steps are replayed.

    Infinite when a step could not be recorded. Heads have the 64 numbers of BLIP's, which decides what computes them.
    """
    model = _tiny_model(hidden_size=128).to(device, dtype)
    speed_up(model, is_packed=False)
    decoder = model.text_decoder
    pixels = torch.randn(2, 3, 16, 16).to(device, dtype)
    states = model.vision_model(pixel_values=pixels).last_hidden_state
    pictures = [decoder.keys_of(one) for one in states.split(1)]
    steps = [torch.tensor(rows, device=device) for rows in ([[1, 5]] * 4, [[3], [4], [3], [9]], [[6], [7], [8], [9]])]
    recorded = StepGraphs(decoder, recorder)
    found = []
    for graphs in (None, recorded):
        decoder.graphs = graphs
        for shown, picture_of_row in ((pictures, [0, 0, 1, 1]), (pictures[1:], [0, 0, 0, 0])):
            store = graphs.store(shown) if graphs else None
            tree = PrefixTree(shown, picture_of_row, 1, model.config.text_config.vocab_size, store)
            found.append(torch.stack([decoder(rows, tree).logits.clone() for rows in steps]))
    if recorded.has_failed:
        return float("inf")
    return float((torch.stack(found[:2]) - torch.stack(found[2:])).abs().max())


def _tiny_model(hidden_size: int = 16) -> Any:
    """A BlipForConditionalGeneration of random weights to try things on: 16 pixels, 24 words, 8 tokens, 2 heads."""
    size = {"hidden_size": hidden_size, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    spread = 2 / hidden_size**0.5
    words = {"vocab_size": 24, "max_position_embeddings": 8, "bos_token_id": 1, "sep_token_id": 2, "eos_token_id": 2}
    return BlipForConditionalGeneration(
        BlipConfig(
            text_config={**size, **words, "encoder_hidden_size": hidden_size, "initializer_range": spread},
            vision_config={**size, "image_size": 16, "patch_size": 8, "initializer_range": spread},
        )
    ).eval()
