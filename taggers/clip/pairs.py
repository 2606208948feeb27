"""open_clip's own names: "ViT-B-32/laion2b_s34b_b79k" -> the hub repository that has these weights as safetensors.

open_clip itself falls back to pickles where a repository has nothing else; here such a pair is refused by name, or when
its repository turns out to have no safetensors file. So is one whose texts are read by another tokenizer than CLIP's,
which open_clip would fetch from somewhere else. Asks no server.
"""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from functools import cache
from typing import Any

from captioner.contract import ModelSpec
from captioner.errors import MissingPackage, ModelNotFound

_PIP = "pip install open_clip_torch"
_FILES = ("open_clip_model.safetensors", "open_clip_config.json")
_PICKLE_ENDINGS = (".bin", ".pt", ".pth", ".npz")


@dataclass(frozen=True)
class Pair:
    """One line of open_clip's table. file: a file it names in the repository, "" for the usual ones."""

    architecture: str
    pretrained: str
    repository: str
    file: str
    quick_gelu: bool

    @property
    def name(self) -> str:
        """As a person writes it."""
        return f"{self.architecture}/{self.pretrained}"


def import_open_clip() -> Any:
    """The package, imported on first use. Raises: MissingPackage."""
    try:
        return importlib.import_module("open_clip")
    except ImportError as error:
        raise MissingPackage(f"CLIP needs open_clip: {_PIP}") from error


@cache
def known() -> tuple[Pair, ...]:
    """open_clip's table of pretrained weights.

    Raises: MissingPackage.
    """
    open_clip = import_open_clip()
    pairs = []
    for architecture, pretrained in open_clip.list_pretrained():
        entry = open_clip.get_pretrained_cfg(architecture, pretrained)
        owner, _, rest = entry.get("hf_hub", "").partition("/")
        repository, _, file = rest.partition("/")
        pairs.append(
            Pair(
                architecture,
                pretrained,
                f"{owner}/{repository}" if repository else "",
                file,
                bool(entry.get("quick_gelu")),
            )
        )
    return tuple(pairs)


def spec_for(name: str) -> ModelSpec | None:
    """The model that an open_clip name stands for; None for a name that has not the form of one.

    Raises:
        ModelNotFound: open_clip knows no such pair (the nearest names are given), has it as a pickle only, or it does
            not read texts with CLIP's own tokenizer.
        MissingPackage: open_clip is not installed.
    """
    architecture, slash, pretrained = name.partition("/")
    if not slash or not architecture or not pretrained or "/" in pretrained or "\\" in name or name.startswith("."):
        return None
    # open_clip spells the weights of one architecture with and without quick GELU; the hub has them once.
    pair = next((pair for pair in known() if pair.name.lower() == name.lower()), None)
    if pair is None:
        nearest = difflib.get_close_matches(name, [pair.name for pair in known()], n=3, cutoff=0.5)
        advice = f"did you mean {' or '.join(nearest)}?" if nearest else "open_clip.list_pretrained() names them all."
        raise ModelNotFound(f"open_clip knows no weights called {name!r}; {advice}")
    if not pair.repository or pair.file.endswith(_PICKLE_ENDINGS):
        where = f" ({pair.repository}/{pair.file})" if pair.repository else ""
        raise ModelNotFound(
            f"{pair.name} is published as a pickle only{where}, which can run code when it is opened; "
            "take a pair that has safetensors, such as ViT-B-32/laion2b_s34b_b79k."
        )
    text = import_open_clip().get_model_config(pair.architecture)["text_cfg"]
    fetched = text.get("hf_tokenizer_name") or text.get("hf_model_name")
    if fetched:
        raise ModelNotFound(
            f"{pair.name} reads texts with the tokenizer of {fetched}, which is not loaded here; take a pair "
            "with CLIP's own tokenizer, such as ViT-B-32/laion2b_s34b_b79k."
        )
    return ModelSpec(
        name=pair.name,
        kind="tagger",
        family="clip",
        entry="taggers.clip:ClipTagger",
        repo=pair.repository,
        files=_FILES,
        licence=f"see https://huggingface.co/{pair.repository}",
        about="weights from open_clip's table",
        tag=(pair.architecture, pair.pretrained),
    )
