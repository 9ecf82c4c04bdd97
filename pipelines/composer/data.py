"""Training scenes of the composer: drawn once, stored as tensors, and batched by length."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from analogen.pipelines.composer.features import Batch, SceneTensors, collate, encode
from analogen.relsim.mini.augmentation import render_reference
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.world.dataset import (
    Selection,
    draw_sample,
    make_hard_reference,
    trained_relations,
    training_selection,
)
from analogen.relsim.world.relations import RELATIONS

CHUNK = 2000  # scenes drawn from one seed


@dataclass(frozen=True)
class SceneSet:
    """Scenes as flat arrays. offsets: (n + 1,) into tokens (sum, fields) and features (sum, NUM_FEATURES);
    relation: (n,) index into relations; reference: (n, 384) relation embeddings of hard drawings of the same
    structure (zero rows where not drawn); patches: (how many were drawn, P, dim), what the encoder saw of them. Scenes
    name no subject, so any subject of the drawing is another one."""

    relations: list[str]
    offsets: NDArray[np.int64]
    tokens: NDArray[np.int64]
    features: NDArray[np.float32]
    relation: NDArray[np.int64]
    reference: NDArray[np.float32]
    patches: NDArray[np.float16] | None = None

    def __len__(self) -> int:
        return len(self.relation)

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

    def restricted_to(self, vocabulary: NDArray[np.int64]) -> SceneSet:
        """The scenes whose tokens are all rows of `vocabulary` (V, fields)."""
        known = {tuple(row) for row in vocabulary.tolist()}
        unknown = np.array([tuple(row) not in known for row in self.tokens.tolist()])
        keep = np.add.reduceat(unknown, self.offsets[:-1]) == 0
        elements = np.repeat(keep, self.lengths)
        offsets = np.concatenate([[0], np.cumsum(self.lengths[keep])])
        patches = None if self.patches is None else self.patches[keep[self.drawn]]
        return SceneSet(
            self.relations, offsets, self.tokens[elements], self.features[elements], self.relation[keep],
            self.reference[keep], patches,
        )  # fmt: skip


def draw_scenes(
    count: int,
    seed: int,
    workers: int = 1,
    encoder: Path | None = None,
    selection: Selection | None = None,
    bf16: bool = False,
    referenced: int | None = None,
    patches: bool = False,
) -> SceneSet:
    """`count` training scenes, all trained relations alike often; with an encoder's folder, the relation of a hard
    reference drawing of each (subjects from `selection`) is kept beside it, embedded in `bf16` if asked.

    referenced: how many scenes get such a reference, in whole chunks from the first; None = all. patches: keep what
    the encoder saw of each patch too (31 KB a reference at 112 px).
    """
    relations = [r.id for r in trained_relations()]
    referenced = count if referenced is None else referenced
    jobs = []
    for start in range(0, count, CHUNK):
        chunk_encoder = encoder if start < referenced else None
        jobs.append(
            (relations, seed, start // CHUNK, min(CHUNK, count - start), chunk_encoder, selection, bf16, patches)
        )
    if workers == 1:
        parts = [_draw_chunk(job) for job in jobs]
    else:
        with multiprocessing.get_context("spawn").Pool(workers) as processes:
            parts = processes.map(_draw_chunk, jobs, chunksize=1)
    lengths = np.concatenate([p[0] for p in parts])
    return SceneSet(
        relations,
        np.concatenate([[0], np.cumsum(lengths)]),
        np.concatenate([p[1] for p in parts]),
        np.concatenate([p[2] for p in parts]),
        np.concatenate([p[3] for p in parts]),
        np.concatenate([p[4] for p in parts]),
        patches=np.concatenate([p[5] for p in parts if len(p[5])]) if patches and encoder else None,
    )


Part = tuple[
    NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.float32],
    NDArray[np.float16],
]  # fmt: skip


def _draw_chunk(job: tuple[list[str], int, int, int, Path | None, Selection | None, bool, bool]) -> Part:
    relations, seed, chunk, count, encoder, selection, bf16, patches = job
    torch.set_num_threads(1)
    rng = np.random.default_rng([seed, chunk])
    selection = selection or training_selection()
    mini = MiniEncoder(encoder) if encoder else None
    lengths, tokens, features, relation = [], [], [], []
    pictures: list[Image.Image] = []
    seen: list[tuple[NDArray[np.float32], NDArray[np.float16]]] = []
    for _ in range(count):
        index = int(rng.integers(len(relations)))
        sample = draw_sample(RELATIONS[relations[index]], selection, rng, hard=False)
        scene = encode(sample.scene.elements)
        lengths.append(len(scene.tokens))
        tokens.append(scene.tokens)
        features.append(scene.features)
        relation.append(index)
        if mini is not None:
            # Not mirrored: the reference's direction is to be kept.
            hard = make_hard_reference(sample.scene, rng, mirror=False)
            pictures.append(Image.fromarray(render_reference(hard, relations[index], rng)))
            if len(pictures) == 128:
                seen.append(_embed_references(mini, pictures, bf16, patches))
                pictures = []
    if mini is not None and pictures:
        seen.append(_embed_references(mini, pictures, bf16, patches))
    return (
        np.array(lengths, np.int64),
        np.concatenate(tokens),
        np.concatenate(features),
        np.array(relation),
        np.concatenate([found for found, _ in seen]) if seen else np.zeros((count, 384), np.float32),
        np.concatenate([found for _, found in seen]) if seen else np.zeros((0, 0, 0), np.float16),
    )


def _embed_references(
    encoder: MiniEncoder, pictures: list[Image.Image], bf16: bool, patches: bool
) -> tuple[NDArray[np.float32], NDArray[np.float16]]:
    """Relations (n, 384), and patches (n, P, dim) or nothing of them."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        found = encoder.encode_all(pictures, len(pictures), patches=patches)
    return found.relation, found.patches[: len(pictures) if patches else 0].astype(np.float16)


def save_scenes(scenes: SceneSet, path: Path) -> None:
    arrays = {f.name: getattr(scenes, f.name) for f in dataclasses.fields(scenes) if f.name != "relations"}
    if scenes.patches is None:
        del arrays["patches"]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, relations=np.array(json.dumps(scenes.relations)), **arrays)


def load_scenes(path: Path) -> SceneSet:
    with np.load(path) as arrays:
        values = {name: arrays[name] for name in arrays.files if name != "relations"}
        return SceneSet(json.loads(str(arrays["relations"])), **values)


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
