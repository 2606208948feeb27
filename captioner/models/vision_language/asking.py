"""How a model wants its pictures and questions: found out by trying, never by its name. Imported only by `answering`.

Four styles are known. "parts": a chat template that takes a list of parts; "string": one that takes text and puts the
picture in by itself; "plain": the processor takes text and pictures without a template; "picture": pictures alone.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from PIL import Image

from captioner.errors import BadModel, SettingsError

_log = logging.getLogger(__name__)

Style = Literal["parts", "string", "plain", "picture"]

_NONSENSE = "zqprobezq"
_WITH_SYSTEM = "zqsystemzq"


class Asking:
    """Turns pictures and questions into the inputs of one model."""

    def __init__(self, model: Any, processor: Any, pictures: Any) -> None:
        """Raises: BadModel: no known way of asking gets a picture into the model's input."""
        self._processor = processor
        self._pictures = pictures
        self.tokenizer = getattr(processor, "tokenizer", processor)
        self._takes = _taken_by(model)
        self._ends = _ends_of(model)
        self._place = _place_of_picture(model)
        self._template = getattr(processor, "chat_template", None) or ""
        self.style: Style = self._find_style(hasattr(processor, "image_processor"))
        self._has_system = self.style in ("parts", "string") and self._takes_system()
        self._reserved = self._placeholders()

    def inputs(self, images: Sequence[Image.Image], prompts: Sequence[str], system: str) -> dict[str, torch.Tensor]:
        """One left-padded batch, a row a picture.

        Args: prompts: a question for each picture. system: "" for none.
        Raises: SettingsError: a question holds a word that stands for the picture, or the model takes no question.
        """
        self._check(prompts, system)
        return self._batch(self.style, images, prompts, system)

    def probe(self, images: Sequence[Image.Image]) -> dict[str, torch.Tensor]:
        """One batch with a question of no meaning."""
        return self._batch(self.style, images, [_NONSENSE] * len(images), "")

    def together(self, prompts: Sequence[str]) -> list[list[int]]:
        """Which questions may be asked in one batch, by their places.

        Chat models reckon padding on the left out. Elsewhere it would come between picture and question, or shift the
        places of words, so that only equal questions go together.
        """
        if self.style != "plain":
            return [list(range(len(prompts)))]
        places: dict[str, list[int]] = {}
        for place, prompt in enumerate(prompts):
            places.setdefault(prompt, []).append(place)
        return list(places.values())

    def check(self, prompt: str, system: str) -> None:
        """Raises: SettingsError: as `inputs`, before any picture is at hand."""
        self._check([prompt], system)

    def _check(self, prompts: Sequence[str], system: str) -> None:
        for prompt in (*prompts, system):
            token = next((token for token in self._reserved if token in prompt), None)
            if token is not None:
                raise SettingsError(
                    f"the prompt has {token}, which this model reads as a sign of its own (such as the place of the "
                    "picture); leave it out."
                )

    def _placeholders(self) -> list[str]:
        """Words that a question must not hold, for the processor counts them."""
        named = [getattr(self._processor, name, None) for name in ("image_token", "video_token", "boi_token")]
        special = [token for token in self.tokenizer.all_special_tokens if token.startswith(("<", "["))]
        return sorted({str(token) for token in (*named, *special) if token}, key=len, reverse=True)

    def _find_style(self, has_joint_processor: bool) -> Style:
        if not has_joint_processor:
            return "picture"
        white = Image.new("RGB", (64, 64), "white")
        reasons = []
        styles: list[Style] = [*(("parts", "string") if self._template else ()), "plain"]  # type: ignore[list-item]
        for style in styles:
            try:
                if style != "plain":
                    text = self._rendered(style, _NONSENSE, "")
                    if text.count(_NONSENSE) != 1 or "'type'" in text or '"type"' in text:
                        reasons.append(f"{style}: the template does not take it")
                        continue
                made = self._batch(style, [white], [_NONSENSE], "")  # most processors count placeholders, and raise
                if self._place is None or "input_ids" not in made or (made["input_ids"] == self._place).any():
                    return style
                reasons.append(f"{style}: the picture is left out of the text")
            except Exception as error:  # noqa: BLE001 - whatever a processor says to what it does not take
                reasons.append(f"{style}: {type(error).__name__}: {str(error)[:120]}")
        try:
            if self._place is not None:
                raise BadModel("pictures have a place in the text")
            self._batch("picture", [white], [""], "")
        except Exception as error:
            raise BadModel(
                f"no way was found to show this model a picture ({'; '.join(reasons)}); take a copy of it with "
                "its own chat template and processor files, or another model."
            ) from error
        _log.info("the model takes no question: %s", "; ".join(reasons))
        return "picture"

    def _takes_system(self) -> bool:
        try:
            return _WITH_SYSTEM in self._rendered(self.style, _NONSENSE, _WITH_SYSTEM)
        except Exception:  # noqa: BLE001 - templates refuse a role in words of their own
            return False

    def _rendered(self, style: Style, prompt: str, system: str) -> str:
        """The chat template's text for one picture and a question."""

        def content(text: str, *before: dict[str, str]) -> Any:
            return text if style == "string" else [*before, {"type": "text", "text": text}]

        talk = [{"role": "system", "content": content(system)}] if system else []
        talk.append({"role": "user", "content": content(prompt, {"type": "image"})})
        # Told only where the template asks for it: elsewhere transformers hands it to the processor.
        thinking = {"enable_thinking": False} if "enable_thinking" in str(self._template) else {}
        rendered: str = self._processor.apply_chat_template(
            talk, tokenize=False, add_generation_prompt=True, **thinking
        )
        return rendered

    def _batch(
        self, style: Style, images: Sequence[Image.Image], prompts: Sequence[str], system: str
    ) -> dict[str, torch.Tensor]:
        if style == "picture":
            return self._taken(self._pictures(images=list(images), return_tensors="pt"))
        how: dict[str, Any] = {"padding": True, "padding_side": "left", "return_tensors": "pt"}
        if style == "plain":
            texts = [f"{system}\n{prompt}" if system else prompt for prompt in prompts]
            return self._open_ended(self._taken(self._processor(images=list(images), text=texts, **how)))
        if system and not self._has_system:
            prompts, system = [f"{system}\n\n{prompt}" for prompt in prompts], ""
        texts = [self._rendered(style, prompt, system) for prompt in prompts]
        begin = self.tokenizer.bos_token
        if begin and texts[0].startswith(begin):
            how["add_special_tokens"] = False
        return self._taken(self._processor(images=[[image] for image in images], text=texts, **how))

    def _open_ended(self, made: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Without the token that ends a text, which some tokenizers put behind a question: nothing is said after it."""
        ids = made.get("input_ids")
        if (
            ids is None
            or ids.shape[1] < 2
            or not self._ends
            or not torch.isin(ids[:, -1], torch.tensor(self._ends)).all()
        ):
            return made
        return {
            name: value[:, :-1] if value.ndim > 1 and value.shape[:2] == ids.shape else value
            for name, value in made.items()
        }

    def _taken(self, made: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        """What of a processor's output the model takes; some bring labels, or what another model would need."""
        return {name: value for name, value in made.items() if name in self._takes and name != "labels"}


def _taken_by(model: Any) -> set[str]:
    functions = [model.forward, model.prepare_inputs_for_generation]
    if not type(model).generate.__qualname__.startswith("GenerationMixin"):
        functions.append(model.generate)
    return {name for function in functions for name in inspect.signature(function).parameters}


def _place_of_picture(model: Any) -> int | None:
    """The token that stands for a picture in the text; None for a model without, or that puts pictures in by itself."""
    if not type(model).generate.__qualname__.startswith("GenerationMixin"):
        return None
    return getattr(model.config, "image_token_id", getattr(model.config, "image_token_index", None))


def _ends_of(model: Any) -> list[int]:
    """The tokens that end an answer which goes on from the question; none where an encoder reads the question."""
    config = model.config
    if any(getattr(one, "is_encoder_decoder", False) for one in (config, config.get_text_config())):
        return []
    ends = model.generation_config.eos_token_id
    return [end for end in (ends if isinstance(ends, list) else [ends]) if end is not None]
