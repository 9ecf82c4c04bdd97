"""Trains the parts head of an encoder: which arrangement, progression, casting and setting a picture shows.

It is a phase of its own on a frozen trunk, on pairs of neighbouring compositions in the same looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.mini.model import MiniNet, PartsHead
from analogen.relsim.mini.patch_shards import DrawnItem, PatchShards, read_or_draw
from analogen.relsim.mini.scene_pool import draw_pair
from analogen.relsim.training.loop import LoopSettings, train_loop
from analogen.relsim.world.grammar import ATOMS, NEUTRAL, PARTS
from analogen.relsim.world.grammar.named import NAMED
from analogen.relsim.world.material import Material

PICTURE_PX = 208
NOISE = 0.1


def train_parts_head(
    folder: Path, pairs_folder: Path, count: int, settings: LoopSettings, cutouts: str = "", grounds: str = ""
) -> None:
    """Trains the parts head of the encoder in `folder`, which it gets if it has none, and saves it there; an
    interrupted training is resumed.

    count: pairs of pictures, drawn once into `pairs_folder`, about 150 kB each in memory; cutouts, grounds: folders of
    material for photographs; settings: steps, lr, batch_size and so on.
    """
    torch.set_num_threads(settings.threads)
    material = Material(cutouts, grounds)
    pairs = draw_pairs(MiniEncoder(folder), pairs_folder, count, settings.seed, material, settings.bf16)
    torch.manual_seed(settings.seed)
    net = MiniNet.from_pretrained(folder).with_parts()
    net.parts_head = train_head(net.parts_head, pairs, settings, pairs_folder / "state")
    net.save_pretrained(folder)


def draw_pairs(
    encoder: MiniEncoder, folder: Path, count: int, seed: int, material: Material, bf16: bool = False
) -> PatchShards:
    """Reads `count` pairs from shards in `folder`; missing shards are drawn first."""

    def draw(number: int) -> DrawnItem:
        rng = np.random.default_rng([33 + seed, number])
        first, second = draw_pair(material, rng, PICTURE_PX, group="composition")
        return DrawnItem({"first": first.pixels, "second": second.pixels}, [first.logic, second.logic])

    return read_or_draw(encoder, folder, "pairs", count, draw, bf16)


def train_head(head: PartsHead, pairs: PatchShards, settings: LoopSettings, state: Path | None = None) -> PartsHead:
    """Trains on the pairs; returns the averaged head. Saves its state in `state` and resumes from there."""
    parts = torch.from_numpy(parts_of(np.array(pairs.labels)).reshape(-1, 2, len(PARTS)))

    def loss_of(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        rows = torch.randint(len(parts), (settings.batch_size // 2,), generator=generator)
        patches = torch.cat([pairs.patches["first"][rows], pairs.patches["second"][rows]]).float()
        shown = torch.cat([parts[rows, 0], parts[rows, 1]])
        # A little noise, so that the head does not memorise the few pictures.
        logits = head(patches + NOISE * torch.randn(patches.shape, generator=generator))
        return parts_loss(logits, shown), atoms_hit(logits, shown)

    return train_loop(head, settings, loss_of, state)


def parts_of(logic: NDArray[np.str_]) -> NDArray[np.int64]:
    """(n, 4): numbers in ATOMS of the parts of each logic that is a composition or named as one, -1 for the others."""
    place = [{atom: i for i, atom in enumerate(ATOMS[part])} for part in PARTS]

    def numbers(one: str) -> list[int]:
        parts = NAMED.get(one, one).split("/")
        return [place[i][atom] for i, atom in enumerate(parts)] if len(parts) == len(PARTS) else [-1] * len(PARTS)

    return np.array([numbers(one) for one in logic.ravel().tolist()], np.int64)


def parts_loss(logits: Sequence[Tensor], parts: Tensor) -> Tensor:
    """Mean cross-entropy over the parts.

    logits: (n, atoms) for each of PARTS; parts: (n, 4), numbers in ATOMS, or -1.
    """
    losses = [
        F.cross_entropy(of_part.float(), parts[:, i], ignore_index=-1, reduction="sum")
        for i, of_part in enumerate(logits)
    ]
    return torch.stack(losses).sum() / (parts >= 0).sum().clamp_min(1)


def atoms_hit(logits: Sequence[Tensor], parts: Tensor) -> dict[str, Tensor]:
    """The share of right atoms by part, of those other than the usual one ("none", "alike")."""
    found = {}
    for i, part in enumerate(PARTS):
        usual = ATOMS[part].index(NEUTRAL[part]) if part in NEUTRAL else -1
        asked = (parts[:, i] >= 0) & (parts[:, i] != usual)
        found[part] = (logits[i].detach().argmax(-1) == parts[:, i])[asked].float().mean()
    return found
