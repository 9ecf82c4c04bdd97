"""Primitives for drawing props: their box, their colour and its tones, and a common finish.

A prop is described in its own frame: origin in the centre of its box, y down, and the unit is its size, so
that its box is `width` x `height` with width * height = 1. Light falls from the upper left.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from analogen.relsim.world.palette import mix
from analogen.relsim.world.shapes import Linear, Point, Radial, Shape, moved


@dataclass(frozen=True, slots=True)
class PropStyle:
    """Parameters of a prop's drawing: half its box, its colour, the ink that contrasts with the ground, and how far it
    extends beyond its box to the left, right and bottom."""

    x: float
    y: float
    color: str
    ink: str
    bleed: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def light(self, amount: float) -> str:
        return mix(self.color, "#ffffff", amount)

    def dark(self, amount: float) -> str:
        return mix(self.color, "#1d1636", amount)

    @property
    def short(self) -> float:
        """The box's shorter side."""
        return 2 * min(self.x, self.y)

    def down(self, *colors: str) -> Linear:
        """Gradient from the top of the box to its bottom."""
        return Linear(0, -self.y, 0, self.y, even(colors))

    def across(self, *colors: str) -> Linear:
        return Linear(-self.x, 0, self.x, 0, even(colors))

    def ball(self) -> Radial:
        """Shading of something round, lit from the upper left."""
        stops = ((0.0, self.light(0.45), 1.0), (0.45, self.color, 1.0), (1.0, self.dark(0.26), 1.0))
        return Radial(-0.32 * self.x, -0.4 * self.y, 1.55 * self.x, 1.55 * self.y, stops)


Shapes = list[Shape]
DRAWERS: dict[str, Callable[[PropStyle], Shapes]] = {}


def even(colors: tuple[str, ...]) -> tuple[tuple[float, str, float], ...]:
    return tuple((i / (len(colors) - 1), color, 1.0) for i, color in enumerate(colors))


def prop(draw: Callable[[PropStyle], Shapes]) -> Callable[[PropStyle], Shapes]:
    DRAWERS[draw.__name__.strip("_")] = draw
    return draw


def shade(data: str, drop: float = 0.02, blur: float = 0.02, opacity: float = 0.2) -> Shape:
    """A soft shadow of a sheet on the ground."""
    return Shape(moved(data, dy=drop), "#161226", opacity=opacity, blur=blur)


def solid(p: PropStyle, data: str, edge: float = 0.02) -> Shapes:
    """A flat form with soft shading, a lit upper edge and a darker lower one."""
    return [
        Shape(data, p.dark(0.22)),
        Shape(moved(data, dy=-edge), p.down(p.light(0.18), p.color, p.dark(0.04)), clip=data),
        Shape(data, Linear(0, -p.y, 0, p.y, ((0.0, "#ffffff", 0.5), (0.4, "#ffffff", 0.0), (1.0, "#ffffff", 0.0))),
              width=0.022, clip=data),
    ]  # fmt: skip


def arc(rx: float, ry: float, start: float, end: float) -> list[Point]:
    """Points of an ellipse around the origin, clockwise between two angles in degrees (0 = +x)."""
    steps = max(2, round(abs(end - start) / 5))
    angles = [math.radians(start + (end - start) * i / steps) for i in range(steps + 1)]
    return [(rx * math.cos(a), ry * math.sin(a)) for a in angles]
