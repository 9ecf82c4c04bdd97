"""Finds and cuts off uniform borders of a picture: margins, letterbox bars, the bars of a phone's screen.

A border and the plain ground of a drawing look alike at the picture's edge. They differ where they end: a border ends
on one straight line over its whole length, at two opposite sides or all four, with another ground behind it that fills
the rectangle up to its corners; a plain ground ends at the outlines of things.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WORKING_PX = 512  # longer side of the copy in which borders are looked for
NEAR = (
    5.0,
    10.0,
    20.0,
    32.0,
)  # differences of colour, of 255, up to which a pixel belongs to the border: clean ones, JPEG
RARE = 0.01  # share of the pixels of a line of the border that may differ more, such as specks
LEAST = 0.045  # of the side: narrower borders are left
MOST = 0.86  # of the side that the borders of two opposite sides may take together
EDGE_PX = 5  # within which a border has ended, in the working copy: scaling blurs the line
FILLED = 0.93  # share of the line behind the border that has to differ from it
APART = 1.5  # times the difference up to which a pixel belongs to the border: from here on it does not
CORNER_PX = 3  # of the corners of what is framed, which have to be filled as well
RING, BARE = 0.1, 0.35  # of the sides: just behind the edge at most this share has the border's colour, as between bars
LOPSIDED = 0.2  # difference of opposite borders over their sum, at most in one direction where little is framed
LITTLE = 0.5  # share of the picture
REPEATED = 0.02  # share of the lines within that may have the border's colour all along: more is a pattern
MOST_ROUNDS = 3  # a margin within bars within a margin

Box = tuple[int, int, int, int]


def cut_border_box(image: Image.Image) -> tuple[Box, str | None]:
    """Finds the part of a picture inside its uniform border.

    Returns (left, top, right, bottom) in pixels and a note for the user; the whole picture and None without a border.
    """
    width, height = image.size
    whole = box = (0, 0, width, height)
    for _ in range(MOST_ROUNDS):
        inner = _inner(image.convert("RGB").crop(box))
        if inner is None:
            break
        box = (box[0] + inner[0], box[1] + inner[1], box[0] + inner[2], box[1] + inner[3])
    if box == whole:
        return whole, None
    left, top, right, bottom = box
    return box, f"a uniform border was cut: {right - left} x {bottom - top} of {width} x {height} pixels are read"


def _inner(image: Image.Image) -> Box | None:
    """What lies within the border, None where there is none."""
    width, height = image.size
    if min(width, height) < 16:
        return None
    shrink = max(1.0, max(width, height) / WORKING_PX)
    small = image.resize((round(width / shrink), round(height / shrink)), Image.Resampling.BOX) if shrink > 1 else image
    pixels = np.asarray(small, np.float32)
    found = _rectangle(pixels)
    if found is None:
        return None
    left, top, right, bottom = found
    down, across = pixels.shape[:2]
    return (
        round(left * width / across), round(top * height / down),
        round(right * width / across), round(bottom * height / down),
    )  # fmt: skip


def _rectangle(pixels: NDArray[np.float32]) -> Box | None:
    """The framed rectangle of (height, width, 3) pixels."""
    corners = np.concatenate([pixels[y, x].reshape(-1, 3) for y in (slice(0, 3), slice(-3, None))
                              for x in (slice(0, 3), slice(-3, None))])  # fmt: skip
    color = np.median(corners, axis=0)
    off = np.abs(pixels - color).max(-1)  # (height, width)
    noise = np.abs(corners - color).max(-1)
    for close in NEAR:
        if float((noise > close).mean()) <= 0.1:
            found = _within(off, close)
            if found is not None:
                return found
    return None


def _within(off: NDArray[np.float32], close: float) -> Box | None:
    """The framed rectangle. off: (height, width), difference to the border's colour, which ends at `close`."""
    height, width = off.shape
    near = off <= close
    rows, columns = near.mean(1) >= 1 - RARE, near.mean(0) >= 1 - RARE
    if rows.all() or columns.all():
        return None
    top, bottom = _ends(rows)
    left, right = _ends(columns)
    if top < LEAST * height or height - bottom < LEAST * height:
        top, bottom = 0, height
    if left < LEAST * width or width - right < LEAST * width:
        left, right = 0, width
    if (top, bottom, left, right) == (0, height, 0, width):
        return None
    if bottom - top < (1 - MOST) * height or right - left < (1 - MOST) * width:
        return None
    # With borders on four sides the ends of two of them may be those of things on a ground of the border's colour.
    sides = (((left, right), (top, bottom)), ((0, width), (top, bottom)), ((left, right), (0, height)))
    return next((box for box in (_framed(off / close, *pair) for pair in sides) if box is not None), None)


def _ends(uniform: NDArray[np.bool_]) -> tuple[int, int]:
    """First and last + 1 of the lines that are not uniform."""
    inner = np.nonzero(~uniform)[0]
    return int(inner[0]), int(inner[-1]) + 1


def _framed(off: NDArray[np.float32], across: tuple[int, int], down: tuple[int, int]) -> Box | None:
    """The box if what lies in it is another picture, with edges and corners of its own. off: 1 is the border's most."""
    height, width = off.shape
    (left, right), (top, bottom) = across, down
    if (left, top, right, bottom) == (0, 0, width, height):
        return None
    ends = [left, top, right, bottom]
    for side, cut in enumerate((left > 0, top > 0, right < width, bottom < height)):
        if not cut:
            continue
        lines = off if side in (1, 3) else off.T
        inside = (left, right) if side in (1, 3) else (top, bottom)
        step = 1 if side < 2 else -1
        start = ends[side] if side < 2 else ends[side] - 1
        edge = _edge(lines[:, inside[0] : inside[1]], start, step)
        if edge is None:
            return None
        ends[side] = edge if side < 2 else edge + 1
    left, top, right, bottom = ends
    if right - left < 8 or bottom - top < 8:
        return None
    inner = off[top:bottom, left:right] > APART
    for y in (slice(0, CORNER_PX), slice(-CORNER_PX, None)):
        for x in (slice(0, CORNER_PX), slice(-CORNER_PX, None)):
            if float(inner[y, x].mean()) < 0.8:
                return None
    high, wide = (max(2, round(RING * side)) for side in inner.shape)
    ring = [inner[:high], inner[-high:]] if top else []
    ring += [inner[:, :wide], inner[:, -wide:]] if left else []
    if any(float((~strip).mean()) > BARE for strip in ring):
        return None
    uneven = [abs(a - b) > LOPSIDED * (a + b) for a, b in ((left, width - right), (top, height - bottom))]
    if all(uneven) and inner.size < LITTLE * off.size:
        return None
    full = (inner.mean(1) < RARE).mean() + (inner.mean(0) < RARE).mean()
    return None if float(full) > REPEATED else (left, top, right, bottom)


def _edge(lines: NDArray[np.float32], start: int, step: int) -> int | None:
    """The line, among the first EDGE_PX from `start` on, behind which the border is over all along; None if none is."""
    for k in range(EDGE_PX):
        line = start + step * k
        if not 0 <= line < len(lines):
            return None
        if float((lines[line] > APART).mean()) >= FILLED:
            return line
    return None
