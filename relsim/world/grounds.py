"""Backgrounds for photographed scenes: pictures from a folder, or procedural textures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from analogen.relsim.images import read_image
from analogen.relsim.picture_folders import looks_like_picture
from analogen.relsim.world.icon import Pixels

KEPT_PX = 640  # longer side that a picture is kept at in memory
KEPT_PICTURES = 256
MADE = 0.5  # share of grounds made by rules where a folder is given too

Surface = NDArray[np.float32]  # (side, side, 3), 0 to 255; may lie a little outside


class Grounds:
    """Where grounds come from. `skipped`: files that could not be used, with the reason."""

    def __init__(
        self, pictures: Sequence[Path] = (), skipped: Sequence[tuple[Path, str]] = (), made: float = MADE
    ) -> None:
        self.pictures = tuple(pictures)
        self.skipped = tuple(skipped)
        self._made = made

    @staticmethod
    def from_folder(folder: str | Path, made: float = MADE) -> Grounds:
        """The pictures of a folder and its sub-folders. made: share of grounds made by rules.

        Raises NotADirectoryError for no folder and ValueError for one without a picture that can be read.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise NotADirectoryError(f"no folder {folder}: give one of pictures")
        pictures, skipped = [], []
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and looks_like_picture(p)):
            try:
                read_image(path)
                pictures.append(path)
            except (ValueError, OSError) as error:
                skipped.append((path, " ".join(str(error).split())))
        if not pictures:
            reason = f"; of {len(skipped)} files the first: {skipped[0][1]}" if skipped else ""
            raise ValueError(f"{folder} has no picture that can be used as a ground{reason}")
        return Grounds(pictures, skipped, made)

    def draw(self, side: int, rng: Generator) -> Pixels:
        """(side, side, 3) uint8: a part of a picture, flipped, tinted and blurred, or a surface made by rules."""
        if self.pictures and rng.random() >= self._made:
            ground = _part(_read(self.pictures[int(rng.integers(len(self.pictures)))]), rng, side)
        else:
            ground = SURFACES[int(rng.integers(len(SURFACES)))](rng, side)
        return np.clip(ground, 0, 255).astype(np.uint8)


@lru_cache(maxsize=KEPT_PICTURES)
def _read(path: Path) -> Image.Image:
    image = read_image(path).image
    image.thumbnail((KEPT_PX, KEPT_PX), Image.Resampling.LANCZOS)
    return image


def _part(image: Image.Image, rng: Generator, side: int) -> Surface:
    """A random square of the picture, some of them flipped, in other colours, out of focus."""
    length = rng.uniform(0.35, 1.0) * min(image.size)
    left, top = (rng.uniform(0, extent - length) for extent in image.size)
    part = image.resize((side, side), Image.Resampling.BILINEAR, (left, top, left + length, top + length))
    if rng.random() < 0.5:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.6:
        part = part.filter(ImageFilter.BoxBlur(float(rng.uniform(0.003, 0.03)) * side))
    pixels = np.asarray(part, np.float32)
    if rng.random() < 0.5:  # as if the surface were of another colour
        grey = pixels.mean(-1, keepdims=True)
        pixels = grey + rng.uniform(0, 1) * (pixels - grey) + rng.uniform(-40, 40, 3).astype(np.float32)
    middle = pixels.mean()
    contrast = np.float32(rng.uniform(0.5, 1.0))
    return np.asarray((pixels - middle) * contrast + middle, np.float32)


def cloudy(rng: Generator, side: int, *cells: tuple[int, int, float]) -> NDArray[np.float32]:
    """(side, side) smooth noise about 0: a sum of layers of (rows, columns, strength)."""
    total = np.zeros((side, side), np.float32)
    for rows, columns, strength in cells:
        small = Image.fromarray(rng.uniform(-strength, strength, (rows, columns)).astype(np.float32))
        total += np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))
    return total


@lru_cache(maxsize=1)
def _grain() -> NDArray[np.float32]:
    return np.random.default_rng(7).standard_normal((1024, 1024), np.float32)


