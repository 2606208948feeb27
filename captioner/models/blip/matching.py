"""BLIP's matching head: a folder -> a model in memory; a picture and texts -> the odds that each text matches.

Imported only by `BlipMatcher.load`. Knows no name of a model and no rival.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import BlipForImageTextRetrieval

from captioner.contract import PictureInput
from captioner.errors import ModelFailed
from captioner.models.blip import loading
from captioner.models.blip.cache import key_of
from captioner.models.byte_cache import ByteCache
from captioner.models.cards import put_on
from captioner.models.download import keep_quiet
from captioner.models.memory import in_halves

_STATES_BYTES = 64 * 2**20  # the last 36 pictures of BLIP base in fp32
_MAX_TEXTS = 32  # each run of the text tower makes the picture's keys anew, whatever it is asked about them
_LESS = "use a smaller model or --device cpu"


class MatchingHead:
    """A BLIP image-text matching model in memory, with its tokenizer and picture processor; one thread at a time."""

    def __init__(self, model: Any, pictures: Any, tokenizer: Any, revision: str) -> None:
        """Args: model: a BlipForImageTextRetrieval on its device."""
        self._model = model.eval()
        self._pictures = pictures
        self._tokenizer = tokenizer
        self._states: ByteCache[torch.Tensor] = ByteCache(_STATES_BYTES)
        self.revision = revision

    @classmethod
    def load(cls, folder: Path, device: str, revision: Callable[[], str]) -> MatchingHead:
        """The model in `folder` on `device`: fp16 on CUDA, fp32 on the CPU. Raises: BadModel: as `loading.load`.

        Args: revision: gives the fingerprint of its weights.
        """
        keep_quiet()
        with loading.quiet():
            dtype = torch.float16 if device.startswith("cuda") else torch.float32
            model, pictures, tokenizer = loading.load(folder, dtype, BlipForImageTextRetrieval)
            loading.unmap(model)
            return cls(put_on(model, device), pictures, tokenizer, revision())

    @property
    def device(self) -> str:
        """Where the weights are now."""
        return str(self._model.device)

    @property
    def precision(self) -> str:
        """fp32 or fp16."""
        return "fp16" if self._model.dtype == torch.float16 else "fp32"

    @property
    def size_bytes(self) -> int:
        """Bytes of the weights, and of what is remembered of pictures."""
        tensors = [*self._model.parameters(), *self._model.buffers()]
        weights_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return int(weights_bytes + self._states.size_bytes)

    def move_to(self, device: str) -> None:
        """Bring the weights to a device, in the precision they have; what is remembered of pictures is let go."""
        self.forget_pictures()
        put_on(self._model, device)

    def forget_pictures(self) -> None:
        """Let go of what is remembered of pictures."""
        self._states.clear()

    def remember_more(self, more_bytes: int) -> None:
        """Let what is remembered of pictures grow by so many bytes."""
        self._states.grow_at_most(more_bytes)

    def tokens(self, text: str) -> tuple[int, ...]:
        """A text as the model reads it, with the tokens around it; cut where the model knows no further place."""
        positions = self._model.config.text_config.max_position_embeddings
        return tuple(self._tokenizer(text, truncation=True, max_length=positions).input_ids)

    @torch.inference_mode()
    def odds(self, shown: PictureInput, texts: Sequence[Sequence[int]]) -> list[float]:
        """The log-odds that each text (`tokens`) matches the picture, in nats; company changes nothing in fp32.

        Raises: ModelFailed: they are no numbers. OutOfMemory: not even one text fits.
        """
        states = self._look_at(shown)
        by_length = sorted(range(len(texts)), key=lambda place: len(texts[place]))  # so that little is filled up
        ordered = in_halves(
            lambda part: self._ask(states, part),
            [texts[place] for place in by_length],
            at_once=_MAX_TEXTS,
            forget=self.forget_pictures,
            otherwise=_LESS,
        )
        found = torch.tensor(ordered)
        if not bool(found.isfinite().all()):
            raise ModelFailed(
                "BLIP's matching head gave no number for this picture; leave it out, or download the model again."
            )
        odds: list[float] = found[torch.tensor(by_length, dtype=torch.long).argsort()].tolist()
        return odds

    def _look_at(self, shown: PictureInput) -> torch.Tensor:
        """What the picture tower makes of a picture, (1, image tokens, width); one of late is not looked at again."""
        digest = key_of(shown)
        states = self._states.get(digest)
        if states is None:
            pixels = self._pictures(images=[shown.image], return_tensors="pt")["pixel_values"]
            pixels = pixels.to(self._model.device, self._model.dtype)
            states = self._model.vision_model(pixel_values=pixels).last_hidden_state
            self._states.put(digest, states, states.numel() * states.element_size())
        return states

    def _ask(self, states: torch.Tensor, texts: Sequence[Sequence[int]]) -> list[float]:
        """Args: states: of the one picture; its keys are made once and shared by all texts of the run."""
        length = max(map(len, texts))
        tokens = torch.zeros(len(texts), length, dtype=torch.long)
        mask = torch.zeros(len(texts), length, dtype=torch.long)
        for row, text in enumerate(texts):
            tokens[row, : len(text)] = torch.tensor(text)
            mask[row, : len(text)] = 1
        device = self._model.device
        read = self._model.text_encoder(
            input_ids=tokens.to(device), attention_mask=mask.to(device), encoder_hidden_states=states
        )
        scores = self._model.itm_head(read.last_hidden_state[:, 0]).float()
        odds: list[float] = (scores[:, 1] - scores[:, 0]).tolist()
        return odds
