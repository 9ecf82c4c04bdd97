"""Cuts a subject out of a picture with a plain ground: with vignettes, soft shadows, and what is seen through holes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from analogen.relsim.world.icon import Pixels

PLAIN_TOLERANCE = 24  # largest channel difference, of 255, within a plain background
PLAIN_SHARE = 0.92  # of the border that has to be plain
FIT_SIDE = 160  # pixels of the reduced picture in which the ground's colours are fitted
FIT_ROUNDS = 4
SHADOW_DARKEST = 0.45  # of the ground's light, beyond which something is no shadow but dark
SHADOW_STEP = 5  # levels, of 255, per pixel of FIT_SIDE * 4: shadows are soft, outlines are not
SHADOW_SHARE = 0.6  # of subject and shadow together that a shadow takes at most
SHADOW_TINT = 0.06  # how far a shadow's colour may lie from the ground's, in shares of its light
# A part of the picture that the subject encloses: it is seen through where it is the ground's colour as exactly as the
# ground itself is. On pure white and black, which drawings are filled with too, only one large hole in the middle is.
HOLE_TOLERANCE = 10
HOLE_SHARE = 0.004
RING_SHARES = (0.08, 0.75)
EDGE_PX = 12  # pixels that a soft outline takes at most
EXTREME = 6  # levels within which a ground is pure white or black

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]


class GroundError(ValueError):
    """The ground is not plain enough to tell the subject from it."""


def remove_background(rgb: Pixels, name: str = "the picture") -> Pixels:
    """Removes the ground that touches the border, its soft shadows, and what of it is seen through holes:
    (height, width, 3) -> (height, width, 4).

    The outline keeps a soft edge: its pixels are taken apart into ground and what lies before it.
    Raises GroundError (a ValueError) if the border is not plain.
    """
    ground = fit_ground(rgb, name)
    difference = np.abs(rgb.astype(np.float32) - ground).max(axis=2)  # (height, width)
    plain = flood_from_border(difference <= PLAIN_TOLERANCE)
    removed = flood_from_border(plain | _shadows(rgb, ground))
    if (removed & ~plain).sum() > SHADOW_SHARE * (~plain).sum():  # no shadow, but a subject of the ground's tint
        removed = plain
    removed |= _holes(difference, removed, rgb)
    return _matted(rgb, ground, difference, removed)


def fit_ground(rgb: Pixels, name: str = "the picture") -> Plane:
    """The colour that the ground has, or would have, at each pixel: (height, width, 3), a smooth surface.

    It is fitted to the border, then again and again to what is connected with it, so that a vignette is followed
    towards the middle. Raises GroundError if the border does not lie on such a surface.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, FIT_SIDE / max(height, width))
    small_size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = np.asarray(Image.fromarray(rgb).resize(small_size, Image.Resampling.BOX), np.float32)
    terms = _terms(*small.shape[:2])
    edge = np.zeros(small.shape[:2], dtype=bool)
    edge[[0, -1]], edge[:, [0, -1]] = True, True
    border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]]).astype(np.float32)
    flat = np.median(border, axis=0)
    share = float((np.abs(border - flat).max(axis=1) <= PLAIN_TOLERANCE).mean())
    surface = np.broadcast_to(flat, small.shape).astype(np.float32)
    if share < PLAIN_SHARE or (np.abs(small - surface).max(-1)[edge] > PLAIN_TOLERANCE / 4).mean() > 1 - PLAIN_SHARE:
        surface = _surface(terms[..., :6], small, edge)
        share = max(share, float((np.abs(small - surface).max(axis=2)[edge] <= PLAIN_TOLERANCE).mean()))
        for degree in (6, 6, 10, 15)[:FIT_ROUNDS]:
            reached = flood_from_border(np.abs(small - surface).max(axis=2) <= PLAIN_TOLERANCE)
            if reached.mean() < 0.05:
                break
            surface = _surface(terms[..., :degree], small, reached)
    if share < PLAIN_SHARE:
        raise GroundError(f"{name} has no transparency and only {share:.0%} of its border is of one colour")
    channels = [
        np.asarray(Image.fromarray(surface[..., c]).resize((width, height), Image.Resampling.BICUBIC)) for c in range(3)
    ]
    return np.stack(channels, axis=-1).clip(0, 255)


