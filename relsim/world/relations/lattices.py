"""Relations that place many copies in rows and columns, or stack them."""

from __future__ import annotations

import itertools
import math

import numpy as np

from analogen.relsim.world.measure import (
    alike,
    lone_subjects,
    only,
    others,
    points,
    require,
    subjects,
    turn_between,
    upright,
)
from analogen.relsim.world.relations.base import Draft, relation
from analogen.relsim.world.relations.composition import REACH
from analogen.relsim.world.relations.rings import FAMILY
from analogen.relsim.world.scene import Element, Scene


def lattice_of(elements: list[Element]) -> list[list[Element]]:
    """Rows from top to bottom, each from left to right, of a complete rectangular lattice.

    Broken unless the elements fill one with at least two rows and columns, in nearly square cells and in the
    rhythm of their size. Every factorisation of the count is tried, so noise never splits a row.
    """
    size = float(np.median([e.size for e in elements]))
    for rows in range(2, len(elements) // 2 + 1):
        if len(elements) % rows:
            continue
        columns = len(elements) // rows
        by_height = sorted(elements, key=lambda e: e.y)
        cells = [sorted(by_height[i : i + columns], key=lambda e: e.x) for i in range(0, len(elements), columns)]
        x = np.array([[e.x for e in row] for row in cells])
        y = np.array([[e.y for e in row] for row in cells])
        across = np.polyfit(np.arange(columns), x.mean(axis=0), 1)
        down = np.polyfit(np.arange(rows), y.mean(axis=1), 1)
        pitches = sorted((float(across[0]), float(down[0])))
        if pitches[0] < 0.75 * size or pitches[1] > 2.6 * size or pitches[1] > 1.7 * pitches[0]:
            continue
        off_x = np.abs(x - np.polyval(across, np.arange(columns))[None, :]) / pitches[0]
        off_y = np.abs(y - np.polyval(down, np.arange(rows))[:, None]) / pitches[0]
        if max(off_x.max(), off_y.max()) <= 0.42 and max(off_x.mean(), off_y.mean()) <= 0.15:
            return cells
    require(False, "no complete rows and columns")
    raise AssertionError("unreachable")


def same_turn(elements: list[Element], tolerance: float = 15) -> None:
    require(all(abs(turn_between(elements[0].turn, e.turn)) <= tolerance for e in elements), "turned differently")
    require(len({e.mirror for e in elements}) == 1, "some are mirrored")


def lattice_places(draft: Draft, rows: int, columns: int) -> tuple[list[list[tuple[float, float]]], float, float]:
    """Centres of the cells row by row, the pitch and a size that leaves an even gap; the whole fills the frame."""
    share = draft.uniform(0.74, 0.94)  # of the cell
    pitch = 2 * REACH / (max(rows, columns) - 1 + share)
    across = down = pitch
    if rows != columns:  # loosen the short direction a little towards a square picture
        loose = min(1.22, max(rows, columns) / min(rows, columns))
        across, down = (pitch * loose, pitch) if columns < rows else (pitch, pitch * loose)
    places = [
        [((c - (columns - 1) / 2) * across, (r - (rows - 1) / 2) * down) for c in range(columns)] for r in range(rows)
    ]
    return places, pitch, share * pitch


def check_grid(scene: Scene) -> None:
    copies = lone_subjects(scene, 6, 42)
    alike(copies)
    same_turn(copies)
    lattice_of(copies)


@relation(
    "grid",
    "rows and columns of identical {subject}",
    "a grid of {subject}",
    "{subject} repeated in a regular pattern like wallpaper",
    "identical {subject} lined up in rank and file",
    "the same {subject} again and again, evenly spaced in both directions",
    "an orderly array of {subject}, each exactly like the next",
    "many copies of one {subject} fill the picture in straight rows and columns without a gap or an exception",
    family=FAMILY,
    check=check_grid,
)
def draw_grid(draft: Draft) -> None:
    shapes = [
        (r, c) for r, c in itertools.product(range(2, 6), range(2, 7)) if r * c >= 6 and max(r, c) <= 2 * min(r, c)
    ]
    rows, columns = draft.choice(shapes)
    places, _, size = lattice_places(draft, rows, columns)
    turn = draft.choice((0.0, 0.0, 0.0, -20.0, 20.0))
    for x, y in itertools.chain.from_iterable(places):
        draft.add("subject", x, y, size, turn=turn)
    draft.facts.update(rows=rows, columns=columns, count=rows * columns)


def check_odd_one_out(scene: Scene) -> None:
    only(scene)
    odd, copies = others(scene, 1, 1), subjects(scene, 7, 41)
    alike(copies)
    same_turn(copies)
    alike([*copies, *odd], 0.3)
    lattice_of([*copies, *odd])


@relation(
    "odd_one_out",
    "one {other} standing out among identical {subject}",
    "spot the one {other} among the {subject}",
    "a single {other} in a crowd of {subject}",
    "one {other} among many {subject}",
    "{other} hidden in the ranks of many {subject}",
    "rows of {subject} with {other} in the place of one of them",
    "in a regular array of identical {subject} exactly one place is taken by {other}, which catches the eye",
    family=FAMILY,
    check=check_odd_one_out,
)
def draw_odd_one_out(draft: Draft) -> None:
    rows, columns = draft.integer(3, 5), draft.integer(3, 6)
    places, _, size = lattice_places(draft, rows, columns)
    row, column = draft.integer(0, rows - 1), draft.integer(0, columns - 1)
    for r, c in itertools.product(range(rows), range(columns)):
        draft.add("other" if (r, c) == (row, column) else "subject", *places[r][c], size)
    draft.facts.update(rows=rows, columns=columns, odd_row=row + 1, odd_column=column + 1)


def check_checkerboard(scene: Scene) -> None:
    only(scene, "rect")
    things = [*subjects(scene, 4, 32), *others(scene, 4, 32)]
    alike(things, 0.25)
    upright(things)
    cells = lattice_of(things)
    require(min(len(cells), len(cells[0])) >= 3, "too few rows or columns")
    for r, c in itertools.product(range(len(cells)), range(len(cells[0]))):
        require((cells[r][c].kind == cells[0][0].kind) == ((r + c) % 2 == 0), "they do not alternate strictly")
    squares = points(scene.of("rect"))
    if len(squares):
        kinds = []
        for square in squares:
            gaps = np.linalg.norm(points(things) - square, axis=1)
            require(float(gaps.min()) <= 0.45 * things[0].size, "a square lies beside the cells")
            kinds.append(things[int(gaps.argmin())].kind)
        require(len(set(kinds)) == 1, "squares under both kinds")
        require(len(kinds) == len(scene.of(kinds[0])), "a square is missing")


@relation(
    "checkerboard",
    "{subject} and {other} alternating like a chessboard",
    "a chessboard of {subject} and {other}",
    "{subject} next to {other} next to {subject}, in every row and column",
    "two things, {subject} and {other}, taking turns in a regular board",
    "no {subject} beside another {subject}, always {other} in between",
    "a board on which {subject} and {other} share the squares",
    "{subject} and {other} fill the cells of a board so that neighbours across and down are always different",
    family=FAMILY,
    check=check_checkerboard,
)
def draw_checkerboard(draft: Draft) -> None:
    rows, columns = draft.choice(((3, 3), (3, 4), (4, 3), (4, 4), (4, 5), (5, 4), (5, 5)))
    first = draft.choice(("subject", "other"))
    second = "other" if first == "subject" else "subject"
    board = draft.coin()
    if board:  # tiles touch, so cells are square and things leave a margin
        pitch = 2 * REACH / max(rows, columns)
        size = pitch * draft.uniform(0.74, 0.84)
        places = [
            [((c - (columns - 1) / 2) * pitch, (r - (rows - 1) / 2) * pitch) for c in range(columns)]
            for r in range(rows)
        ]
        colour = draft.choice(("soft", "soft", "primary", "secondary"))
        parity = draft.integer(0, 1)
        for r, c in itertools.product(range(rows), range(columns)):
            if (r + c) % 2 == parity:
                draft.add("rect", *places[r][c], pitch, palette=colour)
    else:
        places, _, size = lattice_places(draft, rows, columns)
    for r, c in itertools.product(range(rows), range(columns)):
        draft.add(first if (r + c) % 2 == 0 else second, *places[r][c], size)
    draft.facts.update(rows=rows, columns=columns, board=board)


def check_pyramid(scene: Scene) -> None:
    copies = lone_subjects(scene, 6, 21)
    alike(copies)
    upright(copies)
    size = float(np.median([e.size for e in copies]))
    tiers = (math.isqrt(8 * len(copies) + 1) - 1) // 2
    require(tiers * (tiers + 1) // 2 == len(copies), "not a whole pyramid")
    by_height = sorted(copies, key=lambda e: e.y)
    levels = []
    for tier in range(tiers):
        start = tier * (tier + 1) // 2
        row = sorted(by_height[start : start + tier + 1], key=lambda e: e.x)
        x = np.array([e.x for e in row])
        y = np.array([e.y for e in row])
        levels.append(float(y.mean()))
        require(float(np.abs(y - y.mean()).max()) <= 0.35 * size, "a row is not level")
        slots = x - (np.arange(tier + 1) - tier / 2) * size
        require(float(np.abs(slots - slots.mean()).max()) <= 0.4 * size, "a row is not tightly packed")
        require(abs(float(slots.mean()) - float(np.mean([e.x for e in copies]))) <= 0.3 * size, "a row is off centre")
    steps = np.diff(levels) / size
    require(bool(np.all((steps >= 0.6) & (steps <= 1.2))), "rows do not rest on each other")


@relation(
    "pyramid",
    "{subject} stacked into a pyramid",
    "a pyramid of {subject}",
    "{subject} piled up in ever shorter rows",
    "rows of {subject}, one fewer on each level",
    "a triangular stack of {subject} with a single one at the top",
    "{subject} standing on the shoulders of {subject} like acrobats",
    "{subject} are stacked on top of each other, many in the bottom row and one fewer in each row up to the peak",
    family=FAMILY,
    check=check_pyramid,
)
def draw_pyramid(draft: Draft) -> None:
    rows = draft.integer(3, 5)
    packing, rise = draft.uniform(0.94, 1.06), draft.uniform(0.8, 0.96)
    size = min(2 * REACH / ((rows - 1) * packing + 1), 0.56)
    tall = size * (1 + (rows - 1) * rise)
    top = -tall / 2 + size / 2
    floor = tall / 2
    draft.box("shadow", 0, floor, size * (rows * packing + 0.1), 0.2 * size)
    for row in range(rows):
        for column in range(row + 1):
            x = (column - row / 2) * size * packing
            draft.add("subject", x, top + row * size * rise, size, standing=True)
    draft.facts.update(rows=rows, count=rows * (rows + 1) // 2)


def check_tower(scene: Scene) -> None:
    copies = sorted(lone_subjects(scene, 4, 8), key=lambda e: e.y)
    alike(copies)
    upright(copies)
    x = np.array([e.x for e in copies])
    size = float(np.median([e.size for e in copies]))
    require(float(np.abs(x - np.median(x)).max()) <= 0.45 * size, "not one above the other")
    steps = np.diff([e.y for e in copies]) / size
    require(bool(np.all((steps >= 0.45) & (steps <= 1.25))), "they do not touch")
    require(float(steps.max() - steps.min()) <= 0.6, "steps are uneven")


@relation(
    "tower",
    "{subject} piled into a tall tower",
    "a tower of {subject}",
    "{subject} stacked one on top of the other",
    "a single high column of {subject}",
    "{subject} balancing on {subject} balancing on {subject}",
    "a tall stack of identical {subject} reaching from bottom to top",
    "one {subject} stands on the next, and that on another, until the pile reaches the top of the picture",
    family=FAMILY,
    check=check_tower,
)
def draw_tower(draft: Draft) -> None:
    count = draft.integer(4, 7)
    rise = draft.uniform(0.78, 0.92)
    size = 1.84 / (1 + (count - 1) * rise)
    alternate = draft.coin(0.3)
    draft.box("shadow", 0, 0.92, 1.25 * size, 0.2 * size)
    for level in range(count):  # from the ground up, as it was piled: each rests on the head of the one below
        y = 0.92 - size / 2 - level * size * rise
        draft.add("subject", 0, y, size, standing=True, mirror=alternate and level % 2 == 1)
    draft.facts.update(count=count)


def check_mosaic_portrait(scene: Scene) -> None:
    only(scene)
    portrait, tiles = subjects(scene, 1, 1)[0], others(scene, 20, 62)
    require(scene.elements.index(portrait) < min(map(scene.elements.index, tiles)), "the tiles are not in front")
    require(portrait.opacity >= 0.5 and portrait.clip.kind == "none", "the large one is not whole")
    require(portrait.silhouette >= 0.6, "the large one is more than an outline filled by the small ones")
    alike(tiles, 0.25)
    same_turn(tiles)
    require(portrait.size >= 1.2, "the large one does not fill the picture")
    require(tiles[0].size <= 0.2 * portrait.size, "the small ones are not small")
    offsets = (points(tiles) - points([portrait])) / (portrait.size / 2)
    require(float(np.abs(offsets).max()) <= 0.92, "some lie beside the large one")
    require(float(np.ptp(offsets, axis=0).min()) >= 0.85, "they fill only a part")
    require(float(np.abs(offsets.mean(axis=0)).max()) <= 0.15, "they fill one side")
    gaps = np.linalg.norm(offsets[:, None] - offsets[None], axis=2) + 9 * np.eye(len(tiles))
    closest = gaps.min(axis=1) * portrait.size / 2 / tiles[0].size
    require(0.6 <= float(np.median(closest)) <= 1.5 and float(closest.max()) <= 2.0, "they do not tile evenly")
    # Tiles that fill an area are as many as it has room for; along an outline they would be fewer.
    cell = float(np.median(gaps.min(axis=1)))
    room = math.pi / 4 * float(np.prod(np.ptp(offsets, axis=0) + cell)) / cell**2
    require(len(tiles) >= 0.55 * room, "holes between them")


@relation(
    "mosaic_portrait",
    "a large {subject} made up of many small {other}",
    "{subject} as a mosaic of {other}",
    "the shape of {subject}, filled with {other}",
    "a picture of {subject} put together from dozens of {other}",
    "many small {other} that together show one big {subject}",
    "from afar {subject}, from nearby nothing but {other}",
    "little {other} in regular rows fill the large outline of {subject}, like the stones of a mosaic",
    family=FAMILY,
    check=check_mosaic_portrait,
    held_out=True,
)
def draw_mosaic_portrait(draft: Draft) -> None:
    # Few things fill the corners of their box, so an ellipse of tiles stays on most silhouettes.
    reach_x, reach_y = draft.uniform(0.6, 0.68), draft.uniform(0.6, 0.68)
    pitch = draft.uniform(0.168, 0.22)
    staggered = draft.coin()
    rise = pitch * (math.sqrt(3) / 2 if staggered else 1.0)
    rows = round(2 * reach_y / rise)
    places = []
    for row in range(rows):
        y = (row - (rows - 1) / 2) * rise
        widest = reach_x * math.sqrt(max(0.0, 1 - (y / (reach_y + rise / 4)) ** 2))
        # Staggered rows alternate between odd and even numbers of tiles.
        columns = 2 * round(widest / pitch) if staggered and row % 2 else 2 * round(widest / pitch - 0.5) + 1
        places += [((c - (columns - 1) / 2) * pitch, y) for c in range(columns)]
    colour = draft.choice(("primary", "secondary", "ink", "accent"))
    draft.add("subject", 0, 0, 1.84, silhouette=1.0, palette=colour)
    size = min(pitch, rise) * draft.uniform(0.84, 0.96)
    for x, y in places:
        draft.add("other", x, y, size)
    draft.facts.update(count=len(places), staggered=staggered)
