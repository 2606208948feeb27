"""WD14 tagging against the way the published demos run it: one picture, one call.

    python -m benchmarks.wd14 [--json] [--pictures 16] [--device cpu|cuda] [--architecture vit_base_patch16_224]

A ViT-B at 448 px with random weights and the published models' 10,861 outputs, exported to ONNX. On a CPU there is
nothing to gain from batches; the share of preprocessing says what else there could be.
"""

from __future__ import annotations

import argparse
import csv
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.report import Row, show, timed
from captioner.contract import inputs
from taggers.wd14 import Wd14Settings, Wd14Tagger, to_wd14_input

OUTPUTS = 10_861
EDGE_PX = 448


def compare(folder: Path, pictures: Sequence[Image.Image], device: str) -> Iterator[Row]:
    """The rows, one by one as they are measured. folder: a WD14 model's."""
    tagger = Wd14Tagger.load(folder, device=device)
    peer = Peer(folder, tagger.runtime)
    settings = Wd14Settings()
    tagger.tag(inputs(pictures[:1]), settings)
    peer.tag(pictures[0])
    ours_s, ours = timed(lambda: tagger.tag(inputs(pictures), settings), 2)
    peer_s, theirs = timed(lambda: [peer.tag(picture) for picture in pictures], 2)
    equal = all(_same({t.name: t.score for t in tags}, wanted) for tags, wanted in zip(ours, theirs, strict=True))
    count = len(pictures)
    yield Row("tag_picture", ours_s / count, "s", peer_s / count, equal)
    prepare_s, _ = timed(lambda: [to_wd14_input(picture, tagger._model.edge_px) for picture in pictures], 2)
    yield Row("preprocessing_share", 100 * prepare_s / ours_s, "%")


class Peer:
    """The published demo's way, written from its description: whole session defaults, one picture a run."""

    def __init__(self, folder: Path, provider: str) -> None:
        import onnxruntime

        self.session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=[provider])
        with (folder / "selected_tags.csv").open(encoding="utf-8", newline="") as lines:
            self.names = [row["name"] for row in csv.DictReader(lines)]
        self.edge_px = self.session.get_inputs()[0].shape[1]

    def tag(self, picture: Image.Image) -> dict[str, float]:
        """Every name with its score."""
        side = max(picture.size)
        square = Image.new("RGB", (side, side), (255, 255, 255))
        square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
        square = square.resize((self.edge_px, self.edge_px), Image.Resampling.BICUBIC)
        pixels = np.asarray(square, dtype=np.float32)[:, :, ::-1][None]
        (scores,) = self.session.run(None, {self.session.get_inputs()[0].name: np.ascontiguousarray(pixels)})
        return dict(zip(self.names, scores[0].tolist(), strict=True))


def _same(ours: dict[str, float], theirs: dict[str, float]) -> bool:
    kept = {name: score for name, score in theirs.items() if score >= 0.011}
    return kept.keys() <= ours.keys() and all(abs(ours[name] - theirs[name]) < 1e-3 for name in ours)


class _Wd14(torch.nn.Module):
    """(N, edge, edge, 3) BGR 0..255 -> probabilities, as the published graphs take and give them."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.network(pixels.permute(0, 3, 1, 2) / 127.5 - 1))


def export(folder: Path, architecture: str, edge_px: int = EDGE_PX) -> None:
    """A WD14 model folder with random weights of a timm architecture."""
    import timm

    torch.manual_seed(0)
    network: Any = timm.create_model(architecture, img_size=edge_px, num_classes=OUTPUTS).eval()
    example = torch.zeros(2, edge_px, edge_px, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        logging.disable(logging.WARNING)
        torch.onnx.export(
            _Wd14(network).eval(),
            (example,),
            str(folder / "model.onnx"),
            input_names=["input"],
            output_names=["output"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        logging.disable(logging.NOTSET)
    rows = [f"{n},tag_{n},{9 if n < 4 else 0},1" for n in range(OUTPUTS)]
    (folder / "selected_tags.csv").write_text("tag_id,name,category,count\n" + "\n".join(rows) + "\n")


def random_pictures(count: int) -> list[Image.Image]:
    """Pictures of an ordinary camera's sizes."""
    numbers = np.random.default_rng(0)
    sizes = [(1024, 768), (768, 1024), (1920, 1080), (640, 640)]
    small = [Image.fromarray(numbers.integers(0, 256, (32, 32, 3), np.uint8)) for _ in range(count)]
    return [picture.resize(sizes[n % len(sizes)]) for n, picture in enumerate(small)]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wd14", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--architecture", default="vit_base_patch16_224", help="a timm vision transformer")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        export(Path(name), arguments.architecture)
        rows = list(compare(Path(name), random_pictures(arguments.pictures), arguments.device))
    show(rows, as_json=arguments.json)


if __name__ == "__main__":
    main()
