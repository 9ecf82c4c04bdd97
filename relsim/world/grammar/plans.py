"""Plans: layouts with things assigned to their places, and the arrangements that have random layouts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from analogen.relsim.world.grammar.layouts import Layout, around, layout
from analogen.relsim.world.relations.base import Draft
from analogen.relsim.world.scene import Element


@dataclass(frozen=True)
class Plan:
    """A layout and how each of its slots is filled, in the layout's units: subjects, whole and upright by default.

    taken: slots with a casting of their own, where one that merely differs from the rest must not stand.
    """

    layout: Layout
    things: list[Element]
    facts: dict[str, Any] = field(default_factory=dict)
    taken: frozenset[int] = frozenset()


def single(draft: Draft, _: int) -> Plan:
    return Plan(layout([(0, 0)], fixed=(0,)), [Element("subject", 0.0, 0.0, 1.0)])


def pair(left_mirrored: bool) -> Callable[[Draft, int], Plan]:
    def plan(draft: Draft, _: int) -> Plan:
        half = draft.uniform(0.53, 0.72)
        things = [Element("subject", s * half, 0.0, 1.0, mirror=(s < 0) == left_mirrored) for s in (-1, 1)]
        return Plan(layout([(-half, 0), (half, 0)], steps=[0, 0], fixed=(0, 1)), things)

    return plan


def nest(draft: Draft, _: int) -> Plan:
    """From the outermost inwards; silhouettes in two colours, the innermost as it is."""
    count, factor = draft.integer(3, 5), draft.uniform(0.58, 0.68)
    colours = draft.choice((("soft", "primary"), ("primary", "soft"), ("secondary", "soft"), ("accent", "paper")))
    things = [
        Element("subject", 0.0, 0.0, factor**i, silhouette=1.0, palette=colours[i % 2])
        if i < count - 1
        else Element("subject", 0.0, 0.0, factor**i)
        for i in range(count)
    ]
    made = layout([(0, 0)] * count, hub=count - 1, fixed=range(count))
    return Plan(made, things)


def _spread_out(draft: Draft, count: int, apart: float) -> list[tuple[float, float]]:
    """`count` places at random in [-1, 1], about as far from each other as they can be times `apart`."""
    least = apart * 2 / math.sqrt(count)
    while True:
        spots: list[tuple[float, float]] = []
        for _ in range(60 * count):
            spot = (draft.uniform(-1, 1), draft.uniform(-1, 1))
            if all(math.dist(spot, s) >= least for s in spots):
                spots.append(spot)
                if len(spots) == count:
                    return spots
        least *= 0.93


def scatter(draft: Draft, high: int) -> Plan:
    spots = _spread_out(draft, draft.integer(6, max(7, min(14, high))), 0.78)
    made = layout(sorted(spots, key=lambda p: (round(p[1] * 2), p[0])))
    leaning = draft.coin()
    turns = [draft.uniform(-30, 30) if leaning else 0.0 for _ in spots]
    size = made.pitch * draft.uniform(0.72, 0.85)
    things = [
        Element("subject", float(x), float(y), size, turn=t) for (x, y), t in zip(made.places, turns, strict=True)
    ]
    return Plan(made, things, {"leaning": leaning})


def heap(draft: Draft, high: int) -> Plan:
    """A mound from the peak down: those in front lie lowest."""
    rows = draft.choice([r for r in ((2, 3, 4), (2, 4, 5), (1, 3, 5), (1, 3, 4, 5), (2, 3, 5, 6)) if sum(r) <= high])
    across, down = draft.uniform(0.6, 0.7), draft.uniform(0.5, 0.58)
    things = []
    for level, number in enumerate(rows):
        for i in range(number):
            x = (i - (number - 1) / 2) * across + draft.uniform(-0.08, 0.08)
            y = level * down + draft.uniform(-0.06, 0.06)
            light, mirror = draft.uniform(0.84, 1.05), draft.coin()
            things.append(Element("subject", x, y, 1.0, turn=draft.uniform(0, 360), mirror=mirror, brightness=light))
    return Plan(layout([(e.x, e.y) for e in things]), things)


def mirrored(draft: Draft, _: int) -> Plan:
    """A loose group on the left and its image on the right; partners share a step, from the middle outwards."""
    count = draft.integer(3, 5)
    spots = sorted(_spread_out(draft, count, 0.8), key=lambda p: -p[0])
    if max(y for _, y in spots) - min(y for _, y in spots) < 0.9:  # no two rows by chance
        spots = [(x, y * 2) for x, y in spots]
    wide, gap = draft.uniform(0.8, 1.0), 0.0
    least = min(math.dist(a, b) for i, a in enumerate(spots) for b in spots[:i])
    size = least * wide * draft.uniform(0.75, 0.9)
    gap = 0.5 * size * draft.uniform(1.15, 1.5) - (1 - max(x for x, _ in spots)) * wide
    things = []
    for x, y in spots:
        turn = draft.uniform(-35, 35)
        for side in (-1, 1):
            at = side * ((1 - x) * wide + gap)
            things.append(Element("subject", at, y * wide, size, turn=(side * turn) % 360, mirror=side < 0))
    steps = [i // 2 for i in range(2 * count)]
    return Plan(layout([(e.x, e.y) for e in things], steps, fixed=range(2 * count)), things, {"pairs": count})


def k_fold(draft: Draft, high: int) -> Plan:
    """One loose group turned about the middle again and again; the members of a group follow each other."""
    fold = draft.choice((3, 3, 4, 5, 6))
    count = 2 if fold > 4 or high < 12 else draft.integer(2, 3)
    wedge = 360 / fold
    radii = (1.0, draft.uniform(0.48, 0.6), draft.uniform(0.75, 0.85))[:count]
    angles = (draft.uniform(-0.05, 0.05), draft.uniform(0.2, 0.3), draft.uniform(-0.45, -0.38))
    leans = [draft.uniform(0, 360) for _ in radii]
    shares = (1.0, draft.uniform(0.62, 0.8), draft.uniform(0.5, 0.6))
    start = draft.choice((0.0, 0.5))
    spots = [(r, (k + start + a) * wedge) for k in range(fold) for r, a in zip(radii, angles, strict=False)]
    places = [around(r, a) for r, a in spots]
    made = layout(places, [k for k in range(fold) for _ in radii], fixed=range(len(places)))
    size = min(
        2 * math.dist(a, b) / (shares[i % count] + shares[j % count])
        for i, a in enumerate(places)
        for j, b in enumerate(places[:i])
    )
    size *= draft.uniform(0.82, 0.95)
    things = [
        Element("subject", x, y, size * shares[i % count], turn=(leans[i % count] + (i // count) * wedge) % 360)
        for i, (x, y) in enumerate(places)
    ]
    return Plan(made, things, {"fold": fold, "members": count})
