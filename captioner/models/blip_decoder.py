"""BLIP's tensor code: a folder -> a model in memory; pictures -> encodings; encodings and settings -> sentences.

Imported only by `BlipCaptioner.load`. Knows no name of a model, no page and no command line.
"""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from PIL.Image import Image
from safetensors import SafetensorError
from transformers import (
    BlipForConditionalGeneration,
    BlipProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.utils import logging as transformers_logging

from captioner import hub
from captioner.errors import BadModel, OutOfMemory, SettingsError
from captioner.models.blip import SamplingSettings
from captioner.models.blip_search import BeamScores, Choose, RefuseNaN
from captioner.records import Alternative, Sentence

WEIGHTS = "model.safetensors"
_TOKENIZER_FILES = ("tokenizer.json", "vocab.txt")  # either will do

# Rows (pictures x beams) that go through the decoder together; more gain nothing on a CPU and cost memory.
_MAX_ROWS = 128

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Encoding:
    """One picture as the picture tower left it. states: (1, image tokens, width), on the model's device."""

    states: torch.Tensor


class BlipDecoder:
    """A BLIP model in memory, with its tokenizer and picture processor. Made by `load`; one thread at a time."""

    def __init__(self, model: Any, processor: Any, revision: str) -> None:
        self._model = model.eval()
        self._pictures = processor.image_processor
        self._tokenizer = processor.tokenizer
        self._end_id = int(model.config.text_config.sep_token_id)
        self._prompt_ids: dict[str, tuple[int, ...]] = {}
        self.revision = revision

    @classmethod
    def load(cls, folder: Path, device: str) -> BlipDecoder:
        """The model in `folder` on `device`: fp16 on CUDA, fp32 on the CPU, whatever the file holds.

        Raises: BadModel: files missing, truncated, a pickle, a Git LFS pointer, or tensors that do not fit.
        """
        _check_folder(folder)
        hub.keep_quiet()
        dtype = torch.float16 if device.startswith("cuda") else torch.float32
        with _quiet():
            try:
                model, report = BlipForConditionalGeneration.from_pretrained(
                    folder, dtype=dtype, use_safetensors=True, local_files_only=True, output_loading_info=True
                )
                processor = BlipProcessor.from_pretrained(folder, local_files_only=True)
            except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
                detail = next(iter(str(error).strip().splitlines()), type(error).__name__)
                raise BadModel(f"{folder} cannot be loaded as a BLIP model: {detail}") from error
            missing = sorted(report["missing_keys"])
            if missing:
                more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
                raise BadModel(
                    f"{folder / WEIGHTS} lacks tensors that its config.json asks for: {', '.join(missing[:3])}{more}; "
                    "it may belong to another model."
                )
            return cls(model.to(device), processor, hub.fingerprint(folder / WEIGHTS))

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
        """Bytes of all parameters and buffers, shared ones once."""
        tensors = [*self._model.parameters(), *self._model.buffers()]
        return sum({tensor.data_ptr(): tensor.numel() * tensor.element_size() for tensor in tensors}.values())

    def move_to(self, device: str) -> None:
        """Bring the weights to a device, in the precision they have."""
        self._model.to(device)
        if device == "cpu" and torch.cuda.is_available():
            torch.cuda.empty_cache()

    def encode(self, pictures: Sequence[Image]) -> list[Encoding]:
        """What the picture tower makes of each picture.

        Raises: OutOfMemory: not even one picture fits.
        """
        return in_halves(self._encode_batch, pictures)

    def decode(self, encodings: Sequence[Encoding], settings: SamplingSettings) -> list[Sentence]:
        """One sentence an encoding, in order; how many are decoded together changes nothing.

        Raises:
            SettingsError: max_length leaves no room after the prompt, or is longer than the model can go.
            ModelFailed: the model's scores are not numbers. OutOfMemory: not even one picture fits.
        """
        sentences: list[Sentence] = []
        at_once = max(1, _MAX_ROWS // (settings.num_beams if settings.method == "beam" else 1))
        for start in range(0, len(encodings), at_once):
            batch = encodings[start : start + at_once]
            sentences += in_halves(lambda part: self._decode_batch(part, settings), batch)
        return sentences

    def token_ids(self, encodings: Sequence[Encoding], settings: SamplingSettings) -> list[list[int]]:
        """The best sentence's tokens for each encoding, with start token and prompt, up to and with the end token."""
        return [found[0].tokens for found in self._search(encodings, settings)]

    def prompt_ids(self, prompt: str) -> tuple[int, ...]:
        """The start token and the prompt's own tokens, without the end token a tokenizer would add."""
        if prompt not in self._prompt_ids:
            own = self._tokenizer(prompt, add_special_tokens=False).input_ids
            self._prompt_ids[prompt] = (int(self._model.config.text_config.bos_token_id), *own)
        return self._prompt_ids[prompt]

    @torch.inference_mode()
    def _encode_batch(self, pictures: Sequence[Image]) -> list[Encoding]:
        pixels = self._pictures(images=list(pictures), return_tensors="pt")["pixel_values"]
        states = self._model.vision_model(
            pixel_values=pixels.to(self._model.device, self._model.dtype)
        ).last_hidden_state
        return [Encoding(state) for state in states.split(1)]

    def _decode_batch(self, encodings: Sequence[Encoding], settings: SamplingSettings) -> list[Sentence]:
        prompt_ids = self.prompt_ids(settings.prompt)
        sentences = []
        for found in self._search(encodings, settings):
            texts: dict[str, float] = {}
            for one in found:
                texts.setdefault(self._text(one.tokens, prompt_ids, settings.prompt), one.score)
            (best, score), *others = texts.items()
            sentences.append(Sentence(best, score, tuple(Alternative(text, value) for text, value in others)))
        return sentences

    def _text(self, tokens: list[int], prompt_ids: tuple[int, ...], prompt: str) -> str:
        """The sentence without its prompt, which is cut off by its length in characters, as the original BLIP does."""
        whole = self._in_words(tokens[1:])
        shown = self._in_words(prompt_ids[1:])
        return whole[len(prompt) if prompt.rstrip() == shown else len(shown) :].strip()

    def _in_words(self, tokens: Sequence[int]) -> str:
        # Without the clean-up, "dog ' s" instead of "dog's".
        text: str = self._tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=True)
        return text

    @torch.inference_mode()
    def _search(self, encodings: Sequence[Encoding], settings: SamplingSettings) -> list[list[_Found]]:
        """The sentences found for each encoding, best first: all beams under beam search, else one."""
        prompt_ids = self.prompt_ids(settings.prompt)
        self._check_length(len(prompt_ids), settings)
        device = self._model.device
        states = torch.cat([encoding.states for encoding in encodings])
        beams = settings.num_beams if settings.method == "beam" else 1
        input_ids = torch.tensor([prompt_ids], device=device).repeat(len(encodings), 1)
        processors: list[Any] = [RefuseNaN(beams, _in_short(settings))]
        watch: Choose | BeamScores
        if beams > 1:
            watch = BeamScores(beams, self._end_id)
        else:
            generators = None
            if settings.method == "nucleus":
                generators = [torch.Generator(device).manual_seed(settings.seed) for _ in encodings]
                processors += _warpers(settings)
            watch = Choose(
                generators, prompt_length=len(prompt_ids), max_length=settings.max_length, end_id=self._end_id
            )
        with _quiet():
            output = self._model.text_decoder.generate(
                input_ids=input_ids,
                encoder_hidden_states=states,
                encoder_attention_mask=torch.ones(states.shape[:2], dtype=torch.long, device=device),
                eos_token_id=self._end_id,
                pad_token_id=self._model.config.text_config.pad_token_id,
                do_sample=False,
                num_beams=beams,
                num_return_sequences=beams,
                min_length=settings.min_length,
                max_length=settings.max_length,
                repetition_penalty=settings.repetition_penalty,
                no_repeat_ngram_size=settings.no_repeat_ngram_size,
                logits_processor=[*processors, watch],
                return_dict_in_generate=True,
                **({"length_penalty": settings.length_penalty} if beams > 1 else {}),
            )
        found: list[list[_Found]] = []
        for picture, rows in enumerate(output.sequences.view(len(encodings), beams, -1)):
            found.append([])
            for row in rows:
                tokens = self._until_end(row, len(prompt_ids))
                if isinstance(watch, BeamScores):
                    score = watch.of(picture, tokens, len(prompt_ids), settings.length_penalty)
                else:
                    score = watch.totals()[picture]
                found[-1].append(_Found(tokens.tolist(), score))
        return found

    def _until_end(self, row: torch.Tensor, prompt_length: int) -> torch.Tensor:
        """Cut after the first end token behind the prompt: beam search fills the rest of a row with end tokens."""
        ends = (row[prompt_length:] == self._end_id).nonzero()
        return row[: prompt_length + int(ends[0]) + 1] if len(ends) else row

    def _check_length(self, prompt_length: int, settings: SamplingSettings) -> None:
        if settings.max_length <= prompt_length:
            raise SettingsError(
                f"max_length is {settings.max_length}, but the start token and the prompt {settings.prompt!r} take "
                f"{prompt_length}; it must be at least {prompt_length + 1}, or the prompt shorter."
            )
        longest = int(self._model.config.text_config.max_position_embeddings)
        if settings.max_length > longest:
            raise SettingsError(f"max_length is {settings.max_length}; this model goes up to {longest} tokens.")


@dataclass(frozen=True, slots=True)
class _Found:
    tokens: list[int]
    score: float


def in_halves(function: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item]) -> list[Result]:
    """The function's results for all items; when memory runs out, for half of them at a time, down to one.

    Raises: OutOfMemory: one item alone does not fit.
    """
    if not items:
        return []
    try:
        return function(items)
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        if len(items) == 1:
            raise OutOfMemory(
                "there is not enough memory for even one picture: use fewer beams, a smaller model or --device cpu."
            ) from error
    # Outside the except block, whose traceback would keep the failed batch's tensors alive.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    middle = (len(items) + 1) // 2
    return in_halves(function, items[:middle]) + in_halves(function, items[middle:])


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return "can't allocate memory" in str(error) or "not enough memory" in str(error)  # torch on the CPU


