"""Settings for several sentences -> one transformers generate -> their tokens and scores.

A cell is one sentence that is searched for: a picture with one settings object. Cells that agree in what generate can
only be told once (`group_key`) share a call; what may differ, length and repetition rules and the draws, is applied row
by row here. The search itself, beam or greedy, stays transformers' own. Knows no picture and no text.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import (
    LogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from captioner.models.blip.settings import SamplingSettings
from captioner.settings import Effect


@dataclass(frozen=True, slots=True)
class FoundSentence:
    """A sentence as tokens, with start token and prompt, up to and with the end token, and its score.

    is_cut: max_length came before the end token.
    """

    tokens: list[int]
    score: float
    is_cut: bool


def rows_each(settings: SamplingSettings) -> int:
    """How many rows of the batch one cell takes."""
    return settings.num_beams if settings.method == "beam" else 1


def group_key(settings: SamplingSettings) -> Hashable:
    """What cells must agree in to be searched for in one call."""
    beams = rows_each(settings)
    length_penalty = settings.length_penalty if beams > 1 else None
    return settings.method, beams, settings.max_length, settings.prompt, length_penalty


def search(
    text_decoder: Any,
    cells: Sequence[SamplingSettings],
    prompt_ids: Sequence[int],
    model_inputs: dict[str, Any],
    on_ended: Callable[[torch.Tensor], None] | None = None,
) -> list[list[FoundSentence]]:
    """The sentences found for each cell, best first: as many as beams under beam search, else one.

    Args:
        text_decoder: anything with transformers' generate. model_inputs: what it needs to see the pictures.
        cells: of one `group_key`.
        on_ended: told, where the search is greedy or draws, which cells are still open: (cells,), booleans.
    Raises: NotNumbers: the model's scores are not numbers.
    """
    shared, device = cells[0], text_decoder.device
    beams, end_id = rows_each(shared), int(text_decoder.config.sep_token_id)
    numbers = WatchNumbers()
    processors: list[LogitsProcessor] = [numbers, CellRules(cells, end_id, device)]
    watch: Choose | BeamScores
    if beams > 1:
        watch = BeamScores(beams, end_id)
    else:
        generators = None
        if shared.method == "nucleus":
            generators = [torch.Generator(device).manual_seed(cell.seed) for cell in cells]
            processors.append(CellWarpers(cells, device))
        watch = Choose(generators, len(prompt_ids), shared.max_length, end_id, on_ended)
    output = text_decoder.generate(
        input_ids=torch.tensor([list(prompt_ids)], device=device).repeat(len(cells), 1),
        eos_token_id=end_id,
        pad_token_id=text_decoder.config.pad_token_id,
        do_sample=False,
        num_beams=beams,
        num_return_sequences=beams,
        max_length=shared.max_length,
        logits_processor=[*processors, watch],
        return_dict_in_generate=True,
        disable_compile=True,  # generate compiles by itself on CUDA for caches that it takes for fixed ones
        **({"length_penalty": shared.length_penalty} if beams > 1 else {}),
        **model_inputs,
    )
    numbers.check()
    rows = output.sequences.view(len(cells), beams, -1)
    said = [[_until_end(row, len(prompt_ids), end_id) for row in of_cell] for of_cell in rows.tolist()]
    found: list[list[FoundSentence]] = []
    for of_cell, totals in zip(said, watch.totals(rows, said), strict=True):
        found.append([])
        for tokens, total in zip(of_cell, totals, strict=True):
            score = total / (len(tokens) - len(prompt_ids)) ** shared.length_penalty if beams > 1 else total
            found[-1].append(FoundSentence(tokens, score, is_cut=end_id not in tokens[len(prompt_ids) :]))
    return found


def _until_end(row: list[int], prompt_length: int, end_id: int) -> list[int]:
    """Cut after the first end token behind the prompt: beam search fills the rest of a row with end tokens."""
    return row[: row.index(end_id, prompt_length) + 1] if end_id in row[prompt_length:] else row


class NotNumbers(Exception):
    """Scores of NaN; the decoder, which knows the pictures, says it in words."""


class WatchNumbers(LogitsProcessor):
    """Notes scores that are not numbers, so that a generation of them does not end as a caption of noise.

    It looks once, when all is found: at each step a device's own work would wait for the answer.
    """

    def __init__(self) -> None:
        self._are_sound: torch.Tensor | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        are_sound = torch.isfinite(scores.sum(dim=-1)).all()  # a sum is cheaper than a look at each
        self._are_sound = are_sound if self._are_sound is None else self._are_sound & are_sound
        return scores

    def check(self) -> None:
        """Raises: NotNumbers: some scores were none."""
        if self._are_sound is not None and not bool(self._are_sound):
            raise NotNumbers


class CellRules(LogitsProcessor):
    """Each cell's repetition penalty, n-gram rule and least length, in transformers' order and arithmetic.

    Changes scores in place, which generate has made for this step alone.
    """

    def __init__(self, cells: Sequence[SamplingSettings], end_id: int, device: torch.device) -> None:
        self._end_id = end_id
        self._penalties = None
        if any(cell.repetition_penalty != 1.0 for cell in cells):
            self._penalties = torch.tensor([cell.repetition_penalty for cell in cells], device=device)
        self._min_lengths = torch.tensor([cell.min_length for cell in cells], device=device)
        self._longest_min_length = max(cell.min_length for cell in cells)
        self._n_gram_sizes = [cell.no_repeat_ngram_size for cell in cells]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        each = scores.shape[0] // len(self._n_gram_sizes)
        if self._penalties is not None:
            penalties = self._penalties.repeat_interleave(each)[:, None]
            said = scores.gather(1, input_ids)
            scores.scatter_(1, input_ids, torch.where(said < 0, said * penalties, said / penalties))
        for cell, size in enumerate(self._n_gram_sizes):
            if size:
                rows = slice(cell * each, (cell + 1) * each)
                _refuse_said_again(input_ids[rows], scores[rows], size)
        if input_ids.shape[1] < self._longest_min_length:
            is_short = (self._min_lengths > input_ids.shape[1]).repeat_interleave(each)
            scores[:, self._end_id].masked_fill_(is_short, -torch.inf)
        return scores


def _refuse_said_again(input_ids: torch.Tensor, scores: torch.Tensor, size: int) -> None:
    """Make impossible, in place, what would end a run of `size` tokens that its row has already.

    As transformers' NoRepeatNGramLogitsProcessor, which reads each row into Python and has a device wait for it.
    """
    length = input_ids.shape[1]
    if length < size:
        return
    runs = input_ids.unfold(1, size, 1)  # (rows, runs, size)
    is_again = (runs[:, :, :-1] == input_ids[:, None, length - size + 1 :]).all(dim=-1)
    scores.scatter_add_(
        1, runs[:, :, -1], torch.zeros_like(is_again, dtype=scores.dtype).masked_fill_(is_again, -torch.inf)
    )


class CellWarpers(LogitsProcessor):
    """Each cell's temperature, top k and top p: transformers' own, in its order, left out where they are off."""

    def __init__(self, cells: Sequence[SamplingSettings], device: torch.device) -> None:
        rows_by_setting: dict[tuple[float, int, float], list[int]] = {}
        for row, cell in enumerate(cells):
            rows_by_setting.setdefault((cell.temperature, cell.top_k, cell.top_p), []).append(row)
        self._warpers: list[tuple[torch.Tensor, list[LogitsProcessor]]] = []
        for (temperature, top_k, top_p), rows in rows_by_setting.items():
            warpers: list[LogitsProcessor] = []
            if temperature != 1.0:
                warpers.append(TemperatureLogitsWarper(temperature))
            if top_k:
                warpers.append(TopKLogitsWarper(top_k))
            if top_p < 1.0:
                warpers.append(TopPLogitsWarper(top_p))
            self._warpers.append((torch.tensor(rows, device=device), warpers))

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        for rows, warpers in self._warpers:
            own = scores[rows]
            for warper in warpers:
                own = warper(input_ids[rows], own)
            scores[rows] = own
        return scores


class Choose(LogitsProcessor):
    """Greedy choice or a draw from each cell's own generator, with the summed log-probability of what was chosen.

    It must be the last processor of a generate that takes the maximum (one beam, do_sample=False): a draw leaves only
    the drawn token possible. The draw is transformers' own over one row, so a row's tokens are those of
    `generate(do_sample=True)` for that row alone after `torch.manual_seed` with the same seed, whatever else is in the
    batch: of one probability a token, divided by a draw from the exponential distribution, the largest. That is
    torch.multinomial's own formula; itself it looks at its probabilities first, which a device's work waits for.
    """

    def __init__(
        self,
        generators: Sequence[torch.Generator] | None,
        prompt_length: int,
        max_length: int,
        end_id: int,
        on_ended: Callable[[torch.Tensor], None] | None,
    ) -> None:
        """Args: generators: one a cell, on the scores' device; None for the greedy choice."""
        self._generators = generators
        self._prompt_length = prompt_length
        self._max_length = max_length
        self._end_id = end_id
        self._on_ended = on_ended
        self._totals: torch.Tensor | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if self._generators is None:
            chosen = scores.argmax(dim=-1, keepdim=True)  # (rows, 1)
        else:
            probabilities = torch.softmax(scores, dim=-1)
            draws = torch.empty_like(probabilities)
            for row, generator in enumerate(self._generators):
                draws[row].exponential_(1, generator=generator)
            chosen = probabilities.div_(draws).argmax(dim=-1, keepdim=True)
        gained = torch.log_softmax(scores, dim=-1).gather(1, chosen).squeeze(1)
        had_ended = (input_ids[:, self._prompt_length :] == self._end_id).any(dim=-1)
        if input_ids.shape[1] >= self._max_length:  # on Apple's GPUs generate looks a step too far and undoes it
            had_ended = torch.ones_like(had_ended)
        gained = gained.masked_fill(had_ended, 0.0)
        self._totals = gained if self._totals is None else self._totals + gained
        if self._on_ended is not None and len(chosen) > 1:
            self._on_ended(~had_ended & (chosen.squeeze(1) != self._end_id))
        if self._generators is None:
            return scores
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen, 0.0)

    def totals(self, rows: torch.Tensor, said: Sequence[Sequence[list[int]]]) -> list[list[float]]:
        """The sum of each cell's log-probabilities, the end token included. Args: as `BeamScores.totals`."""
        return [] if self._totals is None else [[total] for total in self._totals.tolist()]


