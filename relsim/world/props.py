"""Draws props, as shapes for pixels and SVG.

A prop is described in its own frame: origin in the centre of its box, y down, and the unit is its size, so
that its box is `width` x `height` with width * height = 1. Light falls from the upper left.
"""

from __future__ import annotations

import math
from functools import lru_cache

from analogen.relsim.world import prop_objects  # noqa: F401  (registers its props)
from analogen.relsim.world.palette import luminance, mix, palette_of, resolve
from analogen.relsim.world.prop_primitives import DRAWERS, PropStyle, Shapes, arc, even, prop, shade, solid
from analogen.relsim.world.scene import Background, Element
from analogen.relsim.world.shapes import (
    Linear,
    Radial,
    Shape,
    ellipse,
    moved,
    polygon,
    rectangle,
    rounded,
    scallops,
)

# For props with the palette entry "none": an entry, or a fixed colour.
DEFAULTS = {
    "rect": "soft", "ellipse": "soft", "ring": "primary", "line": "ink", "triangle": "primary", "star": "gold",
    "heart": "red", "arrow": "accent", "panel": "#ffffff", "frame": "wood", "card": "#ffffff", "bubble": "#bfe3f5",
    "thought": "#ffffff", "bars": "metal", "water": "water", "ground": "soft", "cone": "#ffe28f", "balloon": "accent",
    "foliage": "leaf", "trunk": "wood", "pedestal": "#e8e2d6", "lens": "#5d6878", "sun": "sun", "moon": "#f3e6b3",
    "cloud": "#ffffff", "bowl": "gold", "beam": "wood", "crack": "ink", "shell": "#f4e7d0", "ice": "ice",
    "building": "#7f8ca3", "ban": "red", "shadow": "#161226", "wrap": "soft", "rope": "#c79a5b", "glow": "#ffe9a0",
}  # fmt: skip
BLEEDING = ("water", "ground")
_EDGE = 0.97  # a bleeding band whose box comes this near to the frame's edge goes on to the canvas's edge


def prop_shapes(element: Element, palette: str, background: Background, far: float) -> tuple[Shape, ...]:
    """The shapes of a prop, from back to front. far: reach of bands that bleed off the page, in half short sides."""
    entry = DEFAULTS[element.kind] if element.palette == "none" else element.palette
    color = entry if entry.startswith("#") else resolve(palette, entry, background)
    if entry == "soft" and element.palette == "none" and luminance(background.color) <= 0.45:
        color = mix(color, palette_of(palette).dark, 0.45)  # the quiet tone of a dark ground
    bleed = _bleed(element, far) if element.kind in BLEEDING else (0.0, 0.0, 0.0)
    ink = resolve(palette, "ink", background)
    return _shapes(element.kind, round(element.aspect, 4), color, ink, bleed)


@lru_cache(maxsize=1024)
def _shapes(kind: str, aspect: float, color: str, ink: str, bleed: tuple[float, float, float]) -> tuple[Shape, ...]:
    half = math.sqrt(aspect) / 2
    return tuple(DRAWERS[kind](PropStyle(half, 0.25 / half, color, ink, bleed)))


def _bleed(element: Element, far: float) -> tuple[float, float, float]:
    """How far the prop extends beyond its box on the left, right and bottom, in units of the element's size."""
    upright = math.cos(math.radians(element.turn))
    if abs(upright) < 0.7:
        return 0.0, 0.0, 0.0
    half_width, half_height = element.width / 2, element.height / 2
    reach = round(far / element.size + 0.5, 1)
    left = reach if element.x - half_width <= -_EDGE else 0.0
    right = reach if element.x + half_width >= _EDGE else 0.0
    if upright < 0 or element.mirror:
        left, right = right, left
    return left, right, reach if upright > 0 and element.y + half_height >= _EDGE else 0.0


@prop
def _rect(p: PropStyle) -> Shapes:
    return [Shape(rectangle(-p.x, -p.y, 2 * p.x, 2 * p.y), p.down(p.light(0.06), p.dark(0.05)))]


@prop
def _ellipse(p: PropStyle) -> Shapes:
    return [Shape(ellipse(0, 0, p.x, p.y), p.down(p.light(0.1), p.dark(0.07)))]


@prop
def _ring(p: PropStyle) -> Shapes:
    outline = ellipse(0, 0, p.x - 0.035, p.y - 0.035)
    return [
        Shape(outline, p.down(p.light(0.1), p.dark(0.12)), width=0.07),
        Shape(ellipse(0, 0, p.x - 0.024, p.y - 0.024), p.light(0.5), width=0.01, opacity=0.45),
    ]


