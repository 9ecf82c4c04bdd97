"""Measures from pixels how each thing differs from the clearest of its kind, and the colours of the ground.

Each thing is compared with the clearest of its kind by correlation over all turns and both sides, then by how well
fading, a change of colour, or a flat silhouette explains it, then by what of it is missing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.mini.reading.decode import Detection
from analogen.relsim.world.scene import NO_CLIP, Background, Clip

Floats = NDArray[np.float32]
SIDE = 24  # of the patches that are compared
ROOM = 1.15  # side of a patch over the thing's size
TURNS = 24  # steps of a full turn that are tried
SHIFTS = (-2, 0, 2)  # pixels of a patch
PICTURE_PX = 384  # side of the square that is measured
ALIKE_ENOUGH = 0.6  # correlation from which on pixels are believed rather than the head
UNCHANGED = 0.03  # by which a change of turn or side has to correlate better than none
TURN_BONUS = 0.04  # of the head's own turn
LUMA = np.array([0.213, 0.715, 0.072], np.float32)
SWING = np.array([[-0.213, -0.715, 0.928], [0.143, 0.140, -0.283], [-0.787, 0.715, 0.072]], np.float32)
HUES = 24
SIMPLER = 0.85  # share of the error that a more complicated change must come below
ALL_OF_IT = 0.2  # share of the error that is left where fading explains the change
GONE = 0.18  # share of a thing that must be missing to be called so
STRAIGHT, ROUND = 0.09, 0.2  # share of a thing on the wrong side of a straight seam: of a half, of a bite
GRADIENT = 10.0  # change of colour across the picture from which on the ground is a gradient, of 255
MASKED = 18.0  # difference to the ground, of 255, from which on a pixel belongs to the thing
GREY = 0.2  # saturation below which a hue says nothing
TYPICAL_TONES = 40.0  # difference of colours, of 255, at which two things look different
FADED = 0.9  # contrast to the ground, over the whole thing's, below which a thing is faded
FLAT_COLOURS = 0.3  # spread of a silhouette's colours over that of the whole thing


@dataclass(frozen=True)
class Difference:
    """A thing against the clearest of its kind. turn: degrees from it; mirror: the other side is seen; opacity, hue,
    saturation, brightness, silhouette: as in `Element`; clip: what is missing, in the thing's own frame; agreement:
    correlation of the two, in [-1, 1]; `of`: index of the clearest."""

    turn: float = 0.0
    mirror: bool = False
    opacity: float = 1.0
    hue: float = 0.0
    saturation: float = 1.0
    brightness: float = 1.0
    silhouette: float = 0.0
    clip: Clip = NO_CLIP
    agreement: float = 1.0
    of: int = 0


def ground_of(pixels: NDArray[np.uint8], found: Sequence[Detection]) -> tuple[Background, Floats]:
    """The ground outside the elements as a plain colour or a gradient, and its colour at every pixel (side, side, 3).

    pixels: (side, side, 3) of the square picture.
    """
    small = pixels[:: max(1, len(pixels) // 64), :: max(1, len(pixels) // 64)].astype(np.float32)
    side = len(small)
    axis = (np.arange(side, dtype=np.float32) + 0.5) / side
    x, y = np.meshgrid(axis, axis)
    free = np.ones((side, side), bool)
    for d in found:
        left, top, right, bottom = d.box
        if d.is_thing or d.size < 0.6:
            free &= ~((x > left) & (x < right) & (y > top) & (y < bottom))
    if free.sum() < 0.04 * side * side:
        free[:] = True
    design = np.stack([np.ones_like(x), x - 0.5, y - 0.5], -1)
    weights = free.astype(np.float32)
    terms = np.zeros((3, 3), np.float32)
    for _ in range(6):  # what stands out from the ground counts less each time
        scaled = design * weights[..., None]
        terms = np.linalg.lstsq(scaled.reshape(-1, 3), (small * weights[..., None]).reshape(-1, 3), rcond=None)[0]
        off = np.abs(small - design @ terms).max(-1)
        weights = free / (1 + (off / 12) ** 2)
    fine = (np.arange(len(pixels), dtype=np.float32) + 0.5) / len(pixels) - 0.5
    plane = terms[0] + fine[None, :, None] * terms[1] + fine[:, None, None] * terms[2]
    return _background(terms), plane.astype(np.float32)


def _background(terms: Floats) -> Background:
    along = terms[1:] @ LUMA  # change of brightness across and down
    if float(np.linalg.norm(along)) < 1e-3:
        along = terms[1:].sum(1)
    turn = math.degrees(math.atan2(float(along[1]), float(along[0])))
    dx, dy = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    reach = (abs(dx) + abs(dy)) / 2
    step = (terms[1] * dx + terms[2] * dy) * reach
    if float(np.abs(step).max()) * 2 < GRADIENT:
        return Background("plain", color=_hex(terms[0]), color2=_hex(terms[0]))
    return Background("gradient", color=_hex(terms[0] - step), color2=_hex(terms[0] + step), turn=round(turn, 1))


def _hex(color: Floats) -> str:
    red, green, blue = (int(v) for v in np.clip(np.round(color), 0, 255))
    return f"#{red:02x}{green:02x}{blue:02x}"


def differences(
    pixels: NDArray[np.uint8], ground: Floats, things: Sequence[Detection], kinds: Sequence[int]
) -> list[Difference]:
    """One for each thing.

    pixels: (side, side, 3) of the square picture; ground: its colours without the things; kinds: of the things, by
    number.
    """
    if not things:
        return []
    patches, grounds = _patches(pixels, ground, things)  # (n, SIDE, SIDE, 3), differences to the ground; (n, 3)
    contrast = np.sqrt((patches**2).mean((1, 2, 3)))
    tones = _tones(patches)
    made: list[Difference] = [Difference()] * len(things)
    for kind in sorted(set(kinds)):
        members = [i for i, k in enumerate(kinds) if k == kind]
        size = np.array([things[i].size * things[i].score for i in members])
        # The clearest stands out from its ground and looks as most of its kind do: neither faded nor a silhouette.
        apart = np.linalg.norm(tones[members][:, None] - tones[members][None], axis=-1)
        typical = np.exp(-apart / TYPICAL_TONES).mean(1)
        first = members[int((contrast[members] * typical * np.sqrt(size)).argmax())]
        _compare(patches, grounds, things, members, first, made)
    return made


def _tones(patches: Floats) -> Floats:
    """(n, 6) mean and spread of the colours within each thing."""
    there = (np.abs(patches).max(-1, keepdims=True) > MASKED).astype(np.float32)
    count = np.maximum(there.sum((1, 2)), 1)
    mean = (patches * there).sum((1, 2)) / count
    spread = np.sqrt((((patches - mean[:, None, None]) ** 2) * there).sum((1, 2)) / count)
    return np.concatenate([mean, spread], 1)


def _patches(pixels: NDArray[np.uint8], ground: Floats, things: Sequence[Detection]) -> tuple[Floats, Floats]:
    """Each thing's square as difference to the ground about it, and that ground's colour."""
    levels = [pixels.astype(np.float32) - ground]
    while len(levels[-1]) >= 2 * SIDE * 2:
        last = levels[-1]
        half = len(last) // 2
        levels.append(last[: 2 * half, : 2 * half].reshape(half, 2, half, 2, 3).mean((1, 3)))
    grid = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE - 0.5
    made, grounds = np.empty((len(things), SIDE, SIDE, 3), np.float32), np.empty((len(things), 3), np.float32)
    side = len(pixels)
    for i, d in enumerate(things):
        wide, high = d.size * ROOM * math.sqrt(d.aspect), d.size * ROOM / math.sqrt(d.aspect)
        level = levels[min(len(levels) - 1, max(0, int(math.log2(max(1.0, d.size * ROOM * len(pixels) / SIDE)))))]
        patch = _sample(level, (d.x + grid * wide).astype(np.float32), (d.y + grid * high).astype(np.float32))
        rim = np.concatenate([patch[0], patch[-1], patch[:, 0], patch[:, -1]])
        local = np.median(rim, axis=0)  # grounds are not plain: what lies about the thing is its own ground
        made[i] = patch - local
        row, column = (int(np.clip(value * side, 0, side - 1)) for value in (d.y, d.x))
        grounds[i] = ground[row, column] + local
    return made * _disc()[..., None], grounds


def _sample(image: Floats, x: Floats, y: Floats) -> Floats:
    """Bilinear values on a grid of columns x and rows y, both in [0, 1] of the image."""
    side = len(image)
    u, v = np.clip(x * side - 0.5, 0, side - 1.001), np.clip(y * side - 0.5, 0, side - 1.001)
    i, j = u.astype(int), v.astype(int)
    fu, fv = (u - i)[None, :, None], (v - j)[:, None, None]
    rows, below = image[j], image[np.minimum(j + 1, side - 1)]
    right = np.minimum(i + 1, side - 1)
    upper = rows[:, i] * (1 - fu) + rows[:, right] * fu
    lower = below[:, i] * (1 - fu) + below[:, right] * fu
    return np.asarray(upper * (1 - fv) + lower * fv, np.float32)


@lru_cache(maxsize=1)
def _disc() -> Floats:
    """Weight of a patch's pixels: the corners are not seen in every turn."""
    axis = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE * 2 - 1
    distance = np.hypot(*np.meshgrid(axis, axis))
    return np.clip((1.12 - distance) / 0.15, 0, 1).astype(np.float32)


