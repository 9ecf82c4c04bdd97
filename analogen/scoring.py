"""The analogy score: relation and structure kept, the subject shown, the looks not copied."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analogen.types import Scores

Vectors = NDArray[np.float32]
# Errors within this factor are taken for equal (docs/experiments.md, 11, 16 and 19).
ERROR_BAND_FACTOR = 2.0


@dataclass(frozen=True)
class ScoreWeights:
    """total = relation * relation cosine + structure * structure cosine + subject * subject cosine
    - copy * attribute cosine."""

    relation: float = 1.0
    subject: float = 0.3
    copy: float = 0.1
    structure: float = 0.5


def score(
    relation: Vectors,
    found_relations: Vectors,
    subject: Vectors,
    found_subjects: Vectors,
    reference_looks: Vectors | None,
    found_looks: Vectors,
    weights: ScoreWeights | None = None,
    structure: Vectors | None = None,
    found_structures: Vectors | None = None,
) -> list[Scores]:
    """Scores of n candidates.

    relation, subject: (384,) what was asked for; found_*: (n, dim) what the candidates show; reference_looks:
    (references, dim), the most copied one counts, None if there was no picture; structure: (dim,) of the one
    reference, None if there is no such, or nothing that reads it. All unit vectors.
    """
    weights = weights or ScoreWeights()
    kept = found_relations @ relation
    shown = found_subjects @ subject
    copied = np.zeros(len(kept)) if reference_looks is None else (found_looks @ reference_looks.T).max(axis=1)
    alike = np.zeros(len(kept)) if structure is None or found_structures is None else found_structures @ structure
    totals = (
        weights.relation * kept + weights.structure * alike + weights.subject * shown - weights.copy * copied
    )  # fmt: skip
    return [Scores(*(float(v) for v in row)) for row in zip(kept, shown, copied, totals, alike, strict=True)]


def ranked(scores: Sequence[Scores], errors: Sequence[float] | None = None) -> list[int]:
    """Indices, best first; equals keep their order.

    errors: how malformed each scene is (`ComposerPipeline.denoising_error`), above 0. Scenes in bands of ALIKE from the
    best-formed one come first, band by band, and the total decides within a band; without errors the total alone.
    """
    if errors is None or not len(scores):
        return sorted(range(len(scores)), key=lambda i: -scores[i].total)
    least = min(errors)
    bands = [int(math.log(error / least) / math.log(ERROR_BAND_FACTOR)) for error in errors]
    return sorted(range(len(scores)), key=lambda i: (bands[i], -scores[i].total))
