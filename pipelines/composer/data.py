"""Training scenes of the composer: drawn once, stored as tensors, and batched by length."""

from __future__ import annotations

import dataclasses
import functools
import json
import multiprocessing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from analogen.pipelines.composer.features import Batch, SceneTensors, collate, encode
from analogen.pipelines.composer.readings import NOTHING_READ, ElementTensors, element_tensors
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.mini.reading import read_scenes
from analogen.relsim.mini.scene_pool import NO_PHOTOGRAPH, DrawnScene, Looks
from analogen.relsim.world.dataset import (
    Selection,
    draw_sample,
    make_hard_reference,
    trained_relations,
    training_selection,
)
from analogen.relsim.world.grammar import Composition, draw_composition
from analogen.relsim.world.material import Material
from analogen.relsim.world.relations import Draft, Relation
from analogen.relsim.world.scene import Element
from analogen.relsim.world.unruled import unruled_elements

CHUNK = 1000  # scenes drawn from one seed
REFERENCE_PX = 208
COMPOSITIONS = 8000  # draws; several may be the same
UNRULED = ""  # logic of scenes without any


class Shares(NamedTuple):
    """How many of the scenes show relations of the catalogue, compositions of the grammar, and no rule."""

    relations: float = 0.5
    compositions: float = 0.35
    unruled: float = 0.15


ALL_KINDS = Shares()


@dataclass(frozen=True)
class SceneSet:
    """Scenes as flat arrays. offsets: (n + 1,) into tokens (sum, fields) and features (sum, NUM_FEATURES);
    logic: (n,) index into logics, the ids of relations and compositions, UNRULED for scenes without a rule; reference:
    (n, 384) relation embeddings of hard pictures of the same structure (zero rows where none was drawn); readings: what
    was read of these pictures. Scenes name no subject, so any subject of a picture is another one."""

    logics: list[str]
    offsets: NDArray[np.int64]
    tokens: NDArray[np.int64]
    features: NDArray[np.float32]
    logic: NDArray[np.int64]
    reference: NDArray[np.float32]
    readings: Readings

    def __len__(self) -> int:
        return len(self.logic)

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.offsets)

    def __getitem__(self, row: int) -> SceneTensors:
        part = slice(self.offsets[row], self.offsets[row + 1])
        return SceneTensors(self.tokens[part], self.features[part])

    @property
    def drawn(self) -> NDArray[np.bool_]:
        """(n,): whether a scene has a drawn reference."""
        return np.asarray(self.reference.any(axis=1))


@dataclass(frozen=True)
class Readings:
    """Readings of n references as flat arrays, empty for scenes without a reference. offsets: (n + 1,)."""

    offsets: NDArray[np.int64]
    tokens: NDArray[np.int64]
    features: NDArray[np.float32]
    sure: NDArray[np.float32]

    @classmethod
    def of(cls, each: list[ElementTensors]) -> Readings:
        offsets = np.concatenate([[0], np.cumsum([len(one.sure) for one in each])])
        return cls(offsets, *(np.concatenate(part) for part in zip(NOTHING_READ, *each, strict=True)))

    def __getitem__(self, row: int) -> ElementTensors:
        part = slice(self.offsets[row], self.offsets[row + 1])
        return ElementTensors(self.tokens[part], self.features[part], self.sure[part])


@dataclass(frozen=True)
class ReferenceMaking:
    """What hard references of scenes are drawn with and read by. encoder: folder of a relsim-mini with a dense head;
    cutouts, grounds: folders, or "" for drawings alone."""

    encoder: Path
    selection: Selection
    cutouts: str = ""
    grounds: str = ""
    bf16: bool = False


