"""Progressions: what changes step by step along the reading order of an arrangement."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from analogen.relsim.world.relations.base import Draft
from analogen.relsim.world.scene import NO_CLIP, Clip, Element

# From a thing and how far along it stands (0 to 1) to the changed thing.
Change = Callable[[Element, float], Element]


@dataclass(frozen=True)
class Progression:
    """One change. `prepare` chooses its strength and gives the change; most: things that show it clearly."""

    id: str
    prepare: Callable[[Draft], Change]
    most: int = 12


def _unchanged(draft: Draft) -> Change:
    return lambda e, t: e


def _growing(draft: Draft) -> Change:
    smallest = draft.uniform(0.32, 0.42)
    return lambda e, t: replace(e, size=e.size * smallest ** (1 - t))


def _shrinking(draft: Draft) -> Change:
    smallest = draft.uniform(0.32, 0.42)
    return lambda e, t: replace(e, size=e.size * smallest**t)


def _turning(draft: Draft) -> Change:
    whole = draft.choice((-1, 1)) * draft.uniform(150, 330)
    return lambda e, t: replace(e, turn=(e.turn + whole * t) % 360, size=e.size * 0.9)


def _fading(draft: Draft) -> Change:
    faintest = draft.uniform(0.14, 0.24)
    return lambda e, t: replace(e, opacity=1 - (1 - faintest) * t)


def _appearing(draft: Draft) -> Change:
    faintest = draft.uniform(0.14, 0.24)
    return lambda e, t: replace(e, opacity=faintest + (1 - faintest) * t)


def _colour(draft: Draft) -> Change:
    first, whole = draft.uniform(0, 360), draft.choice((-1, 1)) * draft.uniform(140, 290)
    return lambda e, t: replace(e, hue=(first + whole * t) % 360)


def _paling(draft: Draft) -> Change:
    least = draft.uniform(0.0, 0.1)
    return lambda e, t: replace(e, saturation=1.1 - (1.1 - least) * t)


def _colouring(draft: Draft) -> Change:
    least = draft.uniform(0.0, 0.1)
    return lambda e, t: replace(e, saturation=least + (1.1 - least) * t)


def _darkening(draft: Draft) -> Change:
    darkest = draft.uniform(0.12, 0.25)
    return lambda e, t: replace(e, brightness=1 - (1 - darkest) * t)


def _eaten(draft: Draft) -> Change:
    side, last = math.radians(draft.choice((0, -30, -60, -90, -120, 180))), draft.uniform(0.6, 0.75)
    u, v = math.cos(side), math.sin(side)
    return lambda e, t: replace(e, clip=Clip("bite", u, v, last * t) if t > 0.02 else NO_CLIP)


def _cut_away(draft: Draft) -> Change:
    """Less and less is left, cut off along a straight line from one side."""
    u, v = draft.choice(((0.0, 1.0), (1.0, 0.0), (-1.0, 0.0)))
    last = draft.uniform(0.25, 0.45)
    return lambda e, t: replace(e, clip=Clip("half", u, v, -1 + (1 + last) * t) if t > 0.02 else NO_CLIP)


def _dissolving(draft: Draft) -> Change:
    coarsest = draft.uniform(0.75, 0.95)
    return lambda e, t: replace(e, pixel=coarsest * t)


def _drawn(draft: Draft) -> Change:
    """From a sketch to the finished thing."""
    return lambda e, t: replace(e, sketch=1 - t)


PROGRESSIONS: dict[str, Progression] = {
    p.id: p
    for p in (
        Progression("none", _unchanged, 24),
        Progression("growing", _growing),
        Progression("shrinking", _shrinking),
        Progression("turning", _turning),
        Progression("fading", _fading),
        Progression("appearing", _appearing),
        Progression("colour", _colour),
        Progression("paling", _paling),
        Progression("colouring", _colouring),
        Progression("darkening", _darkening),
        Progression("eaten", _eaten, 9),
        Progression("cut_away", _cut_away, 9),
        Progression("dissolving", _dissolving, 9),
        Progression("drawn", _drawn, 9),
    )
}
SIZES = ("growing", "shrinking")
LOOKS = ("colour", "paling", "colouring", "darkening", "drawn", "dissolving")
CUTS = ("eaten", "cut_away")
