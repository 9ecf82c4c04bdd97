"""Relations of a thing with its copy, with a companion of another size, or with tiny surroundings."""

from __future__ import annotations

import math

from analogen.relsim.world.measure import (
    distance,
    equal_sizes,
    extent,
    in_front,
    inside,
    lone_subjects,
    natural,
    only,
    others,
    overlap,
    plain_looks,
    require,
    same_looks,
    subjects,
    turn_between,
    unaltered,
    upright,
)
from analogen.relsim.world.relations.base import Draft, relation
from analogen.relsim.world.relations.composition import floor_shadow, lower_edge, upper_edge
from analogen.relsim.world.scene import Element, Scene

FAMILY = "one thing and its surroundings"


def check_riding(scene: Scene) -> None:
    only(scene)
    (rider,), (mount,) = subjects(scene, 1, 1), others(scene, 1, 1)
    unaltered([rider, mount], 15)
    require(0.34 <= rider.size / mount.size <= 0.74, "the rider is not small beside what it rides on")
    require(abs(rider.x - mount.x) <= 0.36 * mount.size, "not above the back")
    sunk = (lower_edge(rider) - upper_edge(mount)) / mount.size
    require(-0.02 <= sunk <= 0.48, "does not sit on the back")
    order = in_front(scene, rider, mount)
    require(order, "the rider is behind what it rides on")


@relation(
    "riding",
    "{subject} riding on the back of {other}",
    "{subject} on top of {other}",
    "a small {subject} carried by a large {other}",
    "{other} giving {subject} a ride on its back",
    "{subject} mounted on {other} like a rider on a horse",
    "{subject} sitting up on the back of a much bigger {other}",
    "a big {other} standing on the ground with a smaller {subject} seated upright on its back, enjoying the ride",
    family=FAMILY,
    check=check_riding,
)
def draw_riding(draft: Draft) -> None:
    ratio, sunk = draft.uniform(0.42, 0.63), draft.uniform(0.22, 0.33)
    mount = draft.uniform(1.62, 1.76) / (1 + ratio - sunk)
    rider = ratio * mount
    seat = draft.uniform(-0.16, 0.16) * mount
    top, ground = -(1 + ratio - sunk) * mount / 2, (1 + ratio - sunk) * mount / 2
    x, mirror = -seat / 3, draft.coin(0.3)
    floor_shadow(draft, x, ground, mount)
    draft.add("other", x, ground - mount / 2, mount, standing=True, mirror=mirror)
    draft.add("subject", x + seat, top + rider / 2, rider, standing=True, mirror=mirror)
    draft.facts.update(ratio=round(ratio, 2), seat="left" if seat < 0 else "right")


def check_parent_and_child(scene: Scene) -> None:
    child, parent = sorted(lone_subjects(scene, 2, 2), key=lambda e: e.size)
    plain_looks([child, parent])
    same_looks([child, parent])
    natural([child, parent])
    upright([child, parent])
    require(1.7 <= parent.size / child.size <= 3.9, "not a large one and its small likeness")
    require(abs(lower_edge(parent) - lower_edge(child)) <= 0.15 * parent.size, "they do not share the ground")
    gap = abs(parent.x - child.x) - (parent.width + child.width) / 2
    require(-0.5 * child.size <= gap <= 0.6 * child.size, "not side by side")


@relation(
    "parent_and_child",
    "a large {subject} beside its small likeness",
    "a large {subject} with its child",
    "a grown {subject} with its young one",
    "{subject} accompanied by a miniature of itself",
    "{subject} in two sizes, side by side like parent and child",
    "a small {subject} keeping close to a large one of its kind",
    "two of the same {subject} standing next to each other on one ground, one of them grown up and the other tiny",
    family=FAMILY,
    check=check_parent_and_child,
)
def draw_parent_and_child(draft: Draft) -> None:
    ratio, gap = draft.uniform(1.9, 3.2), draft.uniform(-0.2, 0.25)
    parent = min(draft.uniform(1.65, 1.8) / (1 + (1 + gap) / ratio), 1.4)
    child = parent / ratio
    width, ground = parent + (1 + gap) * child, parent / 2
    left = draft.coin()  # side of the child
    mirror = draft.coin(0.3)
    places = [(-width / 2 + child / 2, child), (width / 2 - parent / 2, parent)]
    if not left:
        places = [(-width / 2 + parent / 2, parent), (width / 2 - child / 2, child)]
    for x, size in places:
        floor_shadow(draft, x, ground, size)
    for x, size in places:
        draft.add("subject", x, ground - size / 2, size, standing=True, mirror=mirror)
    draft.facts.update(count=2, child="left" if left else "right", ratio=round(ratio, 1))


