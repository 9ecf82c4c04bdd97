"""Relations that cut the thing itself: slices, fragments, halves, tiles, wedges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.world.measure import (
    bearings,
    clip_directions,
    distance,
    equal_sizes,
    inside,
    lone_subjects,
    natural,
    only,
    own_colours,
    points,
    require,
    spread,
    turn_between,
    upright,
)
from analogen.relsim.world.relations.base import Draft, relation
from analogen.relsim.world.scene import Clip, Element, Scene, box

FAMILY = "the thing itself transformed"
WINDS = ("up", "upper right", "right", "lower right", "down", "lower left", "left", "upper left")


def clipped(elements: Sequence[Element], kind: str) -> None:
    require(all(e.clip.kind == kind for e in elements), f"not every piece is cut by a {kind}")


class Strips(NamedTuple):
    """Parallel strips of one art. side: of the whole art; gap: mean free space between neighbours, as a
    fraction of a strip's thickness; sideways: largest shift along the cuts as a fraction of the side."""

    upright_cuts: bool
    side: float
    gap: float
    sideways: float


def measure_strips(strips: Sequence[Element]) -> Strips:
    """Broken unless the windows cut one art into equal parallel strips, in order and nothing twice."""
    clipped(strips, "window")
    equal_sizes(strips, 0.25)
    count = len(strips)
    turn = strips[0].turn
    require(all(abs(turn_between(turn, e.turn)) <= 12 for e in strips), "the strips are turned apart")
    seen = clip_directions(strips)  # (n, 2)
    axis = int(np.argmax(np.ptp(seen, axis=0)))
    order = np.argsort(seen[:, axis])
    parts = -1 + (2 * np.arange(count) + 1) / count
    require(bool(np.abs(seen[order, axis] - parts).max() <= 0.6 / count), "the strips do not make up the whole")
    require(bool(np.abs(seen[:, 1 - axis]).max() <= 0.15), "a strip shows another height of the thing")
    side = float(np.mean([e.size / e.clip.amount for e in strips]))
    for e in strips:
        thick, length = (e.width, e.height) if axis == 0 else (e.height, e.width)
        require(abs(thick * count / side - 1) <= 0.25, "a strip is too thick or too thin")
        require(abs(length / side - 1) <= 0.25, "a strip is too long or too short")
    angle = math.radians(float(np.mean([turn_between(turn, e.turn) for e in strips])) + turn)
    across = np.array([(math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))])
    local = points(strips)[order] @ across.T  # (n, 2) in the strips' own directions
    step, start = np.polyfit(np.arange(count), local[:, axis], 1)
    stray = np.abs(local[:, axis] - start - step * np.arange(count)).max()
    require(bool(stray <= 0.12 * side), "the strips are unevenly spaced")
    sideways = float(np.abs(local[:, 1 - axis] - local[:, 1 - axis].mean()).max()) / side
    return Strips(axis == 0, side, float(step) * count / side - 1, sideways)


def add_strip(draft: Draft, index: int, count: int, side: float, upright_cuts: bool, at: tuple[float, float],
              **looks: float) -> None:  # fmt: skip
    """Add strip `index` of the `count` equal ones that an art of this side is cut into, centred at `at`."""
    place = -1 + (2 * index + 1) / count
    u, v = (place, 0.0) if upright_cuts else (0.0, place)
    clip = Clip("window", u, v, 1 / math.sqrt(count))
    aspect = 1 / count if upright_cuts else float(count)
    draft.add("subject", *at, side / math.sqrt(count), aspect=aspect, clip=clip, **looks)


def check_sliced(scene: Scene) -> None:
    slices = lone_subjects(scene, 3, 6)
    own_colours(slices)
    strips = measure_strips(slices)
    require(0.1 <= strips.gap <= 0.8, "the slices do not lie apart, or too far apart")
    require(strips.sideways <= 0.3, "a slice slid too far")


