"""Draws props that are objects: water and weather, plants, stands, vessels."""

from __future__ import annotations

import math

from analogen.relsim.world.palette import mix
from analogen.relsim.world.prop_primitives import PropStyle, Shapes, arc, even, prop
from analogen.relsim.world.shapes import (
    Linear,
    Point,
    Radial,
    Shape,
    ellipse,
    moved,
    polygon,
    rectangle,
    rounded,
    scallops,
    smooth,
)


def _wave(left: float, right: float, y: float, period: float, height: float) -> str:
    """A wavy line, open, in half periods; the same wave wherever it starts."""
    first, last = math.floor(left / period * 2), math.ceil(right / period * 2)
    parts = [f"M{first * period / 2:.5g} {y:.5g}"]
    for i in range(first, last):
        lift = height if i % 2 else -height
        parts.append(f"Q{(i + 0.5) * period / 2:.5g} {y + lift:.5g} {(i + 1) * period / 2:.5g} {y:.5g}")
    return "".join(parts)


@prop
def _water(p: PropStyle) -> Shapes:
    left, right, bottom = -p.x - p.bleed[0], p.x + p.bleed[1], p.y + p.bleed[2]
    swell = min(0.03, 0.22 * p.y)
    crest = _wave(left, right, swell / 2 - p.y, 0.24, swell)
    first, last = math.floor(left / 0.12) * 0.12, math.ceil(right / 0.12) * 0.12
    box = rectangle(left, -p.y - swell, right - left, bottom + p.y + swell)
    body = f"{crest}L{last:.5g} {bottom:.5g}L{first:.5g} {bottom:.5g}Z"
    deep = Linear(
        0, -p.y, 0, p.y, ((0.0, p.light(0.3), 0.62), (0.25, p.color, 0.62), (1.0, mix(p.color, "#0b2f63", 0.45), 0.8))
    )
    ripples, row, step = [], 0, 0.34
    y = -p.y + 0.11
    while y < p.y - 0.03 and row < 12:  # rows widen towards the viewer
        width = 0.09 + 0.015 * row
        start = math.floor(left / step) * step + (row * 0.618 % 1) * step
        count = math.ceil((right - start) / step)
        for i in range(count):
            x, long = start + i * step, width * (0.7 + 0.6 * (i * 0.618 % 1))
            ripples.append(f"M{x:.5g} {y:.5g}Q{x + long / 2:.5g} {y + 0.016:.5g} {x + long:.5g} {y:.5g}")
        y += 0.1 + 0.012 * row
        row += 1
    shapes = [Shape(body, deep, clip=box), Shape(crest, "#ffffff", width=0.016, opacity=0.6, clip=box)]
    if ripples:
        shapes.append(Shape("".join(ripples), "#ffffff", width=0.012, opacity=0.32, clip=box))
    return shapes


@prop
def _ground(p: PropStyle) -> Shapes:
    left, right, bottom = -p.x - p.bleed[0], p.x + p.bleed[1], p.y + p.bleed[2]
    body = rectangle(left, -p.y, right - left, bottom + p.y)
    edge = rectangle(left, -p.y, right - left, min(0.022, 0.3 * p.y))
    return [Shape(body, p.down(p.light(0.1), p.dark(0.1))), Shape(edge, p.light(0.4), opacity=0.7)]


@prop
def _cone(p: PropStyle) -> Shapes:
    def beam(share: float) -> str:
        x, neck, foot = share * p.x, 0.16 * share * p.x, 0.1 * p.y
        ends = f"M{-neck:.5g} {-p.y:.5g}L{neck:.5g} {-p.y:.5g}L{x:.5g} {p.y - foot:.5g}"
        return f"{ends}A{x:.5g} {foot:.5g} 0 0 1 {-x:.5g} {p.y - foot:.5g}Z"

    def light(top: float, bottom: float) -> Linear:
        return Linear(
            0, -p.y, 0, p.y, ((0.0, p.light(0.5), top), (0.6, p.color, (top + bottom) / 2.4), (1.0, p.color, bottom))
        )

    return [
        Shape(beam(0.98), light(0.55, 0.22), blur=0.02),
        Shape(beam(0.7), light(0.5, 0.1), blur=0.03),
        Shape(ellipse(0, 0.9 * p.y, 0.97 * p.x, 0.1 * p.y), Radial(0, 0.9 * p.y, 0.97 * p.x, 0.1 * p.y, (
            (0.0, p.light(0.6), 0.7), (0.7, p.color, 0.45), (1.0, p.color, 0.0)))),
    ]  # fmt: skip