class BeamScores(LogitsProcessor):
    """The score of each sentence a beam search returns, without keeping every step's scores of the whole vocabulary.

    generate gives scores only with `output_scores=True`, which at 16 beams and 48 tokens holds 94 MB a picture. This
    one follows each beam by its tokens instead, keeping one step's scores. It must be the last processor.
    """

    def __init__(self, beams: int, end_id: int) -> None:
        self._beams = beams
        self._end_id = end_id
        self._rows: torch.Tensor | None = None  # (cells, beams, length so far)
        self._sums: torch.Tensor | None = None  # (cells, beams)
        self._scores: torch.Tensor | None = None  # (cells, beams, vocabulary), the step's log-probabilities
        self._ends: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # length -> rows, their sums when ended there

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        rows = input_ids.view(-1, self._beams, input_ids.shape[1])
        self._sums = torch.zeros(rows.shape[:2], device=scores.device) if self._rows is None else self._sum(rows)
        self._rows = rows
        self._scores = scores.view(*rows.shape[:2], -1)
        self._ends[rows.shape[2]] = rows, self._sums + self._scores[:, :, self._end_id]
        return scores

    def _sum(self, rows: torch.Tensor) -> torch.Tensor:
        """Each row's summed log-probability: its parent's, found by the tokens before the last, and the last one's."""
        assert self._rows is not None
        assert self._sums is not None
        assert self._scores is not None
        parents = (rows[:, :, None, :-1] == self._rows[:, None]).all(dim=-1).to(torch.uint8).argmax(dim=-1)
        cells = torch.arange(rows.shape[0], device=rows.device)[:, None]
        return self._sums.gather(1, parents) + self._scores[cells, parents, rows[:, :, -1]]

    def totals(self, rows: torch.Tensor, said: Sequence[Sequence[list[int]]]) -> list[list[float]]:
        """The summed log-probability of each sentence that the search returns, the end token included.

        All at once, since each look at what a device holds waits for it.

        Args: rows: (cells, beams, length), on the device. said: the same, up to and with the end token if there is one.
        """
        assert self._rows is not None
        cells = len(rows)
        cut = None  # of those cut at max_length, whose last token was chosen in the last step
        if rows.shape[2] > self._rows.shape[2]:
            cut = self._sum(rows).tolist()
        flat = torch.cat([then.reshape(-1) for then, _ in self._ends.values()])
        sums = torch.stack([sums for _, sums in self._ends.values()])  # (lengths, cells, beams)
        ends = np.cumsum([cells * self._beams * length for length in self._ends])
        beams_at = {
            length: (then.reshape(cells, self._beams, length), sums_then)
            for length, then, sums_then in zip(
                self._ends, np.split(flat.cpu().numpy(), ends[:-1]), sums.cpu().numpy(), strict=True
            )
        }
        found: list[list[float]] = []
        for cell, of_cell in enumerate(said):
            found.append([])
            for row, tokens in enumerate(of_cell):
                if tokens[-1] == self._end_id and len(tokens) - 1 in beams_at:
                    then, sums_then = beams_at[len(tokens) - 1]
                    beam = (then[cell] == tokens[:-1]).all(axis=-1).argmax()
                    found[-1].append(float(sums_then[cell, beam]))
                else:
                    assert cut is not None
                    found[-1].append(cut[cell][row])
        return found


def in_short(settings: SamplingSettings) -> str:
    """The settings that have an effect, for an error."""
    return ", ".join(f"{name} {value}" for name, value in settings.in_effect(Effect.RUN).items())
