"""Attribute baselines for retrieval: features of pixels and colours, without training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Vectors = NDArray[np.float32]


def pixel_vectors(images: Sequence[Image.Image], size: int = 32) -> Vectors:
    """(n, size * size * 3): the pixels of a small copy, minus their mean, normalised."""
    small = [
        np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BOX), np.float32) for image in images
    ]
    flat = np.stack(small).reshape(len(images), -1)
    flat -= flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9))


def histogram_vectors(images: Sequence[Image.Image], bins: int = 6) -> Vectors:
    """(n, bins ** 3): square roots of the colour histogram (Hellinger kernel), normalised."""
    rows = []
    for image in images:
        small = np.asarray(image.convert("RGB").resize((96, 96), Image.Resampling.BOX), np.int64).reshape(-1, 3)
        index = (small * bins) // 256
        counts = np.bincount(index[:, 0] * bins * bins + index[:, 1] * bins + index[:, 2], minlength=bins**3)
        rows.append(np.sqrt(counts / counts.sum()))
    return np.asarray(rows, np.float32)
