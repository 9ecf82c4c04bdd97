"""What changed between two scenes, and the same change made to a third: A is to A' as B is to what?

Things are matched, and their changes told apart by how they go along the things: all alike, one alone, every second
one, or step by step. So a change that was seen in a row of four can be made to a ring of seven.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.world.grammar.composition import Composition
from analogen.relsim.world.measure import turn_between
from analogen.relsim.world.relations.base import Draft
from analogen.relsim.world.scene import MAX_ELEMENTS, Clip, Element, Scene

# Smaller differences are none: log of sizes, degrees of turn and hue, factors, levels.
SIZE, TURN, HUE, FACTOR, LEVEL = 0.14, 14.0, 25.0, 0.15, 0.35
MOVED = 0.12  # of the whole's extent: places nearer than this are the same after the whole is moved and scaled
SAME_SIZE = 1.0  # weight of a log of sizes, against distances, in matching
OTHER_KIND = 0.6  # cost of another kind in matching
SMALLEST, LARGEST = 0.08, 1.9  # sizes that things are drawn in
TRIES = 80
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


def change_between(before: Scene, after: Scene, arrangement_before: str = "", arrangement_after: str = "") -> Change:
    """The change from one scene to another, whose things are in the order of their rule.

    arrangement_before, arrangement_after: atoms of the grammar that were found in them, "" where none was.
    """
    old, new = before.things, after.things
    added, removed = _changed_props(before, after)
    if len(old) == 1 and len(new) > 1:
        whole = _change_of(old[0], dataclasses.replace(new[0], size=old[0].size))
        return Change((whole,), copies=_relative_boxes(old[0], new), kept=(True,), added=added, removed=removed)
    pairs = _matched(old, new)
    kept = tuple(i in {a for a, _ in pairs} for i in range(len(old)))
    move, apart = _best_move(old, new, pairs)
    named = arrangement_after if arrangement_after and arrangement_after != arrangement_before else ""
    rearranged = apart > MOVED and len(pairs) > 1
    scale = 1.0 if rearranged else max(math.sqrt(abs(float(np.linalg.det(move.matrix)))), 0.05)
    # What all sizes share is a change of the whole's scale only if the places say so too.
    in_order = sorted(pairs, key=lambda pair: pair[1])
    things = [_change_of(old[a], new[b], scale) for a, b in in_order]
    if rearranged and named:  # sizes, turns and sides are the arrangement's own
        things = [one._replace(size=0.0, turn=0.0, flipped=False) for one in things]
    places = None
    if rearranged and not named:
        places = np.array([(e.x, e.y, e.size) for e in new])
    return Change(
        tuple(things),
        moved=None if rearranged or _is_still(move) else move,
        arrangement=named if rearranged else "",
        places=places,
        kept=kept,
        more=max(0, len(new) - len(old)),
        added=added,
        removed=removed,
    )


def apply_change(change: Change, scene: Scene, arrangement: str = "", rng: np.random.Generator | None = None) -> Scene:
    """The scene after the same change. arrangement: of the grammar, in which its things stand, "" if in none.

    rng: chooses among equally good arrangements. Elements beyond MAX_ELEMENTS are left out.
    """
    rng = rng or np.random.default_rng(0)
    things = list(scene.things)
    if not things:
        return scene
    middle, _ = _middle_and_extent(things)
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
        things = [_changed(e, one) for e, one in zip(things, spread(change.things, len(things)), strict=True)]
    props = [e for e in scene.elements if not e.is_thing and e.kind not in change.removed]
    first = next((i for i, e in enumerate(scene.elements) if e.is_thing), 0)
    behind = [e for e in props if scene.elements.index(e) < first]
    front = [e for e in props if e not in behind]
    frame = _frame_of(things)
    made = [(_in_frame(e, Box(0, 0, 1, 1), frame), in_front) for e, in_front in change.added]
    elements = [
        *behind, *(e for e, in_front in made if not in_front), *things, *front, *(e for e, in_front in made if in_front)
    ]  # fmt: skip
    return dataclasses.replace(scene, elements=tuple(elements[:MAX_ELEMENTS]))


def spread(changes: Sequence[ThingChange], count: int) -> list[ThingChange]:
    """The changes of some things in a row given to `count` things.

    All alike: to all. One alone: to one at about the same place. Every second one: likewise. Else step by step.
    """
    if not changes or count == 0:
        return [NO_CHANGE] * count
    if len(changes) == 1 or all(_near(one, changes[0]) for one in changes):
        return [changes[0]] * count
    odd = [i for i, one in enumerate(changes) if not one.is_none]
    if len(odd) == 1 and len(changes) > 2:
        made = [NO_CHANGE] * count
        made[round(odd[0] / (len(changes) - 1) * (count - 1))] = changes[odd[0]]
        return made
    for turn in (0, 1):
        mine, rest = changes[turn::2], changes[1 - turn :: 2]
        if len(changes) > 2 and all(_near(o, mine[0]) for o in mine) and all(o.is_none for o in rest):
            return [mine[0] if i % 2 == turn else NO_CHANGE for i in range(count)]
    at = np.linspace(0, len(changes) - 1, count) if count > 1 else np.array([0.0])
    turns = np.degrees(np.unwrap(np.radians([one.turn for one in changes])))
    hues = np.degrees(np.unwrap(np.radians([one.hue for one in changes])))
    steps = np.arange(len(changes))
    made = []
    for place in at:
        nearest = changes[round(float(place))]
        numbers: dict[str, Any] = {
            name: float(np.interp(place, steps, [getattr(one, name) for one in changes]))
            for name in ("size", "opacity", "saturation", "brightness", "silhouette", "sketch", "pixel")
        }
        made.append(
            nearest._replace(
                turn=float(np.interp(place, steps, turns)), hue=float(np.interp(place, steps, hues)), **numbers
            )
        )
    return made


def _change_of(old: Element, new: Element, scale: float = 1.0) -> ThingChange:
    """scale: of the whole, which is no change of the thing."""
    size = math.log(new.size / old.size / scale)
    turn = turn_between(old.turn, new.turn)
    factors = {
        name: getattr(new, name) / max(getattr(old, name), 0.05) for name in ("opacity", "saturation", "brightness")
    }
    levels = {name: getattr(new, name) - getattr(old, name) for name in ("silhouette", "sketch", "pixel")}
    hue = turn_between(old.hue, new.hue)
    return ThingChange(
        size=size if abs(size) > SIZE else 0.0,
        turn=turn if abs(turn) > TURN else 0.0,
        flipped=old.mirror != new.mirror,
        hue=hue if abs(hue) > HUE else 0.0,
        clip=new.clip if new.clip.kind != old.clip.kind else None,
        kind=new.kind if new.kind != old.kind else "",
        **{name: value if abs(value - 1) > FACTOR else 1.0 for name, value in factors.items()},
        **{name: value if abs(value) > LEVEL else 0.0 for name, value in levels.items()},
    )


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


def _near(first: ThingChange, second: ThingChange) -> bool:
    """Whether two changes are the same within what cannot be told."""
    near = abs(first.size - second.size) < 1.5 * SIZE and abs(turn_between(first.turn, second.turn)) < 1.5 * TURN
    near &= abs(turn_between(first.hue, second.hue)) < 1.5 * HUE
    near &= all(abs(getattr(first, n) - getattr(second, n)) < 0.25 for n in ("opacity", "saturation", "brightness"))
    near &= all(abs(getattr(first, n) - getattr(second, n)) < LEVEL for n in ("silhouette", "sketch", "pixel"))
    cuts = [None if one.clip is None else one.clip.kind for one in (first, second)]
    return near and first.flipped == second.flipped and first.kind == second.kind and cuts[0] == cuts[1]


def _matched(old: Sequence[Element], new: Sequence[Element]) -> list[tuple[int, int]]:
    """Pairs (number in old, number in new), the nearest first, after both are brought to one middle and extent."""
    if not old or not new:
        return []
    (m1, e1), (m2, e2) = _middle_and_extent(old), _middle_and_extent(new)
    a = (np.array([(e.x, e.y) for e in old]) - m1) / e1
    b = (np.array([(e.x, e.y) for e in new]) - m2) / e2
    cost = np.hypot(*(a[:, None] - b[None]).transpose(2, 0, 1))
    sizes = [np.log([e.size for e in each]) for each in (old, new)]
    relative = [s - s.mean() for s in sizes]
    cost = cost + 0.1 * SAME_SIZE * np.abs(relative[0][:, None] - relative[1][None])
    cost = cost + OTHER_KIND * 0.25 * np.array([[x.kind != y.kind for y in new] for x in old])
    pairs, left = [], cost.copy()
    for _ in range(min(len(old), len(new))):
        i, j = np.unravel_index(int(left.argmin()), left.shape)
        pairs.append((int(i), int(j)))
        left[i], left[:, j] = np.inf, np.inf
    return pairs


def _best_move(old: Sequence[Element], new: Sequence[Element], pairs: Sequence[tuple[int, int]]) -> tuple[Move, float]:
    """The move of the whole that takes the old places nearest to the new ones, and the largest distance that is left,
    as a share of the extent. Source: Umeyama, 1991, without reflections."""
    if not pairs:
        return Move(np.eye(2), np.zeros(2)), 0.0
    a = np.array([(old[i].x, old[i].y) for i, _ in pairs])
    b = np.array([(new[j].x, new[j].y) for _, j in pairs])
    middle, _ = _middle_and_extent(old)
    ca, cb = a - a.mean(0), b - b.mean(0)
    spread_a = float((ca**2).sum())
    if len(pairs) < 2 or spread_a < 1e-9:
        size = np.exp(np.mean([math.log(new[j].size / old[i].size) for i, j in pairs])) if len(pairs) == 1 else 1.0
        matrix = np.eye(2) * (1.0 if len(pairs) == 1 else size)
    else:
        u, s, vt = np.linalg.svd(cb.T @ ca)
        sign = np.array([1.0, np.sign(np.linalg.det(u @ vt)) or 1.0])
        matrix = (u * sign) @ vt * float((s * sign).sum()) / spread_a
    shift = b.mean(0) - middle - matrix @ (a.mean(0) - middle)
    left = np.hypot(*((a - middle) @ matrix.T + middle + shift - b).T)
    return Move(matrix, shift), float(left.max()) / max(_middle_and_extent(new)[1], 1e-6)


def _is_still(move: Move) -> bool:
    scale = math.sqrt(abs(float(np.linalg.det(move.matrix))))
    turn = abs(math.degrees(math.atan2(move.matrix[1, 0], move.matrix[0, 0])))
    return abs(math.log(max(scale, 1e-6))) < SIZE and turn < TURN and float(np.hypot(*move.shift)) < MOVED


def _moved(e: Element, move: Move, middle: NDArray[np.float64]) -> Element:
    x, y = move.matrix @ (np.array([e.x, e.y]) - middle) + middle + move.shift
    scale = math.sqrt(abs(float(np.linalg.det(move.matrix))))
    return dataclasses.replace(e, x=float(x), y=float(y), size=min(max(e.size * scale, SMALLEST), LARGEST))


def _middle_and_extent(things: Sequence[Element]) -> tuple[NDArray[np.float64], float]:
    """The middle of all boxes together, (2,), and half the longer side of that."""
    low = np.array([(e.x - e.width / 2, e.y - e.height / 2) for e in things]).min(0)
    high = np.array([(e.x + e.width / 2, e.y + e.height / 2) for e in things]).max(0)
    return (low + high) / 2, max(float((high - low).max()) / 2, 0.05)


def _changed_props(before: Scene, after: Scene) -> tuple[tuple[tuple[Element, bool], ...], tuple[str, ...]]:
    """Props of the second scene that the first lacks, in units of the things' extent, and kinds that went."""
    kinds = [{e.kind for e in scene.elements if not e.is_thing} for scene in (before, after)]
    if not after.things:
        return (), tuple(sorted(kinds[0] - kinds[1]))
    frame = _frame_of(after.things)
    last_thing = max(i for i, e in enumerate(after.elements) if e.is_thing)
    first_thing = min(i for i, e in enumerate(after.elements) if e.is_thing)
    added = []
    for number, e in enumerate(after.elements):
        if not e.is_thing and e.kind not in kinds[0]:
            in_front = number > last_thing or (number > first_thing and e.kind not in ("ground", "pedestal"))
            added.append((_in_frame(e, frame, Box(0, 0, 1, 1)), in_front))
    return tuple(added), tuple(sorted(kinds[0] - kinds[1]))


