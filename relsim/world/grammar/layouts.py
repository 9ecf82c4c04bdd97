"""Coordinates of ideal layouts (ring, grid, spiral, ...), for drawing and for recognition.

A layout is free of scale and place. Its slots stand in reading order: left to right, top to bottom, clockwise from
the top, outwards; y grows downwards as in scenes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Layout:
    """Slots in reading order.

    places   (n, 2) centres.
    steps    (n,) which step of the reading order each slot belongs to, from 0; slots side by side share one.
    parity   (n,) 0 or 1: the two sets that take turns.
    room     (n,) distance to the nearest other slot.
    hub      Index of the slot in the middle, -1 if there is none.
    fixed    Slots that must not be left empty: without them the shape would be another one.
    """

    places: Points
    steps: NDArray[np.int64]
    parity: NDArray[np.int64]
    room: Points
    hub: int = -1
    fixed: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.places)

    @property
    def pitch(self) -> float:
        return float(self.room.min())

    @property
    def progress(self) -> Points:
        """(n,) how far along the reading order each slot lies, from 0 to 1."""
        return self.steps / max(int(self.steps.max()), 1)


def layout(
    places: Sequence[tuple[float, float]] | Points,
    steps: Sequence[int] | None = None,
    parity: Sequence[int] | None = None,
    hub: int = -1,
    fixed: Sequence[int] = (),
) -> Layout:
    """A layout of these places; by default each is a step of its own and they take turns in that order."""
    spots = np.array(places, dtype=np.float64).reshape(-1, 2)
    order = np.arange(len(spots)) if steps is None else np.array(steps)
    gaps = np.linalg.norm(spots[:, None] - spots[None], axis=2)
    np.fill_diagonal(gaps, np.inf)
    room = gaps.min(axis=1) if len(spots) > 1 else np.ones(1)
    turns = order % 2 if parity is None else np.array(parity)
    return Layout(spots, order, turns, room, hub, frozenset(i % len(spots) for i in fixed))


def around(radius: float, angle: float) -> tuple[float, float]:
    """The point at a clock angle: 0 at the top, clockwise, degrees."""
    return radius * math.sin(math.radians(angle)), -radius * math.cos(math.radians(angle))


def row(count: int) -> Layout:
    return layout([(i, 0) for i in range(count)], fixed=(0, -1))


def column(count: int) -> Layout:
    return layout([(0, i) for i in range(count)], fixed=(0, -1))


def slope(count: int, angle: float) -> Layout:
    """From left to right; angle in degrees below the horizontal, negative for rising."""
    x, y = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return layout([(i * x, i * y) for i in range(count)], fixed=(0, -1))


def bow(count: int, half: float, side: int) -> Layout:
    """Part of a circle from left to right, `half` degrees to each side of its middle. side: 1 = arch, -1 = bowl."""
    angles = np.linspace(-half, half, count)
    return layout([(x, side * y) for x, y in (around(1, float(a)) for a in angles)], fixed=(0, -1))


def ring(count: int, start: float) -> Layout:
    """Clockwise from the top; start: 0 = one at the top, .5 = a gap at the top."""
    return layout([around(1, 360 * (i + start) / count) for i in range(count)])


def double_ring(outer: int, ratio: float, start: float) -> Layout:
    """An outer ring, and half as many on an inner one; the steps go round the clock, both rings together."""
    angles = [360 * (i + start) / outer for i in range(outer)]
    spots = [around(1, a) for a in angles] + [around(ratio, a) for a in angles[::2]]
    steps = [*range(outer), *range(0, outer, 2)]
    return layout(spots, steps, [0] * outer + [1] * (outer // 2), fixed=range(outer, outer + outer // 2))


def spiral(count: int, turns: float, start: float, sense: int) -> Layout:
    """Archimedes' spiral from the middle outwards with even gaps along it; sense: 1 = clockwise."""
    fine = np.linspace(0.22, 1.0, 2000)
    angles = 2 * math.pi * turns * (fine - 0.22) / 0.78
    path = np.column_stack([fine * np.sin(angles), -fine * np.cos(angles)])
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    at = np.interp(lengths[-1] * np.arange(count) / (count - 1), lengths, np.arange(len(fine)))
    radii, winding = np.interp(at, np.arange(len(fine)), fine), np.interp(at, np.arange(len(fine)), angles)
    return layout([around(r, start + sense * math.degrees(a)) for r, a in zip(radii, winding, strict=True)])


def shell(count: int, turns: float, growth: float, start: float, sense: int) -> Layout:
    """The logarithmic spiral, from the middle outwards: gaps grow with the distance."""
    step, factor = 360 * turns / (count - 1), growth ** (1 / (count - 1))
    return layout([around(factor**i, start + sense * step * i) for i in range(count)])


