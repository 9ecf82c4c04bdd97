"""Completes a reading by what the network's parts head tells: things in empty places, and the props of a setting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from analogen.relsim.world.grammar.fitting import Found
from analogen.relsim.world.grammar.settings import SETTINGS
from analogen.relsim.world.measure import points
from analogen.relsim.world.relations.base import Draft
from analogen.relsim.world.scene import Element


def missed_things(found: Found) -> dict[int, Element]:
    """Things for the empty places of an arrangement, by slot: each like its neighbour in reading order."""
    slots = found.slots.tolist()
    empty = sorted(set(range(len(found.layout))) - set(slots))
    if not empty:
        return {}
    design = np.column_stack([found.layout.places, np.ones(len(found.layout))])
    matrix = np.linalg.lstsq(design[slots], points(found.things), rcond=None)[0]
    made = {}
    for slot in empty:
        near = found.things[min(range(len(slots)), key=lambda i: abs(slots[i] - slot))]
        x, y = (float(value) for value in design[slot] @ matrix)
        made[slot] = replace(near, x=round(x, 5), y=round(y, 5))
    return made


class Dressed(NamedTuple):
    """Things in their places, between the props of a setting behind and before them."""

    behind: list[Element]
    things: list[Element]
    front: list[Element]


def dressed(setting: str, things: Sequence[Element]) -> Dressed:
    """The things with the props of the setting, which are drawn about them by the grammar."""
    stage = SETTINGS[setting].dress(Draft(np.random.default_rng(0)), things)
    # The grammar scales and moves all things alike to fill the picture; the props are taken back by the same.
    scale = float(np.median([new.size / old.size for new, old in zip(stage.things, things, strict=True)]))
    shift = (points(stage.things) - scale * points(list(things))).mean(0)

    def back(prop: Element) -> Element:
        x, y = (float(value) for value in (np.array([prop.x, prop.y]) - shift) / scale)
        return replace(prop, x=x, y=y, size=prop.size / scale)

    standing = [replace(old, standing=new.standing) for new, old in zip(stage.things, things, strict=True)]
    return Dressed([back(e) for e in stage.behind], standing, [back(e) for e in stage.front])
