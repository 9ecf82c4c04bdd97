"""Puts a picture into another one as users' references appear: with margins, on screens and slides, as desk prints.

Each presentation says where the old picture's places went, so that labels of its things survive:

    shown = present(pixels, rng)
    new_places = shown.place(old_places)  # in [0, 1] of either picture
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from analogen.relsim.world.grounds import SURFACES, axes
from analogen.relsim.world.icon import Pixels
from analogen.relsim.world.presented import (
    BLACK,
    WHITE,
    Color,
    Place,
    Presented,
    inserted,
    projected,
    rgb,
    same,
    squared,
)

__all__ = ["PRESENTATIONS", "Presentation", "Presented", "present", "squared"]
WORDS = (
    "the", "of", "and", "light", "morning", "idea", "about", "seven", "project", "notes", "house", "river", "over",
    "under", "found", "first", "open", "table", "long", "view", "plan", "Monday", "story", "water", "people", "small",
    "between", "again", "window", "part", "study", "number", "early", "market", "garden", "road", "team",
)  # fmt: skip
Presentation = Callable[[Pixels, Generator], Presented]


def present(pixels: Pixels, rng: Generator) -> Presented:
    """The picture, (side, side, 3), in a random presentation of the same size: fitted whole, as encoders see it."""
    names = list(PRESENTATIONS)
    shown = PRESENTATIONS[names[int(rng.integers(len(names)))]](pixels, rng)
    return shown.then(partial(squared, side=len(pixels)))


def _any_color(rng: Generator) -> Color:
    """Often white or black, or a grey, or any."""
    kind = rng.random()
    if kind < 0.45:
        return WHITE if rng.random() < 0.6 else BLACK
    return rgb(np.full(3, rng.uniform(0, 255))) if kind < 0.65 else rgb(rng.uniform(0, 255, 3))


def _quad(rng: Generator, share: float, turn: float, lean: float, middle: Place = (0.5, 0.5)) -> list[Place]:
    """Corners of a square of this share of the side, turned by degrees, each corner moved by up to `lean` of it."""
    half, angle = share / 2, np.radians(turn)
    corners = np.array([(-half, -half), (half, -half), (half, half), (-half, half)])
    turned = corners @ np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    placed = turned + rng.uniform(-lean, lean, (4, 2)) * share + middle
    return [(float(x), float(y)) for x, y in placed]


def _surface(rng: Generator, width: int, height: int) -> Image.Image:
    side = max(width, height)
    drawn = SURFACES[int(rng.integers(len(SURFACES)))](rng, side)
    return Image.fromarray(np.clip(drawn, 0, 255).astype(np.uint8)[:height, :width])


def _text(rng: Generator, words: int) -> str:
    return " ".join(WORDS[int(i)] for i in rng.integers(0, len(WORDS), words))


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _lines(draw: ImageDraw.ImageDraw, rng: Generator, box: tuple[float, float, float, float], ink: Color) -> None:
    """Lines of text in a box (left, top, right, bottom)."""
    left, top, right, bottom = box
    size = max(7, int(rng.uniform(0.04, 0.07) * (right - left)))
    while top + size <= bottom:
        words = max(1, int((right - left) / (size * 2.6) * rng.uniform(0.6, 1)))
        draw.text((left, top), _text(rng, words), ink, _font(size))
        top += size * 1.45


# The presentations.


def margins(pixels: Pixels, rng: Generator) -> Presented:
    """A plain margin of 5 to 40 %, alike on all sides or not."""
    height, width = pixels.shape[:2]
    share = rng.uniform(0.05, 0.4)
    sides = np.full(4, share) if rng.random() < 0.6 else rng.uniform(0.03, share + 0.03, 4)
    left, top, right, bottom = (round(float(s) * max(width, height)) for s in sides)
    canvas = Image.new("RGB", (width + left + right, height + top + bottom), _any_color(rng))
    return inserted(canvas, pixels, (left, top, width, height))


def margins_of(pixels: Pixels, share: float, color: Color) -> Presented:
    """A plain margin of this share of each side."""
    height, width = pixels.shape[:2]
    left, top = int(share * width), int(share * height)
    canvas = Image.new("RGB", (width + 2 * left, height + 2 * top), color)
    return inserted(canvas, pixels, (left, top, width, height))


def passe_partout(pixels: Pixels, rng: Generator) -> Presented:
    """Framed behind a mount, on a wall."""
    height, width = pixels.shape[:2]
    mount, frame, wall = (round(float(rng.uniform(*s)) * width) for s in ((0.06, 0.16), (0.03, 0.08), (0.02, 0.16)))
    edge = mount + frame + wall
    canvas = _surface(rng, width + 2 * edge, height + 2 * edge)
    outer = (wall, wall, canvas.width - wall - 1, canvas.height - wall - 1)
    shade = Image.new("L", canvas.size)
    ImageDraw.Draw(shade).rectangle((outer[0] + 2, outer[1] + 4, outer[2] + 4, outer[3] + 6), 130)
    canvas.paste(BLACK, (0, 0), shade.filter(ImageFilter.GaussianBlur(3)))
    draw = ImageDraw.Draw(canvas)
    rail = np.array([(92, 62, 38), (30, 28, 28), (226, 222, 214), (176, 140, 70)][int(rng.integers(4))])
    for step in range(frame):
        light = 1.15 - 0.5 * abs(2 * step / max(frame - 1, 1) - 0.8)
        inset = (outer[0] + step, outer[1] + step, outer[2] - step, outer[3] - step)
        draw.rectangle(inset, outline=rgb(rail * light))
    inner = (wall + frame, wall + frame, outer[2] - frame, outer[3] - frame)
    paper = rgb(rng.uniform(225, 255) + rng.uniform(-8, 0, 3))
    draw.rectangle(inner, paper)
    draw.rectangle((edge - 2, edge - 2, edge + width + 1, edge + height + 1), outline=rgb(np.array(paper) * 0.82))
    return inserted(canvas, pixels, (edge, edge, width, height))


def bars(pixels: Pixels, rng: Generator) -> Presented:
    """Bars at the sides or above and below, plain or filled with the picture itself, blurred."""
    ratio = float(rng.choice([16 / 9, 4 / 3, 3 / 2, 2.35, 9 / 16, 3 / 4, 2 / 3, 9 / 19.5]))
    return barred(pixels, ratio, None if rng.random() < 0.25 else _any_color(rng))


def barred(pixels: Pixels, ratio: float, color: Color | None) -> Presented:
    """Widened or heightened to width / height = ratio; color None: with the picture, enlarged and blurred."""
    height, width = pixels.shape[:2]
    across, down = max(width, round(height * ratio)), max(height, round(width / ratio))
    if color is None:
        long = max(across, down)
        filled = Image.fromarray(pixels).resize((16, 16), Image.Resampling.BOX).resize((long, long))
        canvas = filled.crop(((long - across) // 2, (long - down) // 2, (long + across) // 2, (long + down) // 2))
        canvas = canvas.resize((across, down))
    else:
        canvas = Image.new("RGB", (across, down), color)
    return inserted(canvas, pixels, ((across - width) // 2, (down - height) // 2, width, height))


def _status(draw: ImageDraw.ImageDraw, rng: Generator, width: int, bar: int, ink: Color) -> None:
    """The hour at the left; signal and battery at the right."""
    size = max(7, int(bar * 0.62))
    draw.text((width * 0.06, bar * 0.15), f"{rng.integers(0, 24)}:{rng.integers(0, 60):02}", ink, _font(size))
    right = width * 0.93
    draw.rounded_rectangle((right - size * 1.4, bar * 0.3, right, bar * 0.3 + size * 0.65), 2, outline=ink)
    draw.rectangle((right - size * 1.2, bar * 0.42, right - size * 0.5, bar * 0.3 + size * 0.45), ink)
    for k in range(4):
        x = right - size * (2.6 - 0.25 * k)
        draw.line((x, bar * 0.3 + size * (0.5 - 0.12 * k), x, bar * 0.3 + size * 0.65), ink, 1)


def phone(pixels: Pixels, rng: Generator) -> Presented:
    """A phone that shows the picture between two bars, alone or lying somewhere."""
    height, width = pixels.shape[:2]
    dark = rng.random() < 0.6
    ground, ink = ((16, 16, 18), (235, 235, 235)) if dark else ((250, 250, 250), (30, 30, 30))
    down = round(width * rng.uniform(1.5, 2.15))
    screen = Image.new("RGB", (width, down), ground)
    draw, bar = ImageDraw.Draw(screen), max(12, round(0.06 * width))
    _status(draw, rng, width, bar, ink)
    top = int((down - height) * rng.uniform(0.35, 0.6))
    if rng.random() < 0.5:
        draw.text((width * 0.06, bar * 1.4), _text(rng, 2), ink, _font(max(9, round(0.07 * width))))
    for k in range(4):
        x, y, r = width * (0.2 + 0.2 * k), down - 0.09 * width, 0.025 * width
        draw.ellipse((x - r, y - r, x + r, y + r), outline=ink)
    shown = inserted(screen, pixels, (0, top, width, height))
    return shown.then(partial(_in_case, rng=rng)) if rng.random() < 0.6 else shown


def _in_case(pixels: Pixels, rng: Generator) -> Presented:
    """A screen with round corners in a dark case, on a surface."""
    height, width = pixels.shape[:2]
    rim, edge = max(3, round(0.03 * width)), round(float(rng.uniform(0.03, 0.2)) * width)
    canvas = _surface(rng, width + 2 * edge, height + 2 * edge)
    case = (edge - rim, edge - rim, edge + width + rim - 1, edge + height + rim - 1)
    shade = Image.new("L", canvas.size)
    ImageDraw.Draw(shade).rounded_rectangle((case[0] + 2, case[1] + 4, case[2] + 3, case[3] + 6), 3 * rim, 150)
    canvas.paste(BLACK, (0, 0), shade.filter(ImageFilter.GaussianBlur(4)))
    ImageDraw.Draw(canvas).rounded_rectangle(case, 3 * rim, (20, 20, 22))
    return inserted(canvas, pixels, (edge, edge, width, height), 2 * rim)


def print_on_desk(pixels: Pixels, rng: Generator) -> Presented:
    """A print with a white edge or none, aslant on a surface."""
    side = max(pixels.shape[:2])
    canvas = _surface(rng, side, side)
    shown = margins_of(pixels, float(rng.uniform(0.02, 0.08)), WHITE) if rng.random() < 0.5 else same(1.0 * pixels)
    share = float(rng.uniform(0.6, 0.88))
    middle = tuple(0.5 + rng.uniform(-1, 1, 2) * 0.4 * (0.95 - share))
    corners = _quad(rng, share, float(rng.normal(0, 7)), 0.07, (float(middle[0]), float(middle[1])))
    return shown.then(lambda seen: projected(canvas, seen, corners, shadow=float(rng.uniform(0.3, 0.7))))


def slide(pixels: Pixels, rng: Generator) -> Presented:
    """A slide of 16:9 or 4:3 with a title and a few lines beside the picture."""
    height, width = pixels.shape[:2]
    down = round(height * rng.uniform(1.2, 1.5))
    across = round(down * float(rng.choice([16 / 9, 4 / 3])))
    dark = rng.random() < 0.3
    canvas = Image.new("RGB", (across, down), rgb(rng.uniform(15, 50, 3)) if dark else rgb(rng.uniform(238, 255, 3)))
    ink: Color = (235, 235, 235) if dark else (50, 50, 55)
    draw, bar = ImageDraw.Draw(canvas), (down - height) * 0.8
    title = ink
    if rng.random() < 0.5:
        draw.rectangle((0, 0, across, bar * 0.9), rgb(rng.uniform(20, 150, 3)))
        title = WHITE
    draw.text((0.04 * across, 0.2 * bar), _text(rng, 4), title, _font(max(9, int(bar * 0.42))))
    room = across - width
    left = round(room * 0.06) if rng.random() < 0.4 else across - width - round(room * 0.06)
    free = (left + width + room * 0.08, across - room * 0.06) if left < room / 2 else (room * 0.06, left - room * 0.08)
    if free[1] - free[0] > 30:
        _lines(draw, rng, (free[0], bar * 1.3, free[1], bar + height * rng.uniform(0.4, 0.9)), ink)
    return inserted(canvas, pixels, (left, round(bar), width, height))


def captioned(pixels: Pixels, rng: Generator) -> Presented:
    """A line or two below the picture, as under a figure, or on the wide edge of an instant print."""
    height, width = pixels.shape[:2]
    edge = round(float(rng.choice([0.0, 0.05, 0.08])) * width)
    foot = round(float(rng.uniform(0.12, 0.26)) * height)
    dark = rng.random() < 0.2
    canvas = Image.new("RGB", (width + 2 * edge, height + edge + foot), (20, 20, 20) if dark else (252, 251, 248))
    size = max(8, round(foot * rng.uniform(0.25, 0.42)))
    ink: Color = (240, 240, 240) if dark else (35, 35, 40)
    for line in range(1 if size > 0.3 * foot else 2):
        text = f"Fig. {rng.integers(1, 20)}: {_text(rng, 4)}" if rng.random() < 0.4 else _text(rng, 5)
        place = (edge + 0.03 * width, edge + height + foot * 0.18 + 1.3 * size * line)
        ImageDraw.Draw(canvas).text(place, text, ink, _font(size))
    return inserted(canvas, pixels, (edge, edge, width, height))


def watermarked(pixels: Pixels, rng: Generator) -> Presented:
    """Pale words across, once or in rows."""
    color = WHITE if rng.random() < 0.7 else BLACK
    return stamped(pixels, _text(rng, 1).upper(), color, float(rng.uniform(0.18, 0.5)), bool(rng.random() < 0.5))


def stamped(pixels: Pixels, word: str, color: Color, opacity: float, rows: bool) -> Presented:
    image = Image.fromarray(pixels)
    width, height = image.size
    long = round(1.5 * max(width, height))
    mask = Image.new("L", (long, long))
    draw, level = ImageDraw.Draw(mask), round(255 * opacity)
    if rows:
        size = max(8, round(0.07 * width))
        for row in range(0, long, 3 * size):
            draw.text(((row // 3) % (4 * size) - 4 * size, row), f"{word}      " * 10, level, _font(size))
    else:
        size = max(8, round(min(1.1 * width / max(len(word), 4), 0.3 * width) * 1.3))
        draw.text((long / 2, long / 2), word, level, _font(size), anchor="mm")
    mask = mask.rotate(28, Image.Resampling.BILINEAR)
    left, top = (long - width) // 2, (long - height) // 2
    image.paste(color, (0, 0), mask.crop((left, top, left + width, top + height)))
    return same(image)


def app(pixels: Pixels, rng: Generator) -> Presented:
    """A post in an app, or a page in a window: a bar above, a name and a portrait, text and buttons below."""
    height, width = pixels.shape[:2]
    dark = rng.random() < 0.35
    ground: Color = (24, 26, 30) if dark else (250, 250, 251)
    ink: Color = (226, 228, 232) if dark else (36, 38, 42)
    edge = round(float(rng.uniform(0.0, 0.2)) * width)
    head, foot = round(float(rng.uniform(0.14, 0.26)) * height), round(float(rng.uniform(0.12, 0.4)) * height)
    canvas = Image.new("RGB", (width + 2 * edge, height + head + foot), ground)
    draw = ImageDraw.Draw(canvas)
    if rng.random() < 0.4:  # a window
        draw.rectangle((0, 0, canvas.width, 0.45 * head), rgb(np.array(ground) * 0.88))
        for k, light in enumerate(((237, 106, 94), (245, 191, 79), (97, 197, 84))):
            r = 0.09 * head
            x, y = 0.4 * head + 3 * r * k, 0.22 * head
            draw.ellipse((x - r, y - r, x + r, y + r), light)
    radius, top = 0.2 * head, 0.55 * head
    x = edge + 0.04 * width
    draw.ellipse((x, top, x + 2 * radius, top + 2 * radius), rgb(rng.uniform(60, 220, 3)))
    draw.text((x + 2.6 * radius, top), _text(rng, 2), ink, _font(max(8, round(0.24 * head))))
    base = head + height
    size = max(4, round(0.045 * width))
    for k in range(3):
        left = edge + 0.04 * width + 2 * size * k
        draw.ellipse((left, base + size * 0.6, left + size, base + 1.6 * size), outline=ink)
    _lines(draw, rng, (edge + 0.04 * width, base + 2.2 * size, edge + 0.96 * width, canvas.height - 2), ink)
    return inserted(canvas, pixels, (edge, head, width, height), round(0.03 * width) if rng.random() < 0.3 else 0)


def torn(pixels: Pixels, rng: Generator) -> Presented:
    """Torn out and pasted, with a white edge of the paper, on another surface or beside a strip of tape."""
    side = max(pixels.shape[:2])
    canvas = _surface(rng, side, side)
    share = float(rng.uniform(0.68, 0.9))
    corners = _quad(rng, share, float(rng.normal(0, 6)), 0.01)
    reach = 0.02 * side
    inner = _torn_mask(rng, side, 0.035 * side, reach)
    outer = _torn_mask(rng, side, 0.012 * side, reach * 0.5)
    sheet = Image.new("RGB", (side, side), (248, 246, 240))
    sheet.paste(Image.fromarray(pixels).resize((side, side)), (0, 0), inner)
    shown = projected(canvas, np.asarray(sheet), corners, outer, shadow=float(rng.uniform(0.3, 0.6)))
    if rng.random() < 0.5:
        tape = Image.new("RGB", (8, 8), rgb(rng.uniform(190, 240) + rng.uniform(-20, 20, 3)))
        x, y = np.array(corners).mean(0)
        around = np.array([(-0.12, -0.03), (0.12, -0.03), (0.12, 0.03), (-0.12, 0.03)]) + np.array([x, y - share / 2])
        quad = [(float(u), float(v)) for u, v in around]
        taped = projected(Image.fromarray(shown.pixels), np.asarray(tape), quad, Image.new("L", (8, 8), 190))
        return Presented(taped.pixels, shown.matrix)
    return shown


def _torn_mask(rng: Generator, side: int, inset: float, reach: float) -> Image.Image:
    """What is left of a sheet of which the edges were torn off."""
    steps = np.linspace(0, side, max(8, side // 5))
    edges = []
    for _ in range(4):
        walk = np.convolve(rng.normal(0, 1, len(steps) + 4), np.ones(5) / 5, "valid")
        edges.append(inset + reach * np.abs(walk))
    points = [(x, d) for x, d in zip(steps, edges[0], strict=True)]
    points += [(side - d, y) for y, d in zip(steps, edges[1], strict=True)]
    points += [(x, side - d) for x, d in zip(steps[::-1], edges[2], strict=True)]
    points += [(d, y) for y, d in zip(steps[::-1], edges[3], strict=True)]
    inside = [p for p in points if inset <= p[0] <= side - inset and inset <= p[1] <= side - inset]
    mask = Image.new("L", (side, side))
    ImageDraw.Draw(mask).polygon([(float(x), float(y)) for x, y in inside], 255)
    return mask


def low_light(pixels: Pixels, rng: Generator) -> Presented:
    """Taken at dusk: dark, a lamp's glow in one place, coloured noise."""
    side_y, side_x = pixels.shape[:2]
    x, y = axes(side_x)[0], axes(side_y)[1]
    glow = np.exp(-((x - rng.uniform(-0.8, 0.8)) ** 2 + (y - rng.uniform(-0.8, 0.8)) ** 2) / rng.uniform(0.4, 2))
    light = rng.uniform(0.14, 0.3) + rng.uniform(0.15, 0.45) * glow
    tint = np.array([1.1, 0.95, 0.7]) if rng.random() < 0.6 else np.array([0.75, 0.9, 1.15])
    noise = rng.normal(0, rng.uniform(2, 7), pixels.shape).astype(np.float32)
    return same(pixels * (light[..., None] * tint).astype(np.float32) + noise)


