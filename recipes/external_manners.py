"""The manners of the external references: pen, charcoal, cut paper, stained glass, mosaic, cross-stitch and type."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from external_layouts import WORK, Array, Drawing, Shape
from PIL import Image, ImageDraw, ImageFilter, ImageFont


def noise(rng: np.random.Generator, side: int, cell: int) -> Array:
    """(side, side) smooth noise in [0, 1]."""
    small = Image.fromarray((rng.random((side // cell + 2, side // cell + 2)) * 255).astype(np.uint8))
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC), float) / 255


def pixels(points: Array) -> list[tuple[float, float]]:
    """Points in [-1, 1] as pixels of the working canvas."""
    return [(float(x), float(y)) for x, y in (points * 0.94 + 1) * WORK / 2]


def jitter_path(points: Array, rng: np.random.Generator, amount: float, closed: bool) -> Array:
    """The path, resampled and slightly displaced, as if drawn by hand."""
    path = np.vstack([points, points[:1]]) if closed else points
    lengths = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    steps = max(6, int(lengths[-1] / 0.03))
    at = np.linspace(0, lengths[-1], steps)
    dense = np.column_stack([np.interp(at, lengths, path[:, k]) for k in (0, 1)])
    knots = np.linspace(0, 1, max(3, steps // 5))
    sway = np.column_stack(
        [np.interp(np.linspace(0, 1, steps), knots, rng.normal(0, amount, len(knots))) for _ in "xy"]
    )
    return dense + sway


def mask_of(shape: Shape, points: Array | None = None, width_px: float = 0) -> Array:
    """(WORK, WORK) coverage in [0, 1] of the area, or of its stroke if a width is given."""
    image = Image.new("L", (WORK, WORK))
    draw, path = ImageDraw.Draw(image), pixels(shape.points if points is None else points)
    if width_px or not shape.closed:
        width = round(width_px or shape.width * WORK / 2)
        draw.line([*path, path[0]] if shape.closed and points is None else path, 255, width, "curve")
    else:
        draw.polygon(path, 255)
    return np.asarray(image, float) / 255


def blend(canvas: Array, mask: Array, color: Any) -> Array:
    """The canvas with a colour where the mask is 1."""
    return np.asarray(canvas * (1 - mask[..., None]) + np.asarray(color, float) * mask[..., None])


def to_image(canvas: Array) -> Image.Image:
    return Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))


def pen(drawing: Drawing, palette: dict[str, Any], background: Any, rng: np.random.Generator) -> Image.Image:
    paper = np.array([246, 241, 228]) - 14 * noise(rng, WORK, 3)[..., None] * noise(rng, WORK, 90)[..., None]
    canvas, ink = paper.copy(), np.array([38, 42, 70])
    y, x = np.mgrid[:WORK, :WORK]
    for shape in drawing.shapes:
        if shape.closed:
            inside = mask_of(shape)
            canvas = blend(canvas, inside * min(1, shape.alpha + 0.2), paper)
            spacing = {"k": 5, "a": 11, "c": 15, "r": 7}.get(shape.ink, 0)
            if spacing:
                hatch = ((x + y + 6 * noise(rng, WORK, 40)) % spacing < 2.2) * inside
                canvas = blend(canvas, hatch * 0.75 * shape.alpha, ink)
        for _ in range(2 if shape.closed else 3):
            path = jitter_path(shape.points, rng, 0.006, shape.closed)
            width = 3 if shape.closed else max(3, shape.width * WORK / 3)
            canvas = blend(canvas, mask_of(shape, path, width) * 0.85 * shape.alpha, ink)
    return to_image(canvas)


def charcoal(drawing: Drawing, palette: dict[str, Any], background: Any, rng: np.random.Generator) -> Image.Image:
    dark = np.zeros((WORK, WORK))
    tone = {"a": 0.62, "b": 0.32, "c": 0.5, "k": 0.9, "w": 0.08, "r": 0.8}
    for shape in drawing.shapes:
        if shape.closed:
            soft = (
                np.asarray(
                    Image.fromarray((mask_of(shape) * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(2)), float
                )
                / 255
            )
            dark = dark * (1 - soft * min(1, shape.alpha + 0.1)) + soft * shape.alpha * tone[shape.ink]
        path = jitter_path(shape.points, rng, 0.01, shape.closed)
        width = 7 if shape.closed else max(7, shape.width * WORK / 2)
        dark = np.maximum(dark, mask_of(shape, path, width) * 0.92 * shape.alpha)
    grain = 0.6 * noise(rng, WORK, 2) + 0.4 * noise(rng, WORK, 5)
    smudge = (
        np.asarray(Image.fromarray((dark * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(12)), float) / 255
    )
    shown = np.clip(dark * (0.5 + 1.0 * (grain > 0.42)) * 0.85 + 0.25 * smudge, 0, 1)
    paper = np.array([214, 206, 192]) - 26 * noise(rng, WORK, 4)[..., None]
    return to_image(paper * (1 - shown[..., None]) + 22 * shown[..., None])


def paper(drawing: Drawing, palette: dict[str, Any], background: Any, rng: np.random.Generator) -> Image.Image:
    fibres = 0.5 * noise(rng, WORK, 2) + 0.5 * noise(rng, WORK, 24)
    canvas = np.asarray(background, float) * (0.9 + 0.16 * fibres[..., None])
    for shape in drawing.shapes:
        path = jitter_path(shape.points, rng, 0.004, shape.closed)
        cut = mask_of(shape, path, 0 if shape.closed else shape.width * WORK / 2)
        shade = Image.fromarray((cut * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(6))
        shadow = np.roll(np.asarray(shade, float) / 255, (7, 5), (0, 1))
        canvas = canvas * (1 - 0.42 * shape.alpha * shadow[..., None])
        texture = 0.88 + 0.2 * np.roll(fibres, rng.integers(0, WORK, 2), (0, 1))
        canvas = blend(canvas, cut * shape.alpha, np.asarray(palette[shape.ink])[None, None] * texture[..., None])
    return to_image(canvas)


def glass(drawing: Drawing, palette: dict[str, Any], background: Any, rng: np.random.Generator) -> Image.Image:
    sites = rng.random((26, 2)) * WORK
    y, x = np.mgrid[:WORK, :WORK]
    far = np.stack([np.hypot(x - sx, y - sy) for sx, sy in sites])
    order = np.sort(far, axis=0)
    cells = np.array([(190, 214, 224), (206, 222, 214), (222, 226, 204), (176, 202, 220)], float)
    canvas = cells[far.argmin(0) % 4] * (0.8 + 0.3 * noise(rng, WORK, 60)[..., None])
    canvas = blend(canvas, np.clip((4 - (order[1] - order[0])) / 2, 0, 1), (52, 54, 60))
    light = 0.72 + 0.5 * noise(rng, WORK, 30)
    for shape in drawing.shapes:
        width = 6.0 if shape.closed else shape.width * WORK / 2 + 2
        if shape.closed:
            canvas = blend(
                canvas, mask_of(shape) * shape.alpha, np.asarray(palette[shape.ink])[None, None] * light[..., None]
            )
        canvas = blend(
            canvas, mask_of(shape, None, width) * shape.alpha, palette["r"] if shape.ink == "r" else (34, 34, 38)
        )
    return to_image(canvas)


def flat_colors(drawing: Drawing, palette: dict[str, Any], background: Any) -> Array:
    canvas = np.full((WORK, WORK, 3), 1.0) * np.asarray(background, float)
    for shape in drawing.shapes:
        canvas = blend(canvas, mask_of(shape) * shape.alpha, palette[shape.ink])
    return canvas


def mosaic(drawing: Drawing, palette: dict[str, Any], background: Any, rng: np.random.Generator) -> Image.Image:
    source = flat_colors(drawing, palette, background)
    image = Image.new("RGB", (WORK, WORK), (92, 88, 84))
    draw, step = ImageDraw.Draw(image), 13
    for row in range(WORK // step + 1):
        for column in range(WORK // step + 1):
            x, y = column * step + (row % 2) * step / 2 + rng.normal(0, 0.7), row * step + rng.normal(0, 0.7)
            color = source[min(WORK - 1, max(0, int(y))), min(WORK - 1, max(0, int(x)))] * rng.uniform(0.86, 1.1)
            turn, half = rng.normal(0, 0.12), step / 2 - 0.8
            corners = [(half * c, half * s) for c, s in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
            quad = [
                (x + a * math.cos(turn) - b * math.sin(turn), y + a * math.sin(turn) + b * math.cos(turn))
                for a, b in corners
            ]
            draw.polygon(quad, tuple(int(min(255, v)) for v in color))
    return image


def stitch(drawing: Drawing, palette: dict[str, Any], background: Any, rng: np.random.Generator) -> Image.Image:
    source = flat_colors(drawing, palette, background)
    y, x = np.mgrid[:WORK, :WORK]
    linen = (
        np.array([226, 218, 200]) - 22 * ((x % 6 < 2) ^ (y % 6 < 2))[..., None] - 12 * noise(rng, WORK, 3)[..., None]
    )
    image = to_image(linen)
    draw, step = ImageDraw.Draw(image), 12
    for top in range(0, WORK, step):
        for left in range(0, WORK, step):
            color = source[top + step // 2, left + step // 2]
            if np.abs(color - np.asarray(background)).max() < 14:
                continue
            for a, b, light in (((1, 1), (step - 2, step - 2), 0.82), ((1, step - 2), (step - 2, 1), 1.06)):
                ink = tuple(int(min(255, v * light * rng.uniform(0.94, 1.04))) for v in color)
                draw.line([(left + a[0], top + a[1]), (left + b[0], top + b[1])], ink, 5)
    return image


def typed(drawing: Drawing, palette: dict[str, Any], background: Any, rng: np.random.Generator) -> Image.Image:
    source = flat_colors(drawing, palette, background)
    image = Image.new("RGB", (WORK, WORK), (250, 248, 240))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(15)
    for top in range(0, WORK, 11):
        for left in range(0, WORK, 9):
            color = source[min(top + 6, WORK - 1), min(left + 4, WORK - 1)]
            if np.abs(color - np.asarray(background)).max() >= 14:
                dark = color.mean()
                draw.text(
                    (left, top - 3),
                    "@" if dark < 80 else "#" if dark < 130 else "x" if dark < 190 else "-",
                    (30, 30, 34),
                    font,
                )
    return image


MANNERS = {"pen": pen, "charcoal": charcoal, "paper": paper, "glass": glass, "mosaic": mosaic, "stitch": stitch,
           "type": typed}  # fmt: skip
