"""Visual effects on an element's art: colour matrices, clips, patterns, ink drawings, pixel blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.world.icon import Pixels
from analogen.relsim.world.palette import luminance, mix, rgb
from analogen.relsim.world.scene import Clip, Element
from analogen.relsim.world.shapes import Point, Shape, ellipse, polygon, rectangle

Floats = NDArray[np.float32]

_LUMA = np.array([0.213, 0.715, 0.072])  # the weights of SVG's filter effects


def color_matrix(
    hue: float, saturation: float, brightness: float, flat: str | None = None, amount: float = 0.0
) -> list[float] | None:
    """Row-major 4 x 5 colour matrix for straight RGBA in [0, 1]: hue rotation (degrees) and saturation as in SVG's
    feColorMatrix, then brightness, then a blend with the flat colour by amount. None if nothing changes."""
    if hue % 360 == 0 and saturation == 1 and brightness == 1 and (flat is None or amount == 0):
        return None
    cosine, sine = math.cos(math.radians(hue)), math.sin(math.radians(hue))
    grey = np.tile(_LUMA, (3, 1))
    swing = np.array([[-0.213, -0.715, 0.928], [0.143, 0.140, -0.283], [-0.787, 0.715, 0.072]])
    turn = grey + cosine * (np.eye(3) - grey) + sine * swing
    saturate = grey + saturation * (np.eye(3) - grey)
    matrix = np.zeros((4, 5))
    matrix[:3, :3] = brightness * saturate @ turn
    matrix[3, 3] = 1
    if flat is not None:
        matrix[:3] *= 1 - amount
        matrix[:3, 4] = amount * np.array(rgb(flat)) / 255
    return [float(v) for v in matrix.ravel()]


def clip_path(clip: Clip, width: float, height: float) -> str:
    """Path data of the visible part, in the element's own frame (centre at the origin); "" = everything.

    width, height: of the element's box.
    """
    if clip.kind == "none":
        return ""
    if clip.kind == "window":
        return rectangle(-width / 2, -height / 2, width, height)
    if clip.kind == "lens":
        return ellipse(0, 0, width / 2, height / 2)
    outline = _outline(clip.kind, round(clip.u, 4), round(clip.v, 4), round(clip.amount, 4))
    if not outline:
        return ""
    return "".join(polygon([(x * width / 2, y * height / 2) for x, y in contour]) for contour in outline)


Outline = tuple[tuple[Point, ...], ...]
_FAR = 4.0  # beyond any art, in half sides
_WHOLE = ((-_FAR, -_FAR), (_FAR, -_FAR), (_FAR, _FAR), (-_FAR, _FAR))
_NOTHING: Outline = (((9.0, 9.0), (9.0, 9.0), (9.0, 9.0)),)


@lru_cache(maxsize=4096)
def _outline(kind: str, u: float, v: float, amount: float) -> Outline:
    """Contours of the visible part, in half sides of the box; () means everything."""
    length = math.hypot(u, v)
    dx, dy = (u / length, v / length) if length > 1e-6 else (0.0, -1.0)
    angle = math.degrees(math.atan2(dy, dx))
    if kind == "half":
        corners = ((amount, -_FAR), (_FAR, -_FAR), (_FAR, _FAR), (amount, _FAR))
        return (tuple((s * dx - t * dy, s * dy + t * dx) for s, t in corners),)
    if kind == "wedge":
        if amount <= 0:
            return ()
        return (_arc(angle + 180 * amount, angle + 360 - 180 * amount),) if amount < 1 else _NOTHING
    if kind == "fragment":
        if amount >= 1:
            return ()
        return (_fragment(angle, amount),) if amount > 0 else _NOTHING
    if amount <= 0:
        return ()
    return (_WHOLE, _bitten(dx, dy, amount)) if amount < 1 else _NOTHING


def _arc(start: float, end: float) -> tuple[Point, ...]:
    steps = max(2, math.ceil((end - start) / 10))
    angles = [math.radians(start + (end - start) * i / steps) for i in range(steps + 1)]
    return ((0.0, 0.0), *((_FAR * math.cos(a), _FAR * math.sin(a)) for a in angles))


def _fragment(angle: float, share: float) -> tuple[Point, ...]:
    """A sector whose two sides zigzag. A side depends on its angle alone, so neighbours fit together."""
    swing = math.degrees(min(0.2, share * math.pi / 2.5))

    def side(direction: float) -> list[Point]:
        turned = math.radians(direction)
        points = []
        for k, radius in enumerate((0.22, 0.5, 0.78, 1.08, 1.5)):
            wave = 0.6 + 0.4 * math.sin(3 * turned + 2.1 * k)
            a = turned + math.radians(swing) * wave * (1 if k % 2 else -1)
            points.append((radius * math.cos(a), radius * math.sin(a)))
        return points

    start, end = angle - 180 * share, angle + 180 * share
    return ((0.0, 0.0), *side(start), *_arc(start, end)[1:], *reversed(side(end)))


_LOBES = 12
_ROUNDNESS = 1.05  # radius of a bite mark over half its chord


def _lobe(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Radius of the scalloped unit disc in these directions (radians from the middle of one scallop)."""
    half = math.pi / _LOBES
    radius = _ROUNDNESS * math.sin(half)
    centre = math.cos(half) - math.sqrt(radius**2 - math.sin(half) ** 2)
    folded = (angles + half) % (2 * half) - half
    return centre * np.cos(folded) + np.sqrt(radius**2 - (centre * np.sin(folded)) ** 2)


