"""Scores detections against the true things: precision, recall and F1, matched by place and size.

`match` pairs the things of one picture, `score_detections` sums over pictures. No network is needed: whatever reads a
picture gives its things as (x, y, size).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

Thing = tuple[float, float, float]  # x, y of the centre and the longer side, all in shares of the picture's side

REACH = 0.35  # of the true size: how far off a centre may be
FACTOR = 2.0  # by which a size may be off either way


class Detections(NamedTuple):
    """Shares in [0, 1]. count_exact: of pictures with as many found as there are; count_near: within one."""

    precision: float
    recall: float
    f1: float
    count_exact: float
    count_near: float


def fits(found: Thing, true: Thing, reach: float = REACH, factor: float = FACTOR) -> bool:
    """Whether the found thing is the true one: near enough and of about the same size."""
    if found[2] <= 0 or true[2] <= 0:
        return False
    off = math.hypot(found[0] - true[0], found[1] - true[1])
    return off <= reach * true[2] and 1 / factor <= found[2] / true[2] <= factor


def match(
    found: Sequence[Thing], true: Sequence[Thing], scores: Sequence[float] | None = None,
    reach: float = REACH, factor: float = FACTOR,
) -> list[tuple[int, int]]:  # fmt: skip
    """Pairs (index of a found thing, index of a true thing), each used once.

    The surest found thing chooses first, and takes the nearest free true thing that fits, distance in shares of that
    thing's size. scores: of the found things; without them they choose in their order. Raises ValueError if the
    numbers of things and scores differ.
    """
    if scores is not None and len(scores) != len(found):
        raise ValueError(f"{len(found)} found things and {len(scores)} scores: one for each is expected")
    order = range(len(found)) if scores is None else sorted(range(len(found)), key=lambda i: -scores[i])
    free, pairs = set(range(len(true))), []
    for index in order:
        x, y, _ = found[index]
        able = [j for j in free if fits(found[index], true[j], reach, factor)]
        if able:
            chosen = min(able, key=lambda j: (math.hypot(x - true[j][0], y - true[j][1]) / true[j][2], j))
            free.remove(chosen)
            pairs.append((index, chosen))
    return pairs


def score_detections(
    found: Sequence[Sequence[Thing]], true: Sequence[Sequence[Thing]], scores: Sequence[Sequence[float]] | None = None
) -> Detections:
    """Precision and recall over all things of all pictures, and how many pictures are counted right.

    Example:
        >>> score_detections([[(0.5, 0.5, 0.2)]], [[(0.5, 0.52, 0.25), (0.1, 0.1, 0.1)]])
        Detections(precision=1.0, recall=0.5, f1=0.6666666666666666, count_exact=0.0, count_near=1.0)

    Raises ValueError for no pictures, or different numbers of them.
    """
    if not found or len(found) != len(true) or (scores is not None and len(scores) != len(found)):
        raise ValueError(f"found things of {len(found)} pictures, true ones of {len(true)}: expected as many, and some")
    right = sum(
        len(match(own, there, None if scores is None else scores[i]))
        for i, (own, there) in enumerate(zip(found, true, strict=True))
    )
    precision = _share(right, sum(map(len, found)))
    recall = _share(right, sum(map(len, true)))
    off = [abs(len(own) - len(there)) for own, there in zip(found, true, strict=True)]
    return Detections(
        precision,
        recall,
        2 * precision * recall / (precision + recall) if right else float(precision == recall == 1.0),
        sum(gap == 0 for gap in off) / len(off),
        sum(gap <= 1 for gap in off) / len(off),
    )


def _share(part: int, whole: int) -> float:
    """1 where there is nothing to find, or nothing was found."""
    return part / whole if whole else 1.0
