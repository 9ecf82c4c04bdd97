"""How well art is seen on a ground, and grounds on which it is: contrast at the outline, measured.

A white logo is lost on paper and a black cat on a night sky. Contrast is WCAG's ratio of luminances; it is taken
between each point of the outline and the ground, and of all points the ratio that three fifths of them reach.
"""

from __future__ import annotations

import dataclasses
import hashlib
import weakref
from collections.abc import Hashable, Sequence
from typing import NamedTuple, cast

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from analogen.relsim.world.bounded_cache import BoundedCache
from analogen.relsim.world.icon import Art, Icon
from analogen.relsim.world.oklab import contrast, from_oklab, luminance, to_oklab
from analogen.relsim.world.palette import dark_ground, light_ground, palette_of, rgb
from analogen.relsim.world.picture import Picture
from analogen.relsim.world.recoloring import PaintedPicture
from analogen.relsim.world.scene import Background

SEEN = 3.0  # least contrast of a drawing and its ground; WCAG asks it of graphics (1.4.11)
MARGIN = 1.2  # over that, since an outline is measured at one size and drawn at others
SEEN_BY_COLOR = 1.6  # on light grounds, for art that is told by its colour as well
COLORFUL, MIDDLE = 0.12, 0.4  # of such art: least chroma in OKLab, greatest luminance of its outline and of the whole
OF_THE_BEST = 0.5  # least share of the contrast that the better of light and dark gives
LOST = 1.7  # what another thing than the subject has to have at least
SHARE, HALF = 0.4, 0.5  # of the outline that may fall short; where no ground is that good, half of it
_SEEN_PX, _BANDS_PX = 128, (2, 4)
_LEVELS = np.linspace(0.12, 0.98, 24)  # lightness in OKLab of the grounds that are tried where no usual one will do


class Outline(NamedTuple):
    """The outline of a drawing, as bands of several widths along the inside of its edge.

    luminances: of WCAG, one array of (points,) for each band. chroma: their median in OKLab. inside: the median
    luminance of the whole drawing.
    """

    luminances: tuple[NDArray[np.float64], ...]
    chroma: float
    inside: float


def outline_of(art: Art) -> Outline:
    """The outline of art, which is hashable. Raises ValueError as `Art.pixels` does."""
    return _OUTLINES.get(_key_of(art), lambda: _measured(art))


def _key_of(art: Art) -> Hashable:
    """What stands for art among the outlines that are kept.

    Pictures are megabytes of pixels, and uploaded drawings may be megabytes of SVG: as keys they would fill a server's
    memory. A picture is told by a weak reference, a drawing by its hash.
    """
    if isinstance(art, Icon):
        return hashlib.sha256(art.body.encode()).digest(), art.view
    if isinstance(art, PaintedPicture):
        return _key_of(art.art), art.color
    return weakref.ref(art) if isinstance(art, Picture) else cast(Hashable, art)


_OUTLINES: BoundedCache[Outline] = BoundedCache(
    16 * 2**20, lambda _, outline: sum(band.nbytes for band in outline.luminances) + 1024
)


def _measured(art: Art) -> Outline:
    pixels = np.asarray(art.pixels(_SEEN_PX))
    colors = pixels[..., :3].astype(np.float64) / 255
    room = max(_BANDS_PX)
    inside = np.pad(pixels[..., 3] > 160, room)  # art that fills its square has an outline there too
    bands = []
    for width in _BANDS_PX:
        core = np.asarray(Image.fromarray(inside.astype(np.uint8)).filter(ImageFilter.MinFilter(2 * width + 1))) > 0
        bands.append(colors[(inside & ~core)[room:-room, room:-room]])
    if not len(bands[0]):  # nothing but faint pixels
        bands = [np.full((1, 3), 0.5)] * len(_BANDS_PX)
    lab = to_oklab(bands[0])
    seen = colors[pixels[..., 3] > 160]
    whole = float(np.median(luminance(seen))) if len(seen) else 0.5
    return Outline(tuple(luminance(band) for band in bands), float(np.median(np.hypot(lab[:, 1], lab[:, 2]))), whole)


