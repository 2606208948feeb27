"""BLIP as one would write it with transformers alone: the standard our decoding is held to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    BlipForConditionalGeneration,
    BlipProcessor,
    LogitsProcessorList,
    MinLengthLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)

from captioner.models.blip import SamplingSettings


class PlainBlip:
    """What someone would write with transformers alone; the standard the captioner is held to."""

    def __init__(self, folder: Path) -> None:
        self.model = BlipForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
        self.processor = BlipProcessor.from_pretrained(folder)

    def generate(self, picture: Any, settings: SamplingSettings) -> Any:
        inputs = self.processor(images=picture, text=settings.prompt, return_tensors="pt")
        keywords: dict[str, Any] = {
            "min_length": settings.min_length,
            "max_length": settings.max_length,
            "repetition_penalty": settings.repetition_penalty,
            "no_repeat_ngram_size": settings.no_repeat_ngram_size,
        }
        if settings.method == "nucleus":
            torch.manual_seed(settings.seed)
            keywords |= {
                "do_sample": True,
                "top_p": settings.top_p,
                "top_k": settings.top_k,
                "temperature": settings.temperature,
            }
        else:
            keywords |= {"num_beams": settings.num_beams}
            if settings.num_beams > 1:
                keywords |= {
                    "length_penalty": settings.length_penalty,
                    "num_return_sequences": settings.num_beams,
                    "output_scores": True,
                }
        return self.model.generate(**inputs, **keywords, return_dict_in_generate=True)

    def token_ids(self, picture: Any, settings: SamplingSettings) -> list[int]:
        return self.until_end(self.generate(picture, settings).sequences[0].tolist())

    def until_end(self, tokens: list[int]) -> list[int]:
        """Up to and with the end token."""
        end = self.model.config.text_config.sep_token_id
        return tokens[: tokens.index(end) + 1] if end in tokens else tokens

    @torch.no_grad()
    def score(self, picture: Any, tokens: list[int], settings: SamplingSettings) -> float:
        """What beam search would rank these tokens by: their log-probabilities under the rules, over their length."""
        inputs = self.processor(images=picture, text=settings.prompt, return_tensors="pt")
        states = self.model.vision_model(inputs.pixel_values).last_hidden_state
        row = torch.tensor([tokens])
        logits = self.model.text_decoder(row, encoder_hidden_states=states).logits[0].float()
        end = self.model.config.text_config.sep_token_id
        rules = LogitsProcessorList([RepetitionPenaltyLogitsProcessor(float(settings.repetition_penalty))])
        if settings.no_repeat_ngram_size:
            rules.append(NoRepeatNGramLogitsProcessor(settings.no_repeat_ngram_size))
        rules.append(MinLengthLogitsProcessor(settings.min_length, end))
        prompt_length = inputs.input_ids.shape[1] - 1
        total = 0.0
        for place in range(prompt_length, len(tokens)):
            step = rules(row[:, :place], torch.log_softmax(logits[place - 1], dim=-1)[None])
            total += float(step[0, tokens[place]])
        return total / (len(tokens) - prompt_length) ** settings.length_penalty
