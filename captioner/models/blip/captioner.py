"""BLIP as a captioner: the class the registry names.

Holds no tensor code: that is in `decoder`, which only `load` imports, so that the page and the command line can show
BLIP's settings without torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from captioner.errors import MissingPackage
from captioner.models.blip.settings import SamplingSettings
from captioner.records import Sentence
from captioner.settings import Settings

if TYPE_CHECKING:
    from PIL.Image import Image

    from captioner.models.blip.decoder import BlipDecoder, Encoding


class BlipCaptioner:
    """Says a sentence about each picture with a BLIP model; a thin front of `decoder.BlipDecoder`."""

    family: ClassVar[str] = "blip"
    Settings: ClassVar[type[Settings]] = SamplingSettings

    def __init__(self, decoder: BlipDecoder) -> None:
        self._decoder = decoder

    @classmethod
    def load(cls, folder: Path, *, device: str) -> BlipCaptioner:
        """The model in `folder` (config.json, model.safetensors, tokenizer and preprocessor files) on `device`.

        Raises:
            BadModel: files missing, truncated, a pickle, a Git LFS pointer, or tensors that do not fit.
            MissingPackage: torch or transformers is not installed.
        """
        try:
            from captioner.models.blip.decoder import BlipDecoder
        except ModuleNotFoundError as error:
            if error.name and error.name.split(".")[0] in ("torch", "torchvision", "transformers", "safetensors"):
                raise MissingPackage(f"BLIP needs {error.name}: pip install -r requirements.txt") from error
            raise
        return cls(BlipDecoder.load(folder, device))

    @property
    def device(self) -> str:
        """Where the weights are now."""
        return self._decoder.device

    @property
    def precision(self) -> str:
        """fp16 on CUDA, fp32 on the CPU."""
        return self._decoder.precision

    @property
    def runtime(self) -> str:
        """torch."""
        return "torch"

    @property
    def revision(self) -> str:
        """Short hexadecimal fingerprint of the weights file."""
        return self._decoder.revision

    @property
    def size_bytes(self) -> int:
        """Bytes the weights take where they are now."""
        return self._decoder.size_bytes

    def move_to(self, device: str) -> None:
        """Bring the weights to a device; "cpu" offloads."""
        self._decoder.move_to(device)

    def forget_pictures(self) -> None:
        """Let go of what is remembered of pictures (part of `size_bytes`); it is made again when it is needed."""
        self._decoder.forget_pictures()

    def encode(self, pictures: Sequence[Image]) -> list[Encoding]:
        """What the picture tower makes of each picture, so that other settings need not look again.

        Raises: OutOfMemory: not even one picture fits.
        """
        return self._decoder.encode(pictures)

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

    def caption(self, pictures: Sequence[Image], settings: SamplingSettings) -> list[Sentence]:
        """One sentence a picture, in order; the size of the batch never changes a result.

        Raises: as `encode` and `decode`. An error is the whole call's: ask picture by picture to learn whose it is.
        """
        return self.decode(self.encode(pictures), settings)
