"""Relations of many things: flocks, queues, heaps, and outlines formed by many small things."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.world.measure import (
    alike,
    lone_subjects,
    overlap,
    plain_looks,
    points,
    require,
    same_looks,
    upright,
)
from analogen.relsim.world.relations.base import Draft, relation
from analogen.relsim.world.relations.composition import REACH
from analogen.relsim.world.relations.lattices import same_turn
from analogen.relsim.world.relations.rings import FAMILY
from analogen.relsim.world.scene import Element, Scene

Points = NDArray[np.float64]
# Quarter turns that take the heading "up" to each heading.
HEADINGS = {"up": 0, "right": 1, "down": 2, "left": 3}


def quarter_turned(places: Points, quarters: int) -> Points:
    """(n, 2) points turned clockwise on screen by quarter turns."""
    for _ in range(quarters % 4):
        places = np.column_stack([-places[:, 1], places[:, 0]])
    return places


def check_flock(scene: Scene) -> None:
    birds = lone_subjects(scene, 5, 13)
    alike(birds, 0.35)
    same_turn(birds)
    require(len(birds) % 2 == 1, "wings of different length")
    reasons = [_why_no_wedge(birds, heading) for heading in ("up", "left", "right")]
    require(None in reasons, f"no V: {reasons[0]}")


def _why_no_wedge(birds: list[Element], heading: str) -> str | None:
    """None if the birds form a V whose tip points to the heading."""
    places = quarter_turned(points(birds), -HEADINGS[heading])
    size = float(np.median([e.size for e in birds]))
    order = np.argsort(places[:, 1])
    rest = places[order[1:]] - places[order[0]]
    rest = rest[np.argsort(rest[:, 0])]
    if birds[int(order[0])].size < 0.8 * size:
        return "the leader is smaller than the others"
    left, right = rest[: len(rest) // 2], rest[len(rest) // 2 :]
    reach = float(np.abs(rest).max())
    # Short steps need room for noise, too.
    slack = max(0.35 * size, 0.12 * reach)
    for wing in (left * np.array([-1, 1]), right):
        wing = wing[np.argsort(wing[:, 1])]
        ideal = np.arange(1, len(wing) + 1)[:, None] * wing.sum(axis=0) / np.arange(1, len(wing) + 1).sum()
        if float(np.linalg.norm(wing - ideal, axis=1).max()) > slack:
            return "a wing is not straight and even"
        if not 20 <= math.degrees(math.atan2(ideal[-1, 0], ideal[-1, 1])) <= 68:
            return "the opening is too narrow or too wide"
    if float(np.abs(left.sum(axis=0) * np.array([-1, 1]) - right.sum(axis=0)).max()) > slack * len(left):
        return "the wings differ"
    return None


@relation(
    "flock",
    "a flock of {subject} flying in V formation",
    "{subject} in V formation",
    "a wedge of {subject} behind one leader",
    "{subject} migrating together like wild geese",
    "one {subject} flying ahead, the others trailing in two slanting lines",
    "{subject} lined up like an arrowhead in flight",
    "a group of {subject} travels in the same direction, one at the tip and the rest in two even lines behind it",
    family=FAMILY,
    check=check_flock,
)
def draw_flock(draft: Draft) -> None:
    pairs = draft.integer(2, 5)
    heading = draft.choice(("up", "left", "right"))
    half_angle = math.radians(draft.uniform(30, 46))
    shrink = draft.choice((1.0, 1.0, 0.95))
    step = np.array([math.sin(half_angle), math.cos(half_angle)])
    wing = np.outer(np.arange(1, pairs + 1), step)
    sides = np.stack([wing * np.array([-1, 1]), wing], axis=1).reshape(-1, 2)
    places = quarter_turned(np.vstack([[0, 0], sides]), HEADINGS[heading])
    places -= (places.min(axis=0) + places.max(axis=0)) / 2
    share = draft.uniform(0.82, 1.05)  # of the step along a wing, which is slanted, so nothing is hidden
    size = min(2 * REACH * share / (float(np.ptp(places, axis=0).max()) + share), 0.54)
    unit = (2 * REACH - size) / float(np.ptp(places, axis=0).max())
    # Most things that face sideways in pictures face left, so a flock to the right is mirrored.
    for index, (x, y) in enumerate(places * unit):
        draft.add("subject", x, y, size * shrink ** ((index + 1) // 2), mirror=heading == "right")
    draft.facts.update(count=2 * pairs + 1, direction=heading)


def check_parade(scene: Scene) -> None:
    copies = sorted(lone_subjects(scene, 4, 9), key=lambda e: -e.size)
    plain_looks(copies)
    same_looks(copies)
    upright(copies)
    leader, queue = copies[0], copies[1:]
    alike(queue)
    require(leader.size >= 1.7 * float(np.median([e.size for e in queue])), "no big leader")
    floors = np.array([e.y + e.height / 2 for e in copies])
    small = float(np.median([e.size for e in queue]))
    require(float(np.abs(floors - np.median(floors)).max()) <= 0.55 * small, "not on one ground")
    queue = sorted(queue, key=lambda e: abs(e.x - leader.x))
    gaps = np.array([e.x - leader.x for e in queue])
    require(bool(np.all(gaps > 0) or np.all(gaps < 0)), "the leader does not stand at one end")
    steps = np.abs(np.diff(gaps))
    require(bool(np.all((steps >= 0.45 * small) & (steps <= 1.8 * small))), "no even queue")
    require(abs(gaps[0]) <= 0.5 * leader.size + 1.4 * small, "the leader has left the queue behind")


@relation(
    "parade",
    "a large {subject} leading a line of small ones",
    "a parade of {subject}, biggest first",
    "small {subject} marching behind a large one",
    "one huge {subject} at the head of a queue of equal small {subject}",
    "a procession of {subject}, the leader many times as big",
    "little {subject} following like ducklings after their mother",
    "a large {subject} walks in front, and behind it several small {subject} of the same kind follow in single file",
    family=FAMILY,
    check=check_parade,
)
def draw_parade(draft: Draft) -> None:
    count = draft.integer(3, 7)
    ratio = draft.uniform(2.0, 2.5) + 0.12 * (count - 3)
    pitch = draft.uniform(0.95, 1.1)
    small = 1.88 / (ratio + 0.5 + (count - 0.5) * pitch)
    large = small * ratio
    direction = draft.choice(("left", "right"))
    side = 1 if direction == "right" else -1
    floor = 0.5 * large + 0.06
    if draft.coin():
        draft.box(
            "ground", 0, (floor + 1.0) / 2 - 0.01, 2, 1.02 - floor, palette=draft.choice(("soft", "soft", "leaf"))
        )
    x = side * (0.94 - large / 2)
    draft.box("shadow", x, floor, 0.8 * large, 0.09 * large)
    spots = [side * (0.94 - large - small * (0.5 * pitch + index * pitch)) for index in range(count)]
    for spot in spots:
        draft.box("shadow", spot, floor, 0.8 * small, 0.09 * small)
    mirror = direction == "right"
    draft.add("subject", x, floor - large / 2, large, standing=True, mirror=mirror)
    for spot in spots:  # from the leader backward
        draft.add("subject", spot, floor - small / 2, small, standing=True, mirror=mirror)
    draft.facts.update(count=count + 1, followers=count, direction=direction)


def check_heap(scene: Scene) -> None:
    copies = lone_subjects(scene, 8, 24)
    alike(copies, 0.3)
    turns = np.radians([e.turn for e in copies])
    require(abs(complex(np.exp(1j * turns).mean())) <= 0.93, "too tidy: all turned alike")
    places, size = points(copies), float(np.median([e.size for e in copies]))
    gaps = np.linalg.norm(places[:, None] - places[None], axis=2) + 9 * np.eye(len(copies))
    require(float(gaps.min(axis=1).max()) <= size, "one lies apart")
    require(float(gaps.min(axis=1).mean()) <= 0.85 * size, "they do not overlap")
    touched = [sum(overlap(e, o) > 0.1 for o in copies if o is not e) for e in copies]
    require(min(touched) >= 1 and float(np.mean(touched)) >= 2.5, "they hardly lie on each other")
    height = float(np.ptp(places[:, 1]))
    require(height >= 0.6 * size, "only a row")
    lower = places[places[:, 1] >= places[:, 1].max() - height / 3]
    upper = places[places[:, 1] <= places[:, 1].min() + height / 3]
    require(len(lower) > len(upper), "not densest at the ground")
    require(float(np.ptp(lower[:, 0])) >= float(np.ptp(upper[:, 0])) + size, "no mound: the base is not the widest")
    require(abs(float(lower[:, 0].mean() - upper[:, 0].mean())) <= size, "the peak is beside the base")
    require(float(np.ptp(places[:, 0])) >= 0.8 * height, "higher than wide")


@relation(
    "heap",
    "a heap of {subject}",
    "a pile of {subject} thrown together",
    "{subject} lying on top of each other in a mound",
    "a messy mountain of {subject}",
    "lots of {subject} dumped on the ground",
    "{subject} heaped up without any order, turned this way and that",
    "many {subject} lie across and over one another, broad at the bottom and rising to a low peak in the middle",
    family=FAMILY,
    check=check_heap,
)
def draw_heap(draft: Draft) -> None:
    count = draft.integer(9, 20)
    base = math.ceil((math.sqrt(8 * count + 1) - 1) / 2)
    rows: list[int] = []
    while sum(rows) < count:
        rows.append(min(base - len(rows), count - sum(rows)))
    across, down = draft.uniform(0.6, 0.7), draft.uniform(0.46, 0.56)
    size = min(1.7 / (1 + (base - 1) * across), 1.7 / (1 + (len(rows) - 1) * down))
    floor = size * (1 + (len(rows) - 1) * down) / 2
    draft.box("shadow", 0, floor - 0.03, size * (1 + (base - 1) * across), 0.3 * size)
    for level in reversed(range(len(rows))):  # from the peak down: those in front lie lowest
        number = rows[level]
        span = min((number - 1) * across, (base - level - 1) * across)
        for index in range(number):
            x = (span * (index / (number - 1) - 0.5) if number > 1 else 0.0) + draft.uniform(-0.09, 0.09)
            y = draft.uniform(-0.07, 0.07 if level else 0.0) - level * down - 0.5
            # Uneven light sets things of one colour apart where they lie on each other.
            turn, mirror, light = draft.uniform(0, 360), draft.coin(), draft.uniform(0.82, 1.05)
            draft.add("subject", x * size, floor + y * size, size, turn=turn, mirror=mirror, brightness=light)
    draft.facts.update(count=count)


def check_receding(scene: Scene) -> None:
    copies = sorted(lone_subjects(scene, 4, 8), key=lambda e: -e.size)
    plain_looks(copies)
    same_looks(copies)
    upright(copies)
    sizes = np.array([e.size for e in copies])
    factors = sizes[1:] / sizes[:-1]
    require(float(factors.max()) <= 0.9 and float(factors.min()) >= 0.4, "sizes do not shrink evenly")
    require(float(factors.min()) >= 0.78 * float(factors.max()), "sizes do not shrink by one factor")
    places = points(copies)
    # Perspective: place = vanishing point + size * constant, in x and in y.
    design = np.column_stack([np.ones(len(sizes)), sizes / sizes[0]])
    solution, *_ = np.linalg.lstsq(design, places, rcond=None)
    errors = np.linalg.norm(places - design @ solution, axis=1)
    require(float(errors.max()) <= 0.22 * float(sizes[0]), "not one line to a vanishing point")
    along, down = solution[1] / sizes[0]
    require(abs(along) >= 0.8, "one hides the next")
    require(down >= 0.12, "the ground does not rise to a horizon")


@relation(
    "receding",
    "a row of {subject} receding into the distance",
    "{subject} dwindling toward the horizon",
    "a line of {subject} seen in perspective",
    "{subject} after {subject}, each farther away and smaller",
    "a near {subject} with others behind it, ever smaller up to a vanishing point",
    "{subject} lined up like the lamp posts of a long straight road",
    "a row of equal {subject} starts close to the viewer and runs away to the horizon, where the last is tiny",
    family=FAMILY,
    check=check_receding,
)
def draw_receding(draft: Draft) -> None:
    factor = draft.uniform(0.62, 0.76)
    count = draft.integer(4, 5 if factor < 0.68 else 7)
    direction = draft.choice(("left", "right"))
    side = 1 if direction == "right" else -1
    slope = draft.uniform(0.3, 0.5)  # how far down the nearest centre lies, per unit across
    apart = draft.uniform(0.82, 1.02)
    # Places are measured from the vanishing point in units of the nearest copy's distance across.
    near = (1 - factor) / ((1 + factor) / 2) / apart
    far = factor ** (count - 1)
    unit = 1.84 / (1 + near / 2 - far + near * far / 2)
    size = near * unit
    middle_x = (1 + near / 2 + far - near * far / 2) / 2 * unit
    top, bottom = min(slope * far - near * far / 2, slope - near / 2) * unit, (slope + near / 2) * unit
    middle_y = (top + bottom) / 2
    horizon = -middle_y
    if draft.coin(0.6):
        draft.box("ground", 0, (horizon + 1.02) / 2, 2, 1.02 - horizon, palette=draft.choice(("soft", "soft", "leaf")))
    scales = [factor**index for index in reversed(range(count))]
    spots = [(side * (middle_x - scale * unit), scale * slope * unit - middle_y, scale * size) for scale in scales]
    for x, y, extent in spots:
        draft.box("shadow", x, y + extent / 2, 0.8 * extent, 0.1 * extent)
    for x, y, extent in spots:  # far ones first, so that near ones stand in front
        draft.add("subject", x, y, extent, standing=True)
    draft.facts.update(count=count, direction=direction)


def _heart() -> Points:
    """The classical trigonometric heart, from the notch clockwise."""
    t = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.column_stack([16 * np.sin(t) ** 3, -y])


def _star() -> Points:
    angles = np.radians(36.0 * np.arange(10))
    radii = np.where(np.arange(10) % 2 == 0, 1.0, 0.44)
    return np.column_stack([radii * np.sin(angles), -radii * np.cos(angles)])


def _framed(outline: Points) -> Points:
    """The outline moved to the middle of [-1, 1] and scaled until its longer extent fills it."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    framed: Points = (outline - (low + high) / 2) / float((high - low).max()) * 2
    return framed