def lattice(rows: int, columns: int, stretch: float) -> Layout:
    """stretch: distance of the rows over that of the columns."""
    cells = [(r, c) for r in range(rows) for c in range(columns)]
    corners = (0, columns - 1, -columns, -1)
    fixed = [*corners, 4] if rows == columns == 3 else [*corners]  # a square with an empty middle is a frame
    return layout([(c, r * stretch) for r, c in cells], parity=[(r + c) % 2 for r, c in cells], fixed=fixed)


def rows_of_lengths(lengths: Sequence[int], rise: float) -> Layout:
    """Centred rows from top to bottom, neighbours 1 apart. They take turns row by row, and so do the steps."""
    spots = [(c - (n - 1) / 2, r * rise) for r, n in enumerate(lengths) for c in range(n)]
    levels = [r for r, n in enumerate(lengths) for _ in range(n)]
    return layout(spots, levels, fixed=range(len(spots)))


def bricks(rows: int, longest: int, rise: float) -> Layout:
    """Rows that are shifted against each other by half a step, each thing a step."""
    lengths = [longest - r % 2 for r in range(rows)]
    made = rows_of_lengths(lengths, rise)
    ends = {0, lengths[0] - 1, len(made) - 1, len(made) - lengths[-1]}
    return replace(made, parity=made.steps % 2, steps=np.arange(len(made)), fixed=frozenset(ends))


def wedge(pairs: int, half: float, heading: int) -> Layout:
    """A V from its tip backwards, `half` degrees to each side; heading: quarter turns clockwise from upwards."""
    spots = [(0.0, 0.0)]
    for i in range(1, pairs + 1):
        x, y = i * math.sin(math.radians(half)), i * math.cos(math.radians(half))
        spots += [(-x, y), (x, y)]
    places = np.array(spots)
    for _ in range(heading):
        places = np.column_stack([-places[:, 1], places[:, 0]])
    return layout(places, [(i + 1) // 2 for i in range(len(spots))], fixed=(0, -1, -2))


def cross(arms: int, turn: float) -> Layout:
    """A middle and four arms, from the middle outwards."""
    spots = [(0.0, 0.0)] + [around(level, turn + 90 * k) for level in range(1, arms + 1) for k in range(4)]
    outer = range(len(spots) - 4, len(spots))
    return layout(spots, [0] + [level for level in range(1, arms + 1) for _ in range(4)], hub=0, fixed=(0, *outer))


def wave(count: int, cycles: float, height: float, start: int) -> Layout:
    """A sine from left to right with even gaps across. height: amplitude over the length; start: 1 = down first."""
    t = np.arange(count) / (count - 1)
    return layout(np.column_stack([t, start * height * np.sin(2 * math.pi * cycles * t)]), fixed=(0, -1))


def zigzag(count: int, height: float, start: int) -> Layout:
    """Up and down in turn; height over the step across."""
    return layout([(i, height * ((i + start) % 2)) for i in range(count)], fixed=(0, -1))


def outline(corners: Sequence[tuple[float, float]], edge: int) -> Layout:
    """`edge` steps along every side of a polygon, from its first corner on, clockwise."""
    ring_of = list(zip(corners, [*corners[1:], corners[0]], strict=True))
    spots = [
        (a[0] + (b[0] - a[0]) * i / edge, a[1] + (b[1] - a[1]) * i / edge) for a, b in ring_of for i in range(edge)
    ]
    return layout(spots, fixed=range(0, len(spots), edge))


def square(edge: int) -> Layout:
    return outline([(0, 0), (1, 0), (1, 1), (0, 1)], edge)


def triangle(edge: int) -> Layout:
    return outline([(0, 0), (0.5, 0.866), (-0.5, 0.866)], edge)


def rosette(petals: int, start: float) -> Layout:
    """One in the middle and a ring about it."""
    spots = [(0.0, 0.0)] + [around(1, 360 * (i + start) / petals) for i in range(petals)]
    return layout(spots, [0] + [1] * petals, [0] + [i % 2 for i in range(petals)], hub=0, fixed=(0,))


# How the members of a small group stand together, by their number.
CLUSTERS: dict[int, tuple[tuple[float, float], ...]] = {
    1: ((0, 0),),
    2: ((0, -0.5), (0, 0.5)),
    3: ((0, -0.45), (-0.5, 0.45), (0.5, 0.45)),
    4: ((-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)),
    5: ((-0.5, -0.75), (0.5, -0.75), (0, 0), (-0.5, 0.75), (0.5, 0.75)),
}


def clusters(numbers: Sequence[int], gap: float) -> Layout:
    """Groups of these numbers from left to right, `gap` between them; each group is a step."""
    spots, steps, left = [], [], 0.0
    for group, number in enumerate(numbers):
        members = CLUSTERS[number]
        width = max(x for x, _ in members) - min(x for x, _ in members)
        spots += [(left + width / 2 + x, y) for x, y in members]
        steps += [group] * number
        left += width + 1 + gap
    return layout(spots, steps, fixed=range(len(spots)))
