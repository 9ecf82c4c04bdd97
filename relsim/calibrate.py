"""What an encoder knows: the catalogue in its space, and how near a picture must lie to count as known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from analogen.relsim.encoder import Bank, MiniEncoder
from analogen.relsim.text import load_text_tower
from analogen.relsim.world.dataset import Selection, draw_sample, trained_relations, training_selection
from analogen.relsim.world.palette import PALETTES, arbitrary_background
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.render import render
from analogen.relsim.world.scene import Element, Scene

PICTURE_PX = 160


def calibrate(folder: Path, per_relation: int = 40, aimless: int = 400, seed: int = 5) -> Bank:
    """Write captions.json and captions.safetensors beside the encoder in `folder`; returns what was written.

    centres: mean relation of `per_relation` hard drawings of each trained relation; typical: the median cosine of
    as many fresh ones to their nearest centre; floor: the 25th percentile of `aimless` pictures without a logic.
    """
    encoder = MiniEncoder(folder)
    rng = np.random.default_rng([seed, 60])
    selection = training_selection()
    centres, fresh = [], []
    for relation in trained_relations():
        drawn = [_picture(draw_sample(relation, selection, rng).scene) for _ in range(per_relation + per_relation // 4)]
        found = encoder.embed(drawn)
        centre = found[:per_relation].mean(axis=0)
        centres.append(centre / np.linalg.norm(centre))
        fresh.append(found[per_relation:])
    matrix = np.stack(centres).astype(np.float32)
    captions = [(caption, r.id) for r in RELATIONS.values() for caption in r.captions]
    bank = Bank(
        captions=[caption for caption, _ in captions],
        relations=[name for _, name in captions],
        vectors=load_text_tower().embed([caption for caption, _ in captions]),
        centres=matrix,
        floor=float(np.percentile(_nearest(encoder.embed(aimless_pictures(aimless, selection, rng)), matrix), 25)),
        typical=float(np.median(_nearest(np.concatenate(fresh), matrix))),
    )
    bank.save(folder)
    return bank


def _nearest(found: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray((found @ centres.T).max(axis=1))


def _picture(scene: Scene) -> Image.Image:
    return Image.fromarray(render(scene, PICTURE_PX))


def aimless_pictures(count: int, selection: Selection, rng: Generator) -> list[Image.Image]:
    """Pictures that follow no logic: things and props of random kinds, places, sizes and turns on any ground."""
    props = ("rect", "ellipse", "star", "line", "cloud", "building", "triangle", "panel")
    pictures = []
    for _ in range(count):
        elements = []
        for _ in range(int(rng.integers(0, 12))):
            kind = str(rng.choice(["subject", "other", str(rng.choice(props))]))
            x, y = rng.uniform(-0.9, 0.9, 2)
            elements.append(
                Element(
                    kind, float(x), float(y), float(rng.uniform(0.12, 0.9)), aspect=float(rng.uniform(0.5, 2)),
                    turn=float(rng.uniform(0, 360)), opacity=float(rng.uniform(0.4, 1)), hue=float(rng.uniform(0, 360)),
                )
            )  # fmt: skip
        subject, other = (str(n) for n in rng.choice(selection.subjects, 2, replace=False))
        scene = Scene(
            tuple(elements), background=arbitrary_background(rng), subject=subject, other=other,
            style=str(rng.choice(selection.styles)), palette=str(rng.choice(list(PALETTES))),
        )  # fmt: skip
        pictures.append(_picture(scene))
    return pictures
