"""A scene as a picture, in its style. Knows no captions and no model."""

import math
import random
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from demo.scene import Group, Scene
from demo.shapes import Part, Point, parts_of, place
from demo.world import BACKGROUNDS, CHARACTERS, COLOURS, Rgb

MAX_TILT = 0.17  # radians
FOLD = 0.09  # leg of a folded corner, as a share of the edge; smaller than twice the objects' margin
PIXEL_ART_CELLS = 40
GRAIN_CELLS = 128  # the photo's noise has this many grains an edge, whatever the picture's size


def draw(scene: Scene, edge_px: int = 256) -> Image.Image:
    """The scene as an RGB picture. The same scene and edge always give the same pixels."""
    rng = random.Random(scene.drawing_seed)
    paper = _background(scene, edge_px, rng)
    picture = paper.copy()
    for group in scene.groups:
        _draw_group(ImageDraw.Draw(picture), scene, group, edge_px, rng)
    if scene.style == "pencil":
        picture = _hatched(picture, paper, rng)
    _fold_corners(ImageDraw.Draw(picture), scene, edge_px)
    finish = _FINISHES.get(scene.style)
    return finish(picture, rng) if finish else picture


def _jittered(colour: Rgb, rng: random.Random, amount: float = 12) -> Rgb:
    red, green, blue = (max(0, min(255, round(value + rng.uniform(-amount, amount)))) for value in colour)
    return red, green, blue


def _darker(colour: Rgb, factor: float) -> Rgb:
    red, green, blue = (round(value * factor) for value in colour)
    return red, green, blue


def _background(scene: Scene, edge_px: int, rng: random.Random) -> Image.Image:
    background = BACKGROUNDS[scene.background]
    jitter = 3 if scene.style == "icon" else 8
    picture = Image.new("RGB", (edge_px, edge_px), _jittered(background.paint, rng, jitter))
    pen = ImageDraw.Draw(picture)
    if background.ground:
        horizon = rng.uniform(0.35, 0.6) * edge_px
        pen.rectangle((0, horizon, edge_px, edge_px), fill=_jittered(background.ground, rng))
    if background.has_stars:
        dot = edge_px / 128
        for _ in range(25):
            x, y = rng.uniform(0, edge_px), rng.uniform(0, edge_px)
            pen.rectangle((x, y, x + dot, y + dot), fill=(250, 250, 220))
    return picture


def _draw_group(pen: ImageDraw.ImageDraw, scene: Scene, group: Group, edge_px: int, rng: random.Random) -> None:
    colour = _jittered(COLOURS[group.colour], rng, 2 if scene.style == "icon" else 12)
    hat = CHARACTERS[group.character].hat if group.character else None
    for thing in group.objects:
        parts = place(
            parts_of(group.noun, hat),
            thing.x * edge_px,
            thing.y * edge_px,
            thing.side * edge_px,
            rng.uniform(-MAX_TILT, MAX_TILT),
            rng.random() < 0.5,
        )
        if scene.style == "icon":
            _draw_icon(pen, parts, colour, scene.background, edge_px)
        else:
            outline, width = _outline(scene, colour, edge_px)
            _draw_painted(pen, parts, colour, outline, width)


def _draw_icon(pen: ImageDraw.ImageDraw, parts: list[Part], colour: Rgb, background: str, edge_px: int) -> None:
    hollow = BACKGROUNDS[background].paint
    line_px = max(1, round(edge_px / 90))
    for role, polygon in parts:
        pen.polygon(polygon, fill=hollow if role in ("dark", "light", "paper") else colour)
        if role in ("shade", "felt"):
            _stroke(pen, polygon, hollow, line_px)


def _draw_painted(pen: ImageDraw.ImageDraw, parts: list[Part], colour: Rgb, outline: Rgb | None, width_px: int) -> None:
    is_dark, is_bright = sum(colour) < 180, sum(colour) > 640
    paints: dict[str, Rgb] = {
        "main": colour,
        "shade": (72, 72, 72) if is_dark else _darker(colour, 0.74),
        "dark": (225, 225, 225) if is_dark else (30, 30, 30),
        "light": (235, 190, 60) if is_bright else (255, 250, 225),
        "trunk": (110, 70, 40),
        "stem": (60, 125, 60),
        "felt": (70, 70, 78),
        "paper": (205, 205, 212),
    }
    for role, polygon in parts:
        pen.polygon(polygon, fill=paints[role])
        if outline is not None:
            _stroke(pen, polygon, outline, width_px)


