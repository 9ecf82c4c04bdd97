"""Trains relsim-mini with a pretrained trunk, on drawn and photographed scenes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from analogen.relsim.config import read_settings
from analogen.relsim.losses import bank_loss, contrastive_loss, cosine_loss, spread_temperature
from analogen.relsim.mini.calibration import calibrate
from analogen.relsim.mini.confusions import pair_odds
from analogen.relsim.mini.data import attributes_projection, attributes_target, batch_rows
from analogen.relsim.mini.dense_head import dense_loss, summed, targets
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.mini.model import MiniConfig, MiniNet
from analogen.relsim.mini.out_of_distribution import destroy_relation
from analogen.relsim.mini.parts_head import atoms_hit, parts_loss, parts_of, train_parts_head
from analogen.relsim.mini.scene_pool import ScenePool, count_pool_confusions, draw_scene_pool
from analogen.relsim.mini.structure_head import train_structure_head
from analogen.relsim.mini.subject_head import train_subject_head
from analogen.relsim.mini.trunk import load_imagenet
from analogen.relsim.mini.views import random_views
from analogen.relsim.text import load_text_tower
from analogen.relsim.training.loop import LoopSettings, autocast, train_loop
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.dataset import trained_relations, training_selection
from analogen.relsim.world.grammar.named import NAMED
from analogen.relsim.world.relations import RELATIONS

SUBJECT_TEMPERATURE = 0.05
CONFUSED_PAIRS = 3000  # pairs of pictures that tell what an encoder confuses


@dataclass(frozen=True)
class TrunkTrainingSettings(LoopSettings):
    """Settings of `analogen train encoder`. pool: folder of training pictures, `shards` x 1024, drawn where they are
    missing with the material of `cutouts` and `grounds`. init: folder of an encoder to go on from; else `trunk`. steps:
    0 trains the heads of `init` alone, by their own loops.
    hard_shards: more shards, whose pairs show the relations that `init` takes for one another."""

    output: str = "runs/encoder"
    pool: str = "runs/pool"
    cutouts: str = ""
    grounds: str = ""
    init: str = ""
    trunk: str = "efficientnet-lite2"
    train_from: int = 4  # block of the trunk from which on it learns
    trunk_lr: float = 0.2  # its learning rate, as a share of the rest's
    shards: int = 64
    hard_shards: int = 0
    draw_workers: int = 2
    pool_px: int = 208
    image_size: int = 192
    dim: int = 256
    heads: int = 4
    depth: int = 3
    dense_dim: int = 96
    spoilt: int = 6  # pictures of a batch whose logic is taken away
    bank_weight: float = 1.0
    alignment_weight: float = 0.5
    subject_weight: float = 0.3
    attributes_weight: float = 0.3
    known_weight: float = 0.2
    parts_weight: float = 0.5
    dense_weight: float = 0.3
    colour: float = 0.6
    subject_pictures: int = 40960  # for the subject head, which is trained next, by its own loop; 0: not trained so
    subject_steps: int = 2000
    parts_pairs: int = 16384  # for the parts head, likewise; 0: as the encoder's training leaves it
    parts_steps: int = 3000
    structure_pairs: int = 24576  # for the structure head, which is trained last, by its own loop; 0: not trained
    structure_steps: int = 2400


def prepare(path: Path | None, overrides: Mapping[str, str] | None = None) -> TrunkTrainingSettings:
    """Reads and checks the settings before anything is drawn.

    Raises ValueError for unknown settings, an unknown trunk or hard shards without `init`, FileNotFoundError for a
    missing folder, and ImportError if the trunk's ImageNet weights are needed and not installed.
    """
    settings = read_settings(TrunkTrainingSettings, path, overrides)
    for name in ("cutouts", "grounds", "init"):
        folder = getattr(settings, name)
        if folder and not Path(folder).is_dir():
            raise FileNotFoundError(f"setting {name}={folder!r}: no such folder")
    if settings.hard_shards and not settings.init:
        raise ValueError(
            "hard_shards need an encoder whose confusions they show: set init to its folder, or hard_shards to 0"
        )
    if not settings.steps and not settings.init:
        raise ValueError("steps=0 trains heads alone: set init to the folder of the encoder that has them")
    if not settings.init:
        load_imagenet(settings.trunk)
    return settings


def run(settings: TrunkTrainingSettings) -> Path:
    """Train or resume; returns the folder with config.json, model.safetensors and settings.json."""
    torch.set_num_threads(settings.threads)
    output = Path(settings.output)
    encoder = _train_from_pool(settings, output / "state") if settings.steps else MiniNet.from_pretrained(settings.init)
    encoder.save_pretrained(output)
    heads = LoopSettings(
        batch_size=192, lr=1e-3, warmup=100, ema=0.99, threads=settings.threads, bf16=settings.bf16, seed=settings.seed,
        save_every=settings.save_every,
    )  # fmt: skip
    if settings.subject_pictures:
        train_subject_head(
            output, output / "named", settings.subject_pictures,
            dataclasses.replace(heads, steps=settings.subject_steps), settings.cutouts, settings.grounds,
        )  # fmt: skip
    if settings.parts_pairs:
        train_parts_head(
            output, output / "parts", settings.parts_pairs,
            dataclasses.replace(heads, steps=settings.parts_steps, batch_size=96), settings.cutouts, settings.grounds,
        )  # fmt: skip
    if settings.structure_pairs:
        train_structure_head(
            output, output / "structure", training_selection(), trained_relations(), settings.structure_pairs,
            dataclasses.replace(heads, steps=settings.structure_steps),
        )  # fmt: skip
    calibrate(output, cutouts=settings.cutouts, grounds=settings.grounds)
    (output / "settings.json").write_text(json.dumps(dataclasses.asdict(settings), indent=1) + "\n")
    return output


def _train_from_pool(settings: TrunkTrainingSettings, state: Path) -> MiniNet:
    folder = Path(settings.pool)
    draw_shards(folder, settings)
    torch.manual_seed(settings.seed)
    if settings.init:
        model = MiniNet.from_pretrained(settings.init).at_size(settings.image_size).with_parts()
    else:
        model = MiniNet(
            MiniConfig(
                settings.image_size, settings.trunk, settings.dense_dim, dim=settings.dim, heads=settings.heads,
                depth=settings.depth, parts=True,
            )
        )  # fmt: skip
        model.trunk.load_state_dict(load_imagenet(settings.trunk).state_dict())
    return train_encoder(model, ScenePool(folder, settings.shards + settings.hard_shards), settings, state)


def draw_shards(folder: Path, settings: TrunkTrainingSettings) -> None:
    """Draws what is missing of the `shards` and then of the `hard_shards`."""
    side, material = settings.pool_px, (settings.cutouts, settings.grounds)
    draw_scene_pool(folder, range(settings.shards), settings.seed, side, *material, settings.draw_workers)
    numbers = range(settings.shards, settings.shards + settings.hard_shards)
    if not all((folder / f"shard-{number:05d}.npy").is_file() for number in numbers):
        counts = count_pool_confusions(MiniEncoder(settings.init), CONFUSED_PAIRS, settings.seed, side, *material)
        draw_scene_pool(folder, numbers, settings.seed, side, *material, settings.draw_workers, pair_odds(counts))


class TextBank:
    """Texts of a pool in the text tower's space. vectors: (texts, 384); owner: (texts,) number of each text's class;
    of: class and text by row of the pool."""

    def __init__(self, texts: NDArray[np.str_], classes: NDArray[np.str_]) -> None:
        pairs = sorted(set(zip(texts.tolist(), classes.tolist(), strict=True)))
        names = sorted({owner for _, owner in pairs})
        number = {name: i for i, name in enumerate(names)}
        place = {pair: i for i, pair in enumerate(pairs)}
        self.names = names
        self.vectors = torch.from_numpy(load_text_tower().embed([text for text, _ in pairs]))
        self.owner = torch.tensor([number[owner] for _, owner in pairs])
        self.text_of = torch.tensor([place[pair] for pair in zip(texts.tolist(), classes.tolist(), strict=True)])
        self.class_of = self.owner[self.text_of]


def train_encoder(
    model: MiniNet, pool: ScenePool, settings: TrunkTrainingSettings, state: Path | None = None
) -> MiniNet:
    """Train on the pool; returns the averaged weights. Saves and resumes in `state`."""
    device = torch.device(settings.device)
    library = ArtLibrary.shipped()
    icons = set(library.nouns(split="train", stock=True)) | set(library.nouns(split="held_out", stock=True))
    alike = np.array([f"={library.group(name)}" if name in icons else name for name in pool.subject.tolist()])
    has_logic = np.isin(pool.group, ("relation", "composition"))
    texts = np.where(has_logic, pool.caption, "no logic")
    # A composition that the catalogue has a name for is that relation.
    named_as = {composition: relation for relation, composition in NAMED.items()}
    logic = np.array([named_as.get(one, one) for one in pool.logic.tolist()])
    catalogue = [(caption, r.id) for r in RELATIONS.values() if not r.held_out for caption in r.captions]
    logics = TextBank(
        np.concatenate([texts, [caption for caption, _ in catalogue]]),
        np.concatenate([np.where(has_logic, logic, "-"), [owner for _, owner in catalogue]]),
    )
    subjects = TextBank(pool.subject, alike)
    captions, owner = logics.vectors.to(device), logics.owner.to(device)
    names, name_owner = subjects.vectors.to(device), subjects.owner.to(device)
    projection = attributes_projection().to(device)
    composed = torch.from_numpy(parts_of(pool.logic))
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.trunk.train_from(settings.train_from)
    cells = settings.image_size // 8
    known_of = torch.from_numpy(has_logic.astype(np.float32))
    shows = torch.from_numpy(np.isin(pool.group, ("relation", "composition", "portrait")))
    known_counts = torch.from_numpy(pool.group != "portrait")

    def loss_of(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        rows = batch_rows(len(pool), settings.batch_size, settings.seed, step)
        at = torch.from_numpy(rows)
        raw, tables = pool.images(rows), torch.from_numpy(pool.tables[rows].astype(np.float32))
        mirror = torch.from_numpy(pool.mirror_ok[rows])
        views, tables = random_views(raw, tables, settings.image_size, mirror, generator, settings.colour)
        lost = destroy_relation((views * 255).to(torch.uint8), settings.spoilt, generator).float() / 255
        images = torch.cat([views, lost]).to(device, memory_format=torch.channels_last)
        with autocast(device, settings.bf16):
            out = model(images, dense=True)
        count = len(rows)
        logic = known_of[at].bool()
        chosen = logic.nonzero()[:, 0].to(device)
        relation, label = out.relation[:count][chosen], logics.class_of[at][logic].to(device)
        caption = captions[logics.text_of[at][logic].to(device)]
        temperature = spread_temperature(model.log_temperature)
        showing = shows[at]
        named = showing.nonzero()[:, 0].to(device)
        name_label = subjects.class_of[at][showing].to(device)
        name_text = names[subjects.text_of[at].to(device)]
        known = torch.cat([out.known[:count], out.known[count:]]).float()
        truth = torch.cat([known_of[at], torch.zeros(len(lost))]).to(device)
        counts = torch.cat([known_counts[at], torch.ones(len(lost), dtype=torch.bool)]).to(device)
        dense = dense_loss(out.cells[:count], targets(tables.to(device), cells))
        looks = attributes_target((views[..., ::2, ::2].to(device) * 255).to(torch.uint8), name_text, projection)
        subject = out.subject[:count][named]
        told = [of_part[:count][chosen] for of_part in out.parts]
        parts = {
            "relation": contrastive_loss(relation, caption, temperature, label),
            "bank": bank_loss(relation, captions, temperature, label, owner),
            "alignment": cosine_loss(relation, caption),
            "subject": bank_loss(subject, names, SUBJECT_TEMPERATURE, name_label, name_owner),
            "attributes": cosine_loss(out.attributes[:count], looks),
            "known": F.binary_cross_entropy_with_logits(known[counts], truth[counts]),
            "parts": parts_loss(told, composed[at][logic].to(device)),
            "dense": summed(dense),
        }
        loss = parts["relation"]
        for name, part in parts.items():
            if name != "relation":
                loss = loss + getattr(settings, f"{name}_weight") * part
        right = (owner[(relation.detach() @ captions.T).argmax(-1)] == label).float()
        catalogued = torch.from_numpy((pool.group[rows] == "relation")[logic.numpy()]).to(device)
        hit = name_owner[(subject.detach() @ names.T).argmax(-1)] == name_label
        shown = {**parts, **{k: v.detach() for k, v in dense.items()}}
        shown |= atoms_hit(told, composed[at][logic].to(device))
        shown |= {"right": right[catalogued].mean(), "composed": right[~catalogued].mean(), "hit": hit.float().mean()}
        return loss, shown

    def save(averaged: MiniNet) -> None:
        if state:
            averaged.save_pretrained(state.parent)

    return train_loop(model, settings, loss_of, state, save, {"trunk.": settings.trunk_lr})