def _terms(height: int, width: int) -> Plane:
    """(height, width, 15): the products of x and y up to the fourth degree, lower degrees first."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    return np.stack([x ** (d - k) * y**k for d in range(5) for k in range(d + 1)], axis=-1)


def _surface(terms: Plane, picture: Plane, where: Mask) -> Plane:
    """Least squares over the pixels of `where`, without the tenth of them that fits worst."""
    kept = where
    for _ in range(3):
        weights, *_ = np.linalg.lstsq(terms[kept], picture[kept], rcond=None)
        surface: Plane = (terms @ weights).astype(np.float32)
        error = np.abs(picture - surface).max(axis=2)
        kept = where & (error <= max(float(np.quantile(error[where], 0.9)), 2.0))
    return surface


def _shadows(rgb: Pixels, ground: Plane) -> Mask:
    """What is darker than the ground, of its tint, and soft: (height, width)."""
    light = ground.mean(axis=2)
    seen = rgb.astype(np.float32)
    share = seen.mean(axis=2) / np.maximum(light, 1)
    tint = np.abs(seen - share[..., None] * ground).max(axis=2) / np.maximum(light, 1)
    step = SHADOW_STEP * max(1.0, 4 * FIT_SIDE / max(light.shape))
    grey = Image.fromarray(seen.mean(axis=2).clip(0, 255).astype(np.uint8)).filter(ImageFilter.BoxBlur(1))
    spread = np.asarray(grey.filter(ImageFilter.MaxFilter(3)), np.float32) - np.asarray(
        grey.filter(ImageFilter.MinFilter(3)), np.float32
    )
    soft = (share > SHADOW_DARKEST) & (share < 1.02) & (tint < SHADOW_TINT) & (spread <= 2 * step)
    return np.asarray(soft)


def _holes(difference: Plane, removed: Mask, rgb: Pixels) -> Mask:
    """The enclosed parts of the picture through which the ground is seen."""
    inside = ~removed
    filled = float(inside.sum())
    candidates = inside & (difference <= HOLE_TOLERANCE)
    found = np.zeros_like(removed)
    if filled == 0 or candidates.sum() < HOLE_SHARE * filled:
        return found
    parts = _parts(candidates, HOLE_SHARE * filled)
    outer = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]]).astype(np.float32).mean(0)
    if outer.max() <= EXTREME or outer.min() >= 255 - EXTREME:
        middle = np.argwhere(inside).mean(0)
        reach = np.sqrt(filled)
        parts = [
            part
            for part in parts
            if RING_SHARES[0] <= part.sum() / filled <= RING_SHARES[1]
            and np.abs(np.argwhere(part).mean(0) - middle).max() < 0.06 * reach
        ]
        parts = parts if len(parts) == 1 else []
    for part in parts:
        found |= part
    return found


def _parts(mask: Mask, least: float) -> list[Mask]:
    """The connected parts of a mask with at least so many pixels, the largest twenty at most."""
    left = mask.copy()
    parts: list[Mask] = []
    for _ in range(200):
        rows = np.flatnonzero(left.any(axis=1))
        if not len(rows) or len(parts) == 20:
            break
        row = int(rows[0])
        column = int(np.flatnonzero(left[row])[0])
        seed = np.zeros_like(mask)
        seed[row, column] = True
        part = flood_from(left, seed)
        left &= ~part
        if part.sum() >= least:
            parts.append(part)
    return parts


def _matted(rgb: Pixels, ground: Plane, difference: Plane, removed: Mask) -> Pixels:
    """The picture with alpha: 0 where removed, and shares between near the removed part."""
    colors = rgb.astype(np.float32)
    inner = Image.fromarray(np.where(removed, 0, difference).clip(0, 255).astype(np.uint8))
    strongest, near = _across_edge(inner, removed)
    mixed = near & ~removed
    share = (difference[mixed] / np.maximum(strongest[mixed], 1)).clip(0, 1)[:, None]  # (pixels, 1)
    pixels = np.dstack([rgb, np.where(removed, 0, 255).astype(np.uint8)])
    front = (colors[mixed] - (1 - share) * ground[mixed]) / np.maximum(share, 1 / 255)
    pixels[mixed] = np.rint(np.concatenate([front.clip(0, 255), share * 255], axis=1)).astype(np.uint8)
    return pixels


def _across_edge(inner: Image.Image, removed: Mask) -> tuple[Plane, Mask]:
    """The strongest difference from the ground within the width of an outline, and what lies that near to the removed
    part. The width, 2 to EDGE_PX pixels, is where the outline stops to grow stronger."""
    grow = ImageFilter.MaxFilter(3)
    near = Image.fromarray(removed.astype(np.uint8))
    rim = None
    before = 0.0
    for width in range(1, EDGE_PX + 1):
        inner, near = inner.filter(grow), near.filter(grow)
        if rim is None:
            rim = (np.asarray(near) > 0) & ~removed
        strength = float(np.median(np.asarray(inner)[rim])) if rim.any() else 0.0
        if width >= 2 and strength <= 1.04 * before:
            break
        before = strength
    return np.asarray(inner, np.float32), np.asarray(near) > 0


def flood_from_border(free: Mask) -> Mask:
    """The part of `free`, (height, width), that is connected with the border (4-connectivity)."""
    seed = np.zeros_like(free)
    seed[[0, -1]], seed[:, 0], seed[:, -1] = free[[0, -1]], free[:, 0], free[:, -1]
    return flood_from(free, seed)


def flood_from(free: Mask, seed: Mask) -> Mask:
    """The part of `free` that is connected with the seed, which lies in it."""
    reached = seed.copy()
    starts = free & ~np.pad(free, ((0, 0), (1, 0)))[:, :-1]
    runs = np.cumsum(starts, axis=1)  # number of the run of free pixels that a pixel belongs to
    height = len(free)
    before = -1
    while (now := int(reached.sum())) != before:  # each round follows the flood as far as it goes down, then up
        before = now
        for rows in (range(height), range(height - 1, -1, -1)):
            previous = np.zeros(free.shape[1], dtype=bool)
            for row in rows:
                touched = free[row] & (reached[row] | previous)
                if touched.any():
                    hit = np.zeros(runs[row, -1] + 1, dtype=bool)
                    hit[runs[row][touched]] = True
                    reached[row] = free[row] & hit[runs[row]]
                previous = reached[row]
    return reached