def _outline(scene: Scene, colour: Rgb, edge_px: int) -> tuple[Rgb | None, int]:
    """The outline of a painted part, or None, and its width."""
    if scene.style == "cartoon":
        is_hard_to_see = scene.background in ("black", "night sky") and sum(colour) < 180
        return (95, 95, 95) if is_hard_to_see else (15, 15, 15), max(2, round(edge_px / 55))
    if scene.style == "pencil":
        return (82, 82, 86), max(1, round(edge_px / 90))
    return None, 0


def _stroke(pen: ImageDraw.ImageDraw, polygon: list[Point], colour: Rgb, width_px: int) -> None:
    pen.line([*polygon, polygon[0], polygon[1]], fill=colour, width=width_px, joint="curve")


def _fold_corners(pen: ImageDraw.ImageDraw, scene: Scene, edge_px: int) -> None:
    leg = FOLD * edge_px
    for corner in scene.folded_corners:
        row, column = corner.split()
        y, y_inner = (0.0, leg) if row == "top" else (float(edge_px), edge_px - leg)
        x, x_inner = (0.0, leg) if column == "left" else (float(edge_px), edge_px - leg)
        pen.polygon([(x, y), (x_inner, y), (x, y_inner)], fill=(98, 98, 104))
        pen.line([(x_inner, y), (x, y_inner)], fill=(235, 235, 235), width=max(1, round(edge_px / 80)))


def _hatched(picture: Image.Image, paper: Image.Image, rng: random.Random) -> Image.Image:
    """Let the paper shine through in slanting strokes, as coloured pencil does."""
    edge_px = picture.width
    y, x = np.mgrid[0:edge_px, 0:edge_px] / edge_px
    slant, strokes = rng.uniform(0.5, 1.1), rng.uniform(26, 34)
    wave = np.sin(2 * math.pi * strokes * (x + slant * y))
    shine = Image.fromarray(np.where(wave > 0.1, 255, 0).astype(np.uint8))
    return Image.composite(Image.blend(picture, paper, 0.5), picture, shine)


def _rough_paper(picture: Image.Image, rng: random.Random) -> Image.Image:
    return _with_noise(picture, rng, strength=5, is_grey=True)


def _pixelated(picture: Image.Image, rng: random.Random) -> Image.Image:
    cells = (PIXEL_ART_CELLS, PIXEL_ART_CELLS)
    return picture.resize(cells, Image.Resampling.BOX).resize(picture.size, Image.Resampling.NEAREST)


def _photographed(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Blur, light from one side, and grain."""
    edge_px = picture.width
    picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.1) * edge_px / 128))
    angle, depth, level = rng.uniform(0, 2 * math.pi), rng.uniform(0.1, 0.3), rng.uniform(0.88, 1.0)
    y, x = np.mgrid[0:edge_px, 0:edge_px] / edge_px - 0.5
    light = level * (1 + depth * (math.cos(angle) * x + math.sin(angle) * y))
    lit = np.asarray(picture, np.float32) * light[..., None]
    lit_picture = Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))
    return _with_noise(lit_picture, rng, strength=rng.uniform(14, 24), is_grey=False)


def _with_noise(picture: Image.Image, rng: random.Random, *, strength: float, is_grey: bool) -> Image.Image:
    generator = np.random.default_rng(rng.randrange(2**31))
    shape = (GRAIN_CELLS, GRAIN_CELLS, 1 if is_grey else 3)
    grain = np.clip(128 + strength * generator.standard_normal(shape, np.float32), 0, 255).astype(np.uint8)
    grain_picture = Image.fromarray(np.repeat(grain, 3 // shape[2], axis=2)).resize(
        picture.size, Image.Resampling.BILINEAR
    )
    return ImageChops.add(picture, grain_picture, scale=1, offset=-128)


_FINISHES: dict[str, Callable[[Image.Image, random.Random], Image.Image]] = {
    "pencil": _rough_paper,
    "photo": _photographed,
    "pixel": _pixelated,
}