def _warpers(settings: SamplingSettings) -> list[Any]:
    """What transformers puts between the rules on tokens and a draw, in its order, each left out where it is off."""
    warpers: list[Any] = []
    if settings.temperature != 1.0:
        warpers.append(TemperatureLogitsWarper(settings.temperature))
    if settings.top_k:
        warpers.append(TopKLogitsWarper(settings.top_k))
    if settings.top_p < 1.0:
        warpers.append(TopPLogitsWarper(settings.top_p))
    return warpers


def _in_short(settings: SamplingSettings) -> str:
    fields = (field for field in settings.fields() if field.only_when in (None, ("method", settings.method)))
    return ", ".join(f"{field.name} {getattr(settings, field.name)}" for field in fields)


def _check_folder(folder: Path) -> None:
    """Raises: BadModel: what is missing or wrong, before any library looks at it."""
    if not folder.is_dir():
        raise BadModel(f"{folder} is no folder; a BLIP model is one, with {WEIGHTS} and config.json.")
    config_path = folder / "config.json"
    if not config_path.is_file():
        raise BadModel(f"{folder} has no config.json; copy the model's folder again, with all its files.")
    try:
        config = json.loads(config_path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadModel(f"{config_path} is no JSON; copy the model's folder again.") from error
    if not isinstance(config, dict) or config.get("model_type") != "blip":
        kind = config.get("model_type") if isinstance(config, dict) else None
        raise BadModel(f"{folder} holds a model of type {kind!r}; a captioner here is of type 'blip'.")
    hub.check_weights(folder / WEIGHTS)
    if not any((folder / name).is_file() for name in _TOKENIZER_FILES):
        raise BadModel(f"{folder} has no {' and no '.join(_TOKENIZER_FILES)}; copy all the model's files.")
    if not any((folder / name).is_file() for name in ("preprocessor_config.json", "processor_config.json")):
        raise BadModel(f"{folder} has no preprocessor_config.json; copy all the model's files.")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Nothing of transformers on stderr: its progress bars, advice and warnings are for programmers."""
    verbosity = transformers_logging.get_verbosity()
    had_bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if had_bars:
            transformers_logging.enable_progress_bar()
