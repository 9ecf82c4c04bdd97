"""Shapes, gradients and paths of props and backgrounds, for pixels (skia) and SVG.

Path data is SVG's, with absolute M, L, Q, C, A and Z only. Lengths are in the units of whoever describes
the shape; y grows downwards.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import skia

from analogen.relsim.world.palette import rgb

Point = tuple[float, float]
Stop = tuple[float, str, float]  # offset in [0, 1], "#rrggbb", opacity


@dataclass(frozen=True, slots=True)
class Linear:
    """Gradient from (x1, y1) to (x2, y2), extended by its end colours, or repeated."""

    x1: float
    y1: float
    x2: float
    y2: float
    stops: tuple[Stop, ...]
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class Radial:
    """Gradient from (x, y) to the ellipse with radii rx, ry around it."""

    x: float
    y: float
    rx: float
    ry: float
    stops: tuple[Stop, ...]


Fill = str | Linear | Radial


@dataclass(frozen=True, slots=True)
class Shape:
    """One filled or stroked path. `width`: of the stroke; 0 fills. `blur`: standard deviation.
    `clip`: path data outside which nothing is drawn. Overlapping contours follow the non-zero rule, or
    even-odd. Strokes have round ends and joins."""

    data: str
    paint: Fill
    width: float = 0.0
    opacity: float = 1.0
    blur: float = 0.0
    clip: str = ""
    even_odd: bool = False


def polygon(points: Iterable[Point], closed: bool = True) -> str:
    """Straight lines through the points."""
    return "M" + "L".join(f"{x:.5g} {y:.5g}" for x, y in points) + ("Z" if closed else "")


def rectangle(x: float, y: float, width: float, height: float, radius: float = 0.0) -> str:
    """Axis-aligned rectangle from its left top corner; corners rounded by at most half the shorter side."""
    r = min(radius, width / 2, height / 2)
    right, bottom = x + width, y + height
    if r <= 0:
        return polygon([(x, y), (right, y), (right, bottom), (x, bottom)])
    arc = f"A{r:.5g} {r:.5g} 0 0 1 "
    return (
        f"M{x + r:.5g} {y:.5g}L{right - r:.5g} {y:.5g}{arc}{right:.5g} {y + r:.5g}L{right:.5g} {bottom - r:.5g}"
        f"{arc}{right - r:.5g} {bottom:.5g}L{x + r:.5g} {bottom:.5g}{arc}{x:.5g} {bottom - r:.5g}"
        f"L{x:.5g} {y + r:.5g}{arc}{x + r:.5g} {y:.5g}Z"
    )


def ellipse(x: float, y: float, rx: float, ry: float) -> str:
    half = f"A{rx:.5g} {ry:.5g} 0 1 1 "
    return f"M{x - rx:.5g} {y:.5g}{half}{x + rx:.5g} {y:.5g}{half}{x - rx:.5g} {y:.5g}Z"


def smooth(points: Sequence[Point], closed: bool = True, tension: float = 1.0) -> str:
    """Smooth curve through the points (Catmull-Rom as cubic Beziers)."""
    count = len(points)

    def at(index: int) -> Point:
        return points[index % count] if closed else points[min(max(index, 0), count - 1)]

    parts = [f"M{points[0][0]:.5g} {points[0][1]:.5g}"]
    for i in range(count if closed else count - 1):
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = at(i - 1), at(i), at(i + 1), at(i + 2)
        k = tension / 6
        parts.append(
            f"C{bx + (cx - ax) * k:.5g} {by + (cy - ay) * k:.5g} {cx - (dx - bx) * k:.5g} {cy - (dy - by) * k:.5g}"
            f" {cx:.5g} {cy:.5g}"
        )
    return "".join(parts) + ("Z" if closed else "")


def scallops(points: Sequence[Point], roundness: float = 1.08) -> str:
    """A closed outline of round bulges, with an arc between neighbouring points, given clockwise on screen.
    roundness: the arcs' radius over half the chord, >= 1 (1 = half circles)."""
    parts = [f"M{points[0][0]:.5g} {points[0][1]:.5g}"]
    for (ax, ay), (bx, by) in zip(points, [*points[1:], points[0]], strict=True):
        radius = math.hypot(bx - ax, by - ay) / 2 * roundness
        parts.append(f"A{radius:.5g} {radius:.5g} 0 0 1 {bx:.5g} {by:.5g}")
    return "".join(parts) + "Z"


