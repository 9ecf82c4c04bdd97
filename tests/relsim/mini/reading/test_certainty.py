"""Promises of the certainty of readings: a probability, in the order of what the rules say."""

from __future__ import annotations

from analogen.relsim.mini.probabilities import Calibration, Logistic
from analogen.relsim.mini.reading import Rule, SceneReading
from analogen.relsim.mini.reading.read import calibrated
from analogen.relsim.world.scene import Scene


def reading(certainty: float, arrangement: str = "ring") -> SceneReading:
    return SceneReading(Scene(()), (), (), rule=Rule(arrangement, certainty=certainty), certainty=certainty)


def test_the_certainty_of_a_rule_is_calibrated_and_keeps_its_order() -> None:
    calibration = Calibration(reading=Logistic(0.5, -1.0))
    none, low, high, full = (calibrated(reading(raw), calibration) for raw in (0.0, 0.4, 0.9, 1.0))
    assert 0 < none.certainty < low.certainty < high.certainty < full.certainty < 1
    assert low.certainty < 0.4
    assert high.rule.certainty == 0.9  # what the reading starts from when it is edited


def test_what_follows_no_rule_keeps_its_certainty() -> None:
    unruled = reading(0.3, arrangement="")
    assert calibrated(unruled, Calibration(reading=Logistic(0.5, -1.0))) == unruled
