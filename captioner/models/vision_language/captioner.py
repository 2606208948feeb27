"""Vision-language models as captioners: the class the registry names. Holds no tensor code; `answering` has it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from captioner.contract import ModelSpec, PictureInput
from captioner.errors import CaptionerError, ModelFailed, SettingsError
from captioner.limits import read_json
from captioner.models.questions import AskedCaptioner
from captioner.models.torch_front import TorchFront, needing
from captioner.models.vision_language.settings import VisionLanguageSettings, wanted_by_folder
from captioner.records import Alternative, Sentence
from captioner.settings import Settings

if TYPE_CHECKING:
    from PIL.Image import Image

    from captioner.models.vision_language.answering import VisionLanguageModel

FILES = ("config.json", "tokenizer_config.json", "*.safetensors", "*.json", "*.model", "*.txt", "*.jinja")
"""What is fetched of a repository: everything transformers reads, and no code."""

_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


class VisionLanguageCaptioner(TorchFront, AskedCaptioner):
    """Answers a question about each picture; a thin front of `answering.VisionLanguageModel`."""

    family: ClassVar[str] = "vlm"
    title: ClassVar[str] = "Vision-language model"
    about: ClassVar[str] = "Answers a question about the picture, in as many words as it is asked for."
    Settings: ClassVar[type[Settings]] = VisionLanguageSettings
    other_names: ClassVar[str] = "the hub id of an image-text-to-text model (owner/name)"
    names_any_repo: ClassVar[bool] = True
    defaults_file: ClassVar[str] = "generation_config.json"
    is_live: ClassVar[bool] = False
    shares_grid: ClassVar[bool] = True
    files: ClassVar[tuple[str, ...]] = FILES

    def __init__(self, model: VisionLanguageModel) -> None:
        super().__init__(model)
        self._model = model

    @classmethod
    def load(cls, place: Path | str, *, device: str, spec: ModelSpec | None = None) -> Self:
        """The model in a folder (config.json, safetensors, processor and tokenizer files) on `device`.

        Raises: BadModel: files missing or damaged, a pickle, code of its own, tensors missing, no such model.
            MissingPackage: torch or transformers, or a package that this model needs, is not installed.
        """
        with needing("Vision-language models"):
            from captioner.models.vision_language.answering import VisionLanguageModel
        return cls(VisionLanguageModel.load(Path(place), device))

    @classmethod
    def spec_for(cls, name: str) -> ModelSpec | None:
        """A hub id stands for the model of that repository."""
        return cls.spec_of_repo(name)

    @classmethod
    def spec_of_repo(cls, name: str) -> ModelSpec | None:
        """The model of a repository of the hub, None for what is no hub id."""
        if not _REPO.fullmatch(name):
            return None
        return ModelSpec(
            name=name,
            kind="captioner",
            family=cls.family,
            entry=f"{cls.__module__}:{cls.__name__}",
            repo=name,
            files=cls.files,
            licence="see its page on the hub",
            about="of your choice",
        )

    @classmethod
    def name_warning(cls, name: str) -> str:
        """Of models that think aloud, which their names say."""
        if "thinking" not in name.rstrip("/").rpartition("/")[2].lower():
            return ""
        return (
            f"{name} thinks aloud before it answers, which is slow and leaves some pictures without a caption; the "
            "Instruct model of the same name suits captions better."
        )

    @classmethod
    def accepts(cls, folder: Path) -> bool:
        """Whether its config.json describes a model that looks at pictures and writes, BLIP aside."""
        try:
            config = read_json((folder / "config.json").read_bytes(), "config.json")
        except (OSError, CaptionerError):
            return False
        if not isinstance(config, dict) or config.get("model_type") == "blip":
            return False
        text = json.dumps(config.get("architectures") or [])
        writes = "ConditionalGeneration" in text or "CausalLM" in text or "EncoderDecoder" in text
        return writes and any("vision" in key or key in ("encoder", "image_token_id") for key in config)

    @classmethod
    def defaults_from(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """How the folder wants answers to be searched for, in our words; see `settings.wanted_by_folder`."""
        return wanted_by_folder(content)

    @property
    def note(self) -> str:
        """What of a picture it cannot keep, found out by trying."""
        return self._model.note

    @property
    def batch_size(self) -> int:
        """On the CPU a batch is no faster, and a person waits for all of it."""
        return 1 if self.device == "cpu" else 4

    def caption(self, inputs: Sequence[PictureInput], settings: VisionLanguageSettings) -> list[Sentence]:
        """One answer a picture, in order; the size of the batch never changes a result.

        Raises: SettingsError: the prompt holds a word that stands for the picture. ModelFailed, OutOfMemory.
        """
        self._model.check(settings)
        prompts = [settings.asked(shown) for shown in inputs]
        return self._answer([shown.image for shown in inputs], prompts, settings, [settings.seed] * len(inputs))

    def caption_grid(self, shown: PictureInput, grid: Sequence[VisionLanguageSettings]) -> list[Sentence]:
        """As one by one, but picture and question are read once, and what differs by its seed only is drawn together.

        Raises: as `caption`.
        """
        alike: dict[VisionLanguageSettings, list[int]] = {}
        for place, settings in enumerate(grid):
            self._model.check(settings)
            alike.setdefault(settings.replaced(seed=0), []).append(place)
        said: dict[int, Sentence] = {}
        for settings, places in alike.items():
            seeds = [grid[place].seed for place in places]
            prompt = settings.asked(shown)
            count = len(places) if self.can_draw(settings) else 1
            found = self._answer(
                [shown.image] * count, [prompt] * count, settings, seeds[:count], is_again=len(grid) > 1
            )
            said |= dict(zip(places, found if count == len(places) else found * len(places), strict=True))
        return [said[place] for place in range(len(grid))]

    def _answer(
        self,
        images: Sequence[Image],
        prompts: Sequence[str],
        settings: VisionLanguageSettings,
        seeds: Sequence[int],
        **how: Any,
    ) -> list[Sentence]:
        """As the model's; what it cannot take of a prompt with a picture's own words in it costs that picture."""
        try:
            return self._model.answer(images, prompts, settings, seeds, **how)
        except SettingsError as error:
            if not settings.reads():
                raise
            raise ModelFailed(f"with this picture's own words in it, {error}") from error

    @staticmethod
    def can_draw(settings: VisionLanguageSettings) -> bool:
        """Nucleus sampling draws; beam search finds the same again."""
        return settings.method == "nucleus"

    @classmethod
    def drawing(cls, settings: VisionLanguageSettings) -> VisionLanguageSettings:
        """By nucleus sampling, whatever found the answer that went wrong."""
        return settings.replaced(method="nucleus")

    def draw(
        self, shown: PictureInput, settings: VisionLanguageSettings, *, skip: int, count: int
    ) -> list[Alternative]:
        """The answers of the seeds that follow the settings' own. Raises: as `caption`."""
        seeds = [(settings.seed + skip + number) % 2**31 for number in range(count)]
        prompt = settings.asked(shown)
        drawn = self._answer([shown.image] * count, [prompt] * count, settings, seeds)
        return [Alternative(one.text, one.score, one.finish) for one in drawn]
