"""Probabilities from the outputs of an encoder: logistic functions that `relsim.mini.calibration` fits."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FILE = "calibration.json"
Values = NDArray[np.float64]
_EDGE = 1e-6


class Logistic(NamedTuple):
    """1 / (1 + exp(-(slope * value + offset))), rising with the value (Platt scaling)."""

    slope: float
    offset: float

    def __call__(self, values: Any) -> Values:
        return np.asarray(1 / (1 + np.exp(-np.clip(self.slope * np.asarray(values, float) + self.offset, -40, 40))))


UNCHANGED = Logistic(1.0, 0.0)  # of `log_odds`: a probability stays what it is


def log_odds(probability: Any, edge: float = _EDGE) -> Values:
    """log(p / (1 - p)), of p in [0, 1] brought within [edge, 1 - edge]."""
    p = np.clip(np.asarray(probability, float), edge, 1 - edge)
    return np.asarray(np.log(p / (1 - p)))


@dataclass(frozen=True)
class Calibration:
    """What turns outputs of an encoder into probabilities.

    confidence           Of the log odds of `MiniEncoder.confidence` without it: that the nearest caption is right.
    relation             Of the cosine of a result's relation to what the reference is taken for: that both have the
                         same logic.
    subject_temperature  Of the softmax of a picture's subject over the nouns that it may show.
    subject              Of the log odds of that softmax: that the picture shows the noun.
    copy                 Of the cosine of two pictures' attributes: that they have the same looks.
    reading              Of the log odds of a reading's certainty without it: that its arrangement is right.
    """

    confidence: Logistic = UNCHANGED
    relation: Logistic = UNCHANGED
    subject_temperature: float = 0.05
    subject: Logistic = UNCHANGED
    copy: Logistic = UNCHANGED
    reading: Logistic = UNCHANGED

    def subject_odds(self, cosine: Any, others: Any) -> Values:
        """Log odds of a noun among others. cosine: (n,), of the pictures to the noun; others: (n, nouns), to others."""
        logits = np.asarray(others, float) / self.subject_temperature
        top = logits.max(axis=1)
        rest = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
        return np.asarray(np.asarray(cosine, float) / self.subject_temperature - rest)

    def save(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Calibration | None:
        """The calibration beside an encoder, None where there is none. Raises ValueError for a damaged one."""
        if not (folder / FILE).is_file():
            return None
        try:
            data: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
            read = {k: Logistic(*map(float, v)) if isinstance(v, list) else float(v) for k, v in data.items()}
            made = cls(**read)  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            raise ValueError(f"{folder / FILE}: is no calibration: fetch or save the encoder again") from error
        if not all(math.isfinite(x) for v in read.values() for x in (v if isinstance(v, tuple) else (v,))):
            raise ValueError(f"{folder / FILE}: every number must be finite: fetch or save the encoder again")
        return made


def fit_logistic(values: Any, truth: Any, rounds: int = 60) -> Logistic:
    """The logistic of greatest likelihood, with a slope above 0. values: (n,); truth: (n,) bool.

    Newton's method on targets moved a little inwards, as by Platt, so that a clean separation has a solution.
    """
    x, y = np.asarray(values, float), np.asarray(truth, bool)
    positive, negative = int(y.sum()), int((~y).sum())
    if not positive or not negative:
        raise ValueError(f"{positive} right and {negative} wrong ones: some of both are needed")
    goal = np.where(y, (positive + 1) / (positive + 2), 1 / (negative + 2))
    centre, spread = x.mean(), max(float(x.std()), 1e-9)
    design = np.stack([(x - centre) / spread, np.ones_like(x)], 1)
    weights = np.array([0.0, math.log((positive + 1) / (negative + 1))])
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-np.clip(design @ weights, -40, 40)))
        gradient = design.T @ (p - goal) + 1e-3 * weights * (1, 0)
        hessian = (design * (p * (1 - p))[:, None]).T @ design + np.diag([1e-3, 1e-9])
        step = np.linalg.solve(hessian, gradient)
        weights = weights - step * min(1.0, 5 / max(float(np.abs(step).max()), 1e-9))
        if np.abs(step).max() < 1e-9:
            break
    slope = max(float(weights[0]) / spread, 1e-3)
    return Logistic(slope, float(weights[1]) - slope * float(centre))


def calibration_error(probabilities: Any, truth: Any, bins: int = 10) -> float:
    """Expected calibration error (arXiv:1706.04599, eq. 3) over bins of equal width, in [0, 1]."""
    p, y = np.asarray(probabilities, float), np.asarray(truth, float)
    number = np.minimum((p * bins).astype(int), bins - 1)
    gaps = [abs(p[number == b].mean() - y[number == b].mean()) * (number == b).mean() for b in set(number.tolist())]
    return float(sum(gaps))
