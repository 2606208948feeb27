"""Stage 1: the tower learns what stands on every patch."""

import random
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from demo.cache import Cache
from demo.loop import Parameters, Plan, train
from demo.tags import TAG_INDEX
from demo.tower import TaggingTower, first_images, micro_f1, normalised, teaching_loss, tower_scores, whiten

PLAN = Plan(name="tower", steps=4500, batch=48, rate=1.2e-3)
HELD_OUT = 500  # the cache's last pictures, for the reports only


def picture_batch(cache: Cache, rng: random.Random, count: int) -> tuple[list[int], bool, Tensor, Tensor, Tensor]:
    """Random pictures, all mirrored or none, in slightly changed light.

    Returns: their indices; whether mirrored; pixels (N, 3, edge, edge); tags (N, tags); patch labels (N, channels,
        grid, grid).
    """
    indices = [rng.randrange(len(cache.images) - HELD_OUT) for _ in range(count)]
    is_mirrored = rng.random() < 0.5
    images, patches = cache.images[indices], cache.patches[indices]
    if is_mirrored:
        images, patches = images[:, :, ::-1].copy(), patches[..., ::-1].copy()
    gains = np.array([rng.uniform(0.93, 1.05) for _ in indices], np.float32)
    lit = torch.from_numpy(images).float() * torch.from_numpy(gains).view(-1, 1, 1, 1)
    pixels = normalised(lit.clamp(0, 255))
    return indices, is_mirrored, pixels, torch.from_numpy(cache.tags[indices]), torch.from_numpy(patches)


def held_out_report(tower: TaggingTower, cache: Cache) -> str:
    """Micro-F1 of the tags on pictures the steps do not use."""
    scores = tower_scores(tower, cache.images[-HELD_OUT:])
    truth = cache.tags[-HELD_OUT:].astype(bool)
    colours = [index for tag, index in TAG_INDEX.items() if "_" in tag and tag.split("_")[0] in _COLOUR_PREFIXES]
    counts = [index for tag, index in TAG_INDEX.items() if tag[0].isdigit()]
    parts = {"all": slice(None), "colours": colours, "counts": counts}
    return "F1 " + ", ".join(f"{name} {micro_f1(scores[:, part], truth[:, part]):.3f}" for name, part in parts.items())


_COLOUR_PREFIXES = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")


def train_tower(cache: Cache, work: Path, plan: Plan) -> TaggingTower:
    torch.manual_seed(plan.seed)
    tower = TaggingTower()
    whiten(tower.vision, first_images(cache))

    def loss_at(step: int, rng: random.Random) -> Tensor:
        _, _, pixels, tags, patches = picture_batch(cache, rng, plan.batch)
        with torch.autocast("cpu", torch.bfloat16):
            tag_logits, patch_logits = tower(pixels)
        return teaching_loss(tag_logits, patch_logits, tags, patches)

    def report(step: int) -> str:
        return held_out_report(tower, cache) if (step + 1) % 400 == 0 or step + 1 == plan.steps else ""

    train(plan, work, {"tower": tower}, [Parameters(parameters=tower.parameters(), weight_decay=0.05)], loss_at, report)
    return tower
