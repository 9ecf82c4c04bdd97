"""Promises of mixing relations."""

from __future__ import annotations

import numpy as np
import pytest

from analogen.pipelines.relation_arithmetic import combine_relations


def rows(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 384)).astype(np.float32)


def test_mixture_is_a_unit_vector_between_its_parts() -> None:
    given = rows(3)
    mixed = combine_relations(given, [2, 1, 1])
    cosines = given @ mixed / np.linalg.norm(given, axis=1)
    assert np.linalg.norm(mixed) == pytest.approx(1)
    assert cosines[0] > cosines[1:].max() > 0.2


def test_one_relation_stays_itself_at_any_length() -> None:
    given = rows(1)
    np.testing.assert_allclose(combine_relations(7 * given), given[0] / np.linalg.norm(given), atol=1e-6)


def test_negative_weight_steers_away() -> None:
    given = rows(2)
    mixed = combine_relations(given, [1, -0.5])
    assert mixed @ given[1] < combine_relations(given[:1]) @ given[1]


@pytest.mark.parametrize(
    ("given", "weights", "match"),
    [
        (rows(2)[0], None, r"shape \(384,\)"),
        (rows(2), [1], "weights of 2 relations"),
        (np.zeros((1, 384)), None, "is zero"),
        (np.repeat(rows(1), 2, 0), [1, -1], "cancel each other out"),
    ],
)
def test_what_gives_no_relation_is_refused(given: np.ndarray, weights: list[float] | None, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        combine_relations(given, weights)
