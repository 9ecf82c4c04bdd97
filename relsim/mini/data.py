"""Pools of drawn training pictures, for an encoder without a pretrained trunk, and the augmentation of batches."""

from __future__ import annotations

import functools
import json
import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from analogen.relsim.mini.augmentation import restyle
from analogen.relsim.mini.confusions import PairOdds
from analogen.relsim.world.dataset import Selection, draw_sample, hard_negative_of
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.render import render

POOL_SIZE_PX = 128  # unless a training asks for another
SHARD = 2048
COMPOSED_SHARE = 0.25  # share of well-composed pairs in a restyled pool: people's pictures fill their frame


@dataclass(frozen=True)
class Labels:
    """Labels of a pool, all (n,) int32: indices into the pool's lists of relations, captions and subjects."""

    relation: NDArray[np.int32]
    caption: NDArray[np.int32]
    subject: NDArray[np.int32]


class Pool:
    """Pictures on disk, in one folder or several of the same relations, captions, subjects and size.

    Rows 2k and 2k + 1 are a pair: the same looks under two relations, so each is a hard negative of the other.
    """

    def __init__(self, *folders: Path) -> None:
        header = json.loads((folders[0] / "pool.json").read_text())
        self.relations: list[str] = header["relations"]
        self.captions: list[str] = header["captions"]
        self.subjects: list[str] = header["subjects"]
        paths = [path for folder in folders for path in sorted(folder.glob("shard-?????.npy"))]
        self._images = [np.load(path, mmap_mode="r") for path in paths]
        self.side: int = self._images[0].shape[1]
        columns = [np.load(path.with_suffix(".labels.npz")) for path in paths]
        self.labels = Labels(*(np.concatenate([c[n] for c in columns]) for n in ("relation", "caption", "subject")))
        self.mirror_ok = np.array([RELATIONS[name].mirror_ok for name in self.relations])

    def __len__(self) -> int:
        return len(self.labels.relation)

    def images(self, rows: NDArray[np.int64]) -> Tensor:
        """(len(rows), 3, side, side) uint8."""
        stack = np.empty((len(rows), self.side, self.side, 3), np.uint8)
        for slot, row in enumerate(rows.tolist()):
            stack[slot] = self._images[row // SHARD][row % SHARD]
        return torch.from_numpy(stack).permute(0, 3, 1, 2)


class PicturePool:
    """Pictures on disk with one label each, in shards of SHARD pictures."""

    def __init__(self, folder: Path) -> None:
        paths = sorted(folder.glob("shard-?????.npy"))
        self._images = [np.load(path, mmap_mode="r") for path in paths]
        self._labels = torch.from_numpy(np.concatenate([np.load(path.with_suffix(".labels.npy")) for path in paths]))

    @classmethod
    def draw(
        cls, folder: Path, shards: int, shard: Callable[[int], tuple[NDArray[np.uint8], NDArray[np.int32]]]
    ) -> PicturePool:
        """Writes the missing ones of `shards` files; shard(number) draws the pictures and labels of one."""
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(shards):
            path = folder / f"shard-{number:05d}.npy"
            if not path.is_file():
                images, labels = shard(number)
                np.save(path.with_suffix(".labels.npy"), labels)
                temporary = path.with_suffix(".tmp.npy")
                np.save(temporary, images)
                temporary.rename(path)
        return cls(folder)

    def __len__(self) -> int:
        return len(self._labels)

    def sample(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """`count` random pictures (count, 3, side, side) uint8, and their labels (count,) int32."""
        rows = torch.randint(len(self), (count,), generator=generator)
        size, side = self._images[0].shape[:2]
        stack = np.empty((count, side, side, 3), np.uint8)
        for slot, row in enumerate(rows.tolist()):
            stack[slot] = self._images[row // size][row % size]
        return torch.from_numpy(stack).permute(0, 3, 1, 2), self._labels[rows]


def draw_pool(
    folder: Path,
    selection: Selection,
    relations: list[str],
    shards: range,
    seed: int,
    workers: int = 1,
    side: int = POOL_SIZE_PX,
    *,
    finished: bool = False,
    redrawn: bool = False,
    odds: PairOdds | None = None,
) -> None:
    """Draws shards of SHARD pictures of side x side pixels. A shard depends on the seed and its number
    alone; existing shards are kept.

    finished: well-composed pictures, as the composer's results, instead of hard references; redrawn: half of the pairs
    in another style, see `augmentation.restyle`, and COMPOSED_SHARE of them well composed; odds: probabilities of the
    pairs' relations, by default uniform. Raises ValueError if the folder holds another pool.
    """
    folder.mkdir(parents=True, exist_ok=True)
    captions = [caption for name in relations for caption in RELATIONS[name].captions]
    header: dict[str, object] = {"relations": relations, "captions": captions, "subjects": list(selection.subjects)}
    header |= {"side": side, "redrawn": redrawn}
    path = folder / "pool.json"
    if path.is_file() and {"side": POOL_SIZE_PX, "redrawn": False, **json.loads(path.read_text())} != header:
        raise ValueError(
            f"{folder} holds a pool of other relations, captions, subjects, size or manner: name another folder"
        )
    path.write_text(json.dumps(header))
    draw = functools.partial(
        _draw_shard, folder, selection, relations, captions, seed, side, finished=finished, redrawn=redrawn, odds=odds
    )
    if workers == 1:
        for shard in shards:
            draw(shard)
    else:
        with multiprocessing.get_context("spawn").Pool(workers) as processes:
            processes.map(draw, shards, chunksize=1)


def _draw_shard(
    folder: Path,
    selection: Selection,
    relations: list[str],
    captions: list[str],
    seed: int,
    side: int,
    shard: int,
    *,
    finished: bool,
    redrawn: bool,
    odds: PairOdds | None,
) -> None:
    path = folder / f"shard-{shard:05d}.npy"
    if path.is_file():
        return
    rng = np.random.default_rng([seed, shard])
    images = np.empty((SHARD, side, side, 3), np.uint8)
    columns: dict[str, list[int]] = {"relation": [], "caption": [], "subject": []}
    for row in range(0, SHARD, 2):
        first, second = _pair_of(len(relations), odds, rng)
        hard = not finished and not (redrawn and rng.random() < COMPOSED_SHARE)
        sample = draw_sample(RELATIONS[relations[first]], selection, rng, hard=hard)
        negative = hard_negative_of(sample, RELATIONS[relations[second]], rng)
        manner = int(rng.integers(2**32)) if redrawn else 0  # the same for both, so that style does not tell them apart
        for offset, (drawn, index) in enumerate(((sample, first), (negative, second))):
            pixels = render(drawn.scene, side)
            if redrawn:
                pixels = restyle(pixels, drawn.relation, np.random.default_rng(manner))
            images[row + offset] = pixels
            columns["relation"].append(index)
            columns["caption"].append(captions.index(drawn.caption))
            columns["subject"].append(selection.subjects.index(drawn.subject))
    arrays: dict[str, Any] = {name: np.array(values, np.int32) for name, values in columns.items()}
    np.savez(path.with_suffix(".labels.npz"), **arrays)
    temporary = path.with_suffix(".tmp.npy")
    np.save(temporary, images)
    temporary.rename(path)


def _pair_of(count: int, odds: PairOdds | None, rng: np.random.Generator) -> tuple[int, int]:
    """Draws two different relations of `count`."""
    if odds is None:
        first, second = rng.choice(count, 2, replace=False)
    else:
        first = rng.choice(count, p=odds.first)
        second = rng.choice(count, p=odds.second[first])
    return int(first), int(second)


def batch_rows(total: int, batch_size: int, seed: int, step: int) -> NDArray[np.int64]:
    """Rows of the batch of this step: whole pairs, each once per epoch, in an order that depends on the seed alone."""
    pairs, per_batch = total // 2, batch_size // 2
    steps_per_epoch = max(1, pairs // per_batch)
    epoch, index = divmod(step, steps_per_epoch)
    order = np.random.default_rng([seed, epoch]).permutation(pairs)
    chosen = order[index * per_batch : (index + 1) * per_batch]
    return np.stack([2 * chosen, 2 * chosen + 1], 1).reshape(-1)


def augment(
    images: Tensor, size: int, mirror: Tensor, generator: torch.Generator, colour: float | Tensor = 1.0
) -> Tensor:
    """Augments a batch: shift, scale, rotation, shear; changed colours; blur, noise, grey.

    images: (B, 3, h, w) uint8; mirror: (B,) bool, rows that may be mirrored; colour: strength of the changes
    of colour, in [0, 1], one for all or (B,). Returns (B, 3, size, size) in [0, 1].
    """
    batch = len(images)
    strength = torch.as_tensor(colour).expand(batch)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(batch, *shape, generator=generator) * (high - low) + low

    def coin(probability: float | Tensor) -> Tensor:
        return torch.rand(batch, generator=generator) < probability

    # Geometry in one resampling.
    angle, shear = uniform(-0.14, 0.14), uniform(-0.1, 0.1)
    zoom_x, zoom_y = uniform(0.86, 1.22), uniform(0.86, 1.22)
    zoom_x = torch.where(mirror & coin(0.5), -zoom_x, zoom_x)
    cosine, sine = angle.cos(), angle.sin()
    theta = torch.stack(
        [
            torch.stack([zoom_x * cosine, zoom_y * (shear - sine), uniform(-0.12, 0.12)], -1),
            torch.stack([zoom_x * sine, zoom_y * cosine, uniform(-0.12, 0.12)], -1),
        ],
        1,
    )
    x = images.float().div_(255)
    grid = F.affine_grid(theta, [batch, 3, size, size], align_corners=False)
    x = F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)

    # Colours: a random mixing matrix about grey, contrast, brightness.
    much = strength.view(-1, 1, 1)
    weights = torch.tensor([0.2126, 0.7152, 0.0722])
    grey = weights.expand(3, 3)
    saturation = torch.where(coin(0.12 * strength), torch.zeros(batch), 1 + strength * uniform(-0.5, 0.4))
    mixing = torch.eye(3) + 0.12 * much * torch.randn(batch, 3, 3, generator=generator)
    x = torch.einsum("bij,bjhw->bihw", grey + saturation.view(-1, 1, 1) * (mixing - grey), x)
    mean = x.mean((1, 2, 3), keepdim=True)
    much = much[..., None]
    x = (x - mean) * (1 + much * uniform(-0.4, 0.3, 1, 1, 1)) + mean + much * uniform(-0.15, 0.15, 1, 1, 1)
    inverted = coin(0.04 * strength).view(-1, 1, 1, 1)
    x = torch.where(inverted, 1 - x, x)

    # Optics: blur some, add noise to some.
    blurred = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    x = torch.where(coin(0.2).view(-1, 1, 1, 1), blurred, x)
    noise = torch.where(coin(0.35), uniform(0.0, 0.08), torch.zeros(batch)).view(-1, 1, 1, 1)
    return (x + noise * torch.randn(x.shape, generator=generator)).clamp_(0, 1)


def attributes_target(images: Tensor, subject: Tensor, projection: Tensor) -> Tensor:
    """The target of the attributes head: the picture's colours and its subject, each half of the unit vector.

    images: (B, 3, h, w) uint8; subject: (B, 384) unit text embeddings; projection: (384, 48).
    Returns (B, 112): a 4 x 4 x 4 colour histogram (square roots, so that its norm is 1), then the projection.
    """
    small = F.avg_pool2d(images.float(), 4).div_(64).long().clamp_(max=3)  # (B, 3, h/4, w/4) in 0..3
    index = small[:, 0] * 16 + small[:, 1] * 4 + small[:, 2]
    histogram = F.one_hot(index.flatten(1), 64).float().mean(1).sqrt()
    shown = F.normalize(subject @ projection, dim=-1)
    return torch.cat([histogram, shown], -1) / 2**0.5


def attributes_projection() -> Tensor:
    """The fixed random projection of subjects in the attributes, (384, 48)."""
    return torch.randn(384, 48, generator=torch.Generator().manual_seed(384)) / 48**0.5
