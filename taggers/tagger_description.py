"""What an ONNX tagger is like, as data: the files, how a picture is fed, what the outputs are, which categories.

A folder of somebody's own says it in a `tagger.json` beside its files (docs/plug-ins.md has the keys); of models that
the registry names it stands here. Knows no session.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Resampling

from captioner.errors import BadModel
from captioner.models.descriptions import Rule, Rules, check_all, each, either, one_of, read_description, real, whole
from captioner.models.descriptions import words as text
from taggers.onnx_labels import Label, read_labels, read_lines, read_mapping
from taggers.onnx_model import Activation
from taggers.squares import WHITE, Colour, fitted_square, padded_square

if TYPE_CHECKING:
    from PIL.Image import Image

FILE_NAME = "tagger.json"

DANBOORU = {
    "0": "general",
    "1": "artist",
    "3": "copyright",
    "4": "character",
    "5": "meta",
    "6": "year",
    "7": "model",
    "8": "quality",
    "9": "rating",
}
"""Category numbers, as label files write them: Danbooru's, and those that taggers have added."""

_RESAMPLING = {
    "bilinear": Resampling.BILINEAR,
    "bicubic": Resampling.BICUBIC,
    "lanczos": Resampling.LANCZOS,
}


@dataclass(frozen=True, kw_only=True)
class TaggerDescription:
    """One kind of ONNX tagger.

    weights, labels: names of files. subfolder: where the hub's repository has them. label_format: csv (columns name and
    category), lines (a name a line, all general) or json (`onnx_labels.read_mapping`). categories: what the label file
    writes -> our word. layout: nchw or nhwc. edge_px: where the graph leaves it open, else 0. fit: pad (to a square,
    then resize), shrink (resize to fit, then pad) or stretch. fill: of the padding. channels: rgb or bgr. scale: what
    255 becomes; mean, std: taken off and divided by afterwards, in the order of the channels. output: name or place.
    thresholds: of general and character tags, as settings begin.
    """

    weights: str
    labels: str
    subfolder: str = ""
    label_format: Literal["csv", "lines", "json"] = "csv"
    categories: Mapping[str, str] = field(default_factory=lambda: DANBOORU)
    layout: Literal["nchw", "nhwc"] = "nchw"
    edge_px: int = 0
    fit: Literal["pad", "shrink", "stretch"] = "pad"
    fill: Colour = WHITE
    resampling: Literal["bilinear", "bicubic", "lanczos"] = "bicubic"
    channels: Literal["rgb", "bgr"] = "rgb"
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    activation: Activation = "sigmoid"
    output: str | int = 0
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def to_input(self, image: Image, edge_px: int) -> NDArray[np.float32]:
        """A picture as the network takes it: (edge_px, edge_px, 3), channels in its order."""
        resampling = _RESAMPLING[self.resampling]
        if self.fit == "stretch":
            square = image.resize((edge_px, edge_px), resampling)
        else:
            make = padded_square if self.fit == "pad" else fitted_square
            square = make(image, edge_px, self.fill, resampling)
        pixels = np.asarray(square, dtype=np.float32)
        if self.channels == "bgr":
            pixels = pixels[:, :, ::-1]
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        return np.ascontiguousarray((pixels * np.float32(self.scale / 255) - mean) / std, dtype=np.float32)

    def read_labels(self, folder: Path) -> tuple[Label, ...]:
        """The network's outputs in order. Raises: BadModel."""
        path = folder / self.labels
        readers: Mapping[str, Callable[[], tuple[Label, ...]]] = {
            "csv": lambda: read_labels(path, {**{word: word for word in DANBOORU.values()}, **self.categories}),
            "lines": lambda: read_lines(path),
            "json": lambda: read_mapping(path, self.categories),
        }
        return readers[self.label_format]()

    def folder_in(self, folder: Path) -> Path:
        """Where the files are in a folder: in the repository's subfolder, or at the top."""
        return folder / self.subfolder if self.subfolder and (folder / self.subfolder).is_dir() else folder

    def fits(self, folder: Path) -> bool:
        """Whether both files are there."""
        files = self.folder_in(folder)
        return (files / self.weights).is_file() and (files / self.labels).is_file()


_file = Rule("the name of a file beside it", lambda value: isinstance(value, str) and Path(value).name == value != "")
_three = each(real(-1000, 1000), 3)
_mapping = Rule(
    f"an object whose values are of {', '.join(DANBOORU.values())}",
    lambda value: isinstance(value, dict) and all(one in DANBOORU.values() for one in value.values()),
)
_RULES: Rules = {
    "weights": _file,
    "labels": _file,
    "label_format": one_of("csv", "lines", "json"),
    "categories": _mapping,
    "layout": one_of("nchw", "nhwc"),
    "edge_px": whole(0, 2048),
    "fit": one_of("pad", "shrink", "stretch"),
    "fill": each(whole(0, 255), 3),
    "resampling": one_of(*_RESAMPLING),
    "channels": one_of("rgb", "bgr"),
    "scale": real(0.001, 255),
    "mean": _three,
    "std": each(real(0.000_001, 1000), 3),
    "activation": one_of("none", "sigmoid", "softmax"),
    "output": either(whole(0, 100), text()),
    "thresholds": {"general": real(0, 1), "character": real(0, 1)},
}


def read_tagger_description(path: Path) -> TaggerDescription:
    """What a `tagger.json` says.

    Raises: BadModel: no JSON object, a key or value that it may not have, or no weights or labels named.
    """
    values = read_description(path)
    check_all(values, _RULES, str(path))
    missing = [name for name in ("weights", "labels") if name not in values]
    if missing:
        raise BadModel(f"{path} does not say {' and '.join(missing)}; it must name these files beside it.")
    made: Any = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return TaggerDescription(**made)


_CLIP_MEAN, _CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)

KNOWN: Mapping[str, TaggerDescription] = {
    # By the authors' own inference code; thresholds stand with the names in the registry.
    "joytag": TaggerDescription(
        weights="model.onnx",
        labels="top_tags.txt",
        label_format="lines",
        edge_px=448,
        mean=_CLIP_MEAN,
        std=_CLIP_STD,
    ),
    "camie-tagger-v2": TaggerDescription(
        weights="camie-tagger-v2.onnx",
        labels="camie-tagger-v2-metadata.json",
        label_format="json",
        edge_px=512,
        fit="shrink",
        fill=(124, 116, 104),
        resampling="lanczos",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        output=1,  # 0 is a first look, 1 refines it
    ),
    "cl-tagger-1.02": TaggerDescription(
        weights="model.onnx",
        labels="tag_mapping.json",
        subfolder="cl_tagger_1_02",
        label_format="json",
        edge_px=448,
        channels="bgr",
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    ),
}
"""Registered name -> what it is like."""


def description_of(folder: Path, name: str = "") -> TaggerDescription | None:
    """What a folder's own `tagger.json` says, else what is known of a registered name, or of its files.

    Raises: BadModel: a `tagger.json` that will not do.
    """
    if (folder / FILE_NAME).is_file():
        return read_tagger_description(folder / FILE_NAME)
    if name in KNOWN:
        return KNOWN[name]
    return next((known for known in KNOWN.values() if known.fits(folder)), None)


def start_values(told: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a `tagger.json` begins with: field -> value. What it may not say is left to the loading."""
    thresholds = told.get("thresholds")
    try:
        check_all({"thresholds": thresholds or {}}, _RULES, FILE_NAME)
    except BadModel:
        return {}
    return {f"{kind}_threshold": float(value) for kind, value in (thresholds or {}).items()}
