"""How far the things of one scene stray from the places and sizes of another's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.world.changes.change import middle_and_extent
from analogen.relsim.world.changes.finding import nearest_first
from analogen.relsim.world.scene import Element

SIZE_WEIGHT = 0.15  # of the difference of log sizes, beside a distance


def arrangement_distance(found: Sequence[Element], wanted: Sequence[Element]) -> float:
    """The mean distance of matched things, 0 for the same arrangement; at least one thing on each side.

    Both are first brought to one middle and extent; the unit is half the longer side of all boxes together. A
    difference in size counts too, relative to the others'; a thing too many or too few counts 1.
    """
    places, sizes = zip(*(_normalised(things) for things in (found, wanted)), strict=True)
    cost = np.linalg.norm(places[0][:, None] - places[1][None], axis=-1)
    cost += SIZE_WEIGHT * np.abs(sizes[0][:, None] - sizes[1][None])
    matched = sum(float(cost[pair]) for pair in nearest_first(cost))
    return (matched + abs(len(found) - len(wanted))) / max(len(found), len(wanted))


def _normalised(things: Sequence[Element]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    middle, extent = middle_and_extent(things)
    places = (np.array([(e.x, e.y) for e in things]) - middle) / extent
    sizes = np.log([e.size for e in things])
    return places, sizes - sizes.mean()
