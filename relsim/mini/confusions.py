"""Which relations an encoder takes for one another, and how often pairs of its next pictures should show them.

Pairs that differ in nothing but two relations teach most where the encoder errs: hard negatives, chosen by what it
says itself of pictures that it has not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from analogen.relsim.mini.augmentation import reference_of
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.world.dataset import Selection, draw_sample
from analogen.relsim.world.relations import Relation

FLOOR = 0.02  # what a relation that is never misread counts beside the share of errors of the others
STRANGER = 0.004  # what two relations that are never confused count beside the share of confusions of the others


class PairOdds(NamedTuple):
    """first: (n,), how likely each relation is a pair's first; second: (n, n), row i how likely each is i's partner."""

    first: NDArray[np.float64]
    second: NDArray[np.float64]


def count_confusions(
    encoder: MiniEncoder, selection: Selection, relations: Sequence[Relation], each: int, seed: int
) -> NDArray[np.int64]:
    """(n, n): of `each` hard references of relation i, how many are read as relation j. Other readings do not count."""
    place = {relation.id: i for i, relation in enumerate(relations)}
    counts = np.zeros((len(relations), len(relations)), np.int64)
    for i, relation in enumerate(relations):
        rng = np.random.default_rng([seed, 70, i])
        scenes = [draw_sample(relation, selection, rng).scene for _ in range(each)]
        found = encoder.embed([Image.fromarray(reference_of(scene, relation.id, rng)) for scene in scenes])
        for vector in found:
            read = encoder.nearest_captions(vector)[0].relation
            if read in place:
                counts[i, place[read]] += 1
    return counts


def pair_odds(confusions: NDArray[np.int64]) -> PairOdds:
    """Odds in proportion to errors as `count_confusions` counts them; none is left out, none is its own partner.

    Raises ValueError for less than two relations.
    """
    if len(confusions) < 2:
        raise ValueError(f"{len(confusions)} relations came: pairs need two")
    each = np.maximum(confusions.sum(axis=1), 1)
    wrong = confusions * (1 - np.eye(len(confusions)))
    mutual = (wrong + wrong.T) / each.mean()
    first = wrong.sum(axis=1) / each + mutual.sum(axis=1) / 2 + FLOOR
    second = (mutual + STRANGER) * (1 - np.eye(len(confusions)))
    return PairOdds(first / first.sum(), second / second.sum(axis=1, keepdims=True))
