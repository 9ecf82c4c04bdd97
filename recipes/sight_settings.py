"""How one thing and its surroundings are laid out for each logic, and how a thing is transformed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter
from sight_layouts import facing, layout
from sight_stage import WORK, Colour, Stage, pixels_of, to_image

RED, GOLD = (200, 36, 36), (255, 238, 190)


def top_at(image: Image.Image, low: float, high: float) -> float:
    """Height of the highest pixel in those columns, as a share from the top."""
    alpha = np.asarray(image.getchannel("A")) > 90
    columns = alpha[:, int(low * image.width) : max(int(high * image.width), 1)].any(axis=1)
    return float(np.argmax(columns)) / image.height


@layout("water_reflection", avoids="coarse")
def water_reflection(s: Stage) -> None:
    line = s.uniform(-0.02, 0.16)
    size = min(s.size_in(1.3, 0.95 * (line + 1)), 1.3)
    height = s.extent(size)[1]
    s.thing(s.uniform(-0.15, 0.15), line - height / 2, size, shadow=0.0)
    row = round((line + 1) / 2 * WORK)
    above = np.asarray(s.image, float)
    y, x = np.arange(row, WORK), np.arange(WORK)
    back = np.clip(2 * row - y - 1, 0, row - 1)
    depth = (y - row) / (WORK - row)
    shift = np.round((2 + 7 * depth) * np.sin(0.35 * (y - row) / (0.4 + depth))).astype(int)
    columns = np.clip(x[None] + shift[:, None], 0, WORK - 1)
    water = above[back[:, None], columns]
    tint = np.asarray((60, 96, 120) if s.coin() else (40, 80, 84), float)
    water = water * 0.62 + tint * (0.28 + 0.12 * depth)[:, None, None]
    above[row:] = water
    above[row : row + 2] = above[row : row + 2] * 0.6 + 90
    s.image = to_image(above)
    s.boxes.append(replace(s.boxes[-1], y=min(line + 1 - s.boxes[-1].y, 1.0)))


@layout("peeking", avoids="coarse flat slant")
def peeking(s: Stage) -> None:
    size = min(s.size_in(1.3, 1.2), 1.4)
    width, height = s.extent(size)
    colour = s.accent if s.coin(0.3) else s.dark if s.coin() else s.light
    if s.coin(0.65):
        edge = s.uniform(-0.1, 0.2)
        s.thing(s.uniform(-0.25, 0.25), edge + height * s.uniform(-0.06, 0.04), size)
        s.block(-1.1 if s.coin() else -0.92, edge, 0.95, 1.1, colour)
        for y in np.arange(edge + 0.22, 1.0, 0.22):
            s.line([(-0.92, y), (0.92, y)], 0.012, s.dark if colour != s.dark else s.light, 0.5)
    else:
        side = -facing(s)  # it looks out to the free side
        s.thing(0.0, 0.0, size)
        x0, x1 = sorted((side * 1.1, side * width * 0.0))
        s.block(x0, -1.1, x1, 1.1, colour)


@layout("caged", avoids="coarse")
def caged(s: Stage) -> None:
    size, n = min(s.size_in(1.35, 1.25), 1.4), s.integer(6, 10)
    height = s.extent(size)[1]
    s.stand(0.0, 0.74, min(size, size * 1.4 / max(height, 1.4)))
    colour, width = (s.clear if s.coin(0.7) else (150, 150, 156)), s.uniform(0.03, 0.055)
    for x in np.linspace(-0.85, 0.85, n):
        s.line([(x, -0.86), (x, 0.86)], width, colour)
    for y in (-0.86, 0.86):
        s.line([(-0.92, y), (0.92, y)], width * 1.5, colour)


@layout("in_a_bubble", avoids="coarse")
def in_a_bubble(s: Stage) -> None:
    radius, x, y = s.uniform(0.72, 0.88), s.uniform(-0.08, 0.08), s.uniform(-0.08, 0.08)
    width, height = s.extent(1.0)
    s.disc(x, y, radius, radius, (236, 246, 255), 0.28, shadow=False)
    s.thing(x, y, 2 * radius * 0.82 / math.hypot(width, height), shadow=0.0)
    s.disc(x, y, radius, radius, (220, 240, 255), 0.12, shadow=False)
    s.hoop(x, y, radius, 0.035, (250, 252, 255) if s.photographic else (150, 190, 225), 0.85)
    shine = s.mask(
        lambda d: d.arc(s.corners(x, y, radius * 0.84, radius * 0.84), 195, 250, fill=255, width=round(0.05 * WORK / 2))
    )
    s.fill(shine.filter(ImageFilter.GaussianBlur(2)), (255, 255, 255), 0.85, shadow=False)
    s.disc(x + radius * 0.45, y + radius * 0.55, 0.06, 0.04, (255, 255, 255), 0.7, shadow=False)


@layout("forbidden", avoids="coarse")
def forbidden(s: Stage) -> None:
    radius, width, side = s.uniform(0.74, 0.86), s.uniform(0.11, 0.16), 1 if s.coin(0.75) else -1
    if s.coin(0.7):
        s.disc(0, 0, radius, radius, (248, 246, 242))
    w, h = s.extent(1.0)
    s.thing(0, 0, 2 * radius * 0.86 / math.hypot(w, h) * 1.05)
    s.hoop(0, 0, radius, width, RED)
    reach = (radius - width / 2) * math.sqrt(0.5)
    s.line([(-side * reach, -reach), (side * reach, reach)], width, RED)


@layout("bullseye", avoids="coarse")
def bullseye(s: Stage) -> None:
    n, outer = s.integer(4, 6), s.uniform(0.86, 0.95)
    for i in range(n):
        radius = outer * (n - i) / n
        s.disc(0, 0, radius, radius, (s.accent, s.light)[i % 2], shadow=i == 0)
    s.thing(0, 0, s.uniform(0.62, 0.8))


@layout("pedestal", avoids="coarse")
def pedestal(s: Stage) -> None:
    s.image = ImageEnhance.Brightness(s.image).enhance(0.5)
    top, half = s.uniform(0.22, 0.36), s.uniform(0.24, 0.32)
    beam = pixels_of([(-0.1, -1), (0.1, -1), (0.88, 1), (-0.88, 1)])
    cone = s.mask(lambda d: d.polygon(beam, fill=150))
    s.fill(cone.filter(ImageFilter.GaussianBlur(5)), GOLD, 0.85, shadow=False)
    s.disc(0, 0.93, 0.8, 0.07, GOLD, 0.4, shadow=False)
    stone = (196, 190, 180) if s.coin(0.7) else s.light
    shade: Colour = (stone[0] * 17 // 20, stone[1] * 17 // 20, stone[2] * 17 // 20)
    s.block(-half, top, half, 0.88, stone)
    s.block(half * 0.45, top, half, 0.88, shade)
    for y, wide in ((top, 1.3), (0.88, 1.45)):
        s.block(-half * wide, y - 0.045, half * wide, y + 0.045, stone)
    size = min(s.size_in(1.0, top + 0.72), 1.1)
    s.stand(0, top - 0.045, size)


@layout("lifted", avoids="coarse")
def lifted(s: Stage) -> None:
    n = s.integer(4, 7)
    size = min(s.size_in(0.95, 0.72), 0.95)
    y = 0.92 - s.extent(size)[1] / 2
    knot = y - s.extent(size)[1] / 2 + 0.04
    colours = ((206, 62, 58), (242, 188, 66), (72, 132, 190), (96, 164, 96), (168, 96, 176))
    places = [
        (0.62 * (i - (n - 1) / 2) / (n - 1) * 2, -0.5 - 0.22 * (i % 2) + s.uniform(-0.05, 0.05)) for i in range(n)
    ]
    for x, top in places:
        s.line([(x, top + 0.2), (0, knot)], 0.012, s.clear)
    for i, (x, top) in enumerate(places):
        colour = colours[i % 5]
        s.polygon([(x - 0.03, top + 0.25), (x + 0.03, top + 0.25), (x, top + 0.18)], colour)
        s.disc(x, top, 0.18, 0.22, colour)
        s.disc(x - 0.06, top - 0.08, 0.04, 0.06, (255, 255, 255), 0.55, shadow=False)
    s.thing(0, y, size)


@layout("crowned", needs="head", avoids="coarse")
def crowned(s: Stage) -> None:
    size = min(s.size_in(1.5, 1.15), 1.4)
    width, height = s.extent(size)
    image = s.cast["thing"].image
    alpha = np.asarray(image.getchannel("A")) > 90
    peak = np.nonzero(alpha[: max(1, image.height // 9)].any(axis=0))[0]
    x, foot = (float(np.median(peak)) / image.width - 0.5) * width, 0.9
    small = s.size_in(0.62, 0.42, "other")
    tall = s.extent(small, "other")[1]
    s.stand(-x / 2, foot, size)
    s.thing(x / 2, foot - height - tall / 2 + 0.2 * tall, small, "other")


@layout("riding", other="back")
def riding(s: Stage) -> None:
    size = min(s.size_in(1.5, 0.95, "other"), 1.5)
    width, height = s.extent(size, "other")
    image = s.cast["other"].image
    saddle, foot = (
        s.uniform(0.5, 0.62) if "left" in s.cast["other"].traits else s.uniform(0.38, 0.5),
        s.uniform(0.8, 0.92),
    )
    seat = foot - height * (1 - top_at(image, saddle - 0.05, saddle + 0.05))
    small = min(s.size_in(0.7, seat + 0.95), 0.62 * size)
    s.stand(0, foot, size, "other")
    tall = s.extent(small)[1]
    s.thing((saddle - 0.5) * width, seat + 0.1 * tall - tall / 2, small)


@layout("orbit", avoids="coarse")
def orbit(s: Stage) -> None:
    tilt, rx, ry = math.radians(s.uniform(-20, 20)), s.uniform(0.84, 0.9), s.uniform(0.32, 0.45)
    width, height = s.extent(1.0)
    size = min(0.95, 1.15 / max(width, 1e-6), 1.0 / height)

    def path(low: float, high: float) -> list[tuple[float, float]]:
        t = np.radians(np.linspace(low, high, 60))
        x, y = rx * np.cos(t), ry * np.sin(t)
        turned = x * math.cos(tilt) - y * math.sin(tilt), x * math.sin(tilt) + y * math.cos(tilt)
        return list(zip(turned[0].tolist(), turned[1].tolist(), strict=True))

    colour = s.light if s.photographic else s.clear
    s.line(path(180, 360), 0.022, colour)
    s.thing(0, 0, size)
    s.line(path(0, 180), 0.022, colour)
    at = path(float(s.rng.choice((20, 40, 140, 160))), 0)[0]
    s.thing(at[0], at[1], s.uniform(0.32, 0.4), "other")


@layout("parent_and_child", avoids="coarse")
def parent_and_child(s: Stage) -> None:
    ratio, side, foot = s.uniform(0.34, 0.5), 1 if s.coin() else -1, s.uniform(0.55, 0.8)
    size = min(s.size_in(1.75 / (1 + ratio), 1.35), 1.35)
    large, small = s.extent(size)[0], s.extent(size * ratio)[0]
    span, flip = large + small + 0.05, s.coin()
    s.stand(side * (large - span) / 2, foot, size, flip=flip)
    s.stand(side * (span - small) / 2, foot, size * ratio, flip=flip)


@layout("face_to_face", needs="left right")
def face_to_face(s: Stage) -> None:
    size, foot = min(s.size_in(0.86, 1.1), 1.1), s.uniform(0.3, 0.6)
    width = s.extent(size)[0]
    left_flips = facing(s) < 0
    for side in (-1, 1):
        s.stand(side * (width / 2 + 0.04), foot, size, flip=left_flips if side < 0 else not left_flips)


@layout("giant", avoids="coarse")
def giant(s: Stage) -> None:
    size, foot = min(s.size_in(1.45, 1.6), 1.7), 0.84
    s.stand(0, foot, size)
    tiny, n = s.uniform(0.17, 0.23), s.integer(7, 9)
    for i in range(n):
        s.stand(-0.9 + 1.8 * i / (n - 1), foot + s.uniform(0.02, 0.1), tiny, "other", flip=s.coin())


@layout("portrait", avoids="coarse")
def portrait(s: Stage) -> None:
    side, foot = 1 if s.coin() else -1, s.uniform(0.6, 0.8)
    size = s.size_in(0.86, 1.2)
    s.stand(-side * 0.48, foot, size)
    x, y, half = side * 0.48, s.uniform(-0.25, -0.1), 0.42
    tall = half * (1.0 if s.extent(1)[0] > 0.8 else 1.3)
    wood = (150, 106, 60) if s.coin() else s.dark
    s.block(x - half, y - tall, x + half, y + tall, wood)
    s.block(x - half + 0.06, y - tall + 0.06, x + half - 0.06, y + tall - 0.06, (246, 242, 232))
    s.block(x - half + 0.12, y - tall + 0.12, x + half - 0.12, y + tall - 0.12, s.accent, opacity=0.45)
    s.thing(x, y, s.size_in(2 * half - 0.3, 2 * tall - 0.3), shadow=0.0)


@layout("balance")
def balance(s: Stage) -> None:
    tilt = math.radians(s.uniform(5, 12) * (1 if s.coin() else -1))
    post, colour = -0.55, s.clear
    s.line([(0, post), (0, 0.86)], 0.05, colour)
    s.polygon([(-0.3, 0.92), (0.3, 0.92), (0.12, 0.8), (-0.12, 0.8)], colour)
    ends = [(side * 0.6 * math.cos(tilt), post + side * 0.6 * math.sin(tilt)) for side in (-1, 1)]
    s.line(ends, 0.05, colour)
    s.disc(0, post, 0.06, 0.06, s.accent)
    kinds = ("thing", "other") if s.coin() else ("other", "thing")
    for (x, y), kind in zip(ends, kinds, strict=True):
        pan = y + 0.8
        for edge in (-0.32, 0.32):
            s.line([(x, y), (x + edge, pan)], 0.012, colour)
        dish = s.mask(lambda d, x=x, pan=pan: d.pieslice(s.corners(x, pan, 0.36, 0.14), 0, 180, fill=255))  # type: ignore[misc]
        s.stand(x, pan + 0.02, s.size_in(0.56, 0.6, kind), kind)
        s.fill(dish, s.accent)


@layout("fruit_of_a_tree")
def fruit_of_a_tree(s: Stage) -> None:
    trunk, leaf = (104, 74, 48), ((64, 112, 58), (84, 128, 62), (52, 98, 66))[s.integer(0, 2)]
    s.polygon([(-0.12, 0.95), (0.12, 0.95), (0.07, 0.1), (-0.07, 0.1)], trunk)
    s.line([(0, 0.4), (-0.35, 0.0)], 0.07, trunk)
    s.line([(0, 0.35), (0.35, -0.05)], 0.07, trunk)

    def blobs(draw: ImageDraw.ImageDraw) -> None:
        draw.ellipse(s.corners(0, -0.32, 0.68, 0.5), fill=255)
        for i in range(14):
            t = math.tau * i / 14
            draw.ellipse(s.corners(0.66 * math.sin(t), -0.32 - 0.46 * math.cos(t), 0.2, 0.18), fill=255)

    crown = s.mask(blobs)
    s.fill(crown, leaf)
    if s.photographic:
        for _ in range(420):
            x, y = s.uniform(-0.8, 0.8), s.uniform(-0.95, 0.3)
            if crown.getpixel((round((x + 1) / 2 * WORK), round((y + 1) / 2 * WORK))):
                light = s.uniform(0.55, 1.35)
                green: Colour = (round(leaf[0] * light), round(leaf[1] * light), round(leaf[2] * light))
                t, r = s.uniform(0, math.tau), s.uniform(0.03, 0.05)
                quad = [(r, 0.0), (0.0, r * 0.4), (-r, 0.0), (0.0, -r * 0.4)]
                px = [((x + a * math.cos(t) - b * math.sin(t) + 1) / 2 * WORK,
                       (y + a * math.sin(t) + b * math.cos(t) + 1) / 2 * WORK) for a, b in quad]  # fmt: skip
                ImageDraw.Draw(s.image).polygon(px, fill=green)
    places = [
        (-0.42, -0.5),
        (0.02, -0.64),
        (0.44, -0.48),
        (-0.5, -0.12),
        (-0.14, -0.26),
        (0.24, -0.2),
        (0.56, -0.1),
        (0.02, 0.08),
    ]
    for x, y in places[: s.integer(6, 8)]:
        s.thing(x + s.uniform(-0.03, 0.03), y + s.uniform(-0.03, 0.03), s.uniform(0.27, 0.31))


@layout("thought_of", avoids="coarse", other="head")
def thought_of(s: Stage) -> None:
    side = 1 if s.coin() else -1
    size = s.size_in(0.8, 0.72, "other")
    s.stand(-side * 0.5, 0.9, size, "other", flip=("left" in s.cast["other"].traits) == (side > 0))
    white, x, y = (252, 252, 250), side * 0.3, -0.45

    def cloud(draw: ImageDraw.ImageDraw) -> None:
        draw.ellipse(s.corners(x, y, 0.52, 0.36), fill=255)
        for i in range(11):
            t = math.tau * i / 11
            draw.ellipse(s.corners(x + 0.46 * math.cos(t), y + 0.32 * math.sin(t), 0.17, 0.15), fill=255)

    s.fill(s.mask(cloud).filter(ImageFilter.MaxFilter(7)), s.dark)
    s.fill(s.mask(cloud), white, shadow=False)
    head = 0.9 - s.extent(size, "other")[1]
    for share, radius in ((0.18, 0.08), (0.5, 0.06), (0.8, 0.04)):
        px = (1 - share) * (x - side * 0.38) - share * side * 0.5
        py = (1 - share) * (y + 0.4) + share * max(head - 0.03, y + 0.55)
        s.disc(px, py, radius + 0.012, radius + 0.012, s.dark)
        s.disc(px, py, radius, radius, white, shadow=False)
    s.thing(x, y, s.size_in(0.72, 0.52), shadow=0.0)
