"""Trains relsim-mini without a pretrained trunk, on drawn pictures of the relational world."""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from analogen.relsim.config import read_settings
from analogen.relsim.losses import bank_loss, contrastive_loss, cosine_loss, spread_temperature
from analogen.relsim.mini.calibration import calibrate
from analogen.relsim.mini.confusions import count_confusions, pair_odds
from analogen.relsim.mini.data import (
    PicturePool,
    Pool,
    attributes_projection,
    attributes_target,
    augment,
    batch_rows,
    draw_pool,
)
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.mini.model import MiniConfig, MiniNet
from analogen.relsim.mini.out_of_distribution import destroy_relation, draw_out_of_distribution
from analogen.relsim.mini.single_subjects import draw_single_subjects
from analogen.relsim.mini.structure_head import train_structure_head
from analogen.relsim.text import load_text_tower
from analogen.relsim.training.loop import LoopSettings, autocast, train_loop
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.dataset import Selection, trained_relations, training_selection
from analogen.relsim.world.relations import RELATIONS

SUBJECT_TEMPERATURE = 0.05
SINGLE_SUBJECT_COLOUR = 0.3  # strength of colour augmentation of single subjects
CONFUSIONS_EACH = 144  # references of each relation that are read to count confusions


@dataclass(frozen=True)
class EncoderSettings(LoopSettings):
    """Settings of `analogen train encoder`. Pictures: `shards` x 2048, drawn once into `pool`. Beside
    `batch_size` scenes, every batch holds an eighth as many single subjects (`portrait_shards`) and an eighth as many
    pictures without a relation (`stranger_shards` and destroyed scenes)."""

    output: str = "runs/encoder"
    pool: str = "runs/pool"
    init: str = ""  # folder of an encoder to start from, of whatever image size
    anchor_weight: float = 0.0  # keeps patches near those of `init`, so that heads trained on those still fit
    shards: int = 48
    hard_shards: int = 0  # more shards, whose pairs show relations that `init` confuses
    portrait_shards: int = 8
    stranger_shards: int = 4
    draw_workers: int = 2
    pool_px: int = 128  # sides of the drawings
    redrawn: bool = True  # half of them in another style, see `augmentation`
    image_size: int = 112
    bank_weight: float = 1.0
    alignment_weight: float = 0.5
    subject_weight: float = 0.5
    attributes_weight: float = 0.5
    known_weight: float = 0.2
    structure_pairs: int = 24576  # pairs for the structure head, which is trained last, by its own loop; 0: not trained
    structure_steps: int = 2400
    colour: float = 0.6  # strength of colour augmentation, [0, 1]


def run(path: Path | None, overrides: Mapping[str, str] | None = None) -> Path:
    """Trains (or resumes) relsim-mini; returns the folder with config.json, model.safetensors and settings.json.

    Raises ValueError if anchor_weight or hard_shards is set without `init`.
    """
    settings = read_settings(EncoderSettings, path, overrides)
    if (settings.anchor_weight or settings.hard_shards) and not settings.init:
        raise ValueError(
            "anchor_weight and hard_shards need an encoder to start from: set init to its folder, or both to 0"
        )
    torch.set_num_threads(settings.threads)
    pool_folder, output = Path(settings.pool), Path(settings.output)
    selection = training_selection()
    scenes = draw_scenes(pool_folder, selection, settings)
    side = settings.pool_px
    single_subjects = draw_single_subjects(
        pool_folder / "portraits", selection, settings.portrait_shards, settings.seed, side
    )
    out_of_distribution = draw_out_of_distribution(
        pool_folder / "strangers", selection, settings.stranger_shards, settings.seed, side
    )
    torch.manual_seed(settings.seed)
    if settings.init:
        model = MiniNet.from_pretrained(settings.init).at_size(settings.image_size)
    else:
        model = MiniNet(MiniConfig(settings.image_size))
    pools = Pools(scenes, single_subjects, out_of_distribution)
    model = train_encoder(model, pools, settings, output / "state")
    model.save_pretrained(output)
    if settings.structure_pairs:
        structure_settings = LoopSettings(
            steps=settings.structure_steps, lr=1e-3, warmup=100, ema=0.99, threads=settings.threads,
            bf16=settings.bf16, seed=settings.seed, save_every=settings.save_every,
        )  # fmt: skip
        pairs = output / "structure"
        train_structure_head(
            output, pairs, selection, trained_relations(), settings.structure_pairs, structure_settings
        )
    calibrate(output)
    (output / "settings.json").write_text(json.dumps(dataclasses.asdict(settings), indent=1) + "\n")
    return output


def draw_scenes(folder: Path, selection: Selection, settings: EncoderSettings) -> Pool:
    """Draws `shards` of all relations alike into `folder`, and `hard_shards` of confused ones into its confused/."""
    relations = trained_relations()
    draw = functools.partial(
        draw_pool, selection=selection, relations=[r.id for r in relations], seed=settings.seed,
        workers=settings.draw_workers, side=settings.pool_px, redrawn=settings.redrawn,
    )  # fmt: skip
    draw(folder, shards=range(settings.shards))
    if not settings.hard_shards:
        return Pool(folder)
    confused = folder / "confused"
    counts = count_confusions(MiniEncoder(settings.init), selection, relations, CONFUSIONS_EACH, settings.seed)
    # Numbers that no other shard has, because drawings depend on them.
    numbers = range(settings.shards, settings.shards + settings.hard_shards)
    draw(confused, shards=numbers, odds=pair_odds(counts))
    return Pool(folder, confused)


