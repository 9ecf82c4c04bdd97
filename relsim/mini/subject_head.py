"""Trains the subject head of an encoder: names of things, in the text tower's space of nouns.

It is a phase of its own on a frozen trunk. While the encoder learns, most pictures teach its logic and few of them a
name; here each picture teaches one. Half show a thing alone, drawn or photographed; the others are scenes, half of them
hard references and half clean drawings, as results are.

All nouns of the library are learned, those too that are held out from the relations' training: the text tower does not
carry what is learned of a few hundred nouns over to another one, and the nouns of the library are what mini draws. The
held-out art family is held out here too.
"""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analogen.relsim.losses import bank_loss
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.mini.model import Head, MiniNet
from analogen.relsim.mini.patch_shards import DrawnItem, read_or_draw
from analogen.relsim.mini.scene_pool import NO_PHOTOGRAPH, DrawnScene, Looks, portrait
from analogen.relsim.text import load_text_tower
from analogen.relsim.training.loop import LoopSettings, train_loop
from analogen.relsim.world.art import STYLES, ArtLibrary, splits
from analogen.relsim.world.dataset import Selection, draw_sample, trained_relations
from analogen.relsim.world.material import Material
from analogen.relsim.world.render import render

PICTURE_PX = 208
SHARES = {"alone": 0.5, "hard": 0.25, "clean": 0.25}
TEMPERATURE = 0.05
NOISE = 0.1


class Named(NamedTuple):
    """patches: (n, P, dim) fp16, of the trunk; names: what each picture shows."""

    patches: Tensor
    names: list[str]


class Nouns(NamedTuple):
    """vectors: (nouns, 384) in the text tower's space; owner: (nouns,) number of each noun's group of things that look
    alike; label: (pictures,) the group of what each shows."""

    vectors: Tensor
    owner: Tensor
    label: Tensor


def train_subject_head(
    folder: Path, pictures_folder: Path, count: int, settings: LoopSettings, cutouts: str = "", grounds: str = ""
) -> None:
    """Trains the subject head of the encoder in `folder` and saves it there; an interrupted training is resumed.

    count: pictures, drawn once into `pictures_folder`, about 75 kB each in memory; cutouts, grounds: folders of
    material for photographs; settings: steps, lr, batch_size and so on.
    """
    torch.set_num_threads(settings.threads)
    material = Material(cutouts, grounds)
    named = draw_named(MiniEncoder(folder), pictures_folder, count, settings.seed, material, settings.bf16)
    net = MiniNet.from_pretrained(folder)
    net.subject_head = train_head(net.subject_head, named, settings, pictures_folder / "state")
    net.save_pretrained(folder)


def draw_named(
    encoder: MiniEncoder, folder: Path, count: int, seed: int, material: Material, bf16: bool = False
) -> Named:
    """Reads `count` pictures from shards in `folder`; missing shards are drawn first."""

    def draw(number: int) -> DrawnItem:
        pixels, name = draw_named_picture(material, seed, number)
        return DrawnItem({"patches": pixels}, name)

    read = read_or_draw(encoder, folder, "named", count, draw, bf16)
    return Named(read.patches["patches"], read.labels)


def draw_named_picture(material: Material, seed: int, number: int) -> tuple[NDArray[np.uint8], str]:
    """A picture (PICTURE_PX, PICTURE_PX, 3) and the name of its subject."""
    rng = np.random.default_rng([15 + seed, number])
    kind = str(rng.choice(list(SHARES), p=list(SHARES.values())))
    if kind == "alone":
        drawn = portrait(all_nouns(), rng)
    else:
        relations = trained_relations()
        relation = relations[int(rng.integers(len(relations)))]
        sample = draw_sample(relation, all_nouns(), rng, hard=kind == "hard")
        if kind == "clean":
            scene = dataclasses.replace(sample.scene, shadow=float(rng.choice([0.0, 0.35])))
            return render(scene, PICTURE_PX), sample.subject
        drawn = DrawnScene(sample.scene, "relation", sample.relation, sample.caption)
    looks = Looks.draw(material, rng, photograph_ok=drawn.logic not in NO_PHOTOGRAPH)
    picture = looks.picture(drawn, material, PICTURE_PX)
    return picture.pixels, picture.subject


@functools.lru_cache(maxsize=1)
def all_nouns() -> Selection:
    """All first nouns of the library, in all styles but the held-out one."""
    library = ArtLibrary.shipped()
    nouns = tuple(sorted({library.first_noun(name) for name in library.nouns()}))
    return Selection(nouns, nouns, tuple(style for style in STYLES if style not in splits().styles))


def nouns_of(names: list[str]) -> Nouns:
    """The nouns that are shown, and which pictures show which. Things of the library that look alike are one group; a
    cut-out is a group of its own under its name."""
    library = ArtLibrary.shipped()
    known = set(library.nouns())
    nouns = sorted(set(names))
    groups = [f"={library.group(noun)}" if noun in known else noun for noun in nouns]
    number = {group: i for i, group in enumerate(sorted(set(groups)))}
    owner = torch.tensor([number[group] for group in groups])
    place = {noun: i for i, noun in enumerate(nouns)}
    label = owner[torch.tensor([place[name] for name in names])]
    return Nouns(torch.from_numpy(load_text_tower().embed(nouns)), owner, label)


def train_head(head: Head, named: Named, settings: LoopSettings, state: Path | None = None) -> Head:
    """Trains on the pictures; returns the averaged head. Saves its state in `state` and resumes from there."""
    nouns = nouns_of(named.names)

    def loss_of(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        rows = torch.randint(len(named.patches), (settings.batch_size,), generator=generator)
        patches = named.patches[rows].float()
        # A little noise, so that the head does not memorise the few pictures.
        subject = head(patches + NOISE * torch.randn(patches.shape, generator=generator))
        label = nouns.label[rows]
        hit = nouns.owner[(subject.detach() @ nouns.vectors.T).argmax(-1)] == label
        loss = bank_loss(subject, nouns.vectors, TEMPERATURE, label, nouns.owner)
        return loss, {"hit": hit.float().mean()}

    return train_loop(head, settings, loss_of, state)