_ARROW = np.array([(-1, -0.3), (0.05, -0.3), (0.05, -0.8), (1, 0), (0.05, 0.8), (0.05, 0.3), (-1, 0.3)])
# Closed outlines; the arrow points to the right.
OUTLINES = {"heart": _framed(_heart()), "star": _framed(_star()), "arrow": _framed(_ARROW)}


def points_along(outline: Points, spacing: float) -> Points:
    """Points along a closed outline, every corner included, about `spacing` apart and even on each edge."""
    parts = []
    for start, end in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        number = max(1, round(float(np.linalg.norm(end - start)) / spacing))
        parts.append(start + (end - start) * (np.arange(number) / number)[:, None])
    return np.vstack(parts)


def even_points_along(outline: Points, count: int) -> Points:
    """`count` points along a closed outline at equal arc lengths, from its first point on."""
    closed = np.vstack([outline, outline[:1]])
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    at = lengths[-1] * np.arange(count) / count
    return np.column_stack([np.interp(at, lengths, closed[:, axis]) for axis in (0, 1)])


def nearest(sources: Points, targets: Points) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Distance from each source to its nearest target, and that target's index."""
    gaps = np.linalg.norm(sources[:, None] - targets[None], axis=2)
    return gaps.min(axis=1), gaps.argmin(axis=1)


