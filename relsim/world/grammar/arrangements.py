"""Arrangements: where the things of a composition stand. Pure data and the drawing of their layouts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from analogen.relsim.world.grammar import layouts
from analogen.relsim.world.grammar.layouts import Layout, around, layout
from analogen.relsim.world.relations.base import Draft
from analogen.relsim.world.scene import Element

MAX_THINGS = 24
FACINGS = ("upright", "outward", "inward")


@dataclass(frozen=True)
class Shape:
    """One family of layouts: `make` of every combination of the options.

    options   Values that differ in kind, such as counts.
    ranges    (low, high, number of templates that the finder tries between them) of what varies freely.
    found     Options that the finder tries in their stead: what others may well choose and is still the same.
    turning   The finder may turn its templates.
    """

    make: Callable[..., Layout]
    options: tuple[tuple[Any, ...], ...]
    ranges: tuple[tuple[float, float, int], ...] = ()
    found: tuple[tuple[Any, ...], ...] = ()
    turning: bool = False

    def draw(self, draft: Draft, low: int, high: int, even: bool = False) -> Layout:
        """A layout of low to high slots, of the nearest possible number if there is none. even: not of an odd one."""
        counts = {chosen: n for chosen, n in _counts_of(self).items() if not (even and n % 2)}
        nearest = min((n for n in counts.values() if n >= low), default=max(counts.values()))
        fitting = [o for o, n in counts.items() if low <= n <= high] or [o for o, n in counts.items() if n == nearest]
        chosen = draft.choice(fitting)
        return self.make(*chosen, *(draft.uniform(a, b) for a, b, _ in self.ranges))

    def templates(self) -> list[Layout]:
        grid = [np.linspace(a, b, n) if n > 1 else np.array([(a + b) / 2]) for a, b, n in self.ranges]
        free = list(itertools.product(*(map(float, values) for values in grid)))
        return [
            self.make(*chosen, *values)
            for chosen in itertools.product(*(self.found or self.options))
            for values in free
        ]


@cache
def _counts_of(shape: Shape) -> dict[tuple[Any, ...], int]:
    middle = [(a + b) / 2 for a, b, _ in shape.ranges]
    return {chosen: len(shape.make(*chosen, *middle)) for chosen in itertools.product(*shape.options)}


@dataclass(frozen=True)
class Plan:
    """A layout and how each of its slots is filled, in the layout's units: subjects, whole and upright by default.

    taken: slots with a casting of their own, where one that merely differs from the rest must not stand.
    """

    layout: Layout
    things: list[Element]
    facts: dict[str, Any] = field(default_factory=dict)
    taken: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Arrangement:
    """Where things stand.

    shape      Layouts that it is drawn from and found by; None: `plan` draws it, and finding.py knows it.
    grown      The shape in its stead where things grow along it, with room for the growth.
    directed   Its reading order runs from left to right or clockwise, so a mirror reverses a progression.
    mirror_ok  The mirrored picture shows the same arrangement.
    stages     Things that a progression along its reading order needs, 0 if it has no such order.
    facings    Things may be turned towards or away from its middle, the origin of its layouts.
    flat       Has a level lower edge, so it may stand on something.
    closed     The last neighbours the first: things take turns only if their number is even.
    """

    id: str
    shape: Shape | None = None
    grown: Shape | None = None
    plan: Callable[[Draft, int], Plan] | None = None
    directed: bool = False
    mirror_ok: bool = True
    stages: int = 0
    facings: bool = False
    flat: bool = False
    closed: bool = False
    share: tuple[float, float] = (0.8, 0.95)

    def draw(self, draft: Draft, low: int, high: int, *, facing: bool, growing: bool, in_turn: bool) -> Plan:
        """Low to high things where that is possible.

        facing: they may be turned towards the middle or away. growing: sizes follow the room that there is, where the
        arrangement has a shape for it. in_turn: two kinds are going to alternate.
        """
        if self.plan is not None:
            return self.plan(draft, high)
        shape = self.grown if growing and self.grown else self.shape
        assert shape is not None
        made = shape.draw(draft, low, high, even=in_turn and self.closed)
        share = draft.uniform(*self.share)
        reach = np.linalg.norm(made.places, axis=1)  # what grows along a shape grows with its distance from the middle
        grown = reach * float((made.room / np.maximum(reach, 1e-9)).min()) * share
        sizes = grown if shape is self.grown else np.full(len(made), made.pitch * share)
        turned = draft.choice(("upright", "upright", "upright", "outward", "inward")) if facing and self.facings else ""
        things = []
        for (x, y), size in zip(made.places, sizes, strict=True):
            bearing = math.degrees(math.atan2(x, -y))
            turn = {"outward": bearing, "inward": bearing + 180}.get(turned, 0.0) % 360
            things.append(Element("subject", float(x), float(y), float(size), turn=turn))
        return Plan(made, things, {"orientation": turned} if turned else {})


def _single(draft: Draft, _: int) -> Plan:
    return Plan(layout([(0, 0)], fixed=(0,)), [Element("subject", 0.0, 0.0, 1.0)])


def _pair(left_mirrored: bool) -> Callable[[Draft, int], Plan]:
    def plan(draft: Draft, _: int) -> Plan:
        half = draft.uniform(0.53, 0.72)
        things = [Element("subject", s * half, 0.0, 1.0, mirror=(s < 0) == left_mirrored) for s in (-1, 1)]
        return Plan(layout([(-half, 0), (half, 0)], steps=[0, 0], fixed=(0, 1)), things)

    return plan


def _nest(draft: Draft, _: int) -> Plan:
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


def _scatter(draft: Draft, high: int) -> Plan:
    spots = _spread_out(draft, draft.integer(6, max(7, min(14, high))), 0.78)
    made = layout(sorted(spots, key=lambda p: (round(p[1] * 2), p[0])))
    leaning = draft.coin()
    turns = [draft.uniform(-30, 30) if leaning else 0.0 for _ in spots]
    size = made.pitch * draft.uniform(0.72, 0.85)
    things = [
        Element("subject", float(x), float(y), size, turn=t) for (x, y), t in zip(made.places, turns, strict=True)
    ]
    return Plan(made, things, {"leaning": leaning})


def _heap(draft: Draft, high: int) -> Plan:
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


def _mirrored(draft: Draft, _: int) -> Plan:
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


def _k_fold(draft: Draft, high: int) -> Plan:
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


def _lattices(longest: int = 6, most: int = MAX_THINGS) -> tuple[tuple[int, int], ...]:
    """Rows and columns of the lattices with 6 things or more that are at most twice as long as wide."""
    shapes = itertools.product(range(2, longest + 1), repeat=2)
    return tuple((r, c) for r, c in shapes if 6 <= r * c <= most and max(r, c) <= 2 * min(r, c))


def _on(make: Callable[..., Layout]) -> Callable[..., Layout]:
    """The maker with its first two arguments given as one pair."""
    return lambda pair, *rest: make(*pair, *rest)


def _span(low: int, high: int, step: int = 1) -> tuple[int, ...]:
    return tuple(range(low, high + 1, step))


def _tiers(lengths: Sequence[int], rise: float) -> Layout:
    return layouts.rows_of_lengths(lengths, rise)


def _starts(number: int) -> tuple[float, ...]:
    return tuple(360.0 * k / number for k in range(number))


_PYRAMIDS = ((1, 2, 3), (1, 2, 3, 4), (1, 2, 3, 4, 5))
_FUNNELS = tuple(p[::-1] for p in _PYRAMIDS)

_QUARTERS = (0.0, 0.25, 0.5, 0.75)

ARRANGEMENTS: dict[str, Arrangement] = {
    a.id: a
    for a in (
        Arrangement("single", plan=_single, flat=True),
        Arrangement("facing_pair", plan=_pair(True), flat=True),
        Arrangement("back_to_back", plan=_pair(False), flat=True),
        Arrangement("row", Shape(layouts.row, (_span(3, 7),)), directed=True, stages=4, flat=True),
        Arrangement("column", Shape(layouts.column, (_span(3, 6),)), stages=4),
        Arrangement(
            "falling", Shape(layouts.slope, (_span(3, 7),), ((27, 48, 3),)), directed=True, mirror_ok=False, stages=4
        ),
        Arrangement(
            "rising", Shape(layouts.slope, (_span(3, 7),), ((-48, -27, 3),)), directed=True, mirror_ok=False, stages=4
        ),
        Arrangement(
            "arch",
            Shape(lambda n, half: layouts.bow(n, half, 1), (_span(5, 9),), ((60, 88, 4),)),
            directed=True,
            stages=4,
            facings=True,
        ),
        Arrangement(
            "bowl",
            Shape(lambda n, half: layouts.bow(n, half, -1), (_span(5, 9),), ((60, 88, 4),)),
            directed=True,
            stages=4,
        ),
        Arrangement(
            "ring",
            Shape(layouts.ring, (_span(5, 14), (0.0, 0.5)), found=(_span(5, 16), _QUARTERS)),
            directed=True,
            stages=4,
            facings=True,
            closed=True,
        ),
        Arrangement(
            "double_ring",
            Shape(layouts.double_ring, ((8, 10, 12),), ((0.48, 0.52, 1), (0.0, 0.5, 5))),
            directed=True,
            stages=4,
            facings=True,
            closed=True,
        ),
        Arrangement(
            "spiral",
            Shape(
                layouts.spiral,
                (_span(12, 20), (1.5, 1.8), _starts(12), (1, -1)),
                found=(_span(10, 22), (1.5, 1.8), _starts(12), (1, -1)),
                turning=True,
            ),
            grown=Shape(layouts.shell, (_span(10, 14), (1.6, 2.0), (4.4, 6.0), _starts(12), (1, -1))),
            facings=True,
            stages=4,
            share=(0.8, 0.9),
        ),
        Arrangement(
            "lattice",
            Shape(_on(layouts.lattice), (_lattices(),), ((0.85, 1.2, 3),), found=(_lattices(7, 42),)),
            directed=True,
            stages=4,
            share=(0.74, 0.92),
        ),
        Arrangement(
            "bricks",
            Shape(_on(layouts.bricks), (((3, 3), (3, 4), (4, 4), (3, 5), (4, 5), (5, 4), (5, 5)),), ((0.82, 1.0, 3),)),
            directed=True,
            stages=4,
            share=(0.78, 0.92),
        ),
        Arrangement("pyramid", Shape(_tiers, (_PYRAMIDS,), ((0.82, 1.0, 3),)), stages=4, flat=True),
        Arrangement("funnel", Shape(_tiers, (_FUNNELS,), ((0.82, 1.0, 3),)), stages=4),
        Arrangement(
            "wedge",
            Shape(
                lambda n, heading, half: layouts.wedge(n, half, heading),
                (_span(2, 4), (0, 1, 3)),
                ((30, 44, 4),),
                found=(_span(2, 6), (0, 1, 3)),
            ),
            stages=4,
        ),
        Arrangement("plus", Shape(lambda arms: layouts.cross(arms, 0), ((1, 2, 3),)), stages=9),
        Arrangement("saltire", Shape(lambda arms: layouts.cross(arms, 45), ((1, 2, 3),)), stages=9),
        Arrangement(
            "wave",
            Shape(lambda n, start, cycles, height: layouts.wave(n, cycles, height, start), (_span(8, 11), (1, -1)),
                  ((1.2, 1.6, 7), (0.16, 0.24, 4))),
            directed=True,
            stages=4,
        ),
        Arrangement(
            "zigzag",
            Shape(lambda n, start, height: layouts.zigzag(n, height, start), (_span(5, 9), (0, 1)), ((0.8, 1.2, 3),)),
            directed=True,
            stages=4,
        ),
        Arrangement("square", Shape(layouts.square, ((4, 5),)), directed=True, stages=4, closed=True),
        Arrangement("triangle", Shape(layouts.triangle, ((3, 4, 5),)), directed=True, stages=4, closed=True),
        Arrangement("rosette", Shape(layouts.rosette, (_span(5, 8), (0.0, 0.5)), found=(_span(5, 8), _QUARTERS))),
        Arrangement("nest", plan=_nest),
        Arrangement("scatter", plan=_scatter),
        Arrangement("heap", plan=_heap, flat=True),
        Arrangement("mirrored", plan=_mirrored),
        Arrangement("k_fold", plan=_k_fold),
        Arrangement(
            "two_groups",
            Shape(lambda n, gap: layouts.clusters((n, n), gap), ((3, 4, 5),), ((0.9, 1.4, 2),)),
        ),
        Arrangement(
            "counted",
            Shape(lambda n, gap: layouts.clusters(range(1, n + 1), gap), ((3, 4),), ((0.6, 1.0, 2),)),
            mirror_ok=False,
        ),
    )
}  # fmt: skip
