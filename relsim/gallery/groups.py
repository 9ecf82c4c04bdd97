"""Finds groups of pictures that share one logic in a gallery (leader clustering).

Every picture joins the nearest leader within the threshold, or becomes a leader. This takes pictures times groups
products, not pictures squared. Then centres are computed, near ones are merged, and pictures join the nearest centre.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analogen.relsim.gallery.store import LoadedGallery, Vectors

BLOCK = 2048


@dataclass(frozen=True)
class Group:
    """Pictures of one logic. rows: of the gallery, nearest to the centre first; relation_similarity: their mean cosine
    to the centre; attribute_similarity: the mean cosine of their attributes to the mean of these, which is low where
    one logic is shown by different things."""

    rows: NDArray[np.int64]
    centre: Vectors
    relation_similarity: float
    attribute_similarity: float


def find_groups(loaded: LoadedGallery, threshold: float = 0.95, min_size: int = 3) -> list[Group]:
    """Finds groups whose members' relations are within `threshold` (cosine) of their centre, largest first.

    A picture is in one group at most. Raises ValueError for a threshold outside (0, 1).
    """
    if not 0 < threshold < 1:
        raise ValueError(f"--threshold is {threshold}: expected a cosine between 0 and 1")
    if len(loaded) == 0:
        return []
    vectors = torch.from_numpy(np.ascontiguousarray(loaded.relation))
    centres = _leaders(vectors, threshold)
    for _ in range(3):
        centres = _merged(_centres(vectors, centres, threshold), (1 + threshold) / 2)
    nearest, scores = _assign(vectors, centres)
    groups = []
    for number in range(len(centres)):
        rows = torch.nonzero((nearest == number) & (scores >= threshold)).squeeze(1)
        if len(rows) < min_size:
            continue
        rows = rows[scores[rows].argsort(descending=True, stable=True)]
        looks = loaded.attributes[rows.numpy()]
        mean = looks.mean(axis=0)
        groups.append(
            Group(
                rows.numpy(), centres[number].numpy(), float(scores[rows].mean()), float(np.linalg.norm(mean))
            )
        )  # fmt: skip
    return sorted(groups, key=lambda group: (-len(group.rows), -group.relation_similarity))


def _leaders(vectors: Tensor, threshold: float) -> Tensor:
    """(groups, dim): the first picture of each group, in the order of the gallery."""
    leaders = vectors[:0]
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK]
        left = block if not len(leaders) else block[(block @ leaders.T).max(1).values < threshold]
        while len(left):
            leaders = torch.cat([leaders, left[:1]])
            left = left[1:][left[1:] @ left[0] < threshold]
    return leaders


def _assign(vectors: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Nearest centre of every row, and the cosine to it."""
    found = [(block @ centres.T).max(1) for block in vectors.split(BLOCK)]
    return torch.cat([one.indices for one in found]), torch.cat([one.values for one in found])


def _centres(vectors: Tensor, centres: Tensor, threshold: float) -> Tensor:
    """New centres, the normalised means of the vectors within the threshold; most members first."""
    nearest, scores = _assign(vectors, centres)
    within = scores >= threshold
    sums = torch.zeros_like(centres).index_add_(0, nearest[within], vectors[within])
    counts = torch.bincount(nearest[within], minlength=len(centres))
    order = counts.argsort(descending=True, stable=True)
    order = order[counts[order] > 0]
    return torch.nn.functional.normalize(sums[order], dim=1)


def _merged(centres: Tensor, threshold: float) -> Tensor:
    """The centres without those that are within the threshold of a larger one."""
    return _leaders(centres, threshold)
