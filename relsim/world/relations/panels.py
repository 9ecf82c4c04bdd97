"""Relations between the panels of a page: states side by side, day and night, counted groups, closer views."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from analogen.relsim.world.measure import (
    Broken,
    alike_except,
    clip_directions,
    distance,
    equal_sizes,
    even_gaps,
    inside,
    lone_subjects,
    require,
    rising_by_factor,
    rows_of,
    upright,
)
from analogen.relsim.world.relations.base import Draft, relation
from analogen.relsim.world.relations.composition import fit, in_reading_order
from analogen.relsim.world.scene import Clip, Element, Scene

FAMILY = "change over time"
DICE = {1: ((0, 0),), 2: ((-1, -1), (1, 1)), 3: ((0, -1), (-1, 1), (1, 1)), 4: ((-1, -1), (1, -1), (-1, 1), (1, 1))}
DARK, LIGHT = ("night", "dark"), ("ice", "soft", "paper")


def _in_panels(things: Sequence[Element], panels: Sequence[Element], slack: float) -> list[list[Element]]:
    """The things within each panel. Broken if one lies in no panel."""
    homes: list[list[Element]] = [[] for _ in panels]
    for e in things:
        home = next((i for i, panel in enumerate(panels) if inside(e, panel, slack)), None)
        require(home is not None, f"a {e.kind} lies outside the panels")
        homes[home or 0].append(e)
    return homes


def check_before_after(scene: Scene) -> None:
    pair, panels = lone_subjects(scene, 2, 2, "panel", "arrow", "crack"), scene.of("panel")
    require(len(panels) == 2, f"{len(panels)} panels, expected 2")
    equal_sizes(panels, 0.35)
    require(distance(*panels) >= 0.6 * panels[0].size, "the panels cover each other")
    homes = _in_panels(pair, panels, 0.15)
    require(all(len(home) == 1 for home in homes), "each panel shows the subject once")
    pair = [home[0] for home in homes]
    equal_sizes(pair, 0.35)
    alike_except(pair, saturation=1.0, brightness=1.0)
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
    pair = lone_subjects(scene, 2, 2, "rect", "panel", "sun", "moon", "star")
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
    alike_except(pair, brightness=1.0, saturation=1.0, clip=Clip())
    if pair[0].clip.kind == "none":
        homes = _in_panels(pair, [*night, *day], 0.15)
        require(len(homes[0]) == 1, "each half shows the subject once")
        return
    require(distance(*pair) <= 0.25 * pair[0].size, "the two halves of the subject do not meet")
    for e, way in zip(pair, clip_directions(pair), strict=True):
        seen = e.x + way[0], e.y + way[1]  # a point on the side that the clip leaves
        home = min((*night, *day), key=lambda half: math.dist((half.x, half.y), seen))
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
    copies, panels = lone_subjects(scene, 6, 15, "panel"), scene.of("panel")
    equal_sizes(copies, 0.4)
    alike_except(copies)
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
    views, panels = lone_subjects(scene, 3, 4, "panel", "arrow"), scene.of("panel")
    require(3 <= len(panels) <= 4, f"{len(panels)} panels, expected 3")
    homes = _in_panels(views, panels, 0.2)
    require(all(len(home) == 1 for home in homes), "each panel shows one view")
    views = in_reading_order(views)
    equal_sizes(views, 0.3)
    upright(views)
    require(all(e.clip.kind == "window" for e in views), "a view without a window")
    alike_except(views, clip=Clip())
    rising_by_factor([1 / e.clip.amount for e in views], 1.3, "magnification")
    require(views[-1].clip.amount <= 0.5 * views[0].clip.amount, "hardly comes closer")
    aims = clip_directions(views)
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
