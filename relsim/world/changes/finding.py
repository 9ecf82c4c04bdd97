"""Finds what changed between two scenes: matches their things, and tells what each became."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.world.changes.change import (
    Box,
    Change,
    Move,
    ThingChange,
    frame_of,
    in_frame,
    middle_and_extent,
    progress_of,
)
from analogen.relsim.world.changes.simplest import simplest
from analogen.relsim.world.measure import turn_between
from analogen.relsim.world.scene import Element, Scene

# Smaller differences are none: log of sizes, degrees of turn and hue, factors, levels.
SIZE, TURN, HUE, FACTOR, LEVEL = 0.14, 14.0, 25.0, 0.15, 0.35
MOVED = 0.12  # of the whole's extent: places nearer than this are the same after the whole is moved and scaled
SAME_SIZE = 1.0  # weight of a log of sizes, against distances, in matching
OTHER_KIND = 0.6  # cost of another kind in matching


def change_between(before: Scene, after: Scene, arrangement_before: str = "", arrangement_after: str = "") -> Change:
    """The change from one scene to another, whose things are in the order of their rule.

    arrangement_before, arrangement_after: atoms of the grammar that were found in them, "" where none was.
    """
    old, new = before.things, after.things
    added, removed = _changed_props(before, after)
    if len(old) == 1 and len(new) > 1:
        whole = _change_of(old[0], dataclasses.replace(new[0], size=old[0].size))
        return Change((whole,), (0.0,), copies=_relative_boxes(old[0], new), kept=(True,), added=added, removed=removed)
    pairs = _matched(old, new)
    move, apart = _best_move(old, new, pairs)
    rearranged = apart > MOVED and len(pairs) > 1
    named = arrangement_after if arrangement_after and arrangement_after != arrangement_before else ""
    if rearranged:  # places say nothing about which thing became which
        pairs = _matched_in_order(old, new)
    kept = tuple(i in {a for a, _ in pairs} for i in range(len(old)))
    scale = 1.0 if rearranged else max(math.sqrt(abs(float(np.linalg.det(move.matrix)))), 0.05)
    along = progress_of(old, arrangement_before) if not rearranged else progress_of(new, arrangement_after)
    progress = [along[b if rearranged else a] for a, b in sorted(pairs)]
    things = _changes_of([(old[a], new[b]) for a, b in sorted(pairs)], scale, progress)
    if rearranged and named:  # sizes, turns and sides are the arrangement's own
        things = [one._replace(size=0.0, turn=0.0, flipped=False) for one in things]
    places = None
    if rearranged and not named:
        places = np.array([(e.x, e.y, e.size) for e in new])
    return Change(
        tuple(things),
        tuple(progress),
        moved=None if rearranged or _is_still(move) else move,
        arrangement=named if rearranged else "",
        places=places,
        kept=kept,
        more=max(0, len(new) - len(old)),
        added=added,
        removed=removed,
    )


def _changes_of(pairs: Sequence[tuple[Element, Element]], scale: float, progress: Sequence[float]) -> list[ThingChange]:
    """scale: of the whole, which is no change of the things. progress: of each pair along the arrangement."""
    sizes = np.log([new.size / old.size / scale for old, new in pairs]) if pairs else np.zeros(0)
    # What most things share is too little to be meant, and makes room for what one of them became.
    shared = float(np.median(sizes)) if len(sizes) else 0.0
    if abs(shared) < SIZE:
        scale *= math.exp(shared)
    return simplest([_change_of(old, new, scale) for old, new in pairs], progress)


def _change_of(old: Element, new: Element, scale: float = 1.0) -> ThingChange:
    size = math.log(new.size / old.size / scale)
    turn = turn_between(old.turn, new.turn)
    factors = {
        name: getattr(new, name) / max(getattr(old, name), 0.05) for name in ("opacity", "saturation", "brightness")
    }
    levels = {name: getattr(new, name) - getattr(old, name) for name in ("silhouette", "sketch", "pixel")}
    hue = turn_between(old.hue, new.hue)
    return ThingChange(
        size=size if abs(size) > SIZE else 0.0,
        turn=turn if abs(turn) > TURN else 0.0,
        flipped=old.mirror != new.mirror,
        hue=hue if abs(hue) > HUE else 0.0,
        clip=new.clip if new.clip.kind != old.clip.kind else None,
        kind=new.kind if new.kind != old.kind else "",
        **{name: value if abs(value - 1) > FACTOR else 1.0 for name, value in factors.items()},
        **{name: value if abs(value) > LEVEL else 0.0 for name, value in levels.items()},
    )


def _matched(old: Sequence[Element], new: Sequence[Element]) -> list[tuple[int, int]]:
    """Pairs (number in old, number in new), the nearest first: where they are, or after both are brought to one middle
    and extent, whichever fits better."""
    if not old or not new:
        return []
    (m1, e1), (m2, e2) = middle_and_extent(old), middle_and_extent(new)
    a = (np.array([(e.x, e.y) for e in old]) - m1) / e1
    spots = np.array([(e.x, e.y) for e in new])
    sizes = [np.log([e.size for e in each]) for each in (old, new)]
    relative = [s - s.mean() for s in sizes]
    unlike = 0.1 * SAME_SIZE * np.abs(relative[0][:, None] - relative[1][None])
    unlike += OTHER_KIND * 0.25 * np.array([[x.kind != y.kind for y in new] for x in old])
    found = []
    for b in ((spots - m1) / e1, (spots - m2) / e2):
        cost = np.hypot(*(a[:, None] - b[None]).transpose(2, 0, 1)) + unlike
        pairs = nearest_first(cost)
        found.append((sum(float(cost[pair]) for pair in pairs), pairs))
    return min(found, key=lambda each: each[0])[1]


def nearest_first(cost: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pairs (row, column) of the smallest costs, each row and column once."""
    pairs, left = [], cost.copy()
    for _ in range(min(cost.shape)):
        i, j = np.unravel_index(int(left.argmin()), left.shape)
        pairs.append((int(i), int(j)))
        left[i], left[:, j] = np.inf, np.inf
    return pairs


