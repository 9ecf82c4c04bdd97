"""Draws the backgrounds of scenes."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import skia
from numpy.typing import NDArray

from analogen.relsim.world.palette import mix, rgb
from analogen.relsim.world.scene import Background
from analogen.relsim.world.shapes import Linear, Shape, draw_shapes, rectangle

TEXTURED = ("paper", "noise")  # drawn as pixels; the others are shapes
_GRAIN_PX = 256
_BLOBS_PX = 40  # what is this soft is smooth enough when scaled up from here


def background_shapes(background: Background, half_width: float, half_height: float) -> tuple[Shape, ...]:
    """The background as shapes, without the texture of textured kinds.

    half_width, half_height: of the canvas, in half short sides; the origin is its centre.
    """
    first, second = background.color, background.color2
    whole = rectangle(-half_width, -half_height, 2 * half_width, 2 * half_height)
    dx, dy = math.cos(math.radians(background.turn)), math.sin(math.radians(background.turn))
    if background.kind == "gradient":
        reach = abs(dx) * half_width + abs(dy) * half_height  # the corners get the pure colours
        ends = ((0.0, first, 1.0), (1.0, second, 1.0))
        return (Shape(whole, Linear(-dx * reach, -dy * reach, dx * reach, dy * reach, ends)),)
    if background.kind == "stripes":
        step, soft = 0.18, 0.04
        bands = (
            (0.0, second, 1.0), (soft, first, 1.0), (0.5 - soft, first, 1.0), (0.5 + soft, second, 1.0),
            (1 - soft, second, 1.0), (1.0, second, 1.0),
        )  # fmt: skip
        return (Shape(whole, Linear(0, 0, 2 * step * dx, 2 * step * dy, bands, repeat=True)),)
    if background.kind == "horizon":
        level = min(max(background.level, -half_height), half_height)
        sky = Linear(0, -half_height, 0, level, ((0.0, mix(first, "#ffffff", 0.12), 1.0), (1.0, first, 1.0)))
        return (
            Shape(whole, sky if level > -half_height else first),
            Shape(
                rectangle(-half_width, level, 2 * half_width, half_height - level + 1e-3),
                _ground(background, half_height),
            ),
        )
    return (Shape(whole, first),)


def _ground(background: Background, half_height: float) -> Linear:
    color, level = background.color2, background.level
    stops = ((0.0, mix(color, "#ffffff", 0.1), 1.0), (0.06, color, 1.0), (1.0, mix(color, "#000000", 0.12), 1.0))
    return Linear(0, level, 0, max(half_height, level + 0.1), stops)


def draw_background(canvas: skia.Canvas, background: Background, width: int, height: int) -> None:
    """Fills the canvas, whose coordinates are still pixels."""
    if background.kind in TEXTURED and min(width, height) > _GRAIN_PX:
        pixels = texture(background, width, height)
        opaque = np.concatenate([pixels, np.full_like(pixels[..., :1], 255)], axis=-1)
        image = skia.Image.fromarray(opaque, skia.ColorType.kRGBA_8888_ColorType)
        smooth = skia.SamplingOptions(skia.FilterMode.kLinear)
        canvas.drawImageRect(image, skia.Rect.MakeWH(width, height), smooth)
        return
    short = min(width, height)
    canvas.save()
    canvas.translate(width / 2, height / 2)
    canvas.scale(short / 2, short / 2)
    half_width, half_height = width / short, height / short
    draw_shapes(canvas, background_shapes(background, half_width, half_height))
    rng = np.random.default_rng(background.seed)
    if background.kind == "noise":
        _draw_blobs(canvas, background, rng, max(half_width, half_height))
    if background.kind in TEXTURED:
        _draw_grain(canvas, rng)
    canvas.restore()


def texture(background: Background, width: int, height: int) -> NDArray[np.uint8]:
    """(rows, columns, 3) of a textured background in the canvas's proportions; the grain has no finer detail."""
    scale = min(1.0, _GRAIN_PX / min(width, height))
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    pixels = np.zeros((height, width, 4), dtype=np.uint8)
    surface = skia.Surface(pixels, skia.ColorType.kRGBA_8888_ColorType, skia.AlphaType.kPremul_AlphaType)
    draw_background(surface.getCanvas(), background, width, height)
    return pixels[..., :3].copy()


def _draw_blobs(canvas: skia.Canvas, background: Background, rng: np.random.Generator, reach: float) -> None:
    """Soft clouds of the second colour: a few random cells, enlarged smoothly."""
    surface = skia.Surface(_BLOBS_PX, _BLOBS_PX)
    smooth = skia.SamplingOptions(skia.CubicResampler.Mitchell())
    for cells, strength in ((5, 0.75), (11, 0.4)):
        pixels = np.empty((cells + 2, cells + 2, 4), dtype=np.uint8)
        pixels[..., :3] = rgb(background.color2)
        pixels[..., 3] = np.rint(255 * strength * rng.random((cells + 2, cells + 2)) ** 1.3)
        image = skia.Image.fromarray(pixels, skia.ColorType.kRGBA_8888_ColorType)
        edge = _BLOBS_PX / cells  # one cell beyond each edge
        place = skia.Rect.MakeLTRB(-edge, -edge, _BLOBS_PX + edge, _BLOBS_PX + edge)
        surface.getCanvas().drawImageRect(image, place, smooth)
    linear = skia.SamplingOptions(skia.FilterMode.kLinear)
    canvas.drawImageRect(surface.makeImageSnapshot(), skia.Rect.MakeLTRB(-reach, -reach, reach, reach), linear)


@lru_cache(maxsize=1)
def _grain() -> skia.Image:
    """Tileable grain: light and dark specks of paper fibre, mostly transparent."""
    rng = np.random.default_rng(0)
    noise: NDArray[np.float64] = np.zeros((_GRAIN_PX, _GRAIN_PX))
    frequency = np.hypot(np.fft.fftfreq(_GRAIN_PX)[:, None], np.fft.fftfreq(_GRAIN_PX)[None])
    white = np.fft.fft2(rng.normal(size=(_GRAIN_PX, _GRAIN_PX)))
    for sigma, weight in ((0.8, 1.0), (3.0, 0.8)):
        layer = np.fft.ifft2(white * np.exp(-2 * (math.pi * frequency * sigma) ** 2)).real
        noise += weight * layer / layer.std()
    noise /= noise.std()
    pixels = np.zeros((_GRAIN_PX, _GRAIN_PX, 4), dtype=np.uint8)
    pixels[..., :3] = np.where(noise > 0, 255, 0)[..., None]
    pixels[..., 3] = np.rint(np.minimum(np.abs(noise) * np.where(noise > 0, 16, 9), 60))
    return skia.Image.fromarray(pixels, skia.ColorType.kRGBA_8888_ColorType).withDefaultMipmaps()


def _draw_grain(canvas: skia.Canvas, rng: np.random.Generator) -> None:
    scale = 2 / _GRAIN_PX
    x, y = rng.integers(0, _GRAIN_PX, 2) * scale
    place = skia.Matrix.MakeAll(scale, 0, float(x), 0, scale, float(y), 0, 0, 1)
    tile = skia.TileMode.kRepeat
    sampling = skia.SamplingOptions(skia.FilterMode.kLinear, skia.MipmapMode.kNearest)
    canvas.drawPaint(skia.Paint(Shader=_grain().makeShader(tile, tile, sampling, place), Alphaf=0.45))
