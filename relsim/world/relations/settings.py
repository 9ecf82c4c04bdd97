"""Relations of a thing in a setting: water, a shadow, a pedestal, a tree, a playing card."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from analogen.relsim.world.measure import (
    distance,
    extent,
    in_front,
    inside,
    lone_subjects,
    only,
    others,
    overlap,
    plain_looks,
    points,
    require,
    rows_of,
    same_looks,
    spread,
    subjects,
    turn_between,
    upright,
)
from analogen.relsim.world.relations.base import Draft, relation
from analogen.relsim.world.scene import Element, Scene

FAMILY = "one thing and its surroundings"


def check_water_reflection(scene: Scene) -> None:
    things = lone_subjects(scene, 2, 6, "water")
    waters = scene.of("water")
    require(len(waters) == 1, f"{len(waters)} waters, expected one")
    water = waters[0]
    surface = water.y - water.height / 2
    real, mirrored = [e for e in things if e.y < surface], [e for e in things if e.y >= surface]
    require(len(real) == len(mirrored), "not every thing has its reflection")
    plain_looks(real)
    upright(real)
    for above, below in zip(sorted(real, key=lambda e: e.x), sorted(mirrored, key=lambda e: e.x), strict=True):
        reach = 0.18 * above.size + 0.03
        require(abs(above.x - below.x) <= reach, "a reflection is not below its thing")
        require(0.78 <= below.width / above.width <= 1.28, "a reflection has another width")
        require(0.6 <= below.height / above.height <= 1.28, "a reflection has another height")
        foot, head = above.y + above.height / 2, below.y - below.height / 2
        require(abs(foot - surface) <= reach and abs(head - surface) <= reach, "they do not meet at the water line")
        flipped = abs(turn_between(180, below.turn - above.turn)) <= 12 and below.mirror != above.mirror
        require(flipped, "a reflection is not flipped upside down")
        dimmed = below.opacity * below.brightness * below.saturation
        require(dimmed <= 0.9 * above.opacity * above.brightness * above.saturation, "a reflection is not dimmed")
        require(below.opacity >= 0.25 and below.clip.kind == "none", "a reflection is hardly seen")
        left, _, right, bottom = extent(below)
        require(water.x - water.width / 2 <= left + reach and water.x + water.width / 2 >= right - reach, "dry")
        require(water.y + water.height / 2 >= bottom - 0.25 * below.size, "the water ends above the reflection")
        require(in_front(scene, water, below), "the water lies behind the reflection")


@relation(
    "water_reflection",
    "{subject} mirrored in still water",
    "{subject} and its reflection",
    "{subject} reflected upside down in a calm lake",
    "the water's surface repeating {subject} below it",
    "{subject} above the water line, a dim flipped image of it below",
    "a quiet pool doubling {subject} like a mirror",
    "{subject} standing at the edge of smooth water, with a fainter inverted copy rippling directly underneath it",
    family=FAMILY,
    check=check_water_reflection,
)
def draw_water_reflection(draft: Draft) -> None:
    count = int(draft.rng.choice([1, 2, 3], p=[0.6, 0.22, 0.18]))
    low, high = ((0.78, 0.95), (0.68, 0.84), (0.5, 0.6))[count - 1]
    tallest = draft.uniform(low, high)
    sizes = [tallest] * count
    if count > 1 and draft.coin():
        sizes = [tallest * draft.uniform(0.65, 1) for _ in range(count)]
        sizes[draft.integer(0, count - 1)] = tallest
    squash = draft.uniform(0.85, 1)  # of the reflection's height
    line = 0.5 * max(sizes) * (1 - squash) + draft.uniform(-0.03, 0.05)
    gap = min((1.84 - sum(sizes)) / max(count - 1, 1), 0.16)
    x = -(sum(sizes) + gap * (count - 1)) / 2
    if count == 1:
        x += draft.uniform(-0.12, 0.12)
    looks: dict[str, Any] = {
        "opacity": draft.uniform(0.55, 0.85),
        "saturation": draft.uniform(0.6, 0.9),
        "brightness": draft.uniform(0.75, 0.92),
    }
    centres = []
    for size in sizes:
        centres.append(x + size / 2)
        x += size + gap
    for size, x in zip(sizes, centres, strict=True):
        draft.add("subject", x, line - size / 2, size, standing=True)
    for size, x in zip(sizes, centres, strict=True):
        height = size * squash
        draft.box("subject", x, line + height / 2, size, height, turn=180.0, mirror=True, standing=True, **looks)
    top = line - 0.02  # the wavy edge hides the seam
    draft.box("water", 0, (top + 1) / 2, 2, 1 - top, palette="water", opacity=draft.uniform(0.45, 0.65))
    draft.facts.update(count=count)


def _foot(e: Element) -> tuple[float, float]:
    """Middle of the lower edge of the turned box."""
    angle = math.radians(e.turn)
    return e.x - math.sin(angle) * e.height / 2, e.y + math.cos(angle) * e.height / 2


def check_false_shadow(scene: Scene) -> None:
    only(scene, "ellipse", "panel")
    thing, shadow = subjects(scene, 1, 1)[0], others(scene, 1, 1)[0]
    plain_looks([thing])
    upright([thing])
    require(shadow.silhouette >= 0.75 and shadow.sketch <= 0.2, "the other thing is no silhouette")
    require(shadow.palette in ("dark", "ink", "night", "none"), "the shadow is not dark")
    require(shadow.clip.kind == "none" and 0.3 <= shadow.opacity <= 0.95, "the shadow is not soft and whole")
    require(in_front(scene, thing, shadow), "the shadow lies over the subject")
    require(0.75 <= shadow.size / thing.size <= 2.6, "the shadow's size does not suit the subject")
    (x, y), (shadow_x, shadow_y) = _foot(thing), _foot(shadow)
    require(abs(y - shadow_y) <= 0.22 * thing.size, "thing and shadow do not share the ground line")
    require(abs(x - shadow_x) <= 0.33 * (thing.width + shadow.width), "the shadow does not begin at the subject's foot")
    reach = max(distance(thing, shadow), abs(shadow.size - thing.size))
    require(reach >= 0.2 * thing.size, "the shadow is hidden behind the subject")
    for light in scene.of("ellipse", "panel"):
        require(in_front(scene, shadow, light), "the lit wall hides the shadow")


@relation(
    "false_shadow",
    "{subject} casting the shadow of {other}",
    "{subject}, but its shadow is {other}",
    "{subject} with a shadow in the shape of {other}",
    "the dark silhouette of {other} thrown by {subject}",
    "a light reveals {other} in the shadow that {subject} casts",
    "{subject} whose shadow betrays that it would be {other}",
    "{subject} stands in the light, yet the shadow that starts at its foot has the outline of {other} and not its own",
    family=FAMILY,
    check=check_false_shadow,
)
def draw_false_shadow(draft: Draft) -> None:
    side = 1 if draft.coin() else -1
    on_wall = draft.coin()
    looks: dict[str, Any] = {
        "silhouette": 1.0,
        "palette": "dark",
        "opacity": draft.uniform(0.55, 0.85),
        "standing": True,
    }
    if on_wall:
        size = draft.uniform(0.7, 0.8)
        large = size * draft.uniform(1.45, 1.7)
        aspect = draft.uniform(0.85, 1.1)
        width, height = large * math.sqrt(aspect), large / math.sqrt(aspect)
        offset = (width - size) / 2 + draft.uniform(0.18, 0.3)  # the subject stands out at the near side
        ground = height / 2 - 0.06
        # A lit patch of wall: the shadow is seen on dark backgrounds too.
        if draft.coin():
            draft.box("ellipse", 0, 0, 1.88, 1.88, palette="soft")
        else:
            draft.box("panel", 0, 0, 1.88, min(height + 0.4, 1.88), palette="soft")
        left = -(offset + size / 2 + width / 2) / 2  # of the subject, with the shadow to its right
        x = left + size / 2
        draft.box("other", side * (x + offset), ground - height / 2, width, height, **looks)
        draft.add("subject", side * x, ground + 0.03 - size / 2, size, standing=True)
    else:
        size = draft.uniform(0.8, 0.95)
        behind = draft.coin()  # lies behind the subject, or falls towards the viewer
        length = size * (draft.uniform(1.25, 1.45) if behind else draft.uniform(1.05, 1.2))
        width = size * draft.uniform(0.68, 0.85)
        angle = draft.uniform(66, 79) if behind else draft.uniform(104, 120)  # clockwise from upright
        sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
        middle_x, middle_y = sine * length / 2, -cosine * length / 2  # of the shadow, seen from the foot
        half_width, half_height = middle_x + abs(cosine) * width / 2, abs(middle_y) + sine * width / 2
        x = (size / 2 - middle_x - half_width) / 2
        ground = (size - middle_y - half_height) / 2
        horizon = ground + min(middle_y - half_height, -0.2) - 0.05
        draft.box("ground", 0, (horizon + 1) / 2, 2, 1 - horizon, palette="soft")
        at = (side * (x + middle_x), ground - 0.04 + middle_y)
        draft.box("other", *at, width, length, turn=side * angle, mirror=draft.coin(), **looks)
        draft.add("subject", side * x, ground - size / 2, size, standing=True)
    draft.facts.update(direction="right" if side > 0 else "left", surface="wall" if on_wall else "ground")


def check_pedestal(scene: Scene) -> None:
    thing = lone_subjects(scene, 1, 1, "cone", "pedestal")
    plain_looks(thing)
    upright(thing)
    plinths, lights = scene.of("pedestal"), scene.of("cone")
    require(len(plinths) == 1 and len(lights) == 1, "not one pedestal in the spotlight")
    upright(plinths)
    top, foot = plinths[0].y - plinths[0].height / 2, thing[0].y + thing[0].height / 2
    require(abs(foot - top) <= 0.15 * thing[0].size, "the subject does not stand on the pedestal")
    require(abs(thing[0].x - plinths[0].x) <= 0.2 * plinths[0].width, "the subject stands beside the middle")
    require(0.4 <= thing[0].size / plinths[0].width <= 2.5, "pedestal and subject do not suit each other")
    for light in lights:
        require(in_front(scene, thing[0], light), "the light hides the subject")
        require(abs(turn_between(0, light.turn)) <= 45, "the light does not come from above")
        require(extent(light)[1] < thing[0].y, "the light begins below the subject")
        require(overlap(thing[0], light) >= 0.6, "the subject is not in the light")


@relation(
    "pedestal",
    "{subject} honoured on a pedestal in the spotlight",
    "{subject} on a pedestal",
    "{subject} displayed like a masterpiece under a beam of light",
    "a spotlight falling on {subject} atop a plinth",
    "{subject} raised up and lit like a statue in a museum",
    "{subject} celebrated on a stand, bathed in light",
    "a cone of light shines from above on a classical plinth, on top of which {subject} stands as if it were a hero",
    family=FAMILY,
    check=check_pedestal,
)
def draw_pedestal(draft: Draft) -> None:
    height, size = draft.uniform(0.55, 0.9), draft.uniform(0.68, 0.9)
    width = size * draft.uniform(0.8, 1.05)
    base = 0.88
    top = base - height
    if top - size < -0.8:  # room for the light above the head
        size = top + 0.8
        width = min(width, size)
    turn = 0.0 if draft.coin(0.6) else draft.choice([-1, 1]) * draft.uniform(4, 9)
    length = (base + 0.93) / math.cos(math.radians(turn))
    aside = math.sin(math.radians(turn)) * length / 2  # the light ends on the ground around the plinth
    draft.box("cone", aside, (base - 0.93) / 2, draft.uniform(1.3, 1.65), length, turn=turn)
    if draft.coin(0.35):
        draft.add("glow", 0, top - size / 2, size * 1.5)
    if draft.coin(0.5):
        draft.add("shadow", 0, base, width * 0.42, aspect=9.0)
    draft.box("pedestal", 0, base - height / 2, width, height)
    draft.add("subject", 0, top - size / 2, size, standing=True)
    draft.facts.update(light="above" if turn == 0 else "right" if turn > 0 else "left")


def check_fruit_of_a_tree(scene: Scene) -> None:
    fruit = lone_subjects(scene, 3, 14, "trunk", "foliage")
    trunks, crown = scene.of("trunk"), scene.of("foliage")
    require(len(trunks) == 1 and bool(crown), "no tree")
    plain_looks(fruit)
    same_looks(fruit)
    upright(fruit, 25)
    require(spread([e.size for e in fruit]) <= 0.6, "sizes differ")
    bounds = np.array([extent(e) for e in crown])
    left, top, right, bottom = bounds[:, 0].min(), bounds[:, 1].min(), bounds[:, 2].max(), bounds[:, 3].max()
    trunk = trunks[0]
    require(left < trunk.x < right, "the trunk is not below the crown")
    require(trunk.y - trunk.height / 2 < bottom < trunk.y + trunk.height / 2, "trunk and crown do not meet")
    require(top < trunk.y - trunk.height / 2 + 0.15 * trunk.height, "the crown is not on top")
    for number, e in enumerate(fruit):
        require(e.size <= 0.45 * (right - left), "too large for the tree")
        hangs = [((e.x - b.x) / b.width) ** 2 + ((e.y - b.y) / b.height) ** 2 <= 0.27 for b in crown]
        require(any(hangs), "a subject is outside the crown")
        require(all(in_front(scene, e, b) for b in crown), "a subject is hidden in the crown")
        require(all(distance(e, o) >= 0.55 * e.size for o in fruit[:number]), "two hang in one place")


@relation(
    "fruit_of_a_tree",
    "a tree bearing {subject}",
    "{subject} growing on a tree",
    "a leafy tree with {subject} hanging in its crown like fruit",
    "many small {subject} ripe among the leaves",
    "{subject} as the fruit of a tree",
    "branches full of {subject} waiting to be picked",
    "a tree with a trunk and a round green crown, in which {subject} hang here and there in place of apples or pears",
    family=FAMILY,
    check=check_fruit_of_a_tree,
)
def draw_fruit_of_a_tree(draft: Draft) -> None:
    width, height = draft.uniform(1.5, 1.84), draft.uniform(1.15, 1.35)
    middle = -0.93 + height / 2
    blobs = [(0.0, middle, width, height)]
    form = draft.integer(1, 3)
    if form == 2:  # two wide ones below, one on top
        low = height * draft.uniform(0.66, 0.72)
        y = middle + (height - low) / 2
        blobs = [(side * width * 0.21, y, width * 0.58, low) for side in (-1, 1)]
        blobs.append((0.0, -0.93 + height * 0.36, width * 0.64, height * 0.72))
    elif form == 3:  # a core with clumps around it
        blobs = [(0.0, middle, width * 0.72, height * 0.82)]
        start = draft.uniform(0, 72)
        for angle in np.radians(start + 72 * np.arange(5)):
            x, y = width * 0.27 * math.sin(angle), middle - height * 0.26 * math.cos(angle)
            blobs.append((x, y, width * 0.44, height * 0.46))
    bottom = max(y + h / 2 for _, y, _, h in blobs)
    thickness = draft.uniform(0.2, 0.34)
    base = 0.92
    if draft.coin(0.4):
        draft.box("ground", 0, (base - 0.06 + 1) / 2, 2, 1.06 - base, palette="soft")
    elif draft.coin():
        draft.add("shadow", 0, base, width * 0.25, aspect=9.0)
    start_y = bottom - 0.3 * height
    draft.box("trunk", 0, (start_y + base) / 2, thickness, base - start_y)
    for x, y, w, h in blobs:
        draft.box("foliage", x, y, w, h)
    count = draft.integer(4, 9)
    size = draft.uniform(0.27, 0.36) if count <= 6 else draft.uniform(0.25, 0.3)
    spots: list[tuple[float, float]] = []
    while len(spots) < count:  # the candidate farthest from the others: irregular, yet evenly spread
        free = [p for p in _crown_spots(draft, blobs, size) if p not in spots]
        spots.append(max(free, key=lambda p: min((math.dist(p, s) for s in spots), default=0.0)))
    gaps = [math.dist(a, b) for number, a in enumerate(spots) for b in spots[:number]]
    size = min(size, 0.95 * min(gaps))
    fruit = [Element("subject", x, y, size) for x, y in spots]
    draft.elements.extend(e for row in rows_of(fruit) for e in row)
    draft.facts.update(count=count)


def _crown_spots(
    draft: Draft, blobs: list[tuple[float, float, float, float]], size: float
) -> list[tuple[float, float]]:
    """60 random places at which a thing of this size hangs well inside one of the blobs (x, y, width, height)."""
    found = []
    for _ in range(60):
        x, y, width, height = blobs[draft.integer(0, len(blobs) - 1)]
        angle, radius = draft.uniform(0, 2 * math.pi), math.sqrt(draft.uniform(0, 1))
        room = [max(0.45 * side - 0.43 * size, 0.05) for side in (width, height)]
        found.append((x + room[0] * radius * math.cos(angle), y + room[1] * radius * math.sin(angle)))
    return found


def check_playing_card(scene: Scene) -> None:
    figures = lone_subjects(scene, 2, 6, "card", "line", "heart", "star")
    cards = scene.of("card")
    require(len(cards) == 1, f"{len(cards)} cards, expected one")
    card = cards[0]
    require(0.5 <= card.aspect <= 0.9, "the card has no upright format")
    plain_looks(figures)
    require(len(figures) % 2 == 0, "one figure has no counterpart")
    reach = 0.14 * card.size
    angle = math.radians(card.turn)
    large = sorted(figures, key=lambda e: -e.size)[:2]
    for e in figures:
        require(in_front(scene, e, card) and inside(e, card, slack=0.08), "a figure is not on the card")
        partners = [
            o
            for o in figures
            if o is not e
            and math.hypot(o.x + e.x - 2 * card.x, o.y + e.y - 2 * card.y) <= reach
            and abs(o.size - e.size) <= 0.15 * max(o.size, e.size) + 0.06
            and abs(turn_between(180, o.turn - e.turn)) <= 12
            and o.mirror == e.mirror
        ]
        require(len(partners) == 1, "a figure has no counterpart upside down")
        x, y = points([e])[0] - points([card])[0]
        down = y * math.cos(angle) - x * math.sin(angle)
        expected = card.turn if down < 0 else card.turn + 180
        require(abs(turn_between(expected, e.turn)) <= 12, "the upper figure is not upright, or the lower one is")
        if any(e is one for one in large):
            require(e.size >= 0.3 * card.size and abs(down) >= 0.12 * card.size, "no large figure in each half")


@relation(
    "playing_card",
    "{subject} shown upright and upside down as on a playing card",
    "a playing card of {subject}",
    "{subject} as the face of a card, twice, head to foot",
    "a card on which {subject} appears above and, turned by half a turn, below",
    "the two-way portrait of {subject} from a deck of cards",
    "{subject} and its upside-down double in point symmetry within a card's frame",
    "a bordered white card whose upper half shows {subject} the right way up while the lower half repeats it inverted",
    family=FAMILY,
    check=check_playing_card,
    held_out=True,
)
def draw_playing_card(draft: Draft) -> None:
    height = draft.uniform(1.7, 1.86)
    width = height * draft.uniform(0.64, 0.74)
    tilt = draft.uniform(-9, 9) if draft.coin(0.4) else 0.0
    cosine, sine = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
    if tilt:
        width, height = width * 0.92, height * 0.92
    size = min(0.43 * height, 0.66 * width) * draft.uniform(0.9, 1.0)
    pip = draft.uniform(0.2, 0.24) * width
    clear = size / 2 + pip + 0.08 - width / 2  # so far aside, the figure just clears the small one in the corner
    aside = max(clear, 0) + draft.uniform(0, 0.3) * max(0.47 * width - size / 2 - max(clear, 0), 0)
    centre = size / 2 + draft.uniform(0.01, 0.05)
    suit = draft.choice([None, None, "heart", "star"])
    corner = (-width / 2 + pip * 0.5 + 0.06, -height / 2 + pip * 0.5 + 0.07)
    draft.add("card", 0, 0, math.sqrt(width * height), aspect=width / height, turn=tilt)
    if draft.coin(0.4):
        draft.box("line", 0, 0, width * 0.84, 0.018, turn=tilt, palette="soft")
    upper: list[tuple[str, float, float, float]] = [("subject", *corner, pip), ("subject", aside, -centre, size)]
    if suit:
        upper.insert(0, (suit, corner[0], corner[1] + pip, pip * 0.6))
    turned = [(kind, -x, -y, side) for kind, x, y, side in reversed(upper)]
    for turn, half in ((tilt, upper), (tilt + 180, turned)):
        for kind, x, y, side in half:
            at = (x * cosine - y * sine, x * sine + y * cosine)
            palette = "none" if kind == "subject" else "red"
            draft.add(kind, *at, side, turn=turn, palette=palette)
    draft.facts.update(suit=suit or "none", tilted=bool(tilt))
