"""How things are laid out for each logic of many: rings, rows, lattices, piles. `LAYOUTS` has all logics."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from external_layouts import lattice
from sight_material import Art
from sight_stage import Stage

Draw = Callable[[Stage], None]


@dataclass(frozen=True)
class Layout:
    """needs, avoids: traits of the subject; other: a trait that the second thing needs."""

    draw: Draw
    needs: frozenset[str] = frozenset()
    avoids: frozenset[str] = frozenset()
    other: str = ""

    def suits(self, art: Art) -> bool:
        return (not self.needs or bool(self.needs & art.traits)) and not self.avoids & art.traits


LAYOUTS: dict[str, Layout] = {}


def layout(relation: str, needs: str = "", avoids: str = "", other: str = "") -> Callable[[Draw], Draw]:
    """Register how a logic of the catalogue is laid out. needs: one of these traits; avoids: all of these."""

    def register(draw: Draw) -> Draw:
        LAYOUTS[relation] = Layout(draw, frozenset(needs.split()), frozenset(avoids.split()), other)
        return draw

    return register


def facing(s: Stage) -> int:
    """-1: the subject looks to the left; 1: to the right, or nowhere."""
    return -1 if "left" in s.cast["thing"].traits else 1


def floor(s: Stage, foot: float) -> None:
    """A line or a strip that things stand on."""
    if s.photographic or s.coin():
        s.block(-1.1, foot, 1.1, 1.1, s.light if s.coin() else s.dark, opacity=s.uniform(0.25, 0.6))
    else:
        s.line([(-0.96, foot), (0.96, foot)], 0.02, s.clear)


@layout("ring", avoids="slant")
def ring(s: Stage) -> None:
    n, radius, start = s.integer(7, 11), s.uniform(0.62, 0.72), s.uniform(0, math.tau)
    room = math.tau * radius / n * s.uniform(0.84, 0.98)
    size = min(0.52, 1.3 * room, room / math.sqrt(math.prod(s.extent(1.0))))
    outward = s.coin(0.35)
    for i in range(n):
        t = start + math.tau * i / n
        s.thing(radius * math.sin(t), -radius * math.cos(t), size, turn=math.degrees(t) if outward else 0)


@layout("spiral", avoids="slant")
def spiral(s: Stage) -> None:
    way, start, step, widening = 1 if s.coin() else -1, s.uniform(0, math.tau), s.uniform(0.5, 0.6), s.uniform(2.0, 2.3)
    n = round(1.85 * math.tau / step)
    slim = math.sqrt(math.prod(s.extent(1.0)))
    for i in range(n):
        r = 0.78 * widening ** ((i - n + 1) * step / math.tau)
        t = start + way * step * i
        s.thing(r * math.sin(t), -r * math.cos(t), 0.94 * step * r / max(slim, 0.7))


def cells(s: Stage, least: int, most: int) -> tuple[list[tuple[int, int, float, float]], float, int, int]:
    """Rows and columns, places and a pitch."""
    rows, columns = s.integer(least, most), s.integer(least, most)
    pitch = 1.84 / max(rows, columns)
    return lattice(rows, columns, pitch), pitch, rows, columns


@layout("grid")
def grid(s: Stage) -> None:
    places, pitch, *_ = cells(s, 3, 5)
    size = pitch * s.uniform(0.72, 0.92)
    for *_, x, y in places:
        s.thing(x, y, size)


@layout("odd_one_out")
def odd_one_out(s: Stage) -> None:
    places, pitch, rows, columns = cells(s, 3, 5)
    odd, size = (s.integer(0, rows - 1), s.integer(0, columns - 1)), pitch * s.uniform(0.72, 0.9)
    for row, column, x, y in places:
        s.thing(x, y, size, "other" if (row, column) == odd else "thing")


@layout("checkerboard")
def checkerboard(s: Stage) -> None:
    places, pitch, *_ = cells(s, 3, 5)
    board, size, colour = s.coin(), pitch * s.uniform(0.7, 0.86), s.accent if s.coin() else s.light
    for row, column, x, y in places:
        if board and (row + column) % 2:
            s.block(x - pitch / 2, y - pitch / 2, x + pitch / 2, y + pitch / 2, colour, opacity=0.85)
    for row, column, x, y in places:
        s.thing(x, y, size, "other" if (row + column) % 2 else "thing")


@layout("pyramid", avoids="slant")
def pyramid(s: Stage) -> None:
    n = s.integer(3, 5)
    size = s.size_in(1.84 / n, 1.72 / n)
    width, height = s.extent(size)
    foot = 0.93 * height * n / 2
    for level in reversed(range(n)):
        for i in range(n - level):
            s.thing((i - (n - level - 1) / 2) * width, foot - (level + 0.5) * height * 0.93, size)


@layout("tower", avoids="slant")
def tower(s: Stage) -> None:
    width, height = s.extent(1.0)
    n = s.integer(4, 6 if height < 1.2 * width else 4)
    size = min(s.size_in(1.2, 1.9 / (n * 0.94)), 1.1)
    height = s.extent(size)[1] * 0.94
    foot = min(0.94, height * n / 2 + 0.1)
    for i in range(n):
        x, y = s.uniform(-0.02, 0.02), foot - (i + 0.5) * height
        if i == 0:
            s.contact(x, foot, s.extent(size)[0])
        s.thing(x, y, size)


@layout("flock", avoids="slant")
def flock(s: Stage) -> None:
    n, gap, spread = s.integer(3, 4), s.uniform(0.36, 0.44), math.radians(s.uniform(32, 44))
    gap = min(gap, 0.76 / (n * math.sin(spread)))
    size = gap * s.uniform(0.86, 1.0)
    heading = s.cast["thing"].traits & {"left", "right"}
    turn = math.radians(90 * facing(s)) if heading and s.coin(0.6) else 0.0  # the way the leader flies, from up
    reach = n * gap * math.cos(spread) / 2
    for i in range(n, -1, -1):
        for side in (-1, 1) if i else (0,):
            along, across = reach - i * gap * math.cos(spread), side * i * gap * math.sin(spread)
            s.thing(along * math.sin(turn) + across * math.cos(turn), -along * math.cos(turn) + across * math.sin(turn),
                    size)  # fmt: skip


@layout("parade")
def parade(s: Stage) -> None:
    n, foot, ahead = s.integer(3, 5), s.uniform(0.3, 0.55), facing(s)
    flip = s.coin()
    ahead = -ahead if flip else ahead
    size = min(s.size_in(0.8, 1.1), 1.2)
    width = s.extent(size)[0]
    floor(s, foot)
    s.stand(ahead * (0.93 - width / 2), foot, size, flip=flip)
    room = (1.82 - width) / n
    small = min(s.size_in(room * 0.9, 0.5), 0.42 * size)
    for i in range(n):
        s.stand(ahead * (0.9 - width - (i + 0.5) * room), foot, small, flip=flip)


@layout("receding", avoids="slant")
def receding(s: Stage) -> None:
    s.shadow = max(s.shadow, 0.35)  # else flat art of one colour runs together
    n, ratio, side = s.integer(4, 6), s.uniform(0.64, 0.72), 1 if s.coin() else -1
    size = min(s.size_in(0.9, 1.0), 1.1)
    width = s.extent(size)[0]
    for i in reversed(range(n)):
        share = ratio**i
        s.stand(side * (0.72 - (1.67 - width / 2) * share), -0.22 + 1.08 * share, size * share)


@layout("growth_stages")
def growth_stages(s: Stage) -> None:
    flat = "flat" in s.cast["thing"].traits
    n, ratio, gap = s.integer(3, 3 if flat else 5), s.uniform(1.38, 1.65), 0.06
    sizes = [ratio**i for i in range(n)]
    unit = s.size_in((1.86 - gap * (n - 1)) / (sum(sizes) / sizes[-1]), 1.5) / sizes[-1]
    foot, x = s.uniform(0.4, 0.7), 0.0
    total = sum(s.extent(unit * k)[0] for k in sizes) + gap * (n - 1)
    x = -total / 2
    if s.coin():
        floor(s, foot)
    for k in sizes:
        width = s.extent(unit * k)[0]
        s.stand(x + width / 2, foot, unit * k)
        x += width + gap


@layout("fading_away")
def fading_away(s: Stage) -> None:
    n, last = s.integer(3, 3 if "flat" in s.cast["thing"].traits else 5), s.uniform(0.1, 0.18)
    room = 1.88 / n
    size = s.size_in(room * 0.92, 1.2)
    for i in range(n):
        s.thing((i - (n - 1) / 2) * room, 0, size, opacity=1 - (1 - last) * i / (n - 1))


@layout("toppling", needs="upright")
def toppling(s: Stage) -> None:
    n, foot, fall = s.integer(4, 5), s.uniform(0.35, 0.6), 1 if s.coin() else -1
    size = s.size_in(1.7 / n, 0.8)
    width, height = s.extent(size)
    floor(s, foot)
    turns = np.linspace(0, 84, n)
    rooms = [max(width * math.cos(t) + 0.8 * height * math.sin(t), width * 0.8) for t in np.radians(turns)]
    squeeze = min(1.0, 1.86 / sum(rooms))
    x = -sum(rooms) * squeeze / 2
    for turn, room in zip(turns, rooms, strict=True):
        t = math.radians(turn)
        rise = (height * math.cos(t) + width * math.sin(t)) / 2
        s.thing(fall * (x + room * squeeze / 2), foot - rise, size, turn=fall * turn)
        x += room * squeeze


@layout("tumbling", avoids="round")
def tumbling(s: Stage) -> None:
    n, way = s.integer(4, 5), 1 if s.coin() else -1
    room, step = 1.88 / n, s.uniform(40, 75)
    slope = s.uniform(-0.2, 0.2)
    for i in range(n):
        x = (i - (n - 1) / 2) * room
        s.thing(x, slope * x, room * s.uniform(0.94, 0.97), turn=way * step * i)


@layout("bouncing", avoids="slant")
def bouncing(s: Stage) -> None:
    foot, size, way = s.uniform(0.6, 0.8), s.uniform(0.2, 0.25), 1 if s.coin() else -1
    size *= 1.3 if "flat" in s.cast["thing"].traits else 1.0
    height = s.extent(size)[1]
    floor(s, foot)
    spans, tops = (0.82, 0.58, 0.4), (1.3, 0.72, 0.36)
    x = -0.88
    for arc, (span, top) in enumerate(zip(spans, tops, strict=True)):
        steps = 9 - 2 * arc
        for i in range(steps + (arc == 2)):
            t = i / steps
            s.thing(way * (x + span * t), foot - height / 2 - 4 * top * t * (1 - t), size, shadow=0.1)
        x += span


@layout("heap")
def heap(s: Stage) -> None:
    foot, size, wide = s.uniform(0.6, 0.85), s.uniform(0.4, 0.5), s.uniform(0.62, 0.75)
    s.shadow = max(s.shadow, 0.4)  # else flat art of one colour runs together
    s.contact(0, foot, 1.9 * wide)
    tall = s.uniform(0.8, 1.1)
    places = []
    while len(places) < 34:
        x, y = s.uniform(-wide, wide), s.uniform(0, 1)
        if y < 1 - (x / wide) ** 2:
            places.append((x, foot - 0.12 - y * tall))
    for x, y in sorted(places, key=lambda p: p[1]):
        s.thing(x, y, size, turn=s.uniform(-50, 50), flip=s.coin())


@layout("kaleidoscope", avoids="round")
def kaleidoscope(s: Stage) -> None:
    folds, start = int(s.rng.choice((4, 6, 6, 8))), s.uniform(0, 1)
    inner, apart = {4: 0.5, 6: 0.38, 8: 0.3}[folds], math.tau / folds / 4
    outer = min(0.42, 0.74 * 2 * math.sin(apart) * 0.9)
    for i in range(folds):
        t = math.tau * (i + 0.5 * (start < 0.5)) / folds
        for side in (-1, 1):
            a = t + side * apart
            s.thing(0.74 * math.sin(a), -0.74 * math.cos(a), outer, turn=math.degrees(a) + 30 * side, flip=side < 0)
            a = t + side * 0.42 * math.tau / folds / 2
            s.thing(0.33 * math.sin(a), -0.33 * math.cos(a), inner * 0.62, turn=math.degrees(a), flip=side < 0)


@layout("counting_up")
def counting_up(s: Stage) -> None:
    most, upright = s.integer(3, 4), s.coin()
    room = 1.9 / most
    size = s.size_in(room * 0.72, 1.5 / most * 0.9) if upright else s.size_in(1.6 / most * 0.9, room * 0.72)
    for i in range(most):
        middle = (i - (most - 1) / 2) * room
        half = room / 2 - 0.03
        if upright:
            s.block(middle - half, -0.9, middle + half, 0.9, s.light, opacity=0.8)
        else:
            s.block(-0.9, middle - half, 0.9, middle + half, s.light, opacity=0.8)
        for k in range(i + 1):
            along = (k - i / 2) * 1.64 / most
            s.thing(*((middle, along) if upright else (along, middle)), size)


def outline(kind: str) -> list[tuple[float, float]]:
    if kind == "heart":
        t = np.linspace(0, math.tau, 80)
        y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 17.5 - 0.12
        return list(zip((np.sin(t) ** 3 * 0.95).tolist(), y.tolist(), strict=True))
    if kind == "star":
        turns = [math.radians(36 * i) for i in range(10)]
        return [(r * math.sin(t), 0.06 - r * math.cos(t)) for t, r in zip(turns, (1.0, 0.44) * 5, strict=True)]
    return [(-0.95, -0.27), (0.1, -0.27), (0.1, -0.75), (0.95, 0), (0.1, 0.75), (0.1, 0.27), (-0.95, 0.27)]


def holds(points: list[tuple[float, float]], x: float, y: float) -> bool:
    """Whether the point is inside, by crossings."""
    inside = False
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            inside = not inside
    return inside


@layout("shape_of_many", avoids="slant")
def shape_of_many(s: Stage) -> None:
    edge, pitch = outline(str(s.rng.choice(("heart", "star", "arrow")))), s.uniform(0.16, 0.19)
    scale = s.uniform(0.9, 0.98)
    across, down = (max(v, 0.6 * pitch) for v in s.extent(pitch))
    for row in range(-14, 15):
        for column in range(-14, 15):
            x, y = (column + 0.5 * (row % 2)) * across, row * down * 0.92
            if holds(edge, x / scale, y / scale):
                s.thing(x, y, pitch, turn=s.uniform(-8, 8))
