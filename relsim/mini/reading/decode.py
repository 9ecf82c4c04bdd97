"""Decodes the cells of the dense head into things and props, and finds which things are alike."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.mini.dense_head import CHANNELS_OF, LAYERS, LEVELS, PROP_LAYER
from analogen.relsim.world.scene import CLIPS, NO_CLIP, PROPS, Clip

# Chosen by recipes/measure_reading_scenes.py.
THING_HEAT, PROP_HEAT = 0.35, 0.35  # probability from which on a cell holds a centre
SAME_BOX = 0.5  # share of the common area of two boxes from which on they are one element
SAME_CENTRE = 0.3  # of the smaller side: centres nearer than this, of sizes within SAME_SIZE, are one element
SAME_SIZE = 1.35
ALIKE = 0.3  # cosine of two things that are the same thing (docs/experiments.md, 25)
CLIPPED = 0.5  # probability from which on the head's clip is believed
UNCLIPPED_AMOUNT = 0.05
SAME_PROP = 0.3  # the same of two props of one kind, which are seldom two
IN_EACH_OTHER = ("ellipse", "ring", "rect", "panel", "frame")  # but for those
LONGEST = 60  # elements that are kept


@dataclass(frozen=True)
class Detection:
    """An element that was found. x, y, size: in [0, 1] of the square picture; turn: degrees; told: how sure its turn
    is, the length of the (sine, cosine) vector; levels: by name as in `LEVELS`; alike: unit vector; score: in [0, 1].
    """

    kind: str  # "thing" or a prop
    x: float
    y: float
    size: float
    aspect: float
    turn: float
    told: float
    levels: dict[str, float]
    clip: Clip
    alike: NDArray[np.float32]
    score: float

    @property
    def is_thing(self) -> bool:
        return self.kind == "thing"

    @property
    def box(self) -> tuple[float, float, float, float]:
        """left, top, right, bottom of the box, not turned."""
        width, height = self.size * math.sqrt(self.aspect), self.size / math.sqrt(self.aspect)
        return self.x - width / 2, self.y - height / 2, self.x + width / 2, self.y + height / 2


def decode(cells: NDArray[np.float32], thing_heat: float = THING_HEAT, prop_heat: float = PROP_HEAT) -> list[Detection]:
    """cells: (CHANNELS, h, w) of `MiniNet`. Returns the elements, the surest first, things and props mixed."""
    parts, start = {}, 0
    for name, (layers, each) in CHANNELS_OF.items():
        parts[name] = cells[start : start + layers * each].reshape(layers, each, *cells.shape[1:])
        start += layers * each
    heat = 1 / (1 + np.exp(-np.clip(parts["heat"][:, 0].astype(np.float64), -30, 30)))
    found = []
    for layer in range(LAYERS):
        # A thing whose size lies between two layers shows in both, half as hot.
        for row, column in _peaks(heat[layer], prop_heat if layer == PROP_LAYER else thing_heat / 2):
            # The layer of the props is alone in saying which prop it is, and says nothing of a thing's state.
            at = {n: p[min(layer, len(p) - 1), :, row, column].astype(float) for n, p in parts.items()}
            found.append(_detection(at, layer, row, column, heat[layer].shape, float(heat[layer, row, column])))
    kept = [d for d in distinct(found) if d.score >= (thing_heat if d.is_thing else prop_heat)]
    return sorted(kept, key=lambda d: -d.score)[:LONGEST]


def _peaks(heat: NDArray[np.float64], least: float) -> list[tuple[int, int]]:
    """Cells of at least this heat that no neighbour exceeds."""
    padded = np.pad(heat, 1, constant_values=-1.0)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
    rows, columns = np.nonzero((heat >= windows.max(axis=(2, 3))) & (heat >= least))
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _detection(
    at: dict[str, NDArray[np.float64]], layer: int, row: int, column: int, shape: tuple[int, ...], score: float
) -> Detection:
    sine, cosine = at["turn"]
    levels = dict(zip(LEVELS, at["levels"].tolist(), strict=True))
    levels |= {name: 2 * levels[name] for name in ("saturation", "brightness")}
    clips = np.exp(at["clip"] - at["clip"].max())
    clips /= clips.sum()
    kept = CLIPS[int(clips.argmax())]
    u, v, amount = at["cut"].tolist()
    cut = kept != "none" and clips.max() >= CLIPPED and layer != PROP_LAYER
    length = float(np.linalg.norm(at["alike"]))
    return Detection(
        kind="thing" if layer != PROP_LAYER else PROPS[int(at["prop"].argmax())],
        x=float((column + 0.5 + at["offset"][0]) / shape[1]),
        y=float((row + 0.5 + at["offset"][1]) / shape[0]),
        size=float(np.exp(np.clip(at["size"][0], -5, 1.5))),
        aspect=float(np.exp(np.clip(at["aspect"][0], -3, 3))),
        turn=math.degrees(math.atan2(sine, cosine)) % 360,
        told=min(1.0, math.hypot(sine, cosine)),
        levels={name: float(np.clip(value, 0, 2)) for name, value in levels.items()},
        clip=Clip(kept, u, v, max(amount, UNCLIPPED_AMOUNT)) if cut else NO_CLIP,
        alike=(at["alike"] / max(length, 1e-9)).astype(np.float32),
        score=score,
    )


def distinct(found: Sequence[Detection]) -> list[Detection]:
    """The elements without those that are a surer one once more: boxes that are nearly the same, or centres that are,
    of about the same size. A small thing on a large one stays. What was found more than once is surer for it."""
    groups: list[list[Detection]] = []
    for one in sorted(found, key=lambda d: -d.score):
        group = next((group for group in groups if _same(one, group[0])), None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    return [functools.reduce(_united, group) for group in groups]


def _united(surer: Detection, again: Detection) -> Detection:
    """One element that was found twice: surer for it, and of the mean size, weighted by how sure each was."""
    share = again.score / (surer.score + again.score)
    size = surer.size ** (1 - share) * again.size**share
    return replace(surer, size=size, score=1 - (1 - surer.score) * (1 - again.score))


def _same(first: Detection, second: Detection) -> bool:
    if first.is_thing != second.is_thing:
        return False
    ratio = max(first.size, second.size) / min(first.size, second.size)
    apart = math.dist((first.x, first.y), (second.x, second.y)) / min(first.size, second.size)
    one_prop = not first.is_thing and first.kind == second.kind and first.kind not in IN_EACH_OTHER
    most = SAME_PROP if one_prop else SAME_BOX
    return (apart < SAME_CENTRE and ratio < SAME_SIZE) or shared_area(first.box, second.box) > most


def shared_area(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    """Common area of two boxes over the area that either covers."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0.0) * max(height, 0.0)
    whole = sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)) - common
    return common / max(whole, 1e-12)


def kinds_of(things: Sequence[Detection], alike: float = ALIKE) -> list[int]:
    """Which things are the same thing: a number for each, 0 for the kind with the most things (with the largest, where
    several have as many), 1 for the next, and so on.

    Kinds are joined, the nearest first, as long as their things' mean cosine is above `alike` (average linkage).
    """
    if not things:
        return []
    vectors = np.stack([d.alike for d in things]).astype(float)
    cosines = vectors @ vectors.T
    groups = [[i] for i in range(len(things))]
    while len(groups) > 1:
        means = np.array([[cosines[np.ix_(a, b)].mean() for b in groups] for a in groups])
        np.fill_diagonal(means, -2)
        a, b = sorted(np.unravel_index(int(means.argmax()), means.shape))
        if means[a, b] <= alike:
            break
        groups[a] += groups.pop(b)
    groups.sort(key=lambda g: (-len(g), -max(things[i].size for i in g), min(g)))
    numbers = [0] * len(things)
    for number, group in enumerate(groups):
        for i in group:
            numbers[i] = number
    return numbers
