"""Finders of the arrangements without a template: each takes things and returns them in order, or raises Broken."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from analogen.relsim.world.grammar.arrangements import ARRANGEMENTS
from analogen.relsim.world.grammar.fitting import Found, fitted
from analogen.relsim.world.grammar.layouts import Points, layout
from analogen.relsim.world.measure import Broken, bearings, overlap, points, require, turn_between
from analogen.relsim.world.relations.rings import check_spiral
from analogen.relsim.world.scene import Element, Scene

ORDERLY = 0.12  # deviation up to which scattered things would show the order of another arrangement


def _single(things: list[Element]) -> Found:
    require(len(things) == 1, f"{len(things)} things, expected one")
    return Found(layout([(0, 0)]), things, np.array([0]), 0.0)


def _pair(left_mirrored: bool) -> Callable[[list[Element]], Found]:
    def find_pair(things: list[Element]) -> Found:
        require(len(things) == 2, f"{len(things)} things, expected two")
        left, right = sorted(things, key=lambda e: e.x)
        require(left.mirror == left_mirrored and right.mirror != left_mirrored, "not turned that way")
        require(abs(left.y - right.y) <= 0.25 * left.size, "not on one level")
        gap = (right.x - left.x) / ((left.size + right.size) / 2)
        require(0.85 <= gap <= 2.4, "no fitting gap between them")
        return Found(layout([(-1, 0), (1, 0)], [0, 0]), [left, right], np.array([0, 1]), 0.0)

    return find_pair


def _nest(things: list[Element]) -> Found:
    require(3 <= len(things) <= 6, f"{len(things)} things, expected three to six")
    chain = sorted(things, key=lambda e: -e.size)
    middle = points(chain).mean(axis=0)
    for outer, inner in pairwise(chain):
        require(inner.size <= 0.85 * outer.size, "not each smaller than the one around it")
    for e in chain:
        require(math.dist((e.x, e.y), middle) <= 0.1 * chain[0].size, "not around one centre")
    return Found(layout([(0, 0)] * len(chain), hub=len(chain) - 1), chain, np.arange(len(chain)), 0.0)


def _loose(things: list[Element], low: int, high: int) -> Found:
    require(low <= len(things) <= high, f"{len(things)} things, expected {low} to {high}")
    return Found(layout([(e.x, e.y) for e in things]), things, np.arange(len(things)), 0.0)


def _scatter(things: list[Element]) -> Found:
    found = _loose(things, 6, 16)
    extent = np.ptp(points(things), axis=0)
    require(float(extent.min()) >= 0.35 * float(extent.max()), "along a line, not scattered")
    size = float(np.median([e.size for e in things]))
    for i, e in enumerate(things):
        require(all(math.dist((e.x, e.y), (o.x, o.y)) >= 0.7 * size for o in things[:i]), "they lie on each other")
    require(len({e.mirror for e in things}) == 1, "some are mirrored")
    for other in ARRANGEMENTS.values():
        if other.shape is not None:
            for holes in (0, 1):
                fit = fitted(other.shape, things, holes)
                require(fit is None or fit.error > ORDERLY, f"a {other.id}, not scattered")
    turns = np.array([turn_between(0, e.turn) for e in things])
    require(int((np.abs(turns) > 45).sum()) <= 1, "turned every which way")
    sizes = np.array([e.size for e in things])
    require(int((np.abs(sizes / size - 1) > 0.3).sum()) <= 1, "of many sizes")
    return found


def _heap(things: list[Element]) -> Found:
    found = _loose(things, 8, 24)
    places, size = points(things), float(np.median([e.size for e in things]))
    turns = np.radians([e.turn for e in things])
    require(abs(complex(np.exp(1j * turns).mean())) <= 0.93, "too tidy: all turned alike")
    gaps = np.linalg.norm(places[:, None] - places[None], axis=2) + 9 * np.eye(len(things))
    require(float(gaps.min(axis=1).max()) <= size, "one lies apart")
    require(float(gaps.min(axis=1).mean()) <= 0.85 * size, "they do not overlap")
    require(float(np.mean([sum(overlap(e, o) > 0.1 for o in things if o is not e) for e in things])) >= 2.2, "no pile")
    height = float(np.ptp(places[:, 1]))
    require(height >= 0.6 * size, "only a row")
    lower = places[places[:, 1] >= places[:, 1].max() - height / 3]
    upper = places[places[:, 1] <= places[:, 1].min() + height / 3]
    require(float(np.ptp(lower[:, 0])) >= float(np.ptp(upper[:, 0])) + 0.4 * size, "the base is not the widest")
    return found


def _mirrored(things: list[Element]) -> Found:
    require(4 <= len(things) <= 14 and len(things) % 2 == 0, f"{len(things)} things, expected pairs")
    middle = float(np.mean([e.x for e in things]))
    left = [e for e in things if e.x < middle]
    right = [e for e in things if e.x >= middle]
    require(len(left) == len(right), "unequal groups")
    partners: list[Element] = []
    for e in left:
        near = [o for o in right if o not in partners]
        twin = min(near, key=lambda o: math.dist((2 * middle - e.x, e.y), (o.x, o.y)))
        require(math.dist((2 * middle - e.x, e.y), (twin.x, twin.y)) <= 0.4 * e.size, "one has no mirror image")
        require(twin.mirror != e.mirror, "a partner is not mirrored")
        require(abs(turn_between(-e.turn, twin.turn)) <= 25, "a partner is turned otherwise")
        partners.append(twin)
    require(len({e.mirror for e in left}) == 1, "some of one side are mirrored")
    ordered = [e for pair in zip(left, partners, strict=True) for e in pair]
    return Found(layout([(e.x, e.y) for e in ordered]), ordered, np.arange(len(ordered)), 0.0)


def _k_fold(things: list[Element]) -> Found:
    count = len(things)
    require(6 <= count <= 24, f"{count} things, expected 6 to 24")
    sizes = np.array([e.size for e in things])
    require(float(sizes.max() / sizes.min()) >= 1.15, "all of one size")
    spots = points(things)
    middle = spots.mean(axis=0)
    for fold in (6, 5, 4, 3):
        if count % fold == 0 and count > fold and _turns_onto_itself(things, spots - middle, fold):
            order = np.argsort(bearings(spots, middle))
            ordered = [things[i] for i in order]
            return Found(layout([(e.x, e.y) for e in ordered]), ordered, np.arange(count), 0.0)
    raise Broken("no group that repeats about a centre")


def _turns_onto_itself(things: list[Element], offsets: Points, fold: int) -> bool:
    angle = 2 * math.pi / fold
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    moved = offsets @ turn
    for e, spot in zip(things, moved, strict=True):
        gaps = np.linalg.norm(offsets - spot, axis=1)
        o = things[int(gaps.argmin())]
        if float(gaps.min()) > 0.4 * e.size or abs(o.size / e.size - 1) > 0.2:
            return False
        if abs(turn_between(e.turn + 360 / fold, o.turn)) > 25 or o.mirror != e.mirror:
            return False
    return True


FINDERS: dict[str, Callable[[list[Element]], Found]] = {
    "single": _single,
    "facing_pair": _pair(True),
    "back_to_back": _pair(False),
    "nest": _nest,
    "scatter": _scatter,
    "heap": _heap,
    "mirrored": _mirrored,
    "k_fold": _k_fold,
}


def grown_spiral(things: list[Element]) -> Found:
    """A spiral whose things grow on the way out: their sizes give the order, or else the scene does."""
    reason = ""
    for ordered in (sorted(things, key=lambda e: e.size), things, things[::-1]):
        bare_things = tuple(Element("subject", e.x, e.y, e.size) for e in ordered)
        try:
            check_spiral(Scene(bare_things))
        except Broken as broken:
            reason = reason or str(broken)
            continue
        pole = _pole(points(ordered))
        return Found(layout(points(ordered) - pole), ordered, np.arange(len(ordered)), 0.0)
    raise Broken(reason)


def _pole(spots: Points) -> Points:
    """Where a spiral of things in order winds about: each place follows from the last by one turn and stretch."""
    places = spots @ np.array([1, 1j])
    design = np.column_stack([places[:-1], np.ones(len(places) - 1)])
    (step, shift), *_ = np.linalg.lstsq(design, places[1:], rcond=None)
    pole = shift / (1 - step)
    return np.array([pole.real, pole.imag])
