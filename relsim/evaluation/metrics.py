"""Recall, and means with bootstrap intervals."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


class Mean(NamedTuple):
    """A mean and its bootstrap interval. low and high are NaN for fewer than two values."""

    mean: float
    low: float
    high: float


def nearest(similarity: Vectors, top_k: int) -> NDArray[np.int64]:
    """(n, m) -> (n, top_k): the columns with the highest values, highest first; ties go to the first."""
    return np.argsort(-similarity, axis=1, kind="stable")[:, :top_k]


def recall(found: NDArray[np.int64], same: NDArray[np.bool_]) -> float:
    """Share of queries with at least one right picture among those found.

    found: (n, k) columns; same: (n, m), whether the pair shares its relation.
    """
    return float(np.take_along_axis(same, found, axis=1).any(axis=1).mean())


def recall_at(queries: Vectors, gallery: Vectors, same: NDArray[np.bool_], top_k: int) -> float:
    """`recall` among the `top_k` nearest. queries: (n, dim), gallery: (m, dim), unit; same: (n, m)."""
    return recall(nearest(queries @ gallery.T, top_k), same)


def bootstrap_mean(values: NDArray[Any] | list[float], seed: int = 0, rounds: int = 2000, level: float = 0.95) -> Mean:
    """The mean of the values and the percentile interval of its bootstrap (Efron, 1979).

    Raises ValueError for no values.
    """
    numbers = np.asarray(values, np.float64)
    if not len(numbers):
        raise ValueError("there are no values to take the mean of")
    if len(numbers) == 1:
        return Mean(float(numbers[0]), float("nan"), float("nan"))
    rng = np.random.default_rng([seed, 50])
    means = np.array([numbers[rng.integers(len(numbers), size=len(numbers))].mean() for _ in range(rounds)])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Mean(float(numbers.mean()), float(low), float(high))


def rounded(mean: Mean, digits: int = 4) -> dict[str, float | None]:
    """Rounds a mean for a row of JSON, with None for NaN."""
    return {k: None if np.isnan(v) else round(v, digits) for k, v in mean._asdict().items()}
