"""Finds which thing stands in which slot of an arrangement: the entry point for regular and irregular shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from analogen.relsim.world.grammar.arrangements import ARRANGEMENTS
from analogen.relsim.world.grammar.fitting import Found, fitted
from analogen.relsim.world.grammar.irregular import FINDERS, grown_spiral
from analogen.relsim.world.grammar.layouts import layout
from analogen.relsim.world.measure import bearings, points, require, turn_between
from analogen.relsim.world.scene import Element, Scene

NEARLY = 0.08  # deviation up to which nothing else is tried
CLEARLY = 0.6  # another arrangement fits clearly better if its deviation is below this share


def find(arrangement: str, things: Sequence[Element], holes: int = 0, grown: bool = False) -> Found:
    """The things in the slots of the arrangement, `holes` of which stay empty. Broken if they stand otherwise.

    grown: they grow along it (a spiral leaves room for that).
    """
    place = ARRANGEMENTS[arrangement]
    if place.shape is None:
        return FINDERS[arrangement](list(things))
    require(len({e.mirror for e in things}) == 1, "some are mirrored")
    if grown and place.grown:
        return grown_spiral(list(things))
    shape = place.shape
    best = fitted(shape, things, holes)
    require(best is not None, f"no {arrangement.replace('_', ' ')}")
    assert best is not None
    if best.error > NEARLY:
        for other in ARRANGEMENTS.values():
            own = other.id == arrangement
            # The same arrangement with or without a gap, or another one.
            rival = fitted(shape if own else other.shape, things, 1 - holes if own else 0) if other.shape else None
            require(rival is None or rival.error > CLEARLY * best.error, f"rather {other.id}, or a gap in it")
    pitch = best.layout.pitch * _scale(best)
    require(float(np.median([e.size for e in things])) <= 1.35 * pitch, "they overlap")
    return best


def _scale(found: Found) -> float:
    """Length in the scene of one unit of the layout."""
    spans = [float(np.ptp(p, axis=0).max()) for p in (points(found.things), found.layout.places[found.slots])]
    return spans[0] / max(spans[1], 1e-9)


def in_given_order(things: list[Element]) -> Found:
    """The things as a sequence in the order in which the scene lists them, wherever they stand."""
    spots = points(things)
    return Found(layout(spots - spots.mean(axis=0)), things, np.arange(len(things)), math.inf)


def borders(arrangement: str, scene: Scene) -> list[Element]:
    """Props that belong to the arrangement itself: the frames, sheets or discs between the things of a nest."""
    lines = scene.of("frame", "panel", "ellipse")
    nested = arrangement == "nest" and len(lines) in (len(scene.things) - 1, len(scene.things))
    return lines if nested and len({e.kind for e in lines}) == 1 else []


def bare(arrangement: str, found: Found, turning: bool = False) -> list[Element]:
    """The things in reading order without what the arrangement itself gives them: turns towards its middle or as its
    symmetry has them, sizes, and the flat colours of a nest. turning: turns are a progression's, if anything's."""
    things = found.things
    if arrangement == "nest":
        return [replace(e, size=1.0, silhouette=0.0, palette="none") for e in things]
    if arrangement in ("mirrored", "facing_pair", "back_to_back"):
        return [replace(e, turn=0.0 if arrangement == "mirrored" else e.turn, mirror=False) for e in things]
    if arrangement == "k_fold":
        return [replace(e, turn=0.0, size=1.0) for e in things]
    if arrangement == "heap":
        return [replace(e, turn=0.0, brightness=1.0, mirror=False) for e in things]
    if arrangement == "scatter":
        leaning = [abs(turn_between(0, e.turn)) for e in things]
        return [
            replace(e, turn=0.0 if a <= 45 else 180.0 if a >= 135 else a) for e, a in zip(things, leaning, strict=True)
        ]
    if not ARRANGEMENTS[arrangement].facings and math.isfinite(found.error):
        return things
    angles = bearings(found.layout.places, np.zeros(2))[found.slots]
    unfaced = [replace(e, turn=float((e.turn - a) % 360)) for e, a in zip(things, angles, strict=True)]
    if turning and _disorder(unfaced) > 0.2:
        return things
    return min((things, unfaced), key=_disorder)


def _disorder(things: Sequence[Element]) -> float:
    """0 if all are turned alike, upside down or not, up to 1."""
    return 1 - abs(complex(np.exp(2j * np.radians([e.turn for e in things])).mean()))
