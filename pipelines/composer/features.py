"""Converts scenes to tensors: a skeleton of discrete tokens, and a row of continuous features for each element.

The skeleton says what the elements are (kind, mirror, pattern, palette entry, clip kind, ...) and, by its
length, how many there are. The features say where they are and how they look.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analogen.relsim.world.scene import CLIPS, ENTRIES, KINDS, PATTERNS, Clip, Element

# Fields of a skeleton token and how many values each takes.
FIELDS: dict[str, int] = {
    "kind": len(KINDS),
    "mirror": 2,
    "standing": 2,
    "pattern": len(PATTERNS),
    "palette": len(ENTRIES),
    "clip": len(CLIPS),
    "newline": 2,  # a thing that lies left of the thing before it: in reading order, a new row begins
}
# Continuous features; `SCALE` brings each to about unit spread, since the noise of the diffusion is N(0, 1).
FEATURES = (
    "x", "y", "log_size", "log_aspect", "sin_turn", "cos_turn", "opacity", "sin_hue", "cos_hue", "saturation",
    "brightness", "silhouette", "sketch", "pixel", "clip_u", "clip_v", "clip_amount",
)  # fmt: skip
NUM_FEATURES = len(FEATURES)
OFFSET = np.array([0, 0, -1, 0, 0, 0, 0.5, 0, 0, 1, 1, 0.5, 0.5, 0.5, 0, 0, 0.4], np.float32)
SCALE = np.array([0.5, 0.5, 0.8, 0.8, 1, 1, 0.5, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.7, 0.7, 0.35], np.float32)
# Geometry decides whether a logic holds; looks that hardly vary should not outweigh it in the loss.
WEIGHT = np.array([2, 2, 2, 1, 1, 1, 0.6, 0.3, 0.3, 0.4, 0.4, 0.4, 0.3, 0.4, 0.6, 0.6, 0.6], np.float32)

# Range of a clip's amount where it is not a share: a window may show more than the art, a seam lie on either side.
AMOUNTS = {"window": (0.02, 2.5), "lens": (0.02, 2.5), "half": (-1.0, 1.0)}


class SceneTensors(NamedTuple):
    """One scene. tokens: (n, len(FIELDS)) int64; features: (n, NUM_FEATURES) float32, normalised."""

    tokens: NDArray[np.int64]
    features: NDArray[np.float32]


def encode(elements: Sequence[Element]) -> SceneTensors:
    """Elements in drawing order as tensors; `decode` is the inverse up to the order of rounding errors."""
    tokens = np.zeros((len(elements), len(FIELDS)), np.int64)
    features = np.zeros((len(elements), NUM_FEATURES), np.float32)
    before: Element | None = None
    for row, e in enumerate(elements):
        newline = bool(before is not None and e.is_thing and e.x < before.x - 1e-6)
        if e.is_thing:
            before = e
        tokens[row] = (
            KINDS.index(e.kind), e.mirror, e.standing, PATTERNS.index(e.pattern), ENTRIES.index(e.palette),
            CLIPS.index(e.clip.kind), newline,
        )  # fmt: skip
        turn, hue = math.radians(e.turn), math.radians(e.hue)
        features[row] = (
            e.x, e.y, math.log(e.size), math.log(e.aspect), math.sin(turn), math.cos(turn), e.opacity,
            math.sin(hue), math.cos(hue), e.saturation, e.brightness, e.silhouette, e.sketch, e.pixel,
            e.clip.u, e.clip.v, e.clip.amount,
        )  # fmt: skip
    return SceneTensors(tokens, (features - OFFSET) / SCALE)


def decode(tokens: NDArray[np.int64] | Tensor, features: NDArray[np.float32] | Tensor) -> list[Element]:
    """Tensors of one scene (n rows each) as elements, every number brought into its valid range."""
    values = np.asarray(features, np.float64) * SCALE + OFFSET
    elements = []
    for token, value in zip(np.asarray(tokens), values, strict=True):
        f = dict(zip(FEATURES, value.tolist(), strict=True))
        kind, clip = KINDS[token[0]], CLIPS[token[5]]
        level = {name: _snap(f[name]) for name in ("opacity", "silhouette", "sketch", "pixel")}
        cut = Clip()
        if clip != "none":
            amount = _clamp(f["clip_amount"], *AMOUNTS.get(clip, (0.02, 1.0)))
            cut = Clip(clip, _clamp(f["clip_u"], -1, 1), _clamp(f["clip_v"], -1, 1), amount)
        elements.append(
            Element(
                kind=kind,
                x=_clamp(f["x"], -2, 2),
                y=_clamp(f["y"], -2, 2),
                size=math.exp(_clamp(f["log_size"], -5, 1.5)),
                aspect=math.exp(_clamp(f["log_aspect"], -5.5, 5.5)),
                turn=_angle(f["sin_turn"], f["cos_turn"]),
                mirror=bool(token[1]),
                standing=bool(token[2]),
                opacity=max(level["opacity"], 0.03),
                hue=_angle(f["sin_hue"], f["cos_hue"]),
                saturation=_clamp(f["saturation"], 0, 2),
                brightness=_clamp(f["brightness"], 0, 2),
                silhouette=level["silhouette"],
                sketch=level["sketch"],
                pixel=level["pixel"],
                pattern=PATTERNS[token[3]],
                palette=ENTRIES[token[4]],
                clip=cut,
            )
        )
    return elements


def _clamp(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _snap(level: float) -> float:
    """Levels within .04 of an end are meant to be that end."""
    level = _clamp(level, 0, 1)
    return 0.0 if level < 0.04 else 1.0 if level > 0.96 else level


def _angle(sine: float, cosine: float) -> float:
    """Degrees in (-180, 180]; within 1.5 degrees of upright is meant to be upright."""
    angle = math.degrees(math.atan2(sine, cosine))
    return 0.0 if abs(angle) < 1.5 else angle


class Batch(NamedTuple):
    """Scenes padded to one length. tokens: (B, n, fields), features: (B, n, NUM_FEATURES), mask: (B, n) bool."""

    tokens: Tensor
    features: Tensor
    mask: Tensor


def collate(scenes: Sequence[SceneTensors]) -> Batch:
    length = max(len(s.tokens) for s in scenes)
    tokens = torch.zeros(len(scenes), length, len(FIELDS), dtype=torch.long)
    features = torch.zeros(len(scenes), length, NUM_FEATURES)
    mask = torch.zeros(len(scenes), length, dtype=torch.bool)
    for row, scene in enumerate(scenes):
        count = len(scene.tokens)
        tokens[row, :count] = torch.from_numpy(scene.tokens)
        features[row, :count] = torch.from_numpy(scene.features)
        mask[row, :count] = True
    return Batch(tokens, features, mask)


def places(tokens: Tensor, mask: Tensor) -> Tensor:
    """Where each element stands in the skeleton, all that can be known before its coordinates.

    tokens: (B, n, fields), mask: (B, n). Returns (B, n, 5) integers: index; index among its kind; how many of
    its kind; row among the things of its kind; column in that row. Each below MAX_ELEMENTS.
    """
    kind = tokens[..., 0].masked_fill(~mask, -1)
    length = tokens.shape[1]
    same = (kind[:, :, None] == kind[:, None, :]) & mask[:, :, None] & mask[:, None, :]  # (B, n, n)
    earlier = torch.tril(torch.ones(length, length, dtype=torch.bool, device=tokens.device), -1)
    index = torch.arange(length, device=tokens.device).expand(tokens.shape[:2])
    rank = (same & earlier).sum(-1)
    total = same.sum(-1)
    thing = mask & (kind < 2)
    newline = (tokens[..., 6] == 1) & thing
    row = newline.cumsum(1) * thing
    same_row = (row[:, :, None] == row[:, None, :]) & thing[:, :, None] & thing[:, None, :]
    column = (same_row & earlier).sum(-1)
    return torch.stack([index, rank, total, row, column], -1).clamp(max=63) * mask[..., None]
