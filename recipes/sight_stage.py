"""A picture in the making: things, props and their shadows on a ground, and where the things are."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from sight_material import Art

SIDE, WORK = 320, 640  # pixels of the files, and while drawing
CLEAR = 75.0  # distance of the mean colours of a thing and a ground, of 442 at most
Field = NDArray[np.float64]
Colour = tuple[int, int, int]
Points = Sequence[tuple[float, float]]

INKS: tuple[tuple[Colour, Colour, Colour], ...] = (  # dark, light, accent
    ((58, 44, 36), (238, 228, 206), (178, 64, 52)),
    ((34, 46, 66), (232, 238, 242), (224, 148, 52)),
    ((44, 58, 46), (240, 236, 220), (70, 120, 170)),
    ((62, 40, 60), (244, 234, 238), (60, 140, 120)),
)


@dataclass(frozen=True)
class Box:
    """Where a thing is: centre and longer side in shares of the picture's side. kind: "thing" or "other"."""

    kind: str
    x: float
    y: float
    size: float


def smooth_noise(rng: np.random.Generator, cells: int, side: int = WORK) -> Field:
    """(side, side) in [0, 1], with so many cells across."""
    small = Image.fromarray((rng.random((cells + 1, cells + 1)) * 255).astype(np.uint8))
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC), np.float64) / 255


def to_image(pixels: Field) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


