"""Makes pictures that show no relation of the catalogue, as negatives for training and calibration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from analogen.relsim.mini.data import POOL_SIZE_PX, SHARD, PicturePool
from analogen.relsim.world.dataset import Selection
from analogen.relsim.world.palette import PALETTES, arbitrary_background
from analogen.relsim.world.render import render
from analogen.relsim.world.scene import Element, Scene

PROPS = ("rect", "ellipse", "star", "line", "cloud", "building", "triangle", "panel")


def pictures_without_relation(
    count: int, selection: Selection, rng: Generator, size: int
) -> Iterator[NDArray[np.uint8]]:
    """Draws things and props of random kinds, places, sizes and rotations on any ground; each (size, size, 3)."""
    for _ in range(count):
        elements = []
        for _ in range(int(rng.integers(0, 12))):
            kind = str(rng.choice(["subject", "other", str(rng.choice(PROPS))]))
            x, y = rng.uniform(-0.9, 0.9, 2)
            elements.append(
                Element(
                    kind, float(x), float(y), float(rng.uniform(0.12, 0.9)), aspect=float(rng.uniform(0.5, 2)),
                    turn=float(rng.uniform(0, 360)), opacity=float(rng.uniform(0.4, 1)), hue=float(rng.uniform(0, 360)),
                )
            )  # fmt: skip
        subject, other = (str(n) for n in rng.choice(selection.subjects, 2, replace=False))
        scene = Scene(
            tuple(elements), background=arbitrary_background(rng), subject=subject, other=other,
            style=str(rng.choice(selection.styles)), palette=str(rng.choice(list(PALETTES))),
        )  # fmt: skip
        yield render(scene, size)


def draw_out_of_distribution(
    folder: Path, selection: Selection, shards: int, seed: int, side: int = POOL_SIZE_PX
) -> PicturePool:
    """Draws `shards` files of SHARD pictures without a relation, side x side pixels; existing files are kept."""

    def shard(number: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        rng = np.random.default_rng([seed, number, 61])
        drawn = np.stack(list(pictures_without_relation(SHARD, selection, rng, side)))
        return drawn, np.full(SHARD, -1, np.int32)

    return PicturePool.draw(folder, shards, shard)


def destroy_relation(images: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Makes `count` pictures without a relation from scenes: a small part enlarged, several blended, or only their
    colours in a 1/f noise texture, whose spectrum is that of photographs.

    images: (B, 3, h, w) uint8. Returns (count, 3, h, w) uint8.
    """
    batch, _, height, width = images.shape
    rows = torch.randint(batch, (count,), generator=generator)
    kinds = torch.randint(3, (count,), generator=generator).tolist()
    destroyed = []
    for row, kind in zip(rows.tolist(), kinds, strict=True):
        picture = images[row].float()
        if kind == 0:
            share = 0.18 + 0.14 * torch.rand((), generator=generator).item()
            part_h, part_w = max(2, round(share * height)), max(2, round(share * width))
            top = int(torch.randint(height - part_h + 1, (), generator=generator))
            left = int(torch.randint(width - part_w + 1, (), generator=generator))
            part = picture[None, :, top : top + part_h, left : left + part_w]
            picture = F.interpolate(part, (height, width), mode="bicubic")[0]
        elif kind == 1:
            second = images[int(torch.randint(batch, (), generator=generator))].float()
            third = images[int(torch.randint(batch, (), generator=generator))].float()
            picture = (picture + second.flip(-1) + third.flip(-2)) / 3
        else:
            picture = _clouds(picture, generator)
        destroyed.append(picture.clamp(0, 255).to(torch.uint8))
    return torch.stack(destroyed) if destroyed else images[:0]


def _clouds(picture: Tensor, generator: torch.Generator) -> Tensor:
    """1/f noise with the mean and standard deviation of the picture's channels; (3, h, w)."""
    _, height, width = picture.shape
    noise = torch.randn(picture.shape, generator=generator)
    shared = torch.rand((), generator=generator)
    noise = shared * noise[:1] + (1 - shared) * noise
    radius = (torch.fft.fftfreq(height)[:, None].square() + torch.fft.rfftfreq(width)[None].square()).sqrt()
    steepness = 0.7 + 0.9 * torch.rand((), generator=generator)
    texture = torch.fft.irfft2(torch.fft.rfft2(noise) / radius.clamp_min(1 / height).pow(steepness), (height, width))
    texture = (texture - texture.mean((1, 2), keepdim=True)) / texture.std((1, 2), keepdim=True).clamp_min(1e-6)
    return picture.mean((1, 2), keepdim=True) + texture * picture.std((1, 2), keepdim=True).clamp_min(12)
