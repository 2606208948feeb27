"""Stage 4: the tower with its tag heads, trained a little further for tags alone and saved as WD14 taggers are."""

import random
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from demo.cache import EDGE_PX, Cache
from demo.loop import Parameters, Plan, train
from demo.tags import write_tag_file
from demo.tower import MEAN, STD, TaggingTower, teaching_loss
from demo.train_tower import held_out_report, picture_batch

PLAN = Plan(name="tagger", steps=600, batch=48, rate=5e-4)
PADDED_SHARE = 0.1  # of the batches: pictures that were not square, padded with white
_TAG_LOSS_WEIGHT = 0.3
_PATCH_LOSS_WEIGHT = 0.5


class Wd14Graph(nn.Module):
    """What the ONNX file computes: (N, edge, edge, 3) BGR 0..255 -> (N, tags) probabilities."""

    def __init__(self, tower: TaggingTower) -> None:
        super().__init__()
        self.tower = tower
        self.register_buffer("mean", 255 * torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(STD).view(1, 3, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        rgb = pictures.flip(3).permute(0, 3, 1, 2)
        return self.tower((rgb - self.mean) / self.std)[0].sigmoid()


def train_tagger(cache: Cache, work: Path, plan: Plan, tower: TaggingTower) -> TaggingTower:
    """Train the tower on, in place."""

    def loss_at(step: int, rng: random.Random) -> Tensor:
        _, _, pixels, tags, patches = picture_batch(cache, rng, plan.batch)
        is_padded = rng.random() < PADDED_SHARE
        if is_padded:
            pixels = _padded(pixels, rng)
        with torch.autocast("cpu", torch.bfloat16):
            tag_logits, patch_logits = tower(pixels)
        losses = functional.binary_cross_entropy_with_logits(tag_logits.float(), tags.float(), reduction="none")
        tag_loss = _TAG_LOSS_WEIGHT * losses.sum(1).mean()
        if is_padded:
            return tag_loss
        return tag_loss + _PATCH_LOSS_WEIGHT * teaching_loss(tag_logits, patch_logits, tags, patches)

    def report(step: int) -> str:
        return held_out_report(tower, cache) if (step + 1) % 400 == 0 or step + 1 == plan.steps else ""

    train(plan, work, {"tower": tower}, [Parameters(parameters=tower.parameters(), weight_decay=0.05)], loss_at, report)
    return tower


def _padded(pixels: Tensor, rng: random.Random) -> Tensor:
    """The pictures made narrower or lower, on white squares."""
    short_px = rng.randrange(round(0.7 * EDGE_PX), EDGE_PX - 1)
    is_wide = rng.random() < 0.5
    size = (short_px, EDGE_PX) if is_wide else (EDGE_PX, short_px)
    shrunk = functional.interpolate(pixels, size=size, mode="bilinear", antialias=True)
    white = ((1 - torch.tensor(MEAN)) / torch.tensor(STD)).view(1, 3, 1, 1)
    square = white.expand_as(pixels).clone()
    start = (EDGE_PX - short_px) // 2
    part = slice(start, start + short_px)
    if is_wide:
        square[:, :, part] = shrunk
    else:
        square[:, :, :, part] = shrunk
    return square


def _forget_where(path: Path) -> None:
    """Take out what the exporter notes at each node: the source lines and folders of the machine that made the file."""
    import onnx

    model = onnx.load(path)
    for node in model.graph.node:
        del node.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
    for function in model.functions:
        for node in function.node:
            del node.metadata_props[:]
    onnx.save(model, path)


def save_tagger(tower: TaggingTower, cache: Cache, folder: Path) -> None:
    """Write model.onnx, with a free batch size, and selected_tags.csv. Needs onnx and onnxscript."""
    folder.mkdir(parents=True, exist_ok=True)
    graph = Wd14Graph(tower).eval()
    torch.onnx.export(
        graph,
        (255 * torch.rand(2, EDGE_PX, EDGE_PX, 3),),
        folder / "model.onnx",
        input_names=["input"],
        output_names=["output"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    tower.train()
    _forget_where(folder / "model.onnx")
    write_tag_file(folder / "selected_tags.csv", cache.tags.sum(0, dtype=int).tolist())
