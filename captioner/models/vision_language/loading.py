"""A folder -> an image-text-to-text model of transformers and what prepares its input. Imported only by `answering`.

The folder is data that may come from anybody: no code of its own is run, weights are safetensors only, and a model that
lacks tensors is refused, where transformers fills them with random numbers and goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor, GenerationConfig
from transformers.utils import logging as transformers_logging

from captioner.errors import BadModel, CaptionerError, MissingPackage
from captioner.limits import shown
from captioner.models.cards import put_on
from captioner.models.descriptions import read_description
from captioner.models.memory import is_out_of_memory
from captioner.models.vision_language import published_florence
from captioner.models.weights import INDEX, check_weights, fingerprint, weights_files

transformers_logging.disable_progress_bar()  # its bars would stand between our own lines

_NO_CODE: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
_OTHERWISE = "take it from an endpoint that runs it, or another model"


def load(folder: Path, device: str) -> tuple[Any, Any, Any]:
    """The model on a device (bf16 on CUDA, fp32 on the CPU), its processor, and what prepares pictures.

    Raises: BadModel: files missing or damaged, a pickle, code of its own, no model of this kind, or tensors missing.
        MissingPackage: it needs a package that is not installed.
    """
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    if published_florence.is_published(folder):
        model, told, processor = _made(folder, "model", lambda: published_florence.load(folder, dtype))
        _refuse_missing(folder, told)
        model.generation_config = _emptied(model.generation_config)
        return put_on(model, device).eval(), processor, processor.image_processor
    for name in ("config.json", "preprocessor_config.json", "processor_config.json", "tokenizer_config.json"):
        if name == "config.json" or (folder / name).is_file():
            read_description(folder / name)
    for path in weights_files(folder):
        check_weights(path)
    processor = _made(folder, "processor", lambda: AutoProcessor.from_pretrained(folder, **_NO_CODE))
    pictures = getattr(processor, "image_processor", None)
    if pictures is None:
        pictures = _made(folder, "picture processor", lambda: AutoImageProcessor.from_pretrained(folder, **_NO_CODE))
    model = _model(folder, dtype)
    model.generation_config = _emptied(model.generation_config)
    return put_on(model, device).eval(), processor, pictures


def revision_of(folder: Path) -> str:
    """Short hexadecimal fingerprint of the weights; of several files, that of the index that names them."""
    files = weights_files(folder)
    return fingerprint(files[0] if len(files) == 1 else folder / INDEX)


def _model(folder: Path, dtype: torch.dtype) -> Any:
    model, told = _made(
        folder,
        "model",
        lambda: AutoModelForImageTextToText.from_pretrained(
            folder,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told of, and refused below
            **_NO_CODE,
        ),
    )
    _refuse_missing(folder, told)
    return model


def _refuse_missing(folder: Path, told: Mapping[str, Any]) -> None:
    """Raises: BadModel: there are tensors that were in no file. Args: told: transformers' own report of the loading."""
    missing = sorted({*told["missing_keys"], *(str(key) for key, *_ in told.get("mismatched_keys", ()))})
    if missing:
        some = ", ".join(shown(name, max_length=80) for name in missing[:3])
        raise BadModel(
            f"{folder} lacks {len(missing):,} of the tensors that its config.json asks for ({some}); transformers "
            "would fill them with random numbers. Download it again, or take a copy made for transformers."
        )


def _made(folder: Path, what: str, make: Any) -> Any:
    """What transformers makes of the folder's files. Raises: BadModel, MissingPackage: in our words."""
    try:
        return make()
    except CaptionerError:
        raise
    except ImportError as error:
        name = getattr(error, "name", None) or _first_line(error)
        raise MissingPackage(
            f"{folder.name} needs a package that is not installed: {name}. Install it and try again."
        ) from error
    except Exception as error:
        if is_out_of_memory(error):
            raise
        detail = _first_line(error)
        if "trust_remote_code" in str(error) or "custom code" in str(error):
            raise BadModel(
                f"{folder} runs only with code of its own, and no code of a model folder is run here; {_OTHERWISE}."
            ) from error
        raise BadModel(f"transformers cannot make the {what} of {folder}: {detail}; {_OTHERWISE}.") from error


def _first_line(error: BaseException) -> str:
    text = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return shown(text.rstrip(". "), max_length=200)


def _emptied(stored: GenerationConfig) -> GenerationConfig:
    """Only what says how answers begin and end: the rest would stay in force behind our settings' back."""
    kept = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id", "forced_bos_token_id")
    return GenerationConfig(**{name: value for name in kept if (value := getattr(stored, name, None)) is not None})
