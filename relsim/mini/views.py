"""Random crops and colour changes of training pictures; the positions of things are moved with them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from analogen.relsim.mini.dense_head import ABSENT, COLUMNS

X, Y, SIZE, TURN, MIRROR = (COLUMNS.index(name) for name in ("x", "y", "size", "turn", "mirror"))
FRAMED = 0.12  # share of the views that show the picture small on a plain ground
GREY = 0.2  # share that is grey, at full `colour`
SMALL = 0.12  # share that is shown as a thumbnail of SMALL_PX, enlarged
SMALL_PX = (40, 96)


def random_views(
    images: Tensor, tables: Tensor, size: int, mirror: Tensor, generator: torch.Generator, colour: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Views of a batch: moved, scaled, turned, sheared, some framed; colours turned; blurred, noisy, grey.

    images: (B, 3, h, w) uint8; tables: (B, n, len(COLUMNS)), their placed elements; mirror: (B,) bool, rows that may be
    mirrored; colour: how much colours change, in [0, 1]. Returns (B, 3, size, size) in [0, 1] and the moved tables.
    """
    batch = len(images)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(batch, *shape, generator=generator) * (high - low) + low

    def coin(probability: float) -> Tensor:
        return torch.rand(batch, generator=generator) < probability

    # Geometry in one resampling. `inward` takes places of the view, in [-1, 1], to places of the picture.
    angle, shear = uniform(-0.12, 0.12), uniform(-0.08, 0.08)
    zoom = uniform(0.84, 1.15)
    framed = coin(FRAMED)
    zoom = torch.where(framed, uniform(1.15, 1.9), zoom)
    stretch = uniform(0.92, 1.09)
    zoom_x, zoom_y = zoom * stretch, zoom / stretch
    zoom_x = torch.where(mirror & coin(0.5), -zoom_x, zoom_x)
    cosine, sine = angle.cos(), angle.sin()
    inward = torch.stack(
        [
            torch.stack([zoom_x * cosine, zoom_y * (shear - sine)], -1),
            torch.stack([zoom_x * sine, zoom_y * cosine], -1),
        ],
        1,
    )  # (B, 2, 2)
    shift = uniform(-0.1, 0.1, 2)
    x = images.float().div_(255)
    theta = torch.cat([inward, shift[..., None]], -1)
    grid = F.affine_grid(theta, [batch, 3, size, size], align_corners=False)
    seen = F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    outside = (grid.abs() > 1).any(-1)[:, None] & framed.view(-1, 1, 1, 1)  # (B, 1, size, size)
    plain = torch.where(
        coin(0.6).view(-1, 1, 1, 1), uniform(0, 1, 1, 1, 1).round().expand(-1, 3, -1, -1), uniform(0, 1, 3, 1, 1)
    )
    seen = torch.where(outside, plain, seen)
    return repainted(seen, generator, colour), moved_tables(tables, inward, shift)


def moved_tables(tables: Tensor, inward: Tensor, shift: Tensor) -> Tensor:
    """The placed elements in views whose places p show the picture's inward @ p + shift, both in [-1, 1].

    tables: (B, n, len(COLUMNS)); inward: (B, 2, 2); shift: (B, 2).
    """
    tables = tables.clone()
    outward = torch.linalg.inv(inward)
    centre = tables[..., [X, Y]] * 2 - 1
    centre = torch.einsum("bij,bnj->bni", outward, centre - shift[:, None])
    tables[..., [X, Y]] = (centre + 1) / 2
    determinant = torch.linalg.det(outward)[:, None]
    tables[..., SIZE] *= determinant.abs().sqrt()
    turn = torch.deg2rad(tables[..., TURN])
    up = torch.einsum("bij,bnj->bni", outward, torch.stack([turn.sin(), -turn.cos()], -1))
    tables[..., TURN] = torch.rad2deg(torch.atan2(up[..., 0], -up[..., 1]))
    tables[..., MIRROR] = torch.where(determinant < 0, 1 - tables[..., MIRROR], tables[..., MIRROR])
    return tables


def repainted(x: Tensor, generator: torch.Generator, colour: float) -> Tensor:
    """Other colours, contrast, brightness, sharpness and noise. x: (B, 3, h, w) in [0, 1]; returns the same."""
    batch = len(x)

    def uniform(low: float, high: float) -> Tensor:
        return (torch.rand(batch, generator=generator) * (high - low) + low).view(-1, 1, 1, 1)

    def coin(probability: float) -> Tensor:
        return (torch.rand(batch, generator=generator) < probability).view(-1, 1, 1, 1)

    weights = torch.tensor([0.2126, 0.7152, 0.0722])
    grey = weights.expand(3, 3)
    saturation = torch.where(coin(GREY * colour), torch.zeros(batch, 1, 1, 1), 1 + colour * uniform(-0.5, 0.4))
    mixing = torch.eye(3) + 0.1 * colour * torch.randn(batch, 3, 3, generator=generator)
    x = torch.einsum("bij,bjhw->bihw", grey + saturation.view(-1, 1, 1) * (mixing - grey), x)
    mean = x.mean((1, 2, 3), keepdim=True)
    x = (x - mean) * (1 + colour * uniform(-0.4, 0.3)) + mean + colour * uniform(-0.15, 0.15)
    x = torch.where(coin(0.03 * colour), 1 - x, x)
    for row in coin(SMALL).flatten().nonzero()[:, 0].tolist():
        side = int(torch.randint(*SMALL_PX, (1,), generator=generator))
        thumbnail = F.interpolate(x[row : row + 1], size=(side, side), mode="area")
        x[row : row + 1] = F.interpolate(thumbnail, size=x.shape[2:], mode="bilinear", align_corners=False)
    soft = coin(0.2).flatten()
    x[soft] = F.avg_pool2d(F.pad(x[soft], (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    noise = torch.where(coin(0.3), uniform(0.0, 0.08), torch.zeros(batch, 1, 1, 1))
    return (x + noise * torch.randn(x.shape, generator=generator)).clamp_(0, 1)


def holds_element(tables: Tensor) -> Tensor:
    """(B, n) bool: which rows of the tables hold an element."""
    return tables[..., 0] != ABSENT
