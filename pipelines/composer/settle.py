"""Cleans a sampled scene: makes nearly equal values equal and nearly aligned elements aligned.

Uses no relations. It removes near misses that people see as mistakes: nearly equal sizes, near symmetry, nearly even
steps of rotation, a thing just beside the line that it belongs on, and views that almost share their centre. Places
move by a few hundredths (a small thing onto a line by less than its size) and turns by less than a step, so no logic
can arise here that was not there before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.world.scene import Element

# Largest spread of a group that is drawn together: sizes and aspects as a ratio, turns in degrees, places in
# units of the mean size.
RATIO, DEGREES, PLACE = 1.10, 7.0, 0.12
SLIP = 0.7  # of a step, by which one of several even turns may be missed


def settle(elements: Sequence[Element]) -> list[Element]:
    """The same elements, each group of near-equal values among elements of one kind replaced by its mean."""
    result = list(elements)
    for kind in {e.kind for e in result}:
        rows = [i for i, e in enumerate(result) if e.kind == kind]
        if len(rows) > 1:
            group = _settle_kind([result[i] for i in rows])
            for clean in (_even_turning, _twins, _one_aim):
                group = clean(group)
            for row, element in zip(rows, group, strict=True):
                result[row] = element
    return _onto_lines(result)


def _even_turning(group: list[Element]) -> list[Element]:
    """Elements that turn on from one to the next by nearly even steps do so by even ones."""
    if len(group) < 4:
        return group
    steps = np.array([_turn(a.turn, b.turn) for a, b in pairwise(group)])
    turns = np.concatenate([[0.0], np.cumsum(steps)])
    slope = turns[-1] / (len(turns) - 1)  # the first and the last stay as they are
    even = slope * np.arange(len(turns))
    if not 20 <= abs(slope) <= 75 or np.abs(even - turns).max() > SLIP * abs(slope):
        return group
    even += group[0].turn
    even -= even[np.abs(even).argmin()] if np.abs(even).min() < DEGREES else 0.0  # what is nearly upright is upright
    return [dataclasses.replace(e, turn=float((t + 180) % 360 - 180)) for e, t in zip(group, even, strict=True)]


def _twins(group: list[Element]) -> list[Element]:
    """Elements that stand in mirrored pairs, flipped ones beside unflipped ones, turn as mirror images too.

    Every mirror through their middle that all places agree with counts: one for a pair, many for a rosette.
    """
    middle = np.mean([(e.x, e.y) for e in group], axis=0)
    around = [i for i, e in enumerate(group) if np.hypot(e.x - middle[0], e.y - middle[1]) > 0.3 * e.size]
    mirrors = [_pairs(group, around, middle, float(axis)) for axis in range(0, 180, 15)]
    pairs = [mirror for mirror in mirrors if mirror is not None]
    turns = np.radians([e.turn for e in group])
    for _ in range(12 if pairs else 0):  # each mirror in turn, until all agree
        for axis, twin in pairs:
            own = np.exp(1j * turns[around])
            image = np.exp(1j * (2 * np.radians(axis) - turns[twin]))
            turns[around] = np.angle(own + image)
    turned = list(group)
    for i in around:
        if pairs:
            turned[i] = dataclasses.replace(group[i], turn=float(np.degrees(turns[i])))
    return turned


def _pairs(
    group: list[Element], around: list[int], middle: NDArray[np.float64], axis: float
) -> tuple[float, list[int]] | None:
    """The axis (clock angle) and each element's twin in its mirror, or None if one has none."""
    if len(around) < 4:
        return None
    angle = np.radians(axis)
    across = np.array([np.cos(angle), np.sin(angle)])
    twins = []
    for i in around:
        e = group[i]
        offset = np.array([e.x, e.y]) - middle
        x, y = middle + offset - 2 * (offset @ across) * across
        for k in around:
            o = group[k]
            near = np.hypot(o.x - x, o.y - y) <= 0.3 * e.size
            if near and o.mirror != e.mirror and abs(o.size / e.size - 1) <= 0.2:
                image = 2 * axis - o.turn
                if abs(_turn(e.turn, image)) <= 90:
                    twins.append(k)
                    break
        else:
            return None
    return axis, twins


