"""The dense head of relsim-mini: finds the things and props of a picture by their centres.

A detector of centres (CenterNet, arXiv:1904.07850). For each cell of the picture it predicts how likely a thing or a
prop has its centre there, the exact place, size, turn, opacity and cut, which prop it is, and an embedding that is
similar for things that are the same thing. Things of different sizes have layers of their own, as in a feature pyramid
(FCOS, arXiv:1904.01355), so that a small thing in the middle of a large one is found too. `targets` makes the training
targets from a table of placed elements; `dense_loss` is the training loss.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from analogen.relsim.world.render import element_matrix
from analogen.relsim.world.scene import CLIPS, MAX_ELEMENTS, PROPS, THINGS, Scene

STRIDE = 8  # pixels of a cell's side
ALIKE_DIM = 16
LAYER_SIZES = (0.16, 0.3, 0.55)  # sizes, as shares of the picture's side, that part the layers of things
THING_LAYERS = len(LAYER_SIZES) + 1
PROP_LAYER = THING_LAYERS  # the last layer has the props of all sizes
LAYERS = THING_LAYERS + 1
# By name: in how many layers, and how many channels in each.
CHANNELS_OF: dict[str, tuple[int, int]] = {
    "heat": (LAYERS, 1),  # logit of a centre
    "offset": (LAYERS, 2),  # of the centre from the cell's middle, in cells, x and y
    "size": (LAYERS, 1),  # log of the box's side, sqrt(width * height), as a share of the picture's
    "aspect": (LAYERS, 1),  # log of width / height
    "turn": (LAYERS, 2),  # sine and cosine
    "levels": (THING_LAYERS, 6),  # opacity, silhouette, sketch, pixel, saturation / 2, brightness / 2
    "clip": (THING_LAYERS, len(CLIPS)),  # logits
    "cut": (THING_LAYERS, 3),  # u, v, amount of the clip
    "alike": (THING_LAYERS, ALIKE_DIM),
    "prop": (1, len(PROPS)),  # logits
}
CHANNELS = sum(layers * each for layers, each in CHANNELS_OF.values())
# Columns of a table of placed elements. x, y: centre, in [0, 1] of the picture; size: of the box, as a share of the
# picture's side.
COLUMNS = (
    "kind", "x", "y", "size", "aspect", "turn", "mirror", "opacity", "silhouette", "sketch", "pixel", "saturation",
    "brightness", "hue", "clip", "u", "v", "amount",
)  # fmt: skip
LEVELS = ("opacity", "silhouette", "sketch", "pixel", "saturation", "brightness")
KIND_NUMBERS = {kind: number for number, kind in enumerate((*THINGS, *PROPS))}
ABSENT = -1  # kind of a row that holds no element
UNSEEN = {KIND_NUMBERS["shadow"]}  # what is no element to a reader of pictures
LEAST_SIZE = 0.035  # smaller ones are no targets


class DenseHead(nn.Module):
    """Predicts the cells (stride 8) from the trunk's features of stride 8 and the patches of stride 16."""

    def __init__(self, fine: int, dim: int, width: int, depth: int = 3) -> None:
        super().__init__()
        self.fine, self.patches = nn.Conv2d(fine, width, 1), nn.Conv2d(dim, width, 1)
        self.norm = nn.LayerNorm(dim)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.GroupNorm(8, width), nn.ReLU())
            for _ in range(depth)
        )
        self.out = nn.Conv2d(width, CHANNELS, 1)
        with torch.no_grad():
            assert self.out.bias is not None
            self.out.bias[:LAYERS] = -3.0  # few cells hold a centre

    def forward(self, fine: Tensor, patches: Tensor) -> Tensor:
        """fine: (B, fine, h, w); patches: (B, h / 2 * w / 2, dim). Returns (B, CHANNELS, h, w)."""
        batch, _, height, width = fine.shape
        coarse = self.norm(patches).transpose(1, 2).reshape(batch, -1, height // 2, width // 2)
        x = self.fine(fine) + F.interpolate(self.patches(coarse), scale_factor=2.0, mode="bilinear")
        for block in self.blocks:
            x = x + block(x)
        return self.out(x)


def split_channels(cells: Tensor) -> dict[str, Tensor]:
    """The parts of (B, CHANNELS, h, w) by name, each (B, layers, n, h, w)."""
    parts = cells.split([layers * each for layers, each in CHANNELS_OF.values()], dim=1)
    return {name: part.unflatten(1, shape) for (name, shape), part in zip(CHANNELS_OF.items(), parts, strict=True)}


def layer_of(size: Tensor) -> Tensor:
    """The layer of things of these sizes, shares of the picture's side."""
    return torch.bucketize(size, torch.tensor(LAYER_SIZES, dtype=size.dtype, device=size.device))


def placed(scene: Scene) -> NDArray[np.float32]:
    """The elements of a square picture of the scene as rows of COLUMNS, (MAX_ELEMENTS, len(COLUMNS)), in drawing order;
    rows that hold none have kind ABSENT."""
    table = np.zeros((MAX_ELEMENTS, len(COLUMNS)), np.float32)
    table[:, 0] = ABSENT
    for row, e in zip(table, scene.elements, strict=False):
        matrix = element_matrix(scene, e)
        up = matrix[:2, :2] @ (0.0, -1.0)
        flipped = float(np.linalg.det(matrix[:2, :2]) < 0)
        row[:] = (
            KIND_NUMBERS[e.kind], (matrix[0, 2] + 1) / 2, (matrix[1, 2] + 1) / 2, e.size * scene.frame.scale / 2,
            e.aspect, math.degrees(math.atan2(up[0], -up[1])), flipped, e.opacity, e.silhouette, e.sketch, e.pixel,
            e.saturation, e.brightness, e.hue, CLIPS.index(e.clip.kind), e.clip.u, e.clip.v, e.clip.amount,
        )  # fmt: skip
    return table


def moved(table: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """The table after the picture was moved by a homography of [0, 1] coordinates, (3, 3), old to new."""
    table = table.copy()
    seen = table[:, 0] != ABSENT
    x, y = table[seen, 1].astype(float), table[seen, 2].astype(float)
    w = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    u, v = ((matrix[i, 0] * x + matrix[i, 1] * y + matrix[i, 2]) / w for i in (0, 1))
    # The derivative of the homography at each centre, (n, 2, 2).
    local = np.empty((len(x), 2, 2))
    for i, value in enumerate((u, v)):
        local[:, i] = (matrix[i, :2] - value[:, None] * matrix[2, :2]) / w[:, None]
    determinant = np.linalg.det(local)
    angle = np.radians(table[seen, 5])
    up = np.einsum("nij,nj->ni", local, np.stack([np.sin(angle), -np.cos(angle)], 1))
    table[seen, 1], table[seen, 2] = u, v
    table[seen, 3] *= np.sqrt(np.abs(determinant))
    table[seen, 5] = np.degrees(np.arctan2(up[:, 0], -up[:, 1]))
    table[seen, 6] = np.where(determinant < 0, 1 - table[seen, 6], table[seen, 6])
    return table


class Targets(NamedTuple):
    """heat: (B, LAYERS, h, w) in [0, 1], 1 at the cells that hold a centre; and for each of the N elements of all
    pictures its picture, layer, cell and what is asked of it."""

    heat: Tensor
    picture: Tensor  # (N,) int64
    layer: Tensor  # (N,) int64
    row: Tensor  # (N,) int64
    column: Tensor  # (N,) int64
    kind: Tensor  # (N,) int64
    box: Tensor  # (N, 6): offset, size, aspect, turn, as in CHANNELS_OF
    state: Tensor  # (N, 9): levels, cut
    clip: Tensor  # (N,) int64


def targets(tables: Tensor, cells: int) -> Targets:
    """tables: (B, MAX_ELEMENTS, len(COLUMNS)); cells: along a side of the picture."""
    batch = len(tables)
    column = {name: tables[..., i] for i, name in enumerate(COLUMNS)}
    kind = column["kind"].long()
    unseen = torch.tensor(sorted(UNSEEN), device=tables.device)
    visible = (kind != ABSENT) & ~torch.isin(kind, unseen) & (column["opacity"] > 0.04) & (column["size"] > LEAST_SIZE)
    visible &= (column["x"] > 0.01) & (column["x"] < 0.99) & (column["y"] > 0.01) & (column["y"] < 0.99)
    picture, index = visible.nonzero(as_tuple=True)
    got = {name: values[picture, index].float() for name, values in column.items()}
    x, y = got["x"] * cells, got["y"] * cells
    i, j = x.long().clamp(0, cells - 1), y.long().clamp(0, cells - 1)
    kind = kind[picture, index]
    layer = torch.where(kind < len(THINGS), layer_of(got["size"]), PROP_LAYER)
    # Heat: a bump about each centre whose width goes with the size, the largest where several overlap.
    spread = (got["size"] * cells * 0.15).clamp(0.6, 3.0)
    axis = torch.arange(cells, device=tables.device) + 0.5
    across = torch.exp(-((axis[None] - x[:, None]) ** 2) / (2 * spread[:, None] ** 2))  # (N, cells)
    down = torch.exp(-((axis[None] - y[:, None]) ** 2) / (2 * spread[:, None] ** 2))
    bumps = down[:, :, None] * across[:, None, :]
    heat = torch.zeros(batch * LAYERS, cells * cells, device=tables.device)
    heat.scatter_reduce_(0, (picture * LAYERS + layer)[:, None].expand(-1, cells * cells), bumps.flatten(1), "amax")
    heat = heat.view(batch, LAYERS, cells, cells)
    heat[picture, layer, j, i] = 1
    turn = torch.deg2rad(got["turn"])
    size, aspect = got["size"].clamp(0.01, 4).log(), got["aspect"].clamp(0.05, 20).log()
    levels = [got[name] / 2 if name in ("saturation", "brightness") else got[name] for name in LEVELS]
    cut = [got["u"].clamp(-2, 2), got["v"].clamp(-2, 2), got["amount"].clamp(0, 2)]
    return Targets(
        heat, picture, layer, j, i, kind,
        torch.stack([x - i - 0.5, y - j - 0.5, size, aspect, turn.sin(), turn.cos()], 1),
        torch.stack([*levels, *cut], 1),
        got["clip"].long(),
    )  # fmt: skip


def dense_loss(cells: Tensor, wanted: Targets) -> dict[str, Tensor]:
    """Parts of the loss by name, scalars: heat (focal loss of CenterNet, eq. 1), places, kinds, alike."""
    parts = split_channels(cells.float())
    heat = parts["heat"][:, :, 0].sigmoid().clamp(1e-4, 1 - 1e-4)
    centre = wanted.heat == 1
    count = centre.sum().clamp_min(1)
    focal = torch.where(
        centre, -((1 - heat) ** 2) * heat.log(), -((1 - wanted.heat) ** 4) * heat**2 * (1 - heat).log()
    ).sum()
    number = max(1, len(wanted.picture))
    thing = wanted.kind < len(THINGS)

    def at(name: str, chosen: Tensor) -> Tensor:
        """What the head says of the chosen elements, (n, channels)."""
        layer = wanted.layer[chosen] if parts[name].shape[1] > 1 else 0
        return parts[name][wanted.picture[chosen], layer, :, wanted.row[chosen], wanted.column[chosen]]

    everything = torch.ones_like(thing)
    box = torch.cat([at(name, everything) for name in ("offset", "size", "aspect", "turn")], 1)
    weight = box.new_tensor([1, 1, 1, 1, 0.5, 0.5])  # the turn of a round thing cannot be told
    places = (F.smooth_l1_loss(box, wanted.box, reduction="none", beta=0.1) * weight).sum()
    levels = F.smooth_l1_loss(at("levels", thing), wanted.state[thing, :6], reduction="sum", beta=0.1)
    is_cut = (wanted.clip > 0) & thing
    cut = F.smooth_l1_loss(at("cut", is_cut), wanted.state[is_cut, 6:], reduction="sum", beta=0.1)
    kinds = F.cross_entropy(at("prop", ~thing), wanted.kind[~thing] - len(THINGS), reduction="sum")
    clips = F.cross_entropy(at("clip", thing), wanted.clip[thing], reduction="sum")
    return {
        "heat": focal / count,
        "places": (places + levels + 0.3 * cut) / number,
        "kinds": (kinds + clips) / number,
        "alike": alike_loss(F.normalize(at("alike", thing), dim=-1), wanted.picture[thing], wanted.kind[thing]),
    }


def alike_loss(vectors: Tensor, picture: Tensor, kind: Tensor) -> Tensor:
    """Logistic loss of the cosine of two things of one picture, which is to be above one half where both are the same.

    vectors: (N, ALIKE_DIM), unit; picture, kind: (N,).
    """
    together = (picture[:, None] == picture[None]) & ~torch.eye(len(picture), dtype=torch.bool, device=picture.device)
    same = kind[:, None] == kind[None]
    logits = 8 * (vectors @ vectors.T - 0.5)
    losses = F.binary_cross_entropy_with_logits(logits, same.to(logits.dtype), reduction="none")
    # Pictures of one kind alone are many: both sides count the same.
    sides = [losses[together & chosen] for chosen in (same, ~same)]
    return torch.stack([side.mean() if len(side) else logits.sum() * 0 for side in sides]).mean()


def summed(parts: Mapping[str, Tensor]) -> Tensor:
    """The parts of `dense_loss` weighted for training."""
    return parts["heat"] + parts["places"] + 0.3 * parts["kinds"] + 0.5 * parts["alike"]