def rounded(points: Sequence[Point], radius: float) -> str:
    """Closed polygon whose corners are rounded by cutting them off at most this far from the corner."""
    parts: list[str] = []
    for i, (x, y) in enumerate(points):
        cuts = []
        for ox, oy in (points[i - 1], points[(i + 1) % len(points)]):
            share = min(0.5, radius / max(math.hypot(ox - x, oy - y), 1e-9))
            cuts.append((x + (ox - x) * share, y + (oy - y) * share))
        (ax, ay), (bx, by) = cuts
        parts.append(f"{'L' if parts else 'M'}{ax:.5g} {ay:.5g}Q{x:.5g} {y:.5g} {bx:.5g} {by:.5g}")
    return "".join(parts) + "Z"


def moved(data: str, dx: float = 0.0, dy: float = 0.0, sx: float = 1.0, sy: float = 1.0) -> str:
    """The path scaled around the origin, then moved."""
    parts: list[str] = []
    command, index = "", 0
    for token in _TOKEN.findall(data):
        if token in _COUNTS:
            command, index = token, 0
            parts.append(token)
            continue
        value = float(token)
        if command == "A" and index < 5:
            value *= (abs(sx), abs(sy), 1, 1, 1)[index]
        else:
            value = value * sx + dx if (index + (command == "A")) % 2 == 0 else value * sy + dy
        parts.append(f"{value:.5g} ")
        index += 1
    return "".join(parts)


_TOKEN = re.compile(r"[MLQCAZ]|-?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?")


@lru_cache(maxsize=4096)
def skia_path(data: str, even_odd: bool = False) -> skia.Path:
    """Converts the path to skia. Raises ValueError for other commands than this module writes."""
    path = skia.Path()
    tokens = _TOKEN.findall(data)
    index = 0
    while index < len(tokens):
        command = tokens[index]
        if command not in _COUNTS:
            raise ValueError(f"path data {data[:40]!r}: a command was expected, not {command!r}")
        count = _COUNTS[command]
        n = [float(token) for token in tokens[index + 1 : index + 1 + count]]
        index += 1 + count
        if command == "M":
            path.moveTo(*n)
        elif command == "L":
            path.lineTo(*n)
        elif command == "Q":
            path.quadTo(*n)
        elif command == "C":
            path.cubicTo(*n)
        elif command == "A":
            large = skia.Path.kLarge_ArcSize if n[3] else skia.Path.kSmall_ArcSize
            sweep = skia.PathDirection.kCW if n[4] else skia.PathDirection.kCCW
            path.arcTo(n[0], n[1], n[2], large, sweep, n[5], n[6])
        else:
            path.close()
    path.setFillType(skia.PathFillType.kEvenOdd if even_odd else skia.PathFillType.kWinding)
    return path


_COUNTS = {"M": 2, "L": 2, "Q": 4, "C": 6, "A": 7, "Z": 0}


def skia_color(color: str, opacity: float = 1.0) -> int:
    return int(skia.Color(*rgb(color), round(255 * opacity)))


@lru_cache(maxsize=2048)
def skia_paint(shape: Shape) -> skia.Paint:
    """The skia paint of the shape, which is shared and must not be changed."""
    paint = skia.Paint(AntiAlias=True)
    fill = shape.paint
    if isinstance(fill, str):
        paint.setColor(skia_color(fill, shape.opacity))
    else:
        colors = [skia_color(color, opacity) for _, color, opacity in fill.stops]
        offsets = [offset for offset, _, _ in fill.stops]
        if isinstance(fill, Linear):
            ends = [skia.Point(fill.x1, fill.y1), skia.Point(fill.x2, fill.y2)]
            mode = skia.TileMode.kRepeat if fill.repeat else skia.TileMode.kClamp
            paint.setShader(skia.GradientShader.MakeLinear(ends, colors, offsets, mode))
        else:
            place = skia.Matrix.MakeAll(fill.rx, 0, fill.x, 0, fill.ry, fill.y, 0, 0, 1)
            center = skia.Point(0, 0)
            paint.setShader(skia.GradientShader.MakeRadial(center, 1, colors, offsets, skia.TileMode.kClamp, 0, place))
        paint.setAlphaf(shape.opacity)
    if shape.width > 0:
        paint.setStyle(skia.Paint.kStroke_Style)
        paint.setStrokeWidth(shape.width)
        paint.setStrokeCap(skia.Paint.kRound_Cap)
        paint.setStrokeJoin(skia.Paint.kRound_Join)
    if shape.blur > 0:
        paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, shape.blur))
    return paint


def draw_shapes(canvas: skia.Canvas, shapes: Iterable[Shape]) -> None:
    for shape in shapes:
        if shape.clip:
            canvas.save()
            canvas.clipPath(skia_path(shape.clip), True)
        canvas.drawPath(skia_path(shape.data, shape.even_odd), skia_paint(shape))
        if shape.clip:
            canvas.restore()
