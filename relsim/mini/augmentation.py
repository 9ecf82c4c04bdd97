"""Style augmentation of drawings: line art, paint, print, photograph, perspective, JPEG. For training pictures only.

The world's renderer draws in one manner, but people's pictures come in many. Every augmentation keeps the places of
things and changes how they look.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from analogen.relsim.world.render import render
from analogen.relsim.world.scene import Scene

Pixels = NDArray[np.uint8]  # (h, w, 3)
# Relations that are shown by colours, tones or the manner of drawing: they get no style but `photo_effect`.
APPEARANCE_RELATIONS = {
    "ripening", "fading_away", "day_and_night", "camouflage", "patterned_silhouette", "pixelated", "half_drawn",
    "layers", "eclipse", "frozen", "kintsugi", "before_after", "water_reflection", "false_shadow", "in_a_bubble",
    "odd_one_out", "checkerboard", "chimera",
}  # fmt: skip
RESTYLED_SHARE = 0.5  # share of the pictures that `restyle` changes
PICTURE_PX = 160
RESTYLED_REFERENCES = 0.4  # share of references that `render_reference` gives to `restyle`


def render_reference(scene: Scene, relation: str, rng: Generator) -> Pixels:
    """Renders a scene as a reference, (PICTURE_PX, PICTURE_PX, 3), in the world's style or sometimes in another."""
    pixels = render(scene, PICTURE_PX)
    return restyle(pixels, relation, rng) if rng.random() < RESTYLED_REFERENCES else pixels


def restyle(pixels: Pixels, relation: str, rng: Generator) -> Pixels:
    """Applies a random style to RESTYLED_SHARE of the pictures and returns the others unchanged.

    The random draws depend on `rng` alone, so two pictures with equal generators get the same style.
    """
    if rng.random() >= RESTYLED_SHARE:
        return pixels
    image = Image.fromarray(pixels)
    manner = MANNERS[int(rng.choice(len(MANNERS), p=MANNER_SHARES))]
    if relation not in APPEARANCE_RELATIONS or manner is photo_effect:
        image = manner(image, rng)
    if rng.random() < 0.35:
        image = perspective(image, rng)
    if rng.random() < 0.35:
        image = jpeg(image, rng)
    return np.asarray(image)


def line_art(image: Image.Image, rng: Generator) -> Image.Image:
    """Dark lines on paper, or light lines on a dark ground, from a difference of Gaussians with a soft threshold."""
    spread = float(rng.uniform(0.4, 1.0)) * image.width / 128
    channels = np.asarray(image, np.float32)
    fine = np.asarray(image.filter(ImageFilter.GaussianBlur(spread)), np.float32)
    coarse = np.asarray(image.filter(ImageFilter.GaussianBlur(2.2 * spread)), np.float32)
    edges = np.abs(fine - coarse).max(-1) + 0.1 * np.abs(channels - coarse).max(-1)
    ink = np.clip((edges - rng.uniform(3, 7)) / rng.uniform(3, 10), 0, 1)[..., None]
    paper, pen = rng.uniform(215, 255, 3), rng.uniform(0, 70, 3)
    if rng.random() < 0.25:
        paper, pen = pen, paper
    return Image.fromarray((paper * (1 - ink) + pen * ink).astype(np.uint8))


def monochrome(image: Image.Image, rng: Generator) -> Image.Image:
    """One ink, such as grey, sepia or blueprint; tones are sometimes inverted."""
    grey = ImageOps.autocontrast(image.convert("L"), cutoff=1)
    if rng.random() < 0.2:
        grey = ImageOps.invert(grey)
    dark, light = rng.uniform(0, 80, 3), rng.uniform(190, 255, 3)
    share = np.asarray(grey, np.float32)[..., None] / 255
    return Image.fromarray((dark + share * (light - dark)).astype(np.uint8))


def paint_strokes(image: Image.Image, rng: Generator) -> Image.Image:
    """Flat patches like brush strokes, with canvas grain."""
    size = 2 * int(rng.integers(1, 3)) + 1
    patches = image.filter(ImageFilter.MedianFilter(size)).filter(ImageFilter.ModeFilter(size))
    grain = rng.normal(0, rng.uniform(2, 10), (image.height, image.width, 1))
    return Image.fromarray(np.clip(np.asarray(patches, np.float32) + grain, 0, 255).astype(np.uint8))


def posterize(image: Image.Image, rng: Generator) -> Image.Image:
    """A few flat tones, like a print."""
    return ImageOps.posterize(image, int(rng.integers(2, 4)))


def photo_effect(image: Image.Image, rng: Generator) -> Image.Image:
    """Light from one side, darker corners, uneven brightness, slight blur, a tint and noise."""
    height, width = image.height, image.width
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    light = 1 + rng.uniform(0, 0.45) * (x * np.cos(angle) + y * np.sin(angle))
    light *= 1 - rng.uniform(0, 0.35) * (x * x + y * y) / 2
    for cells in (4, 9, 24):
        cloud = Image.fromarray(rng.uniform(-1, 1, (cells, cells)).astype(np.float32))
        light += rng.uniform(0, 0.12) * np.asarray(cloud.resize((width, height), Image.Resampling.BICUBIC))
    blurred = np.asarray(image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 1.1)))), np.float32)
    tint = 1 + rng.uniform(-0.1, 0.1, 3)
    noise = rng.normal(0, rng.uniform(0, 9), blurred.shape)
    return Image.fromarray(np.clip(blurred * light[..., None] * tint + noise, 0, 255).astype(np.uint8))


def perspective(image: Image.Image, rng: Generator) -> Image.Image:
    """A perspective transform that moves each corner by at most 9 % of the side."""
    width, height = image.size
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    moved = corners + rng.uniform(-0.09, 0.09, (4, 2)) * (width, height)
    # The eight coefficients of the plane's projection, by the four pairs of corners.
    rows = [(x, y, 1, 0, 0, 0, -u * x, -u * y) for (x, y), (u, _) in zip(corners, moved, strict=True)]
    rows += [(0, 0, 0, x, y, 1, -v * x, -v * y) for (x, y), (_, v) in zip(corners, moved, strict=True)]
    terms = np.linalg.solve(np.array(rows), moved.T.reshape(-1))
    border = tuple(int(v) for v in np.asarray(image)[[0, 0, -1, -1], [0, -1, 0, -1]].mean(0))
    return image.transform(
        image.size, Image.Transform.PERSPECTIVE, terms.tolist(), Image.Resampling.BILINEAR, fillcolor=border
    )


def jpeg(image: Image.Image, rng: Generator) -> Image.Image:
    """JPEG compression at a quality of 12 to 60."""
    with io.BytesIO() as file:
        image.save(file, "JPEG", quality=int(rng.integers(12, 60)))
        with Image.open(file) as found:
            return found.convert("RGB")


MANNERS: tuple[Callable[[Image.Image, Generator], Image.Image], ...] = (
    line_art,
    monochrome,
    paint_strokes,
    posterize,
    photo_effect,
)
MANNER_SHARES = (0.3, 0.15, 0.15, 0.08, 0.32)
