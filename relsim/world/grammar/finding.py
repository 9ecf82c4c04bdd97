"""Finding an arrangement in a scene: which thing stands in which slot, whoever placed it and in whatever order.

Regular arrangements are found by laying all their templates of the right count over the things at once and keeping
the one that fits best; the others each have a finder of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.world.grammar.arrangements import ARRANGEMENTS, Shape
from analogen.relsim.world.grammar.layouts import Layout, Points, layout
from analogen.relsim.world.measure import Broken, bearings, overlap, points, require, turn_between
from analogen.relsim.world.relations.rings import check_spiral
from analogen.relsim.world.scene import Element, Scene

FARTHEST, TYPICAL = 0.45, 0.22  # deviations from the slots that are accepted, in steps between neighbours
ORDERLY = 0.12  # deviation up to which scattered things would show the order of another arrangement
NEARLY = 0.08  # deviation up to which nothing else is tried
CLEARLY = 0.6  # another arrangement fits clearly better if its deviation is below this share
_STRETCH = 0.85  # a template may be squeezed to this share along one axis


@dataclass(frozen=True)
class Found:
    """An arrangement in a scene: its things in reading order, their slots, and how well they fit (0 = exactly)."""

    layout: Layout
    things: list[Element]
    slots: NDArray[np.int64]
    error: float

    @property
    def progress(self) -> Points:
        return self.layout.progress[self.slots]

    @property
    def parity(self) -> NDArray[np.int64]:
        return self.layout.parity[self.slots]


@dataclass(frozen=True)
class _Templates:
    """All layouts of one shape with the same number of slots, as arrays over the templates."""

    layouts: list[Layout]
    places: Points  # (templates, slots, 2), centred, the longer side 2
    room: Points  # (templates, slots)


@cache
def _templates(shape: Shape) -> dict[int, _Templates]:
    by_count: dict[int, list[Layout]] = {}
    for made in shape.templates():
        by_count.setdefault(len(made), []).append(made)
    return {count: _stacked(found, shape.turning) for count, found in by_count.items()}


def _stacked(found: list[Layout], turning: bool) -> _Templates:
    places, rooms = [], []
    for one in found:
        middle, unit = _middle_and_unit(one.places, turning)
        places.append((one.places - middle) / unit)
        rooms.append(np.maximum(one.room, 0.5 * np.median(one.room)) / unit)
    return _Templates(found, np.array(places), np.array(rooms))


def _middle_and_unit(spots: Points, turning: bool) -> tuple[Points, float]:
    """Centre and size of the box around points; of the points themselves if turning must not matter."""
    if turning:
        middle = spots.mean(axis=0)
        return middle, float(np.sqrt(((spots - middle) ** 2).sum(axis=1).mean()))
    low, high = spots.min(axis=0), spots.max(axis=0)
    return (low + high) / 2, float((high - low).max()) / 2


def find(arrangement: str, things: Sequence[Element], holes: int = 0, grown: bool = False) -> Found:
    """The things in the slots of the arrangement, `holes` of which stay empty. Broken if they stand otherwise.

    grown: they grow along it (a spiral leaves room for that).
    """
    place = ARRANGEMENTS[arrangement]
    if place.shape is None:
        return FINDERS[arrangement](list(things))
    require(len({e.mirror for e in things}) == 1, "some are mirrored")
    if grown and place.grown:
        return _grown_spiral(list(things))
    shape = place.shape
    best = _fitted(shape, things, holes)
    require(best is not None, f"no {arrangement.replace('_', ' ')}")
    assert best is not None
    if best.error > NEARLY:
        for other in ARRANGEMENTS.values():
            own = other.id == arrangement
            # The same arrangement with or without a gap, or another one.
            rival = _fitted(shape if own else other.shape, things, 1 - holes if own else 0) if other.shape else None
            require(rival is None or rival.error > CLEARLY * best.error, f"rather {other.id}, or a gap in it")
    pitch = best.layout.pitch * _scale(best)
    require(float(np.median([e.size for e in things])) <= 1.35 * pitch, "they overlap")
    return best


def _scale(found: Found) -> float:
    """Length in the scene of one unit of the layout."""
    spans = [float(np.ptp(p, axis=0).max()) for p in (points(found.things), found.layout.places[found.slots])]
    return spans[0] / max(spans[1], 1e-9)


def _fitted(shape: Shape, things: Sequence[Element], holes: int) -> Found | None:
    """The best fit of the shape's templates, or None if none is good enough."""
    templates = _templates(shape).get(len(things) + holes)
    if templates is None:
        return None
    spots = points(list(things))
    middle, unit = _middle_and_unit(spots, shape.turning)
    if unit < 1e-6:
        return None
    spots = (spots - middle) / unit
    placed, room = templates.places, templates.room
    nearest = np.empty((len(placed), len(spots)), dtype=np.int64)
    for _ in range(5 if shape.turning else 3):
        gaps = ((spots[None, :, None] - placed[:, None]) ** 2).sum(axis=3)  # (templates, things, slots)
        nearest = gaps.argmin(axis=2)
        matched = np.take_along_axis(templates.places, nearest[..., None], axis=1)  # (templates, things, 2)
        scale, matrix, shift = (_similarity if shape.turning else _affine)(matched, spots)
        placed = templates.places @ matrix + shift[:, None]
        room = templates.room * scale[:, None]
    errors = np.linalg.norm(np.take_along_axis(placed, nearest[..., None], axis=1) - spots, axis=2)
    errors = errors / np.take_along_axis(room, nearest, axis=1)
    typical = np.sqrt((errors**2).mean(axis=1))
    ordered = np.sort(nearest, axis=1)
    good = (np.diff(ordered, axis=1) > 0).all(axis=1) & (errors.max(axis=1) <= FARTHEST) & (typical <= TYPICAL)
    if not good.any():
        return None
    best = int(np.where(good, typical, np.inf).argmin())
    made, slots = templates.layouts[best], nearest[best]
    if holes and set(range(len(made))) - set(slots.tolist()) <= made.fixed:
        return None
    order = np.argsort(slots)
    return Found(made, [things[i] for i in order], slots[order], float(typical[best]))


