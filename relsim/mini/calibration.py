"""Calibrates the confidence of an encoder, and embeds the catalogue's captions for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from analogen.relsim.mini.encoder import CaptionBank, MiniEncoder
from analogen.relsim.text import load_text_tower
from analogen.relsim.world.dataset import draw_sample, held_out_selection, trained_relations
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.render import render

PICTURE_PX = 160
TEMPERATURES = np.geomspace(0.005, 0.5, 60)


def calibrate(folder: Path, per_relation: int = 12, seed: int = 5) -> CaptionBank:
    """Writes captions.json and captions.safetensors beside the encoder in `folder`; returns what was written.

    The temperature maximises the likelihood of the right captions for hard references of the trained relations, with
    `per_relation` of each and held-out subjects (temperature scaling, arXiv:1706.04599).
    """
    encoder = MiniEncoder(folder)
    rng = np.random.default_rng([seed, 60])
    selection = held_out_selection()
    captions = [(caption, r.id) for r in RELATIONS.values() for caption in r.captions]
    vectors = load_text_tower().embed([caption for caption, _ in captions])
    owners = np.array([name for _, name in captions])
    logits, right = [], []
    for relation in trained_relations():
        scenes = [draw_sample(relation, selection, rng).scene for _ in range(per_relation)]
        found = encoder.embed([Image.fromarray(render(scene, PICTURE_PX)) for scene in scenes])
        logits.append(found @ vectors.T)
        right.append(np.tile(owners == relation.id, (per_relation, 1)))
    temperature = best_temperature(np.concatenate(logits), np.concatenate(right))
    bank = CaptionBank([caption for caption, _ in captions], owners.tolist(), vectors, temperature)
    bank.save(folder)
    return bank


def best_temperature(cosines: NDArray[np.float32], right: NDArray[np.bool_]) -> float:
    """The one of TEMPERATURES with the smallest mean -log of the summed probability of the right captions.

    cosines, right: (pictures, captions), at least one caption of each row right.
    """

    def loss(temperature: float) -> float:
        logits = cosines.astype(np.float64) / temperature
        likely = np.exp(logits - logits.max(axis=1, keepdims=True))
        return float(-np.log((likely * right).sum(axis=1) / likely.sum(axis=1) + 1e-12).mean())

    return float(min(TEMPERATURES, key=loss))
