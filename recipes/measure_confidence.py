"""Measure the confidence of mini: its calibration, and AUROC against out-of-distribution pictures.

python recipes/measure_confidence.py [--encoder mini] [--pictures 400]
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from analogen.relsim.encoder import load_encoder
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.mini.out_of_distribution import destroy_relation, pictures_without_relation
from analogen.relsim.world.dataset import (
    draw_sample,
    held_out_relations,
    held_out_selection,
    trained_relations,
)
from analogen.relsim.world.relations import Relation
from analogen.relsim.world.render import render

SIDE_PX = 160


def draw(kinds: list[Relation], count: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], list[str]]:
    """Hard references of held-out subjects, (count, side, side, 3), and their relations, which alternate."""
    samples = [draw_sample(kinds[i % len(kinds)], held_out_selection(), rng) for i in range(count)]
    return np.stack([render(s.scene, SIDE_PX) for s in samples]), [s.relation for s in samples]


def confidences(encoder: MiniEncoder, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float64], list[str]]:
    """The confidence of each picture, and its predicted relation."""
    readings = encoder.encode_references([Image.fromarray(p) for p in pictures])
    sure = [encoder.confidence(r, float(k)) for r, k in zip(readings.relation, readings.known, strict=True)]
    return np.array(sure), [encoder.nearest_captions(r, 1)[0].relation for r in readings.relation]


def auroc(high: NDArray[np.float64], low: NDArray[np.float64]) -> float:
    """Area under the ROC curve: the probability that a value of `high` is larger than one of `low`."""
    return float((high[:, None] > low[None]).mean() + 0.5 * (high[:, None] == low[None]).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="mini")
    parser.add_argument("--pictures", type=int, default=400)
    options = parser.parse_args()
    encoder, rng = load_encoder(options.encoder), np.random.default_rng(77)
    pictures, truth = draw(trained_relations(), options.pictures, rng)
    known, predicted = confidences(encoder, pictures)
    right = np.array([a == b for a, b in zip(predicted, truth, strict=True)])
    print(f"held-out subjects: {right.mean():.1%} predicted right, mean confidence {known.mean():.2f}")
    edges = np.linspace(0, 1, 6)
    for low, high in itertools.pairwise(edges):
        inside = (known >= low) & (known <= high)
        if inside.any():
            print(f"  confidence {low:.1f} to {high:.1f}: {inside.sum():4d} pictures, {right[inside].mean():.1%} right")
    print(f"AUROC right / wrong: {auroc(known[right], known[~right]):.2f}")
    generator = torch.Generator().manual_seed(78)
    raw = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    unknown = {
        "held-out relations": draw(held_out_relations(), options.pictures // 2, rng)[0],
        "aimless scenes": np.stack(
            list(pictures_without_relation(options.pictures // 2, held_out_selection(), rng, SIDE_PX))
        ),
        "spoilt pictures": destroy_relation(raw, options.pictures // 2, generator).permute(0, 2, 3, 1).numpy(),
    }
    for name, pictures_of in unknown.items():
        found = confidences(encoder, pictures_of)[0]
        print(f"AUROC known / {name}: {auroc(known, found):.2f} (mean confidence {found.mean():.2f})")


if __name__ == "__main__":
    main()
