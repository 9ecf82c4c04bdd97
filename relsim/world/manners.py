"""Imitates drawing techniques (ink, paint, paper, print, chalk) on a picture, for training.

Like those of `relsim.hands`: each takes an RGB picture and a generator, keeps where things are, and changes how they
look.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

from analogen.relsim.world.grounds import cloudy

Plane = NDArray[np.float32]  # (h, w)
Color = NDArray[np.float64]  # (3,)
Manner = Callable[[Image.Image, Generator], Image.Image]


def _array(image: Image.Image) -> NDArray[np.float32]:
    return np.asarray(image, np.float32)


def _picture(pixels: NDArray[np.floating]) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _unit(image: Image.Image) -> float:
    """How many pixels a line of one pixel at 208 has here."""
    return max(0.5, min(image.size) / 208)


def _tone(image: Image.Image) -> Plane:
    """(h, w) brightness in [0, 1], stretched over the whole range."""
    return np.asarray(_array(ImageOps.autocontrast(image.convert("L"), cutoff=1)) / 255, np.float32)


def _clouds(image: Image.Image, rng: Generator, *cells: tuple[int, int, float]) -> Plane:
    side = max(image.size)
    return cloudy(rng, side, *cells)[: image.height, : image.width]


def _edges(image: Image.Image, spread: float) -> Plane:
    """(h, w) in [0, 1]: where colours change, by the strongest difference of a channel across `spread` pixels."""
    soft = _array(image.filter(ImageFilter.GaussianBlur(spread)))
    across, down = np.zeros(soft.shape[:2], np.float32), np.zeros(soft.shape[:2], np.float32)
    across[:, 1:-1] = np.abs(soft[:, 2:] - soft[:, :-2]).max(-1)
    down[1:-1] = np.abs(soft[2:] - soft[:-2]).max(-1)
    return np.asarray(np.hypot(across, down) / 255, np.float32)


def _lines(image: Image.Image, rng: Generator, width: float = 1.0) -> Plane:
    """(h, w) in [0, 1]: the outlines as thin soft lines, at the ridges of the edges."""
    spread = width * float(rng.uniform(0.7, 1.1)) * _unit(image)
    edges = _edges(image, spread)
    around = _array(_picture(255 * np.minimum(edges, 1)).filter(ImageFilter.GaussianBlur(2.5 * spread))) / 255
    ridge = edges - 0.9 * around - rng.uniform(0.008, 0.02)
    return np.asarray(np.clip(ridge * rng.uniform(14, 30), 0, 1), np.float32)


def _swayed(image: Image.Image, rng: Generator, reach: float) -> Image.Image:
    """As by a hand that is not quite steady: each place moved by up to `reach` pixels, smoothly."""
    cells = 7
    xs, ys = np.linspace(0, image.width, cells + 1), np.linspace(0, image.height, cells + 1)
    moved = rng.uniform(-reach, reach, (cells + 1, cells + 1, 2))
    moved[[0, -1]] = moved[:, [0, -1]] = 0  # nothing comes in at the border
    mesh = []
    for row in range(cells):
        for column in range(cells):
            box = (round(xs[column]), round(ys[row]), round(xs[column + 1]), round(ys[row + 1]))
            quad: list[float] = []
            for r, c in ((row, column), (row + 1, column), (row + 1, column + 1), (row, column + 1)):
                quad += [float(xs[c] + moved[r, c, 0]), float(ys[r] + moved[r, c, 1])]
            mesh.append((box, tuple(quad)))
    return image.transform(image.size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)


def _inked(ink: Plane, pen: Color, paper: NDArray[np.floating]) -> Image.Image:
    return _picture(paper * (1 - ink[..., None]) + pen * ink[..., None])


def _sheet(image: Image.Image, rng: Generator, low: float = 225) -> NDArray[np.float64]:
    """(h, w, 3) paper, a little uneven."""
    color = rng.uniform(low, 254) + rng.uniform(-12, 2, 3)
    return np.asarray(color * (1 + _clouds(image, rng, (5, 5, 0.02), (90, 90, 0.02))[..., None]))


def pen(image: Image.Image, rng: Generator) -> Image.Image:
    """Outlines, and tones by hatching: the darker, the more directions."""
    image = _swayed(image, rng, 1.2 * _unit(image))
    ink = _lines(image, rng)
    tone = _tone(image.filter(ImageFilter.GaussianBlur(1.5 * _unit(image))))
    if rng.random() < 0.5:  # against the ground, whatever its tone
        tone = np.asarray(1 - np.abs(tone - np.median(tone)), np.float32)
    y, x = np.mgrid[: image.height, : image.width].astype(np.float32)
    sway = _clouds(image, rng, (8, 8, 1.5))
    pitch, first = rng.uniform(3.2, 6) * _unit(image), rng.uniform(0, np.pi)
    for level, turn in ((0.62, 0.0), (0.4, rng.uniform(0.9, 1.5)), (0.2, rng.uniform(0.4, 0.7))):
        across = x * np.cos(first + turn) + y * np.sin(first + turn) + sway
        stroke = np.clip(1.2 - np.abs(across % pitch - pitch / 2), 0, 1)
        ink = np.maximum(ink, stroke * np.clip((level - tone) * 9, 0, 1) * rng.uniform(0.6, 0.95))
    pen_color = rng.uniform(0, 60, 3) if rng.random() < 0.8 else rng.uniform(20, 140, 3)
    return _inked(np.asarray(ink, np.float32), np.asarray(pen_color), _sheet(image, rng))


def line_art(image: Image.Image, rng: Generator) -> Image.Image:
    """Even outlines on white, empty or filled with flat colours as in a colouring book."""
    width = float(rng.uniform(0.7, 1.6))
    ink = _lines(image, rng, width)
    ink = np.clip((_array(_picture(ink * 255).filter(ImageFilter.GaussianBlur(0.6 * width))) / 255 - 0.16) * 6, 0, 1)
    paper: NDArray[np.floating] = np.full((*ink.shape, 3), 254.0)
    if rng.random() < 0.35:
        flat = image.filter(ImageFilter.MedianFilter(3)).quantize(int(rng.integers(5, 12))).convert("RGB")
        pale = rng.uniform(0, 0.5)
        paper = _array(flat) * (1 - pale) + 255 * pale
    dark = rng.uniform(0, 40, 3)
    if rng.random() < 0.12:
        paper, dark = 255 - paper, np.full(3, 245.0)
    return _inked(np.asarray(ink, np.float32), np.asarray(dark), paper)


def kuwahara(image: Image.Image, rng: Generator) -> Image.Image:
    """Brushed: each pixel takes the mean of the calmest of the four squares at it (Kuwahara 1976)."""
    radius = max(1, round(float(rng.uniform(2.5, 5.5)) * _unit(image)))
    pixels = _array(image)
    pixels = pixels + 10 * _clouds(image, rng, (60, 25, 1.0))[..., None]  # the brush's hairs
    stack = np.concatenate([pixels, (pixels.mean(-1, keepdims=True)) ** 2], -1)  # (h, w, 4)
    height, width = pixels.shape[:2]
    padded = np.pad(stack, ((radius + 1, radius), (radius + 1, radius), (0, 0)), "edge")
    sums = padded.astype(np.float64).cumsum(0).cumsum(1)
    side = radius + 1
    means = (sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]) / side**2
    best = np.full((height, width), np.inf)
    chosen = np.empty((height, width, 3))
    for down in (0, radius):
        for right in (0, radius):
            part = means[down : down + height, right : right + width]
            spread = part[..., 3] - part[..., :3].mean(-1) ** 2
            better = spread < best
            best = np.where(better, spread, best)
            chosen[better] = part[better][:, :3]
    vivid = chosen.mean(-1, keepdims=True)
    return _picture(vivid + (chosen - vivid) * rng.uniform(1.0, 1.4))


def palette_knife(image: Image.Image, rng: Generator) -> Image.Image:
    """Thick dabs, large ones first, small ones where much would be lost."""
    unit, soft = _unit(image), image.filter(ImageFilter.BoxBlur(1))
    canvas = image.filter(ImageFilter.GaussianBlur(6 * unit))
    colors = np.asarray(soft, np.int16)
    lean = rng.uniform(0, np.pi)
    for length, count in ((15.0, 260), (8.5, 500), (5.0, 520)):
        wrong = np.abs(colors - np.asarray(canvas, np.int16)).max(-1).astype(np.float64) + (6 if length > 9 else 1.5)
        cumulative = (wrong**1.3).cumsum()
        spots = np.searchsorted(cumulative, rng.uniform(0, cumulative[-1], count))
        draw = ImageDraw.Draw(canvas)
        rows, columns = np.divmod(spots, image.width)
        angles = lean + rng.normal(0, 0.5, count)
        half = unit * length * rng.uniform(0.6, 1.1, count) / 2
        thin = half * rng.uniform(0.3, 0.55, count)
        light = rng.normal(0, 7, count)
        ax, ay = np.cos(angles), np.sin(angles)
        corners = np.stack(
            [np.stack([columns + a * half * ax - b * thin * ay, rows + a * half * ay + b * thin * ax], -1)
             for a, b in ((-1, -1), (1, -0.8), (1, 0.8), (-1, 1))], 1,
        )  # fmt: skip
        paints = np.clip(colors[rows, columns] + light[:, None], 0, 255).astype(int)
        for quad, paint in zip(corners.reshape(count, 8).tolist(), paints.tolist(), strict=True):
            draw.polygon(quad, tuple(paint))
    relief = canvas.convert("L").filter(ImageFilter.Kernel((3, 3), (-1, -1, 0, -1, 0, 1, 0, 1, 1), 1, 128))
    return _picture(_array(canvas) + rng.uniform(0.1, 0.3) * (_array(relief)[..., None] - 128))


def collage(image: Image.Image, rng: Generator) -> Image.Image:
    """Pieces of coloured paper glued over each other, each with its edge and its shadow."""
    unit = _unit(image)
    calm = image.filter(ImageFilter.GaussianBlur(0.9 * unit))
    reduced = calm.quantize(int(rng.integers(8, 16)), Image.Quantize.FASTOCTREE)
    layers = np.asarray(reduced)
    palette = _palette(reduced)
    counts = np.bincount(layers.ravel(), minlength=len(palette))
    fibres = _clouds(image, rng, (80, 80, 0.05), (16, 16, 0.05))
    largest = int(counts.argmax())
    canvas = np.broadcast_to(palette[largest], (*layers.shape, 3)) * (1 + fibres[..., None])
    for index in np.argsort(-counts).tolist():
        if index == largest or counts[index] < 12:
            continue
        piece = Image.fromarray(((layers == index) * 255).astype(np.uint8))
        cut = piece.filter(ImageFilter.GaussianBlur(1.2 * unit)).point(lambda v: min(max(6 * (v - 100), 0), 255))
        shade = cut.filter(ImageFilter.BoxBlur(1.6 * unit))
        shade = ImageChops.offset(shade, max(1, round(unit)), max(1, round(1.6 * unit)))
        there, dark = _array(cut)[..., None] / 255, _array(shade)[..., None] * np.float32(0.45 / 255)
        color = np.clip(palette[index] + rng.uniform(-14, 14, 3), 0, 255).astype(np.float32)
        texture = 1 + np.roll(fibres, rng.integers(0, 200, 2), (0, 1)) * np.float32(1.6)
        canvas = canvas * ((1 - dark) * (1 - there)) + there * texture[..., None] * color
    return _picture(canvas)


def _palette(image: Image.Image) -> NDArray[np.float32]:
    """(colours, 3) of a picture of few colours."""
    used = int(np.asarray(image).max()) + 1
    return np.array(image.getpalette()[: 3 * used], np.float32).reshape(-1, 3)  # type: ignore[index]


def low_poly(image: Image.Image, rng: Generator) -> Image.Image:
    """Triangles of one colour each, over a lattice that is not quite even."""
    cell = float(rng.uniform(5.0, 8.5)) * _unit(image)
    columns, rows = max(2, round(image.width / cell)), max(2, round(image.height / cell))
    ys, xs = np.mgrid[0 : rows + 1, 0 : columns + 1].astype(float)
    inner = ((ys > 0) & (ys < rows), (xs > 0) & (xs < columns))
    ys = ys + inner[0] * rng.uniform(-0.38, 0.38, ys.shape)
    xs = xs + inner[1] * rng.uniform(-0.38, 0.38, xs.shape)
    points = np.stack([xs * image.width / columns, ys * image.height / rows], -1)
    a, b, c, d = points[:-1, :-1], points[:-1, 1:], points[1:, 1:], points[1:, :-1]
    slant = rng.random((rows, columns, 1)) < 0.5
    first = np.stack([a, b, np.where(slant, c, d)], 2)
    second = np.stack([np.where(slant, a, b), c, d], 2)
    triangles = np.concatenate([first.reshape(-1, 3, 2), second.reshape(-1, 3, 2)])
    middle = triangles.mean(1).astype(int)
    colors = np.asarray(image.filter(ImageFilter.BoxBlur(0.22 * cell)), np.int16)
    paints = colors[middle[:, 1].clip(0, image.height - 1), middle[:, 0].clip(0, image.width - 1)]
    paints = np.clip(paints + rng.normal(0, 4, (len(paints), 1)), 0, 255).astype(int)
    drawn = Image.new("RGB", image.size)
    draw = ImageDraw.Draw(drawn)
    for triangle, paint in zip(triangles.reshape(-1, 6).tolist(), paints.tolist(), strict=True):
        draw.polygon(triangle, tuple(paint), outline=tuple(paint))
    return drawn


def poster(image: Image.Image, rng: Generator) -> Image.Image:
    """Few flat colours with clean borders, sometimes of another palette."""
    smooth = image.filter(ImageFilter.MedianFilter(3))
    if rng.random() < 0.4:
        smooth = smooth.filter(ImageFilter.GaussianBlur(0.8 * _unit(image)))
    if rng.random() < 0.5:
        flat = smooth.quantize(int(rng.integers(4, 9)))
    else:
        flat = smooth.quantize(int(rng.integers(8, 16)), Image.Quantize.FASTOCTREE)
    if rng.random() < 0.4:  # screen print: the inks by their order of brightness
        indices = np.asarray(flat)
        old = _palette(flat)
        inks = rng.uniform(10, 250, (len(old), 3))
        inks[np.argsort(old.sum(1))] = inks[np.argsort(inks.sum(1))]
        return _picture((0.35 * old + 0.65 * inks)[indices])
    return flat.convert("RGB")


def duotone(image: Image.Image, rng: Generator) -> Image.Image:
    """Two inks printed over each other, the second one a little beside its place, with a rough grain."""
    tone = Image.fromarray((_tone(image) * 255).astype(np.uint8))
    away = rng.integers(-2, 3, 2) * max(1, round(_unit(image) * 0.7))
    hue = rng.uniform(0, 2 * np.pi)
    wheel = np.array([0, 2 * np.pi / 3, 4 * np.pi / 3])
    inks = [np.clip(120 + 130 * np.cos(hue + turn + wheel), 0, 255) for turn in (0, rng.uniform(1.5, 3.5))]
    inks[0] = inks[0] * 0.55
    light = _array(tone) / 255
    beside = _array(ImageChops.offset(tone, int(away[0]), int(away[1]))) / 255
    colors = _array(image)
    warm = np.clip((colors[..., 0] - colors[..., 2]) / 255 + 0.5, 0, 1)
    first = np.clip(1.15 * (1 - light), 0, 1)
    second = np.clip(0.9 * warm * (1.25 - beside), 0, 1)
    rough = 1 - 0.5 * (_clouds(image, rng, (150, 150, 1.0)) > rng.uniform(0.5, 0.9))
    shown = np.broadcast_to(_sheet(image, rng, 238), colors.shape)
    for amount, ink in ((second * rough, inks[1]), (first * rough, inks[0])):  # each ink takes light away
        shown = shown * (1 - amount[..., None] * (1 - np.asarray(ink) / 255))
    return _picture(shown)


def chalk(image: Image.Image, rng: Generator) -> Image.Image:
    """Chalk on a board: outlines and some rubbed colour, broken by the board's grain."""
    image = _swayed(image, rng, 1.0 * _unit(image))
    line = _lines(image, rng, float(rng.uniform(1.0, 1.7)))
    board = np.array([(38, 60, 50), (34, 36, 40), (44, 50, 66), (60, 44, 36)][int(rng.integers(4))], float)
    board = board * (1 + _clouds(image, rng, (3, 3, 0.15), (9, 20, 0.14), (60, 60, 0.05))[..., None])
    tooth = _clouds(image, rng, (110, 110, 1.0), (170, 170, 0.7))
    line = np.clip(1.5 * line, 0, 1) * np.clip(0.85 + 0.45 * tooth, 0, 1)
    colors, ground = _array(image), np.median(_array(image).reshape(-1, 3), 0)
    away = np.clip(np.abs(colors - ground).max(-1) / 90, 0, 1)
    rubbed = away * np.clip(rng.uniform(0.1, 0.6) + 0.5 * tooth, 0, 1) * rng.uniform(0.3, 0.85)
    grey = colors.mean(-1, keepdims=True)
    hues = grey + (colors - grey) * rng.choice((0.0, 0.8, 1.3))
    pale = 0.55 * hues + 0.45 * 240
    shown = board * (1 - rubbed[..., None]) + pale * rubbed[..., None]
    return _picture(shown * (1 - line[..., None]) + line[..., None] * rng.uniform(205, 250))


