"""Flattens a picture, so that an edit model sees where things stand in it and nothing of how they look."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

SHADES = 5  # of grey that are left
_LONGEST_PX = 160  # of the copy that is flattened: stripes and faces are smaller than what is left of it
_MEDIAN_PX = 7  # of that copy: texture is smaller than this
_LIGHTEST, _DARKEST = 232, 40


def flattened(picture: Image.Image) -> Image.Image:
    """The picture in SHADES flat greys, RGB of the same size: shapes are left, colours and textures are gone.

    The largest area, which is the ground, becomes the lightest grey; areas of another colour stay apart from it even
    where they are as bright.
    """
    scale = _LONGEST_PX / max(picture.size)
    small = picture.convert("RGB").resize(
        (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), Image.Resampling.BOX
    )
    for _ in range(2):
        small = small.filter(ImageFilter.MedianFilter(_MEDIAN_PX))
    areas = small.quantize(SHADES, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    numbers = np.asarray(areas)
    brightness = np.asarray(areas.convert("RGB").convert("L"), np.float32)
    sizes = np.bincount(numbers.ravel(), minlength=256)
    used = [int(number) for number in np.flatnonzero(sizes)]
    ground = max(used, key=lambda number: sizes[number])
    order = [ground, *sorted((n for n in used if n != ground), key=lambda n: -float(brightness[numbers == n].mean()))]
    greys = np.zeros(256, np.uint8)
    for place, number in enumerate(order):
        greys[number] = round(_LIGHTEST + (_DARKEST - _LIGHTEST) * place / max(1, len(order) - 1))
    return Image.fromarray(greys[numbers]).resize(picture.size, Image.Resampling.NEAREST).convert("RGB")
