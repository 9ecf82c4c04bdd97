"""Relations that change how the thing itself looks: pattern, pixels, sketch, camouflage, golden seams, length."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.world.measure import (
    extent,
    in_front,
    inside,
    lone_subjects,
    own_colours,
    plain_looks,
    require,
    rising,
    turn_between,
)
from analogen.relsim.world.relations.base import Draft, relation
from analogen.relsim.world.relations.cuts import FAMILY, SEAMS, add_strip, check_halves, measure_strips
from analogen.relsim.world.scene import Clip, Element, Scene


def check_patterned_silhouette(scene: Scene) -> None:
    require(len(scene.of("panel")) <= 1, "more than one panel")
    thing = lone_subjects(scene, 1, 1, "panel")[0]
    require(thing.silhouette >= 0.75, "the thing shows its own colours")
    require(thing.pattern != "none", "no pattern fills the outline")
    whole = thing.opacity >= 0.85 and max(thing.sketch, thing.pixel) <= 0.2 and thing.clip.kind == "none"
    require(whole, "the outline is altered")
    require(0.6 <= thing.aspect <= 1.7, "the thing is stretched")
    require(thing.size >= 0.7, "the pattern is too small to be seen")


@relation(
    "patterned_silhouette",
    "the outline of {subject} filled with a pattern",
    "{subject} in stripes, dots or checks",
    "a patterned silhouette of {subject}",
    "the flat shape of {subject} covered with a regular pattern",
    "{subject} cut from patterned cloth",
    "a decorative pattern inside the contour of {subject}",
    "only the outer shape of {subject} remains, and a repeating pattern of two colours fills it from edge to edge",
    family=FAMILY,
    check=check_patterned_silhouette,
)
def draw_patterned_silhouette(draft: Draft) -> None:
    pattern = draft.choice(("stripes", "dots", "checks"))
    colour = draft.choice(("primary", "secondary", "accent", "dark", "red", "night", "leaf", "gold"))
    size = draft.uniform(1.45, 1.8)
    if draft.coin(0.3):
        draft.box("panel", 0, 0, 1.84, 1.84)
        size = draft.uniform(1.3, 1.5)
    turn = draft.uniform(-18, 18) if draft.coin(0.3) else 0.0
    mirror = draft.coin(0.3)
    draft.add("subject", 0, 0, size, turn=turn, mirror=mirror, silhouette=1.0, pattern=pattern, palette=colour)
    draft.facts.update(pattern=pattern)


def check_pixelated(scene: Scene) -> None:
    strips = lone_subjects(scene, 3, 6)
    for e in strips:
        require(e.opacity >= 0.85 and max(e.silhouette, e.sketch) <= 0.2, "a strip is altered")
    whole = measure_strips(strips)
    require(whole.upright_cuts, "the strips do not run from left to right")
    require(abs(whole.gap) <= 0.12 and whole.sideways <= 0.1, "the picture falls apart")
    require(all(abs(turn_between(0, e.turn)) <= 12 for e in strips), "not upright")
    pixels = [e.pixel for e in sorted(strips, key=lambda e: e.x)]
    rising(pixels, 0.07, "coarseness")
    require(pixels[0] <= 0.2, "no part is left in detail")
    require(pixels[-1] >= 0.5, "no part is coarse")


@relation(
    "pixelated",
    "{subject} dissolving from detail into coarse pixels",
    "{subject} turning into pixels",
    "{subject} losing resolution from one side to the other",
    "a {subject} that is sharp on one side and blocky on the other side",
    "the picture of {subject} breaks up into larger and larger squares",
    "{subject} fading from fine detail into big blocks of colour",
    "seen from left to right, one {subject} changes from a clear image into a rough mosaic of ever coarser pixels",
    family=FAMILY,
    check=check_pixelated,
    mirror_ok=False,  # the blocks grow in reading direction
)
def draw_pixelated(draft: Draft) -> None:
    count = draft.integer(3, 5)
    side = draft.uniform(1.5, 1.85)
    last = draft.uniform(0.6, 0.82)
    for index in range(count):
        at = (side * ((index + 0.5) / count - 0.5), 0.0)
        add_strip(draft, index, count, side, True, at, pixel=last * index / (count - 1))
    draft.facts.update(count=count, direction="right")


def check_half_drawn(scene: Scene) -> None:
    require(len(scene.of("panel")) <= 1, "more than one sheet")
    halves = lone_subjects(scene, 2, 2, "panel")
    check_halves(halves)
    for e in halves:
        require(e.opacity >= 0.85 and max(e.silhouette, e.pixel) <= 0.2, "a half is altered")
    sketch, painted = sorted(halves, key=lambda e: -e.sketch)
    require(sketch.sketch >= 0.7, "no half is a sketch")
    require(painted.sketch <= 0.25 and painted.saturation >= 0.5, "no half is in full colour")


@relation(
    "half_drawn",
    "a drawing of {subject} coming to life",
    "{subject}, half sketch, half real",
    "one half of {subject} is an outline, the other half is in colour",
    "an unfinished drawing of {subject} that is coloured only on one side",
    "{subject} passing from line drawing into full colour",
    "a sketch that becomes a real {subject} at the middle of the picture",
    "the bare pencil outline of {subject} on one side of a straight seam continues as the finished thing on the other",
    family=FAMILY,
    check=check_half_drawn,
)
def draw_half_drawn(draft: Draft) -> None:
    seam, ways, sides = draft.choice(SEAMS)
    size = draft.uniform(1.45, 1.8)
    if draft.coin(0.35):
        draft.box("panel", 0, 0, 1.84, 1.84)
        size = draft.uniform(1.3, 1.55)
    first = draft.integer(0, 1)  # the half in colour
    for index, (u, v) in enumerate(ways):
        draft.add("subject", 0, 0, size, sketch=0.0 if index == first else 1.0, clip=Clip("half", u, v))
    draft.facts.update(orientation=seam, direction=sides[first])


BLOBS = ("ellipse", "rect", "triangle")


def check_camouflage(scene: Scene) -> None:
    thing = lone_subjects(scene, 1, 1, *BLOBS)[0]
    require(thing.silhouette >= 0.6, "the thing shows its own colours")
    require(thing.pattern == "none" and thing.clip.kind == "none", "the thing is not whole and flat")
    require(max(thing.sketch, thing.pixel) <= 0.2 and thing.opacity >= 0.6, "the thing is altered")
    blobs = [e for e in scene.of(*BLOBS) if e.size < 0.75 * thing.size]
    grounds = [e for e in scene.of(*BLOBS) if e.size > 1.05 * thing.size]
    require(len(grounds) == 1 and inside(thing, grounds[0], 0.08), "the thing does not lie on one ground")
    require(grounds[0].palette == thing.palette and grounds[0].opacity >= 0.85, "thing and ground differ in colour")
    require(len(blobs) == len(scene.of(*BLOBS)) - 1, "a patch is as large as the thing")
    require(len(blobs) >= 6, "the ground is not broken up into patches")
    require(all(e.opacity <= 0.6 or e.palette == thing.palette for e in blobs), "the patches stand out")
    require(all(inside(e, grounds[0], 0.1) for e in blobs), "a patch leaves the ground")


@relation(
    "camouflage",
    "{subject} hidden by the colours of its background",
    "a camouflaged {subject}",
    "{subject} blending into its surroundings",
    "{subject} in the very colours of the patches around it",
    "a hardly visible {subject} on a ground of its own colour",
    "find the hidden {subject}",
    "at first one sees nothing but patches of similar tone; only then does the outline of {subject} emerge from them",
    family=FAMILY,
    check=check_camouflage,
)
def draw_camouflage(draft: Draft) -> None:
    entry = draft.choice(("primary", "secondary", "accent", "soft", "leaf", "wood", "water", "gold", "metal"))
    width, height = draft.choice(((1.86, 1.86), (1.86, 1.86), (1.9, 1.5), (1.5, 1.9)))
    shape = draft.choice((*BLOBS, "ellipse"))
    columns, rows = (4, 4) if width == height else (4, 3) if width > height else (3, 4)
    tones = (("dark", draft.uniform(0.14, 0.24)), ("paper", draft.uniform(0.16, 0.28)))
    size = draft.uniform(0.62, 0.74) * min(width, height)
    x, y = (draft.uniform(-0.5, 0.5) * (side - size) for side in (width, height))
    cell_x, cell_y = width / columns, height / rows
    draft.box("rect", 0, 0, width, height, palette=entry)
    patches: list[Element] = []
    for index in range(columns * rows):
        row, column = divmod(index, columns)
        tone, strength = tones[(row + column) % 2]
        patch = Element(
            shape,
            (column + 0.5 - columns / 2 + draft.uniform(-0.2, 0.2)) * cell_x,
            (row + 0.5 - rows / 2 + draft.uniform(-0.2, 0.2)) * cell_y,
            draft.uniform(0.75, 1.15) * min(cell_x, cell_y),
            aspect=math.exp(draft.uniform(-0.5, 0.5)),
            turn=draft.uniform(-40, 40),
            palette=tone,
            opacity=strength,
        )
        left, top, right, bottom = extent(patch)
        nudge_x = max(-width / 2 - left, 0) - max(right - width / 2, 0)
        nudge_y = max(-height / 2 - top, 0) - max(bottom - height / 2, 0)
        patches.append(replace(patch, x=patch.x + nudge_x, y=patch.y + nudge_y))
    # A few patches lie over the rim of the thing and break its outline.
    rim = sorted(patches, key=lambda e: abs(math.hypot(e.x - x, e.y - y) - 0.42 * size))
    front = rim[: draft.integer(3, 5)]
    draft.elements.extend(e for e in patches if e not in front)
    draft.add("subject", x, y, size, silhouette=draft.uniform(0.72, 0.86), palette=entry)
    draft.elements.extend(e for e in patches if e in front)
    draft.facts.update(shape=shape, count=len(patches))


def _ends(line: Element) -> NDArray[np.float64]:
    """(2, 2) the two ends of an element that is long in x."""
    angle = math.radians(line.turn)
    reach = np.array([math.cos(angle), math.sin(angle)]) * line.width / 2
    centre = np.array([line.x, line.y])
    return np.array([centre - reach, centre + reach])


def _apart(first: Element, second: Element) -> float:
    """Smallest distance between two strokes, sampled along both."""
    share = np.linspace(0, 1, 25)[:, None]
    one, two = (ends[0] + share * (ends[1] - ends[0]) for ends in (_ends(first), _ends(second)))
    return float(np.linalg.norm(one[:, None] - two[None], axis=2).min())


def check_kintsugi(scene: Scene) -> None:
    thing = lone_subjects(scene, 1, 1, "crack")[0]
    own_colours([thing])
    require(thing.clip.kind == "none", "the thing is not whole")
    seams = scene.of("crack")
    require(3 <= len(seams) <= 7, "not a few seams")
    for seam in seams:
        require(seam.palette == "gold" and seam.opacity >= 0.7, "a seam is not golden")
        require(in_front(scene, seam, thing), "a seam lies behind the thing")
        require(seam.width >= 0.15 * thing.size and seam.aspect >= 2, "a seam is too short")
        off = np.abs(_ends(seam) - (thing.x, thing.y)).max()
        require(bool(off <= 0.56 * thing.size), "a seam leaves the thing")
    joined = [seams[0]]
    while fresh := [s for s in seams if s not in joined and min(_apart(s, j) for j in joined) <= 0.1 * thing.size]:
        joined.extend(fresh)
    require(len(joined) == len(seams), "the seams do not meet")


@relation(
    "kintsugi",
    "a broken {subject} mended with visible golden seams",
    "{subject} mended with gold",
    "golden cracks run across {subject}",
    "{subject} repaired so that every fracture shines in gold",
    "a once shattered {subject}, its pieces joined by gilded lines",
    "veins of gold that hold {subject} together",
    "what was broken is whole again: bright golden joints cross {subject} wherever its pieces were put back together",
    family=FAMILY,
    check=check_kintsugi,
    held_out=True,
)
def draw_kintsugi(draft: Draft) -> None:
    count = draft.integer(3, 6)
    size = draft.uniform(1.5, 1.8)
    draft.add("subject", 0, 0, size, saturation=draft.uniform(0.6, 1.0))
    start = draft.uniform(0, 360)
    manner = draft.choice(("joint", "crossing", "crossing", "branches"))
    strokes: list[tuple[float, float, float, float]] = []  # from x, y by a length along an angle; in sizes
    if manner == "joint":  # all start from one point
        joint_x, joint_y = draft.uniform(-0.06, 0.06), draft.uniform(-0.06, 0.06)
        for index in range(count):
            bend = draft.uniform(-0.2, 0.2) * 360 / count
            strokes.append((joint_x, joint_y, draft.uniform(0.34, 0.42), start + 360 * index / count + bend))
    elif manner == "crossing":  # long seams that cross near the middle
        count = min(count, 4)
        for index in range(count):
            length, angle = draft.uniform(0.7, 0.84), math.radians(start + 180 * index / count)
            x, y = draft.uniform(-0.05, 0.05), draft.uniform(-0.05, 0.05)
            x, y = x - length / 2 * math.cos(angle), y - length / 2 * math.sin(angle)
            strokes.append((x, y, length, math.degrees(angle)))
    else:  # one long seam, branches to either side in turn
        angle = math.radians(start)
        strokes.append((-0.42 * math.cos(angle), -0.42 * math.sin(angle), 0.84, start))
        for index in range(count - 1):
            place = -0.24 + 0.48 * index / (count - 2)
            side = start + (-1) ** index * draft.uniform(50, 75)
            strokes.append((place * math.cos(angle), place * math.sin(angle), draft.uniform(0.28, 0.34), side))
    for x, y, length, bearing in strokes:
        east, south = math.cos(math.radians(bearing)), math.sin(math.radians(bearing))
        middle = (size * (x + length / 2 * east), size * (y + length / 2 * south))
        draft.box("crack", *middle, size * length, size * (0.03 + 0.1 * length), turn=bearing % 360, palette="gold")
    draft.facts.update(count=count)


def check_stretched(scene: Scene) -> None:
    thing = lone_subjects(scene, 1, 1)[0]
    plain_looks([thing])
    require(max(thing.aspect, 1 / thing.aspect) >= 2.5, "the thing keeps its proportions")
    require(max(thing.width, thing.height) >= 1.1, "the thing is not long")


@relation(
    "stretched",
    "{subject} stretched to an absurd length",
    "an absurdly long {subject}",
    "{subject} drawn out like rubber",
    "an extremely elongated {subject}",
    "{subject} pulled in one direction far beyond its natural shape",
    "a {subject} that has become many times as long as it should be",
    "someone seems to have taken {subject} by both ends and pulled until it reached from one edge to the other",
    family=FAMILY,
    check=check_stretched,
    held_out=True,
)
def draw_stretched(draft: Draft) -> None:
    length = draft.uniform(1.65, 1.88)
    thickness = length / draft.uniform(3.6, 6.4)
    upright = draft.coin()
    turn = draft.uniform(-20, 20) if draft.coin(0.35) else 0.0
    width, height = (thickness, length) if upright else (length, thickness)
    draft.box("subject", 0, 0, width, height, turn=turn, mirror=draft.coin())
    draft.facts.update(orientation="vertical" if upright else "horizontal")
