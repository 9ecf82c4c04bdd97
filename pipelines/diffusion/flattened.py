"""Flattens a picture, so that an edit model sees where things stand in it and nothing of how they look."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

SHADES = 5  # of grey that are left, with that of the ground
_LONGEST_PX = 160  # of the copy that is flattened: stripes and faces are smaller than what is left of it
_MEDIAN_PX = 5  # of that copy: texture is smaller than this
_NEAR = 17.0  # distance in RGB from the ground from which on something stands before it
_BORDER = 0.05  # share of each side that is ground at first
_ROUNDS = 6  # of fitting the ground
_LIGHTEST, _DARKEST = 232, 40


def flattened(picture: Image.Image) -> Image.Image:
    """The picture in SHADES flat greys, RGB of the same size: shapes are left, colours and textures are gone.

    The ground, also one with a gradient, becomes the lightest grey; what stands before it is darker, by its
    brightness, also where it is as bright as the ground.
    """
    scale = _LONGEST_PX / max(picture.size)
    small = picture.convert("RGB").resize(
        (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), Image.Resampling.BOX
    )
    for _ in range(2):
        small = small.filter(ImageFilter.MedianFilter(_MEDIAN_PX))
    pixels = np.asarray(small, np.float64)
    before = np.linalg.norm(pixels - _ground(pixels), axis=-1) >= _NEAR
    brightness = pixels.mean(axis=-1)
    greys = np.full(before.shape, _LIGHTEST, np.uint8)
    if before.any():
        # From bright to dark; equally many pixels in each shade would cut areas of one brightness apart.
        levels = np.linspace(brightness[before].max(), brightness[before].min(), SHADES - 1)
        place = 1 + np.abs(brightness[..., None] - levels).argmin(axis=-1)
        shades = np.round(_LIGHTEST + (_DARKEST - _LIGHTEST) * place / (SHADES - 1)).astype(np.uint8)
        greys[before] = shades[before]
    flat = Image.fromarray(greys).filter(ImageFilter.MedianFilter(_MEDIAN_PX))
    return flat.resize(picture.size, Image.Resampling.NEAREST).convert("RGB")


def _ground(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """(h, w, 3): the ground, as a surface of second degree through the border and all that is like it."""
    height, width = pixels.shape[:2]
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=-1).reshape(-1, 6)
    flat = pixels.reshape(-1, 3)
    inner = (np.abs(x) < 1 - 2 * _BORDER) & (np.abs(y) < 1 - 2 * _BORDER)
    used = ~inner.ravel()
    ground = flat
    for _ in range(_ROUNDS):
        ground = terms @ np.linalg.lstsq(terms[used], flat[used], rcond=None)[0]
        near = np.linalg.norm(flat - ground, axis=-1) < _NEAR
        if near.sum() < 6:
            break
        used = near
    return ground.reshape(pixels.shape)
