"""References by another hand: 60 pictures that the world's renderer cannot draw, with the relation of each.

python recipes/make_foreign.py [--output benchmarks/foreign] [--sheet out/foreign.png]

Own motifs as vector paths, own layouts, eight manners: pen, charcoal, cut paper, stained glass, mosaic, cross-stitch,
type, and ray-cast solids photographed on a table. Nothing is shared with relsim.world.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Array = NDArray[np.float64]
SIDE, WORK = 288, 576  # pixels of the files, and while drawing
INKS = (
    {"a": (196, 78, 62), "b": (236, 190, 88), "c": (74, 128, 122), "k": (48, 44, 52), "w": (246, 240, 226)},
    {"a": (62, 98, 160), "b": (226, 132, 88), "c": (120, 160, 96), "k": (36, 40, 58), "w": (244, 244, 238)},
    {"a": (122, 82, 148), "b": (240, 204, 120), "c": (220, 104, 120), "k": (50, 36, 56), "w": (250, 242, 236)},
    {"a": (60, 132, 96), "b": (232, 222, 140), "c": (208, 92, 60), "k": (30, 48, 44), "w": (240, 244, 232)},
)
GROUNDS = ((232, 222, 202), (206, 220, 226), (226, 214, 224), (214, 224, 206))


@dataclass(frozen=True)
class Shape:
    """points: (n, 2) in [-1, 1], y down; ink: letter of the palette; closed: filled, else a stroke."""

    points: Array
    ink: str
    closed: bool = True
    alpha: float = 1.0
    width: float = 0.03


@dataclass
class Drawing:
    shapes: list[Shape] = field(default_factory=list)

    def add(self, motif: list[Shape], x: float, y: float, size: float, **how: Any) -> None:
        """Place a motif: size of its box; turn: degrees clockwise; flip, squash, alpha."""
        turn, flip, squash, alpha = (
            how.get(k, v) for k, v in (("turn", 0.0), ("flip", 1), ("squash", 1.0), ("alpha", 1))
        )
        c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        for shape in motif:
            p = shape.points * (flip, squash) * size / 2
            p = np.column_stack([p[:, 0] * c - p[:, 1] * s + x, p[:, 0] * s + p[:, 1] * c + y])
            self.shapes.append(replace(shape, points=p, alpha=shape.alpha * alpha, width=shape.width * max(size, 0.5)))

    def line(self, points: Any, ink: str = "k", width: float = 0.03) -> None:
        self.shapes.append(Shape(np.asarray(points, float), ink, False, 1.0, width))

    def area(self, points: Any, ink: str, alpha: float = 1.0) -> None:
        self.shapes.append(Shape(np.asarray(points, float), ink, True, alpha))


def oval(x: float, y: float, rx: float, ry: float, start: float = 0, stop: float = 360) -> Array:
    t = np.radians(np.linspace(start, stop, 49))
    return np.column_stack([x + rx * np.cos(t), y + ry * np.sin(t)])


def smooth(*corners: tuple[float, float]) -> Array:
    """A closed Catmull-Rom curve through the corners."""
    p, t = np.asarray(corners, float), np.linspace(0, 1, 9)[:-1, None]
    parts = []
    for i in range(len(p)):
        a, b, c, d = (p[(i + k) % len(p)] for k in (-1, 0, 1, 2))
        parts.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.vstack(parts)


def box(x0: float, y0: float, x1: float, y1: float) -> Array:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float)


MOTIFS: dict[str, list[Shape]] = {
    "fish": [
        Shape(np.array([(0.45, 0), (0.98, -0.5), (0.85, 0), (0.98, 0.5)]), "b"),
        Shape(smooth((-0.95, 0.02), (-0.4, -0.5), (0.3, -0.38), (0.62, 0), (0.3, 0.38), (-0.4, 0.5)), "a"),
        Shape(np.array([(-0.1, -0.05), (0.3, -0.2), (0.25, 0.22)]), "b"),
        Shape(oval(-0.6, -0.12, 0.09, 0.09), "k"),
    ],
    "mug": [
        Shape(np.vstack([oval(0.5, 0.05, 0.42, 0.42), oval(0.5, 0.05, 0.24, 0.24)[::-1]]), "c"),
        Shape(box(-0.7, -0.75, 0.5, 0.85), "c"),
        Shape(box(-0.7, -0.25, 0.5, 0.2), "b"),
        Shape(oval(-0.1, -0.75, 0.6, 0.14), "k"),
    ],
    "house": [
        Shape(box(-0.7, -0.15, 0.7, 0.95), "b"),
        Shape(np.array([(-0.95, -0.12), (0, -0.95), (0.95, -0.12)]), "a"),
        Shape(box(-0.15, 0.3, 0.25, 0.95), "k"),
        Shape(box(-0.55, 0.1, -0.3, 0.4), "w"),
    ],
    "boat": [
        Shape(np.array([(-0.95, 0.4), (0.95, 0.4), (0.6, 0.9), (-0.6, 0.9)]), "a"),
        Shape(box(-0.05, -0.95, 0.05, 0.4), "k"),
        Shape(np.array([(0.1, -0.85), (0.1, 0.3), (0.8, 0.3)]), "b"),
        Shape(np.array([(-0.1, -0.6), (-0.1, 0.3), (-0.65, 0.3)]), "w"),
    ],
    "pear": [
        Shape(smooth((0, -0.7), (0.3, -0.4), (0.6, 0.3), (0.35, 0.9), (-0.35, 0.9), (-0.6, 0.3), (-0.3, -0.4)), "b"),
        Shape(np.array([(-0.04, -0.65), (0.04, -0.65), (0.12, -0.98), (0.02, -0.98)]), "k"),
        Shape(smooth((0.1, -0.8), (0.35, -0.95), (0.6, -0.75), (0.35, -0.62)), "c"),
    ],
    "mushroom": [
        Shape(smooth((-0.25, 0), (0.25, 0), (0.34, 0.9), (-0.34, 0.9)), "w"),
        Shape(np.vstack([oval(0, 0.1, 0.95, 1.0, 180, 360), [(0.95, 0.1)]]), "a"),
        Shape(oval(-0.4, -0.35, 0.16, 0.14), "w"),
        Shape(oval(0.25, -0.5, 0.18, 0.15), "w"),
    ],
    "bird": [
        Shape(np.array([(0.4, 0.0), (0.98, -0.3), (0.9, 0.1)]), "c"),
        Shape(smooth((-0.5, 0.0), (0, -0.25), (0.55, 0.05), (0.3, 0.55), (-0.3, 0.55)), "a"),
        Shape(oval(-0.5, -0.3, 0.32, 0.32), "a"),
        Shape(np.array([(-0.78, -0.36), (-1.0, -0.22), (-0.76, -0.18)]), "b"),
        Shape(smooth((-0.1, 0.0), (0.4, 0.1), (0.1, 0.4)), "c"),
        Shape(oval(-0.56, -0.36, 0.06, 0.06), "k"),
        Shape(box(-0.08, 0.5, 0.0, 0.95), "k"),
        Shape(box(0.12, 0.5, 0.2, 0.95), "k"),
    ],
    "bottle": [
        Shape(np.array([(-0.14, -0.95), (0.14, -0.95), (0.14, -0.45), (0.36, -0.15), (0.36, 0.95), (-0.36, 0.95),
                        (-0.36, -0.15), (-0.14, -0.45)]), "c"),
        Shape(box(-0.36, 0.15, 0.36, 0.65), "w"),
        Shape(box(-0.14, -0.95, 0.14, -0.8), "k"),
    ],
    "cat": [
        Shape(smooth((-0.3, 0.1), (0.3, 0.1), (0.55, 0.6), (0.4, 0.95), (-0.4, 0.95), (-0.55, 0.6)), "b"),
        Shape(np.array([(-0.5, -0.3), (-0.5, -0.95), (-0.1, -0.6)]), "b"),
        Shape(np.array([(0.5, -0.3), (0.5, -0.95), (0.1, -0.6)]), "b"),
        Shape(oval(0, -0.25, 0.55, 0.45), "b"),
        Shape(oval(-0.2, -0.3, 0.07, 0.1), "k"),
        Shape(oval(0.2, -0.3, 0.07, 0.1), "k"),
        Shape(np.array([(-0.08, -0.1), (0.08, -0.1), (0, 0.0)]), "a"),
    ],
    "umbrella": [
        Shape(box(-0.04, -0.1, 0.04, 0.8), "k"),
        Shape(np.vstack([oval(0, 0.0, 0.95, 0.85, 180, 360), [(0.6, -0.12), (0.3, 0.02), (0, -0.12), (-0.3, 0.02),
                                                              (-0.6, -0.12)]]), "a"),
        Shape(np.vstack([oval(-0.12, 0.8, 0.16, 0.16, 0, 180), oval(-0.12, 0.8, 0.08, 0.08, 180, 0)]), "k"),
    ],
    "leaf": [
        Shape(smooth((0, -0.95), (0.5, -0.3), (0.4, 0.4), (0, 0.75), (-0.4, 0.4), (-0.5, -0.3)), "c"),
        Shape(np.array([(-0.03, -0.6), (0.03, -0.6), (0.05, 1.0), (-0.05, 1.0)]), "k"),
    ],
}  # fmt: skip


# Layouts: relation -> a drawing of the motif (and of another thing).
def lattice(rows: int, columns: int, step: float) -> list[tuple[int, int, float, float]]:
    return [
        (r, c, (c - (columns - 1) / 2) * step, (r - (rows - 1) / 2) * step) for r in range(rows) for c in range(columns)
    ]


def lay_ring(d: Drawing, a: list[Shape], b: list[Shape], n: int) -> None:
    for i in range(n):
        t = math.tau * i / n
        d.add(a, 0.68 * math.sin(t), -0.68 * math.cos(t), 2.9 / n)


def lay_spiral(d: Drawing, a: list[Shape], b: list[Shape], n: int) -> None:
    for i in range(13):
        t, r = math.radians(52 * i + 40 * n), 0.1 * 1.19**i
        d.add(a, 0.9 * r * math.sin(t), -0.9 * r * math.cos(t), 0.075 * 1.165**i)


def lay_grid(d: Drawing, a: list[Shape], b: list[Shape], n: int) -> None:
    for *_, x, y in lattice(n, n, 1.7 / n):
        d.add(a, x, y, 1.4 / n)


def lay_odd(d: Drawing, a: list[Shape], b: list[Shape], n: int) -> None:
    for r, c, x, y in lattice(n, n, 1.72 / n):
        d.add(b if (r, c) == (1, n - 2) else a, x, y, 1.44 / n)


def lay_chess(d: Drawing, a: list[Shape], b: list[Shape], n: int) -> None:
    for r, c, x, y in lattice(n, n, 1.72 / n):
        d.add(b if (r + c) % 2 else a, x, y, 1.4 / n)


def lay_pyramid(d: Drawing, a: list[Shape], b: list[Shape], n: int) -> None:
    for row in range(n):
        for i in range(row + 1):
            d.add(a, (i - row / 2) * 1.75 / n, -0.8 + 1.75 / n * (row + 0.45), 1.75 / n)


def lay_tower(d: Drawing, a: list[Shape], b: list[Shape], n: int) -> None:
    for i in range(n):
        d.add(a, 0.02 * (-1) ** i, 0.86 - (i + 0.5) * 1.7 / n, 1.85 / n)


def lay_flock(d: Drawing, a: list[Shape], b: list[Shape], n: int) -> None:
    d.add(a, 0, -0.55, 0.4)
    for i in range(1, n):
        for side in (-1, 1):
            d.add(a, side * 0.27 * i, -0.55 + 0.36 * i, 0.38)


def lay_parade(d: Drawing, a: list[Shape], b: list[Shape], n: int) -> None:
    d.line([(-0.97, 0.42), (0.97, 0.42)], "k", 0.02)
    d.add(a, -0.52, 0.0, 0.84)
    for i in range(n):
        d.add(a, 0.08 + i * 0.86 / n, 0.42 - 0.43 / n, 0.86 / n)


def lay_receding(d: Drawing, a: list[Shape], b: list[Shape], n: int) -> None:
    for i in reversed(range(n)):
        s = 0.66**i
        d.add(a, 0.78 - 1.25 * s, -0.28 + 0.62 * s, 0.86 * s)


def lay_growth(d: Drawing, a: list[Shape], b: list[Shape], n: int) -> None:
    sizes = [1.45**i for i in range(n)]
    unit, x = 1.86 / sum(sizes), -0.93
    for s in sizes:
        d.add(a, x + s * unit / 2, 0.4 - s * unit / 2, s * unit)
        x += s * unit


def lay_fading(d: Drawing, a: list[Shape], b: list[Shape], n: int) -> None:
    for i in range(n):
        d.add(a, (i - (n - 1) / 2) * 1.86 / n, 0, 1.7 / n, alpha=1 - 0.88 * i / (n - 1))


def lay_water(d: Drawing, a: list[Shape], b: list[Shape], n: int) -> None:
    d.area(box(-1.1, 0.02, 1.1, 1.1), "c", 0.35)
    d.add(a, 0, -0.42, 0.9)
    d.add(a, 0, 0.44, 0.86, squash=-0.95, alpha=0.55)
    for y in (0.2, 0.45, 0.7):
        for x in (-0.75, 0.7):
            t = np.linspace(-0.18, 0.18, 17)
            d.line(np.column_stack([t + x, y + 0.02 * np.sin(t * 30)]), "w", 0.025)


def lay_peeking(d: Drawing, a: list[Shape], b: list[Shape], n: int) -> None:
    d.add(a, 0.05, -0.05, 1.05)
    d.area(box(-0.85, 0.0, 0.85, 0.9), "k" if n % 2 else "a")
    for i in range(1, 4):
        d.line([(-0.85, 0.0 + 0.225 * i), (0.85, 0.0 + 0.225 * i)], "w", 0.012)


def lay_caged(d: Drawing, a: list[Shape], b: list[Shape], n: int) -> None:
    d.add(a, 0, 0.1, 1.05)
    for x in np.linspace(-0.7, 0.7, n):
        d.line([(x, -0.8), (x, 0.8)], "k", 0.05)
    for y in (-0.8, 0.8):
        d.line([(-0.78, y), (0.78, y)], "k", 0.07)


def lay_orbit(d: Drawing, a: list[Shape], b: list[Shape], n: int) -> None:
    t = np.radians(np.linspace(0, 360, 97))
    tilt = math.radians(14)
    x, y = 0.9 * np.cos(t), 0.36 * np.sin(t)
    d.line(
        np.column_stack([x * math.cos(tilt) + y * math.sin(tilt), y * math.cos(tilt) - x * math.sin(tilt)]), "k", 0.025
    )
    d.add(a, 0, 0, 0.88)
    at = math.radians(35)
    x, y = 0.9 * math.cos(at), 0.36 * math.sin(at)
    d.add(b, x * math.cos(tilt) + y * math.sin(tilt), y * math.cos(tilt) - x * math.sin(tilt), 0.3)


def lay_parent(d: Drawing, a: list[Shape], b: list[Shape], n: int) -> None:
    d.add(a, -0.32, -0.05, 1.2)
    d.add(a, 0.58, 0.31, 0.46)


def lay_facing(d: Drawing, a: list[Shape], b: list[Shape], n: int) -> None:
    d.add(a, -0.47, 0, 0.86, flip=-1)
    d.add(a, 0.47, 0, 0.86)


def lay_forbidden(d: Drawing, a: list[Shape], b: list[Shape], n: int) -> None:
    red = "r"
    d.area(oval(0, 0, 0.84, 0.84), "w")
    d.add(a, 0, 0, 0.92)
    d.line(oval(0, 0, 0.8, 0.8), red, 0.13)
    s = 0.8 * math.sqrt(0.5)
    d.line([(-s, -s), (s, s)], red, 0.13)


def lay_lifted(d: Drawing, a: list[Shape], b: list[Shape], n: int) -> None:
    tops = [(-0.45, -0.5), (0.0, -0.68), (0.45, -0.5), (-0.2, -0.28), (0.24, -0.3)][:n]
    for x, y in tops:
        d.line([(x, y + 0.2), (0, 0.4)], "k", 0.012)
    for i, (x, y) in enumerate(tops):
        d.area(oval(x, y, 0.2, 0.25), "abc"[i % 3])
    d.add(a, 0, 0.6, 0.6)


LAYOUTS: dict[str, Callable[[Drawing, list[Shape], list[Shape], int], None]] = {
    "ring": lay_ring, "spiral": lay_spiral, "grid": lay_grid, "odd_one_out": lay_odd, "checkerboard": lay_chess,
    "pyramid": lay_pyramid, "tower": lay_tower, "flock": lay_flock, "parade": lay_parade, "receding": lay_receding,
    "growth_stages": lay_growth, "fading_away": lay_fading, "water_reflection": lay_water, "peeking": lay_peeking,
    "caged": lay_caged, "orbit": lay_orbit, "parent_and_child": lay_parent, "face_to_face": lay_facing,
    "forbidden": lay_forbidden, "lifted": lay_lifted,
}  # fmt: skip

# relation: (manner, motif, other, number) three times; "photo" has solids instead of motifs.
PLAN: dict[str, tuple[tuple[str, str, str, int], ...]] = {
    "ring": (("pen", "bird", "", 8), ("photo", "", "", 9), ("paper", "pear", "", 7)),
    "spiral": (("charcoal", "leaf", "", 0), ("paper", "mug", "", 3), ("photo", "", "", 0)),
    "grid": (("glass", "pear", "", 3), ("photo", "", "", 4), ("pen", "umbrella", "", 4)),
    "odd_one_out": (("paper", "mushroom", "fish", 4), ("photo", "", "", 4), ("mosaic", "house", "leaf", 3)),
    "checkerboard": (("stitch", "house", "pear", 4), ("photo", "", "", 4), ("charcoal", "mug", "leaf", 4)),
    "pyramid": (("pen", "mug", "", 4), ("photo", "", "", 4), ("mosaic", "pear", "", 3)),
    "tower": (("charcoal", "mug", "", 5), ("photo", "", "", 5), ("stitch", "cat", "", 4)),
    "flock": (("pen", "bird", "", 4), ("paper", "boat", "", 4), ("glass", "leaf", "", 3)),
    "parade": (("paper", "cat", "", 4), ("photo", "", "", 4), ("charcoal", "bird", "", 4)),
    "receding": (("pen", "house", "", 5), ("photo", "", "", 6), ("glass", "umbrella", "", 5)),
    "growth_stages": (("charcoal", "mushroom", "", 4), ("photo", "", "", 4), ("stitch", "pear", "", 3)),
    "fading_away": (("paper", "fish", "", 4), ("pen", "cat", "", 4), ("charcoal", "bottle", "", 4)),
    "water_reflection": (("paper", "boat", "", 1), ("mosaic", "house", "", 1), ("stitch", "bird", "", 1)),
    "peeking": (("pen", "cat", "", 1), ("paper", "bird", "", 2), ("type", "cat", "", 1)),
    "caged": (("charcoal", "cat", "", 8), ("paper", "fish", "", 7), ("pen", "pear", "", 9)),
    "orbit": (("glass", "mushroom", "fish", 1), ("paper", "house", "bird", 1), ("pen", "pear", "cat", 1)),
    "parent_and_child": (("type", "house", "", 1), ("photo", "", "", 1), ("glass", "cat", "", 1)),
    "face_to_face": (("stitch", "bird", "", 1), ("glass", "fish", "", 1), ("charcoal", "bird", "", 1)),
    "forbidden": (("paper", "umbrella", "", 1), ("mosaic", "fish", "", 1), ("stitch", "bottle", "", 1)),
    "lifted": (("paper", "house", "", 5), ("pen", "cat", "", 4), ("glass", "mug", "", 3)),
}


# Manners.
def noise(rng: np.random.Generator, side: int, cell: int) -> Array:
    """(side, side) smooth noise in [0, 1]."""
    small = Image.fromarray((rng.random((side // cell + 2, side // cell + 2)) * 255).astype(np.uint8))
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC), float) / 255


def pixels(points: Array) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (points * 0.94 + 1) * WORK / 2]


def wobble(points: Array, rng: np.random.Generator, amount: float, closed: bool) -> Array:
    """The path, resampled, drawn by a hand that is not quite steady."""
    path = np.vstack([points, points[:1]]) if closed else points
    lengths = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    steps = max(6, int(lengths[-1] / 0.03))
    at = np.linspace(0, lengths[-1], steps)
    dense = np.column_stack([np.interp(at, lengths, path[:, k]) for k in (0, 1)])
    knots = np.linspace(0, 1, max(3, steps // 5))
    sway = np.column_stack(
        [np.interp(np.linspace(0, 1, steps), knots, rng.normal(0, amount, len(knots))) for _ in "xy"]
    )
    return dense + sway


def mask_of(shape: Shape, points: Array | None = None, width_px: float = 0) -> Array:
    """(WORK, WORK) coverage of the area, or of its stroke if a width is given."""
    image = Image.new("L", (WORK, WORK))
    draw, path = ImageDraw.Draw(image), pixels(shape.points if points is None else points)
    if width_px or not shape.closed:
        width = round(width_px or shape.width * WORK / 2)
        draw.line([*path, path[0]] if shape.closed and points is None else path, 255, width, "curve")
    else:
        draw.polygon(path, 255)
    return np.asarray(image, float) / 255


def mix(canvas: Array, mask: Array, color: Any) -> Array:
    return np.asarray(canvas * (1 - mask[..., None]) + np.asarray(color, float) * mask[..., None])


def to_image(canvas: Array) -> Image.Image:
    return Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))


def pen(d: Drawing, inks: dict[str, Any], ground: Any, rng: np.random.Generator) -> Image.Image:
    paper = np.array([246, 241, 228]) - 14 * noise(rng, WORK, 3)[..., None] * noise(rng, WORK, 90)[..., None]
    canvas, ink = paper.copy(), np.array([38, 42, 70])
    y, x = np.mgrid[:WORK, :WORK]
    for shape in d.shapes:
        if shape.closed:
            inside = mask_of(shape)
            canvas = mix(canvas, inside * min(1, shape.alpha + 0.2), paper)
            spacing = {"k": 5, "a": 11, "c": 15, "r": 7}.get(shape.ink, 0)
            if spacing:
                hatch = ((x + y + 6 * noise(rng, WORK, 40)) % spacing < 2.2) * inside
                canvas = mix(canvas, hatch * 0.75 * shape.alpha, ink)
        for _ in range(2 if shape.closed else 3):
            path = wobble(shape.points, rng, 0.006, shape.closed)
            width = 3 if shape.closed else max(3, shape.width * WORK / 3)
            canvas = mix(canvas, mask_of(shape, path, width) * 0.85 * shape.alpha, ink)
    return to_image(canvas)


def charcoal(d: Drawing, inks: dict[str, Any], ground: Any, rng: np.random.Generator) -> Image.Image:
    dark = np.zeros((WORK, WORK))
    tone = {"a": 0.62, "b": 0.32, "c": 0.5, "k": 0.9, "w": 0.08, "r": 0.8}
    for shape in d.shapes:
        if shape.closed:
            soft = (
                np.asarray(
                    Image.fromarray((mask_of(shape) * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(2)), float
                )
                / 255
            )
            dark = dark * (1 - soft * min(1, shape.alpha + 0.1)) + soft * shape.alpha * tone[shape.ink]
        path = wobble(shape.points, rng, 0.01, shape.closed)
        width = 7 if shape.closed else max(7, shape.width * WORK / 2)
        dark = np.maximum(dark, mask_of(shape, path, width) * 0.92 * shape.alpha)
    grain = 0.6 * noise(rng, WORK, 2) + 0.4 * noise(rng, WORK, 5)
    smudge = (
        np.asarray(Image.fromarray((dark * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(12)), float) / 255
    )
    shown = np.clip(dark * (0.5 + 1.0 * (grain > 0.42)) * 0.85 + 0.25 * smudge, 0, 1)
    paper = np.array([214, 206, 192]) - 26 * noise(rng, WORK, 4)[..., None]
    return to_image(paper * (1 - shown[..., None]) + 22 * shown[..., None])


def paper(d: Drawing, inks: dict[str, Any], ground: Any, rng: np.random.Generator) -> Image.Image:
    fibres = 0.5 * noise(rng, WORK, 2) + 0.5 * noise(rng, WORK, 24)
    canvas = np.asarray(ground, float) * (0.9 + 0.16 * fibres[..., None])
    for shape in d.shapes:
        path = wobble(shape.points, rng, 0.004, shape.closed)
        cut = mask_of(shape, path, 0 if shape.closed else shape.width * WORK / 2)
        shade = Image.fromarray((cut * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(6))
        shadow = np.roll(np.asarray(shade, float) / 255, (7, 5), (0, 1))
        canvas = canvas * (1 - 0.42 * shape.alpha * shadow[..., None])
        texture = 0.88 + 0.2 * np.roll(fibres, rng.integers(0, WORK, 2), (0, 1))
        canvas = mix(canvas, cut * shape.alpha, np.asarray(inks[shape.ink])[None, None] * texture[..., None])
    return to_image(canvas)


def glass(d: Drawing, inks: dict[str, Any], ground: Any, rng: np.random.Generator) -> Image.Image:
    sites = rng.random((26, 2)) * WORK
    y, x = np.mgrid[:WORK, :WORK]
    far = np.stack([np.hypot(x - sx, y - sy) for sx, sy in sites])
    order = np.sort(far, axis=0)
    cells = np.array([(190, 214, 224), (206, 222, 214), (222, 226, 204), (176, 202, 220)], float)
    canvas = cells[far.argmin(0) % 4] * (0.8 + 0.3 * noise(rng, WORK, 60)[..., None])
    canvas = mix(canvas, np.clip((4 - (order[1] - order[0])) / 2, 0, 1), (52, 54, 60))
    light = 0.72 + 0.5 * noise(rng, WORK, 30)
    for shape in d.shapes:
        width = 6.0 if shape.closed else shape.width * WORK / 2 + 2
        if shape.closed:
            canvas = mix(
                canvas, mask_of(shape) * shape.alpha, np.asarray(inks[shape.ink])[None, None] * light[..., None]
            )
        canvas = mix(canvas, mask_of(shape, None, width) * shape.alpha, inks["r"] if shape.ink == "r" else (34, 34, 38))
    return to_image(canvas)


def flat(d: Drawing, inks: dict[str, Any], ground: Any) -> Array:
    canvas = np.full((WORK, WORK, 3), 1.0) * np.asarray(ground, float)
    for shape in d.shapes:
        canvas = mix(canvas, mask_of(shape) * shape.alpha, inks[shape.ink])
    return canvas


def mosaic(d: Drawing, inks: dict[str, Any], ground: Any, rng: np.random.Generator) -> Image.Image:
    source = flat(d, inks, ground)
    image = Image.new("RGB", (WORK, WORK), (92, 88, 84))
    draw, step = ImageDraw.Draw(image), 13
    for row in range(WORK // step + 1):
        for column in range(WORK // step + 1):
            x, y = column * step + (row % 2) * step / 2 + rng.normal(0, 0.7), row * step + rng.normal(0, 0.7)
            color = source[min(WORK - 1, max(0, int(y))), min(WORK - 1, max(0, int(x)))] * rng.uniform(0.86, 1.1)
            turn, half = rng.normal(0, 0.12), step / 2 - 0.8
            corners = [(half * c, half * s) for c, s in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
            quad = [
                (x + a * math.cos(turn) - b * math.sin(turn), y + a * math.sin(turn) + b * math.cos(turn))
                for a, b in corners
            ]
            draw.polygon(quad, tuple(int(min(255, v)) for v in color))
    return image


def stitch(d: Drawing, inks: dict[str, Any], ground: Any, rng: np.random.Generator) -> Image.Image:
    source = flat(d, inks, ground)
    y, x = np.mgrid[:WORK, :WORK]
    linen = (
        np.array([226, 218, 200]) - 22 * ((x % 6 < 2) ^ (y % 6 < 2))[..., None] - 12 * noise(rng, WORK, 3)[..., None]
    )
    image = to_image(linen)
    draw, step = ImageDraw.Draw(image), 12
    for top in range(0, WORK, step):
        for left in range(0, WORK, step):
            color = source[top + step // 2, left + step // 2]
            if np.abs(color - np.asarray(ground)).max() < 14:
                continue
            for a, b, light in (((1, 1), (step - 2, step - 2), 0.82), ((1, step - 2), (step - 2, 1), 1.06)):
                ink = tuple(int(min(255, v * light * rng.uniform(0.94, 1.04))) for v in color)
                draw.line([(left + a[0], top + a[1]), (left + b[0], top + b[1])], ink, 5)
    return image


def letters(d: Drawing, inks: dict[str, Any], ground: Any, rng: np.random.Generator) -> Image.Image:
    source = flat(d, inks, ground)
    image = Image.new("RGB", (WORK, WORK), (250, 248, 240))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(15)
    for top in range(0, WORK, 11):
        for left in range(0, WORK, 9):
            color = source[min(top + 6, WORK - 1), min(left + 4, WORK - 1)]
            if np.abs(color - np.asarray(ground)).max() >= 14:
                dark = color.mean()
                draw.text(
                    (left, top - 3),
                    "@" if dark < 80 else "#" if dark < 130 else "x" if dark < 190 else "-",
                    (30, 30, 34),
                    font,
                )
    return image


MANNERS = {"pen": pen, "charcoal": charcoal, "paper": paper, "glass": glass, "mosaic": mosaic, "stitch": stitch,
           "type": letters}  # fmt: skip


# Photographs: spheres and boxes on a table, ray-cast.
@dataclass(frozen=True)
class Solid:
    kind: str  # "ball" or "block"
    x: float  # to the right
    y: float  # away from the camera
    z: float  # up, of the lowest point
    size: float
    color: tuple[int, int, int]


RED, BLUE, CREAM, GREEN = (196, 62, 50), (52, 96, 168), (228, 206, 160), (70, 140, 92)


def solids_of(relation: str, n: int) -> list[Solid]:
    if relation == "ring":
        turns = [math.tau * i / n for i in range(n)]
        return [Solid("ball", 0.95 * math.sin(t), 0.95 * math.cos(t), 0, 0.42, RED) for t in turns]
    if relation == "spiral":
        found = []
        for i in range(13):
            t, r = math.radians(54 * i), 0.13 * 1.2**i
            found.append(Solid("ball", r * math.sin(t), r * math.cos(t), 0, 0.1 * 1.165**i, BLUE))
        return found
    if relation in ("grid", "odd_one_out", "checkerboard"):
        found = []
        for r, c, x, y in lattice(n, n, 0.6):
            odd = (r, c) == (2, 1) if relation == "odd_one_out" else relation == "checkerboard" and (r + c) % 2
            found.append(Solid("block" if odd else "ball", x, y, 0, 0.38 if odd else 0.42, BLUE if odd else RED))
        return found
    if relation == "pyramid":
        rows = [(n - level, level) for level in range(n)]
        return [
            Solid("ball", (i - (k - 1) / 2) * 0.5, 0, level * 0.44, 0.5, GREEN) for k, level in rows for i in range(k)
        ]
    if relation == "tower":
        return [Solid("block", 0.03 * (-1) ** i, 0, 0.42 * i, 0.42, CREAM if i % 2 else RED) for i in range(n)]
    if relation == "parade":
        line = [Solid("ball", 0.35 + 0.36 * i, 0, 0, 0.3, BLUE) for i in range(n)]
        return [Solid("ball", -0.65, 0, 0, 1.0, BLUE), *line]
    if relation == "receding":
        return [Solid("ball", -0.75 + 0.62 * i, -1.1 + 1.15 * i, 0, 0.62, RED) for i in range(n)]
    if relation == "growth_stages":
        sizes, x, found = [0.26 * 1.45**i for i in range(n)], -1.15, []
        for size in sizes:
            found.append(Solid("ball", x + size / 2, 0, 0, size, GREEN))
            x += size + 0.08
        return found
    return [Solid("block", -0.4, 0, 0, 0.95, RED), Solid("block", 0.55, -0.1, 0, 0.36, RED)]  # parent and child


def hits(origin: Array, way: Array, solid: Solid) -> tuple[Array, Array]:
    """Distance along each ray (inf if missed) and the surface normals there."""
    half = solid.size / 2
    centre = np.array([solid.x, solid.y, solid.z + half])
    offset = origin - centre
    if solid.kind == "ball":
        b = (offset * way).sum(-1)
        inside = b**2 - (offset**2).sum(-1) + half**2
        distance = np.where(inside > 0, -b - np.sqrt(np.maximum(inside, 0)), np.inf)
        distance = np.where(distance > 1e-3, distance, np.inf)
        reach = np.where(np.isfinite(distance), distance, 0.0)
        return distance, (offset + reach[..., None] * way) / half
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (-half - offset) / way, (half - offset) / way
    near, far = np.minimum(first, second), np.maximum(first, second)
    enter, leave = near.max(-1), far.min(-1)
    distance = np.where((enter < leave) & (enter > 1e-3), enter, np.inf)
    normal = -np.sign(way) * (near == enter[..., None])
    return distance, normal


def photo(relation: str, n: int, rng: np.random.Generator) -> Image.Image:
    side = 384
    upright = relation in ("pyramid", "tower", "parade", "growth_stages", "parent_and_child")
    eye, look = (
        (np.array([0.15, -4.3, 1.5]), np.array([0, 0, 0.62]))
        if upright
        else (np.array([0.1, -3.0, 3.6]), np.array([0, 0, 0]))
    )
    if relation == "tower":
        eye, look = np.array([0.2, -4.9, 1.7]), np.array([0, 0, 1.0])
    if relation == "receding":
        eye, look = np.array([-0.3, -3.6, 1.35]), np.array([0.35, 0.8, 0.1])
    ahead = (look - eye) / np.linalg.norm(look - eye)
    right = np.cross(ahead, (0, 0, 1))
    right /= np.linalg.norm(right)
    up = np.cross(right, ahead)
    v, u = np.mgrid[1 : -1 : side * 1j, -1 : 1 : side * 1j]
    zoom = 0.34
    roll = math.radians(rng.uniform(-4, 4))
    u, v = u * math.cos(roll) - v * math.sin(roll), u * math.sin(roll) + v * math.cos(roll)
    way = ahead + zoom * (u[..., None] * right + v[..., None] * up)
    way /= np.linalg.norm(way, axis=-1, keepdims=True)
    solids = solids_of(relation, n)
    best, normal = np.full((side, side), np.inf), np.zeros((side, side, 3))
    color = np.zeros((side, side, 3))
    with np.errstate(divide="ignore", invalid="ignore"):
        ground = np.where(way[..., 2] < -1e-4, -eye[2] / way[..., 2], np.inf)
    place = eye + np.where(np.isfinite(ground), ground, 0)[..., None] * way
    best = np.minimum(ground, 40.0)
    normal[...] = (0, 0, 1)
    grain = np.sin(place[..., 0] * 3 + 2.2 * np.sin(place[..., 1] * 0.7) + 9 * noise(rng, side, 48)) * 0.5 + 0.5
    planks = (np.abs((place[..., 1] * 0.9) % 1 - 0.02) < 0.02) * 0.35
    color[...] = np.array([176, 128, 84]) * (0.78 + 0.2 * grain - planks)[..., None]
    color[~np.isfinite(ground)] = (150, 152, 150)
    for solid in solids:
        distance, facing = hits(eye, way, solid)
        nearer = distance < best
        best = np.where(nearer, distance, best)
        normal[nearer] = facing[nearer]
        speckle = 0.86 + 0.22 * noise(rng, side, 7)
        color[nearer] = (np.array(solid.color) * speckle[..., None])[nearer]
    spot = eye + best[..., None] * way + 2e-3 * normal
    lamp = np.array([-2.4, -1.8, 4.2])
    lit = np.zeros((side, side))
    for _ in range(6):
        toward = lamp + rng.normal(0, 0.35, 3) - spot
        far = np.linalg.norm(toward, axis=-1)
        toward /= far[..., None]
        free = np.ones((side, side))
        for solid in solids:
            free *= hits(spot, toward, solid)[0] > far
        lit += np.clip((toward * normal).sum(-1), 0, 1) * free / 6
    mirror = way - 2 * (way * normal).sum(-1, keepdims=True) * normal
    aim = (lamp - spot) / np.linalg.norm(lamp - spot, axis=-1, keepdims=True)
    shine = np.clip((mirror * aim).sum(-1), 0, 1) ** 40 * (lit > 0.05)
    shown = color * (0.32 + 0.85 * lit)[..., None] + 120 * shine[..., None]
    shown *= (1 - 0.28 * (u**2 + v**2))[..., None]
    soft = to_image(shown).filter(ImageFilter.GaussianBlur(0.7))
    return to_image(np.asarray(soft, float) + rng.normal(0, 4.5, (side, side, 1)))


def make(relation: str, number: int) -> tuple[str, Image.Image]:
    """The manner and the picture, (SIDE, SIDE)."""
    manner, motif, other, n = PLAN[relation][number]
    rng = np.random.default_rng([list(PLAN).index(relation), number])
    if manner == "photo":
        picture = photo(relation, n, rng)
    else:
        drawing = Drawing()
        LAYOUTS[relation](drawing, MOTIFS[motif], MOTIFS.get(other, []), n)
        inks = INKS[int(rng.integers(4))] | {"r": (200, 40, 36)}
        picture = MANNERS[manner](drawing, inks, GROUNDS[int(rng.integers(4))], rng)
    return manner, picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/foreign"))
    parser.add_argument("--sheet", type=Path, help="Also write all on one picture.")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    rows, made = [], []
    for relation in PLAN:
        for number in range(3):
            manner, picture = make(relation, number)
            name = f"{relation}-{manner}.webp"
            picture.save(options.output / name, quality=82, method=6)
            rows.append({"path": name, "relation": relation, "manner": manner})
            made.append(picture)
    with (options.output / "foreign.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    if options.sheet:
        options.sheet.parent.mkdir(parents=True, exist_ok=True)
        sheet = Image.new("RGB", (6 * 200, 10 * 200), "white")
        for index, picture in enumerate(made):
            sheet.paste(picture.resize((196, 196)), (index % 6 * 200, index // 6 * 200))
        sheet.save(options.sheet)


if __name__ == "__main__":
    main()
