"""What BLIP's search adds to transformers' generate: drawing that no batch can change, scores, a check for NaN.

The search itself, beam or greedy, and every rule on tokens stay transformers' own. Knows no picture and no text.
"""

from __future__ import annotations

import torch
from transformers import LogitsProcessor

from captioner.errors import ModelFailed


class RefuseNaN(LogitsProcessor):
    """Stops a generation whose scores are not numbers, instead of letting it end as a caption of noise.

    Args: rows_per_picture: how many rows of the batch belong to one picture. settings: named in the message.
    """

    def __init__(self, rows_per_picture: int, settings: str) -> None:
        self._rows_per_picture = rows_per_picture
        self._settings = settings

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        is_bad = torch.isnan(scores).any(dim=-1)
        if bool(is_bad.any()):
            row = int(is_bad.nonzero()[0])
            pictures = scores.shape[0] // self._rows_per_picture
            which = "this picture" if pictures == 1 else f"picture {row // self._rows_per_picture + 1} of {pictures}"
            raise ModelFailed(
                f"the model's scores for {which} are not numbers (NaN) with {self._settings}; "
                "its weights may be damaged or overflow in fp16: try --device cpu or another model."
            )
        return scores


class Choose(LogitsProcessor):
    """Greedy choice or a draw from each row's own generator, with the summed log-probability of what was chosen.

    It must be the last processor of a generate that takes the maximum (one beam, do_sample=False): a draw leaves only
    the drawn token possible. The draw is transformers' own, softmax and multinomial over one row, so a row's tokens are
    those of `generate(do_sample=True)` for that row alone after `torch.manual_seed` with the same seed, whatever else
    is in the batch.

    Args:
        generators: one a row, on the scores' device; None for the greedy choice.
        prompt_length, max_length: in tokens. end_id: the token that ends a sentence.
    """

    def __init__(
        self, generators: list[torch.Generator] | None, *, prompt_length: int, max_length: int, end_id: int
    ) -> None:
        self._generators = generators
        self._prompt_length = prompt_length
        self._max_length = max_length
        self._end_id = end_id
        self._totals: torch.Tensor | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if self._generators is None:
            chosen = scores.argmax(dim=-1, keepdim=True)  # (rows, 1)
        else:
            probabilities = torch.softmax(scores, dim=-1)
            chosen = torch.cat(
                [
                    torch.multinomial(probabilities[row : row + 1], 1, generator=generator)
                    for row, generator in enumerate(self._generators)
                ]
            )
        gained = torch.log_softmax(scores, dim=-1).gather(1, chosen).squeeze(1)
        has_ended = (input_ids[:, self._prompt_length :] == self._end_id).any(dim=-1)
        if input_ids.shape[1] >= self._max_length:  # on CUDA generate may look one step too far and undo it
            has_ended = torch.ones_like(has_ended)
        gained = gained.masked_fill(has_ended, 0.0)
        self._totals = gained if self._totals is None else self._totals + gained
        if self._generators is None:
            return scores
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen, 0.0)

    def totals(self) -> list[float]:
        """The sum of each row's log-probabilities, the end token included."""
        return [] if self._totals is None else self._totals.tolist()


class BeamScores(LogitsProcessor):
    """The score of each sentence a beam search returns, without keeping every step's scores of the whole vocabulary.

    generate gives scores only with `output_scores=True`, which at 16 beams and 48 tokens holds 94 MB a picture. This
    one follows each beam by its tokens instead, keeping one step's scores. It must be the last processor.

    Args: num_beams: rows a picture. end_id: the token that ends a sentence.
    """

    def __init__(self, num_beams: int, end_id: int) -> None:
        self._num_beams = num_beams
        self._end_id = end_id
        self._rows: torch.Tensor | None = None  # (pictures, beams, length so far)
        self._sums: torch.Tensor | None = None  # (pictures, beams)
        self._scores: torch.Tensor | None = None  # (pictures, beams, vocabulary), the step's log-probabilities
        self._ends: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # length -> rows, their sums when ended there

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        rows = input_ids.view(-1, self._num_beams, input_ids.shape[1])
        if self._rows is None:
            self._sums = torch.zeros(rows.shape[:2], device=scores.device)
        else:
            self._sums = self._sum(rows)
        self._rows = rows
        self._scores = scores.view(*rows.shape[:2], -1)
        self._ends[rows.shape[2]] = rows, self._sums + self._scores[:, :, self._end_id]
        return scores

    def _sum(self, rows: torch.Tensor) -> torch.Tensor:
        """Each row's summed log-probability: its parent's, found by the tokens before the last, and the last one's."""
        assert self._rows is not None and self._sums is not None and self._scores is not None
        parents = (rows[:, :, None, :-1] == self._rows[:, None]).all(dim=-1).to(torch.uint8).argmax(dim=-1)
        pictures = torch.arange(rows.shape[0], device=rows.device)[:, None]
        return self._sums.gather(1, parents) + self._scores[pictures, parents, rows[:, :, -1]]

    def of(self, picture: int, tokens: torch.Tensor, prompt_length: int, length_penalty: float) -> float:
        """The score of a returned sentence as beam search ranked it: the sum over length to the power of the penalty.

        Args: tokens: one dimension, with the prompt, up to and with the end token if there is one.
        """
        assert self._rows is not None
        if int(tokens[-1]) == self._end_id and len(tokens) - 1 in self._ends:
            rows, sums = self._ends[len(tokens) - 1]
            total = sums[picture][(rows[picture] == tokens[:-1]).all(dim=-1).to(torch.uint8).argmax()]
        else:  # cut at max_length, so its last token was chosen in the last step
            total = self._sum(tokens.expand(self._rows.shape[0], 1, -1))[picture, 0]
        score: float = float(total) / (len(tokens) - prompt_length) ** length_penalty
        return score