def _within(places: Points, outline: Points) -> NDArray[np.bool_]:
    """Whether each point lies inside the closed outline (even-odd rule)."""
    start, end = outline[None], np.roll(outline, -1, axis=0)[None]
    x, y = places[:, :1], places[:, 1:]
    straddles = (start[..., 1] > y) != (end[..., 1] > y)
    rise = np.where(straddles, end[..., 1] - start[..., 1], 1.0)
    crossing = start[..., 0] + (y - start[..., 1]) / rise * (end[..., 0] - start[..., 0])
    odd: NDArray[np.bool_] = (straddles & (x < crossing)).sum(axis=1) % 2 == 1
    return odd


def covers_outline(places: Points, outline: Points) -> bool:
    """Whether the points cover the outline after it is fitted to them, and no point lies outside."""
    border = even_points_along(outline, 120)
    extent = places.max(axis=0) - places.min(axis=0)
    ideal = border.max(axis=0) - border.min(axis=0)
    if not 0.8 * extent[1] * ideal[0] <= extent[0] * ideal[1] <= 1.25 * extent[1] * ideal[0] or not extent.all():
        return False
    placed = (places - (places.max(axis=0) + places.min(axis=0)) / 2) / float((extent / ideal).mean())
    for _ in range(6):
        gaps, index = nearest(placed, border)
        rim, foot = placed[gaps < 0.2], border[index[gaps < 0.2]]
        if len(rim) < 8:
            return False
        centred = rim - rim.mean(axis=0)
        scale = float((centred * (foot - foot.mean(axis=0))).sum() / max(float((centred**2).sum()), 1e-9))
        placed = (placed - rim.mean(axis=0)) * scale + foot.mean(axis=0)
    gaps, _ = nearest(placed, border)
    between = _neighbour_gaps(placed)
    covered, _ = nearest(border, placed)
    stray = ~_within(placed, outline) & (gaps > 0.12)
    on_rim = gaps <= 0.1
    return bool(
        not stray.any()
        and on_rim.mean() >= 0.5
        and (covered <= max(0.85 * float(np.median(between)), 0.13)).mean() >= 0.95
    )


