"""Settling a sampled scene: what is nearly equal becomes equal, what is nearly aligned becomes aligned.

Knows nothing of relations: only that people read near-equality as a slip of the hand. Everything moves by less
than a few hundredths, so no logic can be made here, only cleaned.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.world.scene import Element

# Largest spread of a group that is drawn together: sizes and aspects as a ratio, turns in degrees, places in
# units of the mean size.
RATIO, DEGREES, PLACE = 1.10, 7.0, 0.12


def settle(elements: Sequence[Element]) -> list[Element]:
    """The same elements, each group of near-equal values among elements of one kind replaced by its mean."""
    result = list(elements)
    for kind in {e.kind for e in result}:
        rows = [i for i, e in enumerate(result) if e.kind == kind]
        if len(rows) > 1:
            for row, element in zip(rows, _settle_kind([result[i] for i in rows]), strict=True):
                result[row] = element
    return result


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
