"""BLIP as a captioner: the class the registry names.

Holds no tensor code: that is in `decoder`, which only `load` imports, so that the page and the command line can show
BLIP's settings without torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from captioner.contract import Captioner, ModelSpec, PictureInput, inputs
from captioner.errors import CaptionerError
from captioner.lab.scores import score_caption
from captioner.lab.suggest import choose_length
from captioner.limits import read_json
from captioner.models.blip.settings import SamplingSettings, lengths_to_try
from captioner.models.torch_front import TorchFront, needing
from captioner.models.weights import WEIGHTS, fingerprinting
from captioner.phrases import whole_phrases
from captioner.readings import CaptionReading
from captioner.records import Alternative, Sentence
from captioner.settings import Settings

if TYPE_CHECKING:
    from PIL.Image import Image

    from captioner.models.blip.cache import Background, Encoding
    from captioner.models.blip.decoder import BlipDecoder


class BlipCaptioner(TorchFront, Captioner):
    """Says a sentence about each picture with a BLIP model; a thin front of `decoder.BlipDecoder`."""

    family: ClassVar[str] = "blip"
    title: ClassVar[str] = "BLIP"
    about: ClassVar[str] = "A sentence that says what is in the picture."
    Settings: ClassVar[type[Settings]] = SamplingSettings
    can_read: ClassVar[bool] = True
    shares_grid: ClassVar[bool] = True
    may_be_shared: ClassVar[bool] = True

    def __init__(self, decoder: BlipDecoder) -> None:
        super().__init__(decoder)
        self._decoder = decoder

    @classmethod
    def load(cls, place: Path | str, *, device: str, spec: ModelSpec | None = None) -> Self:
        """The model in a folder (config.json, model.safetensors, tokenizer and preprocessor files) on `device`.

        Raises:
            BadModel: files missing, truncated, a pickle, a Git LFS pointer, or tensors that do not fit.
            MissingPackage: torch or transformers is not installed.
        """
        with fingerprinting(Path(place) / WEIGHTS) as revision:  # while torch is imported too
            with needing("BLIP"):
                from captioner.models.blip.decoder import BlipDecoder
            return cls(BlipDecoder.load(Path(place), device, revision))

    def encode(self, pictures: Sequence[Image]) -> list[Encoding]:
        """What the picture tower makes of each picture, so that other settings need not look again.

        Raises: OutOfMemory: not even one picture fits.
        """
        return self._encoded(inputs(pictures))

    def _encoded(self, shown: Sequence[PictureInput]) -> list[Encoding]:
        return self._decoder.encode(shown, self.family)

    def preprocess_ahead(self) -> Callable[[Image], Any]:
        """Resizing and normalising, of which transformers' processor takes a tenth of a second for a photo."""
        return self._decoder.preprocess_ahead()

    def decode(self, encodings: Sequence[Encoding], settings: SamplingSettings, *, samples: int = 1) -> list[Sentence]:
        """One sentence an encoding, in order, with alternatives: the other beams, or further samples under nucleus.

        Raises:
            SettingsError: max_length leaves no room after the prompt, or is longer than the model can go.
            ModelFailed: the model's scores are not numbers. OutOfMemory: not even one picture fits.
        """
        return self._decoder.decode(encodings, settings, samples=samples)

    def decode_grid(self, encoding: Encoding, grid: Sequence[SamplingSettings]) -> list[Sentence]:
        """One sentence for each settings object, all for one picture, for far less than one call each.

        Raises: as `decode`.
        """
        return self._decoder.decode_grid(encoding, grid)

    def caption(self, inputs: Sequence[PictureInput], settings: SamplingSettings) -> list[Sentence]:
        """One sentence a picture, in order; the size of the batch never changes a result in fp32.

        In fp16, on a card, products of other sizes are rounded otherwise: now and then words that are nearly as likely
        trade places.

        Raises: as `encode` and `decode`. An error is the whole call's: ask picture by picture to learn whose it is.
        """
        encodings = self._encoded(inputs)
        if not settings.in_effect().get("fit_length"):
            return self.decode(encodings, settings)
        return [sentence for encoding in encodings for sentence in self._fitted(encoding, [settings])]

    def caption_grid(self, shown: PictureInput, grid: Sequence[SamplingSettings]) -> list[Sentence]:
        """As `decode_grid`: all of them for far less than one call each."""
        (encoding,) = self._encoded([shown])
        return self._fitted(encoding, grid)

    def _fitted(self, encoding: Encoding, grid: Sequence[SamplingSettings]) -> list[Sentence]:
        """As `decode_grid`, where settings may have their length fitted: the shortest caption that is worth as much as
        the best one, as BLIP itself reads them; its own wish to stop says what is filler."""
        tried = [lengths_to_try(one) if one.in_effect().get("fit_length") else (one,) for one in grid]
        found = iter(self.decode_grid(encoding, [one for lengths in tried for one in lengths]))
        return [self._worth_most(encoding, list(islice(found, len(lengths))), lengths) for lengths in tried]

    def _worth_most(
        self, encoding: Encoding, sentences: Sequence[Sentence], lengths: Sequence[SamplingSettings]
    ) -> Sentence:
        """Args: sentences: one for each of the lengths."""
        if len(sentences) == 1:
            return sentences[0]
        texts = [self.select(sentence, one).text for sentence, one in zip(sentences, lengths, strict=True)]
        scores = [score_caption(reading, {}) for reading in self._decoder.read(encoding, texts, None)]
        by_length = {one.min_length: score for one, score in zip(lengths, scores, strict=True)}
        chosen = choose_length(by_length)
        return next(found for found, one in zip(sentences, lengths, strict=True) if one.min_length == chosen)

    def background_of(self, inputs: Iterable[PictureInput], before: Background | None = None) -> Background | None:
        """The mean of what the picture tower makes of some pictures. Raises: as `encode`."""
        encodings: list[Encoding] = []
        source = iter(inputs)
        while batch := list(islice(source, self.batch_size)):
            encodings += self._encoded(batch)
        return self._decoder.average(encodings, before) if encodings else before

    def read(
        self, shown: PictureInput, captions: Sequence[str], background: Background | None = None
    ) -> list[CaptionReading]:
        """All captions of the picture together, which begin alike. Raises: ModelFailed, OutOfMemory."""
        (encoding,) = self._encoded([shown])
        found: list[CaptionReading] = self._decoder.read(encoding, captions, background)
        return found

    @staticmethod
    def select(sentence: Sentence, settings: SamplingSettings) -> Sentence:
        """The same, but one that was cut at max_length ends at its last whole phrase where the settings say so, and
        counts as ended then."""
        if sentence.finish != "length" or not settings.whole_phrases:
            return sentence
        return replace(sentence, text=whole_phrases(sentence.text), finish="stop")

    @staticmethod
    def can_draw(settings: SamplingSettings) -> bool:
        """Nucleus sampling draws; beam search finds the same again."""
        return settings.method == "nucleus"

    def draw(self, shown: PictureInput, settings: SamplingSettings, *, skip: int, count: int) -> list[Alternative]:
        """The sentences of the seeds that follow the settings' own. Raises: as `encode` and `decode`."""
        after = settings.replaced(seed=(settings.seed + skip) % 2**31)
        [drawn] = self.decode(self._encoded([shown]), after, samples=count)
        return [Alternative(drawn.text, drawn.score, drawn.finish), *drawn.alternatives]

    @classmethod
    def accepts(cls, folder: Path) -> bool:
        """Whether its config.json says that it is a BLIP."""
        try:
            config = read_json((folder / "config.json").read_bytes(), "config.json")
        except (OSError, CaptionerError):
            return False
        return isinstance(config, dict) and config.get("model_type") == "blip"
