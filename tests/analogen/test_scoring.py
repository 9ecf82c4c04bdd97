"""Promises of the analogy score."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from analogen.scoring import STRAY_WEIGHT, ScoreWeights, explained, ranked, score
from analogen.types import Scores


def rows(count: int, seed: int, dim: int = 12) -> NDArray[np.float32]:
    values = np.random.default_rng(seed).normal(size=(count, dim))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def test_scores_equal_slow_reference() -> None:
    relation, subject = rows(1, 0)[0], rows(1, 1)[0]
    relations, subjects, looks, references = rows(5, 2), rows(5, 3), rows(5, 4, 7), rows(3, 5, 7)
    weights = ScoreWeights(0.9, 0.4, 0.2)
    for i, found in enumerate(score(relation, relations, subject, subjects, references, looks, weights)):
        kept = sum(float(a) * float(b) for a, b in zip(relation, relations[i], strict=True))
        shown = sum(float(a) * float(b) for a, b in zip(subject, subjects[i], strict=True))
        copied = max(sum(float(a) * float(b) for a, b in zip(looks[i], other, strict=True)) for other in references)
        expected = (kept, shown, copied, 0.9 * kept + 0.4 * shown - 0.2 * copied)
        assert (found.relation, found.subject, found.copy, found.total) == pytest.approx(expected, abs=1e-6)


def test_kept_structure_raises_the_total_by_its_weight() -> None:
    relation, structure = rows(1, 0)[0], np.array([1, 0], np.float32)
    found = np.array([[1, 0], [0, 1]], np.float32)
    weights = ScoreWeights(structure=0.7)
    kept, lost = score(
        relation,
        rows(1, 1).repeat(2, 0),
        relation,
        rows(1, 2).repeat(2, 0),
        None,
        rows(2, 3),
        weights,
        structure,
        found,
    )
    assert (kept.structure, lost.structure) == (1, 0)
    assert kept.total - lost.total == pytest.approx(0.7)


def test_without_one_reference_no_structure_counts() -> None:
    (found,) = score(rows(1, 0)[0], rows(1, 1), rows(1, 2)[0], rows(1, 3), None, rows(1, 4), None, None, rows(1, 5))
    assert found.structure == 0
    assert found.total == pytest.approx(found.relation + 0.3 * found.subject)


def test_nothing_is_copied_without_a_picture() -> None:
    found = score(rows(1, 0)[0], rows(3, 1), rows(1, 2)[0], rows(3, 3), None, rows(3, 4))
    assert [s.copy for s in found] == [0, 0, 0]


def test_relation_and_subject_raise_the_total_and_copying_lowers_it() -> None:
    good, bad = np.eye(2, dtype=np.float32)
    looks = np.eye(2, dtype=np.float32)

    def total(relation: NDArray[np.float32], subject: NDArray[np.float32], look: NDArray[np.float32]) -> float:
        (found,) = score(good, relation[None], good, subject[None], looks[:1], look[None])
        return found.total

    best = total(good, good, looks[1])
    assert best > total(good, good, looks[0])
    assert best > total(good, bad, looks[1]) > total(bad, good, looks[1])


def test_scores_are_plain_numbers() -> None:
    (found,) = score(rows(1, 0)[0], rows(1, 1), rows(1, 2)[0], rows(1, 3), rows(1, 4), rows(1, 5))
    assert all(type(value) is float for value in (found.relation, found.subject, found.copy, found.total))


def test_best_comes_first_and_equals_keep_their_order() -> None:
    assert ranked([Scores(0, 0, 0, total) for total in (0.2, 0.5, 0.2, 0.9, 0.5)]) == [3, 1, 4, 0, 2]
    assert ranked([]) == []


def test_well_formed_scenes_come_first_and_the_total_decides_among_equals() -> None:
    scores = [Scores(0, 0, 0, total) for total in (0.9, 0.2, 0.5, 0.7)]
    assert ranked(scores, [9.0, 0.1, 0.15, 1.3]) == [2, 1, 3, 0]
    assert ranked(scores, [0.3] * 4) == ranked(scores)
    assert ranked([], []) == []


def test_what_strays_from_the_arrangement_that_was_read_keeps_less_of_the_structure() -> None:
    vectors = rows(1, 0)[0], np.repeat(rows(1, 1), 2, 0), rows(1, 2)[0], np.repeat(rows(1, 3), 2, 0)
    looks = np.repeat(rows(1, 4), 2, 0)
    near, far = score(*vectors, None, looks, strays=[0.0, 0.6])
    assert near.structure - far.structure == pytest.approx(STRAY_WEIGHT * 0.6)
    assert near.total - far.total == pytest.approx(ScoreWeights().structure * STRAY_WEIGHT * 0.6)


def test_unequal_dimensions_are_refused() -> None:
    with pytest.raises(ValueError, match="mismatch"):
        score(rows(1, 0)[0], rows(3, 1, 11), rows(1, 2)[0], rows(3, 3), None, rows(3, 4))


def test_candidates_whose_subject_is_lost_come_last() -> None:
    scores = [Scores(0, 0, 0, total) for total in (0.9, 0.5, 0.7)]
    assert ranked(scores, lost=[True, False, False]) == [2, 1, 0]
    assert ranked(scores, [1.0, 1.0, 100.0], lost=[True, False, False]) == [1, 2, 0]
    assert ranked(scores, lost=[True, True, True]) == ranked(scores)
    assert explained(scores, 1, lost=[True, False, False])[2] == (0, "its subject is lost on the ground")


def test_a_kept_lower_total_says_why_and_so_does_each_that_is_not_kept() -> None:
    scores = [Scores(0, 0, 0, total) for total in (1.37, 1.35, 1.2)]
    (first, why), (second, lower), (third, malformed) = explained(scores, 1, errors=[9.0, 0.3, 0.3])
    assert (first, second, third) == (1, 2, 0)
    assert why == "the highest total of the candidates that are sound"
    assert lower == "its total is lower"
    assert malformed == "its scene is malformed: the composer's own error is 30.0 x the least"
    assert explained(scores, 2)[0] == (0, "the highest total")
    assert explained(scores, 2)[1] == (1, "the next in order")
    told = dict(explained(scores, 1, in_direction=[False, True, True]))
    assert told[0] == "it goes against the direction of the words"
    assert list(told) == [1, 2, 0]
    assert [index for index, _ in explained(scores, 1)] == ranked(scores)