def _one_aim(group: list[Element]) -> list[Element]:
    """Windows onto one thing, each closer than the last, that aim at nearly the same point aim at the same."""
    amounts = np.sort([e.clip.amount for e in group])
    if any(e.clip.kind != "window" for e in group) or (amounts[1:] < 1.25 * amounts[:-1]).any():
        return group
    aims = np.array([(e.clip.u, e.clip.v) for e in group])
    if np.ptp(aims, axis=0).max() > 0.5:
        return group
    # The closest view shows best where it aims.
    u, v = np.average(aims, axis=0, weights=[1 / e.clip.amount for e in group])
    return [dataclasses.replace(e, clip=dataclasses.replace(e.clip, u=float(u), v=float(v))) for e in group]


def _onto_lines(elements: list[Element]) -> list[Element]:
    """Things that lie just beside an oval line much larger than they are lie on it."""
    angles = np.radians(np.arange(0, 360, 2))
    result = list(elements)
    for line in (e for e in elements if e.kind == "ring"):
        turn, stroke = np.radians(line.turn), 0.07 * line.size
        u, v = (line.width - stroke) / 2 * np.cos(angles), (line.height - stroke) / 2 * np.sin(angles)
        path = np.column_stack(
            [line.x + u * np.cos(turn) - v * np.sin(turn), line.y + u * np.sin(turn) + v * np.cos(turn)]
        )
        for i, e in enumerate(elements):
            gaps = np.hypot(*(path - (e.x, e.y)).T)
            if e.is_thing and e.size <= 0.35 * line.size and gaps.min() <= 0.8 * e.size:
                x, y = path[gaps.argmin()]
                result[i] = dataclasses.replace(e, x=float(x), y=float(y))
    return result


def _turn(first: float, second: float) -> float:
    """Smallest turn from one angle to the other, degrees in (-180, 180]."""
    return -((first - second + 180) % 360 - 180)


def _settle_kind(group: list[Element]) -> list[Element]:
    size = np.exp(_merge(np.log([e.size for e in group]), np.log(RATIO)))
    aspect = np.exp(_merge(np.log([e.aspect for e in group]), np.log(RATIO)))
    turn = _merge(np.array([e.turn for e in group]), DEGREES)
    reach = PLACE * float(size.mean())
    x = _merge(np.array([e.x for e in group]), reach)
    y = _merge(np.array([e.y for e in group]), reach)
    looks = {
        name: _merge(np.array([getattr(e, name) for e in group]), 0.08)
        for name in ("opacity", "saturation", "brightness", "silhouette", "sketch", "pixel")
    }
    hue = _merge(np.array([e.hue for e in group]), 12.0)
    merged = []
    for i, e in enumerate(group):
        look: dict[str, Any] = {name: float(values[i]) for name, values in looks.items()}
        place = Place(float(x[i]), float(y[i]), float(size[i]), float(aspect[i]), float(turn[i]))
        merged.append(dataclasses.replace(e, hue=float(hue[i]), **place._asdict(), **look))
    return merged


class Place(NamedTuple):
    """Where and how large; the names are Element's."""

    x: float
    y: float
    size: float
    aspect: float
    turn: float


def _merge(values: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Values whose whole group spans at most `reach` become the group's mean; wider groups are left alone."""
    order = np.argsort(values, kind="stable")
    merged = values.astype(np.float64).copy()
    start = 0
    for stop in range(1, len(order) + 1):
        # A gap wider than half the reach ends a group; a chain of small steps (a staircase) is no group.
        if stop == len(order) or values[order[stop]] - values[order[stop - 1]] > reach / 2:
            group = order[start:stop]
            if values[group[-1]] - values[group[0]] <= reach:
                merged[group] = values[group].mean()
            start = stop
    return merged
