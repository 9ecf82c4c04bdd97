"""Relations of time: a falling row, a cycle of stages, hatching from a container."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np

from analogen.relsim.world.measure import (
    alike_except,
    bearings,
    equal_sizes,
    fit_circle,
    in_front,
    lone_subjects,
    only,
    others,
    points,
    require,
    rising,
    spread,
    subjects,
    turn_between,
    upright,
)
from analogen.relsim.world.relations.base import Draft, relation
from analogen.relsim.world.relations.composition import fit
from analogen.relsim.world.scene import Clip, Element, Scene

FAMILY = "change over time"


def check_toppling(scene: Scene) -> None:
    row = sorted(lone_subjects(scene, 4, 10), key=lambda e: e.x)
    equal_sizes(row, 0.42)
    alike_except(row)
    size = float(np.mean([e.size for e in row]))
    require(max(e.y for e in row) - min(e.y for e in row) <= 0.4 * size + 0.04, "not on one ground line")
    require(all(0.3 * size <= b.x - a.x <= 2 * size for a, b in pairwise(row)), "not a close row")
    tilts = np.array([turn_between(0, e.turn) for e in row])
    tilts = tilts * np.sign(tilts.sum())
    tilts = tilts if tilts[-1] > tilts[0] else tilts[::-1]
    rising(list(tilts), -8, "tilt")
    require(-12 <= tilts[0] <= 15 and 65 <= tilts[-1] <= 108, "not from upright to lying")
    require(np.diff(tilts).max() <= 50, "falls all at once")


@relation(
    "toppling",
    "a row of {subject} falling over one after another",
    "{subject} toppling",
    "{subject} tipping over like dominoes",
    "a chain reaction in which each {subject} knocks down the next",
    "a line of {subject}, from upright through leaning to lying flat",
    "{subject} collapsing in sequence along a row",
    "a row of identical {subject}, upright at one end, leaning more and more along the way, flat at the other end",
    family=FAMILY,
    check=check_toppling,
)
def draw_toppling(draft: Draft) -> None:
    count = draft.integer(4, 6)
    standing = draft.integer(1, 2) if count > 4 else 1
    falling = np.linspace(0, 1, count - standing + 1)[1:] ** draft.uniform(0.8, 1.15)
    tilts = [0.0] * standing + [float(draft.integer(82, 90) * share) for share in falling]
    tilts = tilts if draft.coin() else tilts[::-1]  # which end has fallen
    # Mostly the fallen end leans on the rest, as dominoes do; now and then the row falls away from the upright end.
    toward_right = (tilts[0] > tilts[-1]) == draft.coin(0.7)
    step = draft.uniform(0.66, 0.86)
    copies = [
        # Half way down a box stands on its corner and its centre is higher; round art would float at the full rise.
        Element("subject", i * step, -0.1 * math.sin(math.radians(2 * tilt)), 1.0, turn=tilt if toward_right else -tilt)
        for i, tilt in enumerate(tilts)
    ]
    placed = fit(copies, reach=0.93)
    floor, half = draft.uniform(0.35, 0.55), placed[0].size / 2
    lowest = max(e.y for e in placed) + half
    if draft.coin(0.75):
        draft.box("ground", 0, (floor - 0.05 + 1) / 2, 2, 1 - floor + 0.05)
    for e in placed:
        draft.box("shadow", e.x, floor - 0.01, 1.8 * half, 0.24 * half)
    draft.elements += [replace(e, y=e.y + floor - lowest) for e in placed]
    draft.facts.update(count=count, falls="right" if toward_right else "left")


def check_cycle(scene: Scene) -> None:
    stages, arrows = lone_subjects(scene, 3, 7, "arrow"), scene.of("arrow")
    require(len(arrows) == len(stages), "one arrow from each stage to the next is needed")
    alike_except(stages, saturation=1.0, hue=0.0)
    middle, radius, error = fit_circle(points(stages))
    require(error <= 0.25, "not on one circle")
    angles = np.sort(bearings(points(stages), middle))
    gaps = np.diff(angles, append=angles[0] + 360)
    require(spread(gaps) <= 0.4, "stages are spaced unevenly")
    ways = []
    for arrow, bearing in zip(arrows, bearings(points(arrows), middle), strict=True):
        reach = math.hypot(arrow.x - middle[0], arrow.y - middle[1]) / radius
        nearest = min(abs(turn_between(float(bearing), float(angle))) for angle in angles)
        require(0.6 <= reach <= 1.3 and nearest >= 0.3 * 360 / len(stages), "an arrow is not between two stages")
        ways.append(turn_between(float(bearing), arrow.turn))
    forward = all(abs(way) <= 35 for way in ways)
    require(forward or all(abs(way) >= 145 for way in ways), "the arrows do not lead round")


@relation(
    "cycle",
    "an endless cycle that returns {subject} to where it began",
    "the cycle of {subject}",
    "a circular diagram of {subject} with arrows from stage to stage",
    "{subject} passing through stages that lead back to the first",
    "the never-ending loop in the life of {subject}",
    "{subject} going round and round, each state followed by the next",
    "stages of {subject} on a ring joined by arrows, so that the last leads on to the first and all begins anew",
    family=FAMILY,
    check=check_cycle,
)
def draw_cycle(draft: Draft) -> None:
    count = draft.integer(3, 6)
    change = draft.choice(("size", "saturation", "none"))
    way = draft.choice((1, 1, -1))
    first = draft.choice((0.0, 180 / count))
    size = {3: 0.7, 4: 0.62, 5: 0.5, 6: 0.42}[count] * draft.uniform(0.9, 1.0)
    smallest = draft.uniform(0.55, 0.7) if change == "size" else 1.0
    dullest = draft.uniform(0.1, 0.3) if change == "saturation" else 1.0
    radius = 0.92 - size / 2
    color = draft.choice(("accent", "primary", "secondary", "ink"))
    length = min(0.34, 2 * radius * math.sin(math.pi / count) * 0.42)
    arrows, stages = [], []
    for index in range(count):
        angle = first + 360 * index / count
        stage = (index * way) % count / (count - 1)
        x, y = math.sin(math.radians(angle)), -math.cos(math.radians(angle))
        grown, saturation = smallest + (1 - smallest) * stage, dullest + (1 - dullest) * stage
        stages.append(Element("subject", radius * x, radius * y, size * grown, saturation=saturation))
        turn = angle + 180 / count
        x, y = math.sin(math.radians(turn)), -math.cos(math.radians(turn))
        turn = (turn if way > 0 else turn + 180) % 360
        arrows.append(Element("arrow", radius * x, radius * y, length, turn=turn, aspect=1.3, palette=color))
    middle = (max(e.y for e in stages) + min(e.y for e in stages)) / 2  # of an odd ring, which is not as deep as wide
    draft.elements += [replace(e, y=e.y - middle) for e in arrows + stages]
    draft.facts.update(count=count, change=change, direction="clockwise" if way > 0 else "counter-clockwise")


def check_hatching(scene: Scene) -> None:
    only(scene, "crack", "shell")
    inner = subjects(scene, 1, 1)[0]
    open_shells = [e for e in others(scene, 1, 2) if e.clip.kind == "half" and e.clip.v >= 0.8]
    require(len(open_shells) == 1, "no opened container")
    outer = open_shells[0]
    upright([inner, outer], 20)
    require(in_front(scene, outer, inner), "stands before the container, not in it")
    require(inner.clip.kind == "none" or (inner.clip.kind == "half" and inner.clip.v <= -0.8), "not its upper part")
    rim = outer.y + outer.clip.amount * outer.height / 2
    require(abs(inner.x - outer.x) <= 0.3 * outer.size, "beside the container")
    require(inner.size <= 1.15 * outer.size, "too large to come out of it")
    require(inner.y <= rim, "does not rise out of it")
    require(inner.y + inner.height / 2 >= rim + 0.03 * inner.size, "hovers above the container")
    require(any(abs(e.y - rim) <= 0.25 * outer.size for e in scene.of("crack", "shell")), "no broken edge")
    lids = [e for e in scene.of("other") if e is not outer]
    require(all(e.clip.kind == "half" and e.clip.v <= -0.8 and e.y < rim for e in lids), "a second container")


@relation(
    "hatching",
    "{subject} emerging from {other}",
    "{subject} hatching from {other}",
    "{subject} hatching out of {other}",
    "the upper part of {subject} rising from a broken {other}",
    "{other} cracked open with {subject} inside",
    "{subject} coming into the world out of {other}",
    "{other} has broken open along a jagged edge, and out of its lower half rises {subject}, as if being born",
    family=FAMILY,
    check=check_hatching,
    held_out=True,
)
def draw_hatching(draft: Draft) -> None:
    lid = draft.choice(("none", "hat", "thrown"))
    size = 1.3
    x, y = (-0.12 if lid == "thrown" else 0.0), 0.3
    seam = draft.uniform(-0.1, 0.12)
    rim = y + seam * size / 2
    inner = size * draft.uniform(0.68, 0.82)
    rise = draft.uniform(0.6, 0.78)  # share of the subject above the rim
    middle = rim + inner * (0.5 - rise)
    cut = 2 * (rim + 0.06 - middle) / inner
    draft.add("shadow", x, y + size / 2, 0.4, aspect=6.0)
    tilt = draft.choice((-1, 1))
    draft.add("subject", x, middle, inner, clip=Clip("half", 0.0, -1.0, -min(cut, 1.0)))
    draft.add("other", x, y, size, clip=Clip("half", 0.0, 1.0, seam))
    upper = Clip("half", 0.0, -1.0, -seam)
    if lid == "hat":
        draft.add("other", x + 0.06 * tilt, middle - 0.36 * inner, 0.7, turn=12.0 * tilt, clip=upper)
    elif lid == "thrown":
        draft.add("other", 0.52, -0.35, 0.75, turn=draft.uniform(25, 50), clip=upper)
    draft.box("crack", x, rim, 0.8 * size, 0.13, palette=draft.choice(("dark", "ink", "paper")))
    draft.facts.update(lid=lid)
