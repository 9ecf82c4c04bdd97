"""Recognises pictures that cannot be read as scenes: too small, blank, or text alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LEAST_PX = 24  # of either side
BLANK = 6.0  # spread of the colours, of 255, below which nothing is seen
LINES, RUNS, LOW = 2, 14, 0.16  # text: at least so many lines and words or letters, none higher than this share
LETTERS, WORDS = 10, 4  # that a line has at least
UNEVEN_LETTERS, UNEVEN_WORDS = 0.28, 0.45  # spread of their widths over the mean: what is repeated is even
INKED = (0.01, 0.4)  # share of the picture that text covers


def why_unreadable(image: Image.Image) -> str | None:
    """One line that says why nothing can be read in the RGB picture, None if it may be tried."""
    if min(image.size) < LEAST_PX:
        return f"it has only {image.width} x {image.height} pixels, at least {LEAST_PX} each way are needed"
    small = image.copy()
    small.thumbnail((512, 512), Image.Resampling.BOX)
    pixels = np.asarray(small, np.float32)
    spread = np.percentile(pixels.reshape(-1, 3), [0.2, 99.8], axis=0)
    if float((spread[1] - spread[0]).max()) < BLANK:
        return "it is blank"
    if _text_alone(pixels):
        return "it shows text alone"
    return None


def _text_alone(pixels: NDArray[np.float32]) -> bool:
    """Whether the picture is two tones, ink and ground, and the ink stands in lines of many uneven small runs."""
    grey = pixels.mean(-1)
    ground = float(np.median(grey))
    off = np.abs(grey - ground)
    deepest = float(np.percentile(off, 99.7))
    if deepest < 40:
        return False
    ink = off > 0.4 * deepest
    if not INKED[0] <= float(ink.mean()) <= INKED[1]:
        return False
    colours = pixels[off > 0.8 * deepest]
    if float(colours.std(0).max()) > 24:  # text is of one colour
        return False
    lines = [(a, b) for a, b in _runs(ink.any(1)) if b - a >= 3]
    if len(lines) < LINES or max(b - a for a, b in lines) > LOW * len(ink):
        return False
    widths: list[float] = []
    numbers = []
    for top, bottom in lines:
        own = [(b - a) / (bottom - top) for a, b in _runs(ink[top:bottom].any(0))]
        widths += own
        numbers.append(len(own))
    if len(widths) < RUNS or len(set(numbers)) == 1:  # rows of a grid are alike
        return False
    sizes = np.array(widths)
    uneven, each = float(sizes.std() / sizes.mean()), len(widths) / len(lines)
    return (uneven > UNEVEN_LETTERS and each >= LETTERS) or (uneven > UNEVEN_WORDS and each >= WORDS)


def _runs(there: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Starts and ends of the runs of True."""
    edges = np.diff(np.concatenate([[0], there.astype(np.int8), [0]]))
    return list(zip(np.nonzero(edges == 1)[0].tolist(), np.nonzero(edges == -1)[0].tolist(), strict=True))
