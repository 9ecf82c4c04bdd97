"""Measure how many pictures a mini encoder reads right: the tables of experiments 22 and 23 in docs/experiments.md.

python recipes/measure_reading.py [--encoder FOLDER]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from analogen.evaluation.external_references import read_labelled_images
from analogen.relsim.mini.augmentation import restyle
from analogen.relsim.mini.encoder import SHIPPED, MiniEncoder
from analogen.relsim.world.dataset import draw_sample, held_out_selection, trained_relations
from analogen.relsim.world.render import render

EXTERNAL = Path(__file__).resolve().parents[1] / "benchmarks" / "foreign" / "foreign.csv"
SIDE_PX = 160
HARD, FINISHED = 855, 570  # number of pictures; the trained relations alternate


def pictures() -> dict[str, tuple[list[Image.Image], list[str]]]:
    """Pictures and their relations by kind; the same pictures at every call."""
    selection, kinds, rng = held_out_selection(), trained_relations(), np.random.default_rng([77, 40])
    hard = [draw_sample(kinds[i % len(kinds)], selection, rng) for i in range(HARD)]
    finished = [draw_sample(kinds[i % len(kinds)], selection, rng, hard=False) for i in range(FINISHED)]
    drawn = [render(sample.scene, SIDE_PX) for sample in hard]
    truth = [sample.relation for sample in hard]
    redrawn = [
        restyle(pixels, relation, np.random.default_rng([5, i]))
        for i, (pixels, relation) in enumerate(zip(drawn, truth, strict=True))
    ]
    external = read_labelled_images(EXTERNAL)
    return {
        "hard": ([Image.fromarray(p) for p in drawn], truth),
        "by another hand": ([Image.fromarray(p) for p in redrawn], truth),
        "finished": ([Image.fromarray(render(s.scene, SIDE_PX)) for s in finished], [s.relation for s in finished]),
        "foreign": ([row.image for row in external], [row.relation for row in external]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", type=Path, default=SHIPPED)
    encoder = MiniEncoder(parser.parse_args().encoder)
    for kind, (images, truth) in pictures().items():
        found = [encoder.nearest_captions(vector, 1)[0].relation for vector in encoder.embed(images)]
        right = sum(a == b for a, b in zip(found, truth, strict=True))
        print(f"{kind}: {100 * right / len(truth):.1f} % of {len(truth)} read right", flush=True)


if __name__ == "__main__":
    main()
