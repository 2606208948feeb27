"""Training pictures, drawn once into memory-mapped arrays. Knows no model."""

import io
import json
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demo.drawing import draw
from demo.scene import Scene
from demo.scenes import scene_from_seed
from demo.tags import TAG_INDEX, scene_tags
from demo.world import COLOURS, NOUNS, SIZES

PICTURES = 50_000
EDGE_PX = 80
PATCH_PX = 8
GRID = EDGE_PX // PATCH_PX
# What each patch of a picture is labelled with; 0 is "no object here", so every channel has one class more.
PATCH_CHANNELS = {"noun": len(NOUNS) + 1, "colour": len(COLOURS) + 1, "count": 4, "size": len(SIZES) + 1}
CHUNK = 1000
_DRAWN_EDGES_PX = (112, 128, 160, 192, 224, 256)
_COLOUR_NAMES = list(COLOURS)


@dataclass(frozen=True)
class Cache:
    """The training pictures and their labels; row i of each belongs to scene i.

    Args:
        images: (N, EDGE_PX, EDGE_PX, 3) uint8, RGB.
        patches: (N, channels, GRID, GRID) uint8, in the order of PATCH_CHANNELS.
        tags: (N, tags) uint8, 0 or 1, in the order of tags.TAGS.
    """

    images: NDArray[np.uint8]
    patches: NDArray[np.uint8]
    tags: NDArray[np.uint8]
    scenes: list[Scene]


def training_scene(seed: int, index: int) -> Scene:
    """Scene `index` of the training pictures, which no `python -m demo.scenes --seed` ever draws."""
    return scene_from_seed(f"training {seed}", index, withheld=False)


def patch_labels(scene: Scene) -> NDArray[np.uint8]:
    """What stands on each patch's middle. Returns: (channels, GRID, GRID)."""
    labels: NDArray[np.uint8] = np.zeros((len(PATCH_CHANNELS), GRID, GRID), np.uint8)
    middles = (np.arange(GRID) + 0.5) / GRID
    for group in scene.groups:
        values = (
            NOUNS.index(group.noun) + 1,
            _COLOUR_NAMES.index(group.colour) + 1,
            group.count,
            SIZES.index(group.size) + 1,
        )
        for thing in group.objects:
            distance = np.hypot(middles[None, :] - thing.x, middles[:, None] - thing.y)
            labels[:, distance < 0.48 * thing.side] = np.array(values, np.uint8)[:, None]
    return labels


def with_wear(picture: Image.Image, rng: random.Random) -> Image.Image:
    """The picture as it may arrive: sometimes rescaled, sometimes compressed as JPEG."""
    if rng.random() < 0.2:
        edge_px = rng.choice(_DRAWN_EDGES_PX)
        picture = picture.resize((edge_px, edge_px), Image.Resampling.BILINEAR)
    if rng.random() < 0.35:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=rng.randint(50, 95))
        picture = Image.open(buffer).convert("RGB")
    return picture


def load_cache(folder: Path, seed: int, count: int, workers: int = 2) -> Cache:
    """The first `count` training pictures of a seed, drawn into `folder` where they are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = _make_arrays(folder, seed, count)
    done_path = folder / f"drawn-{seed}-{count}.json"
    done = set(json.loads(done_path.read_text())) if done_path.exists() else set()
    missing = [start for start in range(0, count, CHUNK) if start not in done]
    if missing:
        with ProcessPoolExecutor(workers) as pool:
            jobs = [(paths, seed, start, min(start + CHUNK, count)) for start in missing]
            for start in pool.map(_draw_chunk, jobs):
                done.add(start)
                done_path.write_text(json.dumps(sorted(done)))
    images, patches, tags = (np.load(path, mmap_mode="r") for path in paths)
    return Cache(images, patches, tags, [training_scene(seed, index) for index in range(count)])


def _make_arrays(folder: Path, seed: int, count: int) -> list[Path]:
    shapes = {
        "images": (count, EDGE_PX, EDGE_PX, 3),
        "patches": (count, len(PATCH_CHANNELS), GRID, GRID),
        "tags": (count, len(TAG_INDEX)),
    }
    paths = []
    for name, shape in shapes.items():
        path = folder / f"{name}-{seed}-{count}.npy"
        if not path.exists():
            np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape).flush()
        paths.append(path)
    return paths


def _draw_chunk(job: tuple[list[Path], int, int, int]) -> int:
    paths, seed, start, end = job
    images, patches, tags = (np.load(path, mmap_mode="r+") for path in paths)
    for index, scene in _scenes(seed, start, end):
        rng = random.Random(f"wear {seed}:{index}")
        picture = with_wear(draw(scene, rng.choice(_DRAWN_EDGES_PX)), rng)
        images[index] = np.asarray(picture.resize((EDGE_PX, EDGE_PX), Image.Resampling.BICUBIC))
        patches[index] = patch_labels(scene)
        tags[index, [TAG_INDEX[tag] for tag in scene_tags(scene)]] = 1
    for array in (images, patches, tags):
        array.flush()
    return start


def _scenes(seed: int, start: int, end: int) -> Iterator[tuple[int, Scene]]:
    return ((index, training_scene(seed, index)) for index in range(start, end))
