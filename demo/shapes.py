"""The nouns' and hats' outlines as polygons, each part with the role that decides its paint. Knows no colour."""

import math

Point = tuple[float, float]
Polygon = list[Point]
# Roles: main (the object's colour), shade (a darker main), dark and light (details), trunk, stem, felt, paper (hats).
Part = tuple[str, Polygon]


def _angles(count: int, start: float = 0.0, end: float = 2 * math.pi) -> list[float]:
    return [start + (end - start) * index / count for index in range(count)]


def _ellipse(x: float, y: float, x_radius: float, y_radius: float | None = None, count: int = 20) -> Polygon:
    y_radius = x_radius if y_radius is None else y_radius
    return [(x + x_radius * math.cos(t), y + y_radius * math.sin(t)) for t in _angles(count)]


def _rectangle(left: float, top: float, right: float, bottom: float) -> Polygon:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _star(points: int, inner_radius: float) -> Polygon:
    radii = [1.0 if index % 2 == 0 else inner_radius for index in range(2 * points)]
    return [(r * math.sin(t), -r * math.cos(t)) for r, t in zip(radii, _angles(2 * points), strict=True)]


def _heart() -> Polygon:
    def height(t: float) -> float:
        return 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)

    return [(math.sin(t) ** 3, -height(t) / 16) for t in _angles(28)]


def _crescent() -> Polygon:
    outer = [(math.cos(t), math.sin(t)) for t in _angles(20, math.radians(50), math.radians(310))]
    inner = [(0.38 + 0.8 * math.cos(t), 0.8 * math.sin(t)) for t in _angles(16, math.radians(285), math.radians(75))]
    return outer + inner


SHAPES: dict[str, list[Part]] = {
    "circle": [("main", _ellipse(0, 0, 1, count=28))],
    "square": [("main", _rectangle(-1, -1, 1, 1))],
    "star": [("main", _star(5, 0.42))],
    "heart": [("main", _heart())],
    "moon": [("main", _crescent())],
    "house": [
        ("main", _rectangle(-0.75, -0.1, 0.75, 0.95)),
        ("shade", [(0, -1), (1, -0.08), (-1, -0.08)]),
        ("dark", _rectangle(-0.2, 0.35, 0.2, 0.95)),
    ],
    "tree": [
        ("trunk", _rectangle(-0.16, 0.3, 0.16, 1)),
        ("main", _ellipse(0, -0.4, 0.6)),
        ("main", _ellipse(-0.42, 0.05, 0.42)),
        ("main", _ellipse(0.42, 0.05, 0.42)),
    ],
    "flower": [
        ("stem", _rectangle(-0.07, 0.1, 0.07, 1.15)),
        ("stem", [(0, 1.0), (0.5, 0.6), (0.42, 0.95)]),
        *[("main", _ellipse(0.5 * math.sin(t), -0.3 - 0.5 * math.cos(t), 0.36, count=14)) for t in _angles(5)],
        ("light", _ellipse(0, -0.3, 0.28, count=14)),
    ],
    "car": [
        ("main", [(-0.6, 0), (-0.35, -0.5), (0.35, -0.5), (0.62, 0)]),
        ("main", _rectangle(-1, -0.05, 1, 0.42)),
        ("light", [(-0.42, -0.05), (-0.27, -0.36), (0.27, -0.36), (0.42, -0.05)]),
        ("dark", _ellipse(-0.52, 0.45, 0.27, count=14)),
        ("dark", _ellipse(0.52, 0.45, 0.27, count=14)),
    ],
    "fish": [
        ("main", _ellipse(-0.2, 0, 0.8, 0.52)),
        ("shade", [(0.45, 0), (1, -0.55), (1, 0.55)]),
        ("dark", _ellipse(-0.6, -0.12, 0.11, count=8)),
    ],
    "cat": [
        ("main", [(-0.85, -1), (-0.1, -0.5), (-0.8, 0)]),
        ("main", [(0.85, -1), (0.1, -0.5), (0.8, 0)]),
        ("main", _ellipse(0, 0.15, 0.85, 0.75)),
        ("dark", _ellipse(-0.34, 0.02, 0.14, count=8)),
        ("dark", _ellipse(0.34, 0.02, 0.14, count=8)),
        ("light", [(-0.15, 0.3), (0.15, 0.3), (0, 0.48)]),
    ],
    "dog": [
        ("main", _ellipse(0, -0.05, 0.62, 0.8)),
        ("shade", _ellipse(-0.75, 0.15, 0.27, 0.72, count=14)),
        ("shade", _ellipse(0.75, 0.15, 0.27, 0.72, count=14)),
        ("dark", _ellipse(-0.25, -0.25, 0.11, count=8)),
        ("dark", _ellipse(0.25, -0.25, 0.11, count=8)),
        ("light", _ellipse(0, 0.38, 0.36, 0.3, count=14)),
        ("dark", _ellipse(0, 0.26, 0.2, 0.15, count=10)),
    ],
}

# Hats stand on y = 0 and are as wide as they are meant to be on a head of width 2.
HATS: dict[str, list[Part]] = {
    "top hat": [
        ("felt", _rectangle(-0.75, -0.2, 0.75, 0)),
        ("felt", _rectangle(-0.45, -0.9, 0.45, -0.15)),
        ("paper", _rectangle(-0.45, -0.4, 0.45, -0.2)),
    ],
    "cone": [
        ("paper", [(0, -1.1), (0.5, 0), (-0.5, 0)]),
        ("felt", [(-0.34, -0.35), (0.34, -0.35), (0.22, -0.6), (-0.22, -0.6)]),
    ],
    "crown": [
        ("paper", [(-0.5, 0), (-0.55, -0.65), (-0.25, -0.3), (0, -0.75), (0.25, -0.3), (0.55, -0.65), (0.5, 0)]),
        ("felt", _rectangle(-0.5, -0.15, 0.5, 0)),
    ],
}
_HAT_BASE = {"cat": (0.0, -0.48), "dog": (0.0, -0.72), "fish": (-0.3, -0.45)}


def parts_of(noun: str, hat: str | None = None) -> list[Part]:
    """The parts of a noun, back to front, the hat last, in a frame of about -1..1 with y downwards."""
    parts = list(SHAPES[noun])
    if hat is not None:
        x, y = _HAT_BASE[noun]
        parts += [(role, [(px + x, py + y) for px, py in polygon]) for role, polygon in HATS[hat]]
    return parts


def place(parts: list[Part], x: float, y: float, side: float, angle: float, is_mirrored: bool) -> list[Part]:
    """Turn, mirror, scale and move parts: their common box is centred on (x, y), its longest side is `side`."""
    cosine, sine, sign = math.cos(angle), math.sin(angle), -1 if is_mirrored else 1
    turned = [
        (role, [(sign * px * cosine - py * sine, sign * px * sine + py * cosine) for px, py in polygon])
        for role, polygon in parts
    ]
    xs = [px for _, polygon in turned for px, _ in polygon]
    ys = [py for _, polygon in turned for _, py in polygon]
    scale = side / max(max(xs) - min(xs), max(ys) - min(ys))
    x_middle, y_middle = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2
    return [
        (role, [(x + (px - x_middle) * scale, y + (py - y_middle) * scale) for px, py in polygon])
        for role, polygon in turned
    ]
