"""Makes a change to a scene, however many things it has and however they stand."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.world.changes.change import (
    NO_CHANGE,
    Box,
    Change,
    Move,
    ThingChange,
    frame_of,
    in_frame,
    middle_and_extent,
    progress_of,
)
from analogen.relsim.world.changes.finding import HUE, LEVEL, SIZE, TURN
from analogen.relsim.world.grammar.composition import Composition
from analogen.relsim.world.measure import turn_between
from analogen.relsim.world.relations.base import Draft
from analogen.relsim.world.scene import MAX_ELEMENTS, Clip, Element, Scene

SMALLEST, LARGEST = 0.08, 1.9  # sizes that things are drawn in
CUT = 0.15  # difference of amounts below which cuts are alike
TRIES = 80
# The amounts of cuts that leave a thing whole.
WHOLE = {"bite": 0.0, "wedge": 0.0, "half": -1.0}


def apply_change(change: Change, scene: Scene, arrangement: str = "", rng: np.random.Generator | None = None) -> Scene:
    """The scene after the same change. arrangement: of the grammar, in which its things stand, "" if in none.

    rng: chooses among equally good arrangements. Elements beyond MAX_ELEMENTS are left out.
    """
    rng = rng or np.random.default_rng(0)
    things = list(scene.things)
    if not things:
        return scene
    middle, _ = middle_and_extent(things)
    if change.copies is not None:
        things = _multiplied(things, change.copies, change.things[0])
    else:
        things = _fewer(things, change.kept)
        if change.arrangement or change.more:
            slots = _arranged(change.arrangement or arrangement, len(things) + change.more, rng)
            things = _slotted(things, slots, keeps_sizes=not change.arrangement)
        elif change.places is not None:
            things = _placed(things, _resampled(change.places, len(things)), keeps_sizes=True)
        if change.moved is not None:
            things = [_moved(e, change.moved, middle) for e in things]
        onto = progress_of(things, change.arrangement or ("" if change.places is not None else arrangement))
        each = spread(change.things, len(things), change.progress, onto)
        things = [_changed(e, one) for e, one in zip(things, each, strict=True)]
    props = [e for e in scene.elements if not e.is_thing and e.kind not in change.removed]
    first = next((i for i, e in enumerate(scene.elements) if e.is_thing), 0)
    behind = [e for e in props if scene.elements.index(e) < first]
    front = [e for e in props if e not in behind]
    frame = frame_of(things)
    made = [(in_frame(e, Box(0, 0, 1, 1), frame), in_front) for e, in_front in change.added]
    elements = [
        *behind, *(e for e, in_front in made if not in_front), *things, *front, *(e for e, in_front in made if in_front)
    ]  # fmt: skip
    return dataclasses.replace(scene, elements=tuple(elements[:MAX_ELEMENTS]))


def spread(
    changes: Sequence[ThingChange],
    count: int,
    progress: Sequence[float] = (),
    onto: Sequence[float] = (),
) -> list[ThingChange]:
    """The changes of some things in a row given to `count` things.

    All alike: to all. One alone: to one at about the same place. Every second one: likewise. Else step by step.

    progress, onto: how far along their arrangement the things stand that changed, and those that are to; by default
    evenly.
    """
    if not changes or count == 0:
        return [NO_CHANGE] * count
    course = course_of(changes)
    if course in ("none", "all"):
        return [changes[0]] * count
    if course == "one":
        (odd,) = (i for i, one in enumerate(changes) if not one.is_none)
        made = [NO_CHANGE] * count
        made[round(odd / (len(changes) - 1) * (count - 1))] = changes[odd]
        return made
    if course == "every second":
        first = 0 if not changes[0].is_none else 1
        return [changes[first] if i % 2 == first else NO_CHANGE for i in range(count)]
    steps = np.asarray(progress if len(progress) == len(changes) else np.linspace(0, 1, len(changes)), float)
    places = np.asarray(onto if len(onto) == count else np.linspace(0, 1, count), float)
    return [_between(changes, steps, float(place)) for place in places]


def _between(changes: Sequence[ThingChange], steps: NDArray[np.float64], place: float) -> ThingChange:
    """What a thing at this place becomes, between those before and after it."""
    levels, groups = np.unique(np.round(steps, 4), return_inverse=True)

    def at(values: Sequence[float] | NDArray[np.float64]) -> float:
        means = [float(np.asarray(values)[groups == group].mean()) for group in range(len(levels))]
        return float(np.interp(place, levels, means))

    nearest = changes[int(np.abs(steps - place).argmin())]
    names = ("size", "opacity", "saturation", "brightness", "silhouette", "sketch", "pixel")
    numbers: dict[str, Any] = {name: at([getattr(one, name) for one in changes]) for name in names}
    order = np.argsort(steps, kind="stable")
    for name in ("turn", "hue"):
        turns = np.empty(len(changes))
        turns[order] = np.degrees(np.unwrap(np.radians([getattr(changes[i], name) for i in order])))
        numbers[name] = at(turns)
    return nearest._replace(**numbers, clip=_cut_between(changes, at) or nearest.clip)


def _cut_between(changes: Sequence[ThingChange], at: Callable[[Sequence[float]], float]) -> Clip | None:
    """The cut of a thing between others, of which more or less is gone; None where that is nothing, or no amount."""
    cuts = [one.clip for one in changes if one.clip is not None]
    kinds = {cut.kind for cut in cuts}
    whole = WHOLE.get(next(iter(kinds))) if len(kinds) == 1 else None
    if whole is None:
        return None
    amount = at([whole if one.clip is None else one.clip.amount for one in changes])
    return dataclasses.replace(cuts[-1], amount=amount) if amount > whole + 0.02 else None


def course_of(changes: Sequence[ThingChange]) -> str:
    """How the changes go along the things: "none", "all" alike, "one" alone, "every second" one, or step by "step"."""
    if all(one.is_none for one in changes):
        return "none"
    if all(_near(one, changes[0]) for one in changes):
        return "all"
    if len(changes) > 2:
        if sum(not one.is_none for one in changes) == 1:
            return "one"
        for first in (0, 1):
            mine, rest = changes[first::2], changes[1 - first :: 2]
            if all(_near(one, mine[0]) for one in mine) and all(one.is_none for one in rest):
                return "every second"
    return "step"


def _near(first: ThingChange, second: ThingChange) -> bool:
    """Whether two changes are the same within what cannot be told."""
    near = abs(first.size - second.size) < 1.5 * SIZE and abs(turn_between(first.turn, second.turn)) < 1.5 * TURN
    near &= abs(turn_between(first.hue, second.hue)) < 1.5 * HUE
    near &= all(abs(getattr(first, n) - getattr(second, n)) < 0.25 for n in ("opacity", "saturation", "brightness"))
    near &= all(abs(getattr(first, n) - getattr(second, n)) < LEVEL for n in ("silhouette", "sketch", "pixel"))
    one, other = first.clip, second.clip
    if one is None or other is None:
        near &= one is other
    else:
        near &= one.kind == other.kind and abs(one.amount - other.amount) < CUT
    return near and first.flipped == second.flipped and first.kind == second.kind


def _changed(e: Element, change: ThingChange) -> Element:
    return dataclasses.replace(
        e,
        size=min(max(e.size * math.exp(change.size), SMALLEST), LARGEST),
        turn=(e.turn + change.turn) % 360,
        mirror=e.mirror != change.flipped,
        opacity=min(max(e.opacity * change.opacity, 0.05), 1.0),
        saturation=min(max(e.saturation * change.saturation, 0.0), 2.0),
        brightness=min(max(e.brightness * change.brightness, 0.0), 2.0),
        hue=(e.hue + change.hue) % 360,
        silhouette=min(max(e.silhouette + change.silhouette, 0.0), 1.0),
        sketch=min(max(e.sketch + change.sketch, 0.0), 1.0),
        pixel=min(max(e.pixel + change.pixel, 0.0), 1.0),
        palette="ink" if change.silhouette > 0 and e.palette == "none" else e.palette,
        clip=e.clip if change.clip is None else change.clip,
        kind=change.kind or e.kind,
    )


def _moved(e: Element, move: Move, middle: NDArray[np.float64]) -> Element:
    x, y = move.matrix @ (np.array([e.x, e.y]) - middle) + middle + move.shift
    scale = math.sqrt(abs(float(np.linalg.det(move.matrix))))
    return dataclasses.replace(e, x=float(x), y=float(y), size=min(max(e.size * scale, SMALLEST), LARGEST))


def _multiplied(things: Sequence[Element], copies: NDArray[np.float64], change: ThingChange) -> list[Element]:
    """Every copy is the whole of the things, made small; together they fill most of the picture."""
    middle, extent = middle_and_extent(things)
    whole = max(e.size for e in things) if len(things) == 1 else 2 * extent
    made = []
    for x, y, size in copies * 0.85:
        scale = size / whole
        for e in things:
            place = np.array([x, y]) + scale * (np.array([e.x, e.y]) - middle)
            made.append(
                _changed(dataclasses.replace(e, x=float(place[0]), y=float(place[1]), size=e.size * scale), change)
            )
    return made[:MAX_ELEMENTS]


def _fewer(things: list[Element], kept: Sequence[bool]) -> list[Element]:
    """Without the things at about the places in the order at which others went; one stays in any case."""
    gone = [i / max(1, len(kept) - 1) for i, stays in enumerate(kept) if not stays]
    if not gone:
        return things
    number = min(len(gone), len(things) - 1)
    away = {round(place * (len(things) - 1)) for place in gone[:number]}
    return [e for i, e in enumerate(things) if i not in away]


def _repeated(things: Sequence[Element], count: int) -> list[Element]:
    """`count` things: these, and the last of them again."""
    return [things[min(i, len(things) - 1)] for i in range(count)]


def _arranged(arrangement: str, count: int, rng: np.random.Generator) -> list[Element]:
    """Things in an arrangement of the grammar, `count` or as near to it as it comes; none without an arrangement."""
    nearest: list[Element] = []
    for _ in range(TRIES if arrangement else 0):
        draft = Draft(rng)
        Composition(arrangement).draw(draft)
        things = [e for e in draft.elements if e.is_thing]
        if not nearest or abs(len(things) - count) < abs(len(nearest) - count):
            nearest = things
        if len(nearest) == count:
            break
    return nearest


def _slotted(things: Sequence[Element], slots: Sequence[Element], keeps_sizes: bool) -> list[Element]:
    """The things where the slots are, turned and mirrored as these. keeps_sizes: their own turns and proportions."""
    if not slots:
        return list(things)
    things = _repeated(things, len(slots))
    middle = float(np.median([e.size for e in things]))
    return [
        dataclasses.replace(
            e, x=slot.x, y=slot.y, size=slot.size * (e.size / middle if keeps_sizes else 1.0),
            turn=e.turn if keeps_sizes else slot.turn, mirror=e.mirror if keeps_sizes else slot.mirror,
        )
        for e, slot in zip(things, slots, strict=True)
    ]  # fmt: skip


def _placed(things: Sequence[Element], places: NDArray[np.float64], keeps_sizes: bool) -> list[Element]:
    """The things at these places. keeps_sizes: in their own proportions, scaled to fit; else in the places' sizes."""
    things = _repeated(things, len(places))
    scale = float(np.median(places[:, 2])) / float(np.median([e.size for e in things]))
    return [
        dataclasses.replace(
            e, x=float(x), y=float(y), size=float(min(e.size * scale, size * 1.6) if keeps_sizes else size)
        )
        for e, (x, y, size) in zip(things, places, strict=True)
    ]


def _resampled(places: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """(count, 3): evenly along the line through the places; sizes shrink as they come closer."""
    if len(places) == count:
        return places
    steps = np.hypot(*np.diff(places[:, :2], axis=0).T)
    along = np.concatenate([[0], np.cumsum(steps)])
    at = np.linspace(0, along[-1], count)
    made = np.stack([np.interp(at, along, places[:, i]) for i in range(3)], 1)
    made[:, 2] *= min(1.0, len(places) / count)
    return made
