"""The inputs of one image: prompt, seed, size, and the picture or relation that it follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from analogen.pipelines.diffusion.layout_boxes import Box


@dataclass(frozen=True)
class ImageSpec:
    """Everything that decides one image.

    width, height: in pixels. picture: the image to edit, to start from, or to follow as a control image; None for text
    alone. more: further pictures for an edit model that takes several, after `picture`. style: the
    picture whose looks an IP-Adapter gives. boxes: what stands where, for a model that takes it as arguments.
    relation: (384,), for a sampler with an adapter; None for no relation.
    """

    prompt: str
    seed: int
    width: int
    height: int
    negative_prompt: str | None = None
    picture: Image.Image | None = None
    more: tuple[Image.Image, ...] = ()
    style: Image.Image | None = None
    boxes: tuple[Box, ...] = ()
    relation: NDArray[np.float32] | None = None
