"""Motifs of the external references as vector paths, and a layout of motifs for each relation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SIDE, WORK = 288, 576  # pixels of a side: of the files, and while drawing


@dataclass(frozen=True)
class Shape:
    """A path. points: (n, 2) in [-1, 1], y down; ink: key of a palette; closed: an area, otherwise a stroke."""

    points: Array
    ink: str
    closed: bool = True
    alpha: float = 1.0
    width: float = 0.03


@dataclass
class Drawing:
    """The shapes of a picture, from back to front."""

    shapes: list[Shape] = field(default_factory=list)

    def add(
        self, motif: list[Shape], x: float, y: float, size: float, flip: int = 1, squash: float = 1.0, alpha: float = 1
    ) -> None:
        """Place a motif with its centre at (x, y).

        size: of its box; flip: -1 mirrors it; squash: factor of its height; alpha: of all its shapes.
        """
        for shape in motif:
            points = shape.points * (flip, squash) * size / 2 + (x, y)
            self.shapes.append(
                replace(shape, points=points, alpha=shape.alpha * alpha, width=shape.width * max(size, 0.5))
            )

    def line(self, points: Any, ink: str = "k", width: float = 0.03) -> None:
        self.shapes.append(Shape(np.asarray(points, float), ink, False, 1.0, width))

    def area(self, points: Any, ink: str, alpha: float = 1.0) -> None:
        self.shapes.append(Shape(np.asarray(points, float), ink, True, alpha))


def arc(x: float, y: float, rx: float, ry: float, start: float = 0, stop: float = 360) -> Array:
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
        Shape(arc(-0.6, -0.12, 0.09, 0.09), "k"),
    ],
    "mug": [
        Shape(np.vstack([arc(0.5, 0.05, 0.42, 0.42), arc(0.5, 0.05, 0.24, 0.24)[::-1]]), "c"),
        Shape(box(-0.7, -0.75, 0.5, 0.85), "c"),
        Shape(box(-0.7, -0.25, 0.5, 0.2), "b"),
        Shape(arc(-0.1, -0.75, 0.6, 0.14), "k"),
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
        Shape(np.vstack([arc(0, 0.1, 0.95, 1.0, 180, 360), [(0.95, 0.1)]]), "a"),
        Shape(arc(-0.4, -0.35, 0.16, 0.14), "w"),
        Shape(arc(0.25, -0.5, 0.18, 0.15), "w"),
    ],
    "bird": [
        Shape(np.array([(0.4, 0.0), (0.98, -0.3), (0.9, 0.1)]), "c"),
        Shape(smooth((-0.5, 0.0), (0, -0.25), (0.55, 0.05), (0.3, 0.55), (-0.3, 0.55)), "a"),
        Shape(arc(-0.5, -0.3, 0.32, 0.32), "a"),
        Shape(np.array([(-0.78, -0.36), (-1.0, -0.22), (-0.76, -0.18)]), "b"),
        Shape(smooth((-0.1, 0.0), (0.4, 0.1), (0.1, 0.4)), "c"),
        Shape(arc(-0.56, -0.36, 0.06, 0.06), "k"),
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
        Shape(arc(0, -0.25, 0.55, 0.45), "b"),
        Shape(arc(-0.2, -0.3, 0.07, 0.1), "k"),
        Shape(arc(0.2, -0.3, 0.07, 0.1), "k"),
        Shape(np.array([(-0.08, -0.1), (0.08, -0.1), (0, 0.0)]), "a"),
    ],
    "umbrella": [
        Shape(box(-0.04, -0.1, 0.04, 0.8), "k"),
        Shape(np.vstack([arc(0, 0.0, 0.95, 0.85, 180, 360), [(0.6, -0.12), (0.3, 0.02), (0, -0.12), (-0.3, 0.02),
                                                              (-0.6, -0.12)]]), "a"),
        Shape(np.vstack([arc(-0.12, 0.8, 0.16, 0.16, 0, 180), arc(-0.12, 0.8, 0.08, 0.08, 180, 0)]), "k"),
    ],
    "leaf": [
        Shape(smooth((0, -0.95), (0.5, -0.3), (0.4, 0.4), (0, 0.75), (-0.4, 0.4), (-0.5, -0.3)), "c"),
        Shape(np.array([(-0.03, -0.6), (0.03, -0.6), (0.05, 1.0), (-0.05, 1.0)]), "k"),
    ],
}  # fmt: skip


# A layout places motifs on a drawing. other: a second motif; number: of elements, or of a side's.
def lattice(rows: int, columns: int, step: float) -> list[tuple[int, int, float, float]]:
    """(row, column, x, y) of every place of a lattice around the origin."""
    return [
        (r, c, (c - (columns - 1) / 2) * step, (r - (rows - 1) / 2) * step) for r in range(rows) for c in range(columns)
    ]


def lay_ring(drawing: Drawing, motif: list[Shape], other: list[Shape], number: int) -> None:
    for i in range(number):
        t = math.tau * i / number
        drawing.add(motif, 0.68 * math.sin(t), -0.68 * math.cos(t), 2.9 / number)


def lay_spiral(drawing: Drawing, motif: list[Shape], other: list[Shape], number: int) -> None:
    for i in range(13):
        t, r = math.radians(52 * i + 40 * number), 0.1 * 1.19**i
        drawing.add(motif, 0.9 * r * math.sin(t), -0.9 * r * math.cos(t), 0.075 * 1.165**i)


def lay_grid(drawing: Drawing, motif: list[Shape], other: list[Shape], number: int) -> None:
    for *_, x, y in lattice(number, number, 1.7 / number):
        drawing.add(motif, x, y, 1.4 / number)


def lay_odd(drawing: Drawing, motif: list[Shape], other: list[Shape], number: int) -> None:
    for r, c, x, y in lattice(number, number, 1.72 / number):
        drawing.add(other if (r, c) == (1, number - 2) else motif, x, y, 1.44 / number)


def lay_chess(drawing: Drawing, motif: list[Shape], other: list[Shape], number: int) -> None:
    for r, c, x, y in lattice(number, number, 1.72 / number):
        drawing.add(other if (r + c) % 2 else motif, x, y, 1.4 / number)


def lay_pyramid(drawing: Drawing, motif: list[Shape], other: list[Shape], number: int) -> None:
    for row in range(number):
        for i in range(row + 1):
            drawing.add(motif, (i - row / 2) * 1.75 / number, -0.8 + 1.75 / number * (row + 0.45), 1.75 / number)


def lay_tower(drawing: Drawing, motif: list[Shape], other: list[Shape], number: int) -> None:
    for i in range(number):
        drawing.add(motif, 0.02 * (-1) ** i, 0.86 - (i + 0.5) * 1.7 / number, 1.85 / number)


def lay_flock(drawing: Drawing, motif: list[Shape], other: list[Shape], number: int) -> None:
    drawing.add(motif, 0, -0.55, 0.4)
    for i in range(1, number):
        for side in (-1, 1):
            drawing.add(motif, side * 0.27 * i, -0.55 + 0.36 * i, 0.38)


def lay_parade(drawing: Drawing, motif: list[Shape], other: list[Shape], number: int) -> None:
    drawing.line([(-0.97, 0.42), (0.97, 0.42)], "k", 0.02)
    drawing.add(motif, -0.52, 0.0, 0.84)
    for i in range(number):
        drawing.add(motif, 0.08 + i * 0.86 / number, 0.42 - 0.43 / number, 0.86 / number)


def lay_receding(drawing: Drawing, motif: list[Shape], other: list[Shape], number: int) -> None:
    for i in reversed(range(number)):
        s = 0.66**i
        drawing.add(motif, 0.78 - 1.25 * s, -0.28 + 0.62 * s, 0.86 * s)


def lay_growth(drawing: Drawing, motif: list[Shape], other: list[Shape], number: int) -> None:
    sizes = [1.45**i for i in range(number)]
    unit, x = 1.86 / sum(sizes), -0.93
    for s in sizes:
        drawing.add(motif, x + s * unit / 2, 0.4 - s * unit / 2, s * unit)
        x += s * unit


def lay_fading(drawing: Drawing, motif: list[Shape], other: list[Shape], number: int) -> None:
    for i in range(number):
        drawing.add(motif, (i - (number - 1) / 2) * 1.86 / number, 0, 1.7 / number, alpha=1 - 0.88 * i / (number - 1))


def lay_water(drawing: Drawing, motif: list[Shape], other: list[Shape], number: int) -> None:
    drawing.area(box(-1.1, 0.02, 1.1, 1.1), "c", 0.35)
    drawing.add(motif, 0, -0.42, 0.9)
    drawing.add(motif, 0, 0.44, 0.86, squash=-0.95, alpha=0.55)
    for y in (0.2, 0.45, 0.7):
        for x in (-0.75, 0.7):
            t = np.linspace(-0.18, 0.18, 17)
            drawing.line(np.column_stack([t + x, y + 0.02 * np.sin(t * 30)]), "w", 0.025)


def lay_peeking(drawing: Drawing, motif: list[Shape], other: list[Shape], number: int) -> None:
    drawing.add(motif, 0.05, -0.05, 1.05)
    drawing.area(box(-0.85, 0.0, 0.85, 0.9), "k" if number % 2 else "a")
    for i in range(1, 4):
        drawing.line([(-0.85, 0.0 + 0.225 * i), (0.85, 0.0 + 0.225 * i)], "w", 0.012)


def lay_caged(drawing: Drawing, motif: list[Shape], other: list[Shape], number: int) -> None:
    drawing.add(motif, 0, 0.1, 1.05)
    for x in np.linspace(-0.7, 0.7, number):
        drawing.line([(x, -0.8), (x, 0.8)], "k", 0.05)
    for y in (-0.8, 0.8):
        drawing.line([(-0.78, y), (0.78, y)], "k", 0.07)


def lay_orbit(drawing: Drawing, motif: list[Shape], other: list[Shape], number: int) -> None:
    t = np.radians(np.linspace(0, 360, 97))
    tilt = math.radians(14)
    x, y = 0.9 * np.cos(t), 0.36 * np.sin(t)
    drawing.line(
        np.column_stack([x * math.cos(tilt) + y * math.sin(tilt), y * math.cos(tilt) - x * math.sin(tilt)]), "k", 0.025
    )
    drawing.add(motif, 0, 0, 0.88)
    at = math.radians(35)
    x, y = 0.9 * math.cos(at), 0.36 * math.sin(at)
    drawing.add(other, x * math.cos(tilt) + y * math.sin(tilt), y * math.cos(tilt) - x * math.sin(tilt), 0.3)


def lay_parent(drawing: Drawing, motif: list[Shape], other: list[Shape], number: int) -> None:
    drawing.add(motif, -0.32, -0.05, 1.2)
    drawing.add(motif, 0.58, 0.31, 0.46)


def lay_facing(drawing: Drawing, motif: list[Shape], other: list[Shape], number: int) -> None:
    drawing.add(motif, -0.47, 0, 0.86, flip=-1)
    drawing.add(motif, 0.47, 0, 0.86)


def lay_forbidden(drawing: Drawing, motif: list[Shape], other: list[Shape], number: int) -> None:
    red = "r"
    drawing.area(arc(0, 0, 0.84, 0.84), "w")
    drawing.add(motif, 0, 0, 0.92)
    drawing.line(arc(0, 0, 0.8, 0.8), red, 0.13)
    s = 0.8 * math.sqrt(0.5)
    drawing.line([(-s, -s), (s, s)], red, 0.13)


def lay_lifted(drawing: Drawing, motif: list[Shape], other: list[Shape], number: int) -> None:
    tops = [(-0.45, -0.5), (0.0, -0.68), (0.45, -0.5), (-0.2, -0.28), (0.24, -0.3)][:number]
    for x, y in tops:
        drawing.line([(x, y + 0.2), (0, 0.4)], "k", 0.012)
    for i, (x, y) in enumerate(tops):
        drawing.area(arc(x, y, 0.2, 0.25), "abc"[i % 3])
    drawing.add(motif, 0, 0.6, 0.6)


LAYOUTS: dict[str, Callable[[Drawing, list[Shape], list[Shape], int], None]] = {
    "ring": lay_ring, "spiral": lay_spiral, "grid": lay_grid, "odd_one_out": lay_odd, "checkerboard": lay_chess,
    "pyramid": lay_pyramid, "tower": lay_tower, "flock": lay_flock, "parade": lay_parade, "receding": lay_receding,
    "growth_stages": lay_growth, "fading_away": lay_fading, "water_reflection": lay_water, "peeking": lay_peeking,
    "caged": lay_caged, "orbit": lay_orbit, "parent_and_child": lay_parent, "face_to_face": lay_facing,
    "forbidden": lay_forbidden, "lifted": lay_lifted,
}  # fmt: skip
