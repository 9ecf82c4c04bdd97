"""Composition of things on a page: layouts, ground lines and shadows, and reading order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from analogen.relsim.world.measure import extent, fit_line, require, rows_of
from analogen.relsim.world.relations.base import Draft
from analogen.relsim.world.scene import Element

REACH = 0.93  # how far compositions of many reach from the centre of the picture
LAYOUTS = ("row", "rising", "falling", "arch", "valley", "column", "rows")
LONGEST = {"row": 6, "column": 5}  # longer ones would leave most of the picture empty


def fit(elements: Sequence[Element], reach: float = 0.92, cap: float = 0.85) -> list[Element]:
    """Centres and scales the elements to span [-reach, reach] in the longer direction, with sizes of at most cap."""
    boxes = np.array([extent(e) for e in elements])  # (n, 4)
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    middle = (low + high) / 2
    scale = min(2 * reach / float((high - low).max()), cap / max(e.size for e in elements))
    return [
        replace(e, x=float((e.x - middle[0]) * scale), y=float((e.y - middle[1]) * scale), size=float(e.size * scale))
        for e in elements
    ]


def lower_edge(e: Element) -> float:
    """y of the lower edge of an unturned box."""
    return e.y + e.height / 2


def upper_edge(e: Element) -> float:
    """y of the upper edge of an unturned box."""
    return e.y - e.height / 2


def floor_shadow(draft: Draft, x: float, ground: float, width: float) -> None:
    """A soft shadow on the ground line under something of this width."""
    draft.box("shadow", x, ground, 0.9 * width, 0.14 * width)


def place_in_frame(draft: Draft, elements: Sequence[Element], floor: bool, shadows: bool) -> None:
    """Fits the elements into the frame and adds them, optionally with a ground band and soft shadows behind them."""
    placed = fit(elements)
    if floor:
        line = max(lower_edge(e) for e in placed if e.is_thing)
        lower = max(0.0, draft.uniform(0.32, 0.5) - line)
        placed = [replace(e, y=e.y + lower) for e in placed]
        draft.box("ground", 0, (line + lower + 0.95) / 2, 2, 1.05 - line - lower)
    for e in placed:
        if shadows and e.is_thing:
            draft.box("shadow", e.x, lower_edge(e) - 0.01, 0.85 * e.width, 0.13 * e.size, opacity=e.opacity)
    draft.elements += placed


def layout_places(draft: Draft, count: int) -> tuple[list[tuple[float, float]], str]:
    """Places in reading order for `count` copies of size 1, and the name of their layout."""
    layout = draft.choice(
        [name for name in LAYOUTS if (count >= 4 if name == "rows" else count <= LONGEST.get(name, 9))]
    )
    step = draft.uniform(1.02, 1.2)
    if layout == "rows":
        first = (count + 1) // 2
        lines = [(first, -step / 2), (count - first, step / 2)]
        return [(step * (i - (n - 1) / 2), y) for n, y in lines for i in range(n)], layout
    if layout in ("arch", "valley"):
        turns = np.radians(np.linspace(-1, 1, count) * draft.uniform(40, 62))
        radius = step / (2 * math.sin((turns[1] - turns[0]) / 2))
        sign = -1 if layout == "arch" else 1
        return [(radius * math.sin(t), sign * radius * math.cos(t)) for t in turns], layout
    slope = {"row": 0.0, "column": 90.0}.get(layout, draft.uniform(20, 45))
    across, down = math.cos(math.radians(slope)), math.sin(math.radians(slope))
    return [(i * step * across, i * step * (-down if layout == "rising" else down)) for i in range(count)], layout


def side_by_side(widths: Sequence[float], gap: float) -> list[float]:
    """Centres along x, around 0, of boxes of these widths with gaps of gap * the neighbours' mean width."""
    steps = [(a + b) / 2 * (1 + gap) for a, b in pairwise(widths)]
    start = (widths[0] - widths[-1]) / 4 - sum(steps) / 2
    return [start + sum(steps[:i]) for i in range(len(widths))]


def two_rows(boxes: Sequence[tuple[float, float]], gap: float, first: int) -> list[tuple[float, float]]:
    """Places boxes (width, height) in two rows of nearly equal span, the first ones above; returns feet (x, y)."""
    upper, lower = (side_by_side([w for w, _ in row], gap) for row in (boxes[:first], boxes[first:]))
    middle = (upper[0] + upper[-1]) / 2
    stretch = max(1.0, 0.92 * (lower[-1] - lower[0]) / (upper[-1] - upper[0]))
    shelf = -1.14 * max(h for _, h in boxes[first:])
    return [((x - middle) * stretch, shelf) for x in upper] + [(x, 0.0) for x in lower]


def in_reading_order(copies: Sequence[Element]) -> list[Element]:
    """Sorts the copies along a line, a gentle arc or rows by their feet. Broken for any other arrangement."""
    feet = [replace(e, y=lower_edge(e)) for e in copies]
    spots = np.array([(e.x, e.y) for e in feet])
    size = float(np.mean([e.size for e in copies]))
    slack = 0.15 * size + 0.04
    _, direction, off = fit_line(spots)
    if off <= slack:
        direction = direction * np.sign(direction[0] if abs(direction[0]) > 0.35 else direction[1])
        return [copies[i] for i in np.argsort(spots @ direction)]
    order = np.argsort(spots[:, 0])
    across, down = spots[order].T
    if np.diff(across).min() >= 0.25 * size:
        bend = np.abs(np.polyval(np.polyfit(across, down, 2), across) - down).max()
        if bend <= slack:
            return [copies[i] for i in order]
    rows = rows_of(feet)
    lengths = [len(row) for row in rows]
    require(2 <= len(rows) <= 3 and max(lengths) - min(lengths) <= 1 and min(lengths) >= 2, "no reading order")
    return [replace(e, y=e.y - e.height / 2) for row in rows for e in row]
