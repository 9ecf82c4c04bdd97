"""Relations that connect two things: orbit, eclipse, balance, balloons, a thought."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.world.measure import (
    distance,
    equal_sizes,
    in_front,
    inside,
    lone_subjects,
    natural,
    only,
    others,
    overlap,
    plain_looks,
    points,
    require,
    same_looks,
    subjects,
    turn_between,
    unaltered,
    upright,
)
from analogen.relsim.world.relations.base import Draft, relation
from analogen.relsim.world.relations.composition import floor_shadow
from analogen.relsim.world.scene import Element, Scene

FAMILY = "one thing and its surroundings"
STRING = 0.02  # thickness of strings and chains

Point = tuple[float, float]


def tie(draft: Draft, start: Point, end: Point, palette: str) -> None:
    """Adds a string from one point to another."""
    across, down = end[0] - start[0], end[1] - start[1]
    turn = math.degrees(math.atan2(down, across))
    middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    draft.box("line", *middle, math.hypot(across, down), STRING, turn=turn, palette=palette)


def is_tied(line: Element, start: Point, end: Point) -> bool:
    """Whether the string connects the points, in either direction.

    Direction and middle are held tight; the length is held loosely, since in a thin box a little noise on `size`
    disturbs it most.
    """
    across, down = end[0] - start[0], end[1] - start[1]
    length = math.hypot(across, down)
    bend = abs(turn_between(math.degrees(math.atan2(down, across)), line.turn))
    apart = math.hypot(line.x - (start[0] + end[0]) / 2, line.y - (start[1] + end[1]) / 2)
    straight = min(bend, 180 - bend) <= 10 + math.degrees(math.atan2(0.1, length))
    return straight and apart <= 0.1 + 0.1 * length and 0.35 * length <= line.width <= 2 * length


def track_points(ring: Element) -> NDArray[np.float64]:
    """(180, 2) points along the middle of a ring's stroke, which is 7 % of its size wide."""
    angles, angle = np.radians(np.arange(0, 360, 2)), math.radians(ring.turn)
    stroke = 0.07 * ring.size
    u, v = (ring.width - stroke) / 2 * np.cos(angles), (ring.height - stroke) / 2 * np.sin(angles)
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.column_stack([ring.x + u * cosine - v * sine, ring.y + u * sine + v * cosine])


def check_orbit(scene: Scene) -> None:
    only(scene, "ring")
    (centre,), moons, tracks = subjects(scene, 1, 1), others(scene, 1, 4), scene.of("ring")
    require(len(tracks) == 1, "there is not one track")
    track = tracks[0]
    plain_looks([centre, *moons])
    same_looks(moons)
    natural([centre, *moons])
    equal_sizes(moons, 0.5)
    require(1.35 <= track.aspect <= 3.6, "the track is not an ellipse")
    require(abs(math.sin(math.radians(track.turn))) <= 0.64, "the track stands on end")
    require(distance(centre, track) <= 0.2 * centre.size, "not in the middle of the track")
    require(track.width >= 1.5 * centre.width, "the track does not go around")
    path = track_points(track)
    for moon in moons:
        require(moon.size <= 0.55 * centre.size, "what circles is not small")
        off = float(np.hypot(*(path - (moon.x, moon.y)).T).min())
        require(off <= max(0.45 * moon.size, 0.12), "what circles is not on the track")
    places = points(moons)
    for index, place in enumerate(places[1:], start=1):
        require(float(np.hypot(*(places[:index] - place).T).min()) >= 0.4 * moons[0].size, "they collide")