def _matched_in_order(old: Sequence[Element], new: Sequence[Element]) -> list[tuple[int, int]]:
    """Pairs by their places in the order, those of one kind first."""
    ranks = [np.linspace(0, 1, len(each)) if len(each) > 1 else np.zeros(1) for each in (old, new)]
    cost = np.abs(ranks[0][:, None] - ranks[1][None])
    cost += np.array([[2.0 * (x.kind != y.kind) for y in new] for x in old])
    return nearest_first(cost)


def _best_move(old: Sequence[Element], new: Sequence[Element], pairs: Sequence[tuple[int, int]]) -> tuple[Move, float]:
    """The move of the whole that takes the old places nearest to the new ones, and the largest distance that is left,
    as a share of the extent. Source: Umeyama, 1991, without reflections."""
    if not pairs:
        return Move(np.eye(2), np.zeros(2)), 0.0
    a = np.array([(old[i].x, old[i].y) for i, _ in pairs])
    b = np.array([(new[j].x, new[j].y) for _, j in pairs])
    middle, _ = middle_and_extent(old)
    ca, cb = a - a.mean(0), b - b.mean(0)
    spread_a = float((ca**2).sum())
    if len(pairs) < 2 or spread_a < 1e-9:
        size = np.exp(np.mean([math.log(new[j].size / old[i].size) for i, j in pairs])) if len(pairs) == 1 else 1.0
        matrix = np.eye(2) * (1.0 if len(pairs) == 1 else size)
    else:
        u, s, vt = np.linalg.svd(cb.T @ ca)
        sign = np.array([1.0, np.sign(np.linalg.det(u @ vt)) or 1.0])
        matrix = (u * sign) @ vt * float((s * sign).sum()) / spread_a
    shift = b.mean(0) - middle - matrix @ (a.mean(0) - middle)
    left = np.hypot(*((a - middle) @ matrix.T + middle + shift - b).T)
    return Move(matrix, shift), float(left.max()) / max(middle_and_extent(new)[1], 1e-6)


def _is_still(move: Move) -> bool:
    scale = math.sqrt(abs(float(np.linalg.det(move.matrix))))
    turn = abs(math.degrees(math.atan2(move.matrix[1, 0], move.matrix[0, 0])))
    return abs(math.log(max(scale, 1e-6))) < SIZE and turn < TURN and float(np.hypot(*move.shift)) < MOVED


def _changed_props(before: Scene, after: Scene) -> tuple[tuple[tuple[Element, bool], ...], tuple[str, ...]]:
    """Props of the second scene that the first lacks, in units of the things' extent, and kinds that went."""
    kinds = [{e.kind for e in scene.elements if not e.is_thing} for scene in (before, after)]
    if not after.things:
        return (), tuple(sorted(kinds[0] - kinds[1]))
    frame = frame_of(after.things)
    last_thing = max(i for i, e in enumerate(after.elements) if e.is_thing)
    first_thing = min(i for i, e in enumerate(after.elements) if e.is_thing)
    added = []
    for number, e in enumerate(after.elements):
        if not e.is_thing and e.kind not in kinds[0]:
            in_front = number > last_thing or (number > first_thing and e.kind not in ("ground", "pedestal"))
            added.append((in_frame(e, frame, Box(0, 0, 1, 1)), in_front))
    return tuple(added), tuple(sorted(kinds[0] - kinds[1]))


def _relative_boxes(one: Element, many: Sequence[Element]) -> NDArray[np.float64]:
    """(n, 3): where the copies stand and how large they are, in units of the whole that they make."""
    middle, extent = middle_and_extent(many)
    return np.array([((e.x - middle[0]) / extent, (e.y - middle[1]) / extent, e.size / extent) for e in many])
