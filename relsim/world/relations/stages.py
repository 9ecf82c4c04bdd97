"""Relations that show one thing at successive moments: copies in reading order that change step by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from analogen.relsim.world.measure import (
    alike_except,
    clip_directions,
    distance,
    equal_sizes,
    lone_subjects,
    require,
    rising,
    rising_by_factor,
    spread,
    turn_between,
    upright,
)
from analogen.relsim.world.relations.base import Draft, relation
from analogen.relsim.world.relations.composition import (
    in_reading_order,
    layout_places,
    lower_edge,
    place_in_frame,
    side_by_side,
    two_rows,
)
from analogen.relsim.world.scene import NO_CLIP, Clip, Element, Scene, box

FAMILY = "change over time"


def draw_copies(draft: Draft, looks: Sequence[dict[str, Any]]) -> None:
    """One copy for each look, all of one size, in reading order."""
    spots, layout = layout_places(draft, len(looks))
    standing = layout in ("row", "rows")
    copies = [Element("subject", *at, 1.0, standing=standing, **look) for at, look in zip(spots, looks, strict=True)]
    place_in_frame(draft, copies, floor=layout == "row" and draft.coin(0.4), shadows=standing and draft.coin(0.5))
    draft.facts.update(count=len(looks), layout=layout)


def stages_of(scene: Scene, low: int, high: int, *kinds: str) -> list[Element]:
    """Like copies_of, in reading order; Broken unless they stand apart."""
    copies = in_reading_order(lone_subjects(scene, low, high, *kinds))
    apart = all(distance(a, b) >= 0.3 * (a.size + b.size) for a, b in pairwise(copies))
    require(apart, "successive copies cover each other")
    return copies


def same_pose(copies: Sequence[Element]) -> None:
    """Broken unless the copies share size, aspect, turn and an even spacing within their line."""
    equal_sizes(copies, 0.42)
    require(spread([e.aspect for e in copies]) <= 0.35, "proportions differ")
    require(all(abs(turn_between(copies[0].turn, e.turn)) <= 14 for e in copies), "turns differ")
    even_steps(copies)


def even_steps(copies: Sequence[Element]) -> None:
    steps = [distance(a, b) for a, b in pairwise(copies) if b.x - a.x > -0.6 * a.size]
    require(spread(steps) <= 0.6, "steps are uneven")


def check_growth_stages(scene: Scene) -> None:
    copies = stages_of(scene, 3, 6)
    upright(copies)
    alike_except(copies)
    sizes = [e.size for e in copies]
    rising_by_factor(sizes, 1.06, "size")
    require(sizes[-1] >= 1.5 * sizes[0], "hardly grows")
    # Ground may rise with the size, yet not sink as it does from the far end of a receding row to the near one.
    level = all(b.x < a.x or lower_edge(b) <= lower_edge(a) + 0.15 * a.size + 0.06 for a, b in pairwise(copies))
    require(level, "the larger one sinks below the ground")


@relation(
    "growth_stages",
    "the growth of {subject} from tiny to full-grown, stage by stage",
    "{subject} growing up",
    "the growth stages of {subject}, each larger than the last",
    "{subject} shown at increasing sizes, from the smallest on the left to the largest",
    "a development chart of {subject} from its tiny beginning to its final size",
    "the life of {subject} as a row of ever bigger figures",
    "several stages of {subject} in order, very small at first and clearly larger with every step until fully grown",
    family=FAMILY,
    check=check_growth_stages,
    mirror_ok=False,
)
def draw_growth_stages(draft: Draft) -> None:
    count = draft.integer(3, 6)
    layout = draft.choice({3: ("row", "row", "rising"), 4: ("row", "rising", "rows")}.get(count, ("rising", "rows")))
    ratio = draft.uniform(1.26, {3: 1.8, 4: 1.55, 5: 1.42, 6: 1.36}[count])
    sizes = [ratio**i for i in range(count)]
    gap = draft.uniform(0.0, 0.12)
    if layout == "rows":
        feet = two_rows([(s, s) for s in sizes], gap, (count + 1) // 2)
    else:
        slope = math.tan(math.radians(draft.uniform(12, 26))) if layout == "rising" else 0.0
        feet = [(x, -slope * x) for x in side_by_side(sizes, gap - (0.1 if slope else 0.0))]
    copies = [Element("subject", x, y - s / 2, s, standing=True) for (x, y), s in zip(feet, sizes, strict=True)]
    place_in_frame(draft, copies, floor=layout == "row" and draft.coin(0.6), shadows=draft.coin(0.5))
    draft.facts.update(count=count, layout=layout)


def check_fading_away(scene: Scene) -> None:
    copies = stages_of(scene, 3, 6)
    same_pose(copies)
    alike_except(copies, opacity=1.0)
    opacities = [e.opacity for e in copies]
    rising([-value for value in opacities], 0.07, "fading")
    require(opacities[0] >= 0.8 and opacities[-1] <= 0.38, "does not fade from solid to faint")


@relation(
    "fading_away",
    "{subject} gradually fading away over time",
    "{subject} disappearing",
    "{subject} becoming fainter and fainter until it is almost gone",
    "a sequence in which {subject} slowly turns transparent",
    "{subject} vanishing step by step",
    "from solid to barely visible: {subject} dissolving into nothing",
    "the same {subject} repeated in order, solid at first and paler each time, until only a faint trace is left",
    family=FAMILY,
    check=check_fading_away,
    mirror_ok=False,
)
def draw_fading_away(draft: Draft) -> None:
    count = draft.integer(3, 6)
    draw_copies(draft, [{"opacity": float(value)} for value in np.linspace(1.0, draft.uniform(0.12, 0.25), count)])


def check_ripening(scene: Scene) -> None:
    copies = stages_of(scene, 3, 7)
    same_pose(copies)
    alike_except(copies, hue=0.0, saturation=1.0, brightness=1.0)
    saturations = np.array([e.saturation for e in copies])
    if np.diff(saturations).min() >= 0.08 and saturations[-1] - saturations[0] >= 0.7:
        return
    turns = np.array([turn_between(a.hue, b.hue) for a, b in pairwise(copies)])
    turns = turns * np.sign(turns.sum())
    require(turns.min() >= 10 and turns.sum() >= 80, "neither hue nor saturation moves on step by step")
    require(spread(turns) <= 0.8, "the hue moves in uneven steps")


@relation(
    "ripening",
    "{subject} changing colour step by step as it matures",
    "{subject} ripening",
    "{subject} ripening from one colour to another",
    "the same {subject} in a sequence of gradually shifting colours",
    "{subject} taking on its ripe colour little by little",
    "stages of maturity of {subject}, told by colour alone",
    "a series of {subject} of the same shape and size whose colour moves on evenly, each a little riper than the last",
    family=FAMILY,
    check=check_ripening,
    mirror_ok=False,
)
def draw_ripening(draft: Draft) -> None:
    count = draft.integer(3, 6)
    change = draft.choice(("hue", "hue", "saturation", "both"))
    start = draft.choice((-1, 1)) * draft.uniform(100, 165) if change != "saturation" else 0.0
    pale = draft.uniform(0.05, 0.15) if change != "hue" else 1.0
    ripe = draft.uniform(1.1, 1.3) if change != "hue" else 1.0
    hues, saturations = np.linspace(start, 0.0, count), np.linspace(pale, ripe, count)
    draw_copies(draft, [{"hue": float(h), "saturation": float(s)} for h, s in zip(hues, saturations, strict=True)])
    draft.facts.update(change=change)


def check_eaten_up(scene: Scene) -> None:
    copies = stages_of(scene, 3, 6)
    same_pose(copies)
    alike_except(copies, clip=NO_CLIP)
    bitten = [e for e in copies if e.clip.kind != "none"]
    require(all(e.clip.kind == "bite" for e in bitten), "cut in another way than by bites")
    amounts = [e.clip.amount if e.clip.kind == "bite" else 0.0 for e in copies]
    rising(amounts, 0.07, "what is eaten")
    require(amounts[0] <= 0.3 and amounts[-1] >= 0.45, "is not eaten up")
    sides = [math.degrees(math.atan2(v, u)) for u, v in clip_directions(bitten)]
    require(all(abs(turn_between(sides[0], side)) <= 35 for side in sides), "bitten from different sides")


@relation(
    "eaten_up",
    "{subject} consumed bite by bite",
    "{subject} being eaten",
    "{subject} with more and more bites taken out of it",
    "the last of {subject}, disappearing one bite at a time",
    "a whole {subject} reduced to a remnant in several bites",
    "{subject} eaten up in successive stages",
    "a sequence that starts with an untouched {subject} and shows less of it each time, as if somebody kept biting",
    family=FAMILY,
    check=check_eaten_up,
    mirror_ok=False,
)
def draw_eaten_up(draft: Draft) -> None:
    count = draft.integer(3, 5)
    side = math.radians(draft.choice((0, -30, -60, -90, -120, -150, 180)))
    u, v = math.cos(side), math.sin(side)
    amounts = np.linspace(0.0, draft.uniform(0.6, 0.8), count)
    bites = [Clip("bite", u, v, float(amount)) if amount else NO_CLIP for amount in amounts]
    draw_copies(draft, [{"clip": clip} for clip in bites])


def check_melting(scene: Scene) -> None:
    copies = stages_of(scene, 3, 6, "ellipse")
    upright(copies)
    alike_except(copies)
    aspects = [e.aspect for e in copies]
    rising_by_factor(aspects, 1.25, "spreading")
    require(aspects[0] <= 1.6 and aspects[-1] >= 4, "does not end as a puddle")
    require(0.5 <= copies[-1].size / copies[0].size <= 1.5, "gains or loses too much")
    level = all(b.x < a.x or abs(lower_edge(a) - lower_edge(b)) <= 0.15 * a.size + 0.08 for a, b in pairwise(copies))
    require(level, "no shared ground line")


@relation(
    "melting",
    "{subject} slowly melting into a puddle",
    "{subject} melting",
    "{subject} losing its shape until only a puddle is left",
    "{subject} sagging, spreading and flattening out on the ground",
    "the stages of a melting {subject}, from upright to liquid",
    "{subject} turning soft and sinking down little by little",
    "{subject} on the ground in a sequence, first in its proper shape, then lower and wider, at last a flat puddle",
    family=FAMILY,
    check=check_melting,
    held_out=True,
    mirror_ok=False,
)
def draw_melting(draft: Draft) -> None:
    count = draft.integer(3, 4)
    rows = count >= 4  # side by side they would get too small
    aspects = np.geomspace(draft.uniform(0.8, 1.0), draft.uniform(5.2, 6.5), count)
    sizes = np.linspace(1.0, draft.uniform(0.8, 1.0), count)
    boxes = [(float(s * math.sqrt(a)), float(s / math.sqrt(a))) for s, a in zip(sizes, aspects, strict=True)]
    gap = draft.uniform(0.03, 0.12)
    feet = two_rows(boxes, gap, count // 2) if rows else [(x, 0.0) for x in side_by_side([w for w, _ in boxes], gap)]
    stages = list(zip(feet, boxes, strict=True))
    puddles: list[Element] = []
    if draft.coin(0.6):
        color = draft.choice(("soft", "water", "ice"))
        puddles = [
            box("ellipse", x, y, w * (0.9 + 0.25 * i / count), 0.12 + 0.05 * i, palette=color, opacity=0.8)
            for i, ((x, y), (w, _)) in enumerate(stages)
            if i
        ]
    copies = [box("subject", x, y - h / 2, w, h, standing=True) for (x, y), (w, h) in stages]
    place_in_frame(draft, puddles + copies, floor=not rows and draft.coin(0.7), shadows=not puddles and draft.coin(0.5))
    draft.facts.update(count=count, layout="rows" if rows else "row")


def check_bouncing(scene: Scene) -> None:
    copies = sorted(lone_subjects(scene, 6, 18), key=lambda e: e.x)
    equal_sizes(copies, 0.55)
    alike_except(copies, opacity=1.0)
    upright(copies)
    size = float(np.mean([e.size for e in copies]))
    require(all(distance(a, b) <= 3.4 * size for a, b in pairwise(copies)), "the path has holes")
    across = np.array([e.x for e in copies])
    heights = max(e.y for e in copies) - np.array([e.y for e in copies])
    require(heights.max() >= 1.5 * size, "hardly leaves the ground")
    touches = [-1, *np.flatnonzero(heights <= 0.12 * heights.max() + 0.03), len(copies)]
    peaks = []
    for first, last in pairwise(touches):
        if last - first < 2:
            require(first < 0 or last == len(copies), "rolls instead of bouncing")
            continue
        # An arc cut off by either end of the path counts as one half, with its peak at that end.
        start = across[first] if first >= 0 else 2 * across[0] - across[last]
        stop = across[last] if last < len(copies) else 2 * across[-1] - across[first]
        share = (across[first + 1 : last] - start) / max(stop - start, 1e-9)
        arc = 4 * share * (1 - share)
        require(arc.max() >= 0.6, "an arc without its peak")
        peaks.append(float(arc @ heights[first + 1 : last] / (arc @ arc)))
        misses = np.abs(arc * peaks[-1] - heights[first + 1 : last])
        require(misses.max() <= 0.3 * heights.max() + 0.06, "a leap that is no arc")
    require(2 <= len(peaks) <= 4, f"{len(peaks)} arcs, expected 2 to 4")
    onward = peaks if peaks[0] > peaks[-1] else peaks[::-1]
    rising_by_factor(onward[::-1], 1.12, "the height of the arcs")
    opacities = [e.opacity for e in (copies if onward is peaks else copies[::-1])]
    require(min(opacities) >= 0.25 and opacities[-1] >= 0.8, "the latest moment is not clear")
    rising(opacities, -0.12, "opacity")


@relation(
    "bouncing",
    "the path of a bouncing {subject} caught in successive moments",
    "{subject} bouncing",
    "a multiple exposure of {subject} bouncing along the ground",
    "{subject} hopping in lower and lower arcs",
    "the trajectory of {subject} as it falls, rebounds and falls again",
    "{subject} springing off the floor, each leap smaller than the last",
    "overlapping images of one {subject} that trace its way in several leaps, lower each time it touches the ground",
    family=FAMILY,
    check=check_bouncing,
)
def draw_bouncing(draft: Draft) -> None:
    size, floor, decay = draft.uniform(0.25, 0.31), 0.8, draft.uniform(0.5, 0.6)
    top = draft.uniform(1.2, 1.42)  # height of the first arc
    dropped = draft.coin(0.6)  # starts at its highest point, else from the ground
    arcs = 3 if dropped else 2
    lengths = [math.sqrt(decay**arc) * (0.5 if dropped and not arc else 1.0) for arc in range(arcs)]  # times of flight
    reach = 0.93 - size / 2
    path = [(0.0, top if dropped else 0.0)]  # (way covered, height of the feet)
    for arc, length in enumerate(lengths):
        share = np.linspace(0.5 if dropped and not arc else 0.0, 1.0, 101)
        across = (sum(lengths[:arc]) + np.linspace(0, length, 101)) * 2 * reach / sum(lengths)
        height = 4 * share * (1 - share) * top * decay**arc
        way = np.append(0.0, np.hypot(np.diff(across), np.diff(height)).cumsum())
        steps = round(way[-1] / 0.31) if dropped and arc == 0 else max(2, 2 * round(way[-1] / 0.62))
        marks = np.linspace(0, way[-1], steps + 1)[1:]  # even steps along the path, touching the ground at its end
        path += [(float(np.interp(m, way, across)), float(np.interp(m, way, height))) for m in marks]
    sign = draft.choice((-1, 1))
    faint = draft.choice((1.0, draft.uniform(0.35, 0.6), draft.uniform(0.35, 0.6)))
    squash = draft.choice((1.0, draft.uniform(1.15, 1.35)))
    if draft.coin(0.7):
        draft.box("ground", 0, (floor - 0.06 + 1) / 2, 2, 1 - floor + 0.06)
    for number, (way_x, height_y) in enumerate(path):
        aspect = squash if height_y < 1e-6 and number else 1.0
        y = floor - height_y - size / math.sqrt(aspect) / 2
        opacity = faint + (1 - faint) * number / (len(path) - 1)
        draft.add("subject", sign * (way_x - reach), y, size, aspect=aspect, standing=True, opacity=min(opacity, 1.0))
    draft.facts.update(count=len(path), arcs=arcs, direction="right" if sign > 0 else "left")


def check_tumbling(scene: Scene) -> None:
    copies = stages_of(scene, 4, 9)
    equal_sizes(copies, 0.42)
    alike_except(copies)
    even_steps(copies)
    # Two rows may also be read from the right: in a mirror the thing still turns over.
    looking_glass = [replace(e, x=-e.x, turn=-e.turn) for e in copies]
    over = False
    for read in (copies, in_reading_order(looking_glass)):
        turns = np.array([turn_between(a.turn, b.turn) for a, b in pairwise(read)])
        turns = turns * np.sign(turns.sum())
        over = over or bool(turns.min() >= 18 and turns.max() <= 75 and turns.sum() >= 115 and np.ptp(turns) <= 25)
    require(over, "does not turn over by even steps")


@relation(
    "tumbling",
    "{subject} shown turning over, step by step",
    "{subject} tumbling",
    "{subject} in successive phases of a roll",
    "a somersault of {subject}, broken down into single moments",
    "{subject} repeated, each time rotated a little further",
    "the rotation of {subject} as a sequence of still images",
    "equal copies of {subject} in sequence, each turned by the same angle against the last, showing how it tumbles",
    family=FAMILY,
    check=check_tumbling,
)
def draw_tumbling(draft: Draft) -> None:
    step = draft.choice((30, 36, 40, 45, 60))
    count = draft.integer(max(4, math.ceil(120 / step) + 1), max(5, min(7, 360 // step + 1)))
    way = draft.choice((-1, 1))
    draw_copies(draft, [{"turn": float(way * step * i)} for i in range(count)])
    draft.facts.update(step=step, direction="clockwise" if way > 0 else "counter-clockwise")
