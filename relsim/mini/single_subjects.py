"""Pictures of a single subject, from which the subject head learns names before it finds them in scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.mini.data import POOL_SIZE_PX, SHARD, PicturePool
from analogen.relsim.world.dataset import Selection
from analogen.relsim.world.palette import PALETTES, arbitrary_background
from analogen.relsim.world.render import render
from analogen.relsim.world.scene import Element, Scene


def draw_single_subjects(
    folder: Path, selection: Selection, shards: int, seed: int, side: int = POOL_SIZE_PX
) -> PicturePool:
    """Draws `shards` files of SHARD pictures of single subjects, side x side pixels; existing files are kept.

    Labels are indices into the selection's subjects.
    """

    def shard(number: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        rng = np.random.default_rng([seed, number, 62])
        labels = rng.integers(len(selection.subjects), size=SHARD).astype(np.int32)
        drawn = [render(_single_subject(selection.subjects[label], selection, rng), side) for label in labels]
        return np.stack(drawn), labels

    return PicturePool.draw(folder, shards, shard)


def _single_subject(subject: str, selection: Selection, rng: np.random.Generator) -> Scene:
    size = float(rng.uniform(0.4, 1.7))
    room = max(0.0, 1 - size / 2)
    thing = Element(
        "subject", float(rng.uniform(-room, room)), float(rng.uniform(-room, room)), size,
        turn=float(rng.normal(0, 12)), mirror=bool(rng.random() < 0.5),
        hue=float(rng.uniform(0, 360)) if rng.random() < 0.3 else 0.0,
    )  # fmt: skip
    return Scene(
        (thing,), background=arbitrary_background(rng), subject=subject, other=subject,
        style=str(rng.choice(selection.styles)), palette=str(rng.choice(list(PALETTES))),
    )  # fmt: skip
