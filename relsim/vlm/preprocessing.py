"""Crops and resizes pictures for the VLM."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from analogen.relsim.images import as_rgb
from analogen.relsim.vlm.model import Pixels, Vlm

Pictures = Sequence["Image.Image | str | Path"]

# Of pictures that are not cropped: 1,280 tokens. The authors' own limit is 16,384, more than most GPUs hold.
MAX_PIXELS = 1280 * 28 * 28
MAX_ASPECT = 200  # Qwen's own resizing raises an error beyond it


@dataclass(frozen=True)
class Preprocessing:
    """How a picture is cropped and resized.

    size: the side in pixels of the square, cut from the middle, that training used. None: the whole picture in its
    own aspect ratio, as in the authors' inference, with sides rounded to the model's unit and at most max_pixels.
    """

    size: int | None = 448
    min_pixels: int = 56 * 56
    max_pixels: int = MAX_PIXELS

    def apply(self, image: Image.Image, unit: int) -> Pixels:
        """Returns (height, width, 3), sides multiples of `unit`. Raises ValueError for an extreme aspect ratio."""
        if self.size is not None:
            side = min(image.size)
            left, top = (image.width - side) // 2, (image.height - side) // 2
            square = image.crop((left, top, left + side, top + side))
            return np.asarray(square.resize((self.size, self.size), Image.Resampling.LANCZOS))
        return np.asarray(image.resize(self._smart_size(image, unit), Image.Resampling.BICUBIC))

    def _smart_size(self, image: Image.Image, unit: int) -> tuple[int, int]:
        """(width, height) by Qwen's rule: rounded to the unit, then scaled into the limits. Source: Qwen2-VL."""
        width, height = image.size
        if max(width, height) > MAX_ASPECT * min(width, height):
            raise ValueError(f"is {width} x {height} pixels, longer than {MAX_ASPECT} times its width: crop it")
        fitted = round(width / unit) * unit, round(height / unit) * unit
        if fitted[0] * fitted[1] > self.max_pixels:
            scale = math.sqrt(width * height / self.max_pixels)
            return (
                max(unit, math.floor(width / scale / unit) * unit),
                max(unit, math.floor(height / scale / unit) * unit),
            )
        if fitted[0] * fitted[1] < self.min_pixels:
            scale = math.sqrt(self.min_pixels / (width * height))
            return math.ceil(width * scale / unit) * unit, math.ceil(height * scale / unit) * unit
        return fitted


def load_pixels(image: Image.Image | str | Path, preprocessing: Preprocessing, unit: int) -> Pixels:
    """Loads a picture as the model's input. Raises ValueError or FileNotFoundError that names the file."""
    picture = as_rgb(image)
    try:
        return preprocessing.apply(picture, unit)
    except ValueError as error:
        where = "the picture" if isinstance(image, Image.Image) else image
        raise ValueError(f"{where}: {error}") from error


def check_preprocessing(preprocessing: Preprocessing, vlm: Vlm) -> Preprocessing:
    """Returns `preprocessing`. Raises ValueError if its size does not fit this model."""
    if preprocessing.size is not None and preprocessing.size % vlm.side_unit:
        raise ValueError(f"pictures of {preprocessing.size} px: expected a multiple of {vlm.side_unit}")
    return preprocessing
