"""Relations that arrange many copies around a centre."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.world.measure import (
    alike,
    bearings,
    distance,
    fit_circle,
    lone_subjects,
    plain_looks,
    points,
    require,
    same_looks,
    turn_between,
    upright,
)
from analogen.relsim.world.relations.base import Draft, relation
from analogen.relsim.world.relations.composition import REACH
from analogen.relsim.world.scene import Element, Scene

FAMILY = "arrangement of many"


def on_circle(radius: float, angle: float) -> tuple[float, float]:
    """The point at a clock angle (0 = top, clockwise, degrees) around the centre of the picture."""
    return radius * math.sin(math.radians(angle)), -radius * math.cos(math.radians(angle))


def widest_round(count: float, fill: float, largest: float) -> tuple[float, float]:
    """Radius and size of `count` copies around the centre that reach REACH and fill this share of the circle."""
    chord = 2 * math.sin(math.pi / count) * fill
    size = min(largest, REACH * chord / (1 + chord / 2))
    return REACH - size / 2, size


def check_ring(scene: Scene) -> None:
    copies = lone_subjects(scene, 5, 16)
    alike(copies)
    require(len({e.mirror for e in copies}) == 1, "some are mirrored")
    centres = points(copies)
    middle, radius, error = fit_circle(centres)
    require(error <= 0.26, "not on one circle")
    angles = bearings(centres, middle)
    step = 360 / len(copies)
    slots = np.sort(angles) - step * np.arange(len(copies))
    require(float(np.abs(slots - slots.mean()).max()) <= 0.35 * step, "gaps are uneven")
    require(radius >= 0.8 * copies[0].size, "no free centre")
    along = [turn_between(copies[0].turn - angles[0], e.turn - a) for e, a in zip(copies, angles, strict=True)]
    fixed = [turn_between(copies[0].turn, e.turn) for e in copies]
    require(min(max(map(abs, along)), max(map(abs, fixed))) <= 25, "turned at random")


@relation(
    "ring",
    "many {subject} arranged in a circle",
    "a ring of {subject}",
    "{subject} evenly placed around an empty centre",
    "identical {subject} forming a closed circle",
    "copies of {subject} standing in a round like numbers on a clock",
    "a wreath made of nothing but {subject}",
    "a number of equal {subject} spaced evenly along a circle, leaving the middle of the picture free",
    family=FAMILY,
    check=check_ring,
)
def draw_ring(draft: Draft) -> None:
    count = draft.integer(5, 14)
    radius, size = widest_round(count, draft.uniform(0.72, 0.98), 0.54)
    start = draft.choice((0, 0, 0.5))  # a copy at the top, or a gap
    orientation = draft.choice(("upright", "upright", "outward", "inward"))
    for index in range(count):  # from the top, clockwise
        angle = 360 * (index + start) / count
        turn = {"upright": 0.0, "outward": angle, "inward": angle + 180}[orientation]
        draft.add("subject", *on_circle(radius, angle), size, turn=turn % 360)
    draft.facts.update(count=count, orientation=orientation)


def check_spiral(scene: Scene) -> None:
    copies = lone_subjects(scene, 7, 20)
    plain_looks(copies)
    same_looks(copies)
    if copies[0].size > copies[-1].size:
        copies = copies[::-1]
    places = points(copies) @ np.array([1, 1j])
    # Along a growing spiral each place follows from the one before by one turn-and-stretch around the pole.
    design = np.column_stack([places[:-1], np.ones(len(places) - 1)])
    (step, shift), *_ = np.linalg.lstsq(design, places[1:], rcond=None)
    require(abs(1 - step) > 0.05, "no turning")
    offsets = places - shift / (1 - step)
    require(bool(offsets[:-1].all()), "one lies on the pole")
    turns = np.degrees(np.angle(offsets[1:] / offsets[:-1]))
    require(bool(np.all(turns > 0) or np.all(turns < 0)), "it does not keep turning the same way")
    require(float(np.abs(turns).sum()) >= 400, "too few turns")
    require(float(np.abs(turns).max()) <= 110, "too few copies for a turn")
    outer = np.abs(turns[len(turns) // 2 :])  # near the pole a small shift is a large turn
    require(float(outer.max()) <= 1.7 * float(np.median(outer)), "a hole in the spiral")
    radii = np.abs(offsets)
    require(bool(np.all(radii[1:] >= 0.9 * radii[:-1] - 0.06)) and radii[-1] >= 2 * radii[0], "it does not widen")
    sizes = np.array([e.size for e in copies])
    steps = np.log(sizes[1:] / sizes[:-1])
    require(bool(steps.min() >= -0.1) and sizes[-1] >= 2 * sizes[0], "sizes do not grow outward")
    require(float(steps.max()) <= 0.6, "sizes jump")


@relation(
    "spiral",
    "{subject} arranged in a growing spiral",
    "a spiral of {subject}",
    "{subject} winding outward and growing on the way",
    "ever larger {subject} turning around a point",
    "a swirl of {subject}, tiny in the middle and large at its end",
    "copies of {subject} coiling out from the centre like a snail's shell",
    "{subject} follow a curve that winds around the middle more than once, each one bigger than the one before it",
    family=FAMILY,
    check=check_spiral,
)
def draw_spiral(draft: Draft) -> None:
    count = draft.integer(10, 16)
    turns = draft.uniform(1.5, min(2.5, (count - 1) / 6))
    growth = draft.uniform(4.2, 6.5)  # outermost against innermost
    step, factor, coil = 360 * turns / (count - 1), growth ** (1 / (count - 1)), growth ** (1 / turns)
    beside = abs(factor * np.exp(1j * math.radians(step)) - 1) / ((1 + factor) / 2)
    between_coils = (coil - 1) / ((1 + coil) / 2)
    share = min(beside, between_coils) * draft.uniform(0.85, 1.0)
    clockwise, start = draft.coin(), draft.uniform(0, 360)
    facing = draft.choice(("upright", "upright", "outward"))
    angles = start + step * np.arange(count) * (1 if clockwise else -1)
    radii = factor ** np.arange(count)
    places = np.array([on_circle(radius, angle) for radius, angle in zip(radii, angles, strict=True)])
    sizes = radii * share
    halves = sizes[:, None] * (0.58 if facing == "outward" else 0.5)  # turned boxes reach farther
    low, high = (places - halves).min(axis=0), (places + halves).max(axis=0)
    zoom = 2 * REACH / float((high - low).max())
    places, sizes = (places - (low + high) / 2) * zoom, sizes * zoom
    for place, size, angle in zip(places, sizes, angles, strict=True):  # from the middle outward
        draft.add("subject", place[0], place[1], size, turn=float(angle % 360) if facing == "outward" else 0.0)
    direction = "clockwise" if clockwise else "counterclockwise"
    draft.facts.update(count=count, turns=round(turns, 2), direction=direction, orientation=facing)


def check_bouquet(scene: Scene) -> None:
    flowers = lone_subjects(scene, 4, 10, "line", "wrap")
    alike(flowers, 0.25)
    stems, wraps = scene.of("line"), scene.of("wrap")
    require(len(wraps) == 1, "not held by one wrap")
    require(len(stems) == len(flowers), "not one stem for each")
    wrap = wraps[0]
    require(scene.elements.index(wrap) > max(map(scene.elements.index, flowers)), "the wrap is not in front")
    directions = np.radians([e.turn for e in stems])
    normals = np.column_stack([-np.sin(directions), np.cos(directions)])
    knot, *_ = np.linalg.lstsq(normals, (normals * points(stems)).sum(axis=1), rcond=None)
    misses = np.abs(((knot - points(stems)) * normals).sum(axis=1))
    require(float(misses.max()) <= 0.3 * flowers[0].size, "the stems do not meet")
    require(abs(knot[0] - wrap.x) <= 0.2 * wrap.width, "the wrap is beside the stems")
    require(wrap.y - 0.2 * wrap.height <= knot[1] <= wrap.y + 0.75 * wrap.height, "the stems end outside the wrap")
    leanings = np.array([turn_between(0, a) for a in bearings(points(flowers), knot)])
    require(float(np.abs(leanings).max()) <= 75, "some hang below")
    require(float(leanings.max() - leanings.min()) >= 35, "no fan")
    require(min(leanings.max(), -leanings.min()) >= 12, "the fan leans to one side")
    for flower, leaning in zip(flowers, leanings, strict=True):
        require(abs(turn_between(leaning, flower.turn)) <= 15, "not turned with its stem")
        towards = [abs((turn_between(0, stem.turn + 90 - leaning) + 90) % 180 - 90) for stem in stems]
        require(min(towards) <= 10, "one has no stem")


@relation(
    "bouquet",
    "{subject} gathered like a bouquet",
    "a bunch of {subject}",
    "{subject} on stems, wrapped in paper",
    "a posy made of {subject}",
    "{subject} fanning out from one point like cut flowers",
    "a handful of {subject} held together at the bottom and spreading at the top",
    "several {subject}, each on its own stem, are tied together at one point, wrapped as a gift and fan out above it",
    family=FAMILY,
    check=check_bouquet,
)
def draw_bouquet(draft: Draft) -> None:
    count = draft.integer(5, 9)
    spread = draft.uniform(24, 28)  # the outermost stem's angle
    knot = 0.9
    back = count if count <= 5 else (count + 1) // 2
    size = draft.uniform(0.44, 0.5) if back <= 4 else draft.uniform(0.36, 0.42)
    length = 1.8 - size / 2
    places = []
    for number, reach, angle in ((back, length, spread), (count - back, length - 0.78 * size, spread * 0.68)):
        for index in range(number):
            lean = angle * (2 * index / (number - 1) - 1) if number > 1 else 0.0
            x, y = on_circle(reach - 0.1 * abs(lean / spread), lean)
            places.append((x, y + knot, lean))
    for x, y, lean in places:
        reach = math.hypot(x, y - knot)
        draft.box("line", x / 2, (y + knot) / 2, reach, 0.022, turn=(90 + lean) % 180, palette="leaf")
    for x, y, lean in places:  # the back row first
        draft.add("subject", x, y, size, turn=lean)
    tall = draft.uniform(0.78, 0.86)
    wide = 2 * tall * math.tan(math.radians(spread * draft.uniform(1.0, 1.12)))
    colour = draft.choice(("none", "soft", "paper", "primary", "secondary"))
    draft.box("wrap", 0, knot + 0.03 - tall / 2, wide, tall, palette=colour)
    draft.facts.update(count=count)


def _reflected(e: Element, middle: NDArray[np.float64], axis: float) -> tuple[float, float, float]:
    """x, y and turn of the element seen in a mirror through the middle; axis: its clock angle."""
    angle = math.radians(axis)
    across = np.array([math.cos(angle), math.sin(angle)])  # at right angles to the mirror
    offset = np.array([e.x, e.y]) - middle
    x, y = middle + offset - 2 * float(offset @ across) * across
    return float(x), float(y), 2 * axis - e.turn


def check_kaleidoscope(scene: Scene) -> None:
    copies = lone_subjects(scene, 8, 52)
    plain_looks(copies)
    same_looks(copies)
    middle = points(copies).mean(axis=0)
    centre = [e for e in copies if math.hypot(e.x - middle[0], e.y - middle[1]) < 0.3 * e.size]
    require(len(centre) <= 1, "several in the centre")
    around = sorted((e for e in copies if e not in centre), key=lambda e: -math.hypot(e.x - middle[0], e.y - middle[1]))
    folds = [m for m in (4, 6, 8, 12) if len(around) % m == 0 and _orbits(around, m, middle)]
    require(bool(folds), "no orbits of alternately mirrored copies")
    fold = folds[-1]
    require(len(around) > fold or bool(centre), "a single ring")
    outer = points(around[:fold])
    angles = np.sort(bearings(outer, middle))
    # The mirrors pass between neighbours; their common phase is the mean over all gaps of the outer orbit.
    step = 360 / fold
    phase = math.degrees(float(np.angle(np.exp(1j * np.radians(angles * fold)).sum()))) / fold
    for axis in (phase + step / 2, phase + 3 * step / 2):
        for e in around:
            x, y, turn = _reflected(e, middle, axis)
            twins = [
                o
                for o in around
                if o.mirror != e.mirror
                and math.hypot(o.x - x, o.y - y) <= max(0.5 * e.size, 0.16)
                and abs(turn_between(turn, o.turn)) <= 20
                and abs(o.size / e.size - 1) <= 0.25
            ]
            require(bool(twins), "one has no mirror image")


def _orbits(around: list[Element], fold: int, middle: NDArray[np.float64]) -> bool:
    """Whether the copies, outermost first, fall into rounds of `fold` with every second one mirrored."""
    for first in range(0, len(around), fold):
        orbit = around[first : first + fold]
        by_angle = [orbit[i] for i in np.argsort(bearings(points(orbit), middle))]
        if any(a.mirror == b.mirror for a, b in zip(by_angle, by_angle[1:] + by_angle[:1], strict=True)):
            return False
    return True


@relation(
    "kaleidoscope",
    "{subject} repeated in mirror symmetry around a centre",
    "a kaleidoscope of {subject}",
    "a mandala made of {subject}",
    "{subject} and its mirror images turning around the middle",
    "a star-shaped symmetric pattern of many mirrored {subject}",
    "rounds of {subject}, one inside the other, every second one mirrored",
    "as if seen through a kaleidoscope, {subject} is reflected again and again around the centre in perfect symmetry",
    family=FAMILY,
    check=check_kaleidoscope,
)
def draw_kaleidoscope(draft: Draft) -> None:
    fold = draft.choice((4, 6, 6, 8, 8, 12))
    orbits = 2 if fold in (4, 12) else draft.integer(2, 3)
    radius, size = widest_round(fold, draft.uniform(0.72, 0.98), 0.54)
    for orbit in range(orbits):
        lean = draft.choice((0, 180)) + draft.uniform(-40, 40)
        for index in range(fold):  # from the top, clockwise; a mirror stands upright in the middle
            angle = 360 * (index + 0.5) / fold
            mirror = index % 2 == 1
            turn = (angle - lean if mirror else angle + lean) % 360
            draft.add("subject", *on_circle(radius, angle), size, turn=turn, mirror=mirror)
        room = radius - size / 2
        if orbit + 1 < orbits:
            chord = 2 * math.sin(math.pi / fold) * draft.uniform(0.75, 0.98)
            size = min(size * 0.9, room * chord / (1 + chord / 2))
            radius = room - 0.48 * size
    centre = room > 0.14 and draft.coin(0.6)
    if centre:
        draft.add("subject", 0, 0, min(1.8 * room, 0.62))
    draft.facts.update(fold=fold, orbits=orbits, centre=centre)


def check_nested(scene: Scene) -> None:
    copies = lone_subjects(scene, 3, 6, "frame", "panel", "ellipse")
    upright(copies, 15)
    for e in copies:
        require(e.opacity >= 0.8 and max(e.pixel, e.sketch) <= 0.2 and e.clip.kind == "none", "one is altered")
    chain = [e for e in scene.elements if e in copies or e.kind in ("frame", "panel", "ellipse")]
    for outer, inner in pairwise(chain):
        require(inner.size <= 0.88 * outer.size, "not each smaller than the one around it")
        require(distance(outer, inner) <= max(0.12 * outer.size, 0.12), "not around one centre")
    for large, small in pairwise(copies):
        require(small.size <= 0.8 * large.size, "copies hardly shrink")
    borders = [e for e in chain if e not in copies]
    if borders:
        require(len({e.kind for e in borders}) == 1, "different borders")
        require(len(chain) in (2 * len(copies) - 1, 2 * len(copies)), "borders are missing")
        kinds = [e.kind for e in chain]
        require(all(a != b for a, b in pairwise(kinds)), "borders do not alternate with copies")


@relation(
    "nested",
    "{subject} within {subject} within {subject}",
    "{subject} inside itself",
    "ever smaller {subject} around one centre",
    "{subject} containing a smaller likeness that contains another",
    "a set of {subject} one inside the other like nesting dolls",
    "the picture of {subject} repeats itself at its own centre, smaller each time",
    "a large {subject}, in its middle the same {subject} again, and in that one yet another, down to the smallest",
    family=FAMILY,
    check=check_nested,
)
def draw_nested(draft: Draft) -> None:
    border = draft.choice(("none", "none", "frame", "panel", "ellipse"))
    if border == "none":  # silhouettes like contour lines, the thing itself at their heart
        count, factor = draft.integer(3, 5), draft.uniform(0.6, 0.72)
        colours = draft.choice((("soft", "primary"), ("primary", "soft"), ("secondary", "soft"), ("accent", "paper")))
        for level in range(count):
            flat = 0.0 if level == count - 1 else 1.0
            colour = colours[level % 2] if flat else "none"
            draft.add("subject", 0, 0, 1.85 * factor**level, silhouette=flat, palette=colour)
    else:
        count, factor = draft.integer(3, 4), draft.uniform(0.4, 0.47)
        colours = draft.choice((("soft", "paper"), ("paper", "soft"), ("secondary", "paper")))
        for level in range(count):
            size = 1.84 * factor**level
            colour = colours[level % 2] if border == "ellipse" else "none"
            draft.add(border, 0, 0, size, palette=colour)
            draft.add("subject", 0, 0, size * (0.68 if border == "ellipse" else 0.76))
    draft.facts.update(count=count, border=border)
