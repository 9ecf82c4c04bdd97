"""`Presented`: a picture placed inside another one, with the mapping of coordinates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from analogen.relsim.world.icon import Pixels

Matrix = NDArray[np.float64]  # (3, 3)
Color = tuple[int, int, int]
Place = tuple[float, float]
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


@dataclass(frozen=True, eq=False)
class Presented:
    """A picture with an older one in it.

    pixels      (h, w, 3) uint8.
    matrix      (3, 3) homography from the old picture's places to the new one's. Places are (x, y) in [0, 1] of the
                width and the height, from the upper left corner of the first pixel; y grows downwards.
    """

    pixels: Pixels
    matrix: Matrix

    def place(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n, 2) places of the old picture as places of the new one; they may lie outside of it."""
        moved = np.column_stack([points, np.ones(len(points))]) @ self.matrix.T
        return np.asarray(moved[:, :2] / moved[:, 2:])

    def then(self, change: Callable[[Pixels], Presented]) -> Presented:
        """This picture presented once more."""
        later = change(self.pixels)
        return Presented(later.pixels, later.matrix @ self.matrix)


def squared(pixels: Pixels, side: int) -> Presented:
    """(side, side, 3): fitted whole, the rest filled with the mean colour of the border."""
    height, width = pixels.shape[:2]
    if height == width == side:
        return Presented(pixels, np.eye(3))
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).mean(0)
    scale = side / max(width, height)
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    canvas = Image.new("RGB", (side, side), rgb(border))
    return inserted(canvas, pixels, ((side - wide) // 2, (side - high) // 2, wide, high))


def rgb(color: NDArray[np.floating] | Sequence[float]) -> Color:
    red, green, blue = (int(min(max(value, 0), 255)) for value in color)
    return red, green, blue


def same(pixels: NDArray[np.floating] | Image.Image) -> Presented:
    """The places stay."""
    if isinstance(pixels, Image.Image):
        return Presented(np.asarray(pixels), np.eye(3))
    return Presented(np.clip(pixels, 0, 255).astype(np.uint8), np.eye(3))


def inserted(canvas: Image.Image, pixels: Pixels, box: tuple[int, int, int, int], round_px: int = 0) -> Presented:
    """The picture in a box (left, top, width, height) of the canvas, with rounded corners if wanted."""
    left, top, width, height = box
    image = Image.fromarray(pixels)
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    canvas.paste(image, (left, top), rounded(width, height, round_px) if round_px else None)
    across, down = canvas.size
    matrix = np.array([(width / across, 0, left / across), (0, height / down, top / down), (0, 0, 1)])
    return Presented(np.asarray(canvas), matrix)


@lru_cache(maxsize=64)
def rounded(width: int, height: int, radius: int) -> Image.Image:
    mask = Image.new("L", (4 * width, 4 * height))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, 4 * width - 1, 4 * height - 1), 4 * radius, 255)
    return mask.resize((width, height), Image.Resampling.BOX)


def homography(old: Sequence[Place], new: Sequence[Place]) -> Matrix:
    """The projection of the plane that takes four places to four others."""
    rows: list[tuple[float, ...]]
    rows = [(x, y, 1, 0, 0, 0, -u * x, -u * y) for (x, y), (u, _) in zip(old, new, strict=True)]
    rows += [(0, 0, 0, x, y, 1, -v * x, -v * y) for (x, y), (_, v) in zip(old, new, strict=True)]
    terms = np.linalg.solve(np.array(rows, float), np.array(new, float).T.reshape(-1))
    return np.append(terms, 1).reshape(3, 3)


CORNERS: tuple[Place, ...] = ((0, 0), (1, 0), (1, 1), (0, 1))


def projected(
    canvas: Image.Image, pixels: Pixels, corners: Sequence[Place], alpha: Image.Image | None = None, shadow: float = 0
) -> Presented:
    """The picture with its corners at these places, in [0, 1] of the canvas, with a shadow beside it.

    alpha: what is there of the picture, of its size; None: all.
    """
    matrix = homography(CORNERS, corners)
    image = Image.fromarray(pixels)
    scaled = np.diag([*canvas.size, 1.0]) @ matrix @ np.diag([1 / image.width, 1 / image.height, 1.0])
    back = np.linalg.inv(scaled)
    terms = (back / back[2, 2]).ravel()[:8].tolist()
    mask = alpha or Image.new("L", image.size, 255)
    warp = partial(Image.Image.transform, size=canvas.size, method=Image.Transform.PERSPECTIVE, data=terms)
    seen, there = (warp(band, resample=Image.Resampling.BILINEAR) for band in (image, mask))
    if shadow > 0:
        reach = 0.012 * canvas.width
        dark = there.filter(ImageFilter.GaussianBlur(reach)).point(lambda value: int(value * shadow))
        canvas.paste(BLACK, (round(reach), round(1.4 * reach)), dark)
    canvas.paste(seen, (0, 0), there)
    return Presented(np.asarray(canvas), matrix)