def projector(pixels: Pixels, rng: Generator) -> Presented:
    """On a wall in a dark room: keystoned, washed out, brighter in the middle."""
    side = max(pixels.shape[:2])
    x, y = axes(side)
    wall = np.asarray(_surface(rng, side, side).convert("L"), np.float32)[..., None] * rng.uniform(0.08, 0.25)
    room = wall * rng.uniform(0.8, 1.1, 3).astype(np.float32) + 6
    share, key = float(rng.uniform(0.62, 0.88)), float(rng.uniform(-0.08, 0.08))
    corners = _quad(rng, share, float(rng.normal(0, 2)), 0.015)
    corners = [(0.5 + (cx - 0.5) * (1 + key * (1 if cy < 0.5 else -1)), cy) for cx, cy in corners]
    lamp = (rng.uniform(0.75, 1.0) - rng.uniform(0, 0.3) * (x * x + y * y))[..., None].astype(np.float32)
    shown = projected(Image.new("RGB", (side, side)), pixels, corners)
    washed = shown.pixels * np.float32(rng.uniform(0.55, 0.85)) * lamp + room
    there = projected(Image.new("RGB", (side, side)), np.full((2, 2, 3), 255, np.uint8), corners).pixels / 255
    lit = washed + there * float(rng.uniform(15, 60))
    return Presented(np.clip(lit, 0, 255).astype(np.uint8), shown.matrix)


def page(pixels: Pixels, rng: Generator) -> Presented:
    """A figure in a page of text."""
    height, width = pixels.shape[:2]
    edge, head, foot = (round(float(rng.uniform(0.08, 0.3)) * width) for _ in range(3))
    canvas = Image.new("RGB", (width + 2 * edge, height + head + foot + edge), rgb(rng.uniform(236, 255, 3)))
    draw, ink = ImageDraw.Draw(canvas), rgb(rng.uniform(10, 70, 3))
    _lines(draw, rng, (0.3 * edge + 4, 0.2 * edge, canvas.width - 0.3 * edge, head - 4), ink)
    _lines(draw, rng, (0.3 * edge + 4, head + height + 8, canvas.width - 0.3 * edge, canvas.height - 0.3 * edge), ink)
    return inserted(canvas, pixels, (edge, head, width, height))


PRESENTATIONS: dict[str, Presentation] = {
    made.__name__: made
    for made in (
        margins, passe_partout, bars, phone, print_on_desk, slide, captioned, watermarked, app, torn, low_light,
        projector, page,
    )
}  # fmt: skip


# For evaluation: the same for every picture, always.
