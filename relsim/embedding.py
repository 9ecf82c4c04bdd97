"""Many files through an encoder: those that can be read are embedded, the others are listed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from analogen.relsim.data.batching import run_all
from analogen.relsim.encoder import RelationalEncoder
from analogen.relsim.images import read_image
from analogen.relsim.mini.encoder import MiniEncoder

Vectors = NDArray[np.float32]


class Seen(NamedTuple):
    """What an encoder says of one picture. known: as `mini.encoder.Looked.known`, None where the encoder has none."""

    relation: Vectors  # (384,)
    attributes: Vectors  # (dim,)
    known: float | None = None


class LookedOver(NamedTuple):
    """seen: one per path of `paths`, those that could be read, in the order given; refused: path and reason of the
    others; notes: path and what was changed in reading it."""

    seen: list[Seen]
    paths: list[Path]
    refused: list[dict[str, str]]
    notes: list[tuple[Path, str]]


def look_over(
    encoder: RelationalEncoder, paths: Sequence[Path], batch_size: int = 32, progress: bool = False
) -> LookedOver:
    """Relations and looks of many files, decoded ahead by threads; a batch is halved when memory runs out."""
    reduce = encoder.reduced if isinstance(encoder, MiniEncoder) else (lambda image: image)
    found: dict[int, Seen] = {}
    refused: dict[int, str] = {}
    notes: list[tuple[Path, str]] = []
    lock = threading.Lock()

    def load(path: Path) -> Image.Image:
        picture = read_image(path)
        with lock:
            notes.extend((path, note) for note in picture.notes)
        return reduce(picture.image)

    for pairs in run_all(paths, load, lambda images: see(encoder, images), batch_size, refused.__setitem__, progress):
        found.update(pairs)
    kept = sorted(found)
    return LookedOver(
        [found[index] for index in kept],
        [paths[index] for index in kept],
        [{"path": str(paths[index]), "reason": refused[index]} for index in sorted(refused)],
        sorted(notes),
    )


def see(encoder: RelationalEncoder, images: Sequence[Image.Image]) -> list[Seen]:
    """Relations and looks of pictures, in one pass where the encoder can."""
    if isinstance(encoder, MiniEncoder):
        looked = encoder.look(images)
        known = [float(one) for one in looked.known]
        return [Seen(*row) for row in zip(looked.relation, looked.attributes, known, strict=True)]
    return [Seen(*row) for row in zip(encoder.embed(images), encoder.attributes(images), strict=True)]