@lru_cache(maxsize=1)
def _moves() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(templates, SIDE * SIDE) index of the pixel that each pixel comes from, and (templates, 4) turn step, mirror,
    shift across and down."""
    axis = (np.arange(SIDE) + 0.5) - SIDE / 2
    x, y = np.meshgrid(axis, axis)
    indices, names = [], []
    for step in range(TURNS):
        angle = 2 * math.pi * step / TURNS
        for mirror in (0, 1):
            for across in SHIFTS:
                for down in SHIFTS:
                    px, py = x - across, y - down
                    u = math.cos(angle) * px + math.sin(angle) * py
                    v = -math.sin(angle) * px + math.cos(angle) * py
                    u = -u if mirror else u
                    i = np.clip(np.floor(u + SIDE / 2), 0, SIDE - 1).astype(int)
                    j = np.clip(np.floor(v + SIDE / 2), 0, SIDE - 1).astype(int)
                    indices.append((j * SIDE + i).ravel())
                    names.append((step, mirror, across, down))
    return np.array(indices), np.array(names)


def _features(patches: Floats) -> Floats:
    """(n, SIDE * SIDE * 2): brightness and strength of the difference to the ground, each of unit length, so that
    neither fading nor a change of hue matters."""
    luma = patches @ LUMA
    strength = np.abs(patches).max(-1)
    parts = [p.reshape(len(p), -1) for p in (luma, strength)]
    unit = [p / np.maximum(np.linalg.norm(p, axis=1, keepdims=True), 1e-6) for p in parts]
    return (np.concatenate(unit, 1) / 2**0.5).astype(np.float32)


def _compare(
    patches: Floats,
    grounds: Floats,
    things: Sequence[Detection],
    members: Sequence[int],
    first: int,
    made: list[Difference],
) -> None:
    indices, names = _moves()
    own = patches[first].reshape(-1, 3)
    templates = own[indices].reshape(len(indices), SIDE, SIDE, 3)
    scores = _features(patches[list(members)]) @ _features(templates).T  # (members, templates)
    steps, mirrors = names[:, 0], names[:, 1]
    for row, i in enumerate(members):
        if i == first:
            made[i] = Difference(of=first)
            continue
        wanted = math.radians(things[i].turn - things[first].turn)
        told = TURN_BONUS * min(things[i].told, things[first].told)
        bonus = told * np.cos(2 * math.pi * steps / TURNS - wanted) + UNCHANGED * ((steps == 0) & (mirrors == 0))
        best = int((scores[row] + bonus - 0.5 * UNCHANGED * mirrors).argmax())
        opacity, hue, saturation, brightness, silhouette = _change(
            templates[best], patches[i], grounds[first], grounds[i]
        )
        turn, mirror = 360.0 * int(steps[best]) / TURNS, bool(mirrors[best])
        altered = (hue, saturation, brightness, silhouette) != (0.0, 1.0, 1.0, 0.0)
        clip = NO_CLIP if altered else _missing(templates[best], patches[i], turn, mirror)
        if clip.kind != "none":
            opacity = 1.0
        agreement = float(scores[row, best])
        made[i] = Difference(turn, mirror, opacity, hue, saturation, brightness, silhouette, clip, agreement, first)


def _change(
    whole: Floats, seen: Floats, whole_ground: Floats, seen_ground: Floats
) -> tuple[float, float, float, float, float]:
    """Opacity, hue, saturation, brightness and silhouette of what is seen against the whole thing: the simplest change
    that explains it. Both are differences to their grounds, so fading is one factor."""
    whole, seen = _blurred(whole), _blurred(seen)  # a pixel's difference of place is not to count
    strength, left = np.abs(whole).max(-1), np.abs(seen).max(-1)
    firm = strength > 2 * MASKED
    # What is missing or misplaced is little of it: the median does not mind.
    contrast = float(np.median(left[firm] / strength[firm])) if firm.sum() >= 12 else 1.0
    mask = (strength > MASKED) & (left > 0.3 * MASKED)
    unchanged = (1.0, 0.0, 1.0, 1.0, 0.0)
    if mask.sum() < 12:
        return unchanged
    a, b = whole[mask], seen[mask]  # (pixels, 3)
    same = float(((a - b) ** 2).mean())
    factor = float(np.clip((a * b).sum() / max(float((a * a).sum()), 1e-6), 0.05, 1.2))
    faded = float(((factor * a - b) ** 2).mean())
    colours, wanted = a + whole_ground, b + seen_ground
    grey = np.repeat((colours @ LUMA)[:, None], 3, 1)
    best, kept = math.inf, (0.0, 1.0, 1.0)
    for number in range(HUES):
        angle = 2 * math.pi * number / HUES
        turned = math.cos(angle) * (colours - grey) + math.sin(angle) * (colours @ SWING.T)
        # seen = brightness * (grey + saturation * turned), least squares in brightness and brightness * saturation.
        gg, gt, tt = float((grey * grey).sum()), float((grey * turned).sum()), float((turned * turned).sum())
        gb, tb = float((grey * wanted).sum()), float((turned * wanted).sum())
        det = gg * tt - gt * gt
        if det < 1e-6 * max(gg * tt, 1e-6):
            continue
        light, colour = (gb * tt - tb * gt) / det, (tb * gg - gb * gt) / det
        if light <= 0.05 or colour < -0.02:
            continue
        error = float(((light * grey + colour * turned - wanted) ** 2).mean())
        if error < best:
            best, kept = error, (math.degrees(angle), float(np.clip(colour / light, 0, 2)), float(np.clip(light, 0, 2)))
    spread = float(a.std(0).mean()), float(b.std(0).mean())
    flat = float(((b.mean(0) - b) ** 2).mean())
    if spread[1] < FLAT_COLOURS * spread[0] and flat < SIMPLER * min(faded, best) and spread[0] > MASKED:
        return 1.0, 0.0, 1.0, 1.0, 1.0
    explained = (faded < ALL_OF_IT * same and best > 0.3 * faded) or (faded < SIMPLER * min(same, best))
    if explained and contrast < FADED:
        return contrast, 0.0, 1.0, 1.0, 0.0
    if best < SIMPLER * SIMPLER * min(faded, same) and same > 60:
        hue, saturation, brightness = kept
        hue = 0.0 if saturation < GREY else hue
        saturation = 1.0 if hue and saturation > 0.5 else saturation  # of two changes at once the one that is seen
        return 1.0, hue, saturation, brightness, 0.0
    return unchanged


def _blurred(patch: Floats) -> Floats:
    """Means of 3 x 3 pixels."""
    padded = np.pad(patch, ((1, 1), (1, 1), (0, 0)))
    return np.asarray(sum(padded[i : i + SIDE, j : j + SIDE] for i in range(3) for j in range(3)) / 9, np.float32)


def _missing(whole: Floats, seen: Floats, turn: float, mirror: bool) -> Clip:
    """A half or a bite that is missing of the thing, in its own frame; nothing for less than GONE of it."""
    strength = np.abs(whole).max(-1)
    there = strength > MASKED
    left = np.abs(seen).max(-1) / np.maximum(strength, 1.0)
    # Of the faded thing, too, what is left is about as strong everywhere.
    present = left > 0.3 * float(np.percentile(left[there], 85)) if there.any() else there
    gone = there & ~present
    share = float(gone.sum()) / max(float(there.sum()), 1.0)
    if share < GONE or share > 0.9:
        return NO_CLIP
    axis = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
    x, y = np.meshgrid(axis, axis)
    lost, rest = (
        np.array([x[gone].mean(), y[gone].mean()]),
        np.array([x[there & present].mean(), y[there & present].mean()]),
    )
    way = rest - lost
    length = float(np.linalg.norm(way))
    if length < 0.25:  # faint all over rather than cut
        return NO_CLIP
    way /= length
    along = x * way[0] + y * way[1]
    cuts = np.linspace(-0.9, 0.9, 37)
    wrong = [float(((along < c) & there & present).sum() + ((along >= c) & gone).sum()) for c in cuts]
    seam, error = float(cuts[int(np.argmin(wrong))]), min(wrong) / float(there.sum())
    # Into the thing's own frame: turned back, then mirrored back.
    angle = math.radians(-turn)
    u, v = way[0] * math.cos(angle) - way[1] * math.sin(angle), way[0] * math.sin(angle) + way[1] * math.cos(angle)
    u = -u if mirror else u
    if error < STRAIGHT:
        return Clip("half", round(float(u), 3), round(float(v), 3), round(seam * ROOM, 3))
    return Clip("bite", round(float(-u), 3), round(float(-v), 3), round(share, 3)) if error < ROUND else NO_CLIP
