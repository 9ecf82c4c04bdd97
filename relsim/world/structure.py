"""Measures what a caption leaves open (counts, directions, grid shapes), and whether another scene keeps it.

Each relation with such free parameters has its measures here; both scenes are measured alike, as they are seen
(a mirrored reference points the other way).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analogen.relsim.world.measure import Broken, bearings, clip_directions, points, require, rows_of, turn_between
from analogen.relsim.world.relations.composition import in_reading_order, lower_edge
from analogen.relsim.world.relations.crowds import OUTLINES, covers_outline, quarter_turned
from analogen.relsim.world.scene import Element, Scene

MANY = 10  # counts from here on are reported apart: nobody counts them at sight
ASIDE = 0.04  # smaller offsets to a side say nothing

Value = int | float | str | tuple[int, ...] | None
Measure = Callable[[Scene], Value]


@dataclass(frozen=True)
class Fact:
    """A free parameter of a scene. kind: count, direction, orientation or shape; value: None if the scene has none.

    A float is an angle in degrees.
    """

    kind: str
    value: Value


def facts_of(relation: str, scene: Scene) -> list[Fact]:
    """The facts of the scene that its relation leaves open, in a fixed order; the value is None if it is unclear."""
    seen = with_mirroring_applied(scene)
    found = []
    for kind, measure in MEASURES.get(relation, ()):
        try:
            value = measure(seen)
        except (Broken, ValueError, IndexError, ZeroDivisionError):  # the scene is no such picture
            value = None
        found.append(Fact(kind, value))
    return found


def kept_facts(relation: str, reference: Scene, result: Scene) -> list[tuple[str, bool]]:
    """(kind, kept) for every fact of the reference. Counts of at least MANY have the kind "many"."""
    pairs = zip(facts_of(relation, reference), facts_of(relation, result), strict=True)
    return [
        ("many" if isinstance(a.value, int) and a.value >= MANY else a.kind, agree(a.value, b.value))
        for a, b in pairs
        if a.value is not None
    ]


def agree(wanted: Value, found: Value) -> bool:
    """Whether two values agree: counts within 1, angles within 50 degrees, other values exactly."""
    if wanted is None or found is None:
        return False
    if isinstance(wanted, float) and isinstance(found, float):
        return abs(turn_between(wanted, found)) <= 50
    if isinstance(wanted, int) and isinstance(found, int):
        return abs(wanted - found) <= 1
    return wanted == found


def with_mirroring_applied(scene: Scene) -> Scene:
    """Applies the mirroring of the frame to the elements."""
    if not scene.frame.mirror:
        return scene
    elements = tuple(replace(e, x=-e.x, turn=-e.turn, mirror=not e.mirror) for e in scene.elements)
    return replace(scene, elements=elements, frame=replace(scene.frame, mirror=False))


def elements_of(scene: Scene, *kinds: str) -> list[Element]:
    """The elements of these kinds; Broken if there are none."""
    found = scene.of(*kinds)
    require(bool(found), f"no {' or '.join(kinds)}")
    return found


def count(*kinds: str) -> Measure:
    return lambda scene: len(elements_of(scene, *kinds))


def _side(offset: float, left: str = "left", right: str = "right") -> str | None:
    return None if abs(offset) < ASIDE else right if offset > 0 else left


def _direction(x: float, y: float) -> float:
    """The clock angle of a direction on screen."""
    return math.degrees(math.atan2(x, -y))


def side_of(kind: str, beside: str) -> Measure:
    """Measures on which side of the first `beside` the first `kind` lies."""
    return lambda scene: _side(elements_of(scene, kind)[0].x - elements_of(scene, beside)[0].x)


def lean_of(kind: str, least: float) -> Measure:
    """Measures to which side the first element of the kind leans; None for less than `least` degrees."""

    def measure(scene: Scene) -> Value:
        turn = turn_between(0, elements_of(scene, kind)[0].turn)
        return None if abs(turn) < least else "right" if turn > 0 else "left"

    return measure


def _by_size(scene: Scene) -> list[Element]:
    """The subjects, largest first."""
    return sorted(elements_of(scene, "subject"), key=lambda e: -e.size)


def _largest_aside(scene: Scene) -> Value:
    largest, *rest = _by_size(scene)
    require(bool(rest), "nothing beside the largest")
    return _side(largest.x - float(np.mean([e.x for e in rest])))


def _smaller_aside(scene: Scene) -> Value:
    return {"left": "right", "right": "left"}.get(str(_largest_aside(scene)))


def _lattice(scene: Scene) -> Value:
    rows = rows_of(scene.things)
    return len(rows), max(len(row) for row in rows)


def _ring_facing(scene: Scene) -> Value:
    copies = elements_of(scene, "subject")
    places = points(copies)
    outward = bearings(places, places.mean(axis=0))
    away = {
        "upright": [abs(turn_between(0, e.turn)) for e in copies],
        "outward": [abs(turn_between(a, e.turn)) for a, e in zip(outward, copies, strict=True)],
        "inward": [abs(turn_between(a + 180, e.turn)) for a, e in zip(outward, copies, strict=True)],
    }
    best = min(away, key=lambda facing: float(np.mean(away[facing])))
    return best if float(np.mean(away[best])) <= 25 else None


def _spiral_direction(scene: Scene) -> Value:
    steps = np.diff(points(_by_size(scene)[::-1]), axis=0)
    turns = steps[:-1, 0] * steps[1:, 1] - steps[:-1, 1] * steps[1:, 0]
    return "clockwise" if np.sign(turns).sum() > 0 else "counterclockwise"


def _spiral_facing(scene: Scene) -> Value:
    return (
        "upright" if np.mean([abs(turn_between(0, e.turn)) for e in elements_of(scene, "subject")]) < 20 else "turned"
    )


def _fold(scene: Scene) -> Value:
    copies = elements_of(scene, "subject")
    places = points(copies)
    reach = np.linalg.norm(places - (places.max(axis=0) + places.min(axis=0)) / 2, axis=1)
    return int((reach >= 0.85 * reach.max()).sum())


def _flock_direction(scene: Scene) -> Value:
    leader, *rest = points(elements_of(scene, "subject"))  # as every composer lists them
    require(bool(rest), "nothing behind the leader")
    return _direction(*(leader - np.mean(rest, axis=0)))


def _outline(scene: Scene) -> Value:
    places = points(elements_of(scene, "subject"))
    shapes = {name: [OUTLINES[name]] for name in ("heart", "star")}
    shapes["arrow"] = [quarter_turned(OUTLINES["arrow"], n) for n in range(4)]
    return next((name for name, ways in shapes.items() if any(covers_outline(places, way) for way in ways)), None)


def _arrow_direction(scene: Scene) -> Value:
    places = points(elements_of(scene, "subject"))
    return next(
        (90.0 * (n + 1) for n in range(4) if covers_outline(places, quarter_turned(OUTLINES["arrow"], n))), None
    )


def _cuts(scene: Scene) -> Value:
    strips = elements_of(scene, "subject")
    if abs(turn_between(0, strips[0].turn)) >= 10:
        return "slanted"
    across = abs(strips[-1].x - strips[0].x) > abs(strips[-1].y - strips[0].y)
    return "vertical" if across else "horizontal"


def _seam(scene: Scene) -> Value:
    u, v = clip_directions(scene.things)[0]
    return "vertical" if abs(u) > abs(v) else "horizontal"


def _half_of_subject(scene: Scene) -> Value:
    return _direction(*clip_directions(elements_of(scene, "subject"))[0])


def _coloured_half(scene: Scene) -> Value:
    return _direction(*clip_directions([min(elements_of(scene, "subject"), key=lambda e: e.sketch)])[0])


def _tiling(scene: Scene) -> Value:
    """The rows and columns of a picture that is cut into tiles, including the missing tile."""
    ways = clip_directions([e for e in elements_of(scene, "subject") if e.clip.kind == "window"])
    return tuple(1 + int((np.diff(np.sort(ways[:, axis])) > 0.2).sum()) for axis in (1, 0))


def _wedge_direction(scene: Scene) -> Value:
    return _direction(*clip_directions([e for e in elements_of(scene, "subject") if e.clip.kind == "wedge"])[0])


def _peek_direction(scene: Scene) -> Value:
    heads, barrier = elements_of(scene, "subject"), elements_of(scene, "rect", "panel", "trunk")[-1]
    x, y = points(heads).mean(axis=0) - (barrier.x, barrier.y)
    return _direction(x / barrier.width, y / barrier.height)


def _glass_side(scene: Scene) -> Value:
    return _side(
        elements_of(scene, "lens")[0].x - next(e for e in elements_of(scene, "subject") if e.clip.kind == "none").x
    )


def _line_of(copies: Sequence[Element]) -> str:
    """row, column, rows, rising, falling, arch or valley, by the lower edges of copies in reading order."""
    feet = np.array([(e.x, lower_edge(e)) for e in copies])
    size = float(np.mean([e.size for e in copies]))
    if (np.diff(feet[:, 0]) < -0.6 * size).any():
        return "rows"
    wide, tall = np.ptp(feet[:, 0]), np.ptp(feet[:, 1])
    if tall > 2 * wide:
        return "column"
    if tall <= 0.2 * size + 0.04:
        return "row"
    ends = (feet[0, 1] + feet[-1, 1]) / 2
    inner = feet[1:-1, 1].mean() if len(feet) > 2 else ends
    if abs(feet[-1, 1] - feet[0, 1]) > abs(inner - ends):
        return "falling" if feet[-1, 1] > feet[0, 1] else "rising"
    return "arch" if inner < ends else "valley"


def _layout(scene: Scene) -> Value:
    return _line_of(in_reading_order(elements_of(scene, "subject")))


def _panel_line(scene: Scene, kind: str = "panel") -> Value:
    places = points(elements_of(scene, kind))
    if len(places) < 2:
        return None
    wide, tall = np.ptp(places, axis=0)
    if min(wide, tall) <= 0.05:
        return "row" if wide > tall else "column"
    return "square" if len(places) == 4 and 0.5 <= wide / tall <= 2 else "stairs"


def _counting_layout(scene: Scene) -> Value:
    if scene.of("panel"):
        return f"{_panel_line(scene)} of panels"
    things = elements_of(scene, "subject")
    top = min(things, key=lambda e: e.y)
    return "rows" if top.x <= float(np.mean([e.x for e in things])) else "columns"


def _tumbling_direction(scene: Scene) -> Value:
    copies = in_reading_order(elements_of(scene, "subject"))
    turns = sum(turn_between(a.turn, b.turn) for a, b in itertools.pairwise(copies))
    return "clockwise" if turns > 0 else "counter-clockwise"


def _falls_to(scene: Scene) -> Value:
    turn = max((turn_between(0, e.turn) for e in elements_of(scene, "subject")), key=abs)
    return "right" if turn > 0 else "left"


def _bounces_to(scene: Scene) -> Value:
    copies = sorted(elements_of(scene, "subject"), key=lambda e: e.x)
    half = len(copies) // 2
    heights = [min(e.y for e in part) for part in (copies[:half], copies[half:])]
    return "right" if heights[0] < heights[1] else "left"


def _cycle_direction(scene: Scene) -> Value:
    arrows = elements_of(scene, "arrow")
    places = points(arrows)
    away = bearings(places, places.mean(axis=0))
    along = np.mean([abs(turn_between(a, e.turn)) < 90 for a, e in zip(away, arrows, strict=True)])
    return "clockwise" if along > 0.5 else "counter-clockwise"


def _change(scene: Scene) -> Value:
    first, second = sorted(elements_of(scene, "subject"), key=lambda e: e.x + e.y)
    return "restored" if first.saturation < second.saturation else "worn"


def _halves(scene: Scene) -> Value:
    line = _panel_line(scene, "rect")
    return {"row": "left-right", "column": "upper-lower"}.get(str(line))


def _day_first(scene: Scene) -> Value:
    sun, moon = elements_of(scene, "sun")[0], elements_of(scene, "moon")[0]
    first = sun.x < moon.x if _halves(scene) == "left-right" else sun.y < moon.y
    return "day first" if first else "night first"


def _stretched_along(scene: Scene) -> Value:
    return "horizontal" if elements_of(scene, "subject")[0].aspect > 1 else "vertical"


def _upright_count(scene: Scene) -> Value:
    return sum(abs(turn_between(0, e.turn)) < 90 for e in elements_of(scene, "subject")) or None


def _layer_count(scene: Scene) -> Value:
    return sum(e.clip.kind == "none" for e in elements_of(scene, "subject")) or None


def _eclipse_direction(scene: Scene) -> Value:
    cover, covered = elements_of(scene, "other")[0], elements_of(scene, "subject")[0]
    return _direction(cover.x - covered.x, cover.y - covered.y)


def _frame_side(scene: Scene) -> Value:
    frame = elements_of(scene, "frame")[0]
    real = max(elements_of(scene, "subject"), key=lambda e: abs(e.x - frame.x))
    return _side(frame.x - real.x)


_SUBJECTS = ("count", count("subject"))
_SEQUENCE = (_SUBJECTS, ("shape", _layout))
MEASURES: dict[str, tuple[tuple[str, Measure], ...]] = {
    "riding": (("direction", side_of("subject", "other")),),
    "parent_and_child": (("direction", _smaller_aside),),
    "crowned": (("orientation", lean_of("other", 5)),),
    "giant": (("count", count("building", "foliage")),),
    "portrait": (("direction", _frame_side),),
    "orbit": (("count", count("other")), ("orientation", lean_of("ring", 10))),
    "eclipse": (("direction", _eclipse_direction),),
    "balance": (("orientation", lean_of("beam", 4)), ("direction", side_of("subject", "other"))),
    "lifted": (("count", count("balloon")),),
    "thought_of": (("direction", side_of("other", "subject")),),
    "ring": (_SUBJECTS, ("orientation", _ring_facing)),
    "spiral": (_SUBJECTS, ("direction", _spiral_direction), ("orientation", _spiral_facing)),
    "bouquet": (_SUBJECTS,),
    "kaleidoscope": (("count", _fold),),
    "nested": (_SUBJECTS,),
    "grid": (("shape", _lattice),),
    "odd_one_out": (("shape", _lattice),),
    "checkerboard": (("shape", _lattice),),
    "pyramid": (("shape", _lattice),),
    "tower": (_SUBJECTS,),
    "mosaic_portrait": (("count", count("other")),),
    "flock": (_SUBJECTS, ("direction", _flock_direction)),
    "parade": (_SUBJECTS, ("direction", _largest_aside)),
    "heap": (_SUBJECTS,),
    "receding": (_SUBJECTS, ("direction", _smaller_aside)),
    "shape_of_many": (_SUBJECTS, ("shape", _outline), ("direction", _arrow_direction)),
    "sliced": (_SUBJECTS, ("orientation", _cuts)),
    "shattered": (_SUBJECTS,),
    "chimera": (("orientation", _seam), ("direction", _half_of_subject)),
    "missing_piece": (("shape", _tiling),),
    "layers": (("count", _layer_count), ("direction", _wedge_direction)),
    "peeking": (_SUBJECTS, ("direction", _peek_direction)),
    "caged": (_SUBJECTS,),
    "bullseye": (("count", count("ellipse")),),
    "magnified": (("direction", _glass_side),),
    "pixelated": (_SUBJECTS,),
    "half_drawn": (("orientation", _seam), ("direction", _coloured_half)),
    "kintsugi": (("count", count("crack")),),
    "stretched": (("orientation", _stretched_along),),
    "growth_stages": _SEQUENCE,
    "fading_away": _SEQUENCE,
    "ripening": _SEQUENCE,
    "eaten_up": _SEQUENCE,
    "melting": (_SUBJECTS,),
    "bouncing": (_SUBJECTS, ("direction", _bounces_to)),
    "tumbling": (*_SEQUENCE, ("direction", _tumbling_direction)),
    "toppling": (_SUBJECTS, ("direction", _falls_to)),
    "cycle": (_SUBJECTS, ("direction", _cycle_direction)),
    "before_after": (("direction", _change), ("orientation", _panel_line)),
    "day_and_night": (("orientation", _halves), ("direction", _day_first)),
    "counting_up": (_SUBJECTS, ("shape", _counting_layout)),
    "zoom_in": (("shape", _panel_line),),
    "water_reflection": (("count", _upright_count),),
    "false_shadow": (("direction", side_of("other", "subject")),),
    "pedestal": (("orientation", lean_of("cone", 4)),),
    "fruit_of_a_tree": (_SUBJECTS,),
}
