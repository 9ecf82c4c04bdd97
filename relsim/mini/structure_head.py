"""Trains the structure head of an encoder: facts beyond the caption, such as counts and directions.

This is the last step of the encoder's training, on a frozen trunk. The head learns that a hard reference and a clean
drawing of the same elements with other subjects belong together, and to a degree scenes of the same relation that
agree in counts, directions and lattices (`relsim.world.structure`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analogen.relsim.losses import soft_contrastive_loss
from analogen.relsim.mini.augmentation import PICTURE_PX, render_reference
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.mini.model import Head, MiniNet
from analogen.relsim.mini.patch_shards import DrawnItem, read_or_draw
from analogen.relsim.training.loop import LoopSettings, train_loop
from analogen.relsim.world.dataset import PALETTE_NAMES, Selection, draw_sample
from analogen.relsim.world.palette import harmonious_background
from analogen.relsim.world.relations import Relation
from analogen.relsim.world.render import render
from analogen.relsim.world.scene import Frame
from analogen.relsim.world.structure import Value, agree, facts_of

PER_BATCH = 12  # relations, and pairs of each
TEMPERATURE = 0.09
AGREEMENT_WEIGHT = 0.5  # target weight of another scene that agrees in all facts
NOISE = 0.1


class Pairs(NamedTuple):
    """hard, clean: (n, P, dim) fp16, the trunk's patches; relations, values: (n,), relation and facts."""

    hard: Tensor
    clean: Tensor
    relations: list[str]
    values: list[list[Value]]


def train_structure_head(
    folder: Path,
    pairs_folder: Path,
    selection: Selection,
    relations: Sequence[Relation],
    count: int,
    settings: LoopSettings,
) -> None:
    """Trains the structure head of the encoder in `folder` and saves it there; an interrupted training is resumed.

    count: pairs, drawn once into `pairs_folder`, about 60 kB each in memory; settings: steps, lr and so on. Its
    batch_size is not used: a batch holds PER_BATCH pairs of PER_BATCH relations.
    """
    torch.set_num_threads(settings.threads)
    pairs = draw_pairs(MiniEncoder(folder), pairs_folder, selection, relations, count, settings.seed, settings.bf16)
    net = MiniNet.from_pretrained(folder)
    net.structure_head = train_head(net.structure_head, pairs, settings, pairs_folder / "state")
    net.save_pretrained(folder)


def draw_pairs(
    encoder: MiniEncoder, folder: Path, selection: Selection, relations: Sequence[Relation], count: int, seed: int,
    bf16: bool = False,
) -> Pairs:  # fmt: skip
    """Reads `count` pairs, relations in turn, from shards in `folder`; missing shards are drawn first."""

    def draw(number: int) -> DrawnItem:
        pair = draw_pair(relations[number % len(relations)], selection, seed, number)
        return DrawnItem({"hard": pair.hard, "clean": pair.clean}, pair.values)

    read = read_or_draw(encoder, folder, "pairs", count, draw, bf16)
    names = [relations[number % len(relations)].id for number in range(count)]
    return Pairs(read.patches["hard"], read.patches["clean"], names, read.labels)


class Pair(NamedTuple):
    """Two pictures of a scene. hard, clean: (PICTURE_PX, PICTURE_PX, 3) uint8; values: the scene's facts."""

    hard: NDArray[np.uint8]
    clean: NDArray[np.uint8]
    values: list[Value]


def draw_pair(relation: Relation, selection: Selection, seed: int, number: int) -> Pair:
    """Draws a hard reference, sometimes restyled, and the same elements centred, with other subjects and looks."""
    rng = np.random.default_rng([9 + seed, number])
    drawn = draw_sample(relation, selection, rng)
    hard = render_reference(drawn.scene, relation.id, rng)
    subject, other = (str(name) for name in rng.choice(selection.subjects, 2, replace=False))
    palette = PALETTE_NAMES[int(rng.integers(len(PALETTE_NAMES)))]
    scene = dataclasses.replace(
        drawn.scene, frame=Frame(mirror=drawn.scene.frame.mirror), subject=subject, other=other, palette=palette,
        style=str(rng.choice(selection.styles)), background=harmonious_background(palette, rng), shadow=0.4,
    )  # fmt: skip
    return Pair(hard, render(scene, PICTURE_PX), [fact.value for fact in facts_of(relation.id, drawn.scene)])


def train_head(head: Head, pairs: Pairs, settings: LoopSettings, state: Path | None = None) -> Head:
    """Trains on the pairs; returns the averaged head. Saves its state in `state` and resumes from there."""
    rows: dict[str, list[int]] = {}
    for row, relation in enumerate(pairs.relations):
        rows.setdefault(relation, []).append(row)
    kinds = [torch.tensor(own) for own in rows.values()]

    def loss_of(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        chosen = torch.randperm(len(kinds), generator=generator)[:PER_BATCH].tolist()
        batch = [kinds[k][torch.randperm(len(kinds[k]), generator=generator)[:PER_BATCH]] for k in chosen]
        weights = torch.block_diag(*(structure_agreement([pairs.values[i] for i in own.tolist()]) for own in batch))
        index = torch.cat(batch)
        # A little noise, so that the head does not memorise the few pictures.
        hard, clean = (
            side[index].float() + NOISE * torch.randn(side[index].shape, generator=generator)
            for side in (pairs.hard, pairs.clean)
        )
        return soft_contrastive_loss(head(hard), head(clean), TEMPERATURE, weights), {}

    return train_loop(head, settings, loss_of, state)


def structure_agreement(values: Sequence[Sequence[Value]]) -> Tensor:
    """(n, n), target weights for scenes of one relation: 1 for the scene itself; for others AGREEMENT_WEIGHT times the
    squared share of the first scene's facts in which they agree, or 0 if it has no facts."""
    found = torch.eye(len(values))
    for i, wanted in enumerate(values):
        known = [place for place, value in enumerate(wanted) if value is not None]
        for j, others in enumerate(values):
            if i != j and known:
                share = sum(agree(wanted[place], others[place]) for place in known) / len(known)
                found[i, j] = AGREEMENT_WEIGHT * share**2
    return found