@prop
def _glow(p: PropStyle) -> Shapes:
    stops = ((0.0, p.light(0.55), 0.9), (0.35, p.light(0.2), 0.62), (0.7, p.color, 0.2), (1.0, p.color, 0.0))
    return [Shape(ellipse(0, 0, p.x, p.y), Radial(0, 0, p.x, p.y, stops))]


@prop
def _shadow(p: PropStyle) -> Shapes:
    stops = ((0.0, p.color, 0.42), (0.45, p.color, 0.3), (0.8, p.color, 0.08), (1.0, p.color, 0.0))
    return [Shape(ellipse(0, 0, p.x, p.y), Radial(0, 0, p.x, p.y, stops))]


@prop
def _sun(p: PropStyle) -> Shapes:
    rays = []
    for i in range(12):
        angle, half = math.radians(30 * i), math.radians(9.5)
        tip = (0.97 * math.cos(angle), 0.97 * math.sin(angle))
        feet = [(0.7 * math.cos(angle + s * half), 0.7 * math.sin(angle + s * half)) for s in (1, -1)]
        rays.append(rounded([(x * p.x, y * p.y) for x, y in (tip, *feet)], 0.03))
    x, y = 0.6 * p.x, 0.6 * p.y
    face = Radial(
        -0.3 * x,
        -0.35 * y,
        1.5 * x,
        1.5 * y,
        ((0.0, p.light(0.6), 1.0), (0.5, p.light(0.1), 1.0), (1.0, p.dark(0.12), 1.0)),
    )
    return [
        Shape("".join(rays), p.down(p.light(0.1), p.dark(0.08))),
        Shape(ellipse(0, 0, x, y), face),
        Shape(ellipse(0, 0, x - 0.008, y - 0.008), p.light(0.5), width=0.016, opacity=0.5),
    ]


@prop
def _moon(p: PropStyle) -> Shapes:
    x, y = p.x, p.y
    crescent = moved("M.26 -.97A1 1 0 1 0 .93 .42A.78 .78 0 1 1 .26 -.97Z", sx=x, sy=y)
    face = Radial(
        -0.5 * x, -0.3 * y, 1.6 * x, 1.6 * y, ((0.0, p.light(0.6), 1.0), (0.5, p.color, 1.0), (1.0, p.dark(0.22), 1.0))
    )
    craters = ((-0.66, -0.16, 0.11), (-0.45, 0.5, 0.14), (-0.3, -0.62, 0.07), (0.1, 0.72, 0.07))
    return [
        Shape(crescent, face),
        *(
            Shape(ellipse(cx * x, cy * y, r * x, r * y), p.dark(0.2), opacity=0.3, clip=crescent)
            for cx, cy, r in craters
        ),
        Shape(crescent, p.light(0.7), width=0.02, opacity=0.5, clip=crescent),
    ]


@prop
def _cloud(p: PropStyle) -> Shapes:
    puffs = ((-0.58, 0.3, 0.42, 0.62), (-0.12, -0.2, 0.5, 0.8), (0.42, 0.08, 0.42, 0.7), (0.72, 0.45, 0.28, 0.52))
    cloud = "".join(ellipse(x * p.x, y * p.y, rx * p.x, ry * p.y) for x, y, rx, ry in puffs)
    cloud += rectangle(-0.98 * p.x, 0.16 * p.y, 1.96 * p.x, 0.84 * p.y, 0.42 * p.y)
    body = Linear(0, -p.y, 0, p.y, ((0.0, p.light(0.5), 1.0), (0.55, p.color, 1.0), (1.0, p.dark(0.2), 1.0)))
    lit = ellipse(-0.16 * p.x, -0.28 * p.y, 0.4 * p.x, 0.62 * p.y)
    return [Shape(cloud, body), Shape(lit, p.light(0.8), opacity=0.45, blur=0.03, clip=cloud)]


_BALLOON = "M0 .84C-.5 .74 -1 .18 -1 -.3C-1 -.72 -.6 -1 0 -1C.6 -1 1 -.72 1 -.3C1 .18 .5 .74 0 .84Z"


