"""Scores and ranks candidates: relation and structure kept, subject shown, looks of the reference not copied."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analogen.types import Scores

Vectors = NDArray[np.float32]
# Denoising errors within this factor count as equal (docs/experiments.md, 11, 16 and 19).
ERROR_BAND_FACTOR = 2.0


@dataclass(frozen=True)
class ScoreWeights:
    """The weights of the score's parts.

    total = relation * relation cosine + structure * structure cosine + subject * subject cosine - copy * attribute
    cosine. recipes/choose_score_weights.py measures them.
    """

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
    """Score n candidates. All vectors are unit vectors.

    relation, subject  (384,) vectors of the request.
    found_*            (n, dim) vectors of the candidates.
    reference_looks    (references, dim) attribute vectors, of which the most similar counts; None without a picture.
    structure          (dim,) of the single reference; None if there are several or none, or no structure head.
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


def ranked(
    scores: Sequence[Scores],
    errors: Sequence[float] | None = None,
    lost: Sequence[bool] | None = None,
    bonus: Sequence[float] | None = None,
) -> list[int]:
    """The indices of the candidates, best first; equal ones keep their order.

    errors: the denoising error of each scene (`ComposerPipeline.denoising_error`), above 0. The errors are sorted into
    bands, each ERROR_BAND_FACTOR wide, from the lowest error on; a lower band comes first, and within a band the total
    decides. Without errors the total alone decides.
    lost: whether the subject of each cannot be seen on its ground; these come last.
    bonus: added to the totals where they alone decide, for what the scores do not tell.
    """
    unseen = [False] * len(scores) if lost is None else list(lost)
    if errors is None or not len(scores):
        extra = bonus or [0.0] * len(scores)
        return sorted(range(len(scores)), key=lambda i: (unseen[i], -(scores[i].total + extra[i])))
    least = min(errors)
    bands = [int(math.log(error / least) / math.log(ERROR_BAND_FACTOR)) for error in errors]
    return sorted(range(len(scores)), key=lambda i: (unseen[i], bands[i], -scores[i].total))


def why_not_kept(scores: Scores, kept: Sequence[Scores], weights: ScoreWeights | None = None) -> str:
    """The part of the score by which a candidate falls most behind those that were kept, with both figures.

    "" where it is behind in none of them.
    """
    weights = weights or ScoreWeights()
    worst, words = 0.0, ""
    for name, weight in (
        ("relation", weights.relation),
        ("structure", weights.structure),
        ("subject", weights.subject),
    ):
        own, others = getattr(scores, name), [getattr(one, name) for one in kept]
        behind = weight * (min(others) - own) if others else 0.0
        if behind > worst:
            worst, words = behind, f"{name} {own:.2f}, kept from {min(others):.2f}"
    copied = [one.copy for one in kept]
    if copied and weights.copy * (scores.copy - max(copied)) > worst:
        words = f"copy {scores.copy:.2f}, kept up to {max(copied):.2f}"
    return words
