"""Sharded training scenes, drawn and photographed, for an encoder with a pretrained trunk.

A picture comes with its logic in words, its subject, and the table of its placed elements. Rows 2k and 2k + 1 are a
pair: two logics in the same looks (an attribute trap).
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from analogen.relsim.mini.augmentation import APPEARANCE_RELATIONS, jpeg, photo_effect
from analogen.relsim.mini.augmentation import MANNERS as DRAWN_MANNERS
from analogen.relsim.mini.confusions import PairOdds
from analogen.relsim.mini.dense_head import COLUMNS, moved, placed
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.mini.picture_shards import PictureShards, draw_missing, write_shard
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.cutouts import CutOut
from analogen.relsim.world.dataset import (
    Selection,
    draw_sample,
    hard_negative_of,
    trained_relations,
    training_selection,
)
from analogen.relsim.world.grammar import NEUTRAL, Composition, draw_composition, neighbours
from analogen.relsim.world.manners import MANNERS as MORE_MANNERS
from analogen.relsim.world.material import Material
from analogen.relsim.world.palette import PALETTES, arbitrary_background
from analogen.relsim.world.photographs import photograph
from analogen.relsim.world.presentation import present, squared
from analogen.relsim.world.relations import RELATIONS, Relation
from analogen.relsim.world.render import SceneArt, render
from analogen.relsim.world.scene import MAX_ELEMENTS, Element, Scene

SHARD = 1024
GROUPS = ("relation", "composition", "aimless", "portrait", "ground")
SHARES = {"relation": 0.32, "composition": 0.48, "aimless": 0.1, "portrait": 0.1}  # of the pairs
VARIED = 0.75  # share of the compositions that are drawn until things differ by a progression or casting
PHOTOGRAPHED = 0.5  # share of the pairs that are photographs
CUT_OUTS = {"photograph": 0.75, "drawing": 0.3}  # share of their things that are cut-outs, not icons
REDRAWN = {"photograph": 0.12, "drawing": 0.5}  # share that a manner is applied to
PRESENTED = 0.25
HARD = 0.7  # share of the scenes that are moved, turned and recoloured
NO_PHOTOGRAPH = {"camouflage"}  # its ground is a part of the logic
PROPS_OF_AIMLESS = ("rect", "ellipse", "star", "line", "cloud", "building", "triangle", "panel")
TOLD_BY_TONES = {  # parts of compositions that manners would hide
    "fading", "appearing", "colour", "paling", "colouring", "darkening", "dissolving", "drawn", "one_shadow",
    "one_grey", "one_sketched", "half_under_water", "in_ice",
}  # fmt: skip


@dataclass(frozen=True)
class DrawnScene:
    """One scene and its logic: `logic` is the id of a relation or composition, "" where there is none; mirror_ok: the
    mirrored picture has the same logic."""

    scene: Scene
    group: str
    logic: str
    caption: str
    mirror_ok: bool = True


class ScenePool(PictureShards):
    """The shards of a folder: pictures, and for each what `Picture` says of it."""

    def __init__(self, folder: Path, shards: int | None = None) -> None:
        super().__init__(folder, shards)
        self.group, self.logic, self.caption, self.subject = map(self.column, ("group", "logic", "caption", "subject"))
        self.mirror_ok, self.tables = self.column("mirror_ok"), self.column("tables")


def draw_scene_pool(
    folder: Path,
    shards: range,
    seed: int,
    side: int,
    cutouts: str = "",
    grounds: str = "",
    workers: int = 1,
    odds: PairOdds | None = None,
) -> None:
    """Draw shards of SHARD pictures of side x side pixels; existing ones are kept.

    A shard depends on the seed, its number, the side, the material and the odds alone. odds: of the pairs of relations
    of the catalogue, by default all alike.
    """
    draw_missing(folder, shards, functools.partial(_draw_shard, folder, seed, side, cutouts, grounds, odds), workers)


_selection = functools.lru_cache(maxsize=1)(training_selection)


@functools.lru_cache(maxsize=1)
def _material(cutouts: str, grounds: str) -> Material:
    return Material(cutouts, grounds)


def count_pool_confusions(
    encoder: MiniEncoder, pictures: int, seed: int, side: int, cutouts: str = "", grounds: str = ""
) -> NDArray[np.int64]:
    """Counts confusions on pictures such as the pool's: (n, n), how many of trained relation i are read as relation j.

    pictures: how many pairs are drawn.
    """
    material, rng = _material(cutouts, grounds), np.random.default_rng([seed, 71])
    place = {relation.id: i for i, relation in enumerate(trained_relations())}
    counts = np.zeros((len(place), len(place)), np.int64)
    for _ in range(pictures):
        pair = [one for one in draw_pair(material, rng, side, group="relation") if one.logic in place]
        for picture, vector in zip(pair, encoder.embed([Image.fromarray(one.pixels) for one in pair]), strict=True):
            read = encoder.nearest_captions(vector)[0].relation
            if read in place:
                counts[place[picture.logic], place[read]] += 1
    return counts


def _draw_shard(
    folder: Path, seed: int, side: int, cutouts: str, grounds: str, odds: PairOdds | None, number: int
) -> None:
    material, rng = _material(cutouts, grounds), np.random.default_rng([seed, number])
    images = np.empty((SHARD, side, side, 3), np.uint8)
    tables = np.empty((SHARD, MAX_ELEMENTS, len(COLUMNS)), np.float16)
    columns: dict[str, list[Any]] = {name: [] for name in ("group", "logic", "caption", "subject", "mirror_ok")}
    for row in range(0, SHARD, 2):
        for offset, picture in enumerate(draw_pair(material, rng, side, odds=odds)):
            images[row + offset], tables[row + offset] = picture.pixels, picture.table
            for name, values in columns.items():
                values.append(getattr(picture, name))
    write_shard(folder, number, images, {"tables": tables, **columns})


class Picture(NamedTuple):
    """pixels: (side, side, 3) uint8; table: as of `dense_head.placed`; the others as of `DrawnScene`."""

    pixels: NDArray[np.uint8]
    table: NDArray[np.float32]
    group: str
    logic: str
    caption: str
    subject: str
    mirror_ok: bool


def draw_pair(
    material: Material, rng: Generator, side: int, group: str = "", odds: PairOdds | None = None
) -> tuple[Picture, Picture]:
    """Two logics in the same looks. group: a key of SHARES, by default a random one; odds: as of `draw_scene_pool`."""
    group = group or str(rng.choice(list(SHARES), p=list(SHARES.values())))
    selection = _selection()
    hard = bool(rng.random() < HARD)
    if group == "aimless":
        pair = (random_scene(selection, rng), random_scene(selection, rng))
    elif group == "portrait":
        pair = (portrait(selection, rng), portrait(selection, rng))
    else:
        pair = _logics(group, selection, rng, hard, odds)
    looks = Looks.draw(material, rng, photograph_ok=not any(one.logic in NO_PHOTOGRAPH for one in pair))
    if group == "aimless" and rng.random() < 0.3:
        pair = (pair[0], empty_scene(pair[1]))
    first, second = (looks.picture(one, material, side) for one in pair)
    if group == "portrait":  # each its own thing: names are what they teach
        second = Looks.draw(material, rng).picture(pair[1], material, side)
    return first, second


def _logics(
    group: str, selection: Selection, rng: Generator, hard: bool, odds: PairOdds | None
) -> tuple[DrawnScene, DrawnScene]:
    relations = trained_relations()
    if group == "relation" and odds is not None:
        first = int(rng.choice(len(relations), p=odds.first))
        kinds = [relations[first], relations[int(rng.choice(len(relations), p=odds.second[first]))]]
    elif group == "relation":
        kinds = [relations[i] for i in rng.choice(len(relations), 2, replace=False)]
    else:
        composition = _composition(rng)
        near = [c for c in neighbours(composition) if not c.held_out]
        other = near[int(rng.integers(len(near)))] if near and rng.random() < 0.75 else _composition(rng)
        kinds = [composition.relation(), other.relation()]
        if rng.random() < 0.1:
            kinds[1] = relations[int(rng.integers(len(relations)))]
    sample = draw_sample(kinds[0], selection, rng, hard=hard)
    trap = hard_negative_of(sample, kinds[1], rng)

    def drawn(kind: Relation, scene: Scene, caption: str) -> DrawnScene:
        return DrawnScene(
            scene, "relation" if kind.id in RELATIONS else "composition", kind.id, caption, kind.mirror_ok
        )

    return drawn(kinds[0], sample.scene, sample.caption), drawn(kinds[1], trap.scene, trap.caption)


def _composition(rng: Generator) -> Composition:
    """A trained composition. Most have a progression or a casting: arrangements alone are soon learned."""
    varied = rng.random() < VARIED
    while True:
        made = draw_composition(rng, "train")
        if not varied or (made.progression, made.casting) != (NEUTRAL["progression"], NEUTRAL["casting"]):
            return made


def random_scene(selection: Selection, rng: Generator) -> DrawnScene:
    """Things and props of random kinds, places, sizes and turns: no logic."""
    elements = []
    for _ in range(int(rng.integers(1, 13))):
        kind = str(rng.choice(["subject", "other", str(rng.choice(PROPS_OF_AIMLESS))], p=[0.4, 0.3, 0.3]))
        x, y = rng.uniform(-0.9, 0.9, 2)
        elements.append(
            Element(
                kind, float(x), float(y), float(rng.uniform(0.12, 0.9)), aspect=float(rng.uniform(0.6, 1.7)),
                turn=float(rng.uniform(0, 360)) if rng.random() < 0.5 else float(rng.normal(0, 12)),
                opacity=float(rng.uniform(0.4, 1)) if rng.random() < 0.4 else 1.0, hue=float(rng.uniform(0, 360)),
                mirror=bool(rng.random() < 0.5),
            )
        )  # fmt: skip
    return DrawnScene(_scene(tuple(elements), selection, rng), "aimless", "", "")


def portrait(selection: Selection, rng: Generator) -> DrawnScene:
    """One thing alone: what the subject head learns names from."""
    size = float(rng.uniform(0.4, 1.7))
    room = max(0.0, 1 - size / 2)
    thing = Element(
        "subject", float(rng.uniform(-room, room)), float(rng.uniform(-room, room)), size,
        turn=float(rng.normal(0, 12)), mirror=bool(rng.random() < 0.5),
        hue=float(rng.uniform(0, 360)) if rng.random() < 0.15 else 0.0,
    )  # fmt: skip
    return DrawnScene(_scene((thing,), selection, rng), "portrait", "", "")


def empty_scene(like: DrawnScene) -> DrawnScene:
    """The ground of a scene, without its things and props."""
    return DrawnScene(dataclasses.replace(like.scene, elements=()), "ground", "", "")


def _scene(elements: tuple[Element, ...], selection: Selection, rng: Generator) -> Scene:
    subject, other = (str(name) for name in rng.choice(selection.subjects, 2, replace=False))
    return Scene(
        elements, background=arbitrary_background(rng), subject=subject, other=other,
        style=str(rng.choice(selection.styles)), palette=str(rng.choice(list(PALETTES))), shadow=0.35,
    )  # fmt: skip


@dataclass(frozen=True)
class Looks:
    """How pictures of a pair look, whatever their logic: medium, who plays the things, manner, presentation."""

    medium: str  # "photograph" or "drawing"
    subject: CutOut | None
    other: CutOut | None
    manner: int  # -1: none
    presented: bool
    seed: int

    @classmethod
    def draw(cls, material: Material, rng: Generator, photograph_ok: bool = True) -> Looks:
        medium = "photograph" if photograph_ok and rng.random() < PHOTOGRAPHED else "drawing"
        return cls.draw_in(medium, material, rng)

    @classmethod
    def draw_in(cls, medium: str, material: Material, rng: Generator) -> Looks:
        """Looks of a medium, "photograph" or "drawing"."""
        subject = other = None
        if len(material.cutouts) > 1 and rng.random() < CUT_OUTS[medium]:
            first, second = rng.choice(len(material.cutouts), 2, replace=False)
            subject, other = material.cutouts[int(first)], material.cutouts[int(second)]
        manners = len(DRAWN_MANNERS) + len(MORE_MANNERS)
        manner = int(rng.integers(manners)) if rng.random() < REDRAWN[medium] else -1
        return cls(medium, subject, other, manner, bool(rng.random() < PRESENTED), int(rng.integers(2**32)))

    def picture(self, drawn: DrawnScene, material: Material, side: int) -> Picture:
        # The same draws for both of a pair, or the looks would tell the logics apart.
        rng = np.random.default_rng(self.seed)
        scene = drawn.scene
        art = SceneArt(ArtLibrary.shipped(), self.subject, self.other)
        if self.medium == "photograph":
            pixels = photograph(scene, art, material.grounds.draw(side, rng), rng, side)
        else:
            pixels = render(scene, side, art=art)
        pixels = self._in_manner(pixels, drawn, np.random.default_rng([self.seed, 1]))
        table = placed(scene)
        if self.presented:
            shown = present(pixels, np.random.default_rng([self.seed, 2]))
            whole = squared(shown.pixels, side)
            pixels, table = whole.pixels, moved(table, whole.matrix @ shown.matrix)
        subject = self.subject.name if self.subject else scene.subject
        return Picture(pixels, table, drawn.group, drawn.logic, drawn.caption, subject, drawn.mirror_ok)

    def _in_manner(self, pixels: NDArray[np.uint8], drawn: DrawnScene, rng: Generator) -> NDArray[np.uint8]:
        if self.manner < 0:
            return pixels
        manner = [*DRAWN_MANNERS, *MORE_MANNERS][self.manner]
        told_by_tones = drawn.logic in APPEARANCE_RELATIONS or bool(TOLD_BY_TONES & set(drawn.logic.split("/")))
        if told_by_tones and manner is not photo_effect:
            return pixels
        image = manner(Image.fromarray(pixels), rng)
        if rng.random() < 0.3:
            image = jpeg(image, rng)
        return np.asarray(image)
