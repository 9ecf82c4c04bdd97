"""Scores and ranks candidates: relation and structure kept, subject shown, looks of the reference not copied."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.mini.probabilities import Calibration
from analogen.relsim.world.art import ArtLibrary
from analogen.types import Scores

Vectors = NDArray[np.float32]
# Denoising errors within this factor count as equal (docs/experiments.md, 11, 16, 19 and 27).
ERROR_BAND_FACTOR = 8.0
STRAY_WEIGHT = 1.0  # of the distance from the arrangement that was read, in `Scores.structure`
LOWER_TOTAL = "its total is lower"  # the reason of most candidates that are not kept
SAME_NOUN = 0.8  # cosine from which on two names mean the same thing


@dataclass(frozen=True)
class ScoreWeights:
    """The weights of the score's parts.

    total = relation * relation + structure * structure cosine + subject * subject - copy * copy, each as in `Scores`.
    recipes/choose_score_weights.py measures them.
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
    calibration: Calibration | None = None,
    strays: Sequence[float] = (),
) -> list[Scores]:
    """Score n candidates. All vectors are unit vectors.

    calibration: of the encoder whose vectors they are; then relation, subject and copy are probabilities, otherwise
    cosines.

    relation, subject  (384,) vectors of the request.
    found_*            (n, dim) vectors of the candidates.
    reference_looks    (references, dim) attribute vectors, of which the most similar counts; None without a picture.
    structure          (dim,) of the single reference; None if there are several or none, or no structure head.
    strays             How far each candidate is from the arrangement that was read, see `arrangement_distance`; empty
                       without a reading.
    """
    weights = weights or ScoreWeights()
    kept = found_relations @ relation
    shown = found_subjects @ subject
    copied = np.zeros(len(kept)) if reference_looks is None else (found_looks @ reference_looks.T).max(axis=1)
    if calibration is not None:
        kept, copied = calibration.relation(kept), calibration.copy(copied) if reference_looks is not None else copied
        shown = calibration.subject(calibration.subject_odds(shown, found_subjects @ other_nouns(subject).T))
    alike = np.zeros(len(kept)) if structure is None or found_structures is None else found_structures @ structure
    if strays:
        alike = alike - STRAY_WEIGHT * np.asarray(strays)
    totals = (
        weights.relation * kept + weights.structure * alike + weights.subject * shown - weights.copy * copied
    )  # fmt: skip
    return [Scores(*(float(v) for v in row)) for row in zip(kept, shown, copied, totals, alike, strict=True)]


def other_nouns(subject: Vectors) -> Vectors:
    """The meanings, (n, 384), of the nouns of the library that are not nearly the subject itself."""
    library = ArtLibrary.shipped()
    meanings = np.stack([library.meaning(noun) for noun in library.nouns(stock=True)])
    return np.asarray(meanings[meanings @ subject < SAME_NOUN])


def ranked(
    scores: Sequence[Scores],
    errors: Sequence[float] | None = None,
    lost: Sequence[bool] | None = None,
    bonus: Sequence[float] | None = None,
    in_direction: Sequence[bool] = (),
) -> list[int]:
    """The indices of the candidates, best first; equal ones keep their order.

    errors: the denoising error of each scene (`SceneComposer.denoising_error`), above 0. The errors are sorted into
    bands, each ERROR_BAND_FACTOR wide, from the lowest error on; a lower band comes first, and within a band the total
    decides. Without errors the total alone decides.
    lost: whether the subject of each cannot be seen on its ground; these come last.
    bonus: added to the totals where they alone decide, for what the scores do not tell.
    in_direction: whether each keeps the direction that the words name; those that do not come before the lost ones.
    """
    faults = _faults(len(scores), errors, lost, in_direction)
    extra = bonus if bonus and errors is None else [0.0] * len(scores)
    return sorted(range(len(scores)), key=lambda i: (faults[i], -(scores[i].total + extra[i])))


def explained(
    scores: Sequence[Scores],
    kept: int,
    errors: Sequence[float] | None = None,
    lost: Sequence[bool] | None = None,
    bonus: Sequence[float] | None = None,
    in_direction: Sequence[bool] = (),
) -> list[tuple[int, str]]:
    """The indices as `ranked` sorts them, each with the reason for its place; the first `kept` are those to keep."""
    order = ranked(scores, errors, lost, bonus, in_direction)
    faults = _faults(len(scores), errors, lost, in_direction)
    told = []
    for rank, index in enumerate(order):
        best = order[0] if rank < kept else order[kept - 1]
        worse = [own > other for own, other in zip(faults[index], faults[best], strict=True)]
        if True in worse:
            factor = 1.0 if errors is None else errors[index] / min(errors)
            reason = (
                "its subject is lost on the ground",
                "it goes against the direction of the words",
                f"its scene is malformed: the composer's own error is {factor:.1f} x the least",
            )[worse.index(True)]
        elif rank >= kept:
            reason = LOWER_TOTAL
        elif rank > 0:
            reason = "the next in order"
        elif scores[index].total < max(one.total for one in scores):
            reason = "the highest total of the candidates that are sound"
        else:
            reason = "the highest total"
        told.append((index, reason))
    return told


def _faults(
    count: int, errors: Sequence[float] | None, lost: Sequence[bool] | None, in_direction: Sequence[bool]
) -> list[tuple[bool, bool, int]]:
    """What comes before the total: whether the subject is lost, whether the direction is, and the band of the error."""
    unseen = [False] * count if lost is None else list(lost)
    against = [not kept for kept in in_direction] or [False] * count
    least = min(errors) if errors and count else 1.0
    bands = [int(math.log(error / least) / math.log(ERROR_BAND_FACTOR)) for error in errors or ()] or [0] * count
    return list(zip(unseen, against, bands, strict=True))


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