def _facing_pair(scene: Scene, *kinds: str) -> tuple[Element, Element]:
    """Left and right of a mirrored pair; Broken unless they are equal, level, apart and turned to each other."""
    left, right = sorted(lone_subjects(scene, 2, 2, *kinds), key=lambda e: e.x)
    plain_looks([left, right])
    same_looks([left, right])
    natural([left, right])
    equal_sizes([left, right])
    require(left.mirror and not right.mirror, "not mirrored toward each other")
    require(abs(left.y - right.y) <= 0.2 * left.size, "not at the same height")
    gap = right.x - left.x - (left.width + right.width) / 2
    require(-0.1 * left.size <= gap <= 1.3 * left.size, "no fitting gap between them")
    return left, right


def check_face_to_face(scene: Scene) -> None:
    upright(_facing_pair(scene))


@relation(
    "face_to_face",
    "two {subject} facing each other",
    "{subject} face to face",
    "{subject} meeting its mirror image",
    "a pair of {subject} turned toward one another",
    "two mirrored {subject} looking at each other across a gap",
    "{subject} and its double standing opposite each other, eye to eye",
    "two equal {subject} on the same level, the one on the left and the one on the right turned to each other",
    family=FAMILY,
    check=check_face_to_face,
)
def draw_face_to_face(draft: Draft) -> None:
    gap = draft.uniform(0.06, 0.4)
    size = draft.uniform(1.7, 1.84) / (2 + gap)
    x, ground = (1 + gap) * size / 2, draft.uniform(0.46, 0.56) * size
    grounded = draft.coin(0.7)
    if grounded:
        for side in (-x, x):
            floor_shadow(draft, side, ground, size)
    # Most art of animals and vehicles looks to the left, so the left one is the mirrored one.
    draft.add("subject", -x, ground - size / 2, size, standing=grounded, mirror=True)
    draft.add("subject", x, ground - size / 2, size, standing=grounded)
    draft.facts.update(count=2, grounded=grounded)


def check_tug_of_war(scene: Scene) -> None:
    left, right = _facing_pair(scene, "rope", "triangle")
    leans = -turn_between(0, left.turn), turn_between(0, right.turn)
    require(all(7 <= lean <= 36 for lean in leans), "they do not lean back")
    require(abs(leans[0] - leans[1]) <= 14, "they lean differently")
    ropes, marks = scene.of("rope"), scene.of("triangle")
    require(len(ropes) == 1 and len(marks) <= 1, "there is not one rope")
    rope = ropes[0]
    require(abs(math.sin(math.radians(rope.turn))) <= 0.2, "the rope is not level")
    require(rope.aspect >= 6, "the rope is not taut")
    start, _, end, _ = extent(rope)
    reach = 0.5 * left.size
    require(abs(start - left.x) <= reach and abs(end - right.x) <= reach, "the rope does not join them")
    require(abs(rope.y - (left.y + right.y) / 2) <= 0.3 * left.size, "the rope is not held at the middle")
    require(all(distance(mark, rope) <= 0.5 * left.size for mark in marks), "a mark hangs off the rope")


@relation(
    "tug_of_war",
    "two {subject} pulling against each other on one rope",
    "{subject} in a tug of war",
    "a pair of {subject} pulling one rope both ways",
    "{subject} against {subject}, each tugging its end of a rope",
    "two mirrored {subject} leaning back with a taut line between them",
    "two equal {subject} in a contest of strength over a stretched rope",
    "two {subject} on opposite sides, both leaning away from the middle and straining at the ends of a tight rope",
    family=FAMILY,
    check=check_tug_of_war,
    held_out=True,
)
def draw_tug_of_war(draft: Draft) -> None:
    gap, lean = draft.uniform(0.12, 0.5), draft.uniform(12, 25)
    size = draft.uniform(1.7, 1.78) / (2 + gap)
    x, y = (1 + gap) * size / 2, draft.uniform(-0.04, 0.02)
    sine, cosine = math.sin(math.radians(lean)), math.cos(math.radians(lean))
    for side in (-1, 1):  # the feet slide toward the middle when the body leans back
        floor_shadow(draft, side * (x - sine * size / 2), y + (cosine + 0.35 * sine) * size / 2, size)
    draft.add("subject", -x, y, size, turn=-lean, standing=True, mirror=True)
    draft.add("subject", x, y, size, turn=lean, standing=True)
    held = y + draft.uniform(0.0, 0.12) * size
    rope = 2 * (x - draft.uniform(0.12, 0.25) * size)
    draft.box("rope", 0.0, held, rope, 0.055)
    marked = draft.coin(0.6)
    if marked:  # the ribbon that shows who is winning
        shift = draft.uniform(-0.25, 0.25) * gap * size
        draft.box("triangle", shift, held + 0.08, 0.11, 0.15, turn=180.0, palette=draft.choice(("red", "accent")))
    draft.facts.update(count=2, lean=round(lean), marked=marked)