class Stage:
    """Coordinates are in [-1, 1], y down; sizes in the same unit, so 2 is the whole side."""

    def __init__(
        self, ground: Image.Image, subject: Art, other: Art, rng: np.random.Generator, photographic: bool
    ) -> None:
        self.image = ground
        self.cast = {"thing": subject, "other": other}
        self.rng = rng
        self.photographic = photographic
        self.dark, self.light, self.accent = INKS[int(rng.integers(len(INKS)))]
        self.boxes: list[Box] = []
        bright = float(np.asarray(ground.resize((1, 1), Image.Resampling.BOX), float).mean()) > 110
        self.clear = self.dark if bright else self.light  # of what is thin and must be seen on the ground
        self.lean = float(rng.choice((-1.0, 1.0)))  # side that shadows fall to
        self.shadow = float(rng.uniform(0.3, 0.55)) if photographic else float(rng.choice((0.0, 0.0, 0.25)))
        self.grain = 0.8 + 0.25 * smooth_noise(rng, 5) + 0.12 * smooth_noise(rng, 160) if photographic else None

    # Numbers.
    def uniform(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def integer(self, low: int, high: int) -> int:
        """low <= result <= high."""
        return int(self.rng.integers(low, high + 1))

    def coin(self, probability: float = 0.5) -> bool:
        return bool(self.rng.random() < probability)

    def extent(self, size: float, kind: str = "thing") -> tuple[float, float]:
        """Width and height of the thing of that longer side."""
        width, height = self.cast[kind].image.size
        return size * width / max(width, height), size * height / max(width, height)

    def size_in(self, width: float, height: float, kind: str = "thing") -> float:
        """The longer side with which the thing just fits."""
        w, h = self.extent(1.0, kind)
        return min(width / w, height / h)

    # Things.
    def record(self, kind: str, x: float, y: float, size: float) -> Image.Image:
        """Note that the thing is there, and return its art at that size."""
        self.boxes.append(Box(kind, (x + 1) / 2, (y + 1) / 2, size / 2))
        return scaled(self.cast[kind].image, *self.extent(size, kind))

    def thing(
        self, x: float, y: float, size: float, kind: str = "thing", *, turn: float = 0.0, flip: bool = False,
        opacity: float = 1.0, shadow: float | None = None,
    ) -> None:  # fmt: skip
        """Lay the thing down with its centre at (x, y). turn: degrees clockwise."""
        art = self.record(kind, x, y, size)
        if flip:
            art = art.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if turn:
            art = art.rotate(-turn, Image.Resampling.BICUBIC, expand=True)
        if opacity < 1:
            art.putalpha(art.getchannel("A").point(lambda v: round(v * opacity)))
        self.lay(art, x, y, self.shadow * opacity if shadow is None else shadow)

    def stand(self, x: float, foot: float, size: float, kind: str = "thing", *, flip: bool = False) -> None:
        """Put the thing on a ground at height `foot`, with a shadow where it touches."""
        width, height = self.extent(size, kind)
        if self.photographic:
            self.contact(x, foot, width)
        self.thing(x, foot - height / 2, size, kind, flip=flip)

    def contact(self, x: float, foot: float, width: float) -> None:
        mask = self.mask(
            lambda d: d.ellipse(self.corners(x, foot - 0.01 * width, width * 0.46, width * 0.06), fill=170)
        )
        self.image.paste((10, 10, 12), (0, 0), mask.filter(ImageFilter.GaussianBlur(7)))

    def lay(self, art: Image.Image, x: float, y: float, shadow: float = 0.0) -> None:
        left, top = round((x + 1) / 2 * WORK - art.width / 2), round((y + 1) / 2 * WORK - art.height / 2)
        if shadow > 0:
            blur = 7 if self.photographic else 2
            padded = Image.new("L", (art.width + 6 * blur, art.height + 6 * blur))
            padded.paste(art.getchannel("A"), (3 * blur, 3 * blur))
            soft = padded.filter(ImageFilter.GaussianBlur(blur)).point(lambda v: round(v * shadow))
            shift = (round(self.lean * 6), 8) if self.photographic else (4, 5)
            self.image.paste((10, 10, 14), (left - 3 * blur + shift[0], top - 3 * blur + shift[1]), soft)
        self.image.paste(art.convert("RGB"), (left, top), art.getchannel("A"))

    # Props.
    def corners(self, x: float, y: float, rx: float, ry: float) -> list[float]:
        return [(v + 1) / 2 * WORK for v in (x - rx, y - ry, x + rx, y + ry)]

    def mask(self, draw: Callable[[ImageDraw.ImageDraw], None]) -> Image.Image:
        mask = Image.new("L", (WORK, WORK))
        draw(ImageDraw.Draw(mask))
        return mask

    def fill(self, mask: Image.Image, colour: Colour, opacity: float = 1.0, shadow: bool = True) -> None:
        """Paint where the mask is, with texture in photographs."""
        if shadow and self.shadow > 0 and opacity > 0.9:
            shift = (round(self.lean * 5), 6)
            soft = mask.filter(ImageFilter.GaussianBlur(6)).point(lambda v: round(v * self.shadow))
            self.image.paste((10, 10, 14), shift, soft)
        paint: Image.Image | Colour = colour
        if self.grain is not None:
            paint = to_image(np.asarray(colour, float) * self.grain[..., None])
        weight = mask if opacity >= 1 else mask.point(lambda v: round(v * opacity))
        if isinstance(paint, Image.Image):
            self.image.paste(paint, (0, 0), weight)
        else:
            self.image.paste(paint, (0, 0, WORK, WORK), weight)

    def polygon(self, points: Points, colour: Colour, opacity: float = 1.0, shadow: bool = True) -> None:
        self.fill(self.mask(lambda d: d.polygon(pixels_of(points), fill=255)), colour, opacity, shadow)

    def line(self, points: Points, width: float, colour: Colour, opacity: float = 1.0) -> None:
        px = max(2, round(width * WORK / 2))
        self.fill(self.mask(lambda d: d.line(pixels_of(points), fill=255, width=px, joint="curve")), colour, opacity)

    def disc(
        self, x: float, y: float, rx: float, ry: float, colour: Colour, opacity: float = 1.0, shadow: bool = True
    ) -> None:
        self.fill(self.mask(lambda d: d.ellipse(self.corners(x, y, rx, ry), fill=255)), colour, opacity, shadow)

    def hoop(self, x: float, y: float, radius: float, width: float, colour: Colour, opacity: float = 1.0) -> None:
        px = max(2, round(width * WORK / 2))
        self.fill(
            self.mask(lambda d: d.ellipse(self.corners(x, y, radius, radius), outline=255, width=px)), colour, opacity
        )

    def block(self, x0: float, y0: float, x1: float, y1: float, colour: Colour, opacity: float = 1.0) -> None:
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour, opacity)


def pixels_of(points: Points) -> list[tuple[float, float]]:
    return [((x + 1) / 2 * WORK, (y + 1) / 2 * WORK) for x, y in points]


def scaled(image: Image.Image, width: float, height: float) -> Image.Image:
    """RGBA of that size in the stage's unit; premultiplied, so that no edge shows the colour below."""
    size = (max(1, round(width * WORK / 2)), max(1, round(height * WORK / 2)))
    return image.convert("RGBa").resize(size, Image.Resampling.LANCZOS).convert("RGBA")


