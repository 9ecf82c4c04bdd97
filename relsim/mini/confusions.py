"""Counts which relations an encoder confuses, so that the next training sees these pairs more often.

A pair of pictures that differ only in two relations teaches most where the encoder errs: these are hard negatives,
chosen by the encoder's own errors on pictures that it has not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from analogen.relsim.mini.augmentation import render_reference
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.world.dataset import Selection, draw_sample
from analogen.relsim.world.relations import Relation

MIN_RELATION_WEIGHT = (
    0.02  # added to every relation's share of errors, so that a relation that is never misread is drawn too
)
MIN_PAIR_WEIGHT = (
    0.004  # added to every pair's share of confusions, so that pairs that are never confused are drawn too
)


class PairOdds(NamedTuple):
    """Probabilities of pairs. first: (n,), of each relation as the first; second: (n, n), row i of partners of i."""

    first: NDArray[np.float64]
    second: NDArray[np.float64]


def count_confusions(
    encoder: MiniEncoder, selection: Selection, relations: Sequence[Relation], each: int, seed: int
) -> NDArray[np.int64]:
    """(n, n): how many of `each` hard references of relation i are read as relation j. Other readings do not count."""
    place = {relation.id: i for i, relation in enumerate(relations)}
    counts = np.zeros((len(relations), len(relations)), np.int64)
    for i, relation in enumerate(relations):
        rng = np.random.default_rng([seed, 70, i])
        scenes = [draw_sample(relation, selection, rng).scene for _ in range(each)]
        found = encoder.embed([Image.fromarray(render_reference(scene, relation.id, rng)) for scene in scenes])
        for vector in found:
            read = encoder.nearest_captions(vector)[0].relation
            if read in place:
                counts[i, place[read]] += 1
    return counts


def pair_odds(confusions: NDArray[np.int64]) -> PairOdds:
    """Probabilities of pairs in proportion to the errors of `count_confusions`. Every pair of relations is possible.

    Raises ValueError for fewer than two relations.
    """
    if len(confusions) < 2:
        raise ValueError(f"{len(confusions)} relations given: pairs need two")
    each = np.maximum(confusions.sum(axis=1), 1)
    wrong = confusions * (1 - np.eye(len(confusions)))
    mutual = (wrong + wrong.T) / each.mean()
    first = wrong.sum(axis=1) / each + mutual.sum(axis=1) / 2 + MIN_RELATION_WEIGHT
    second = (mutual + MIN_PAIR_WEIGHT) * (1 - np.eye(len(confusions)))
    return PairOdds(first / first.sum(), second / second.sum(axis=1, keepdims=True))