def halftone(image: Image.Image, rng: Generator) -> Image.Image:
    """Dots that grow with the tone: black, one ink, or the four of a newspaper, each at its own angle."""
    pitch = float(rng.uniform(2.6, 4.6)) * _unit(image)
    y, x = np.mgrid[: image.height, : image.width].astype(np.float32)

    def dots(dark: Plane, turn: float) -> Plane:
        u = (x * np.cos(turn) + y * np.sin(turn)) * np.float32(np.pi / pitch)
        v = (y * np.cos(turn) - x * np.sin(turn)) * np.float32(np.pi / pitch)
        screen = 0.5 + 0.5 * np.cos(2 * u) * 0.5 + 0.25 * np.cos(2 * v)  # 1 in the middle of a dot
        return np.asarray(np.clip((dark - (1 - screen)) * 4 + 0.5, 0, 1), np.float32)

    paper = _sheet(image, rng, 235)
    if rng.random() < 0.5:
        ink = rng.uniform(0, 70, 3) if rng.random() < 0.6 else rng.uniform(0, 170, 3)
        return _inked(dots(1 - _tone(image), float(rng.uniform(0, np.pi))), np.asarray(ink), paper)
    light = _array(ImageOps.autocontrast(image, cutoff=1)) / 255
    key = 1 - light.max(-1)
    shown = paper
    for channel, turn in enumerate(np.radians([15, 75, 0])):
        ink = np.ones(3)
        ink[channel] = 0.12
        amount = dots(np.asarray(1 - light[..., channel] - 0.6 * key, np.float32), float(turn))
        shown = shown * (1 - amount[..., None] * (1 - ink))
    black = dots(np.asarray(key * 0.9, np.float32), float(np.radians(45)))
    return _picture(shown * (1 - 0.85 * black[..., None]))