def check_crowned(scene: Scene) -> None:
    only(scene)
    (wearer,), (crown,) = subjects(scene, 1, 1), others(scene, 1, 1)
    plain_looks([wearer, crown])
    natural([wearer, crown])
    upright([wearer], 15)
    upright([crown], 30)
    require(0.2 <= crown.size / wearer.size <= 0.52, "what it wears is not small")
    require(abs(crown.x - wearer.x) <= 0.2 * wearer.size, "not at the top centre")
    sunk = (lower_edge(crown) - upper_edge(wearer)) / wearer.size
    require(-0.05 <= sunk <= 0.35, "does not rest on the head")
    require(crown.y <= upper_edge(wearer) + 0.16 * wearer.size, "hangs in front of the face")
    require(in_front(scene, crown, wearer), "it is behind the head")


@relation(
    "crowned",
    "{subject} wearing {other} on its head",
    "{subject} with {other} for a hat",
    "{subject} crowned with {other}",
    "a small {other} sitting on top of {subject} like a crown",
    "{other} worn by {subject} as if it were a hat",
    "{subject} dressed up with a little {other} on its head",
    "a large {subject} filling the picture, with a small {other} placed on the very top of it in the manner of a crown",
    family=FAMILY,
    check=check_crowned,
)
def draw_crowned(draft: Draft) -> None:
    ratio = draft.uniform(0.27, 0.44)
    sunk = draft.uniform(0.1, 0.16) + 0.15 * ratio
    wearer = draft.uniform(1.64, 1.78) / (1 + ratio - sunk)
    crown = ratio * wearer
    half = (1 + ratio - sunk) * wearer / 2
    tilt = draft.choice((-1, 1)) * draft.uniform(5, 14) if draft.coin(0.4) else 0.0
    if draft.coin(0.4):
        draft.add(
            "glow", 0.0, half - wearer / 2, min(1.35 * wearer, 1.9), palette=draft.choice(("gold", "soft", "sun"))
        )
    draft.add("subject", 0.0, half - wearer / 2, wearer)
    draft.add("other", tilt * 0.004 * wearer, crown / 2 - half, crown, turn=tilt, standing=True)
    draft.facts.update(ratio=round(ratio, 2), tilt="left" if tilt < 0 else "right" if tilt > 0 else "none")


def check_giant(scene: Scene) -> None:
    (giant,) = lone_subjects(scene, 1, 1, "building", "foliage", "trunk")
    unaltered([giant])
    houses, crowns, trunks = scene.of("building"), scene.of("foliage"), scene.of("trunk")
    require(4 <= len(houses) + len(crowns) <= 14, "no row of tiny surroundings")
    require(len(crowns) == len(trunks), "a tree is not whole")
    for crown, trunk in zip(crowns, trunks, strict=True):
        under = trunk.y >= crown.y - 0.05 * giant.size and abs(trunk.x - crown.x) <= 0.14 * giant.size
        require(under and trunk.y - crown.y <= 0.25 * giant.height, "a tree is not whole")
    require(all(e.height <= 0.27 * giant.height for e in houses + crowns + trunks), "a building or tree is not tiny")
    standing = houses + trunks
    require(
        all(abs(lower_edge(e) - lower_edge(giant)) <= 0.17 * giant.size for e in standing), "they are not at its feet"
    )
    places = sorted(e.x for e in standing)
    require(places[0] <= giant.x - 0.25 * giant.size, "nothing tiny on the left")
    require(places[-1] >= giant.x + 0.25 * giant.size, "nothing tiny on the right")


