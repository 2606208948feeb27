"""A loaded image-text-to-text model: pictures and questions in, sentences out. Holds the tensor code of the family.

Whatever is in a batch, each picture's answer is the one it gets alone: rows are padded on the left, and each draws from
a generator of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
from PIL import Image
from transformers import (
    LogitsProcessorList,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from captioner.errors import ModelFailed, SettingsError
from captioner.models.cards import put_on
from captioner.models.memory import in_halves
from captioner.models.vision_language import loading
from captioner.models.vision_language.asking import Asking
from captioner.models.vision_language.drawing import DrawEachRow, OfTheAnswer
from captioner.models.vision_language.features import Features
from captioner.models.vision_language.prefix import Prefixes
from captioner.models.vision_language.settings import MAX_ANSWER, VisionLanguageSettings
from captioner.plural import plural
from captioner.records import Alternative, Finish, Sentence

_THOUGHT = re.compile(r"\A.*?(?:</think(?:ing)?>|◁/think▷)", re.DOTALL)
# What some families leave in their text beside words: GLM's boxes, Kosmos-2's places of what it names.
_MARKS = re.compile(r"<\|(?:begin|end)_of_box\|>|<object>.*?</object>|</?(?:phrase|doc|chunk|line|grounding)>")


class VisionLanguageModel:
    """A model with what prepares its input. Made by `load`."""

    def __init__(self, model: Any, asking: Asking, revision: str) -> None:
        self._model = model
        self._asking = asking
        self._features = Features(model, asking)
        self._prefixes = Prefixes(model, asking, self._features)
        self._is_encoder_decoder = bool(model.config.is_encoder_decoder)
        self.revision = revision

    @classmethod
    def load(cls, folder: Path, device: str) -> Self:
        """Raises: BadModel, MissingPackage: as `loading.load`."""
        model, processor, pictures = loading.load(folder, device)
        return cls(model, Asking(model, processor, pictures), loading.revision_of(folder))

    @property
    def device(self) -> str:
        """Where the weights are now."""
        return str(self._model.device)

    @property
    def precision(self) -> str:
        """fp32 or bf16."""
        return {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[self._model.dtype]

    @property
    def size_bytes(self) -> int:
        """Bytes the weights take, and what is remembered of pictures."""
        parts = (*self._model.parameters(), *self._model.buffers())
        weights: int = sum(part.numel() * part.element_size() for part in parts)
        return weights + self._features.size_bytes + self._prefixes.size_bytes

    @property
    def note(self) -> str:
        """What it cannot do, or is slower with than others, fit to stand after its name; "" for nothing known."""
        asked = "takes no question: what the prompt says is not read" if self._asking.style == "picture" else ""
        return "; ".join(filter(None, (asked, self._features.note or self._prefixes.note)))

    def move_to(self, device: str) -> None:
        """Bring the weights to a device."""
        self.forget_pictures()
        put_on(self._model, device)

    def forget_pictures(self) -> None:
        """Let go of what is remembered of pictures."""
        self._features.forget()
        self._prefixes.forget()

    def remember_more(self, more_bytes: int) -> None:
        """Let what is remembered of pictures grow by so many bytes."""
        self._features.grow_at_most(more_bytes // 2)
        self._prefixes.grow_at_most(more_bytes // 2)

    def check(self, settings: VisionLanguageSettings) -> None:
        """Raises: SettingsError: the prompt has a word that stands for the picture."""
        self._asking.check(settings.prompt, settings.system)

    def answer(
        self,
        images: Sequence[Image.Image],
        prompts: Sequence[str],
        settings: VisionLanguageSettings,
        seeds: Sequence[int],
        *,
        is_again: bool = False,
    ) -> list[Sentence]:
        """One sentence a picture, in order; under beam search with the other beams as alternatives.

        Args: prompts: the question for each picture. seeds: for each picture; heeded under nucleus sampling.
            is_again: the same will be asked again, with other settings.
        Raises: SettingsError: see `check`; the prompt leaves no room for an answer. ModelFailed: scores are not
            numbers. OutOfMemory: not even one fits.
        """
        asked = list(zip(images, prompts, seeds, strict=True))
        said: dict[int, Sentence] = {}
        with torch.inference_mode():
            for places in self._asking.together(prompts):
                part = [asked[place] for place in places]
                found = in_halves(lambda part: self._answered(part, settings, is_again), part)
                said |= dict(zip(places, found, strict=True))
        return [said[place] for place in range(len(asked))]

    def _inputs(self, images: list[Image.Image], prompts: list[str], system: str, beams: int, is_again: bool) -> Any:
        """Inputs for generate. One question about one picture, in however many rows, may go on from what is kept."""
        if all(image is images[0] for image in images) and len(set(prompts)) == 1:
            begun = self._prefixes.begun(
                images[0], prompts[0], system, rows=len(images), beams=beams, is_again=is_again
            )
            if begun is not None:
                return begun
        return self._features.instead_of_pixels(images, self._asking.inputs(images, prompts, system))

    def _answered(
        self, asked: Sequence[tuple[Image.Image, str, int]], settings: VisionLanguageSettings, is_again: bool
    ) -> list[Sentence]:
        images, prompts, seeds = (list(column) for column in zip(*asked, strict=True))
        is_drawn = settings.method == "nucleus"
        beams = 1 if is_drawn else settings.num_beams
        inputs = self._inputs(images, prompts, settings.system, beams, is_again)
        room = self._room(inputs.get("input_ids"))
        rules = self._rules(settings)
        draw = DrawEachRow(seeds, self._model.device) if is_drawn else None
        if draw is not None:
            rules.append(draw)
        said = self._model.generate(
            **inputs,
            max_new_tokens=min(settings.max_new_tokens, room),
            min_new_tokens=min(settings.min_new_tokens, room) or None,
            num_beams=beams,
            num_return_sequences=beams,
            length_penalty=settings.length_penalty if beams > 1 else 1.0,
            do_sample=False,
            logits_processor=rules,
            return_dict_in_generate=True,
            output_logits=beams == 1 and not is_drawn,
            output_scores=beams > 1,
        )
        answers = self._after_prompt(said.sequences, inputs.get("input_ids"), beams)
        scores = self._scores(said, answers, draw)
        texts = self._texts(answers)
        ends = [self._finish(row) for row in answers]
        found = [Alternative(*one) for one in zip(texts, scores, ends, strict=True)]
        if any(score is not None and score != score for score in scores):
            raise ModelFailed("the model's scores are not numbers (NaN); its weights may be damaged, or need fp32.")
        return [_sentence(found[row * beams : (row + 1) * beams]) for row in range(len(asked))]

    def _room(self, prompt: torch.Tensor | None) -> int:
        """How many tokens an answer may have before the model has no more places. Raises: SettingsError: none."""
        limit = getattr(self._model.config.get_text_config(decoder=True), "max_position_embeddings", None)
        if not isinstance(limit, int):
            return MAX_ANSWER
        count = prompt.shape[1] if prompt is not None else 0
        if count >= limit:
            raise SettingsError(
                f"the prompt and the picture take {plural(count, 'token')}, and this model has room for {limit:,} "
                "with its answer; shorten the prompt."
            )
        return limit - (1 if self._is_encoder_decoder else max(count, 1))

    def _rules(self, settings: VisionLanguageSettings) -> LogitsProcessorList:
        """What changes scores, in transformers' order; of the answer's tokens only."""
        rules = LogitsProcessorList()
        if settings.repetition_penalty != 1.0:
            rules.append(OfTheAnswer(RepetitionPenaltyLogitsProcessor(settings.repetition_penalty)))
        if settings.no_repeat_ngram_size:
            rules.append(OfTheAnswer(NoRepeatNGramLogitsProcessor(settings.no_repeat_ngram_size)))
        if settings.method == "nucleus":
            if settings.temperature != 1.0:
                rules.append(TemperatureLogitsWarper(settings.temperature))
            if settings.top_k:
                rules.append(TopKLogitsWarper(settings.top_k))
            if settings.top_p < 1:
                rules.append(TopPLogitsWarper(settings.top_p))
        return rules

    def _after_prompt(self, sequences: torch.Tensor, prompt: torch.Tensor | None, beams: int) -> torch.Tensor:
        """What was said after the prompt: some models repeat it, some leave it out, some take its last token off."""
        if self._is_encoder_decoder:
            return sequences[:, 1:]  # what a decoder begins with
        if prompt is None:
            return sequences
        rows = prompt.repeat_interleave(beams, 0)
        for given in (rows, rows[:, :-1]):
            length = given.shape[1]
            if 0 < length <= sequences.shape[1] and torch.equal(sequences[:, :length], given):
                return sequences[:, length:]
        return sequences

    def _scores(self, said: Any, answers: torch.Tensor, draw: DrawEachRow | None) -> list[float | None]:
        """By row the sum of its tokens' log-probabilities, of beams as the search ranked them."""
        if getattr(said, "sequences_scores", None) is not None:
            return [float(score) for score in said.sequences_scores]
        steps = draw.scores if draw is not None else None
        if steps is None:
            logits = getattr(said, "logits", None)
            if not logits:
                return [None] * len(answers)
            spoken = answers[:, -len(logits) :]
            steps = [
                step.log_softmax(-1).gather(1, spoken[:, place : place + 1])[:, 0] for place, step in enumerate(logits)
            ]
        logs = torch.stack(steps, 1).float()
        is_said = self._is_said(answers[:, -logs.shape[1] :])
        return [float(row[kept].sum()) for row, kept in zip(logs, is_said, strict=True)]

    def _is_said(self, answers: torch.Tensor) -> torch.Tensor:
        """Which tokens a row said itself: all up to the first end, that included."""
        is_end = torch.isin(answers, torch.tensor(sorted(self._ends), device=answers.device))
        return is_end.cumsum(1) - is_end.long() == 0

    @property
    def _ends(self) -> set[int]:
        ends = self._model.generation_config.eos_token_id
        return set(ends if isinstance(ends, list) else [ends]) - {None}

    def _finish(self, answer: torch.Tensor) -> Finish:
        return "stop" if set(answer.tolist()) & self._ends else "length"

    def _texts(self, answers: torch.Tensor) -> list[str]:
        texts = self._asking.tokenizer.batch_decode(answers, skip_special_tokens=True)
        return [_MARKS.sub("", _THOUGHT.sub("", text)).strip() for text in texts]


def _sentence(found: Sequence[Alternative]) -> Sentence:
    first, *rest = found
    others = {other.text: other for other in reversed(rest) if other.text != first.text}
    return Sentence(first.text, first.score, tuple(reversed(others.values())), first.finish)