def watercolour(image: Image.Image, rng: Generator) -> Image.Image:
    """Thin washes that run out pale and gather at their edges, on rough paper."""
    unit = _unit(image)
    run = _swayed(image, rng, 1.6 * unit).filter(ImageFilter.MedianFilter(3))
    wash = _array(run.filter(ImageFilter.GaussianBlur(0.7 * unit))) / 255
    pools = 1 + _clouds(image, rng, (5, 5, 0.3), (14, 14, 0.22), (50, 50, 0.08))
    pale = rng.uniform(0.55, 0.85)
    rim = np.clip(_edges(run, 1.2 * unit) * 1.6, 0, 0.5)
    thick = np.clip((1 - wash) * pale * pools[..., None], 0, 1) * (1 + rim[..., None])
    return _picture(_sheet(image, rng, 240) * (1 - np.clip(thick, 0, 1)))


def linocut(image: Image.Image, rng: Generator) -> Image.Image:
    """Two tones, cut by hand: what is darker than its surroundings is printed, with stray marks of the knife."""
    unit, grey = _unit(image), image.convert("L")
    local = _array(grey.filter(ImageFilter.GaussianBlur(12 * unit)))
    soft = _array(grey.filter(ImageFilter.GaussianBlur(0.6 * unit)))
    bound = 0.55 * local + 0.45 * soft.mean()
    marks = 9 * np.sin(_clouds(image, rng, (6, 6, 12.0)) + np.arange(image.width) * float(rng.uniform(0.9, 1.6)))
    printed = np.clip((bound - soft + 0.8 * marks - rng.uniform(2, 9)) / 9, 0, 1)
    printed = np.maximum(printed, _lines(image, rng, 1.2))
    if rng.random() < 0.25:
        printed = 1 - printed
    ink = rng.uniform(0, 50, 3) if rng.random() < 0.6 else rng.uniform(0, 150, 3)
    patchy = 1 - 0.25 * (_clouds(image, rng, (120, 120, 1.0)) > 0.6)
    return _inked(np.asarray(printed * patchy, np.float32), np.asarray(ink), _sheet(image, rng))


MANNERS: tuple[Manner, ...] = (
    pen, line_art, kuwahara, palette_knife, collage, low_poly, poster, duotone, chalk, halftone, watercolour, linocut,
)  # fmt: skip
