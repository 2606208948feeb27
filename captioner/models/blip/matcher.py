"""BLIP's matching head as what tells which of two captions fits a picture better, in place of CLIP.

It was trained to tell a caption from one of another picture, looking at the picture at each word. Holds no tensor code:
that is in `matching`, which only `load` imports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from captioner.contract import ModelSpec, PictureInput, Tagger
from captioner.errors import CaptionerError
from captioner.limits import read_json
from captioner.models.torch_front import TorchFront, needing
from captioner.models.weights import WEIGHTS, fingerprinting
from captioner.readings import Opinion
from captioner.records import Tag
from captioner.settings import Settings

if TYPE_CHECKING:
    from captioner.models.blip.matching import MatchingHead

_ARCHITECTURE = "BlipForImageTextRetrieval"


class MatchingSettings(Settings):
    """There is nothing to set."""


class BlipMatcher(TorchFront, Tagger):
    """Compares captions of a picture and gives no tags; a thin front of `matching.MatchingHead`."""

    family: ClassVar[str] = "matching"
    title: ClassVar[str] = "BLIP matching"
    about: ClassVar[str] = "Finds doubtful words in captions, in CLIP's place. Adds no tags."
    Settings: ClassVar[type[Settings]] = MatchingSettings
    can_compare: ClassVar[bool] = True
    gives_tags: ClassVar[bool] = False

    def __init__(self, head: MatchingHead) -> None:
        super().__init__(head)
        self._head = head

    @classmethod
    def load(cls, place: Path | str, *, device: str, spec: ModelSpec | None = None) -> Self:
        """The model in a folder (config.json, model.safetensors, tokenizer and preprocessor files) on `device`.

        Raises:
            BadModel: files missing, truncated, a pickle, a Git LFS pointer, or tensors that do not fit.
            MissingPackage: torch or transformers is not installed.
        """
        with fingerprinting(Path(place) / WEIGHTS) as revision:  # while torch is imported too
            with needing("BLIP"):
                from captioner.models.blip.matching import MatchingHead
            return cls(MatchingHead.load(Path(place), device, revision))

    @classmethod
    def accepts(cls, folder: Path) -> bool:
        """Whether its config.json says that it is a BLIP with a matching head."""
        try:
            config = read_json((folder / "config.json").read_bytes(), "config.json")
        except (OSError, CaptionerError):
            return False
        return isinstance(config, dict) and config.get("architectures") == [_ARCHITECTURE]

    def tag(self, inputs: Sequence[PictureInput], settings: MatchingSettings) -> list[tuple[Tag, ...]]:
        """No tags, whatever the pictures are."""
        return [()] * len(inputs)

    @staticmethod
    def select(tags: Sequence[Tag], settings: MatchingSettings) -> list[Tag]:
        """No tags."""
        return []

    def opinions(
        self, shown: PictureInput, rivals: Mapping[str, Sequence[str]], background: None = None
    ) -> dict[str, dict[str, Opinion]]:
        """By how much likelier a changed caption is to match the picture than the caption itself.

        A changed caption of the same tokens is left out: it is the same to BLIP, or differs behind what BLIP reads.
        Raises: as `MatchingHead.odds`.
        """
        texts = dict.fromkeys(text for own, changed in rivals.items() if changed for text in (own, *changed))
        tokens = {text: self._head.tokens(text) for text in texts}
        different = list(dict.fromkeys(tokens.values()))
        odds = dict(zip(different, self._head.odds(shown, different), strict=True)) if different else {}
        return {
            caption: {
                text: Opinion(odds[tokens[text]] - odds[tokens[caption]])
                for text in changed
                if tokens[text] != tokens[caption]
            }
            for caption, changed in rivals.items()
        }