@relation(
    "sliced",
    "{subject} cut into separated slices",
    "slices of {subject}",
    "{subject} divided by parallel cuts into strips that lie apart",
    "a single {subject} sliced through several times, with gaps between the pieces",
    "even slices of one {subject}, still in order but pulled apart",
    "{subject} parted into bands by straight cuts",
    "one {subject} seen whole across a row of parallel slices, each of them moved a little away from the next",
    family=FAMILY,
    check=check_sliced,
)
def draw_sliced(draft: Draft) -> None:
    count = draft.integer(3, 6)
    upright_cuts = draft.coin()
    slant = draft.choice((-1, 1)) * draft.uniform(12, 35) if draft.coin(0.35) else 0.0
    step = (1 + draft.uniform(0.2, 0.5)) / count  # in sides of the art, like all lengths up to `side`
    reach = draft.uniform(0.05, 0.12)
    manner = draft.choice(("straight", "zigzag", "stairs"))
    places = []
    for index in range(count):
        along = step * (index - (count - 1) / 2)
        across = {"straight": 0.0, "zigzag": (-1) ** index, "stairs": 2 * index / (count - 1) - 1}[manner] * reach
        places.append((along, across) if upright_cuts else (across, along))
    long, wide = step * (count - 1) + 1 / count, 1 + (0 if manner == "straight" else 2 * reach)
    sine, cosine = math.sin(math.radians(slant)), math.cos(math.radians(slant))
    # The corners of the art are mostly empty, so a slanted whole may reach a little over the margin.
    span = max(long * cosine + wide * abs(sine), wide * cosine + long * abs(sine)) * (0.9 if slant else 1.0)
    side = draft.uniform(1.7, 1.82) / span
    for index, (x, y) in enumerate(places):
        at = (side * (x * cosine - y * sine), side * (x * sine + y * cosine))
        add_strip(draft, index, count, side, upright_cuts, at, turn=slant)
    cuts = "slanted" if slant else "vertical" if upright_cuts else "horizontal"
    draft.facts.update(count=count, orientation=cuts)


def check_shattered(scene: Scene) -> None:
    pieces = lone_subjects(scene, 5, 12)
    own_colours(pieces)
    clipped(pieces, "fragment")
    equal_sizes(pieces)
    require(0.85 <= sum(e.clip.amount for e in pieces) <= 1.15, "the pieces do not make up the whole")
    own = bearings(clip_directions(pieces), np.zeros(2))
    gaps = np.diff(np.sort(own), append=np.sort(own)[0] + 360)
    require(spread(gaps) <= 0.6, "a piece is there twice or missing")
    centres = points(pieces)
    middle = centres.mean(axis=0)
    away = np.linalg.norm(centres - middle, axis=1)
    require(float(away.mean()) >= 0.08 * pieces[0].size, "the pieces have not flown apart")
    require(spread(away) <= 0.8, "the pieces flew unevenly")
    for e, mine, flown in zip(pieces, own, bearings(centres, middle), strict=True):
        require(abs(turn_between(float(mine) + e.turn, float(flown))) <= 45, "a piece flies the wrong way")
        require(abs(turn_between(0, e.turn)) <= 25, "a piece is turned too far")


@relation(
    "shattered",
    "{subject} bursting into pieces",
    "{subject} shattered",
    "fragments of {subject} flying out from the centre",
    "{subject} blown apart in all directions",
    "a {subject} breaking into shards that move away from one another",
    "the exploding {subject}, its fragments still in order around the middle",
    "one {subject} that bursts from within, so that jagged fragments of it drift outward on every side",
    family=FAMILY,
    check=check_shattered,
)
def draw_shattered(draft: Draft) -> None:
    count = draft.integer(6, 10)
    flight = draft.uniform(0.13, 0.24)  # in sides of the art
    side = draft.uniform(1.72, 1.86) / (1 + 1.6 * flight)
    start = draft.uniform(0, 360 / count)
    twist = draft.choice((-1, 1)) * draft.uniform(3, 11)
    swirl = draft.coin()  # all pieces turn the same way, or neighbours turn against each other
    if draft.coin(0.3):
        draft.add("glow", 0, 0, draft.uniform(1.1, 1.6), palette="sun")
    for index in range(count):  # from the top, clockwise
        angle = math.radians(start + 360 * index / count)
        east, south = math.sin(angle), -math.cos(angle)
        turn = twist if swirl or index % 2 == 0 else -twist
        clip = Clip("fragment", east, south, 1 / count)
        draft.add("subject", flight * side * east, flight * side * south, side, turn=turn, clip=clip)
    draft.facts.update(count=count)


def check_halves(halves: Sequence[Element]) -> None:
    """Broken unless the two halves complete one body along a straight seam, upright or level."""
    clipped(halves, "half")
    upright(halves)
    equal_sizes(halves)
    first, second = halves
    require(distance(first, second) <= 0.12 * first.size, "the halves do not meet")
    natural(halves)
    require(all(abs(e.clip.amount) <= 0.2 for e in halves), "the seam is not in the middle")
    ways = [math.degrees(math.atan2(v, u)) for u, v in clip_directions(halves)]
    require(abs(turn_between(ways[0] + 180, ways[1])) <= 20, "the halves do not complete each other")
    require(abs((ways[0] + 45) % 90 - 45) <= 15, "the seam is neither upright nor level")