@prop
def _line(p: PropStyle) -> Shapes:
    return [Shape(rectangle(-p.x, -p.y, 2 * p.x, 2 * p.y, p.y), p.color)]


@prop
def _triangle(p: PropStyle) -> Shapes:
    return solid(p, rounded([(0, -p.y), (p.x, p.y), (-p.x, p.y)], 0.09 * p.short))


@prop
def _star(p: PropStyle) -> Shapes:
    corners = []
    for i in range(10):
        radius, angle = (1.0, 0.5)[i % 2], math.radians(36 * i)
        x, y = radius * math.sin(angle) / 0.951, (0.0955 - radius * math.cos(angle)) / 0.9045
        corners.append((x * p.x, y * p.y))
    return solid(p, rounded(corners, 0.07 * p.short))


_HEART = (
    "M0 -.6C-.12 -.86 -.36 -1 -.54 -1C-.83 -1 -1 -.72 -1 -.4C-1 .2 -.36 .66 -.07 .95Q0 1.03 .07 .95"
    "C.36 .66 1 .2 1 -.4C1 -.72 .83 -1 .54 -1C.36 -1 .12 -.86 0 -.6Z"
)


@prop
def _heart(p: PropStyle) -> Shapes:
    shine = moved(ellipse(0, 0, 0.2, 0.13), -0.5, -0.6)
    return [
        *solid(p, moved(_HEART, sx=p.x, sy=p.y)),
        Shape(moved(shine, sx=p.x, sy=p.y), "#ffffff", opacity=0.32, blur=0.02),
    ]


@prop
def _arrow(p: PropStyle) -> Shapes:
    neck = p.x - min(1.1 * p.x, 1.5 * p.y)
    shaft = 0.42 * p.y
    corners = [(p.x, 0), (neck, p.y), (neck, shaft), (-p.x, shaft), (-p.x, -shaft), (neck, -shaft), (neck, -p.y)]
    return solid(p, rounded(corners, 0.16 * p.y), edge=0.1 * p.y)


@prop
def _panel(p: PropStyle) -> Shapes:
    sheet = rectangle(-p.x, -p.y, 2 * p.x, 2 * p.y, 0.07 * p.short)
    return [
        shade(sheet, 0.014, 0.02),
        Shape(sheet, p.down(p.light(0.25), p.dark(0.03))),
        Shape(rectangle(0.005 - p.x, 0.005 - p.y, 2 * p.x - 0.01, 2 * p.y - 0.01, 0.07 * p.short), p.dark(0.22),
              width=0.01),
    ]  # fmt: skip


@prop
def _frame(p: PropStyle) -> Shapes:
    border = min(0.09, 0.2 * p.short)
    x, y, ix, iy = p.x, p.y, p.x - border, p.y - border
    whole, inner = rectangle(-x, -y, 2 * x, 2 * y, 0.012), rectangle(-ix, -iy, 2 * ix, 2 * iy)
    sides = (
        (polygon([(-x, -y), (x, -y), (ix, -iy), (-ix, -iy)]), p.light(0.24)),
        (polygon([(-x, -y), (-ix, -iy), (-ix, iy), (-x, y)]), p.light(0.1)),
        (polygon([(x, -y), (x, y), (ix, iy), (ix, -iy)]), p.dark(0.1)),
        (polygon([(-x, y), (-ix, iy), (ix, iy), (x, y)]), p.dark(0.2)),
    )
    middle = border / 2
    groove = rectangle(middle - x, middle - y, 2 * (x - middle), 2 * (y - middle))
    return [
        shade(whole, 0.022, 0.024, 0.32),
        Shape(whole, p.color),
        *(Shape(data, tone, clip=whole) for data, tone in sides),
        Shape(groove, p.dark(0.3), width=0.14 * border, opacity=0.55),
        Shape(moved(groove, dy=0.12 * border), p.light(0.45), width=0.07 * border, opacity=0.5),
        Shape(inner, Linear(0, -iy, 0, iy, ((0.0, "#f4efe4", 1.0), (0.12, "#fdfbf5", 1.0), (1.0, "#fffdf8", 1.0)))),
        Shape(inner, Linear(-ix, -iy, -ix, -iy + 0.08, ((0.0, "#161226", 0.32), (1.0, "#161226", 0.0)))),
        Shape(inner, p.dark(0.45), width=0.012),
    ]


