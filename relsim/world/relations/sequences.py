"""Relations that tell of time by falling rows, rings of stages, split scenes, counted or magnified views."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from analogen.relsim.world.measure import (
    Broken,
    bearings,
    distance,
    equal_sizes,
    even_gaps,
    fit_circle,
    inside,
    only,
    others,
    points,
    require,
    rising,
    rising_by_factor,
    rows_of,
    spread,
    subjects,
    turn_between,
    upright,
)
from analogen.relsim.world.relations.base import Draft, relation
from analogen.relsim.world.relations.stages import alike_but, copies_of, fit, in_reading_order
from analogen.relsim.world.scene import Clip, Element, Scene

FAMILY = "change over time"
DICE = {1: ((0, 0),), 2: ((-1, -1), (1, 1)), 3: ((0, -1), (-1, 1), (1, 1)), 4: ((-1, -1), (1, -1), (-1, 1), (1, 1))}
DARK, LIGHT = ("night", "dark"), ("ice", "soft", "paper")


def check_toppling(scene: Scene) -> None:
    row = sorted(copies_of(scene, 4, 10), key=lambda e: e.x)
    equal_sizes(row, 0.42)
    alike_but(row)
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
    stages, arrows = copies_of(scene, 3, 7, "arrow"), scene.of("arrow")
    require(len(arrows) == len(stages), "one arrow from each stage to the next is needed")
    alike_but(stages, saturation=1.0, hue=0.0)
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


def _in_panels(things: Sequence[Element], panels: Sequence[Element], slack: float) -> list[list[Element]]:
    """The things within each panel. Broken if one lies in no panel."""
    homes: list[list[Element]] = [[] for _ in panels]
    for e in things:
        home = next((i for i, panel in enumerate(panels) if inside(e, panel, slack)), None)
        require(home is not None, f"a {e.kind} lies outside the panels")
        homes[home or 0].append(e)
    return homes


def check_before_after(scene: Scene) -> None:
    pair, panels = copies_of(scene, 2, 2, "panel", "arrow", "crack"), scene.of("panel")
    require(len(panels) == 2, f"{len(panels)} panels, expected 2")
    equal_sizes(panels, 0.35)
    require(distance(*panels) >= 0.6 * panels[0].size, "the panels cover each other")
    homes = _in_panels(pair, panels, 0.15)
    require(all(len(home) == 1 for home in homes), "each panel shows the subject once")
    pair = [home[0] for home in homes]
    equal_sizes(pair, 0.35)
    alike_but(pair, saturation=1.0, brightness=1.0)
    dull, vivid = sorted(pair, key=lambda e: e.saturation)
    require(dull.saturation <= 0.45 and vivid.saturation >= 0.85, "not dull on one side and vivid on the other")
    require(dull.brightness <= vivid.brightness + 0.05, "the dull one is the brighter one")
    home = panels[pair.index(dull)]
    require(all(inside(crack, home, 0.15) for crack in scene.of("crack")), "a crack outside the worn side")
    require(len(scene.of("arrow")) <= 1, "more than one change")


@relation(
    "before_after",
    "{subject} before and after a change",
    "{subject}, then and now",
    "a before-and-after comparison of {subject}",
    "the same {subject} in two states, dull in one and splendid in the other",
    "{subject} in two panels, showing what has become of it",
    "a transformation of {subject} told in two pictures",
    "two pictures of the same {subject}, one grey and worn and the other bright and fresh, so that the change shows",
    family=FAMILY,
    check=check_before_after,
    mirror_ok=False,
)
def draw_before_after(draft: Draft) -> None:
    stacked = draft.coin(0.25)
    gap = draft.uniform(0.08, 0.16)
    long, short = draft.uniform(1.0, 1.4) if not stacked else draft.uniform(1.2, 1.6), (1.84 - gap) / 2
    width, height = (long, short) if stacked else (short, long)
    offset = (short + gap) / 2
    spots = [(0.0, -offset), (0.0, offset)] if stacked else [(-offset, 0.0), (offset, 0.0)]
    restored = draft.coin(0.75)  # from dull to vivid, else worn out
    size = draft.uniform(0.76, 0.84) * short
    dull = {"saturation": draft.uniform(0.0, 0.25), "brightness": draft.uniform(0.55, 0.8)}
    vivid = {"saturation": draft.uniform(1.05, 1.3), "brightness": draft.uniform(1.0, 1.1)}
    tilt = draft.choice((0.0, draft.uniform(-16, 16)))  # the dull one may hang askew
    for x, y in spots:
        draft.box("panel", x, y, width, height)
    looks = [dull | {"turn": tilt}, vivid] if restored else [vivid, dull | {"turn": tilt}]
    for (x, y), look in zip(spots, looks, strict=True):
        draft.elements.append(Element("subject", x, y, size, **look))
    if draft.coin(0.5):
        x, y = spots[0 if restored else 1]
        draft.box("crack", x, y, 0.8 * size, 0.16 * size, turn=draft.choice((55.0, 75.0, 105.0, 125.0)), palette="dark")
    if draft.coin(0.6):
        draft.box("arrow", 0, 0, 0.26, 0.22, turn=90.0 if stacked else 0.0, palette="accent")
    draft.facts.update(change="restored" if restored else "worn", layout="column" if stacked else "row")


def check_day_and_night(scene: Scene) -> None:
    pair = copies_of(scene, 2, 2, "rect", "panel", "sun", "moon", "star")
    halves = scene.of("rect", "panel")
    require(len(halves) == 2, f"{len(halves)} halves, expected 2")
    equal_sizes(halves, 0.3)
    night = [e for e in halves if e.palette in DARK]
    day = [e for e in halves if e.palette in LIGHT]
    require(len(night) == 1 and len(day) == 1, "no light half beside a dark one")
    reach = distance(night[0], day[0]) / math.sqrt(night[0].size * day[0].size)
    require(0.5 <= reach <= 1.6, "the halves do not join")
    require(len(scene.of("sun")) == 1 and len(scene.of("moon")) == 1, "one sun and one moon are needed")
    require(inside(scene.of("sun")[0], day[0]), "no sun on the light half")
    require(all(inside(e, night[0], 0.15) for e in scene.of("moon", "star")), "no moon on the dark half")
    equal_sizes(pair, 0.3)
    upright(pair)
    require(pair[0].clip.kind == pair[1].clip.kind and pair[0].clip.kind in ("none", "half"), "cut differently")
    alike_but(pair, brightness=1.0, saturation=1.0, clip=Clip())
    if pair[0].clip.kind == "none":
        homes = _in_panels(pair, [*night, *day], 0.15)
        require(len(homes[0]) == 1, "each half shows the subject once")
        return
    require(distance(*pair) <= 0.25 * pair[0].size, "the two halves of the subject do not meet")
    for e in pair:
        home = min((*night, *day), key=lambda half: (half.x - e.x - e.clip.u) ** 2 + (half.y - e.y - e.clip.v) ** 2)
        require((home in night) == (e.brightness < 0.9), "the dark half of the subject is not on the night side")


@relation(
    "day_and_night",
    "the same {subject} by day and by night",
    "{subject}, day and night",
    "{subject} under the sun on one side and under the moon on the other",
    "a picture split into daylight and darkness, both with {subject}",
    "{subject} seen at noon and at midnight",
    "one scene of {subject}, half bright and sunny, half dark and moonlit",
    "a picture divided into a light half with the sun and a dark half with the moon, {subject} appearing in both",
    family=FAMILY,
    check=check_day_and_night,
)
def draw_day_and_night(draft: Draft) -> None:
    upper_lower = draft.coin(0.33)
    joined = not upper_lower and draft.coin(0.4)  # one subject on the seam instead of one on each half
    long, short = draft.uniform(1.5, 1.84), 0.92
    width, height = (1.84, short) if upper_lower else (short, long)
    day_first = draft.coin()
    size = draft.uniform(1.0, 1.15) if joined else draft.uniform(0.64, 0.74) if upper_lower else draft.uniform(0.7, 0.8)
    floor = height / 2 - draft.uniform(0.04, 0.1 if upper_lower else 0.22)
    aside = draft.choice((-1, 1)) * draft.uniform(0.25, 0.4)  # the subject's place in halves of full width
    light = draft.uniform(0.26, 0.34)
    night: dict[str, Any] = {"brightness": draft.uniform(0.62, 0.78), "saturation": draft.uniform(0.6, 0.9)}
    colors = draft.choice(("night", "night", "dark")), draft.choice(LIGHT[:2])
    things: list[Element] = []
    lights: list[Element] = []
    for sign in (-1, 1):
        is_day = (sign < 0) == day_first
        x, y = (0.0, sign * 0.46) if upper_lower else (sign * 0.46, 0.0)
        top = y - height / 2
        draft.box("rect", x, y, width, height, palette=colors[is_day])
        sky_x = x - aside * 1.6 if upper_lower else x + sign * (0.2 if joined else 0.17)
        lights.append(Element("sun" if is_day else "moon", sky_x, top + light * 0.8, light))
        if not is_day and draft.coin(0.7):
            spots = ((-0.4, 0.12), (-0.24, 0.34), (0.32, 0.4)) if not upper_lower else ((-0.3, 0.1), (0.25, 0.28))
            stars = [(sign * across if not upper_lower else across, down) for across, down in spots]
            lights += [Element("star", x + dx * 0.9, top + dy, 0.07, palette="gold") for dx, dy in stars]
        clip = Clip("half", float(sign), 0.0, 0.0) if joined else Clip()
        place = 0.0 if joined else x + aside if upper_lower else x
        things.append(
            Element("subject", place, y + floor - size / 2, size, standing=True, clip=clip, **({} if is_day else night))
        )
    draft.elements += lights
    draft.elements += things
    draft.facts.update(split="upper-lower" if upper_lower else "left-right", day_first=day_first, joined=joined)


def check_counting_up(scene: Scene) -> None:
    copies, panels = copies_of(scene, 6, 15, "panel"), scene.of("panel")
    equal_sizes(copies, 0.4)
    alike_but(copies)
    upright(copies)
    if panels:
        ordered = [panel for row in rows_of(panels) for panel in row]
        equal_sizes(ordered, 0.3)
        counts = [len(home) for home in _in_panels(copies, ordered, 0.12)]
        require(counts == list(range(1, len(panels) + 1)), f"counts are {counts}")
        return
    size = float(np.mean([e.size for e in copies]))
    # Rows that start at the left, or columns that stand on one ground: the same with x and y exchanged.
    for things in (copies, [replace(e, x=-e.y, y=e.x) for e in copies]):
        rows = rows_of(things)
        starts = [row[0].x for row in rows]
        if max(starts) - min(starts) <= 0.3 * size + 0.05:
            break
    else:
        raise Broken("the rows do not start from one line")
    counts = [len(row) for row in rows]
    require(counts == list(range(1, len(rows) + 1)), f"counts are {counts}")
    for row in rows:
        even_gaps([e.x for e in row], 0.5)
        require(all(b.x - a.x >= 0.6 * size for a, b in pairwise(row)), "too close to count")


@relation(
    "counting_up",
    "{subject} counted one, two, three",
    "counting {subject}",
    "one {subject}, then two, then three",
    "groups of {subject}, each with one more than the last",
    "a page that teaches counting with {subject}",
    "the numbers from one upward, shown with {subject}",
    "a picture in parts: the first holds a single {subject}, the second two, the third three, and so on, all alike",
    family=FAMILY,
    check=check_counting_up,
    mirror_ok=False,
)
def draw_counting_up(draft: Draft) -> None:
    top = draft.choice((3, 3, 4))
    layout = draft.choice(("row of panels", "column of panels", "square of panels", "rows", "columns"))
    layout = "row of panels" if layout.startswith("square") and top == 3 else layout
    draft.facts.update(count=top, layout=layout)
    if "panels" not in layout:
        within, between = draft.uniform(0.98, 1.08), draft.uniform(1.08, 1.35)
        cells = [(i * within, row * between) for row in range(top) for i in range(row + 1)]
        if layout == "columns":  # standing on one ground, listed from the top of each column down
            cells = [(row * between, (i - row) * within) for row in range(top) for i in range(row + 1)]
        draft.elements += fit([Element("subject", x, y, 1.0, standing=True) for x, y in cells], reach=0.88)
        return
    gap = draft.uniform(0.05, 0.1)
    number = 2 if layout.startswith("square") else top  # of panels side by side
    short = (1.84 - gap * (number - 1)) / number
    long = short if number < top else draft.uniform(1.3, 1.75)
    line = [(short + gap) * (i - (number - 1) / 2) for i in range(number)]
    across = layout.startswith("row")
    spots = [(x, y) for y in line for x in line] if number < top else [(t, 0.0) if across else (0.0, t) for t in line]
    size = 0.42 * short if number < top else min(0.82 * short, 0.9 * long / top)
    for x, y in spots:
        draft.box("panel", x, y, short if across else long, long if across else short)
    for count, (x, y) in enumerate(spots, start=1):
        along = [1.06 * size * (i - (count - 1) / 2) for i in range(count)]
        group = [(0.0, t) if across else (t, 0.0) for t in along]
        if number < top:
            group = [(0.23 * short * dx, 0.23 * short * dy) for dx, dy in DICE[count]]
        for dx, dy in group:
            draft.add("subject", x + dx, y + dy, size)


def check_zoom_in(scene: Scene) -> None:
    views, panels = copies_of(scene, 3, 4, "panel", "arrow"), scene.of("panel")
    require(3 <= len(panels) <= 4, f"{len(panels)} panels, expected 3")
    homes = _in_panels(views, panels, 0.2)
    require(all(len(home) == 1 for home in homes), "each panel shows one view")
    views = in_reading_order(views)
    equal_sizes(views, 0.3)
    upright(views)
    require(all(e.clip.kind == "window" for e in views), "a view without a window")
    alike_but(views, clip=Clip())
    rising_by_factor([1 / e.clip.amount for e in views], 1.3, "magnification")
    require(views[-1].clip.amount <= 0.5 * views[0].clip.amount, "hardly comes closer")
    aims = [(e.clip.u, e.clip.v) for e in views]
    require(all(math.dist(aims[0], aim) <= 0.25 for aim in aims), "the views aim at different spots")


@relation(
    "zoom_in",
    "closer and closer views of {subject}",
    "zooming in on {subject}",
    "{subject} first from afar, then nearer, then very close",
    "a series of pictures that moves in on a detail of {subject}",
    "three views of {subject}, each an enlarged part of the one before",
    "{subject} coming closer until only a detail fills the view",
    "three panels: the first shows {subject} whole, the second a part of it, the third a small detail, much enlarged",
    family=FAMILY,
    check=check_zoom_in,
    mirror_ok=False,
)
def draw_zoom_in(draft: Draft) -> None:
    layout = draft.choice(("row", "row", "column", "stairs"))
    gap = draft.uniform(0.05, 0.12)
    short = (1.84 - 2 * gap) / 3
    long, drop = draft.uniform(short, 1.3), draft.choice((-1, 1)) * draft.uniform(0.12, 0.27)
    width, height = (long, short) if layout == "column" else (short, long)
    inner_width, inner_height = width - 0.07, height - 0.07
    u, v = draft.uniform(-0.24, 0.24), draft.uniform(-0.28, 0.08)
    # The first window takes in the whole art, whose side may not exceed the window's shorter edge.
    whole = (1 + max(abs(u), abs(v))) * math.sqrt(max(inner_width, inner_height) / min(inner_width, inner_height))
    closer = draft.uniform(0.52, 0.6)
    steps = [i * (short + gap) for i in (-1, 0, 1)]
    spots = [{"row": (t, 0.0), "column": (0.0, t), "stairs": (t, t * drop / short)}[layout] for t in steps]
    for x, y in spots:
        draft.box("panel", x, y, width, height)
    for i, (x, y) in enumerate(spots):
        draft.box("subject", x, y, inner_width, inner_height, clip=Clip("window", u, v, whole * closer**i))
    if layout != "stairs" and draft.coin(0.4):
        for t in (-0.5, 0.5):
            x, y = (0.0, t * (short + gap)) if layout == "column" else (t * (short + gap), 0.0)
            draft.add("arrow", x, y, 0.16, turn=90.0 if layout == "column" else 0.0, palette="accent")
    draft.facts.update(count=3, layout=layout)


def check_hatching(scene: Scene) -> None:
    only(scene, "crack", "shell")
    inner = subjects(scene, 1, 1)[0]
    open_shells = [e for e in others(scene, 1, 2) if e.clip.kind == "half" and e.clip.v >= 0.8]
    require(len(open_shells) == 1, "no opened container")
    outer = open_shells[0]
    upright([inner, outer], 20)
    require(scene.elements.index(inner) < scene.elements.index(outer), "stands before the container, not in it")
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
    "{subject} hatching",
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