# Orientation of the seam, directions (u, v) and names of the two sides in reading order.
SEAMS = (
    ("vertical", ((-1.0, 0.0), (1.0, 0.0)), ("left", "right")),
    ("horizontal", ((0.0, -1.0), (0.0, 1.0)), ("up", "down")),
)


def check_chimera(scene: Scene) -> None:
    only(scene)
    require(sorted(e.kind for e in scene.things) == ["other", "subject"], "not one half of each of two things")
    own_colours(scene.things)
    check_halves(scene.things)


@relation(
    "chimera",
    "half {subject}, half {other}",
    "a chimera of {subject} and {other}",
    "{subject} turning into {other} at a straight seam",
    "one body that is {subject} on one side and {other} on the other side",
    "{subject} and {other} joined in the middle into a single being",
    "a creature made of one half of {subject} and one half of {other}",
    "two halves that do not belong together: a straight seam turns {subject} into {other} halfway through the body",
    family=FAMILY,
    check=check_chimera,
)
def draw_chimera(draft: Draft) -> None:
    seam, ways, sides = draft.choice(SEAMS)
    size = draft.uniform(1.4, 1.8)
    first = draft.integer(0, 1)  # the half that is the subject
    for index, (u, v) in enumerate(ways):
        draft.add("subject" if index == first else "other", 0, 0, size, clip=Clip("half", u, v))
    draft.facts.update(orientation=seam, direction=sides[first])


def _misplaced(tiles: Sequence[Element], board: Sequence[Element]) -> NDArray[np.float64]:
    """(n,) distance of each tile from its place on the lattice that the board's tiles span."""
    seen, centres = clip_directions(board), points(board)
    offset = seen - seen.mean(axis=0)
    scale = float((offset * (centres - centres.mean(axis=0))).sum() / max((offset**2).sum(), 1e-9))
    places = centres.mean(axis=0) + scale * (clip_directions(tiles) - seen.mean(axis=0))
    return np.asarray(np.linalg.norm(points(tiles) - places, axis=1))


def check_missing_piece(scene: Scene) -> None:
    panels = scene.of("panel")
    require(len(panels) == 1, "not one board")
    tiles = lone_subjects(scene, 5, 16, "panel", "rect")
    own_colours(tiles)
    clipped(tiles, "window")
    equal_sizes(tiles, 0.35)
    seen = clip_directions(tiles)
    columns, rows = (1 + int((np.diff(np.sort(axis)) > 0.22).sum()) for axis in seen.T)
    require(min(columns, rows) >= 2 and columns * rows >= 6, "not a grid of tiles")
    apart = np.abs(seen[:, None] - seen[None]).max(axis=2) + 9 * np.eye(len(tiles))
    require(bool(apart.min() > 0.22), "a tile is there twice")
    side = float(np.mean([e.size / e.clip.amount for e in tiles]))
    require(abs(tiles[0].size * math.sqrt(columns * rows) / side - 1) <= 0.25, "the tiles do not cover the whole")
    board = list(tiles)
    if len(tiles) == columns * rows:  # the missing one may lie apart: without it, the others fit best
        without = [[*tiles[:n], *tiles[n + 1 :]] for n in range(len(tiles))]
        board = min(without, key=lambda rest: float(_misplaced(rest, rest).max()))
        loose = next(e for e in tiles if not any(e is other for other in board))
        require(float(_misplaced([loose], board)[0]) >= 0.7 * loose.size, "no piece is missing")
    require(len(board) == columns * rows - 1, "more than one piece is missing")
    require(bool(_misplaced(board, board).max() <= 0.4 * board[0].size), "a piece is out of place")
    upright(board)
    require(all(inside(e, panels[0], 0.12) for e in board), "a piece is off the board")


