"""BLIP's tensor code: a folder -> a model in memory; pictures -> encodings; encodings and settings -> sentences.

Imported only by `BlipCaptioner.load`. Knows no name of a model, no page and no command line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from PIL.Image import Image

from captioner.contract import PictureInput
from captioner.errors import ModelFailed, SettingsError
from captioner.models.blip import fast, forced, loading, selfcheck
from captioner.models.blip.cache import Background, Encoding, PictureKeys, key_of
from captioner.models.blip.graphs import CudaRecorder, StepGraphs
from captioner.models.blip.reading import PROMPT, Reader
from captioner.models.blip.search import FoundSentence, NotNumbers, group_key, in_short, rows_each, search
from captioner.models.blip.settings import SamplingSettings
from captioner.models.blip.tree import PrefixTree
from captioner.models.byte_cache import ByteCache
from captioner.models.cards import put_on
from captioner.models.download import keep_quiet
from captioner.models.memory import in_halves
from captioner.readings import CaptionReading
from captioner.records import Alternative, Sentence

Item = TypeVar("Item")
Result = TypeVar("Result")

# What goes through the decoder together: more rows gain nothing on a CPU and cost memory, and each picture brings its
# cross-attention keys and values, 42 MB for BLIP base in fp32.
_MAX_ROWS = 512
_MAX_PICTURES = 8

# For pictures that were looked at: states are 1.8 MB each for BLIP base in fp32, so some 140 of them; keys and values
# are for the picture that is being tuned and the last few.
_STATES_BYTES = 256 * 2**20
_KEYS_BYTES = 176 * 2**20
_KEYS_PICTURES = 128  # of a small model, which would reach the bytes with hundreds that nobody tunes any more

_LESS = "use fewer beams, a smaller model or --device cpu"


class BlipDecoder:
    """A BLIP model in memory, with tokenizer and picture processor. Made by `load`; for several threads on a CPU."""

    def __init__(self, model: Any, pictures: Any, tokenizer: Any, revision: str = "", *, is_fast: bool = True) -> None:
        """Args: model: a BlipForConditionalGeneration on its device. is_fast: use `fast` where it works."""
        self._model = model.eval()
        self._pictures = pictures
        self._tokenizer = tokenizer
        self._prompt_ids: dict[str, tuple[int, ...]] = {}
        self._reader = Reader(tokenizer, model.config.text_config, self.prompt_ids(PROMPT))
        self._states: ByteCache[Encoding] = ByteCache(_STATES_BYTES)
        self._keys: ByteCache[PictureKeys] = ByteCache(_KEYS_BYTES, _KEYS_PICTURES)
        self.revision = revision
        self.asked_tokens = 0  # tokens that searches asked scores for, and...
        self.computed_tokens = 0  # ...how many of them were computed: rows that share a prefix cost once
        is_packed = model.device.type == "cpu"
        self._is_packed = is_fast and is_packed and selfcheck.fast_is_supported(True)
        self.is_fast = is_fast and (self._is_packed or selfcheck.fast_is_supported(False))
        if self.is_fast:
            fast.speed_up(model, self._is_packed)
            self._set_up_graphs()

    @classmethod
    def load(cls, folder: Path, device: str, revision: Callable[[], str]) -> BlipDecoder:
        """The model in `folder` on `device`: fp16 on CUDA, fp32 on the CPU, whatever the file holds.

        Args: revision: gives the fingerprint of its weights; asked at the end.
        Raises: BadModel: files missing, truncated, a pickle, a Git LFS pointer, or tensors that do not fit.
        """
        keep_quiet()
        with loading.quiet():
            dtype = torch.float16 if device.startswith("cuda") else torch.float32
            model, pictures, tokenizer = loading.load(folder, dtype)
            is_packed = device == "cpu" and selfcheck.fast_is_supported(True)
            loading.unmap(put_on(model, device), but=(torch.nn.Linear,) if is_packed else ())
            decoder = cls(model, pictures, tokenizer)
            decoder.revision = revision()
            return decoder

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
        """Bytes of the weights, shared ones once, and of what is remembered of pictures."""
        tensors = [*self._model.parameters(), *self._model.buffers()]
        plain_bytes = sum({tensor.data_ptr(): tensor.numel() * tensor.element_size() for tensor in tensors}.values())
        packed_bytes = fast.packed_bytes(self._model)
        graphs = self._model.text_decoder.graphs if self.is_fast else None
        graph_bytes = graphs.size_bytes if graphs else 0
        return int(plain_bytes + packed_bytes + graph_bytes + self._states.size_bytes + self._keys.size_bytes)

    def move_to(self, device: str) -> None:
        """Bring the weights to a device, in the precision they have; what is remembered of pictures is let go.

        Weights that were packed for the CPU stay there.
        """
        if self._is_packed and device != "cpu":
            raise ValueError(f"this model was loaded for the CPU; load it again for {device}")
        self.forget_pictures()
        if self.is_fast:
            self._model.text_decoder.graphs = None
        put_on(self._model, device)
        if self.is_fast:
            self._set_up_graphs()
        if device == "cpu" and torch.cuda.is_available():
            torch.cuda.empty_cache()

    def forget_pictures(self) -> None:
        """Let go of all encodings and keys; they are made again when they are needed.

        Steps that were recorded for a card stay: to record them takes longer than a caption. They go when it moves.
        """
        self._states.clear()
        self._keys.clear()

    def _forget_all(self) -> None:
        """As `forget_pictures`, and recorded steps too: when memory has run out."""
        self.forget_pictures()
        if self.is_fast and self._model.text_decoder.graphs is not None:
            self._model.text_decoder.graphs.forget()

    def _in_halves(self, function: Callable[[Sequence[Item]], Sequence[Result]], items: Sequence[Item]) -> list[Result]:
        return in_halves(function, items, forget=self._forget_all, otherwise=_LESS)

    def remember_more(self, more_bytes: int) -> None:
        """Let encodings and keys grow by so many bytes together; keys are most of them."""
        states_bytes = more_bytes // 8
        self._states.grow_at_most(states_bytes)
        self._keys.grow_at_most(more_bytes - states_bytes)

    def preprocess_ahead(self) -> Callable[[Image], torch.Tensor]:
        """Image -> what the picture tower takes, (1, 3, edge, edge), on the CPU. Knows no weights."""
        return partial(_pixels_of, self._pictures)

    def encode(self, pictures: Sequence[PictureInput], family: str) -> list[Encoding]:
        """What the picture tower makes of each picture; one that was looked at before is not looked at again.

        Args: family: under which a picture has what `preprocess_ahead` made of it.
        Raises: OutOfMemory: not even one picture fits.
        """
        digests = [key_of(shown) for shown in pictures]
        encodings: dict[str, Encoding] = {}
        new: dict[str, PictureInput] = {}
        for digest, shown in zip(digests, pictures, strict=True):
            known = self._states.get(digest)
            if known is None:
                new[digest] = shown
            else:
                encodings[digest] = known

        def look(part: Sequence[PictureInput]) -> list[torch.Tensor]:
            found: list[torch.Tensor] = self._encode_batch(
                [shown.as_seen(family, self.preprocess_ahead()) for shown in part]
            )
            return found

        for digest, states in zip(new, self._in_halves(look, list(new.values())), strict=True):
            encodings[digest] = Encoding(states, digest)
            self._states.put(digest, encodings[digest], encodings[digest].size_bytes)
        return [encodings[digest] for digest in digests]

    def decode(self, encodings: Sequence[Encoding], settings: SamplingSettings, *, samples: int = 1) -> list[Sentence]:
        """One sentence an encoding, in order; how many are decoded together changes nothing in fp32.

        Args: samples: under nucleus sampling, how many are drawn, with the seeds that follow the settings' own; the
            first is the sentence and the others its alternatives. Beam search has its other beams as alternatives.
        Raises:
            SettingsError: max_length leaves no room after the prompt, or is longer than the model can go.
            ModelFailed: the model's scores are not numbers. OutOfMemory: not even one picture fits.
        """
        if settings.method == "nucleus" and samples > 1:
            draws = [settings.replaced(seed=(settings.seed + number) % 2**31) for number in range(samples)]
            found = self.find([(encoding, draw) for encoding in encodings for draw in draws])
            each = [found[start : start + samples] for start in range(0, len(found), samples)]
            return [self._sentence([one for (one,) in drawn], settings) for drawn in each]
        return [self._sentence(one, settings) for one in self.find([(encoding, settings) for encoding in encodings])]

    def decode_grid(self, encoding: Encoding, grid: Sequence[SamplingSettings]) -> list[Sentence]:
        """One sentence for each settings object, all for one picture, for far less than one call each.

        Raises: as `decode`.
        """
        found = self.find([(encoding, settings) for settings in grid])
        return [self._sentence(one, settings) for one, settings in zip(found, grid, strict=True)]

    def average(self, encodings: Sequence[Encoding], before: Background | None = None) -> Background:
        """The mean of some pictures of a set, and of those that are in `before`."""
        total = torch.stack([encoding.states.float() for encoding in encodings]).sum(0)
        digests = sorted(encoding.digest for encoding in encodings)
        count = len(encodings)
        if before is not None:
            total += before.mean.states.float().to(total.device) * before.count
            digests.append(before.mean.digest)
            count += before.count
        digest = hashlib.sha256(f"mean of {' '.join(digests)}".encode()).hexdigest()
        return Background(Encoding((total / count).to(encodings[0].states), digest), count)

    @torch.inference_mode()
    def read(
        self, encoding: Encoding, captions: Sequence[str], background: Background | None = None
    ) -> list[CaptionReading]:
        """What the model makes of given captions of a picture, word by word; see `reading`.

        Args: background: an `average` of the set; None where there is none to compare with.
        Raises: ModelFailed: the model's scores are not numbers. OutOfMemory: not even one caption fits.
        """
        run = self._forced([encoding] if background is None else [encoding, background.mean])
        has_background = background is not None
        return self._in_halves(lambda part: self._reader.read(part, run, has_background=has_background), captions)

    def _forced(self, encodings: Sequence[Encoding]) -> forced.Forced:
        if self.is_fast:
            return forced.in_one_pass(self._model.text_decoder, [self._keys_of(one) for one in encodings])
        return forced.row_by_row(self._model.text_decoder, [one.states for one in encodings])

    def find(self, cells: Sequence[tuple[Encoding, SamplingSettings]]) -> list[list[FoundSentence]]:
        """The sentences found for each cell, as tokens, best first.

        Cells that one generate can serve are searched together; a cell's result does not depend on its company in fp32.

        Raises: as `decode`.
        """
        groups: dict[Any, list[int]] = {}
        for number, (_, settings) in enumerate(cells):
            self._check_length(len(self.prompt_ids(settings.prompt)), settings)
            groups.setdefault(group_key(settings), []).append(number)
        found: list[list[FoundSentence]] = [[] for _ in cells]
        for numbers in groups.values():
            # Cells of one picture side by side, since they share its keys and what they have in common of their tokens.
            first_seen: dict[str, int] = {}
            for number in numbers:
                first_seen.setdefault(cells[number][0].digest, number)
            numbers.sort(key=lambda number: (first_seen[cells[number][0].digest], number))
            for batch in _batches(numbers, cells):
                for number, one in zip(batch, self._find_named(batch, cells), strict=True):
                    found[number] = one
        return found

    def prompt_ids(self, prompt: str) -> tuple[int, ...]:
        """The start token and the prompt's own tokens, without the end token a tokenizer would add."""
        if prompt not in self._prompt_ids:
            own = self._tokenizer(prompt, add_special_tokens=False).input_ids
            self._prompt_ids[prompt] = (int(self._model.config.text_config.bos_token_id), *own)
        return self._prompt_ids[prompt]

    def _set_up_graphs(self) -> None:
        """New ones on a CUDA device, which let go of the memory of the former; elsewhere there is nothing to gain."""
        is_used = self._model.device.type == "cuda" and selfcheck.graphs_are_supported(str(self._model.device))
        text_decoder = self._model.text_decoder
        text_decoder.graphs = StepGraphs(text_decoder, CudaRecorder()) if is_used else None

    def _graphs(self) -> StepGraphs | None:
        """What runs the next search's steps; None from then on where a step could not be recorded."""
        graphs: StepGraphs | None = self._model.text_decoder.graphs
        if graphs is None or not graphs.has_failed:
            return graphs
        selfcheck.give_up_graphs(str(self._model.device))
        self._model.text_decoder.graphs = None
        return None

    @torch.inference_mode()
    def _encode_batch(self, pictures: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        pixels = torch.cat(list(pictures)).to(self._model.device, self._model.dtype)
        return [one.clone() for one in self._model.vision_model(pixel_values=pixels).last_hidden_state.split(1)]

    def _find_named(
        self, batch: list[int], cells: Sequence[tuple[Encoding, SamplingSettings]]
    ) -> list[list[FoundSentence]]:
        """As `_find_batch`, in halves when memory runs out; an error names the picture it belongs to."""
        try:
            return self._in_halves(lambda part: self._find_batch(part, cells), batch)
        except NotNumbers as error:
            # Not numbers spread within a batch, also to pictures that are sound: ask each alone.
            for number in batch:
                try:
                    self._find_batch([number], cells)
                except NotNumbers:
                    order = list(dict.fromkeys(encoding.digest for encoding, _ in cells))
                    position = order.index(cells[number][0].digest) + 1
                    which = "this picture" if len(order) == 1 else f"picture {position} of {len(order)}"
                    raise ModelFailed(
                        f"the model's scores for {which} are not numbers (NaN) with {in_short(cells[number][1])}; its "
                        "weights may be damaged or overflow in fp16: try --device cpu or another model."
                    ) from error
            raise

    @torch.inference_mode()
    def _find_batch(
        self, numbers: Sequence[int], cells: Sequence[tuple[Encoding, SamplingSettings]]
    ) -> list[list[FoundSentence]]:
        encodings = [cells[number][0] for number in numbers]
        chosen = [cells[number][1] for number in numbers]
        own = {encoding.digest: encoding for encoding in encodings}
        on_ended = None
        if self.is_fast:
            keys = {digest: self._keys_of(encoding) for digest, encoding in own.items()}
            graphs = self._graphs()
            tree = PrefixTree(
                list(keys.values()),
                [list(keys).index(encoding.digest) for encoding in encodings],
                rows_each(chosen[0]),
                self._model.config.text_config.vocab_size,
                graphs.store(list(keys.values())) if graphs else None,
                is_rounded=graphs is not None,
            )
            inputs: dict[str, Any] = {"cache": tree}
            on_ended = tree.stop_cells
        else:
            states = torch.cat([encoding.states for encoding in encodings])
            attended = torch.ones(states.shape[:2], dtype=torch.long, device=states.device)
            inputs = {"encoder_hidden_states": states, "encoder_attention_mask": attended}
        with loading.quiet():
            found = search(self._model.text_decoder, chosen, self.prompt_ids(chosen[0].prompt), inputs, on_ended)
        if self.is_fast:
            self.asked_tokens += tree.row_count
            self.computed_tokens += tree.node_count
        return found

    def _keys_of(self, encoding: Encoding) -> PictureKeys:
        keys = self._keys.get(encoding.digest)
        if keys is None:
            keys = self._model.text_decoder.keys_of(encoding.states)
            self._keys.put(encoding.digest, keys, keys.size_bytes)
        return keys

    def _sentence(self, found: Sequence[FoundSentence], settings: SamplingSettings) -> Sentence:
        prompt_ids = self.prompt_ids(settings.prompt)
        told: dict[str, Alternative] = {}  # two rows of tokens may read the same
        for one in found:
            text = self._text(one.tokens, prompt_ids, settings.prompt)
            told.setdefault(text, Alternative(text, one.score, "length" if one.is_cut else "stop"))
        first, *others = told.values()
        return Sentence(first.text, first.score, tuple(others), first.finish)

    def _text(self, tokens: list[int], prompt_ids: tuple[int, ...], prompt: str) -> str:
        """The sentence without its prompt, which is cut off by its length in characters, as the original BLIP does."""
        whole = self._in_words(tokens[1:])
        shown = self._in_words(prompt_ids[1:])
        return whole[len(prompt) if prompt.rstrip() == shown else len(shown) :].strip()

    def _in_words(self, tokens: Sequence[int]) -> str:
        # Without the clean-up, "dog ' s" instead of "dog's".
        text: str = self._tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=True)
        return text

    def _check_length(self, prompt_length: int, settings: SamplingSettings) -> None:
        if settings.max_length <= prompt_length:
            raise SettingsError(
                f"max_length is {settings.max_length}, but the start token and the prompt {settings.prompt!r} take "
                f"{prompt_length}; it must be at least {prompt_length + 1}, or the prompt shorter."
            )
        longest = int(self._model.config.text_config.max_position_embeddings)
        if settings.max_length > longest:
            raise SettingsError(f"max_length is {settings.max_length}; this model goes up to {longest} tokens.")


def _pixels_of(processor: Any, picture: Image) -> torch.Tensor:
    pixels: torch.Tensor = processor(images=[picture], return_tensors="pt")["pixel_values"]
    return pixels


def _batches(numbers: Sequence[int], cells: Sequence[tuple[Encoding, SamplingSettings]]) -> Iterator[list[int]]:
    """The numbers in runs that are small enough for one call."""
    batch: list[int] = []
    digests: set[str] = set()
    for number in numbers:
        encoding, settings = cells[number]
        is_full = (len(batch) + 1) * rows_each(settings) > _MAX_ROWS or len(digests | {encoding.digest}) > _MAX_PICTURES
        if batch and is_full:
            yield batch
            batch, digests = [], set()
        batch.append(number)
        digests.add(encoding.digest)
    if batch:
        yield batch