def grain(rng: Generator, side: int) -> NDArray[np.float32]:
    """(side, side) normal noise, cut out of one sheet: making it anew would take most of a picture's time."""
    sheet = _grain()
    if side > len(sheet):
        return rng.standard_normal((side, side), np.float32)
    top, left = rng.integers(0, len(sheet) - side + 1, 2)
    return sheet[top : top + side, left : left + side]


@lru_cache(maxsize=8)
def axes(side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """x of shape (1, side) and y of shape (side, 1), from -1 to 1."""
    line = np.linspace(-1, 1, side, dtype=np.float32)
    return line[None, :], line[:, None]


def _between(low: NDArray[np.float64], high: NDArray[np.float64], share: NDArray[np.floating]) -> Surface:
    """The colours from low to high by share, (side, side)."""
    return np.asarray(low + share[..., None] * (high - low), np.float32)


def _color(rng: Generator, low: float = 20, high: float = 240, calm: float = 0.6) -> NDArray[np.float64]:
    """A colour between grey and any, `calm` of the way to grey."""
    color = rng.uniform(low, high, 3)
    return np.asarray(color + calm * (color.mean() - color))


def wood(rng: Generator, side: int) -> Surface:
    """Grain along planks, from pale birch to dark walnut, with seams."""
    along, planks = int(rng.integers(2, 5)), int(rng.integers(1, 7))
    share = cloudy(rng, side, (90, along, 0.16), (30, along, 0.2), (12, 2, 0.15)) + 0.5
    _, y = axes(side)
    rings = np.sin((y * rng.uniform(6, 18) + cloudy(rng, side, (6, 3, 1.5))) * rng.uniform(1, 3))
    share += 0.08 * rings
    plank = np.minimum(((y + 1) / 2 * planks).astype(int), planks - 1)
    share += rng.uniform(-0.14, 0.14, planks).astype(np.float32)[plank]
    seam = np.abs(((y + 1) / 2 * planks) % 1 - 0.5) > 0.5 - 0.012 * planks
    if planks > 1:
        share = share - 0.35 * seam
    light = np.array([1.0, 0.74, 0.5]) * rng.uniform(130, 245) + rng.uniform(-15, 15, 3)
    ground = _between(light * rng.uniform(0.4, 0.65), light, share)
    return ground if rng.random() < 0.5 else ground.transpose(1, 0, 2)


def cloth(rng: Generator, side: int) -> Surface:
    """A weave of threads with soft folds."""
    x, y = axes(side)
    threads = side / rng.uniform(2.5, 5) * np.pi
    share = 0.5 + 0.16 * np.sin(x * threads) * np.sin(y * threads) + 0.07 * grain(rng, side)
    share = share + cloudy(rng, side, (4, 4, 0.3), (60, 60, 0.06))
    base = _color(rng, 30, 235, 0.3)
    return _between(base * 0.72, np.minimum(base * 1.12, 255), share)


def marble(rng: Generator, side: int) -> Surface:
    """Veins where slow noise passes through nought."""
    slow = cloudy(rng, side, (4, 4, 0.8), (9, 9, 0.45), (22, 22, 0.2), (50, 50, 0.08))
    veins = np.exp(-np.abs(slow) * rng.uniform(5, 14))
    share = 0.85 - rng.uniform(0.25, 0.6) * veins + cloudy(rng, side, (6, 6, 0.12))
    light = _color(rng, 150, 250, 0.85) if rng.random() < 0.7 else _color(rng, 30, 90, 0.7)
    dark = _color(rng, 60, 140, 0.7) if light.mean() > 120 else _color(rng, 150, 220, 0.8)
    return _between(dark, light, share)


def paper(rng: Generator, side: int) -> Surface:
    """A sheet with fibres and a soft fold or two."""
    share = 0.6 + cloudy(rng, side, (3, 3, 0.1), (70, 70, 0.07)) + 0.035 * grain(rng, side)
    x, y = axes(side)
    for _ in range(int(rng.integers(0, 3))):
        turn = rng.uniform(0, np.pi)
        across = x * np.cos(turn) + y * np.sin(turn) - rng.uniform(-0.6, 0.6)
        share = share + rng.uniform(-0.12, 0.12) * np.exp(-np.abs(across) * rng.uniform(10, 40)) * np.sign(across)
    base = _color(rng, 170, 252, 0.75) if rng.random() < 0.75 else _color(rng, 40, 200, 0.2)
    return _between(base * 0.8, np.minimum(base * 1.08, 255), share)


def concrete(rng: Generator, side: int) -> Surface:
    """Stone, plaster or asphalt: blotches and pores."""
    share = 0.5 + cloudy(rng, side, (3, 3, 0.2), (10, 10, 0.16), (40, 40, 0.12), (100, 100, 0.12))
    share = share + rng.uniform(0.02, 0.12) * grain(rng, side)
    base = _color(rng, 50, 230, 0.85)
    return _between(base * 0.65, np.minimum(base * 1.2, 255), share)


def studio(rng: Generator, side: int) -> Surface:
    """A backdrop under a lamp, above a floor that meets it in a soft line, or in none."""
    x, y = axes(side)
    wall = _color(rng, 40, 245, rng.uniform(0.1, 1))
    floor = wall if rng.random() < 0.5 else _color(rng, 40, 245, 0.5)
    level = rng.uniform(0.0, 0.75)
    share = 1 / (1 + np.exp(-np.clip((y - level) * rng.uniform(8, 90), -30, 30))) * np.ones_like(x)
    lamp = np.exp(-((x - rng.uniform(-0.6, 0.6)) ** 2 + (y - rng.uniform(-0.8, 0.2)) ** 2) / rng.uniform(0.5, 2.5))
    light = rng.uniform(0.55, 0.85) + rng.uniform(0.2, 0.45) * lamp
    light = light + cloudy(rng, side, (40, 40, 0.012))
    return np.asarray(_between(wall, floor, share) * light[..., None], np.float32)


def bokeh(rng: Generator, side: int) -> Surface:
    """Lights far behind, out of focus."""
    ground = _between(_color(rng, 8, 70, 0.3), _color(rng, 30, 140, 0.2), 0.5 + cloudy(rng, side, (4, 4, 0.5)))
    x, y = axes(side)
    for _ in range(int(rng.integers(4, 12))):
        radius = rng.uniform(0.06, 0.24)
        far = np.hypot(x - rng.uniform(-1, 1), y - rng.uniform(-1, 1))
        disc = np.clip((radius - far) * side / 7, 0, 1) * rng.uniform(0.1, 0.38)
        ground += disc[..., None] * _color(rng, 90, 255, 0.2).astype(np.float32)
    return ground


def sky(rng: Generator, side: int) -> Surface:
    """Blue or evening, with clouds or none."""
    _, y = axes(side)
    high, low = (
        (np.array([70, 120, 200]), np.array([190, 215, 240]))
        if rng.random() < 0.6
        else (_color(rng, 40, 160, 0.2), np.array([245, 190, 140]) + rng.uniform(-30, 10, 3))
    )
    share = np.clip((y + 1) / 2 + 0 * cloudy(rng, side, (2, 2, 0.1)), 0, 1)
    ground = _between(high + rng.uniform(-30, 30, 3), low + rng.uniform(-20, 15, 3), share)
    clouds = cloudy(rng, side, (4, 3, 0.6), (9, 7, 0.35), (20, 16, 0.2), (44, 40, 0.1)) + rng.uniform(-0.5, 0.2)
    cover = np.clip(clouds * 1.4, 0, rng.uniform(0.4, 0.95))[..., None]
    return np.asarray(ground * (1 - cover) + cover * rng.uniform(215, 252), np.float32)


def meadow(rng: Generator, side: int) -> Surface:
    """Grass, sand, gravel or snow from above: speckles at several scales."""
    base = np.array([(96, 130, 60), (206, 182, 138), (140, 132, 124), (228, 234, 240), (120, 88, 60)])
    base = base[int(rng.integers(len(base)))] * rng.uniform(0.75, 1.08) + rng.uniform(-14, 14, 3)
    share = 0.5 + cloudy(rng, side, (5, 5, 0.2), (60, 24, 0.2), (130, 90, 0.25)) + 0.09 * grain(rng, side)
    return _between(base * 0.6, np.minimum(base * 1.2, 255), share)


SURFACES: tuple[Callable[[Generator, int], Surface], ...] = (
    wood, cloth, marble, paper, concrete, studio, studio, bokeh, sky, meadow,
)  # fmt: skip