# Grounds.
def clear_of(means: Sequence[Field], things: Sequence[Art]) -> int:
    """The first of the mean colours that all the things stand out from, else the best."""
    gaps = [min(float(np.linalg.norm(thing.colour - mean)) for thing in things) for mean in means]
    return next((i for i, gap in enumerate(gaps) if gap >= CLEAR), int(np.argmax(gaps)))


def photographed_ground(
    wallpapers: Sequence[Image.Image], things: Sequence[Art], rng: np.random.Generator
) -> Image.Image:
    """A square detail of one of the photographs, of a colour that the things stand out from."""
    details: list[tuple[Image.Image, tuple[int, int, int, int], float, float]] = []
    for _ in range(8):
        source = wallpapers[int(rng.integers(len(wallpapers)))]
        side = int(rng.uniform(0.5, 1.0) * source.height)
        left, top = int(rng.integers(source.width - side + 1)), int(rng.integers(source.height - side + 1))
        details.append((source, (left, top, left + side, top + side), rng.uniform(0.7, 1.15), rng.uniform(0, 60)))
    means = [
        np.asarray(source.resize((1, 1), Image.Resampling.BOX, box, reducing_gap=1.0), float)[0, 0] * gain + lift
        for source, box, gain, lift in details
    ]
    source, box, gain, lift = details[clear_of(means, things)]
    ground = source.resize((WORK, WORK), Image.Resampling.LANCZOS, box)
    if rng.random() < 0.5:
        ground = ground.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.5:  # out of focus, as behind things close by
        ground = ground.filter(ImageFilter.GaussianBlur(rng.uniform(1, 7)))
    return ground.point(lambda v: round(min(255, v * gain + lift)))


def drawn_ground(things: Sequence[Art], rng: np.random.Generator) -> Image.Image:
    """Plain, a gradient, or a quiet pattern: stripes, dots, paper."""
    bases = []
    for _ in range(8):
        hue, deep = rng.random(), rng.random() < 0.25
        tone = np.array([0.5 + 0.5 * math.cos(math.tau * (hue + k / 3)) for k in range(3)])
        bases.append((70 + 60 * tone) if deep else (205 + 45 * tone))
    base = bases[clear_of(bases, things)]
    y_grid, x_grid = np.mgrid[:WORK, :WORK]
    kind = str(rng.choice(("plain", "gradient", "stripes", "dots", "paper")))
    if kind == "plain":
        return Image.new("RGB", (WORK, WORK), tuple(int(v) for v in base))
    if kind == "gradient":
        turn = rng.uniform(0, math.tau)
        field = (x_grid * math.cos(turn) + y_grid * math.sin(turn)) / WORK * 50
    elif kind == "stripes":
        field = np.where((x_grid + y_grid * rng.choice((-1, 0, 1))) // int(rng.integers(10, 30)) % 2 == 0, 9.0, -9.0)
    elif kind == "dots":
        pitch = int(rng.integers(22, 40))
        field = np.where((x_grid % pitch - pitch / 2) ** 2 + (y_grid % pitch - pitch / 2) ** 2 < pitch, 18.0, 0.0)
    else:
        field = 26 * (smooth_noise(rng, 120) - 0.5) + 16 * (smooth_noise(rng, 8) - 0.5)
    return to_image(base + field[..., None])


# From the stage to the file.
def developed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """As a camera would give it: light from one side, cast, exposure, vignette, softness, grain."""
    y, x = np.mgrid[-1 : 1 : WORK * 1j, -1 : 1 : WORK * 1j]
    turn = rng.uniform(0, math.tau)
    light = 1 + rng.uniform(0, 0.14) * (x * math.cos(turn) + y * math.sin(turn)) - rng.uniform(0, 0.14) * (x**2 + y**2)
    pixels = np.asarray(image, float) / 255 * light[..., None] * rng.uniform(0.94, 1.06, 3)
    pixels = np.clip(pixels * rng.uniform(0.85, 1.2), 0, 1) ** rng.uniform(0.88, 1.12)
    small = to_image(255 * pixels).filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.2)))
    small = small.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return to_image(np.asarray(small, float) + rng.normal(0, rng.uniform(1, 7), (SIDE, SIDE, 1)))


def jpeg_of(image: Image.Image, rng: np.random.Generator) -> bytes:
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=int(rng.integers(50, 93)), subsampling=int(rng.choice((0, 2))))
    return packed.getvalue()
