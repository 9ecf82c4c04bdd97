"""Promises of the logistic functions that turn outputs into probabilities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analogen.relsim.mini.probabilities import Calibration, Logistic, calibration_error, fit_logistic, log_odds


def test_a_fit_finds_the_logistic_that_made_the_answers() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0.4, 0.3, 20_000)
    made = Logistic(9.0, -4.0)
    found = fit_logistic(values, rng.random(len(values)) < made(values))
    assert found.slope == pytest.approx(9, rel=0.1)
    assert found.offset == pytest.approx(-4, rel=0.1)
    assert calibration_error(found(values), rng.random(len(values)) < made(values)) < 0.02


def test_a_clean_separation_has_a_finite_fit() -> None:
    found = fit_logistic([0.1, 0.2, 0.8, 0.9], [False, False, True, True])
    assert found(0.05) < 0.35
    assert found(0.95) > 0.65


def test_a_fit_needs_both_kinds() -> None:
    with pytest.raises(ValueError, match="3 right and 0 wrong"):
        fit_logistic([0.1, 0.2, 0.3], [True] * 3)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(-1, 1), st.booleans()), min_size=4, max_size=30), st.floats(-1, 1), st.floats(0, 1))
def test_probabilities_rise_with_the_value(pairs: list[tuple[float, bool]], low: float, more: float) -> None:
    values, truth = zip(*pairs, strict=True)
    if len(set(truth)) < 2:
        return
    found = fit_logistic(values, truth)
    first, second = found([low, low + more])
    assert 0 <= first <= second <= 1


def test_log_odds_are_undone_by_the_logistic_without_change() -> None:
    np.testing.assert_allclose(Logistic(1, 0)(log_odds([0.0, 0.2, 0.9, 1.0])), [0, 0.2, 0.9, 1], atol=1e-5)


def test_the_error_is_the_gap_between_said_and_true() -> None:
    assert calibration_error([0.9] * 10, [True] * 9 + [False]) == pytest.approx(0, abs=1e-9)
    assert calibration_error([0.9] * 10, [False] * 10) == pytest.approx(0.9)


def test_a_noun_is_likelier_the_farther_the_others_are() -> None:
    near, far = (Calibration().subject_odds([0.4], [[c, 0.0]])[0] for c in (0.4, 0.1))
    assert near < 0.1 < far


def test_a_calibration_round_trips_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    assert Calibration.load(tmp_path) is None
    made = Calibration(confidence=Logistic(0.8, -0.3), subject_temperature=0.03)
    made.save(tmp_path)
    assert Calibration.load(tmp_path) == made
    for text in ("{", '{"relation": [1, NaN]}', '{"other": 1}'):
        (tmp_path / "calibration.json").write_text(text)
        with pytest.raises(ValueError, match=r"calibration\.json: .*fetch or save the encoder again"):
            Calibration.load(tmp_path)