@relation(
    "giant",
    "a gigantic {subject} towering over tiny surroundings",
    "a giant {subject}",
    "{subject} as big as a mountain above a little town",
    "an enormous {subject} standing over a toy-sized skyline",
    "{subject} rising high above the small things at its feet",
    "a colossal {subject} that dwarfs the houses and trees around it",
    "{subject} grown to a monstrous size, looming over a row of tiny buildings and trees that barely reach its feet",
    family=FAMILY,
    check=check_giant,
)
def draw_giant(draft: Draft) -> None:
    height, count, row_in_front = draft.uniform(1.42, 1.56), draft.integer(6, 12), draft.coin(0.6)
    ground = height / 2 + 0.02
    line = ground + (draft.uniform(0.03, 0.08) if row_in_front else -draft.uniform(0.03, 0.08))
    trees = draft.choice((0.0, 0.3, 0.6, 1.0))
    tallest = height / draft.uniform(4.3, 5.8)
    slot = draft.uniform(1.76, 1.88) / count
    town = Draft(draft.rng)
    for index in range(count):
        x = (index - (count - 1) / 2) * slot
        tall = tallest * draft.uniform(0.6, 1)
        wide = min(tall * draft.uniform(0.55, 0.9), 0.9 * slot)
        if draft.coin(trees):
            town.box("trunk", x, line - 0.2 * tall, 0.22 * wide, 0.4 * tall)
            town.box("foliage", x, line - 0.65 * tall, wide, 0.7 * tall, palette="leaf")
        else:
            town.box(
                "building", x, line - tall / 2, wide, tall, palette=draft.choice(("primary", "secondary", "accent"))
            )
    if draft.coin(0.6):
        top = min(line, ground) - 0.015
        draft.box("ground", 0.0, (top + 1) / 2, 2.0, 1 - top, palette=draft.choice(("soft", "leaf", "wood")))
    floor = Draft(draft.rng)
    floor_shadow(floor, 0.0, ground, height)
    behind, front = ([], town.elements) if row_in_front else (town.elements, [])
    draft.elements += behind + floor.elements
    draft.add("subject", 0.0, ground - height / 2, height, standing=True)
    draft.elements += front
    draft.facts.update(count=count, row="in front" if row_in_front else "behind")


def check_portrait(scene: Scene) -> None:
    frames = scene.of("frame")
    require(len(frames) == 1, "there is not one picture frame")
    pair = lone_subjects(scene, 2, 2, "frame")
    frame, framed = frames[0], [e for e in pair if inside(e, frames[0], 0.06)]
    require(len(framed) == 1, "not one of the two in the frame")
    picture, model = framed[0], pair[1 - pair.index(framed[0])]
    plain_looks([model])
    natural(pair)
    upright(pair)
    require(picture.opacity >= 0.8 and picture.pixel <= 0.2 and picture.silhouette <= 0.2, "the picture is altered")
    require(picture.clip.kind == "none" and abs(turn_between(picture.hue, model.hue)) <= 25, "not its likeness")
    require(0.35 <= picture.size / frame.size <= 0.95, "the picture does not fit the frame")
    require(distance(picture, frame) <= 0.2 * frame.size, "not in the middle of the frame")
    require(0.6 <= model.size / frame.size <= 2, "the frame is out of scale")
    require(overlap(model, frame) <= 0.2, "it covers the frame")
    require(abs(model.x - frame.x) >= 0.75 * (model.width + frame.width) / 2, "not beside the frame")
    require(abs(model.y - frame.y) <= 0.5 * model.size, "the picture is far above or below")


@relation(
    "portrait",
    "{subject} beside a picture of itself",
    "{subject} with its portrait",
    "{subject} standing next to its own framed image",
    "a framed picture of {subject}, and {subject} itself at its side",
    "{subject} posing by a painting that shows {subject}",
    "the likeness of {subject} hung in a frame next to the original",
    "{subject} in person on the one side and, on the other, a picture frame in which the same {subject} is seen again",
    family=FAMILY,
    check=check_portrait,
)
def draw_portrait(draft: Draft) -> None:
    aspect, gap = draft.uniform(0.75, 1.05), draft.uniform(0.04, 0.14)
    tall = draft.uniform(0.85, 1.15)  # frame height, the model being 1
    scale = draft.uniform(1.7, 1.82) / (1 + gap + aspect * tall)
    model, high, wide = scale, tall * scale, aspect * tall * scale
    raised = draft.uniform(0.0, 0.14) * scale  # the picture hangs a little higher than the model stands
    top = max(model / 2, high / 2 + raised)
    ground = (top + model / 2) / 2
    left = draft.coin()  # side of the frame
    sign = -1 if left else 1
    edge = (model + gap * scale + wide) / 2
    model_x, frame_x, frame_y = -sign * (edge - model / 2), sign * (edge - wide / 2), ground - model / 2 - raised
    drawn = draft.coin(0.35)
    floor_shadow(draft, model_x, ground, model)
    draft.box("frame", frame_x, frame_y, wide, high)
    picture = Element(
        "subject", frame_x, frame_y, draft.uniform(0.6, 0.7) * min(wide, high), sketch=0.9 if drawn else 0.0
    )
    real = Element("subject", model_x, ground - model / 2, model, standing=True)
    draft.elements += [picture, real] if left else [real, picture]
    draft.facts.update(frame="left" if left else "right", picture="drawing" if drawn else "painting")