def draw_scenes(
    count: int,
    seed: int,
    workers: int = 1,
    making: ReferenceMaking | None = None,
    referenced: int | None = None,
    shares: Shares = ALL_KINDS,
) -> SceneSet:
    """`count` training scenes, all trained relations alike often and all atoms of compositions.

    making: what hard references of scenes are drawn and read with; referenced: how many scenes get one, in whole chunks
    from the first; None = all.
    """
    referenced = count if referenced is None else referenced
    jobs = [
        (seed, start // CHUNK, min(CHUNK, count - start), making if start < referenced else None, shares)
        for start in range(0, count, CHUNK)
    ]
    if workers == 1:
        parts = [_draw_chunk(job) for job in jobs]
    else:
        with multiprocessing.get_context("spawn").Pool(workers) as processes:
            parts = processes.map(_draw_chunk, jobs, chunksize=1)
    scenes = [scene for part in parts for scene in part.scenes]
    names = [name for part in parts for name in part.logics]
    logics = sorted(set(names))
    number = {name: i for i, name in enumerate(logics)}
    return SceneSet(
        logics,
        np.concatenate([[0], np.cumsum([len(scene.tokens) for scene in scenes])]),
        np.concatenate([scene.tokens for scene in scenes]),
        np.concatenate([scene.features for scene in scenes]),
        np.array([number[name] for name in names], np.int64),
        np.concatenate([part.reference for part in parts]),
        Readings.of([one for part in parts for one in part.readings]),
    )


class Chunk(NamedTuple):
    scenes: list[SceneTensors]
    logics: list[str]
    reference: NDArray[np.float32]  # (n, 384)
    readings: list[ElementTensors]


def _draw_chunk(job: tuple[int, int, int, ReferenceMaking | None, Shares]) -> Chunk:
    seed, chunk, count, making, shares = job
    torch.set_num_threads(1)
    rng = np.random.default_rng([seed, chunk])
    selection = making.selection if making else training_selection()
    drawn = [_draw_scene(rng, selection, shares) for _ in range(count)]
    reference, readings = np.zeros((count, 384), np.float32), [NOTHING_READ] * count
    if making is not None:
        reference, readings = _referenced(drawn, making, rng)
    return Chunk([encode(one.scene.elements) for one in drawn], [one.logic for one in drawn], reference, readings)


def _draw_scene(rng: Generator, selection: Selection, shares: Shares) -> DrawnScene:
    """A well-composed scene and its logic."""
    group = str(rng.choice(["relation", "composition", "aimless"], p=shares))
    logic = _draw_logic(rng, shares, "relation" if group == "relation" else "composition")
    sample = draw_sample(logic, selection, rng, hard=False)
    if group == "aimless":
        elements = unruled_elements(rng, lambda rng: _ruled_elements(rng, shares))
        return DrawnScene(dataclasses.replace(sample.scene, elements=elements), group, UNRULED, "")
    return DrawnScene(sample.scene, group, logic.id, sample.caption)


def _draw_logic(rng: Generator, shares: Shares, group: str) -> Relation:
    if group == "composition" and shares.compositions:
        known = _compositions()
        return known[int(rng.integers(len(known)))].relation()
    relations = trained_relations()
    return relations[int(rng.integers(len(relations)))]


@functools.lru_cache(maxsize=1)
def _compositions() -> tuple[Composition, ...]:
    """Those that the composer learns from: enough of them that every pair of parts occurs."""
    rng = np.random.default_rng(0)
    return tuple(sorted({draw_composition(rng, "train") for _ in range(COMPOSITIONS)}, key=str))


def _ruled_elements(rng: Generator, shares: Shares) -> tuple[Element, ...]:
    draft = Draft(rng)
    _draw_logic(rng, shares, str(rng.choice(["relation", "composition"]))).draw(draft)
    return tuple(draft.elements)


def _referenced(
    drawn: list[DrawnScene], making: ReferenceMaking, rng: Generator
) -> tuple[NDArray[np.float32], list[ElementTensors]]:
    """The relations (n, 384) of hard pictures of these scenes, and what is read of them."""
    mini, material = MiniEncoder(making.encoder), Material(making.cutouts, making.grounds)
    relations, readings = [], []
    for start in range(0, len(drawn), 64):
        pictures = []
        for one in drawn[start : start + 64]:
            # Not mirrored: the reference's direction is to be kept.
            hard = dataclasses.replace(one, scene=make_hard_reference(one.scene, rng, mirror=False))
            looks = Looks.draw(material, rng, photograph_ok=bool(making.grounds) and one.logic not in NO_PHOTOGRAPH)
            pictures.append(Image.fromarray(looks.picture(hard, material, REFERENCE_PX).pixels))
        with torch.autocast("cpu", torch.bfloat16, enabled=making.bf16):
            relations.append(mini.embed(pictures, len(pictures)))
            read = read_scenes(pictures, mini)
        readings += [element_tensors(one.scene.elements, one.confidences) for one in read]
    return np.concatenate(relations), readings


def save_scenes(scenes: SceneSet, path: Path) -> None:
    names = [f.name for f in dataclasses.fields(scenes) if f.name not in ("logics", "readings")]
    arrays = {name: getattr(scenes, name) for name in names}
    arrays |= {f"read_{f.name}": getattr(scenes.readings, f.name) for f in dataclasses.fields(scenes.readings)}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, logics=np.array(json.dumps(scenes.logics)), **arrays)


def load_scenes(path: Path) -> SceneSet:
    """Raises ValueError for a file of another version."""
    with np.load(path) as arrays:
        if "logics" not in arrays.files:
            raise ValueError(f"{path} was drawn by an earlier version: name another file, and scenes are drawn anew")
        values = {name: arrays[name] for name in arrays.files if name != "logics" and not name.startswith("read_")}
        read = {name[5:]: arrays[name] for name in arrays.files if name.startswith("read_")}
        return SceneSet(json.loads(str(arrays["logics"])), **values, readings=Readings(**read))


def batch_of(scenes: SceneSet, batch_size: int, seed: int, step: int, pooled: int = 16) -> tuple[Batch, Tensor]:
    """The batch of this step and its rows in the set, known from (seed, step) alone.

    Scenes of like length share a batch: out of `pooled` batches' worth of scenes the step takes one slice in
    order of length, which saves about half of the padding.
    """
    group, part = divmod(step, pooled)
    rng = np.random.default_rng([seed, group])
    rows = rng.integers(len(scenes), size=batch_size * pooled)
    rows = rows[np.argsort(scenes.lengths[rows], kind="stable")]
    chosen = rows.reshape(pooled, batch_size)[rng.permutation(pooled)[part]]
    return collate([scenes[int(row)] for row in chosen]), torch.from_numpy(chosen)
