"""How a caption's tokens are counted for the model that will be trained: exactly where that is possible here.

CLIP's always are. T5's and Qwen's are where their tokenizers lie in the Hugging Face cache, where `download_for` puts
them; otherwise CLIP's number stands for theirs, which is about right for English.
"""

from __future__ import annotations

from collections.abc import Callable

from captioner.captions.tokens import count_tokens
from captioner.errors import CaptionerError
from captioner.formats.checked import TokenCounter
from captioner.formats.trainers.target import ENCODER_OF_MODEL
from captioner.models.download import Progress
from captioner.models.text_encoders import TEXT_ENCODERS, Count, cached_counter, download_counter


def counter_for(base_model: str, clip: Count = count_tokens) -> TokenCounter:
    """What counts tokens for a model of `BASE_MODELS`; asks no server and never fails.

    Args: clip: counts CLIP's.
    """
    return _counter(base_model, clip, cached_counter)


def counter_of(encoder: str) -> TokenCounter:
    """The same for a text encoder (clip, t5, qwen)."""
    return _counter_of(encoder, count_tokens, cached_counter)


def download_for(base_model: str, progress: Progress) -> TokenCounter:
    """The same, but a tokenizer that is needed and not here is fetched; `trouble` says why none came."""
    return _counter(base_model, count_tokens, lambda encoder: download_counter(encoder, progress))


def encoder_title(base_model: str) -> str:
    """What people call the text encoder that counts for a model, "" where none is known."""
    encoder = ENCODER_OF_MODEL.get(base_model, "")
    return TEXT_ENCODERS[encoder].title if encoder in TEXT_ENCODERS else encoder.upper()


def _counter(base_model: str, clip: Count, find: Callable[[str], Count | None]) -> TokenCounter:
    return _counter_of(ENCODER_OF_MODEL.get(base_model, ""), clip, find)


def _counter_of(encoder: str, clip: Count, find: Callable[[str], Count | None]) -> TokenCounter:
    if encoder not in TEXT_ENCODERS:
        return TokenCounter(clip, is_exact=encoder == "clip")
    try:
        count = find(encoder)
    except CaptionerError as error:
        return TokenCounter(clip, is_exact=False, trouble=str(error))
    return TokenCounter(clip, is_exact=False) if count is None else TokenCounter(count)
