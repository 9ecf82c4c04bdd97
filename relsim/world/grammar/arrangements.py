"""Arrangements: where the things of a composition stand. Pure data and the drawing of their layouts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from analogen.relsim.world.grammar import layouts, plans
from analogen.relsim.world.grammar.layouts import Layout
from analogen.relsim.world.grammar.plans import Plan
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
        Arrangement("single", plan=plans.single, flat=True),
        Arrangement("facing_pair", plan=plans.pair(True), flat=True),
        Arrangement("back_to_back", plan=plans.pair(False), flat=True),
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
        Arrangement("nest", plan=plans.nest),
        Arrangement("scatter", plan=plans.scatter),
        Arrangement("heap", plan=plans.heap, flat=True),
        Arrangement("mirrored", plan=plans.mirrored),
        Arrangement("k_fold", plan=plans.k_fold),
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
