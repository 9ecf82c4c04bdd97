"""Promises of recall and of intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from analogen.relsim.evaluation.metrics import bootstrap_mean, nearest, recall_at, rounded


def slow_recall(
    queries: NDArray[np.float32], gallery: NDArray[np.float32], same: NDArray[np.bool_], top_k: int
) -> float:
    hits = 0
    for query, right in zip(queries, same, strict=True):
        cosines = [float(query @ stored) for stored in gallery]
        nearest = sorted(range(len(gallery)), key=lambda j: -cosines[j])[:top_k]
        hits += any(right[j] for j in nearest)
    return hits / len(queries)


@pytest.mark.parametrize("top_k", [1, 2, 5, 30])
def test_recall_equals_slow_reference(top_k: int) -> None:
    rng = np.random.default_rng(top_k)
    queries, gallery = (rng.normal(size=(n, 6)).astype(np.float32) for n in (15, 30))
    same = rng.random((15, 30)) < 0.15
    assert recall_at(queries, gallery, same, top_k) == pytest.approx(slow_recall(queries, gallery, same, top_k))


def test_recall_grows_with_k_to_all() -> None:
    rng = np.random.default_rng(0)
    queries, gallery = (rng.normal(size=(n, 6)).astype(np.float32) for n in (15, 30))
    same = np.zeros((15, 30), bool)
    same[:, 7] = True
    found = [recall_at(queries, gallery, same, k) for k in range(1, 31)]
    assert found == sorted(found)
    assert found[-1] == 1


def test_nearest_puts_the_first_of_equal_ones_first() -> None:
    values = np.array([[0.1, 0.9, 0.9, 0.5], [0.0, 0.0, 0.0, 0.0]], np.float32)
    assert nearest(values, 3).tolist() == [[1, 2, 3], [0, 1, 2]]
    assert nearest(values, 9).shape == (2, 4)


def test_interval_holds_the_mean_and_narrows_with_more_values() -> None:
    rng = np.random.default_rng(0)
    few, many = (bootstrap_mean(rng.normal(3, 1, count)) for count in (20, 2000))
    for found in (few, many):
        assert found.low < found.mean < found.high
    assert many.high - many.low < (few.high - few.low) / 5


def test_interval_is_that_of_theory() -> None:
    found = bootstrap_mean((np.arange(400) % 4 == 0).astype(float), rounds=4000)
    error = math.sqrt(0.25 * 0.75 / 400)
    assert found.mean == 0.25
    assert found.low == pytest.approx(0.25 - 1.96 * error, abs=0.006)
    assert found.high == pytest.approx(0.25 + 1.96 * error, abs=0.006)


def test_same_seed_gives_the_same_interval() -> None:
    values = [0.0, 1.0, 1.0, 0.0, 1.0]
    assert bootstrap_mean(values, seed=1) == bootstrap_mean(values, seed=1)
    assert bootstrap_mean([0.5] * 4) == (0.5, 0.5, 0.5)


def test_one_value_has_no_interval_and_none_no_mean() -> None:
    assert rounded(bootstrap_mean([0.123456])) == {"mean": 0.1235, "low": None, "high": None}
    with pytest.raises(ValueError, match="no values"):
        bootstrap_mean([])