class Pools(NamedTuple):
    """The training pictures: scenes with a relation, single subjects for names, and pictures without a relation."""

    scenes: Pool
    single_subjects: PicturePool
    out_of_distribution: PicturePool


def train_encoder(model: MiniNet, pools: Pools, settings: EncoderSettings, state: Path | None = None) -> MiniNet:
    """Trains on the pools, with all kinds in one batch; returns the averaged network. Resumes from `state`."""
    pool = pools.scenes
    device = torch.device(settings.device)
    size = model.config.image_size
    tower = load_text_tower()
    captions = torch.from_numpy(tower.embed(pool.captions)).to(device)
    subjects = torch.from_numpy(tower.embed(pool.subjects)).to(device)
    projection = attributes_projection().to(device)
    owner = torch.from_numpy(relation_of_captions(pool)).to(device)
    group = torch.from_numpy(lookalike_groups(pool)).to(device)
    mirror_ok = torch.from_numpy(pool.mirror_ok)
    model = model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    anchor = copy.deepcopy(model).eval().requires_grad_(False) if settings.anchor_weight else None

    def loss_of(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        rows = batch_rows(len(pool), settings.batch_size, settings.seed, step)
        count = len(rows)
        raw = pool.images(rows)
        relation_ids = torch.from_numpy(pool.labels.relation[rows]).long()
        singles, names = pools.single_subjects.sample(count // 8, generator)
        unknown = torch.cat(
            [pools.out_of_distribution.sample(count // 16, generator)[0], destroy_relation(raw, count // 16, generator)]
        )
        mirror = torch.cat([mirror_ok[relation_ids], torch.ones(len(singles) + len(unknown), dtype=torch.bool)])
        # Single subjects keep nearly true colours: with full augmentation, names are not learned for a long time.
        colour = torch.full((len(mirror),), settings.colour).index_fill(
            0, torch.arange(count, count + len(singles)), SINGLE_SUBJECT_COLOUR
        )
        images = augment(torch.cat([raw, singles, unknown]), size, mirror, generator, colour)
        images = images.to(device, memory_format=torch.channels_last)
        with autocast(device, settings.bf16):
            out = model(images)
        # Rows are scenes, then single subjects, then pictures without a relation; each loss takes rows with a label.
        relation, attributes, subject = (
            out.relation[:count],
            out.attributes[:count],
            out.subject[: count + len(singles)],
        )
        known = torch.cat([out.known[:count], out.known[count + len(singles) :]]).float()
        relation_ids = relation_ids.to(device)
        truth = (torch.arange(len(known), device=device) < count).float()
        subject_ids = torch.cat([torch.from_numpy(pool.labels.subject[rows]), names]).long().to(device)
        caption = captions[torch.from_numpy(pool.labels.caption[rows]).long().to(device)]
        temperature = spread_temperature(model.log_temperature)
        attributes_truth = attributes_target(raw.to(device), subjects[subject_ids[:count]], projection)
        parts = {
            "relation": contrastive_loss(relation, caption, temperature, relation_ids),
            "bank": bank_loss(relation, captions, temperature, relation_ids, owner),
            "alignment": cosine_loss(relation, caption),  # closes the gap between pictures and words
            "subject": bank_loss(subject, subjects, SUBJECT_TEMPERATURE, group[subject_ids], group),
            "attributes": cosine_loss(attributes, attributes_truth),
            "known": F.binary_cross_entropy_with_logits(known, truth),
        }
        if anchor is not None:
            with torch.no_grad(), autocast(device, settings.bf16):
                before = anchor(images).patches
            parts["anchor"] = F.mse_loss(standardized(out.patches), standardized(before))
        loss = parts["relation"]
        for name, part in parts.items():
            if name != "relation":
                loss = loss + getattr(settings, f"{name}_weight") * part
        right = owner[(relation.detach() @ captions.T).argmax(-1)] == relation_ids
        hit = (group[(subject.detach() @ subjects.T).argmax(-1)] == group[subject_ids]).float()
        return loss, {**parts, "right": right.float().mean(), "hit": hit[:count].mean(), "faces": hit[count:].mean()}

    def save(averaged: MiniNet) -> None:
        if state:
            averaged.save_pretrained(state.parent)

    return train_loop(model, settings, loss_of, state, save)


def standardized(patches: Tensor) -> Tensor:
    """`patches` (batch, n, width) with mean 0 and variance 1 each, in float32, as heads on them normalise them."""
    return F.layer_norm(patches.float(), patches.shape[-1:])


def relation_of_captions(pool: Pool) -> NDArray[np.int64]:
    """The index of the relation of each caption of the pool."""
    return np.array([i for i, name in enumerate(pool.relations) for _ in RELATIONS[name].captions])


def lookalike_groups(pool: Pool) -> NDArray[np.int64]:
    """The group number of each subject of the pool: names of one group look alike and count as the same."""
    library = ArtLibrary.shipped()
    groups = [library.group(name) for name in pool.subjects]
    return np.unique(groups, return_inverse=True)[1]