@prop
def _balloon(p: PropStyle) -> Shapes:
    body = moved(_BALLOON, sx=p.x, sy=p.y)
    knot = rounded([(0, 0.78 * p.y), (0.13 * p.x, p.y), (-0.13 * p.x, p.y)], 0.03)
    rubber = Radial(-0.34 * p.x, -0.45 * p.y, 1.5 * p.x, 1.6 * p.y, (
        (0.0, p.light(0.42), 1.0), (0.35, p.light(0.08), 1.0), (0.75, p.dark(0.12), 1.0), (1.0, p.dark(0.3), 1.0))
    )  # fmt: skip
    gleam = polygon(arc(0.72 * p.x, 0.6 * p.y, 195, 245), closed=False)
    return [
        Shape(knot, p.dark(0.3)),
        Shape(body, rubber),
        Shape(moved(gleam, dy=-0.22 * p.y), "#ffffff", width=0.07, opacity=0.55),
    ]


def _blob(p: PropStyle, share: float, turn: float, count: int, dx: float = 0.0, dy: float = 0.0) -> str:
    """A lobed outline about this share of the box."""
    points = []
    for i in range(count):
        angle = math.radians(turn + 360 * (i + 0.16 * math.sin(2.4 * i)) / count)
        reach = share * (0.87 + 0.05 * math.sin(1.7 * i + turn))
        points.append((p.x * (reach * math.cos(angle) + dx), p.y * (reach * math.sin(angle) + dy)))
    return scallops(points, 1.15)


@prop
def _foliage(p: PropStyle) -> Shapes:
    crown = _blob(p, 1.0, 10, 13)
    leaves = Linear(-0.3 * p.x, -p.y, 0.3 * p.x, p.y, even((p.light(0.2), p.color, p.dark(0.28))))
    return [
        Shape(crown, leaves),
        Shape(_blob(p, 0.7, 25, 10, -0.13, -0.18), p.light(0.28), opacity=0.4, clip=crown),
        Shape(_blob(p, 0.4, 60, 8, -0.24, -0.36), p.light(0.5), opacity=0.38, clip=crown),
    ]


@prop
def _trunk(p: PropStyle) -> Shapes:
    x, y = p.x, p.y
    trunk = moved("M-.5 -1L.5 -1C.52 -.2 .56 .55 1 1L-1 1C-.56 .55 -.52 -.2 -.5 -1Z", sx=x, sy=y)
    bark = "M-.22 -.8C-.2 -.4 -.24 .1 -.34 .6M.12 -.9C.14 -.5 .1 -.1 .16 .3M.3 -.3C.32 .1 .36 .4 .5 .75"
    return [
        Shape(trunk, Linear(-0.6 * x, 0, 0.7 * x, 0, even((p.light(0.14), p.color, p.dark(0.34))))),
        Shape(moved(bark, sx=x, sy=y), p.dark(0.42), width=min(0.03, 0.08 * x), opacity=0.55),
        Shape(rectangle(-x, -y, 2 * x, 0.3 * y),
              Linear(0, -y, 0, -0.7 * y, ((0.0, "#1d1636", 0.4), (1.0, "#1d1636", 0.0))),
              clip=trunk),
    ]  # fmt: skip


@prop
def _pedestal(p: PropStyle) -> Shapes:
    x, y = p.x, p.y
    stone = Linear(-x, 0, x, 0, ((0.0, p.dark(0.08), 1.0), (0.25, p.light(0.55), 1.0), (1.0, p.dark(0.3), 1.0)))
    slab = min(0.22 * y, 0.12)

    def course(width: float, top: float, height: float, radius: float = 0.012) -> str:
        return rectangle(-width * x, top, 2 * width * x, height, radius)

    shaft_top, shaft_end = -y + 1.6 * slab, y - 1.9 * slab
    shaft = course(0.74, shaft_top, shaft_end - shaft_top, 0)
    flutes = "".join(
        rectangle((i * 0.26 - 0.045) * x, shaft_top + 0.55 * slab, 0.09 * x, shaft_end - shaft_top - slab, 0.05 * x)
        for i in (-2, -1, 0, 1, 2)
    )
    return [
        Shape(shaft, stone),
        Shape(flutes, p.dark(0.34), opacity=0.4),
        Shape(moved(flutes, dx=0.03 * x), p.light(0.7), opacity=0.3),
        Shape(shaft, Linear(0, shaft_top, 0, shaft_top + slab, ((0.0, "#1d1636", 0.3), (1.0, "#1d1636", 0.0)))),
        Shape(course(0.86, -y + slab, 0.6 * slab, 0.3 * slab), stone),
        Shape(course(1, -y, slab), stone),
        Shape(course(1, -y, 0.22 * slab), p.light(0.8), opacity=0.7),
        Shape(course(0.86, y - 1.9 * slab, 0.75 * slab, 0.35 * slab), stone),
        Shape(course(1, y - 1.2 * slab, 1.2 * slab), stone),
        Shape(course(1, y - 1.2 * slab, 0.2 * slab), p.light(0.8), opacity=0.7),
    ]


