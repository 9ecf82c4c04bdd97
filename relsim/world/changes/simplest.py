"""Explains the changes of things in a row as simply as what was measured of them allows.

Places and looks that were read from pictures are a little off, each in its own way; a change is meant for all things,
for one, for every second or half of them, or goes on from one to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.world.changes.change import NO_CHANGE, ThingChange

# How far single things may be from the simple explanation: log of sizes, degrees, factors, levels.
NOISE = {
    "size": 0.2, "turn": 20.0, "hue": 35.0, "opacity": 0.22, "saturation": 0.3, "brightness": 0.25,
    "silhouette": 0.4, "sketch": 0.4, "pixel": 0.4,
}  # fmt: skip
CLEAR = 1.5  # times the noise that what is told of single things has to be
Values = NDArray[np.float64]


def simplest(changes: Sequence[ThingChange], progress: Sequence[float]) -> list[ThingChange]:
    """The changes with each measure explained by itself; unchanged where no simple explanation holds.

    progress: how far along the arrangement each thing stands.
    """
    made = list(changes)
    for name, noise in NOISE.items():
        nothing = getattr(NO_CHANGE, name)
        values = np.array([getattr(one, name) for one in changes], float) - nothing
        if name in ("turn", "hue"):
            values = np.degrees(np.unwrap(np.radians(values)))
        for explained in _explanations(values, np.asarray(progress, float), CLEAR * noise):
            if np.abs(values - explained).max(initial=0.0) <= noise:
                told: list[dict[str, Any]] = [{name: float(value + nothing)} for value in explained]
                made = [one._replace(**value) for one, value in zip(made, told, strict=True)]
                break
    return made


def _explanations(values: Values, progress: Values, clear: float) -> Iterator[Values]:
    """The simple ones first. clear: what a change of some of them has to be at least."""
    count = len(values)
    if not count:
        return
    yield np.zeros(count)
    median = float(np.median(values))
    if abs(median) >= clear / CLEAR:
        yield np.full(count, median)
    if count < 3:
        return
    place = np.arange(count)
    odd = int(np.abs(values).argmax())
    groups = [place == odd, place % 2 == 0, place % 2 == 1, place < count / 2, place >= count / 2]
    for mine in groups:
        mean = float(values[mine].mean())
        if abs(mean) >= clear:
            yield np.where(mine, mean, 0.0)
    if np.ptp(progress) > 0:
        slope, start = np.polyfit(progress, values, 1)
        if abs(slope) * float(np.ptp(progress)) >= clear:
            yield start + slope * progress