@relation(
    "orbit",
    "a small {other} circling a large {subject}",
    "{other} in orbit around {subject}",
    "{subject} circled by {other} like a planet by its moon",
    "{other} travelling around {subject} on an elliptical track",
    "a tiny {other} that revolves about a big central {subject}",
    "{subject} at the centre of the path along which {other} moves",
    "a large {subject} in the middle with an oval line drawn around it, and on that line a small {other} going round",
    family=FAMILY,
    check=check_orbit,
)
def draw_orbit(draft: Draft) -> None:
    aspect, turn = draft.uniform(1.6, 3.0), draft.choice((-1, 1)) * draft.uniform(0, 24)
    width = draft.uniform(1.66, 1.8)
    centre = draft.uniform(0.76, 0.96) * (1 if aspect > 2 else 0.9)
    moon = centre * draft.uniform(0.28, 0.4)
    count = int(draft.rng.choice([1, 2, 3], p=[0.6, 0.22, 0.18]))
    draft.box(
        "ring", 0, 0, width, width / aspect, turn=turn, palette=draft.choice(("ink", "primary", "accent", "gold"))
    )
    path = track_points(draft.elements[0])
    # A moon passes in front of the centre only on the near half of the track; on the far half it stays beside it.
    free = (np.abs(path[:, 0]) >= 0.42 * (centre + moon)) | (np.arange(180) < 90)
    starts = [start for start in range(180) if all(free[(start + 180 * i // count) % 180] for i in range(count))]
    start = draft.choice(starts)
    draft.add("subject", 0, 0, centre)
    places = [path[(start + 180 * i // count) % 180] for i in range(count)]
    for x, y in sorted(places, key=lambda p: math.atan2(p[0], -p[1]) % math.tau):
        draft.add("other", x, y, moon)
    draft.facts.update(count=count, orientation="rising" if turn < 0 else "falling")


def check_eclipse(scene: Scene) -> None:
    only(scene)
    (covered,), (cover,) = subjects(scene, 1, 1), others(scene, 1, 1)
    plain_looks([covered])
    natural([covered, cover])
    upright([covered, cover], 20)
    require(covered.brightness >= 0.7, "what is covered is dark itself")
    require(cover.brightness <= 0.6 or cover.silhouette >= 0.5, "the cover is not dark")
    require(cover.opacity >= 0.7 and cover.clip.kind == "none", "the cover is not whole")
    require(in_front(scene, cover, covered), "the dark one is not in front")
    require(0.72 <= cover.size / covered.size <= 1.4, "they are not of one size")
    apart = 2 * distance(covered, cover) / (covered.size + cover.size)
    require(0.24 <= apart <= 0.76, "it does not cover a part")


@relation(
    "eclipse",
    "{subject} partly covered by {other}",
    "{subject} eclipsed by {other}",
    "the dark shape of {other} sliding in front of {subject}",
    "{subject} half hidden behind a darkened {other}",
    "{other} passing across {subject} as the moon passes across the sun",
    "a shadowy {other} that takes away part of the view of {subject}",
    "a bright {subject} and in front of it a dark {other} of about the same size that leaves only part of it in sight",
    family=FAMILY,
    check=check_eclipse,
)
def draw_eclipse(draft: Draft) -> None:
    ratio, covered_share = draft.uniform(0.88, 1.14), draft.uniform(0.38, 0.66)
    angle = math.radians(draft.uniform(0, 360))
    across, down = math.cos(angle), math.sin(angle)
    apart = (1 - covered_share) * (1 + ratio) / 2  # the covered one being 1
    reach = apart * max(abs(across), abs(down)) + (1 + ratio) / 2
    size = min(draft.uniform(1.68, 1.82) / reach, 1.3)
    x, y = apart * size * across / 2, apart * size * down / 2
    if draft.coin(0.65):
        draft.add("glow", -x, -y, min(1.45 * size, 2 - 2 * max(abs(x), abs(y))), palette=draft.choice(("sun", "gold")))
    draft.add("subject", -x, -y, size)
    flat = draft.coin(0.5)
    if flat:
        draft.add("other", x, y, ratio * size, silhouette=1.0, palette=draft.choice(("dark", "night")))
    else:
        draft.add("other", x, y, ratio * size, brightness=draft.uniform(0.2, 0.42))
    side = ("right", "down", "left", "up")[round(math.degrees(angle) / 90) % 4]
    draft.facts.update(direction=side, covered=round(covered_share, 2), cover="silhouette" if flat else "dark")


def _beam_ends(beam: Element) -> tuple[Point, Point]:
    """Left and right end of the beam, a little inside its rounded tips."""
    angle, half = math.radians(turn_between(0, beam.turn)), 0.48 * beam.width
    across, down = half * math.cos(angle), half * math.sin(angle)
    return (beam.x - across, beam.y - down), (beam.x + across, beam.y + down)


def check_balance(scene: Scene) -> None:
    only(scene, "beam", "bowl", "line", "rect", "triangle", "pedestal", "ellipse")
    weighed = [*subjects(scene, 1, 1), *others(scene, 1, 1)]
    unaltered(weighed)
    beams, bowls, lines = scene.of("beam"), sorted(scene.of("bowl"), key=lambda e: e.x), scene.of("line")
    require(len(beams) == 1 and len(bowls) == 2, "a scale has one beam and two bowls")
    beam, long = beams[0], beams[0].width
    require(abs(turn_between(0, beam.turn)) <= 22, "the beam is too steep")
    posts = scene.of("rect", "triangle", "pedestal")
    held = [p for p in posts if abs(p.x - beam.x) <= 0.15 * long and abs(p.y - p.height / 2 - beam.y) <= 0.2 * long]
    require(len(held) >= 1, "no post holds the beam in the middle")
    ends = _beam_ends(beam)
    drops = [bowl.y - end[1] for bowl, end in zip(bowls, ends, strict=True)]
    for bowl, end in zip(bowls, ends, strict=True):
        require(abs(bowl.x - end[0]) <= 0.2 * long, "a bowl does not hang at the end of the beam")
    require(min(drops) >= 0.2 * long, "a bowl does not hang below the beam")
    require(abs(drops[0] - drops[1]) <= 0.15 * long, "the tilt does not show in the bowls")
    left, right = sorted(weighed, key=lambda e: e.x)
    for thing, bowl in ((left, bowls[0]), (right, bowls[1])):
        rim = bowl.y - bowl.height / 2
        require(abs(thing.x - bowl.x) <= 0.3 * bowl.width, "nothing lies in a bowl")
        require(-0.12 <= thing.y + thing.height / 2 - rim <= 0.6 * bowl.height + 0.1, "it does not rest in the bowl")
        require(thing.size <= 1.2 * bowl.width, "it does not fit the bowl")
    hung = [0, 0]
    for line in lines:
        sides = [s for s in (0, 1) if any(is_tied(line, ends[s], rim) for rim in _rim(bowls[s]))]
        require(len(sides) >= 1, "a chain hangs loose")
        hung[sides[0]] += 1
    require(all(1 <= chains <= 3 for chains in hung), "the bowls do not hang on chains")


def _rim(bowl: Element) -> tuple[Point, Point, Point]:
    """Left, middle and right of the bowl's rim, where chains may be tied."""
    top = bowl.y - bowl.height / 2
    return (bowl.x - 0.47 * bowl.width, top), (bowl.x, top), (bowl.x + 0.47 * bowl.width, top)


@relation(
    "balance",
    "{subject} weighed against {other} on a scale",
    "{subject} and {other} in the balance",
    "{subject} in one pan of a scale, {other} in the other",
    "a pair of scales that compares {subject} with {other}",
    "{subject} and {other} hanging from the two ends of a beam",
    "the weight of {subject} being judged by that of {other}",
    "a balance with a post and a beam, in whose two pans lie {subject} and {other}, so that one sees which is heavier",
    family=FAMILY,
    check=check_balance,
)
def draw_balance(draft: Draft) -> None:
    tilt = 0.0 if draft.coin(0.25) else draft.choice((-1, 1)) * draft.uniform(4.5, 14)
    bowl_wide = draft.uniform(0.56, 0.66)
    half = (draft.uniform(1.74, 1.84) - bowl_wide) / 2  # beam middle to where a bowl hangs
    long = 2 * half / (0.96 * math.cos(math.radians(tilt)))
    pivot, foot = draft.uniform(-0.74, -0.66), draft.uniform(0.76, 0.84)
    drop = draft.uniform(0.82, 0.92)
    metal = draft.choice(("gold", "metal", "wood", "primary", "ink"))
    kind = draft.choice(("rect", "triangle", "pedestal"))
    wide = {"rect": 0.07, "triangle": 0.2, "pedestal": 0.26}[kind]
    draft.box(kind, 0, (pivot + foot) / 2, wide, foot - pivot, palette="none" if kind == "pedestal" else metal)
    if kind != "pedestal":
        draft.box("rect", 0, foot, 0.6, 0.08, palette=metal)
    beam = Element("beam", 0, pivot, math.sqrt(long * 0.07), long / 0.07, tilt, palette=metal)
    ends = _beam_ends(beam)
    bowl_high = 0.36 * bowl_wide
    bowls = [(end[0], end[1] + drop) for end in ends]  # middle of each rim
    for end, (x, rim) in zip(ends, bowls, strict=True):
        for side in (-0.47, 0.47):
            tie(draft, end, (x + side * bowl_wide, rim), metal)
    draft.elements.append(beam)
    draft.box("ellipse", 0, pivot, 0.11, 0.11, palette=metal)
    first = draft.coin()  # the subject is on the left
    kinds = ("subject", "other") if first else ("other", "subject")
    sunk = 0.3 * bowl_high
    for thing, (x, rim) in zip(kinds, bowls, strict=True):
        size = min(draft.uniform(0.76, 0.94) * bowl_wide, 0.72 * drop)
        draft.add(thing, x, rim + sunk - size / 2, size, standing=True)
    for x, rim in bowls:
        draft.box("bowl", x, rim + bowl_high / 2, bowl_wide, bowl_high, palette=metal)
    lower = "level" if tilt == 0 else "left" if tilt < 0 else "right"
    heavier = "neither" if tilt == 0 else kinds[0] if tilt < 0 else kinds[1]
    draft.facts.update(lower=lower, heavier=heavier, subject="left" if first else "right")


def check_lifted(scene: Scene) -> None:
    (load,) = lone_subjects(scene, 1, 1, "balloon", "line")
    unaltered([load], 20)
    balloons, lines = scene.of("balloon"), scene.of("line")
    require(3 <= len(balloons) <= 8, "there is no cluster of balloons")
    require(len(lines) == len(balloons), "not one string to each balloon")
    equal_sizes(balloons, 0.5)
    knot = load.x, load.y - 0.28 * load.height
    for balloon in balloons:
        require(balloon.y + 0.3 * balloon.height <= load.y - load.height / 2, "a balloon is not above")
        near = min(distance(balloon, other) for other in balloons if other is not balloon)
        require(near <= 1.6 * balloon.size, "the balloons do not form a cluster")
        neck = balloon.x, balloon.y + 0.48 * balloon.height
        require(any(is_tied(line, neck, knot) for line in lines), "a balloon is not tied to what it lifts")
    for line in lines:
        tied = any(is_tied(line, (b.x, b.y + 0.48 * b.height), knot) for b in balloons)
        require(tied, "a string does not lead from a balloon to what it lifts")
    middle = sum(b.x for b in balloons) / len(balloons)
    require(abs(middle - load.x) <= 0.5 * load.size, "the balloons do not pull from above")


@relation(
    "lifted",
    "{subject} carried aloft by balloons",
    "{subject} hanging from balloons",
    "balloons lifting {subject} into the air",
    "{subject} floating away under a cluster of balloons",
    "a bunch of balloons tied to {subject} and bearing it up",
    "{subject} drifting in the sky on the strings of many balloons",
    "several balloons crowded together above, their strings meeting below at {subject}, which is raised off the ground",
    family=FAMILY,
    check=check_lifted,
)
def draw_lifted(draft: Draft) -> None:
    # Balloons per row, from the top: rows are offset by half a step, as a held bunch packs itself.
    rows = draft.choice([(1, 2), (2, 1), (1, 2, 1), (2, 3), (3, 2), (2, 3, 1), (1, 3, 2), (2, 3, 2), (1, 2, 3)])
    count, load = sum(rows), draft.uniform(0.58, 0.7)
    high = draft.uniform(0.37, 0.42) if len(rows) == 3 else draft.uniform(0.46, 0.54)
    wide, step_x, step_y = 0.8 * high, 0.76 * high, 0.56 * high
    top, floor = draft.uniform(-0.94, -0.88), draft.uniform(0.86, 0.92)
    sway = draft.uniform(-0.12, 0.12)
    knot = -sway / 2, floor - 0.78 * load  # behind the load, so that the strings reach flat things too
    necks: list[tuple[float, float]] = []
    for row, width in enumerate(rows):
        for column in range(width):
            bulge = 0.18 * high * abs(column - (width - 1) / 2)  # outer ones sink a little
            necks.append((sway / 2 + (column - (width - 1) / 2) * step_x, top + 0.98 * high + row * step_y + bulge))
    for neck in necks:
        tie(draft, neck, knot, "ink")
    several, tone = draft.coin(0.8), draft.choice(("primary", "secondary", "accent", "red"))
    for index, (x, y) in enumerate(necks):
        colour = ("primary", "secondary", "accent")[index % 3] if several else tone
        draft.box("balloon", x, y - 0.48 * high, wide, high, palette=colour)
    draft.add("subject", knot[0], floor - load / 2, load, turn=draft.uniform(-8, 8) if draft.coin(0.4) else 0.0)
    draft.facts.update(count=count, rows=len(rows), colours="several" if several else "one")


def check_thought_of(scene: Scene) -> None:
    only(scene, "thought", "ellipse")
    (thinker,), (thing,) = others(scene, 1, 1), subjects(scene, 1, 1)
    unaltered([thinker, thing])
    clouds, dots = scene.of("thought"), scene.of("ellipse")
    require(len(clouds) == 1 and 2 <= len(dots) <= 4, "there is no thought with a few dots")
    cloud = clouds[0]
    require(inside(thing, cloud, 0.05) and thing.size <= 0.85 * cloud.size, "the thought does not hold it")
    require(distance(thing, cloud) <= 0.25 * cloud.size, "not in the middle of the thought")
    require(overlap(thinker, cloud) <= 0.35, "the thinker is inside its thought")
    require(thinker.y - cloud.y >= 0.4 * cloud.height, "the thinker is not below")
    require(abs(thinker.x - cloud.x) >= 0.2 * thinker.size, "the thinker is not to one side")
    dots = sorted(dots, key=lambda e: distance(e, thinker))
    require(dots[-1].size >= 1.1 * dots[0].size, "the dots do not grow toward the thought")
    for dot, following in pairwise(dots):
        require(following.size >= 0.65 * dot.size, "the dots do not grow toward the thought")
        require(distance(following, cloud) <= distance(dot, cloud) + 0.05, "the dots do not lead to the thought")
    require(max(d.size for d in dots) <= 0.35 * cloud.size, "a dot is too large")
    require(distance(dots[0], thinker) <= 0.95 * thinker.size, "the dots do not start at the thinker")


@relation(
    "thought_of",
    "{other} thinking of {subject}",
    "{subject} on the mind of {other}",
    "{other} dreaming about {subject}",
    "{subject} imagined by {other} in a thought bubble",
    "a thought of {subject} rising from the head of {other}",
    "{other} down in the corner, picturing {subject} to itself",
    "{subject} seen inside a cloud-shaped bubble that is joined by growing dots to {other}, who is having the thought",
    family=FAMILY,
    check=check_thought_of,
)
def draw_thought_of(draft: Draft) -> None:
    left = draft.coin()  # side of the thinker
    side = -1 if left else 1
    thinker = draft.uniform(0.62, 0.76)
    wide, high = draft.uniform(1.15, 1.35), draft.uniform(0.88, 1.0)
    ground = draft.uniform(0.84, 0.9)
    x, y = side * (0.92 - thinker / 2), ground - thinker / 2
    cloud_x, cloud_y = -side * (0.92 - wide / 2), -0.92 + high / 2
    # The dots rise from the inner side of the head to the lower edge of the cloud that is nearest to the thinker.
    start = x - side * 0.52 * thinker, y - 0.32 * thinker
    end = cloud_x + side * 0.14 * wide, cloud_y + 0.54 * high
    floor_shadow(draft, x, ground, thinker)
    draft.box("thought", cloud_x, cloud_y, wide, high, palette=draft.choice(("none", "soft")))
    sizes = draft.choice([(0.09, 0.16), (0.07, 0.12, 0.17)])
    for index, size in enumerate(sizes):
        along = 0.05 + 0.85 * index / (len(sizes) - 1)
        place = start[0] + (end[0] - start[0]) * along, start[1] + (end[1] - start[1]) * along
        draft.box("ellipse", *place, 1.15 * size, 0.9 * size, palette="metal")
    draft.add("subject", cloud_x, cloud_y, draft.uniform(0.56, 0.64) * high)
    draft.add("other", x, y, thinker, standing=True, mirror=draft.coin(0.3))
    draft.facts.update(thinker="left" if left else "right", dots=len(sizes))
