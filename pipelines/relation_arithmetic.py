"""Combines relations into one vector: several references with weights, and what to steer away from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analogen.relsim.text import TEXT_DIM


def combine_relations(relations: ArrayLike, weights: Sequence[float] | None = None) -> NDArray[np.float32]:
    """(n, 384) relations, of pictures or of words, and their weights -> one (384,) unit vector.

    weights: 1 each by default; a negative one steers away. All relations lie in one space, and so may be mixed.
    Raises ValueError for other shapes, or relations that cancel out.
    """
    rows = np.asarray(relations, np.float32)
    if rows.ndim != 2 or rows.shape[1] != TEXT_DIM or not len(rows):
        raise ValueError(f"relations of shape {rows.shape}: expected (n, {TEXT_DIM})")
    factors = np.ones(len(rows), np.float32) if weights is None else np.asarray(weights, np.float32)
    if factors.shape != (len(rows),) or not np.isfinite(factors).all():
        raise ValueError(f"{list(factors.reshape(-1))} as weights of {len(rows)} relations: expected a number for each")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not (lengths > 0).all():
        raise ValueError("a relation is zero or not a number: embed its picture or words again")
    mixed = factors @ (rows / lengths)
    length = float(np.linalg.norm(mixed))
    if length < 1e-3 * max(1.0, float(np.abs(factors).sum())):
        raise ValueError("the relations cancel each other out: change their weights")
    return (mixed / length).astype(np.float32)