@relation(
    "missing_piece",
    "a puzzle of {subject} with one piece missing",
    "{subject}, one piece missing",
    "an incomplete puzzle that shows {subject}",
    "a picture of {subject} put together from tiles, all but one of them in place",
    "a single gap in a tiled image of {subject}",
    "{subject} laid out in pieces with one hole left open",
    "the almost finished puzzle of {subject}: every piece but one has found its place on the board",
    family=FAMILY,
    check=check_missing_piece,
)
def draw_missing_piece(draft: Draft) -> None:
    rows, columns = draft.choice(((2, 3), (3, 2), (3, 3), (3, 3), (3, 4), (4, 3), (4, 4)))
    hole = draft.integer(0, rows * columns - 1)
    lies_apart = rows * columns >= 9 and draft.coin(0.6)
    side = draft.uniform(1.24, 1.32) if lies_apart else draft.uniform(1.45, 1.6)
    gap, rim = draft.uniform(0.02, 0.035), draft.uniform(0.05, 0.08)
    width, height = side / columns, side / rows
    size = (side + gap * (columns - 1) + 2 * rim, side + gap * (rows - 1) + 2 * rim)
    # The board moves into one corner to make room for the piece in the opposite one.
    east, south = draft.choice((-1, 1)), draft.choice((-1, 1))
    board_x, board_y = (east * (size[0] / 2 - 0.92), south * (size[1] / 2 - 0.92)) if lies_apart else (0.0, 0.0)
    tint = draft.choice(("soft", "soft", "ice"))
    turn = draft.choice((-1, 1)) * draft.uniform(12, 35)
    reach = (width + height) / 2 * math.cos(math.radians(turn)) * 0.55 + 0.08
    draft.box("panel", board_x, board_y, *size)
    tiles = []
    for index in range(rows * columns):
        row, column = divmod(index, columns)
        x = board_x + (column - (columns - 1) / 2) * (width + gap)
        y = board_y + (row - (rows - 1) / 2) * (height + gap)
        u, v = -1 + (2 * column + 1) / columns, -1 + (2 * row + 1) / rows
        if index == hole:
            draft.box("rect", x, y, width, height, palette="dark", opacity=0.25)
            x, y = east * (0.92 - reach), south * (0.92 - reach)
        if index != hole or lies_apart:
            slant = turn if index == hole else 0.0
            tiles.append(box("subject", x, y, width, height, turn=slant, clip=Clip("window", u, v)))
    tiles.sort(key=lambda e: e.turn != 0)  # the loose piece lies on top of everything
    for e in tiles:
        draft.box("rect", e.x, e.y, e.width, e.height, turn=e.turn, palette=tint)
    for e in tiles:
        draft.elements.append(replace(e, clip=replace(e.clip, amount=e.size / side)))
    draft.facts.update(rows=rows, columns=columns, piece="apart" if lies_apart else "gone")


def check_layers(scene: Scene) -> None:
    *layers, crust = lone_subjects(scene, 3, 6)
    own_colours([crust])
    require(crust.clip.kind == "wedge" and 0.1 <= crust.clip.amount <= 0.4, "no wedge is cut out of the thing")
    for outer, inner in pairwise([crust, *layers]):
        plain = inner.silhouette >= 0.75 and inner.pattern == "none" and inner.clip.kind == "none"
        require(plain and inner.opacity >= 0.85, "a layer is not one flat colour")
        require(distance(inner, crust) <= 0.12 * crust.size, "the layers are not concentric")
        require(abs(turn_between(crust.turn, inner.turn)) <= 12, "a layer is turned")
        require(inner.size <= (1.08 if outer is crust else 0.9) * outer.size, "the layers do not shrink")
        require(outer is crust or inner.palette != outer.palette, "neighbouring layers have one colour")
    require(layers[-1].size <= 0.7 * crust.size, "there is no core")


@relation(
    "layers",
    "the inner layers of {subject} revealed by a cut",
    "{subject}, cut open",
    "a wedge taken out of {subject} lays its layers bare",
    "a cutaway view into {subject}, layer within layer down to the core",
    "the inside of {subject}: crust, mantle and core",
    "{subject} with a section removed to show the concentric shells beneath its surface",
    "one piece is cut out of {subject} like a slice of cake, and coloured layers appear one inside the other",
    family=FAMILY,
    check=check_layers,
)
def draw_layers(draft: Draft) -> None:
    count = draft.integer(2, 4)
    size = draft.uniform(1.55, 1.85)
    turn = draft.uniform(-15, 15) if draft.coin(0.3) else 0.0
    colours = draft.rng.permutation(["primary", "secondary", "accent", "soft", "dark", "sun", "red", "wood"])
    core = draft.uniform(0.26, 0.38)
    for index in range(count):
        share = 0.96 + (core - 0.96) * index / (count - 1)
        draft.add("subject", 0, 0, size * share, turn=turn, silhouette=1.0, palette=str(colours[index]))
    wind = draft.integer(0, 7)
    angle = math.radians(45 * wind)
    clip = Clip("wedge", math.sin(angle), -math.cos(angle), draft.uniform(0.18, 0.3))
    draft.add("subject", 0, 0, size, turn=turn, clip=clip)
    draft.facts.update(count=count, direction=WINDS[wind])