@prop
def _card(p: PropStyle) -> Shapes:
    sheet = rectangle(-p.x, -p.y, 2 * p.x, 2 * p.y, 0.075)
    inset = 0.045
    return [
        shade(sheet, 0.018, 0.022, 0.28),
        Shape(sheet, p.down(p.light(0.3), p.dark(0.025))),
        Shape(rectangle(inset - p.x, inset - p.y, 2 * (p.x - inset), 2 * (p.y - inset), 0.045), p.dark(0.42),
              width=0.009),
        Shape(rectangle(0.004 - p.x, 0.004 - p.y, 2 * p.x - 0.008, 2 * p.y - 0.008, 0.072), p.dark(0.2), width=0.008),
    ]  # fmt: skip


@prop
def _bubble(p: PropStyle) -> Shapes:
    glass = Radial(0, 0, p.x, p.y, ((0.0, "#ffffff", 0.03), (0.62, p.color, 0.07), (0.9, p.dark(0.1), 0.26),
                                    (1.0, p.light(0.35), 0.5)))  # fmt: skip
    rim = Linear(-p.x, -p.y, p.x, p.y, ((0.0, p.dark(0.12), 0.95), (0.35, "#d8b7e8", 0.95), (0.6, p.dark(0.25), 0.95),
                                        (1.0, "#8fd3d8", 0.95)))  # fmt: skip
    gleam = polygon(arc(0.8 * p.x, 0.8 * p.y, 198, 252), closed=False)
    spark = polygon(arc(0.8 * p.x, 0.8 * p.y, 262, 266), closed=False)
    low = polygon(arc(0.82 * p.x, 0.82 * p.y, 30, 66), closed=False)
    return [
        Shape(ellipse(0, 0, p.x, p.y), glass),
        Shape(ellipse(0, 0, p.x - 0.008, p.y - 0.008), rim, width=0.016),
        Shape(gleam, "#ffffff", width=0.045, opacity=0.9),
        Shape(spark, "#ffffff", width=0.045, opacity=0.9),
        Shape(low, "#ffffff", width=0.02, opacity=0.6),
    ]


@prop
def _thought(p: PropStyle) -> Shapes:
    angles = (18, 62, 98, 142, 186, 226, 262, 306, 342)
    cloud = scallops(
        [(0.86 * p.x * math.cos(math.radians(a)), 0.82 * p.y * math.sin(math.radians(a))) for a in angles], 1.12
    )
    return [
        shade(cloud, 0.02, 0.024, 0.22),
        Shape(cloud, p.down(p.light(0.4), p.light(0.2), p.dark(0.07))),
        Shape(cloud, p.dark(0.3), width=0.014),
    ]


@prop
def _bars(p: PropStyle) -> Shapes:
    count = min(9, max(5, round(6.4 * math.sqrt(p.x / p.y))))
    thick = min(0.055, 0.5 * p.x / count)
    step = (2 * p.x - thick) / (count - 1)
    rail = min(0.075, 0.16 * p.y)
    bars = "".join(rectangle(-p.x + i * step, -p.y + rail / 2, thick, 2 * p.y - rail, thick / 3) for i in range(count))
    edge = thick / step
    metal = Linear(-p.x, 0, step - p.x, 0, (
        (0.0, p.dark(0.3), 1.0), (0.3 * edge, p.light(0.5), 1.0), (0.55 * edge, p.color, 1.0),
        (edge, p.dark(0.45), 1.0), (1.0, p.dark(0.45), 1.0)), repeat=True)  # fmt: skip
    tones = ((0.0, p.light(0.45), 1.0), (0.45, p.color, 1.0), (1.0, p.dark(0.42), 1.0))
    return [
        Shape(moved(bars, 0.012, 0.012), "#161226", opacity=0.22, blur=0.01),
        Shape(bars, metal),
        Shape(rectangle(-p.x - 0.012, -p.y, 2 * p.x + 0.024, rail, rail / 3), Linear(0, -p.y, 0, rail - p.y, tones)),
        Shape(
            rectangle(-p.x - 0.012, p.y - rail, 2 * p.x + 0.024, rail, rail / 3), Linear(0, p.y - rail, 0, p.y, tones)
        ),
    ]