def _affine(matched: Points, spots: Points) -> tuple[Points, Points, Points]:
    """Scale (templates,), matrix (templates, 2, 2) and shift (templates, 2) that bring each template's slots to the
    things: stretched nearly equally across and down."""
    middle, aim = matched.mean(axis=1), spots.mean(axis=0)
    own, wanted = matched - middle[:, None], spots - aim
    squares, products = (own**2).sum(axis=1), (own * wanted).sum(axis=1)  # (templates, 2)
    common = products.sum(axis=1) / np.maximum(squares.sum(axis=1), 1e-12)
    common = np.maximum(common, 1e-6)[:, None]
    flat = squares < 1e-3 * squares.sum(axis=1, keepdims=True)
    scales = np.where(flat, common, products / np.maximum(squares, 1e-12))
    scales = np.clip(scales, _STRETCH * common, common / _STRETCH)
    return scales.mean(axis=1), scales[:, None] * np.eye(2), aim - scales * middle


def _similarity(matched: Points, spots: Points) -> tuple[Points, Points, Points]:
    """As `_affine`, but scaled and turned."""
    middle, aim = matched.mean(axis=1), spots.mean(axis=0)
    own, wanted = (matched - middle[:, None]) @ np.array([1, 1j]), (spots - aim) @ np.array([1, 1j])
    factor = (own.conj() * wanted).sum(axis=1) / np.maximum((np.abs(own) ** 2).sum(axis=1), 1e-12)  # (templates,)
    real, imaginary = factor.real, factor.imag
    matrix = np.stack([np.stack([real, imaginary], axis=1), np.stack([-imaginary, real], axis=1)], axis=1)
    return np.abs(factor), matrix, aim - (middle[:, None] @ matrix)[:, 0]


def _grown_spiral(things: list[Element]) -> Found:
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


def in_given_order(things: list[Element]) -> Found:
    """The things as a sequence in the order in which the scene lists them, wherever they stand."""
    spots = points(things)
    return Found(layout(spots - spots.mean(axis=0)), things, np.arange(len(things)), math.inf)


def borders(arrangement: str, scene: Scene) -> list[Element]:
    """Props that belong to the arrangement itself: the frames, sheets or discs between the things of a nest."""
    lines = scene.of("frame", "panel", "ellipse")
    nested = arrangement == "nest" and len(lines) in (len(scene.things) - 1, len(scene.things))
    return lines if nested and len({e.kind for e in lines}) == 1 else []


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
                fit = _fitted(other.shape, things, holes)
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


def bare(arrangement: str, found: Found, turning: bool = False) -> list[Element]:
    """The things in reading order without what the arrangement itself gives them: turns towards its middle or as its
    symmetry has them, sizes, and the flat colours of a nest. turning: turns are a progression's, if anything's."""
    things = found.things
    if arrangement == "nest":
        return [replace(e, size=1.0, silhouette=0.0, palette="none") for e in things]
    if arrangement in ("mirrored", "facing_pair", "back_to_back"):
        return [replace(e, turn=0.0 if arrangement == "mirrored" else e.turn, mirror=False) for e in things]
    if arrangement == "k_fold":
        return [replace(e, turn=0.0, size=1.0) for e in things]
    if arrangement == "heap":
        return [replace(e, turn=0.0, brightness=1.0, mirror=False) for e in things]
    if arrangement == "scatter":
        leaning = [abs(turn_between(0, e.turn)) for e in things]
        return [
            replace(e, turn=0.0 if a <= 45 else 180.0 if a >= 135 else a) for e, a in zip(things, leaning, strict=True)
        ]
    if not ARRANGEMENTS[arrangement].facings and math.isfinite(found.error):
        return things
    angles = bearings(found.layout.places, np.zeros(2))[found.slots]
    unfaced = [replace(e, turn=float((e.turn - a) % 360)) for e, a in zip(things, angles, strict=True)]
    if turning and _disorder(unfaced) > 0.2:
        return things
    return min((things, unfaced), key=_disorder)


def _disorder(things: Sequence[Element]) -> float:
    """0 if all are turned alike, upside down or not, up to 1."""
    return 1 - abs(complex(np.exp(2j * np.radians([e.turn for e in things])).mean()))
