"""Shards of training pictures on disk: the pixels of SHARD pictures in one file, their labels in another."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

log = logging.getLogger(__name__)


class PictureShards:
    """The shards of a folder, or the first `count` of them. what: of the pictures, for the error.

    Raises FileNotFoundError with one line if there are none.
    """

    def __init__(self, folder: Path, count: int | None = None, what: str = "training pictures") -> None:
        paths = sorted(folder.glob("shard-?????.npy"))[:count]
        if not paths:
            raise FileNotFoundError(f"{folder} holds no {what}: draw them first")
        self._images = [np.load(path, mmap_mode="r") for path in paths]
        self._labels = [np.load(path.with_suffix(".labels.npz")) for path in paths]

    def __len__(self) -> int:
        return sum(map(len, self._images))

    def column(self, name: str) -> NDArray[Any]:
        """(n, ...), the labels of this name."""
        return np.concatenate([one[name] for one in self._labels])

    def images(self, rows: NDArray[np.int64]) -> Tensor:
        """(len(rows), 3, side, side) uint8."""
        size = len(self._images[0])
        stack = np.stack([self._images[row // size][row % size] for row in rows.tolist()])
        return torch.from_numpy(stack).permute(0, 3, 1, 2)


def draw_missing(folder: Path, numbers: Iterable[int], draw: Callable[[int], None], workers: int = 1) -> None:
    """Calls `draw`, which can be pickled, with each number of a shard that the folder lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [number for number in numbers if not _path(folder, number).is_file()]
    if workers == 1:
        for number in missing:
            draw(number)
    else:
        with multiprocessing.get_context("spawn").Pool(workers) as processes:
            processes.map(draw, missing, chunksize=1)


def write_shard(folder: Path, number: int, images: NDArray[np.uint8], labels: Mapping[str, Any]) -> None:
    """Writes a shard; the pixels last, so that a shard that has them is whole. images: (n, side, side, 3)."""
    path = _path(folder, number)
    arrays: dict[str, Any] = {name: np.asarray(values) for name, values in labels.items()}
    np.savez(path.with_suffix(".labels.npz"), **arrays)
    temporary = path.with_suffix(".tmp.npy")
    np.save(temporary, images)
    temporary.rename(path)
    log.info("drawn %s", path.name)


def _path(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05d}.npy"