class Box(NamedTuple):
    """Middle and half sides."""

    x: float
    y: float
    width: float
    height: float


def _frame_of(things: Sequence[Element]) -> Box:
    """The box of all things together."""
    low = np.array([(e.x - e.width / 2, e.y - e.height / 2) for e in things]).min(0)
    high = np.array([(e.x + e.width / 2, e.y + e.height / 2) for e in things]).max(0)
    (x, y), (width, height) = (low + high) / 2, np.maximum((high - low) / 2, 0.05)
    return Box(float(x), float(y), float(width), float(height))


def _in_frame(prop: Element, old: Box, new: Box) -> Element:
    """The prop, which stands to the box `old` as it is, standing to the box `new` likewise.

    What encloses the things, or goes along a whole side of them, is stretched with them; other props keep their shape.
    """
    across, down = new.width / old.width, new.height / old.height
    stretches = prop.kind not in ROUND
    wide, high = stretches and prop.width > 1.6 * old.width, stretches and prop.height > 1.6 * old.height
    even = math.hypot(new.width, new.height) / math.hypot(old.width, old.height)
    width = prop.width * (across if wide else even)
    height = prop.height * (down if high else even)
    place: dict[str, Any] = {"x": new.x + (prop.x - old.x) * across, "y": new.y + (prop.y - old.y) * down}
    return dataclasses.replace(prop, **place, size=math.sqrt(width * height), aspect=width / height)


def _relative_boxes(one: Element, many: Sequence[Element]) -> NDArray[np.float64]:
    """(n, 3): where the copies stand and how large they are, in units of the whole that they make."""
    middle, extent = _middle_and_extent(many)
    return np.array([((e.x - middle[0]) / extent, (e.y - middle[1]) / extent, e.size / extent) for e in many])


def _multiplied(things: Sequence[Element], copies: NDArray[np.float64], change: ThingChange) -> list[Element]:
    """Every copy is the whole of the things, made small; together they fill most of the picture."""
    middle, extent = _middle_and_extent(things)
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
    """The things in the slots, turned and mirrored as these. keeps_sizes: with their own turns and proportions."""
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
