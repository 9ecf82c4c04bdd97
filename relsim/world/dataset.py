"""Draws data sets of the relational world: samples from seeds, hard references, folders in the paper's layout."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from PIL import Image

from analogen.relsim.world.art import TRAINING_STYLES, ArtLibrary, splits
from analogen.relsim.world.grammar import parse
from analogen.relsim.world.material import Material
from analogen.relsim.world.palette import PALETTES, arbitrary_background, harmonious_background
from analogen.relsim.world.relations import RELATIONS, Draft, Relation
from analogen.relsim.world.render import render
from analogen.relsim.world.scene import Frame, Scene, to_json

PALETTE_NAMES = tuple(PALETTES)


@dataclass(frozen=True)
class Selection:
    """What drawings may show: names of subjects and of second things, and art families."""

    subjects: tuple[str, ...]
    others: tuple[str, ...]
    styles: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """One drawing and its labels. `caption` is one of the relation's captions, chosen at random."""

    relation: str
    caption: str
    subject: str
    other: str
    facts: dict[str, Any]
    scene: Scene


def draw_sample(
    relation: Relation, selection: Selection, rng: Generator, *, hard: bool = True, subject: str | None = None
) -> Sample:
    """Draws one scene of the relation. hard: a hard reference (see `make_hard_reference`), else a well-composed target.
    Raises ValueError if the selection has no second thing that looks unlike the subject."""
    draft = Draft(rng)
    relation.draw(draft)
    name = subject or str(rng.choice(selection.subjects))
    other = str(rng.choice(selection.others))
    group = ArtLibrary.shipped().group
    if group(other) == group(name) and all(group(o) == group(name) for o in selection.others):
        raise ValueError(f"every second thing of the selection looks like {name!r}: add another kind of thing")
    while group(other) == group(name):
        other = str(rng.choice(selection.others))
    palette = PALETTE_NAMES[int(rng.integers(len(PALETTE_NAMES)))]
    scene = Scene(
        tuple(draft.elements),
        background=harmonious_background(palette, rng),
        subject=name,
        other=other,
        style=str(rng.choice(selection.styles)),
        palette=palette,
        shadow=0.35,
    )
    caption = relation.captions[int(rng.integers(len(relation.captions)))]
    if hard:
        scene = make_hard_reference(scene, rng, mirror=relation.mirror_ok)
    return Sample(relation.id, caption, name, other, draft.facts, scene)


def make_hard_reference(scene: Scene, rng: Generator, *, mirror: bool) -> Scene:
    """Makes a scene hard for cheap features and keeps its logic: scaled by 0.5 to 1, moved, slightly rotated, mirrored
    where the logic allows, with shifted hues, over a ground that does not depend on the relation."""
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


def hard_negative_of(sample: Sample, relation: Relation, rng: Generator) -> Sample:
    """Draws a hard negative: another relation with the same subject, other, style, palette, ground and placement."""
    draft = Draft(rng)
    relation.draw(draft)
    frame = dataclasses.replace(sample.scene.frame, mirror=sample.scene.frame.mirror and relation.mirror_ok)
    scene = dataclasses.replace(sample.scene, elements=tuple(draft.elements), frame=frame)
    caption = relation.captions[int(rng.integers(len(relation.captions)))]
    return Sample(relation.id, caption, sample.subject, sample.other, draft.facts, scene)


def training_selection() -> Selection:
    """The training split: subjects, second things and art families that training may see."""
    library = ArtLibrary.shipped()
    return Selection(
        library.nouns(split="train", stock=True), library.nouns(split="train", stock=True), _styles(held_out=False)
    )


def held_out_selection(*, held_out_style: bool = False) -> Selection:
    """The held-out subjects, in the art families of training or in the held-out one."""
    nouns = ArtLibrary.shipped().nouns(split="held_out", stock=True)
    return Selection(nouns, nouns, _styles(held_out_style))


def _styles(held_out: bool) -> tuple[str, ...]:
    return tuple(s for s in TRAINING_STYLES if (s in splits().styles) == held_out)


