"""Draw the example references of examples/.

python recipes/make_examples.py [--output examples]
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image

from analogen.relsim.world.dataset import Selection, draw_sample
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.render import render
from analogen.relsim.world.scene import Frame

# name: relation, subject, other, style, seed
EXAMPLES = {
    "ring_of_owls": ("ring", "owl", "leaf", "noto", 3),
    "growing_cactus": ("growth_stages", "cactus", "leaf", "fluent-flat", 4),
    "tower_of_books": ("tower", "books", "leaf", "noto", 1),
    "mirrored_swan": ("water_reflection", "swan", "leaf", "fluent-flat", 2),
    "caged_parrot": ("caged", "parrot", "leaf", "noto", 5),
    "moon_around_pizza": ("orbit", "pizza", "strawberry", "noto", 2),
    "odd_duck": ("odd_one_out", "swan", "duck", "fluent-flat", 5),
    "lifted_elephant": ("lifted", "elephant", "leaf", "noto", 1),
    "pedestal_teapot": ("pedestal", "teapot", "leaf", "fluent-flat", 3),
    "toppling_bottles": ("toppling", "sake bottle", "leaf", "fluent-flat", 6),
}
SIDE_PX = 640


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("examples"))
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    for name, (relation, subject, other, style, seed) in EXAMPLES.items():
        rng = np.random.default_rng(seed)
        sample = draw_sample(RELATIONS[relation], Selection((subject,), (other,), (style,)), rng, hard=False)
        scene = dataclasses.replace(sample.scene, frame=Frame(x=0.05, y=-0.03, scale=0.85))
        Image.fromarray(render(scene, SIDE_PX)).save(output / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
