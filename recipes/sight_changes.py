"""Layouts of the logics that change the thing itself: cut, dissolved, one piece missing, before and after."""

from __future__ import annotations

import itertools
import math

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance
from sight_layouts import layout
from sight_stage import WORK, Stage


@layout("sliced", avoids="coarse flat slant")
def sliced(s: Stage) -> None:
    n, across = s.integer(3, 5), s.coin()
    size = s.size_in(1.35, 1.3)
    art = s.record("thing", 0, 0, size)
    if across:
        art = art.transpose(Image.Transpose.ROTATE_90)
    gap, lean = round(s.uniform(0.13, 0.17) * WORK / 2), s.uniform(-0.25, 0.25)
    sheet = Image.new("RGBA", (art.width + gap * (n - 1), art.height))
    for i in range(n):
        low, high = art.width * i / n, art.width * (i + 1) / n
        part, mask = art.copy(), Image.new("L", art.size)
        slant = lean * art.width / n / 2
        left = (low + slant, low - slant) if i else (-1.0, -1.0)
        right = (high + slant, high - slant) if i < n - 1 else (art.width + 1.0, art.width + 1.0)
        corners = [(left[0], 0), (right[0], 0), (right[1], art.height), (left[1], art.height)]
        ImageDraw.Draw(mask).polygon(corners, fill=255)
        part.putalpha(Image.fromarray(np.minimum(np.asarray(mask), np.asarray(art.getchannel("A")))))
        sheet.alpha_composite(part, (gap * i, 0))
    if across:
        sheet = sheet.transpose(Image.Transpose.ROTATE_270)
    s.lay(sheet, 0, 0, s.shadow)


@layout("pixelated", avoids="coarse")
def pixelated(s: Stage) -> None:
    size = s.size_in(1.55, 1.5)
    art = s.record("thing", 0, 0, size)
    result = art.copy()
    steps = ((0.26, 16), (0.46, 32), (0.7, 60))
    for start, block in steps:
        left = round(start * art.width / block) * block
        result.paste(blocks(art, block).crop((left, 0, art.width, art.height)), (left, 0))
    s.lay(result, 0, 0, s.shadow)
    loose = result.crop((art.width - 60, 0, art.width, art.height)).resize((1, 8), Image.Resampling.NEAREST)
    for i in range(8):  # the last pixels drift off
        colour = loose.getpixel((0, i))
        if isinstance(colour, tuple) and colour[3] > 80:
            x, y = art.width / WORK + s.uniform(0.0, 0.16), (i - 3.5) / 8 * 2 * art.height / WORK
            half = s.uniform(0.025, 0.05)
            s.block(x - half, y - half, x + half, y + half, (colour[0], colour[1], colour[2]))


def blocks(art: Image.Image, block: int) -> Image.Image:
    """The art in squares of so many pixels, each all there or not."""
    columns, rows = math.ceil(art.width / block), math.ceil(art.height / block)
    padded = Image.new("RGBA", (columns * block, rows * block))
    padded.paste(art)
    small = padded.convert("RGBa").resize((columns, rows), Image.Resampling.BOX).convert("RGBA")
    small.putalpha(small.getchannel("A").point(lambda v: 255 if v > 80 else 0))
    return small.resize(padded.size, Image.Resampling.NEAREST).crop((0, 0, *art.size))


def edge_of(step: float, knob: float) -> list[tuple[float, float]]:
    """A piece's edge from 0 to `step` with a knob in the middle: how far along, how far out."""
    turns = np.radians(np.linspace(225, -45, 25))
    bow = [(step / 2 + knob * math.cos(t), knob * (math.sin(t) + math.sqrt(0.5))) for t in turns.tolist()]
    return [(0.0, 0.0), *bow, (step, 0.0)]


@layout("missing_piece", avoids="coarse")
def missing_piece(s: Stage) -> None:
    n, half = s.integer(3, 4), s.uniform(0.72, 0.84)
    side = round(half * WORK)
    card = Image.new("RGB", (side, side), s.light if s.coin() else tuple((v + 255) // 2 for v in s.accent))
    size = s.size_in(2 * half * 0.9, 2 * half * 0.9)
    art = s.record("thing", 0, 0, size)
    card.paste(art.convert("RGB"), ((side - art.width) // 2, (side - art.height) // 2), art.getchannel("A"))
    step, knob = side / n, side / n * 0.15
    column, row = hole = (s.integer(0, n - 1), s.integer(0, n - 1))
    gone = Image.new("L", card.size)
    cut, draw = ImageDraw.Draw(gone), ImageDraw.Draw(card)
    cut.rectangle((column * step, row * step, (column + 1) * step, (row + 1) * step), fill=255)
    for i, k, upright in itertools.product(range(1, n), range(n), (True, False)):
        out = 1 if (i + k + upright) % 2 else -1  # side that the knob of this edge sticks out to
        edge = [(along + k * step, i * step + out * off) for along, off in edge_of(step, knob)]
        points = [(b, a) if upright else (a, b) for a, b in edge]
        draw.line(points, (60, 54, 50), 3, joint="curve")
        here, there = (hole[0], row) if upright else (hole[1], column)
        if there == k and here in (i - 1, i):
            cut.polygon(points[1:-1], fill=0 if (here == i) == (out > 0) else 255)
    whole = card.convert("RGBA")
    piece = whole.copy()
    whole.putalpha(gone.point(lambda v: 255 - v))
    s.lay(whole, 0, 0, s.shadow)
    if s.coin(0.5):
        piece.putalpha(gone)
        piece = piece.crop(piece.getchannel("A").getbbox()).rotate(s.uniform(-30, 30), Image.Resampling.BICUBIC, True)
        corner = (0.8 if column < n / 2 else -0.8, 0.8 if row < n / 2 else -0.8)
        s.lay(piece, *corner, s.shadow)


@layout("before_after", avoids="coarse")
def before_after(s: Stage) -> None:
    size = s.size_in(0.84, 1.3)
    half = WORK // 2
    for x in (-0.5, 0.5):
        s.thing(x, 0.05, size)
    dull = ImageEnhance.Color(s.image.crop((0, 0, half, WORK))).enhance(0.08)
    dull = Image.blend(ImageEnhance.Contrast(dull).enhance(0.8), Image.new("RGB", dull.size, (140, 138, 134)), 0.3)
    vivid = ImageEnhance.Color(s.image.crop((half, 0, WORK, WORK))).enhance(1.5)
    s.image.paste(dull, (0, 0))
    s.image.paste(ImageEnhance.Brightness(vivid).enhance(1.15), (half, 0))
    s.block(-0.015, -1.1, 0.015, 1.1, s.light)
    if s.coin(0.6):
        s.polygon([(-0.12, -0.1), (0.0, -0.1), (0.0, -0.2), (0.16, 0), (0.0, 0.2), (0.0, 0.1), (-0.12, 0.1)], s.light)