def trained_relations() -> list[Relation]:
    return [r for r in RELATIONS.values() if not r.held_out]


def held_out_relations() -> list[Relation]:
    return [r for r in RELATIONS.values() if r.held_out]


def chosen_relations(ids: Sequence[str]) -> list[Relation]:
    """Relations by id, all of the catalogue for an empty list. An id with slashes is that of a composition, such as
    "ring/shrinking/one_odd/none". Raises ValueError for an unknown id, with the known ones."""
    return [_relation(name) for name in ids] or list(RELATIONS.values())


def _relation(name: str) -> Relation:
    if "/" in name:
        return parse(name).relation()
    if name not in RELATIONS:
        raise ValueError(f"unknown relation {name!r}; known: {', '.join(RELATIONS)}")
    return RELATIONS[name]


def write_samples(
    folder: Path,
    count: int,
    *,
    seed: int = 0,
    size: int = 256,
    relations: Sequence[str] = (),
    hard: bool = True,
    selection: Selection | None = None,
    material: Material | None = None,
) -> Path:
    """Draws `count` pictures of a selection (the training split) into `folder` with `data.jsonl`, relations in turn.

    material: photographs the scenes with its cut-outs and grounds instead of drawing them.
    A line holds `image_hash` (sha256 of the pixels; the picture is <image_hash>.png) and `caption` as in the paper's
    data, and also relation, subject, other, facts, style, seed and scene. Returns the path of data.jsonl.
    """
    kinds, selection = chosen_relations(relations), selection or training_selection()
    samples: Iterator[tuple[Sample, int, dict[str, Any]]] = (
        (draw_sample(kinds[row % len(kinds)], selection, np.random.default_rng([seed, row]), hard=hard), seed, {})
        for row in range(count)
    )
    return _write(folder, samples, size, material)


def write_groups(
    folder: Path,
    count: int,
    *,
    members: int = 4,
    seed: int = 0,
    size: int = 256,
    relations: Sequence[str] = (),
    material: Material | None = None,
) -> Path:
    """Draws `count` groups of pictures that share one logic and one caption, like the paper's seed groups.

    Lines as in `write_samples`, with `group`, the group's number. Raises ValueError for fewer than 2 members.
    """
    if members < 2:
        raise ValueError(f"a group of {members} was asked for: it needs 2 pictures or more")
    kinds, selection = chosen_relations(relations), training_selection()

    def samples() -> Iterator[tuple[Sample, int, dict[str, Any]]]:
        for group in range(count):
            rng = np.random.default_rng([seed, group])
            kind = kinds[group % len(kinds)]
            caption = str(rng.choice(kind.captions))
            for _ in range(members):
                sample = dataclasses.replace(draw_sample(kind, selection, rng), caption=caption)
                yield sample, seed, {"group": group}

    return _write(folder, samples(), size, material)


def _write(
    folder: Path, samples: Iterable[tuple[Sample, int, dict[str, Any]]], size: int, material: Material | None
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "data.jsonl"
    temporary = folder / "data.jsonl.tmp"
    with temporary.open("w", encoding="utf-8") as lines:
        for number, (sample, seed, more) in enumerate(samples):
            if material is None:
                pixels = render(sample.scene, size)
            else:
                rng = np.random.default_rng([seed, number, 22])
                pixels, subject, other = material.photograph(sample.scene, rng, size)
                sample = dataclasses.replace(sample, subject=subject, other=other)
            image_hash = hashlib.sha256(pixels.tobytes()).hexdigest()
            Image.fromarray(pixels).save(folder / f"{image_hash}.png")
            row = {
                "image_hash": image_hash, "caption": sample.caption, "relation": sample.relation, **more,
                "subject": sample.subject, "other": sample.other, "style": sample.scene.style, "facts": sample.facts,
                "seed": seed, "scene": json.loads(to_json(sample.scene)),
            }  # fmt: skip
            lines.write(json.dumps(row) + "\n")
    temporary.rename(path)
    return path
