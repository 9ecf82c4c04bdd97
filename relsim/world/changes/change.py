"""What a change between two scenes is, and the measures that finding and making one share."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.world.grammar.finding import find
from analogen.relsim.world.measure import Broken
from analogen.relsim.world.scene import Clip, Element

ROUND = ("ellipse", "ring", "bubble", "thought", "ban", "sun", "moon", "star", "heart", "lens")  # keep their shape


class ThingChange(NamedTuple):
    """How one thing changed. size: log of new over old; turn, hue: degrees; opacity, saturation, brightness: new over
    old; silhouette, sketch, pixel: new less old; clip: the new cut, None for no change; kind: the new kind, "" for the
    same."""

    size: float = 0.0
    turn: float = 0.0
    flipped: bool = False
    opacity: float = 1.0
    saturation: float = 1.0
    brightness: float = 1.0
    hue: float = 0.0
    silhouette: float = 0.0
    sketch: float = 0.0
    pixel: float = 0.0
    clip: Clip | None = None
    kind: str = ""

    @property
    def is_none(self) -> bool:
        return self == NO_CHANGE


NO_CHANGE = ThingChange()


class Move(NamedTuple):
    """Places p about the middle of the whole become `matrix` @ p + shift. matrix: (2, 2), a rotation times a scale."""

    matrix: NDArray[np.float64]
    shift: NDArray[np.float64]


@dataclass(frozen=True)
class Change:
    """What turns one scene into another.

    things       Changes of the matched things, along their order.
    progress     How far along the arrangement each of these stands, [0, 1].
    moved        Of all things together, None if they were not moved as a whole.
    arrangement  Of the grammar, in which things stand now; "" if they stand as before.
    places       (n, 3) where they stand now, x, y and size, along their order, if no arrangement has a name for it.
    copies       Boxes (n, 3) of the copies that one thing became; empty if it was not multiplied.
    kept         For each thing of the first scene, whether it is there still.
    more         How many things were added to those that were there.
    added        Props that were added: kind and looks, in units of the things' extent, and whether before the things.
    removed      Kinds of props that were taken away.
    """

    things: tuple[ThingChange, ...] = ()
    progress: tuple[float, ...] = ()
    moved: Move | None = None
    arrangement: str = ""
    places: NDArray[np.float64] | None = None
    copies: NDArray[np.float64] | None = None
    kept: tuple[bool, ...] = ()
    more: int = 0
    added: tuple[tuple[Element, bool], ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def is_none(self) -> bool:
        return (
            all(one.is_none for one in self.things) and self.moved is None and not self.arrangement
            and self.places is None and self.copies is None and all(self.kept) and not self.more and not self.added
            and not self.removed
        )  # fmt: skip


class Box(NamedTuple):
    """Middle and half sides."""

    x: float
    y: float
    width: float
    height: float


def frame_of(things: Sequence[Element]) -> Box:
    """The box of all things together."""
    low = np.array([(e.x - e.width / 2, e.y - e.height / 2) for e in things]).min(0)
    high = np.array([(e.x + e.width / 2, e.y + e.height / 2) for e in things]).max(0)
    (x, y), (width, height) = (low + high) / 2, np.maximum((high - low) / 2, 0.05)
    return Box(float(x), float(y), float(width), float(height))


def in_frame(prop: Element, old: Box, new: Box) -> Element:
    """The prop, which stands to the box `old` as it is, standing to the box `new` likewise.

    What encloses the things, or goes along a whole side of them, is stretched with them; other props keep their shape.
    """
    across, down = new.width / old.width, new.height / old.height
    stretches = prop.kind not in ROUND
    wide, high = stretches and prop.width > 1.6 * old.width, stretches and prop.height > 1.6 * old.height
    even = math.hypot(new.width, new.height) / math.hypot(old.width, old.height)
    width = prop.width * (across if wide else even)
    height = prop.height * (down if high else even)
    x, y = new.x + (prop.x - old.x) * across, new.y + (prop.y - old.y) * down
    return dataclasses.replace(prop, x=x, y=y, size=math.sqrt(width * height), aspect=width / height)


def progress_of(things: Sequence[Element], arrangement: str) -> tuple[float, ...]:
    """How far along the arrangement each thing stands, [0, 1]: row by row in a pyramid. By their order where they do
    not stand in it exactly."""
    if arrangement:
        try:
            found = find(arrangement, things)
        except Broken:
            found = None
        if found is not None:
            places = {id(e): float(p) for e, p in zip(found.things, found.progress, strict=True)}
            if len(places) == len(things) and all(id(e) in places for e in things):
                return tuple(places[id(e)] for e in things)
    return tuple(float(step) for step in np.linspace(0, 1, len(things)))


def middle_and_extent(things: Sequence[Element]) -> tuple[NDArray[np.float64], float]:
    """The middle of all boxes together, (2,), and half the longer side of that."""
    low = np.array([(e.x - e.width / 2, e.y - e.height / 2) for e in things]).min(0)
    high = np.array([(e.x + e.width / 2, e.y + e.height / 2) for e in things]).max(0)
    return (low + high) / 2, max(float((high - low).max()) / 2, 0.05)
