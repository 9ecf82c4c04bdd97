"""Progressions: what changes step by step along the reading order of an arrangement."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analogen.relsim.world.grammar.layouts import Points
from analogen.relsim.world.measure import require
from analogen.relsim.world.relations.base import Draft
from analogen.relsim.world.scene import NO_CLIP, Clip, Element

# From a thing and how far along it stands (0 to 1) to the changed thing.
Change = Callable[[Element, float], Element]
# From things and how far along they stand to the same things without the change; Broken if it is not there.
Undo = Callable[[list[Element], Points], list[Element]]


@dataclass(frozen=True)
class Progression:
    """One change. `prepare` chooses its strength and gives the change, `undo` checks it and takes it away again;
    most: things that show it clearly; in_round: the change in arrangements whose things may face the middle."""

    id: str
    prepare: Callable[[Draft], Change]
    undo: Undo
    most: int = 12
    in_round: Callable[[Draft], Change] | None = None


def _unchanged(draft: Draft) -> Change:
    return lambda e, t: e


def _growing(draft: Draft) -> Change:
    smallest = draft.uniform(0.32, 0.42)
    return lambda e, t: replace(e, size=e.size * smallest ** (1 - t))


def _shrinking(draft: Draft) -> Change:
    smallest = draft.uniform(0.32, 0.42)
    return lambda e, t: replace(e, size=e.size * smallest**t)


def _turning(draft: Draft) -> Change:
    return _turned(draft.choice((-1, 1)) * draft.uniform(150, 330))


def _turning_back(draft: Draft) -> Change:
    return _turned(-draft.uniform(150, 330))


def _turned(whole: float) -> Change:
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


def _line(values: Points, progress: Points) -> tuple[float, Points]:
    """Slope of the values over the progress, and their deviations from the line."""
    slope, start = np.polyfit(progress, values, 1)
    return float(slope), values - slope * progress - start


def _trend(values: Sequence[float] | Points, progress: Points, least: float, what: str) -> None:
    """Broken unless the values move evenly, by `least` or more (or less, if negative) in all."""
    require(float(np.ptp(progress)) > 0 and len(values) >= 3, f"too few to show {what}")
    slope, off = _line(np.asarray(values, dtype=np.float64), progress)
    require(slope * math.copysign(1, least) >= abs(least), f"no {what} in reading order")
    require(float(np.abs(off).max()) <= 0.32 * abs(slope), f"{what} goes back and forth")


def _unwrapped(angles: Sequence[float], progress: Points) -> Points:
    """Angles of things of one step averaged, then followed without jumps from step to step; one value a thing."""
    steps, which = np.unique(progress, return_inverse=True)
    waves = np.exp(1j * np.radians(angles))
    means = np.array([np.angle(waves[which == i].mean()) for i in range(len(steps))])
    followed = np.degrees(np.unwrap(means))
    own = np.degrees(np.angle(waves / np.exp(1j * np.radians(followed))[which]))
    unwrapped: Points = followed[which] + own
    return unwrapped


def _undo_nothing(things: list[Element], progress: Points) -> list[Element]:
    return things


def _undo_sizes(least: float) -> Undo:
    def undo(things: list[Element], progress: Points) -> list[Element]:
        _trend(np.log([e.size for e in things]), progress, least, "growing" if least > 0 else "shrinking")
        return [replace(e, size=1.0) for e in things]

    return undo


def _undo_angle(name: str, least: float, what: str) -> Undo:
    neutral: dict[str, Any] = {name: 0.0}

    def undo(things: list[Element], progress: Points) -> list[Element]:
        require(float(np.ptp(progress)) > 0, f"too few to show {what}")
        slope, off = _line(_unwrapped([getattr(e, name) for e in things], progress), progress)
        require(abs(slope) >= least, f"no {what} in reading order")
        require(float(np.abs(off).max()) <= max(0.2 * abs(slope), 30), f"{what} goes back and forth")
        return [replace(e, **neutral) for e in things]

    return undo


def _undo_level(name: str, neutral_level: float, least: float, what: str) -> Undo:
    neutral: dict[str, Any] = {name: neutral_level}

    def undo(things: list[Element], progress: Points) -> list[Element]:
        _trend([getattr(e, name) for e in things], progress, least, what)
        return [replace(e, **neutral) for e in things]

    return undo


def _undo_clip(kind: str, whole: float, least: float) -> Undo:
    """`whole`: the amount at which nothing is cut."""

    def undo(things: list[Element], progress: Points) -> list[Element]:
        cut = [e for e in things if e.clip.kind != "none"]
        require(bool(cut), f"none is cut by a {kind}")
        require(all(e.clip.kind == kind for e in cut), f"not cut by a {kind}")
        _trend([e.clip.amount if e.clip.kind == kind else whole for e in things], progress, least, "what is taken")
        sides = np.exp(1j * np.radians([math.degrees(math.atan2(e.clip.v, e.clip.u)) for e in cut]))
        require(abs(complex(sides.mean())) >= 0.8, "cut from different sides")
        return [replace(e, clip=NO_CLIP) for e in things]

    return undo


PROGRESSIONS: dict[str, Progression] = {
    p.id: p
    for p in (
        Progression("none", _unchanged, _undo_nothing, 24),
        Progression("growing", _growing, _undo_sizes(0.45)),
        Progression("shrinking", _shrinking, _undo_sizes(-0.45)),
        Progression("turning", _turning, _undo_angle("turn", 105, "turning"), in_round=_turning_back),
        Progression("fading", _fading, _undo_level("opacity", 1.0, -0.45, "fading")),
        Progression("appearing", _appearing, _undo_level("opacity", 1.0, 0.45, "appearing")),
        Progression("colour", _colour, _undo_angle("hue", 95, "change of colour")),
        Progression("paling", _paling, _undo_level("saturation", 1.0, -0.6, "paling")),
        Progression("colouring", _colouring, _undo_level("saturation", 1.0, 0.6, "colouring")),
        Progression("darkening", _darkening, _undo_level("brightness", 1.0, -0.45, "darkening")),
        Progression("eaten", _eaten, _undo_clip("bite", 0.0, 0.35), 9),
        Progression("cut_away", _cut_away, _undo_clip("half", -1.0, 0.6), 9),
        Progression("dissolving", _dissolving, _undo_level("pixel", 0.0, 0.45, "dissolving"), 9),
        Progression("drawn", _drawn, _undo_level("sketch", 0.0, -0.55, "finishing of a sketch"), 9),
    )
}
SIZES = ("growing", "shrinking")
LOOKS = ("colour", "paling", "colouring", "darkening", "drawn", "dissolving")
CUTS = ("eaten", "cut_away")