@lru_cache(maxsize=512)
def _bite_sizes(dx: float, dy: float) -> tuple[Point, float, NDArray[np.float64]]:
    """Centre of the bites, angle towards the middle, and the size that removes each share of the body.

    The body that shares are measured on is a rounded square, as most art fills its box like that.
    """
    edge = (abs(dx) ** 3 + abs(dy) ** 3) ** (-1 / 3)
    centre = (dx * edge, dy * edge)
    inward = math.atan2(-dy, -dx)
    y, x = np.mgrid[-0.98:0.98:50j, -0.98:0.98:50j]
    body = np.abs(x) ** 3 + np.abs(y) ** 3 <= 1
    ox, oy = x[body] - centre[0], y[body] - centre[1]
    needed = np.hypot(ox, oy) / _lobe(np.arctan2(oy, ox) - inward)
    return centre, inward, np.quantile(needed, np.linspace(0, 1, 101))


def _bitten(dx: float, dy: float, amount: float) -> tuple[Point, ...]:
    """The bitten-off part: a scalloped disc around a point of the edge, counter-clockwise (a hole)."""
    (cx, cy), inward, sizes = _bite_sizes(round(dx, 3), round(dy, 3))
    size = float(np.interp(amount, np.linspace(0, 1, 101), sizes))
    angles = inward + np.linspace(0, -2 * math.pi, _LOBES * 12, endpoint=False) + math.pi / _LOBES
    radii = size * _lobe(angles - inward)
    return tuple((float(cx + r * math.cos(a)), float(cy + r * math.sin(a))) for a, r in zip(angles, radii, strict=True))


def pattern_shapes(pattern: str, color: str, width: float, height: float) -> tuple[Shape, ...]:
    """The pattern that fills a silhouette of this colour: a contrasting tone over the box and its surroundings."""
    tone = mix(color, "#ffffff", 0.78) if luminance(color) < 0.55 else mix(color, "#000000", 0.6)
    reach, pitch = 0.75 * max(width, height), 0.135 * math.sqrt(width * height)
    count = math.ceil(reach / pitch)
    steps = range(-count, count + 1)
    if pattern == "stripes":
        gap = 1.55 * pitch
        reach_x = math.ceil(2 * reach / gap)
        lines = [
            polygon([(i * gap - reach, reach), (i * gap + reach, -reach)], False) for i in range(-reach_x, reach_x)
        ]
        return (Shape("".join(lines), tone, width=0.55 * pitch),)
    if pattern == "dots":
        dots = [ellipse((i + (j % 2) / 2) * pitch * 1.1, j * pitch * 0.95, pitch * 0.3, pitch * 0.3)
                for j in steps for i in steps]  # fmt: skip
        return (Shape("".join(dots), tone),)
    checks = [rectangle(i * pitch, j * pitch, pitch, pitch) for j in steps for i in steps if (i + j) % 2]
    return (Shape("".join(checks), tone),)


def block_counts(element: Element) -> tuple[int, int]:
    """Columns and rows of blocks over the whole art; the longer side has max(3, round(48 / 16 ** pixel))."""
    longer = max(3, round(48 * 2 ** (-4 * element.pixel)))
    # A window or lens shows the art in its natural proportions, independent of the opening.
    aspect = 1.0 if element.clip.kind in ("window", "lens") else element.aspect
    if aspect >= 1:
        return longer, max(1, round(longer / aspect))
    return max(1, round(longer * aspect)), longer


def pixelate(pixels: Pixels, columns: int, rows: int) -> Pixels:
    """(rows, columns, 4): each block is the mean of its area, with hard edges."""
    data: Floats = pixels.astype(np.float32) / np.float32(255)
    data[..., :3] *= data[..., 3:]
    data = _shrink(_shrink(data, rows).swapaxes(0, 1), columns).swapaxes(0, 1)
    alpha = data[..., 3:]
    color = data[..., :3] / np.maximum(alpha, 1e-4)
    hardened = np.clip((alpha - 0.3) / 0.16, 0, 1)
    return _bytes(255 * np.concatenate([color, hardened], axis=-1))


def _bytes(values: Floats) -> Pixels:
    return np.asarray(np.rint(values.clip(0, 255)), dtype=np.uint8)