def contrast_on(outline: Outline, colors: Sequence[str], share: float = SHARE) -> float:
    """The contrast that three fifths of the outline reach on the worst of the ground's colours, [1, 21].

    share: of the outline that may fall short.
    """
    grounds = luminance(np.array([rgb(color) for color in colors], dtype=np.float64) / 255)
    return float(min(np.quantile(contrast(band, ground), share) for ground in grounds for band in outline.luminances))


def ground_colors(background: Background) -> tuple[str, ...]:
    """The colours that things may lie on; a second one of grounds of one colour is not seen."""
    plain = background.kind in ("plain", "paper")
    return (background.color,) if plain else (background.color, background.color2)


def contrast_of(background: Background, outlines: Sequence[Outline]) -> float:
    """The least contrast of several drawings on a ground."""
    return min(contrast_on(outline, ground_colors(background)) for outline in outlines)


def suited_background(background: Background, palette: str, outlines: Sequence[Outline], rng: Generator) -> Background:
    """The ground, or another in colours of the palette on which all drawings are seen.

    The light, dark, middle and deep grounds of the palette are tried in random order, in two tones and then in one.
    Where none will do, its main colour is made as light or dark as needed.
    """

    def needed(outline: Outline, light: bool, share: float) -> float:
        if light and is_colorful(outline):
            return SEEN_BY_COLOR
        usual = (light_ground(palette)[0], dark_ground(palette)[0])
        return max(MARGIN * SEEN, OF_THE_BEST * max(contrast_on(outline, [color], share) for color in usual))

    def will_do(ground: Background, share: float) -> bool:
        light = float(luminance(np.array(rgb(ground.color)) / 255)) > 0.5
        return all(
            contrast_on(outline, ground_colors(ground), share) >= needed(outline, light, share) for outline in outlines
        )

    if will_do(background, SHARE):
        return background
    tones = [light_ground(palette), dark_ground(palette), middle_ground(palette), *deep_grounds(palette)]
    tones = [tones[number] for number in rng.permutation(len(tones))]
    tones += [(first, first) for first, _ in tones]
    grounds = [dataclasses.replace(background, color=first, color2=second) for first, second in tones]
    shades = [at_lightness(palette_of(palette).primary, float(level)) for level in _LEVELS]
    more = [dataclasses.replace(background, color=shade, color2=shade) for shade in shades]
    # Of the shades the mildest that is enough: pure black is needed by few.
    more.sort(key=lambda ground: contrast_of(ground, outlines))
    for share in (SHARE, HALF):
        found = next((ground for ground in (*grounds, *more) if will_do(ground, share)), None)
        if found is not None:
            return found
    return max((*grounds, *more), key=lambda ground: contrast_of(ground, outlines))


def is_colorful(outline: Outline) -> bool:
    """Whether art is told from a light ground by its colour: a fox on paper is, a lemon is not."""
    return outline.chroma > COLORFUL and max(float(np.median(outline.luminances[0])), outline.inside) < MIDDLE


def middle_ground(palette: str) -> tuple[str, str]:
    """Two middle tones of a palette, on which both white and black are seen."""
    colors = palette_of(palette)
    return at_lightness(colors.primary, 0.53, 0.75), at_lightness(colors.primary, 0.47, 0.75)


def deep_grounds(palette: str) -> list[tuple[str, str]]:
    """Two tones each of the palette's main colours, deep enough for light art and more colourful than its dark."""
    colors = palette_of(palette)
    return [
        (at_lightness(color, 0.42, 0.9), at_lightness(color, 0.36, 0.9)) for color in (colors.primary, colors.secondary)
    ]


def at_lightness(color: str, lightness: float, saturation: float = 1.0) -> str:
    """The colour at a lightness of OKLab, [0, 1]; very light and very dark ones are nearly grey."""
    lab = to_oklab(np.array(rgb(color), dtype=np.float64) / 255)
    room = min(1.0, 4 * lightness * (1 - lightness) + 0.1)
    found = from_oklab(np.array([lightness, *(lab[1:] * saturation * room)]))
    return "#{:02x}{:02x}{:02x}".format(*(round(255 * float(value)) for value in found))
