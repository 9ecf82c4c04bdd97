"""Finds the arrangement of a scene that was read from a picture, with a tolerance for reading errors.

Places may be a little off, a thing may be missed or found twice, and the whole picture may be tilted. Where the
network's parts head is sure of an arrangement, more may be missing and more is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.world.grammar import layouts
from analogen.relsim.world.grammar.arrangements import ARRANGEMENTS, Shape
from analogen.relsim.world.grammar.finding import find, in_given_order
from analogen.relsim.world.grammar.fitting import Found, fitted
from analogen.relsim.world.grammar.irregular import FINDERS
from analogen.relsim.world.grammar.layouts import layout
from analogen.relsim.world.measure import Broken, overlap, points
from analogen.relsim.world.scene import Element

# Costs are in the unit of `Found.error`, a deviation in steps between neighbours; the arrangement of least cost wins.
UNRULED = 0.24  # of no arrangement: worse fits are none
FREE = 0.008  # for every doubling of the number of templates that were tried
HOLE = 0.06  # of a place that is empty
MISSED = 0.12  # of an empty place without which the arrangement is another: a thing that the reader missed
DOUBLE = 0.08  # of a thing that is left out because it was found twice
TILTED = 0.03  # of a whole that is turned
CROWDED = 1.35  # size of the things over the step between them from which on they overlap
TILTS = (-6.0, 6.0)  # degrees that are tried where nothing fits upright
UPRIGHT_FITS = 0.07  # cost up to which no tilt is tried
# Cost of the arrangements that have finders of their own, which say yes or no.
PLAIN_COSTS = {"nest": 0.0, "mirrored": 0.02, "k_fold": 0.05, "heap": 0.05, "scatter": 0.2}
UNEVEN_LINE = 0.09  # cost of a row or column whose gaps go with the sizes of its things
MOST_IN_TEMPLATES = 64
PRIOR = 0.03  # of an arrangement that is e times less likely, by the parts head, than the likeliest
TOLD = 0.75  # probability from which on the parts head's arrangement is looked for among fewer or more things
TOLD_COST = 0.5  # most that such an arrangement may cost
MOST_HOLES, LEAST_STANDING = 3, 0.7  # LEAST_STANDING: share of its places
TOLD_IN_PLAIN = 0.8  # as TOLD, of arrangements with finders of their own, which are taken as they are


@dataclass(frozen=True)
class Candidate:
    """An arrangement that the things may stand in. `found` holds them in reading order; holes: places that are empty;
    left_out: things that were found twice; missed: the empty place is one that the arrangement needs;
    tilt: degrees that the whole is turned."""

    arrangement: str
    cost: float
    found: Found
    holes: int = 0
    left_out: tuple[Element, ...] = ()
    missed: bool = False
    tilt: float = 0.0


def candidates(
    things: Sequence[Element], confidences: Sequence[float], told: Mapping[str, float] | None = None
) -> list[Candidate]:
    """The arrangements that fit the things, the best first; empty where none is better than UNRULED.

    confidences: of the things; of two that may be the same one the less sure is left out. told: how likely each
    arrangement is by the parts head.
    """
    things = list(things)
    if len(things) < 3:
        made = _of_few(things)
        if told and len(things) == 2 and told["single"] >= TOLD:
            surest, other = things if confidences[0] >= confidences[1] else things[::-1]
            made.append(Candidate("single", DOUBLE, FINDERS["single"]([surest]), left_out=(other,)))
        return _likely_first(made, told)
    made = list(_fitting(things))
    if min((c.cost for c in made), default=1.0) > UPRIGHT_FITS:
        made += [replace(c, cost=c.cost + TILTED, tilt=t) for t in TILTS for c in _fitting(_tilted(things, -t), True)]
    if min((c.cost for c in made), default=1.0) > DOUBLE:
        double = _double(things, confidences)
        if double is not None:
            rest = [e for e in things if e is not double]
            made += [replace(c, cost=c.cost + DOUBLE, left_out=(double,)) for c in _fitting(rest)]
    best: dict[str, Candidate] = {}
    for one in sorted(made, key=lambda c: c.cost):
        if one.cost < UNRULED:
            best.setdefault(one.arrangement, one)
    if told:
        likeliest = max(told, key=lambda atom: told[atom])
        if told[likeliest] >= TOLD and (likeliest not in best or best[likeliest].cost > DOUBLE):
            wider = _among(likeliest, things, confidences)
            if wider is None and likeliest in PLAIN_COSTS and told[likeliest] >= TOLD_IN_PLAIN:
                read_like = sorted(things, key=lambda e: (round(2 * e.y), e.x))
                wider = Candidate(likeliest, UNRULED, in_given_order(read_like))
            if wider is not None and (likeliest not in best or wider.cost < best[likeliest].cost):
                best[likeliest] = wider
    return _likely_first(best.values(), told)


def _likely_first(found: Iterable[Candidate], told: Mapping[str, float] | None) -> list[Candidate]:
    """The candidates, those costing more that the parts head holds less likely; the best first."""
    if told:
        most = max(told.values())
        found = [replace(c, cost=c.cost + PRIOR * math.log(most / max(told[c.arrangement], 1e-3))) for c in found]
    return sorted(found, key=lambda c: c.cost)


def _among(arrangement: str, things: list[Element], confidences: Sequence[float]) -> Candidate | None:
    """The arrangement among the things, with places that are empty and the least sure things left out; None if it is
    not there."""
    if ARRANGEMENTS[arrangement].shape is None:
        return None
    order = np.argsort(confidences)
    least_sure = [tuple(order[:n].tolist()) for n in range(len(things) // 2 + 2)]
    dropped = dict.fromkeys(least_sure)
    # One that is found where nothing is may be sure of itself.
    dropped |= dict.fromkeys((*gone, int(i)) for gone in least_sure[:-1] for i in order[len(gone) + 1 :])
    best: Candidate | None = None
    for gone in dropped:
        rest = [e for i, e in enumerate(things) if i not in gone]
        for holes in range(MOST_HOLES + 1):
            shape = _shape_for(arrangement, len(rest) + holes)
            extra = DOUBLE * sum(confidences[i] for i in gone) + HOLE * holes
            if shape is None or len(rest) < 3 or extra >= (TOLD_COST if best is None else best.cost):
                continue
            if len(rest) < LEAST_STANDING * (len(rest) + holes):
                continue
            found = fitted(shape, rest, holes, any_hole=True)
            if found is not None and (best is None or found.error + extra < best.cost):
                left_out = tuple(things[i] for i in gone)
                best = Candidate(arrangement, found.error + extra, found, holes, left_out)
    return best


def _of_few(things: list[Element]) -> list[Candidate]:
    if len(things) == 1:
        return [Candidate("single", 0.0, FINDERS["single"](things))]
    made = []
    for name in ("facing_pair", "back_to_back") if things else ():
        try:
            made.append(Candidate(name, 0.05, FINDERS[name](things)))
        except Broken:
            continue
    return made


def _fitting(things: list[Element], shapes_only: bool = False) -> Iterator[Candidate]:
    for place in ARRANGEMENTS.values():
        if place.shape is not None:
            yield from _in_shape(place.id, things)
        elif not shapes_only and place.id in PLAIN_COSTS:
            try:
                yield Candidate(place.id, PLAIN_COSTS[place.id], FINDERS[place.id](things))
            except Broken:
                continue
    with suppress(Broken):
        yield Candidate("spiral", 0.05, find("spiral", things, grown=True))
    if not shapes_only:
        yield from _uneven_lines(things)


def _in_shape(arrangement: str, things: list[Element]) -> Iterator[Candidate]:
    """With all places filled, and with one empty."""
    place = ARRANGEMENTS[arrangement]
    sizes = float(np.median([e.size for e in things]))
    mixed = len({e.mirror for e in things}) > 1
    for holes in (0, 1):
        shape = _shape_for(arrangement, len(things) + holes)
        if shape is None:
            continue
        found = fitted(shape, things, holes, any_hole=True)
        if found is None:
            continue
        extent = [float(np.ptp(p, axis=0).max()) for p in (points(found.things), found.layout.places[found.slots])]
        if sizes > CROWDED * found.layout.pitch * extent[0] / max(extent[1], 1e-9):
            continue
        tried = sum(max(number, 1) for _, _, number in (place.shape or shape).ranges) + (4 if shape.turning else 0)
        empty = set(range(len(found.layout))) - set(found.slots.tolist())
        if found.layout.hub in empty:  # the middle makes the shape
            continue
        missed = bool(empty) and empty <= found.layout.fixed
        cost = found.error + FREE * math.log2(1 + tried) + (0.02 if mixed else 0.0)
        yield Candidate(arrangement, cost + (MISSED if missed else HOLE * holes), found, holes, missed=missed)


@lru_cache(maxsize=512)
def _shape_for(arrangement: str, count: int) -> Shape | None:
    """The arrangement's own shape, or one for more things than the grammar draws."""
    shape = ARRANGEMENTS[arrangement].shape
    if shape is None or count > MOST_IN_TEMPLATES:
        return None
    if arrangement == "lattice" and count == 4:  # the grammar's lattices have six things or more
        return Shape(lambda stretch: layouts.lattice(2, 2, stretch), (), ((0.85, 1.2, 3),))
    longest = {"row": 7, "column": 6, "falling": 7, "rising": 7, "ring": 16, "arch": 9, "bowl": 9}
    if count <= longest.get(arrangement, MOST_IN_TEMPLATES):
        return shape
    if arrangement == "ring":
        return Shape(layouts.ring, ((count,), (0.0, 0.25, 0.5, 0.75)))
    return replace(shape, options=((count,),), found=())


