"""Keeps the direction that words name: measures it in a scene, and reverses a scene that goes the other way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.world.measure import Broken, bearings, fit_circle, points
from analogen.relsim.world.relation_words import Direction
from analogen.relsim.world.relations.composition import in_reading_order
from analogen.relsim.world.scene import Element, Scene

Values = NDArray[np.float64]
# A change counts from this much between the first and the last thing; sizes as a logarithm.
_LEAST = {
    "size": 0.15,
    "opacity": 0.15,
    "saturation": 0.15,
    "brightness": 0.12,
    "taken": 0.15,
    "sketch": 0.15,
    "pixel": 0.15,
}
_CORRELATION = 0.6
_SLANT = 0.8  # correlation of x and y from which things lie on a slope


def kept_in_direction(scene: Scene, direction: Direction | None) -> tuple[Scene, bool]:
    """The scene, reversed if it goes the other way, and whether it now keeps the direction.

    Without a direction the scene stays as it is and keeps it.
    """
    if direction is None:
        return scene, True
    along = direction.along
    found = _sign(scene, along)
    if found > 0:
        return scene, True
    if found < 0:
        turned = _reversed(scene, along)
        if turned is not None and _sign(turned, along) > 0:
            return turned, True
    return scene, False


def _sign(scene: Scene, along: Direction) -> int:
    """1 if the scene goes along the direction, -1 if against it, 0 if neither can be told."""
    things = _row(scene)
    if along.change is None:
        return _slope(things, str(along.path))
    progress = _progress(things, along.path)
    if progress is None:
        return 0
    values = _values(things, along.change)
    if along.path in (None, "clockwise") and _round(things):
        progress, values = _opened(progress, values)
    if float(np.ptp(values)) < _LEAST[along.change] or float(np.ptp(progress)) == 0:
        return 0
    correlation = float(np.corrcoef(progress, values)[0, 1])
    return 0 if abs(correlation) < _CORRELATION else int(np.sign(correlation)) * along.sign


def _row(scene: Scene) -> list[Element]:
    """The things that could form the progression: those of the commoner kind."""
    kinds = [e.kind for e in scene.things]
    common = max(("subject", "other"), key=kinds.count)
    return scene.of(common)


def _slope(things: Sequence[Element], path: str) -> int:
    if len(things) < 3:
        return 0
    x, y = points(things).T
    if path in ("up", "down"):  # from left to right
        if (
            np.ptp(x) == 0
            or np.ptp(y) < 0.35 * np.ptp(x)
            or abs(correlation := float(np.corrcoef(x, y)[0, 1])) < _SLANT
        ):
            return 0
        return int(np.sign(correlation)) * (1 if path == "down" else -1)
    if path in ("clockwise", "counterclockwise"):
        # A spiral: farther out along the clock, or against it.
        centre = points(things).mean(axis=0)
        radius = np.hypot(*(points(things) - centre).T)
        order = np.argsort(radius)
        angles = np.unwrap(np.radians(bearings(points(things), centre))[order])
        if np.ptp(radius) < 0.3 * radius.max() or abs(angles[-1] - angles[0]) < np.pi:
            return 0
        return int(np.sign(angles[-1] - angles[0])) * (1 if path == "clockwise" else -1)
    return 0


def _progress(things: Sequence[Element], path: str | None) -> Values | None:
    """How far along the path each thing stands, None if they do not spread along it."""
    if len(things) < 3:
        return None
    spots = points(things)
    x, y = spots.T
    if path == "right":
        return x if np.ptp(x) >= 0.3 else None
    if path == "down":
        return y if np.ptp(y) >= 0.3 else None
    if path == "outwards":
        return np.asarray(np.hypot(*(spots - spots.mean(axis=0)).T))
    if path == "clockwise" or _round(things):
        return np.asarray(bearings(spots, spots.mean(axis=0)), np.float64)
    try:
        order = in_reading_order(list(things))
    except Broken:
        return x if np.ptp(x) >= np.ptp(y) else y
    places = {id(e): place for place, e in enumerate(order)}
    if all(id(e) in places for e in things):
        return np.array([places[id(e)] for e in things], np.float64)
    return np.array([[(o.x, o.size) for o in order].index((e.x, e.size)) for e in things], np.float64)


def _round(things: Sequence[Element]) -> bool:
    if len(things) < 5:
        return False
    _, _, off = fit_circle(points(things))
    around = np.sort(bearings(points(things), points(things).mean(axis=0)) % 360)
    gaps = np.diff([*around, around[0] + 360])
    return off <= 0.3 and float(gaps.max()) < 130


def _opened(progress: Values, values: Values) -> tuple[Values, Values]:
    """A cycle cut open where its values jump most, as places 0, 1, ... and their values."""
    order = np.argsort(progress)
    ring = values[order]
    start = int(np.abs(np.diff([*ring, ring[0]])).argmax()) + 1
    return np.arange(len(ring), dtype=np.float64), np.roll(ring, -start)


def _values(things: Sequence[Element], change: str) -> Values:
    if change == "size":
        return np.log([e.size for e in things])
    if change == "taken":
        whole = {"half": -1.0}
        return np.array([0.0 if e.clip.kind == "none" else e.clip.amount - whole.get(e.clip.kind, 0.0) for e in things])
    return np.array([getattr(e, change) for e in things], np.float64)


def _reversed(scene: Scene, along: Direction) -> Scene | None:
    """The scene with its progression the other way round, None if that would break it."""
    # On a circle all things have the same room, whatever their size.
    if along.change is not None and (along.change != "size" or _round(_row(scene))):
        return _swapped(scene, along)
    things = points(_row(scene))
    x_spread, y_spread = np.ptp(things, axis=0)
    if along.path == "outwards":
        return None  # the largest things would meet in the middle
    if along.path == "down" or (along.path is None and along.change and y_spread > 3 * x_spread):
        return _flipped(scene)
    mirrored = _mirrored(scene)
    if along.path is None and along.change and _sign(mirrored, along) <= 0:
        return _flipped(mirrored)  # rows one above the other are read the other way only if both turn
    return mirrored


def _swapped(scene: Scene, along: Direction) -> Scene:
    """The scene whose things have exchanged what changes: the first has it from the last, and so on."""
    things = _row(scene)
    progress = _progress(things, along.path)
    assert progress is not None, "the direction was measured along it"
    order = list(np.argsort(progress, kind="stable"))
    if along.path in (None, "clockwise") and _round(things):
        ring = _values(things, str(along.change))[order]
        start = int(np.abs(np.diff([*ring, ring[0]])).argmax()) + 1
        order = order[start:] + order[:start]
    field = "clip" if along.change == "taken" else str(along.change)
    new = {
        id(things[a]): replace(things[a], **{field: getattr(things[b], field)})
        for a, b in zip(order, order[::-1], strict=True)
    }
    return replace(scene, elements=tuple(new.get(id(e), e) for e in scene.elements))


def _mirrored(scene: Scene) -> Scene:
    """Left and right exchanged; things stay as they look, props are mirrored."""
    return replace(scene, elements=tuple(
        replace(e, x=-e.x, turn=-e.turn % 360, mirror=e.mirror if e.is_thing else not e.mirror,
                clip=replace(e.clip, u=-e.clip.u) if not e.is_thing else e.clip)
        for e in scene.elements
    ))  # fmt: skip


def _flipped(scene: Scene) -> Scene | None:
    """Above and below exchanged, standing things by their feet; None with props that have an upper side."""
    if any(not e.is_thing and e.kind != "shadow" for e in scene.elements):
        return None
    things = [e for e in scene.elements if e.is_thing]
    feet = [e.y + e.height / 2 if e.standing else e.y for e in things]
    middle = (max(feet) + min(feet)) / 2
    moved = [
        replace(e, y=2 * middle - foot - (e.height / 2 if e.standing else 0))
        for e, foot in zip(things, feet, strict=True)
    ]
    drop = max(0.0, max(e.y + e.height / 2 for e in moved) - 0.95)
    return replace(scene, elements=tuple(replace(e, y=e.y - drop) for e in moved))
