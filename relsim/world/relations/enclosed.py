"""Relations of a thing inside, behind or under something: bubbles, bars, ice, bans, targets, lenses."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from analogen.relsim.world.measure import (
    distance,
    extent,
    in_front,
    inside,
    lone_subjects,
    plain_looks,
    require,
    turn_between,
    upright,
)
from analogen.relsim.world.relations.base import Draft, relation
from analogen.relsim.world.scene import Clip, Element, Scene

FAMILY = "one thing and its surroundings"


def _enclosing(scene: Scene, kind: str, contents: Sequence[Element]) -> Element:
    """The largest prop of a kind; Broken unless it lies over all the contents and no other one touches them."""
    found = sorted(scene.of(kind), key=lambda e: -e.size)
    require(bool(found), f"no {kind}")
    outer = found[0]
    for e in contents:
        require(inside(e, outer, slack=0.06), f"the {e.kind} is not inside the {kind}")
        require(in_front(scene, outer, e), f"the {kind} lies behind the {e.kind}")
        require(all(distance(e, o) > 0.5 * (e.size + o.size) for o in found[1:]), f"two {kind} share a {e.kind}")
    return outer


def _scatter_small(draft: Draft, kind: str, count: int, low: float, high: float, big: float) -> None:
    """Small copies of a prop in the corners around a big one of this size at the centre, never touching."""
    placed: list[tuple[float, float, float]] = [(0.0, 0.0, big)]
    for _ in range(40):
        size = draft.uniform(low, high)
        reach = 0.95 - size / 2
        x, y = draft.uniform(-reach, reach), draft.uniform(-reach, reach)
        if len(placed) <= count and all(math.hypot(x - a, y - b) >= 0.5 * (size + s) + 0.03 for a, b, s in placed):
            placed.append((x, y, size))
    for x, y, size in sorted(placed[1:], key=lambda p: (p[1], p[0])):
        draft.add(kind, x, y, size)


def check_peeking(scene: Scene) -> None:
    hidden = lone_subjects(scene, 1, 3, "rect", "panel", "trunk")
    barriers = scene.of("rect", "panel", "trunk")
    require(len(barriers) == 1, f"{len(barriers)} barriers, expected one")
    plain_looks(hidden)
    upright(hidden, 30)
    barrier = barriers[0]
    require(barrier.opacity >= 0.85, "the barrier is transparent")
    bounds = extent(barrier)
    for e in hidden:
        require(in_front(scene, barrier, e), "the barrier lies behind")
        left, top, right, bottom = extent(e)
        width, height = min(right, bounds[2]) - max(left, bounds[0]), min(bottom, bounds[3]) - max(top, bounds[1])
        share = max(width, 0) * max(height, 0) / ((right - left) * (bottom - top))
        require(0.3 <= share <= 0.75, "the barrier does not hide about half")
        whole_across = height >= 0.85 * (bottom - top) or width >= 0.85 * (right - left)
        require(whole_across, "the barrier's edge does not run across the whole subject")


@relation(
    "peeking",
    "{subject} peeking out from behind a barrier",
    "a half-hidden {subject}",
    "{subject} looking out from behind a wall",
    "a plain obstacle covering about half of {subject}",
    "{subject} hiding, with only one side of it showing",
    "the visible part of {subject} sticking out past the edge of a screen",
    "{subject} half concealed by something plain in front of it, as if it were curiously glancing out from its cover",
    family=FAMILY,
    check=check_peeking,
)
def draw_peeking(draft: Draft) -> None:
    direction = str(draft.choice(["up", "left", "right"]))
    share = draft.uniform(0.43, 0.57)
    palette = draft.choice(["primary", "secondary", "accent", "wood", "soft"])
    count = 1
    if direction == "up":
        count = int(draft.rng.choice([1, 2, 3], p=[0.6, 0.22, 0.18]))
        size = draft.uniform(*((0.9, 1.15), (0.68, 0.8), (0.52, 0.58))[count - 1])
        width = max(draft.uniform(1.35, 1.85), 1.08 * count * size)
        height = draft.uniform(0.75, 1.05)
        top = (1 - share) * size / 2 - height / 2  # centres barrier and heads together
        for index in range(count):
            x = (index - (count - 1) / 2) * width / (count + 0.15) if count > 1 else draft.uniform(-0.15, 0.15)
            draft.add("subject", x, top - (0.5 - share) * size, size)
        kind = "rect" if draft.coin(0.7) else "panel"
        draft.box(kind, 0, top + height / 2, width, height, palette=palette if kind == "rect" else "none")
    else:
        side = 1 if direction == "right" else -1
        size, width, height = draft.uniform(0.9, 1.15), draft.uniform(0.7, 0.95), draft.uniform(1.55, 1.85)
        edge = (width - (1 - share) * size) / 2  # of the barrier, seen towards the subject; centres the two
        kind = draft.choice(["rect", "rect", "panel", "trunk"])
        stands = draft.coin()
        base = height / 2 - 0.03
        y = base - size / 2 if stands else draft.uniform(-0.8, 0.3) * (height - 1.25 * size) / 2
        if stands:
            draft.box("ground", 0, (base - 0.12 + 1) / 2, 2, 1.12 - base, palette="soft")
        x = edge + (0.5 - share) * size
        draft.add("subject", side * x, y, size, standing=stands, turn=0 if stands else side * draft.uniform(0, 16))
        color = palette if kind == "rect" else "none"
        draft.box(kind, side * (edge - width / 2), 0, width, height, palette=color)
    draft.facts.update(direction=direction, count=count)


def check_in_a_bubble(scene: Scene) -> None:
    thing = lone_subjects(scene, 1, 1, "bubble")
    plain_looks(thing)
    bubble = _enclosing(scene, "bubble", thing)
    require(0.8 <= bubble.aspect <= 1.25, "the bubble is not round")
    require(0.3 <= thing[0].size / bubble.size <= 0.85, "the subject does not suit the bubble's size")
    require(distance(thing[0], bubble) <= 0.2 * bubble.size, "the subject is not in the middle of the bubble")
    require(all(b is bubble or b.size <= 0.5 * bubble.size for b in scene.of("bubble")), "no bubble stands out")


@relation(
    "in_a_bubble",
    "{subject} enclosed in a transparent bubble",
    "{subject} in a bubble",
    "a single {subject} floating inside a soap bubble",
    "a clear round sphere with {subject} at its heart",
    "{subject} sealed within a glassy ball",
    "{subject} drifting along in a shimmering bubble",
    "one large see-through bubble that surrounds {subject} on all sides, its thin rim and highlight catching the light",
    family=FAMILY,
    check=check_in_a_bubble,
)
def draw_in_a_bubble(draft: Draft) -> None:
    count = draft.integer(1, 5) if draft.coin(0.6) else 0
    big = draft.uniform(1.35, 1.55) if count else draft.uniform(1.5, 1.85)
    draft.add("subject", 0, 0, big * draft.uniform(0.54, 0.68), turn=draft.uniform(-20, 20) if draft.coin() else 0.0)
    draft.add("bubble", 0, 0, big)
    _scatter_small(draft, "bubble", count, 0.12, 0.3, big)
    draft.facts.update(small_bubbles=len(draft.elements) - 2)


def check_caged(scene: Scene) -> None:
    captives = lone_subjects(scene, 1, 2, "bars", "rect")
    require(len(scene.of("bars")) == 1 and len(scene.of("rect")) <= 1, "not one cage")
    plain_looks(captives)
    upright(captives)
    cage = _enclosing(scene, "bars", captives)
    upright([cage])
    require(all(e.size >= 0.3 * cage.size for e in captives), "too small for the cage")
    for back in scene.of("rect"):
        require(all(in_front(scene, e, back) for e in captives), "a wall hides the subject")


@relation(
    "caged",
    "{subject} held behind bars",
    "{subject} in a cage",
    "{subject} locked up in prison",
    "a captive {subject} seen through vertical bars",
    "straight metal bars in front of {subject}",
    "{subject} imprisoned, with a row of bars across it",
    "a barred cage that keeps {subject} inside, the evenly spaced rods running from top to bottom in front of it",
    family=FAMILY,
    check=check_caged,
)
def draw_caged(draft: Draft) -> None:
    count = 2 if draft.coin(0.25) else 1
    height = draft.uniform(1.5, 1.85) if count == 1 else draft.uniform(1.25, 1.5)
    width = height * draft.uniform(0.75, 1.0) if count == 1 else draft.uniform(1.65, 1.85)
    size = min(0.82 * width / count, 0.76 * height) * draft.uniform(0.88, 1.0)
    floor = height / 2 - 0.06 * height  # inner edge of the bottom rail
    if draft.coin(0.45):
        draft.add("shadow", 0, height / 2, width * 0.35, aspect=9.0)
    if draft.coin(0.4):
        draft.box("rect", 0, 0, width * 0.97, height * 0.97, palette=draft.choice(["soft", "dark"]), opacity=0.35)
    stands = draft.coin(0.7)
    y = floor - size / 2 if stands else 0.0
    facing = draft.coin()
    for index in range(count):
        x = (index - (count - 1) / 2) * width * 0.46
        draft.add("subject", x, y, size, standing=stands, mirror=index == 1 and facing)
    draft.box("bars", 0, 0, width, height)
    draft.facts.update(count=count)


def check_frozen(scene: Scene) -> None:
    thing = lone_subjects(scene, 1, 1, "ice")
    plain_looks(thing)
    block = _enclosing(scene, "ice", thing)
    require(block.opacity >= 0.4, "the ice is hardly there")
    require(0.6 <= block.aspect <= 1.7, "the ice is no block")
    require(thing[0].size >= 0.35 * block.size, "the subject is lost in the ice")
    require(all(b is block or b.size <= 0.4 * block.size for b in scene.of("ice")), "several blocks")


@relation(
    "frozen",
    "{subject} frozen inside a block of ice",
    "an iced-in {subject}",
    "{subject} trapped in a clear block of ice",
    "a pale translucent cube with {subject} locked inside",
    "{subject} preserved in solid ice",
    "an ice cube that holds {subject} at its centre",
    "{subject} completely encased in cold blue ice, its shape still visible through the frosty surface",
    family=FAMILY,
    check=check_frozen,
    held_out=True,
)
def draw_frozen(draft: Draft) -> None:
    chips = draft.integer(2, 4) if draft.coin(0.3) else 0
    aspect = draft.uniform(0.8, 1.25)
    width = draft.uniform(1.4, 1.75)
    width, height = (width, width / aspect) if aspect >= 1 else (width * aspect, width)
    shift = -0.1 if chips else 0.0
    if chips or draft.coin():
        draft.add("shadow", 0, height / 2 + shift, width * 0.35, aspect=9.0)
    size = min(width, height) * draft.uniform(0.62, 0.78)
    tilt = draft.uniform(-18, 18) if draft.coin() else 0.0
    size *= 1 / (1 + 0.6 * math.sin(math.radians(abs(tilt))))  # the turned corners stay inside too
    draft.add("subject", 0, shift, size, turn=tilt, saturation=draft.uniform(0.75, 1))
    draft.box("ice", 0, shift, width, height, opacity=draft.uniform(0.8, 1))
    for index in range(chips):  # broken off, on the floor
        small = draft.uniform(0.1, 0.17)
        x = (index - (chips - 1) / 2) * width / chips + draft.uniform(-0.05, 0.05)
        draft.add("ice", x, height / 2 + shift + 0.06 + small / 2, small)


def check_forbidden(scene: Scene) -> None:
    thing = lone_subjects(scene, 1, 1, "ban", "ellipse", "rect", "panel")
    require(len(scene.of("ban")) == 1, "not one ban")
    require(len(scene.of("ellipse", "panel")) <= 1 and len(scene.of("rect")) <= 1, "more than one sign")
    plain_looks(thing)
    upright(thing, 20)
    ban = _enclosing(scene, "ban", thing)
    require(ban.opacity >= 0.6 and 0.8 <= ban.aspect <= 1.25, "the ban is no clear round sign")
    require(distance(thing[0], ban) <= 0.15 * ban.size, "the subject is not in the middle of the ban")
    require(thing[0].size >= 0.35 * ban.size, "the subject is lost in the ban")
    require(all(in_front(scene, thing[0], e) for e in scene.of("ellipse", "rect", "panel")), "the sign is hidden")


@relation(
    "forbidden",
    "a sign that forbids {subject}",
    "no {subject} allowed",
    "{subject} crossed out in a red circle",
    "a prohibition sign with {subject} in it",
    "a red ring with a slash across {subject}",
    "{subject} banned by a round warning sign",
    "a traffic-style sign whose red circle and diagonal bar make it clear that {subject} is not permitted here",
    family=FAMILY,
    check=check_forbidden,
)
def draw_forbidden(draft: Draft) -> None:
    look = draft.choice(["bare", "disc", "disc", "panel", "post"])
    size = draft.uniform(1.2, 1.35) if look == "post" else draft.uniform(1.4, 1.8)
    y = -0.92 + size / 2 if look == "post" else 0.0
    if look == "post":
        draft.box("rect", 0, (y + 0.93) / 2, draft.uniform(0.07, 0.11), 0.93 - y, palette="metal")
    if look == "panel":
        size = min(size, 1.55)
        draft.add("panel", 0, 0, size * draft.uniform(1.12, 1.2))
    elif look != "bare":
        draft.add("ellipse", 0, y, size * 0.97, palette="paper")
    draft.add("subject", 0, y, size * draft.uniform(0.52, 0.64))
    draft.add("ban", 0, y, size)


def check_bullseye(scene: Scene) -> None:
    thing = lone_subjects(scene, 1, 1, "ellipse", "rect")
    discs = scene.of("ellipse")
    require(3 <= len(discs) <= 7, f"{len(discs)} rings, expected 3 to 7")
    require(len(scene.of("rect")) in (0, 2), "stray rectangles")
    plain_looks(thing)
    upright(thing, 20)
    outer = discs[0]
    for disc in discs:
        require(distance(disc, outer) <= 0.09 * outer.size, "the rings are not concentric")
        require(abs(math.log(disc.aspect / outer.aspect)) <= 0.2 and disc.opacity >= 0.85, "the rings differ in form")
        require(in_front(scene, thing[0], disc), "a ring hides the subject")
    for large, small in itertools.pairwise(discs):
        require(0.05 * outer.size <= large.size - small.size <= 0.45 * outer.size, "no regular rings")
        require(small.palette != large.palette, "neighbouring rings have one colour")
    for first, third in zip(discs, discs[2:], strict=False):
        require(first.palette == third.palette, "the colours do not alternate")
    require(distance(thing[0], outer) <= 0.1 * outer.size, "the subject is not at the centre")
    require(thing[0].size <= 0.6 * outer.size, "the subject hides the target")


@relation(
    "bullseye",
    "{subject} at the centre of a target",
    "{subject} in the bullseye",
    "concentric rings around {subject}",
    "{subject} as the mark in the middle of a shooting target",
    "a round target whose centre is {subject}",
    "circles within circles leading the eye to {subject}",
    "a target of alternating coloured rings, one inside the other, with {subject} exactly in the middle of them all",
    family=FAMILY,
    check=check_bullseye,
)
def draw_bullseye(draft: Draft) -> None:
    rings = draft.integer(3, 5)
    colors = draft.choice([("red", "paper"), ("red", "paper"), ("primary", "paper"), ("accent", "soft")])
    on_legs = draft.coin(0.25)
    outer = draft.uniform(1.45, 1.6) if on_legs else draft.uniform(1.65, 1.86)
    y = -0.93 + outer / 2 if on_legs else 0.0
    if on_legs:
        tilt, length = draft.uniform(14, 22), 1.15
        for side in (-1, 1):
            x = side * (0.93 - math.tan(math.radians(tilt)) * length / 2) * 0.75
            draft.box("rect", x, 0.93 - length / 2, 0.08, length, turn=-side * tilt, palette="wood")
    inner = draft.uniform(0.9, 1.25) * outer / rings
    for index in range(rings):
        size = outer + (inner - outer) * index / (rings - 1)
        draft.add("ellipse", 0, y, size, palette=colors[index % 2])
    draft.add("subject", 0, y, min(max(inner * draft.uniform(0.75, 1.15), 0.24 * outer), 0.42 * outer))
    draft.facts.update(rings=rings)


def check_magnified(scene: Scene) -> None:
    views = lone_subjects(scene, 2, 2, "lens", "ellipse", "ring", "line")
    lenses = scene.of("lens")
    require(len(lenses) == 1, f"{len(lenses)} lenses, expected one")
    require(len(scene.of("ellipse")) <= 1 and len(scene.of("ring", "line")) <= 3, "stray marks")
    whole, part, lens = views[0], views[1], lenses[0]
    plain_looks([whole])
    require(part.clip.kind == "lens", "no part seen through a lens")
    require(in_front(scene, lens, part), "the lens lies behind its picture")
    require(distance(part, lens) <= 0.15 * lens.size, "the part is not in the lens")
    require(0.75 <= part.size / lens.size <= 1.25, "the part does not fill the lens")
    require(part.size / part.clip.amount >= 1.6 * whole.size, "the part is not enlarged")
    require(max(abs(part.clip.u), abs(part.clip.v)) <= 0.8, "nothing to see in the lens")
    require(abs(turn_between(part.turn, whole.turn)) <= 12 and part.mirror == whole.mirror, "the part is turned")
    for ground in scene.of("ellipse"):
        require(distance(ground, lens) <= 0.15 * lens.size and in_front(scene, part, ground), "a disc in the way")


@relation(
    "magnified",
    "a detail of {subject} seen through a lens",
    "{subject} under a magnifying glass",
    "a magnifier enlarging one part of {subject}",
    "a close look at {subject} through a round lens",
    "{subject} with a detail blown up in a magnifier",
    "a magnifying glass held over {subject}",
    "{subject} shown whole and, inside a round glass with a handle, one small portion of it enlarged to reveal more",
    family=FAMILY,
    check=check_magnified,
)
def draw_magnified(draft: Draft) -> None:
    beside = draft.coin()
    side = 1 if draft.coin() else -1
    whole = draft.uniform(0.72, 0.88) if beside else draft.uniform(1.15, 1.4)
    glass = draft.uniform(0.78, 0.92) if beside else draft.uniform(0.66, 0.8)
    amount = glass / (whole * draft.uniform(1.85, 2.35))
    u, v = side * draft.uniform(0.0, 0.35), draft.uniform(-0.35, 0.3)
    x, y = u * whole / 2, v * whole / 2  # of the detail, seen from the middle of the whole
    grip = draft.uniform(62, 88) if beside else draft.uniform(25, 65)  # direction of the handle
    grip = grip if side > 0 else 180 - grip
    if beside:
        lens_x, lens_y = side * ((whole + glass) / 2 + draft.uniform(0.06, 0.14)), draft.uniform(-0.35, 0.0)
    else:
        lens_x, lens_y = x + side * draft.uniform(0, 0.12), y + draft.uniform(-0.05, 0.1)
    reach = 0.95 * glass
    tip_x, tip_y = (
        lens_x + reach * math.cos(math.radians(grip)),
        lens_y + reach * math.sin(math.radians(grip)),
    )
    # Whole, glass and handle together are centred and scaled into the picture.
    left, right = min(-whole / 2, lens_x - glass / 2, tip_x), max(whole / 2, lens_x + glass / 2, tip_x)
    top, bottom = min(-whole / 2, lens_y - glass / 2), max(whole / 2, lens_y + glass / 2, tip_y)
    scale = 1.84 / max(right - left, bottom - top)
    dx, dy = (left + right) / 2, (top + bottom) / 2
    lens_x, lens_y, x, y = ((p - d) * scale for p, d in zip((lens_x, lens_y, x, y), (dx, dy, dx, dy), strict=True))
    draft.add("subject", -dx * scale, -dy * scale, whole * scale)
    whole, glass = whole * scale, glass * scale
    if beside and draft.coin(0.6):
        spot = amount * whole
        draft.add("ring", x, y, spot, palette="ink")
        gap = math.hypot(lens_x - x, lens_y - y)
        start, end = spot / 2 / gap, 1 - glass / 2 / gap  # from rim to rim, as shares of the way
        middle, angle = (start + end) / 2, math.degrees(math.atan2(lens_y - y, lens_x - x))
        at_x, at_y = x + middle * (lens_x - x), y + middle * (lens_y - y)
        draft.box("line", at_x, at_y, (end - start) * gap, 0.02, turn=angle, palette="ink")
    draft.add("ellipse", lens_x, lens_y, glass, palette="paper")
    draft.add("subject", lens_x, lens_y, glass, clip=Clip("lens", u, v, amount))
    draft.add("lens", lens_x, lens_y, glass, turn=grip - 45)
    draft.facts.update(place="beside" if beside else "over", direction="right" if side > 0 else "left")