def _neighbour_gaps(places: Points) -> NDArray[np.float64]:
    """Distance from each point to the one nearest to it."""
    return np.sort(np.linalg.norm(places[:, None] - places[None], axis=2), axis=1)[:, 1]


def check_shape_of_many(scene: Scene) -> None:
    copies = lone_subjects(scene, 14, 44)
    alike(copies)
    same_turn(copies)
    require(copies[0].size <= 0.36, "the copies are not small")
    places = points(copies)
    shapes = [OUTLINES["heart"], OUTLINES["star"], *(quarter_turned(OUTLINES["arrow"], n) for n in range(4))]
    require(any(covers_outline(places, outline) for outline in shapes), "no heart, star or arrow")


@relation(
    "shape_of_many",
    "many small {subject} together forming the shape of a heart, star or arrow",
    "a figure drawn with {subject}",
    "small {subject} laid out as a well-known symbol",
    "a heart, star or arrow made of {subject}",
    "{subject} placed one beside the other along the outline of a simple sign",
    "many little {subject} standing together so that from afar they form a symbol",
    "seen as a whole, dozens of tiny {subject} make up one large clear shape such as a heart, a star or an arrow",
    family=FAMILY,
    check=check_shape_of_many,
)
def draw_shape_of_many(draft: Draft) -> None:
    shape, filled = draft.choice(tuple(OUTLINES)), draft.coin(0.4)
    outline = OUTLINES[shape]
    if shape == "heart":
        count = 2 * draft.integer(9, 11 if filled else 14)  # even: a copy in the notch and one at the tip
        places = even_points_along(outline, count)
        inner = even_points_along(outline * 0.52 + np.array([0, -0.04]), 10) if filled else np.zeros((0, 2))
    elif shape == "star":
        edge = float(np.linalg.norm(outline[1] - outline[0]))
        places = points_along(outline, edge / (2 if filled else draft.integer(2, 3)))
        inner = np.vstack([outline * 0.48, [[0.0, 0.05]]]) if filled else np.zeros((0, 2))
    else:
        spacing = draft.uniform(0.24, 0.38)
        places = points_along(outline, spacing)
        steps = max(2, round(1.5 / spacing))
        inner = np.column_stack([np.linspace(-1, 0.5, steps + 1), np.zeros(steps + 1)]) if filled else np.zeros((0, 2))
    places = np.vstack([places, inner])
    direction = "up"
    if shape == "arrow":
        direction = draft.choice(tuple(HEADINGS))
        places = quarter_turned(places, HEADINGS[direction] - HEADINGS["right"])
    size = float(np.median(_neighbour_gaps(places))) * draft.uniform(0.84, 1.0)
    unit = 2 * REACH / (2 + size)
    for x, y in places * unit:
        draft.add("subject", x, y, size * unit)
    draft.facts.update(count=len(places), shape=shape, filled=filled, direction=direction)
