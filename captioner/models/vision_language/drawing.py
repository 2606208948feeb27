"""Logits processors of our own: draws from a generator of each row's own, and rules that pass over the prompt."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import LogitsProcessor


class DrawEachRow(LogitsProcessor):
    """Draws each row's next token from its own generator and leaves only that one possible, so that greedy takes it.

    To stand last, behind temperature, top-k and top-p. Equal to sampling that row alone after `manual_seed`, whatever
    else is in the batch.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device) -> None:
        self._generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self.scores: list[torch.Tensor] = []
        """For each step the drawn tokens' log-probabilities, (rows,)."""

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        drawn = torch.stack(
            [
                torch.multinomial(row, 1, generator=generator)
                for row, generator in zip(scores.softmax(-1), self._generators, strict=True)
            ]
        )
        self.scores.append(scores.log_softmax(-1).gather(1, drawn)[:, 0])
        return torch.full_like(scores, -torch.inf).scatter(1, drawn, 0.0)


class OfTheAnswer(LogitsProcessor):
    """A rule that looks at the answer alone: the prompt and its picture tokens are taken off before it is asked.

    For one call of generate: what is there when it is asked first is the prompt.
    """

    def __init__(self, rule: LogitsProcessor) -> None:
        self._rule = rule
        self._prompt_length: int | None = None

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        if self._prompt_length is None:
            self._prompt_length = input_ids.shape[1]
        answer = input_ids[:, self._prompt_length :]
        return self._rule(answer, scores) if answer.shape[1] else scores
