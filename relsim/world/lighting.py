"""Light and shadow that suit a style of art: flat drawings lie close to the ground, 3D things stand before it."""

from __future__ import annotations

from typing import NamedTuple

from analogen.relsim.world.shapes import Radial, Shape, rectangle


class Lighting(NamedTuple):
    """drop, blur: offset down and standard deviation of shadows, in sizes of the thing; opacity: of a shadow at full
    strength; light, dark: opacities of the light from above left on the ground, and of its falling off."""

    drop: float
    blur: float
    opacity: float
    light: float = 0.0
    dark: float = 0.0


FLAT = Lighting(0.04, 0.04, 0.42)
# The pictures of Fluent Emoji 3D are lit softly from above, so their shadows are wide and fall further down.
SOLID = Lighting(0.075, 0.06, 0.6, light=0.4, dark=0.16)
_STYLES = {"3d": SOLID}


def lighting_of(style: str) -> Lighting:
    """The lighting of a style; that of flat drawings for all but "3d"."""
    return _STYLES.get(style, FLAT)


def light_shapes(style: str, half_width: float, half_height: float) -> tuple[Shape, ...]:
    """What lies over the ground: a soft light above and darker corners below. None for flat drawings.

    half_width, half_height: of the canvas, in half short sides; the origin is its centre.
    """
    lighting = lighting_of(style)
    if lighting.light <= 0:
        return ()
    whole = rectangle(-half_width, -half_height, 2 * half_width, 2 * half_height)
    reach = 1.6 * max(half_width, half_height)
    glow = ((0.0, "#ffffff", lighting.light), (0.5, "#ffffff", lighting.light / 4), (1.0, "#ffffff", 0.0))
    dusk = ((0.0, "#000000", 0.0), (0.55, "#000000", 0.0), (1.0, "#000000", lighting.dark))
    return (
        Shape(whole, Radial(-0.35 * half_width, -0.55 * half_height, reach, reach, glow)),
        Shape(whole, Radial(-0.2 * half_width, -0.3 * half_height, 1.3 * reach, 1.3 * reach, dusk)),
    )