def _shrink(data: Floats, count: int) -> Floats:
    """Mean over `count` equal bands of the first axis."""
    total = np.concatenate([np.zeros_like(data[:1]), np.cumsum(data, axis=0, dtype=np.float32)])
    edges = np.linspace(0, len(data), count + 1)
    low = np.minimum(edges.astype(int), len(data) - 1)
    share = (edges - low).astype(np.float32)[:, None, None]
    sums = total[low] * (1 - share) + total[low + 1] * share
    return np.asarray(np.diff(sums, axis=0) * (count / len(data)), dtype=np.float32)


def _blur(data: Floats, sigma: float) -> Floats:
    """Gaussian blur of the first two axes, zero outside."""
    radius = max(1, math.ceil(2.6 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2).astype(np.float32)
    kernel /= kernel.sum()
    for axis in (0, 1):
        padded = np.pad(data, [(radius, radius) if a == axis else (0, 0) for a in range(data.ndim)])
        size = data.shape[axis]
        data = np.zeros_like(data)
        for i, weight in enumerate(kernel):
            data += weight * np.take(padded, range(i, i + size), axis=axis)
    return data


def _peak(data: Floats, radius: int) -> Floats:
    """Largest value in the square of this radius."""
    for axis in (0, 1):
        padded = np.pad(data, [(radius, radius) if a == axis else (0, 0) for a in range(2)])
        size = data.shape[axis]
        data = np.max([np.take(padded, range(i, i + size), axis=axis) for i in range(2 * radius + 1)], axis=0)
    return data


def _step(values: Floats, low: float, high: float) -> Floats:
    t = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


SKETCH_PX = 768  # larger drawings are scaled up from this side
INK = (46, 42, 48)
SKETCH_PAPER = (253, 251, 245)


def sketch(pixels: Pixels) -> Pixels:
    """An ink drawing of the art, (side, side, 4): contour, strong inner edges, hatched darks on pale paper."""
    side = len(pixels)
    data: Floats = pixels.astype(np.float32) / np.float32(255)
    alpha = data[..., 3]
    premultiplied = data[..., :3] * data[..., 3:]
    pen = max(0.6, 0.0085 * side)  # half the width of a line
    soft = max(0.7, 0.006 * side)
    spread_alpha = _blur(alpha, soft)
    # Near the outline, a blurred edge is the integral of a normal distribution, from which the distance follows.
    offset = (spread_alpha - 0.5) * soft * 2.5066
    contour = np.clip(pen * 1.25 - np.abs(offset) + 0.5, 0, 1) * (spread_alpha > 0.02) * (spread_alpha < 0.98)
    color = _blur(premultiplied, soft) / np.maximum(spread_alpha, 1e-3)[..., None]
    down, across = np.gradient(color, axis=(0, 1))
    edge = np.sqrt((down**2 + across**2).sum(axis=-1)) * soft * 2.5066  # the height of the colour step
    inner = _step(spread_alpha, 0.9, 1.0)
    edge *= inner
    crest = edge / np.maximum(_peak(edge, max(1, round(1.6 * soft))), 1e-4)
    lines = _step(crest, 0.62, 0.9) * _step(edge, 0.13, 0.26)
    tone = np.asarray(color @ _LUMA, dtype=np.float32)
    place = np.arange(side, dtype=np.float32)
    pitch = np.float32(2 * math.pi / max(4.5, 0.05 * side))
    wave = np.asarray(0.5 + 0.5 * np.cos((place[:, None] + place) * pitch), dtype=np.float32)
    hatch = _step(wave, 0.68, 0.95) * _step(0.42 - tone, 0.0, 0.12) * _step(spread_alpha, 0.6, 0.95)
    ink = np.maximum(np.maximum(contour, 0.9 * lines), 0.6 * hatch)[..., None].astype(np.float32)
    paper = np.array(SKETCH_PAPER, dtype=np.float32) * (0.93 + 0.07 * tone[..., None])
    fill = (0.93 * alpha)[..., None]
    covered = ink + fill * (1 - ink)
    drawn = (np.array(INK, dtype=np.float32) * ink + paper * fill * (1 - ink)) / np.maximum(covered, 1e-4)
    return _bytes(np.concatenate([drawn, 255 * covered], axis=-1))


def affine(x: float, y: float, turn: float, mirror: bool, scale: float) -> NDArray[np.float64]:
    """(3, 3): mirror left to right, scale, turn clockwise by degrees, move."""
    cosine, sine = scale * math.cos(math.radians(turn)), scale * math.sin(math.radians(turn))
    flip = -1.0 if mirror else 1.0
    return np.array([[cosine * flip, -sine, x], [sine * flip, cosine, y], [0, 0, 1]])


def svg_matrix(matrix: Sequence[Sequence[float]] | NDArray[np.float64]) -> str:
    (a, c, e), (b, d, f) = matrix[0], matrix[1]
    return f"matrix({a:.6g} {b:.6g} {c:.6g} {d:.6g} {e:.6g} {f:.6g})"
