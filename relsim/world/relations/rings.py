"""Relations that arrange many copies around a centre."""

from __future__ import annotations

import math

import numpy as np

from analogen.relsim.world.measure import (
    bearings,
    equal_sizes,
    fit_circle,
    only,
    plain_looks,
    points,
    require,
    same_looks,
    spread,
    subjects,
)
from analogen.relsim.world.relations.base import Draft, relation
from analogen.relsim.world.scene import Scene

FAMILY = "arrangement of many"


def check_ring(scene: Scene) -> None:
    only(scene)
    copies = subjects(scene, 5, 16)
    require(not scene.of("other"), "another thing is there")
    equal_sizes(copies)
    plain_looks(copies)
    same_looks(copies)
    centres = points(copies)
    middle, radius, error = fit_circle(centres)
    require(error <= 0.12, "not on one circle")
    gaps = np.diff(np.sort(bearings(centres, middle)), append=np.sort(bearings(centres, middle))[0] + 360)
    require(spread(gaps) <= 0.35, "gaps are uneven")
    require(radius >= 0.8 * copies[0].size, "no free centre")


@relation(
    "ring",
    "many {subject} arranged in a circle",
    "a ring of {subject}",
    "{subject} evenly placed around an empty centre",
    "identical {subject} forming a closed circle",
    "copies of {subject} standing in a round like numbers on a clock",
    "a number of equal {subject} spaced evenly along a circle, leaving the middle of the picture free",
    family=FAMILY,
    check=check_ring,
)
def draw_ring(draft: Draft) -> None:
    count = draft.integer(5, 14)
    radius = draft.uniform(0.6, 0.74)
    size = min(0.5, 2 * radius * math.sin(math.pi / count) * draft.uniform(0.75, 1.0))
    outward = draft.coin(0.4)  # copies turn with the ring, or all stand upright
    for index in range(count):  # from the top, clockwise
        angle = 360 * index / count
        x, y = radius * math.sin(math.radians(angle)), -radius * math.cos(math.radians(angle))
        draft.add("subject", x, y, size, turn=angle if outward else 0.0)
    draft.facts.update(count=count, orientation="outward" if outward else "upright")