@prop
def _building(p: PropStyle) -> Shapes:
    x, y = p.x, p.y
    columns = max(2, round(2 * x / 0.2))
    rows = max(2, round(2 * y / 0.24))
    step_x, step_y = 2 * x / (columns + 0.5), (2 * y - 0.1) / (rows + 0.2)
    lit: list[str] = []
    dim: list[str] = []
    for row in range(rows):
        for column in range(columns):
            pane = rectangle(-x + (column + 0.45) * step_x, -y + 0.1 + row * step_y, 0.6 * step_x, 0.58 * step_y, 0.014)
            (lit if (row * 7 + column * 5 + row * column) % 3 == 0 else dim).append(pane)
    return [
        Shape(rectangle(-x, -y + 0.02, 2 * x, 2 * y - 0.02), p.across(p.light(0.22), p.color, p.dark(0.2))),
        Shape(rectangle(-x - 0.018, -y, 2 * x + 0.036, 0.055, 0.012), p.across(p.light(0.45), p.dark(0.05))),
        Shape("".join(dim), p.dark(0.42), opacity=0.75),
        Shape("".join(lit), "#ffe3a0", opacity=0.95),
        Shape(rectangle(0.55 * x, -y + 0.055, 0.45 * x, 2 * y - 0.055), p.dark(0.6), opacity=0.14),
    ]


@prop
def _bowl(p: PropStyle) -> Shapes:
    x, y, rim = p.x, p.y, min(0.28 * p.y, 0.09)
    body = f"M{-0.95 * x:.5g} {rim - y:.5g}A{0.95 * x:.5g} {2 * y - rim:.5g} 0 0 0 {0.95 * x:.5g} {rim - y:.5g}Z"
    metal = Linear(
        -x, 0, x, 0, ((0.0, p.dark(0.1), 1.0), (0.22, p.light(0.4), 1.0), (0.5, p.color, 1.0), (1.0, p.dark(0.38), 1.0))
    )
    edge = rectangle(-x, -y, 2 * x, rim, rim / 2)
    return [
        Shape(body, metal),
        Shape(rectangle(-x, -y + rim, 2 * x, 0.4 * rim), p.dark(0.6), opacity=0.28, clip=body),
        Shape(edge, metal),
        Shape(rectangle(-x + rim / 2, -y + 0.15 * rim, 2 * x - rim, 0.22 * rim, 0.1 * rim), "#ffffff", opacity=0.5),
    ]


@prop
def _beam(p: PropStyle) -> Shapes:
    bar = rectangle(-p.x, -p.y, 2 * p.x, 2 * p.y, p.y)
    return [
        Shape(bar, p.down(p.light(0.3), p.color, p.dark(0.32))),
        Shape(rectangle(-p.x + p.y, -0.62 * p.y, 2 * (p.x - p.y), 0.3 * p.y, 0.15 * p.y), p.light(0.75), opacity=0.5),
    ]


@prop
def _shell(p: PropStyle) -> Shapes:
    x, y = p.x, p.y
    peaks = ((-1, -0.72), (-0.72, -1), (-0.5, -0.6), (-0.24, -0.94), (0.02, -0.55), (0.28, -0.97), (0.5, -0.62),
             (0.76, -0.95), (1, -0.7))  # fmt: skip
    edge = "L".join(f"{a * x:.5g} {b * y:.5g}" for a, b in peaks)
    cup = f"M{edge}" + moved("C1.02 .45 .58 1 0 1C-.58 1 -1.02 .45 -1 -.72Z", sx=x, sy=y)
    skin = Radial(
        -0.35 * x, -0.3 * y, 1.6 * x, 1.5 * y, ((0.0, p.light(0.6), 1.0), (0.5, p.color, 1.0), (1.0, p.dark(0.3), 1.0))
    )
    specks = (
        (-0.4, 0.2, 0.05),
        (0.3, 0.05, 0.04),
        (0.05, 0.55, 0.05),
        (0.55, -0.2, 0.03),
        (-0.62, -0.25, 0.035),
        (-0.1, -0.1, 0.025),
    )
    return [
        Shape(cup, skin),
        Shape("".join(ellipse(a * x, b * y, r * x, r * x) for a, b, r in specks), p.dark(0.3), opacity=0.4, clip=cup),
        Shape(polygon([(a * x, b * y) for a, b in peaks], closed=False), p.light(0.85), width=0.035, clip=cup),
        Shape(cup, p.dark(0.4), width=0.012, opacity=0.5),
    ]


