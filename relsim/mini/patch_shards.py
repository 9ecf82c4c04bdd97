"""Shards of what a frozen encoder makes of training pictures, for the heads that are trained after it.

A shard holds the patches of SHARD drawn items and a label of each. It is written once, so that an interrupted training
goes on where it was.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.tensors import read_tensors
from analogen.relsim.training.loop import autocast

log = logging.getLogger(__name__)
SHARD = 1024  # items


class DrawnItem(NamedTuple):
    """pictures: (side, side, 3) uint8 by name, the same names for all items; label: anything that JSON can hold."""

    pictures: Mapping[str, NDArray[np.uint8]]
    label: Any


class PatchShards(NamedTuple):
    """patches: (n, P, dim) fp16 by the name of the picture; labels: (n,)."""

    patches: dict[str, Tensor]
    labels: list[Any]


def read_or_draw(
    encoder: MiniEncoder, folder: Path, what: str, count: int, draw: Callable[[int], DrawnItem], bf16: bool = False
) -> PatchShards:
    """Reads `count` items from the shards in `folder`; missing ones are drawn by `draw`, by number, and encoded first.

    what: the items in the plural, as files and log call them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    patches: dict[str, list[Tensor]] = {}
    labels: list[Any] = []
    for start in range(0, count, SHARD):
        path = folder / f"{what}-{start:06d}.safetensors"
        if not path.is_file():
            numbers = range(start, min(start + SHARD, count))
            _write(path, encoder, [draw(number) for number in numbers], bf16)
            log.info("%s: %d of %d", what, numbers.stop, count)
        for name, tensor in read_tensors(path).items():
            patches.setdefault(name, []).append(tensor)
        with safe_open(str(path), "pt") as file:
            labels += json.loads(file.metadata()["labels"])
    return PatchShards({name: torch.cat(tensors) for name, tensors in patches.items()}, labels)


def _write(path: Path, encoder: MiniEncoder, drawn: list[DrawnItem], bf16: bool) -> None:
    tensors = {}
    for name in drawn[0].pictures:
        images = [Image.fromarray(item.pictures[name]) for item in drawn]
        with autocast(encoder.device, bf16):
            tensors[name] = torch.from_numpy(encoder.encode_all(images, patches=True).patches).half()
    temporary = path.with_suffix(".tmp")
    save_file(tensors, str(temporary), metadata={"labels": json.dumps([item.label for item in drawn])})
    temporary.rename(path)