def _tilted(things: Sequence[Element], degrees: float) -> list[Element]:
    """The things turned about the centre of the picture."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return [replace(e, x=c * e.x - s * e.y, y=s * e.x + c * e.y, turn=(e.turn + degrees) % 360) for e in things]


def _double(things: Sequence[Element], confidences: Sequence[float]) -> Element | None:
    """The less sure of the two things that lie on each other most, None if none do."""
    best, worst = 0.3, None
    for i, e in enumerate(things):
        for j, o in enumerate(things[:i]):
            shared = overlap(e, o)
            if shared > best:
                best, worst = shared, (i if confidences[i] <= confidences[j] else j)
    return None if worst is None else things[worst]


def _uneven_lines(things: list[Element]) -> Iterator[Candidate]:
    """Rows and columns whose things are of several sizes, with gaps to match, level at their middles or their feet."""
    sizes = np.array([e.size for e in things])
    if sizes.max() < 1.25 * sizes.min():
        return
    for name, along, across in (("row", 0, 1), ("column", 1, 0)):
        places = points(things)
        order = np.argsort(places[:, along])
        ordered = [things[i] for i in order]
        spots, own = places[order], sizes[order]
        levels = [spots[:, across], spots[:, across] + own / 2, spots[:, across] - own / 2]
        off = min(float(np.abs(level - level.mean()).max()) for level in levels) / float(own.mean())
        gaps = np.diff(spots[:, along]) / ((own[1:] + own[:-1]) / 2)
        if off > 0.3 or gaps.min() < 0.6:
            continue
        spread = float(gaps.std() / gaps.mean())
        if spread > 0.3:
            continue
        spaced = layout([(i, 0) if along == 0 else (0, i) for i in range(len(things))], fixed=(0, -1))
        slots: NDArray[np.int64] = np.arange(len(things))
        yield Candidate(name, UNEVEN_LINE + 0.2 * spread, Found(spaced, ordered, slots, 0.3 * spread))
