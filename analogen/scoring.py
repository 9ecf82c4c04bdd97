"""The analogy score: the relation kept, the subject shown, the looks not copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analogen.types import Scores

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Weights:
    """total = relation * relation cosine + subject * subject cosine - copy * attribute cosine."""

    relation: float = 1.0
    subject: float = 0.3
    copy: float = 0.1


def score(
    relation: Vectors,
    found_relations: Vectors,
    subject: Vectors,
    found_subjects: Vectors,
    reference_looks: Vectors | None,
    found_looks: Vectors,
    weights: Weights | None = None,
) -> list[Scores]:
    """Scores of n candidates.

    relation, subject: (384,) what was asked for; found_*: (n, dim) what the candidates show; reference_looks:
    (references, dim), the most copied one counts, None if there was no picture. All unit vectors.
    """
    weights = weights or Weights()
    kept = found_relations @ relation
    shown = found_subjects @ subject
    copied = np.zeros(len(kept)) if reference_looks is None else (found_looks @ reference_looks.T).max(axis=1)
    totals = weights.relation * kept + weights.subject * shown - weights.copy * copied
    return [Scores(*(float(v) for v in row)) for row in zip(kept, shown, copied, totals, strict=True)]


def ranked(scores: Sequence[Scores]) -> list[int]:
    """Indices, best total first; equals keep their order."""
    return sorted(range(len(scores)), key=lambda i: -scores[i].total)
