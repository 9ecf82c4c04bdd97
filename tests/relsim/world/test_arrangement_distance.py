"""Promises of the distance of arrangements."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analogen.relsim.world.arrangement_distance import arrangement_distance
from analogen.relsim.world.scene import Element

LETTER = [Element("subject", -0.6, y, 0.3) for y in (-0.7, -0.2, 0.3, 0.7)] + [Element("subject", 0.1, 0.7, 0.3)]


@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(0.4, 1.5), st.randoms())
def test_the_same_arrangement_is_at_no_distance_wherever_and_however_large(
    x: float, y: float, scale: float, order: object
) -> None:
    moved = [replace(e, x=x + scale * e.x, y=y + scale * e.y, size=scale * e.size) for e in LETTER]
    order.shuffle(moved)  # type: ignore[attr-defined]
    assert arrangement_distance(moved, LETTER) == pytest.approx(0, abs=1e-6)


def test_jitter_is_a_small_distance_and_another_arrangement_a_large_one() -> None:
    rng = np.random.default_rng(0)
    jittered = [replace(e, x=e.x + rng.normal(0, 0.02), y=e.y + rng.normal(0, 0.02)) for e in LETTER]
    row = [Element("subject", x, 0, 0.3) for x in np.linspace(-0.8, 0.8, 5)]
    assert 0 < arrangement_distance(jittered, LETTER) < 0.08
    assert arrangement_distance(row, LETTER) > 0.3


def test_sizes_and_counts_matter() -> None:
    one_large = [replace(LETTER[0], size=0.6), *LETTER[1:]]
    assert 0.02 < arrangement_distance(one_large, LETTER) < arrangement_distance(LETTER[:3], LETTER)
    assert arrangement_distance(LETTER, LETTER[:4]) >= 0.2
