"""Pictures for the judges' training: every relation and subject, drawn and photographed, in all manners.

Rows 2k and 2k + 1 are a pair: two relations in the same looks.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from analogen.relsim.mini.picture_shards import PictureShards, draw_missing, write_shard
from analogen.relsim.mini.scene_pool import NO_PHOTOGRAPH, DrawnScene, Looks, portrait
from analogen.relsim.world.art import TRAINING_STYLES, ArtLibrary
from analogen.relsim.world.dataset import Sample, Selection, draw_sample, hard_negative_of
from analogen.relsim.world.material import Material
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.render import render

SHARD = 1024
SHARES = {"finished": 0.4, "photograph": 0.2, "drawing": 0.15, "alone": 0.25}  # of the pairs


class JudgePicture(NamedTuple):
    """pixels: (side, side, 3) uint8; relation: its id, "" where the thing is alone; subject: a noun of the stock, or ""
    for another thing."""

    pixels: NDArray[np.uint8]
    relation: str
    subject: str


class JudgePool(PictureShards):
    """The shards of a folder. relations, subjects: (n,), of each picture, "" where a judge is not asked."""

    def __init__(self, folder: Path, shards: int | None = None) -> None:
        super().__init__(folder, shards, "pictures for judges")
        self.relations, self.subjects = self.column("relation"), self.column("subject")


def judges_selection() -> Selection:
    """The selection of all stock subjects and all art families."""
    nouns = ArtLibrary.shipped().nouns(stock=True)
    return Selection(nouns, nouns, TRAINING_STYLES)


def draw_judge_pool(
    folder: Path, shards: int, seed: int, side: int, cutouts: str = "", grounds: str = "", workers: int = 1
) -> None:
    """Draws `shards` files of SHARD pictures; existing ones are kept. cutouts, grounds: folders of material for
    photographs; without them photographs show the library's art on procedural grounds."""
    draw = functools.partial(_draw_shard, folder, seed, side, cutouts, grounds)
    draw_missing(folder, range(shards), draw, workers)


def draw_judge_pair(
    kind: str, material: Material, rng: Generator, side: int, relations: Sequence[str], selection: Selection
) -> tuple[JudgePicture, JudgePicture]:
    """Two pictures of a key of SHARES: finished drawings as results are, photographs or drawings in all manners, or
    single things."""
    if kind == "alone":
        looks = Looks.draw(material, rng), Looks.draw(material, rng)
        alone = portrait(selection, rng), portrait(selection, rng)
        first, second = (_seen(one, own, material, side) for one, own in zip(looks, alone, strict=True))
        return first, second
    names = [str(name) for name in rng.choice(list(relations), 2, replace=False)]
    hard = bool(kind != "finished" and rng.random() < 0.7)
    sample = draw_sample(RELATIONS[names[0]], selection, rng, hard=hard)
    negative = hard_negative_of(sample, RELATIONS[names[1]], rng)
    if kind == "finished":
        first, second = (JudgePicture(render(one.scene, side), one.relation, one.subject) for one in (sample, negative))
        return first, second
    medium = "drawing" if set(names) & NO_PHOTOGRAPH else kind
    same = Looks.draw_in(medium, material, rng)
    first, second = (_seen(same, _drawn(one), material, side) for one in (sample, negative))
    return first, second


def _drawn(sample: Sample) -> DrawnScene:
    return DrawnScene(sample.scene, "relation", sample.relation, sample.caption)


def _seen(looks: Looks, drawn: DrawnScene, material: Material, side: int) -> JudgePicture:
    picture = looks.picture(drawn, material, side)
    known = picture.subject in ArtLibrary.shipped().nouns(stock=True)
    return JudgePicture(picture.pixels, drawn.logic, picture.subject if known else "")


@functools.lru_cache(maxsize=1)
def _material(cutouts: str, grounds: str) -> Material:
    return Material(cutouts, grounds)


def _draw_shard(folder: Path, seed: int, side: int, cutouts: str, grounds: str, number: int) -> None:
    material, rng, selection = (
        _material(cutouts, grounds),
        np.random.default_rng([seed, number, 63]),
        judges_selection(),
    )
    images = np.empty((SHARD, side, side, 3), np.uint8)
    labels: dict[str, list[str]] = {"relation": [], "subject": []}
    for row in range(0, SHARD, 2):
        kind = str(rng.choice(list(SHARES), p=list(SHARES.values())))
        pair = draw_judge_pair(kind, material, rng, side, list(RELATIONS), selection)
        for offset, picture in enumerate(pair):
            images[row + offset] = picture.pixels
            labels["relation"].append(picture.relation)
            labels["subject"].append(picture.subject)
    write_shard(folder, number, images, labels)
