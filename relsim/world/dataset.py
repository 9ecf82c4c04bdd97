"""Drawing the relational world: samples from seeds, hard references, folders in the paper's data layout."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.palette import PALETTES, arbitrary_background, flattering_background
from analogen.relsim.world.relations import RELATIONS, Draft, Relation
from analogen.relsim.world.scene import Frame, Scene, to_json

PALETTE_NAMES = tuple(PALETTES)


@dataclass(frozen=True)
class Cast:
    """What a drawing may show: names of subjects and second things, art families."""

    subjects: tuple[str, ...]
    others: tuple[str, ...]
    styles: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """One drawing with everything known about it. `caption` is one of the relation's, chosen at random."""

    relation: str
    caption: str
    subject: str
    other: str
    facts: dict[str, Any]
    scene: Scene


def draw_sample(
    relation: Relation, cast: Cast, rng: Generator, *, hard: bool = True, subject: str | None = None
) -> Sample:
    """Draw one scene of the relation. `hard` makes a reference (see `harden`), else a well-composed target."""
    draft = Draft(rng)
    relation.draw(draft)
    name = subject or str(rng.choice(cast.subjects))
    other = str(rng.choice(cast.others))
    while other == name:
        other = str(rng.choice(cast.others))
    palette = PALETTE_NAMES[int(rng.integers(len(PALETTE_NAMES)))]
    scene = Scene(
        tuple(draft.elements),
        background=flattering_background(palette, rng),
        subject=name,
        other=other,
        style=str(rng.choice(cast.styles)),
        palette=palette,
        shadow=0.35,
    )
    caption = relation.captions[int(rng.integers(len(relation.captions)))]
    if hard:
        scene = harden(scene, rng, mirror=relation.mirror_ok)
    return Sample(relation.id, caption, name, other, draft.facts, scene)


def harden(scene: Scene, rng: Generator, *, mirror: bool) -> Scene:
    """The same logic made hard to see by cheap features: the scene scaled down to half the frame, moved, a
    little turned, mirrored where the logic allows, its colours turned, over a ground that says nothing."""
    scale = float(rng.uniform(0.5, 1.0))
    room = 1.0 - scale
    frame = Frame(
        x=float(rng.uniform(-room, room)),
        y=float(rng.uniform(-room, room)),
        scale=scale,
        turn=float(np.clip(rng.normal(0, 3), -8, 8)),
        mirror=bool(mirror and rng.random() < 0.5),
        hue=float(rng.uniform(0, 360)) if rng.random() < 0.6 else 0.0,
    )
    return dataclasses.replace(
        scene,
        frame=frame,
        background=arbitrary_background(rng),
        shadow=float(rng.choice([0.0, 0.35])),
    )


def trap_of(sample: Sample, relation: Relation, rng: Generator) -> Sample:
    """The attribute trap: another relation with the same subject, other, style, palette, ground and placement."""
    draft = Draft(rng)
    relation.draw(draft)
    frame = dataclasses.replace(sample.scene.frame, mirror=sample.scene.frame.mirror and relation.mirror_ok)
    scene = dataclasses.replace(sample.scene, elements=tuple(draft.elements), frame=frame)
    caption = relation.captions[int(rng.integers(len(relation.captions)))]
    return Sample(relation.id, caption, sample.subject, sample.other, draft.facts, scene)


def training_cast(library: ArtLibrary | None = None) -> Cast:
    """The training split: subjects and art families that training may see."""
    library = library or ArtLibrary.shipped()
    subjects = library.nouns(split="train", stock=True)
    return Cast(subjects, library.nouns(split="train"), tuple(s for s in library.styles if s not in library.held_out_styles))


def held_out_cast(library: ArtLibrary | None = None, *, styles: Sequence[str] | None = None) -> Cast:
    """Subjects that training never saw, by default in the families that it did see."""
    library = library or ArtLibrary.shipped()
    seen = tuple(s for s in library.styles if s not in library.held_out_styles)
    nouns = library.nouns(split="held_out")
    return Cast(library.nouns(split="held_out", stock=True), nouns, tuple(styles or seen))


def trained_relations() -> list[Relation]:
    return [r for r in RELATIONS.values() if not r.held_out]


def held_out_relations() -> list[Relation]:
    return [r for r in RELATIONS.values() if r.held_out]
