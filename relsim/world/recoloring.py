"""Paints a drawing in another colour: its main colour becomes the new one, its shading and its other colours stay."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from analogen.relsim.world.icon import Art, Icon, Pixels
from analogen.relsim.world.oklab import from_oklab, to_oklab

_SEEN_PX = 64
_COLORED = 0.06  # chroma in OKLab above which a colour is none of the greys
_MAIN_SHARE = 0.12  # of the visible pixels: with fewer coloured ones, the greys are the main colour
_NEAR, _FAR = (
    50.0,
    80.0,
)  # degrees of hue from the main one: fully painted up to the first, not at all beyond the second
_SHADING = 0.75  # how much of the differences in lightness is kept
_VALUE = r"(#[0-9a-fA-F]{3,8}\b|rgb\([^)]*\)|(?!none|url|inherit|currentColor|transparent)[a-zA-Z]+)"
_COLOR_IN_SVG = re.compile(rf"\b(fill|stroke|stop-color|flood-color|lighting-color)(\s*[=:]\s*[\"']?\s*){_VALUE}")


@dataclass(frozen=True)
class Paint:
    """How colours change: those of the main colour, OKLab, become shades of the target.

    hue   Degrees of the main colour, None where it is grey.
    """

    lightness: float
    chroma: float
    hue: float | None
    target: tuple[float, float, float]

    def apply(self, rgb: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 3) sRGB in [0, 1] to the same of the painted colours."""
        lab = to_oklab(rgb)
        light, chroma = lab[:, 0], np.hypot(lab[:, 1], lab[:, 2])
        if self.hue is None:
            # Greys as light as most are painted; the far lighter or darker ones are eyes, teeth and outlines.
            share = 1 - _step(np.abs(light - self.lightness), 0.3, 0.5)
            share *= 1 - _step(chroma, _COLORED, 2 * _COLORED)
            strength = np.ones_like(chroma)
        else:
            hue = np.degrees(np.arctan2(lab[:, 2], lab[:, 1]))
            away = np.abs((hue - self.hue + 180) % 360 - 180)
            share = (1 - _step(away, _NEAR, _FAR)) * _step(chroma, 0.02, _COLORED)
            strength = np.clip(chroma / max(self.chroma, 1e-6), 0.4, 1.25)
        target_light, a, b = self.target
        painted = np.stack(
            [np.clip(target_light + _SHADING * (light - self.lightness), 0.06, 0.985), a * strength, b * strength],
            axis=1,
        )
        return from_oklab(lab + share[:, None] * (painted - lab))


def paint_for(pixels: Pixels, color: str) -> Paint:
    """The change that gives a drawing a colour. pixels: (height, width, 4) RGBA; color: "#rrggbb"."""
    visible = pixels[pixels[..., 3] > 127][:, :3]
    seen = visible.astype(np.float64) / 255  # (n, 3)
    target = to_oklab(np.array([ImageColor.getrgb(color)[:3]], dtype=np.float64) / 255)[0]
    goal = (float(target[0]), float(target[1]), float(target[2]))
    if not len(seen):
        return Paint(0.5, 0.1, None, goal)
    lab = to_oklab(seen)
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    colored = chroma > _COLORED
    if colored.mean() < _MAIN_SHARE:
        greys = lab[~colored] if (~colored).any() else lab
        return Paint(float(np.median(greys[:, 0])), 0.0, None, goal)
    hues = np.degrees(np.arctan2(lab[:, 2], lab[:, 1]))
    # The hue with the most colour within `_NEAR` of it.
    tried = np.arange(0, 360, 10)
    near = np.abs((hues[None] - tried[:, None] + 180) % 360 - 180) <= _NEAR
    main = int(np.argmax((near * np.where(colored, chroma, 0)[None]).sum(axis=1)))
    own = near[main] & colored
    middle = np.arctan2(lab[own, 2].mean(), lab[own, 1].mean())
    return Paint(float(np.median(lab[own, 0])), float(np.median(chroma[own])), float(np.degrees(middle)), goal)


@dataclass(frozen=True)
class PaintedPicture:
    """Art of pixels in another colour."""

    art: Art
    color: str

    @property
    def name(self) -> str:
        return self.art.name

    def document(self, side: int = 512, standing: bool = False) -> None:
        """None, because a picture of pixels has no SVG."""

    def pixels(self, side: int, standing: bool = False) -> Pixels:
        """See `Art.pixels`."""
        pixels = np.array(self.art.pixels(side, standing))
        paint = paint_for(self.art.pixels(_SEEN_PX), self.color)
        painted = paint.apply(pixels[..., :3].reshape(-1, 3).astype(np.float64) / 255)
        pixels[..., :3] = np.rint(255 * painted).astype(np.uint8).reshape(*pixels.shape[:2], 3)
        pixels.setflags(write=False)
        return pixels


def painted(art: Art, color: str) -> Art:
    """The drawing in a colour, "#rrggbb": an SVG with other colours, or changed pixels where it is no SVG."""
    if not isinstance(art, Icon):
        return PaintedPicture(art, color)
    paint = paint_for(art.pixels(_SEEN_PX), color)

    def change(match: re.Match[str]) -> str:
        try:
            value = ImageColor.getrgb(match[3])
        except ValueError:
            return match[0]
        alpha = f"{value[3]:02x}" if len(value) == 4 else ""
        rgb = np.rint(255 * paint.apply(np.array([value[:3]], dtype=np.float64) / 255)[0]).astype(int)
        return f"{match[1]}{match[2]}#{rgb[0]:02x}{rgb[1]:02x}{rgb[2]:02x}{alpha}"

    # What names no colour is black.
    body = _COLOR_IN_SVG.sub(change, f'<g fill="#000000">{art.body}</g>')
    return replace(art, body=body)


def _step(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """0 up to `low`, 1 from `high` on, smooth between."""
    share = np.clip((values - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)