@prop
def _lens(p: PropStyle) -> Shapes:
    x, y = p.x, p.y
    rim = 0.07
    ux, uy = math.sqrt(0.5), math.sqrt(0.5)
    start, end = (ux * (x + 0.5 * rim), uy * (y + 0.5 * rim)), (ux * (x + 0.62), uy * (y + 0.62))

    def grip(a: float, b: float, half: float) -> str:
        """A bar along the handle, between two shares of its length."""
        along = [(start[0] + (end[0] - start[0]) * t, start[1] + (end[1] - start[1]) * t) for t in (a, b)]
        (ax, ay), (bx, by) = along
        return rounded([(ax + half * uy, ay - half * ux), (bx + half * uy, by - half * ux),
                        (bx - half * uy, by + half * ux), (ax - half * uy, ay + half * ux)], 0.55 * half)  # fmt: skip

    tones = Linear(*_grip_side(end, 0.08), even((mix("#7a4b2b", "#ffffff", 0.25), "#7a4b2b", "#452612")))
    glass = Radial(0, 0, x, y, ((0.0, "#ffffff", 0.0), (0.75, "#dff1ff", 0.05), (1.0, "#bfe0ff", 0.34)))
    gleam = polygon(arc(0.8 * x, 0.8 * y, 195, 250), closed=False)
    metal = Linear(-x, -y, x, y, even((p.light(0.5), p.color, p.dark(0.4))))
    return [
        Shape(ellipse(0.012, 0.024, x + rim / 2, y + rim / 2), "#161226", width=rim, opacity=0.22, blur=0.018),
        Shape(grip(0.0, 0.35, 0.045), metal),
        Shape(grip(0.22, 1.0, 0.08), tones),
        Shape(grip(0.2, 0.28, 0.088), metal),
        Shape(ellipse(0, 0, x, y), glass),
        Shape(ellipse(0, 0, x + rim / 2, y + rim / 2), metal, width=rim),
        Shape(ellipse(0, 0, x + 0.72 * rim, y + 0.72 * rim), p.light(0.65), width=0.2 * rim, opacity=0.5),
        Shape(gleam, "#ffffff", width=0.04, opacity=0.75),
    ]


def _grip_side(end: tuple[float, float], half: float) -> tuple[float, float, float, float]:
    """Across the handle of a lens, from its lit side to its dark side."""
    step = half * math.sqrt(0.5)
    return end[0] + step, end[1] - step, end[0] - step, end[1] + step


# Along the crack from -1 to 1, and across it.
_CRACK = (
    (-1, 0.1), (-0.84, -0.34), (-0.73, 0.22), (-0.55, -0.62), (-0.42, 0.06), (-0.3, -0.2), (-0.16, 0.72),
          (0.02, -0.4), (0.13, 0.14), (0.29, -0.75), (0.43, 0.42), (0.55, 0.02), (0.68, 0.5), (0.83, -0.3), (1, 0.0),
)  # fmt: skip


@prop
def _crack(p: PropStyle) -> Shapes:
    line = [(x * p.x, y * p.y) for x, y in _CRACK]
    thick = min(0.05, 0.22 * p.y)
    upper, lower = [], []
    for i, (x, y) in enumerate(line):  # wide in the middle, pointed at the ends
        half = thick * (0.15 + 0.85 * math.sin(math.pi * i / (len(line) - 1)) ** 0.5) * (0.75, 1.0, 0.85)[i % 3]
        upper.append((x + 0.3 * half, y - half))
        lower.append((x - 0.3 * half, y + half))
    seam = polygon([*upper, *reversed(lower)])
    twigs = "".join(
        polygon([line[i], (line[i][0] + dx * p.y, line[i][1] + dy * p.y)], closed=False)
        for i, dx, dy in ((3, 0.25, -0.35), (6, 0.3, 0.24), (9, -0.3, -0.22), (12, 0.22, 0.4))
    )
    return [
        Shape(twigs, p.color, width=0.45 * thick),
        Shape(seam, p.across(p.color, p.light(0.22), p.dark(0.1), p.light(0.15), p.color)),
        Shape(seam, p.color, width=0.3 * thick),
        Shape(polygon(upper, closed=False), p.light(0.6), width=0.22 * thick, opacity=0.55),
    ]


@prop
def _ban(p: PropStyle) -> Shapes:
    thick = 0.1
    x, y = p.x - thick / 2, p.y - thick / 2
    paint = p.down(p.light(0.14), p.color, p.dark(0.16))
    slash = polygon(
        [(-x * math.sqrt(0.5), -y * math.sqrt(0.5)), (x * math.sqrt(0.5), y * math.sqrt(0.5))], closed=False
    )
    ring = ellipse(0, 0, x, y)
    return [
        Shape(moved(ring, dy=0.012), "#161226", width=thick, opacity=0.2, blur=0.014),
        Shape(slash, paint, width=thick),
        Shape(ring, paint, width=thick),
        Shape(polygon(arc(x + 0.03, y + 0.03, 190, 300), closed=False), "#ffffff", width=0.014, opacity=0.45),
    ]