@prop
def _ice(p: PropStyle) -> Shapes:
    x, y, cut = p.x, p.y, 0.13 * p.short
    block = rectangle(-x, -y, 2 * x, 2 * y, 0.09)
    face = Linear(
        -x,
        -y,
        x,
        y,
        ((0.0, p.light(0.75), 0.62), (0.35, p.color, 0.42), (0.65, p.dark(0.08), 0.36), (1.0, p.light(0.3), 0.6)),
    )
    top = polygon([(-x, -y), (x, -y), (x - cut, -y + cut), (-x + cut, -y + cut)])
    right = polygon([(x, -y), (x, y), (x - cut, y - cut), (x - cut, -y + cut)])
    left = polygon([(-x, -y), (-x, y), (-x + cut, y - cut), (-x + cut, -y + cut)])
    low = polygon([(-x, y), (x, y), (x - cut, y - cut), (-x + cut, y - cut)])
    streaks = moved("M-.2 -.62L-.04 -.62L-.59 .02L-.75 .02ZM.06 -.62L.12 -.62L-.43 .02L-.49 .02Z", sx=x, sy=y)
    cracks = moved("M.3 .62L.46 .4L.42 .26M.46 .4L.6 .36", sx=x, sy=y)
    return [
        Shape(block, face),
        Shape(top, "#ffffff", opacity=0.5, clip=block),
        Shape(left, "#ffffff", opacity=0.28, clip=block),
        Shape(right, p.dark(0.3), opacity=0.22, clip=block),
        Shape(low, p.dark(0.4), opacity=0.3, clip=block),
        Shape(streaks, "#ffffff", opacity=0.42),
        Shape(cracks, "#ffffff", width=0.014, opacity=0.75),
        Shape(
            rectangle(-x + 0.008, -y + 0.008, 2 * x - 0.016, 2 * y - 0.016, 0.085),
            p.dark(0.28),
            width=0.016,
            opacity=0.8,
        ),
    ]


@prop
def _wrap(p: PropStyle) -> Shapes:
    x, y = p.x, p.y
    back = moved("M-1 -.78L-.62 -1L-.25 -.8L.1 -1L.5 -.8L.8 -.98L1 -.72L.06 1L-.06 1Z", sx=x, sy=y)
    left = moved("M-1 -.78C-.5 -.74 .1 -.5 .46 -.05L.06 1L-.06 1Z", sx=x, sy=y)
    right = moved("M1 -.72C.5 -.66 .05 -.4 -.26 .02L-.1 .9L-.06 1L.06 1Z", sx=x, sy=y)
    band = moved("M-.4 .4Q0 .5 .4 .4L.33 .56Q0 .66 -.33 .56Z", sx=x, sy=y)
    return [
        Shape(back, p.dark(0.22)),
        Shape(right, p.across(p.light(0.15), p.dark(0.1))),
        Shape(left, p.across(p.light(0.35), p.color, p.dark(0.16))),
        Shape(moved("M-1 -.78C-.5 -.74 .1 -.5 .46 -.05", sx=x, sy=y), p.light(0.7), width=0.014, opacity=0.8),
        Shape(band, p.dark(0.36), clip=back + left + right),
    ]


@prop
def _rope(p: PropStyle) -> Shapes:
    x, y = p.x, p.y
    body = rectangle(-x, -y, 2 * x, 2 * y, y)
    step = 1.5 * y
    twists: list[Point] = [(i * step, 0.0) for i in range(-math.ceil(x / step) - 1, math.ceil(x / step) + 2)]
    grooves = "".join(
        smooth(
            [(a - 0.75 * y, 1.1 * y), (a - 0.3 * y, 0.25 * y), (a + 0.3 * y, -0.25 * y), (a + 0.75 * y, -1.1 * y)],
            False,
        )
        for a, _ in twists
    )
    return [
        Shape(body, p.down(p.light(0.3), p.color, p.dark(0.34))),
        Shape(grooves, p.dark(0.52), width=0.26 * y, clip=body),
        Shape(moved(grooves, dx=0.32 * y), p.light(0.55), width=0.18 * y, opacity=0.5, clip=body),
        Shape(rectangle(-x + y / 10, -y * 0.9, 2 * x - y / 5, 1.8 * y, y), p.dark(0.55), width=0.2 * y, opacity=0.35),
    ]
