"""Measure how well light and dark subjects are seen: contrast at the outline, in the pictures.

    python recipes/measure_contrast.py --sheet contrast.png

26 subjects, the light and dark ones of the library, with 8 seeds each in the grounds and styles that `generate` chooses
for the seed. Each is drawn alone in the middle, without a shadow; at every point of its edge the luminance of a band
inside is compared with the ground below it. The ratio by WCAG that three fifths of the edge reach is printed, and those
below 3:1 are counted by three fifths and by half of the edge. With --by-drawing the ground that the seed draws is taken
as it is, to compare.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from analogen.art_selection import ArtSelection, contrasting_names
from analogen.composition import plan_candidates
from analogen.conditioning import Conditioning
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.oklab import contrast, luminance
from analogen.relsim.world.palette import MADE_IN, harmonious_background
from analogen.relsim.world.render import render, render_layer
from analogen.relsim.world.scene import Element, Scene
from analogen.relsim.world.visibility import HALF, SEEN, SHARE
from analogen.types import FoundRelation, Request

SUBJECTS = (
    "spade suit", "ant", "spider", "black cat", "blackbird", "bat", "gorilla", "top hat", "bomb", "black heart",
    "film frames", "penguin", "panda", "skunk", "zebra", "polar bear", "snowman", "ghost", "swan", "dove", "egg",
    "bone", "tooth", "cloud", "white flower", "full moon",
)  # fmt: skip
SEEDS, SIDE = 8, 256


def edge_contrast(scene: Scene) -> tuple[float, float]:
    """The contrast of the subject's edge in the picture, by three fifths and by half of it, see above."""
    picture = render(scene, SIDE).astype(np.float64) / 255
    inside = render_layer(scene, SIDE)[..., 3] > 250
    ground = render(Scene((), background=scene.background), SIDE).astype(np.float64) / 255
    core = np.asarray(Image.fromarray(inside.astype(np.uint8)).filter(ImageFilter.MinFilter(9))) > 0
    band: NDArray[np.bool_] = inside & ~core
    ratios = contrast(luminance(picture[band]), luminance(ground[band]))
    return float(np.quantile(ratios, SHARE)), float(np.quantile(ratios, HALF))


def scenes(library: ArtLibrary, noun: str, by_drawing: bool) -> list[Scene]:
    """One scene for each seed, with the subject alone in the middle."""
    selection = ArtSelection(noun, library.meaning(noun), None, contrasting_names(noun, library), None)
    found: list[Scene] = []
    request = Request(relation="a {subject}", subject=noun, candidates=SEEDS, seed=0)
    unknown = Conditioning(np.zeros(384, np.float32), FoundRelation("", 0.0), None)
    for plan in plan_candidates(request, unknown, selection, library):
        background = plan.scene.background
        if by_drawing:
            rng = np.random.default_rng(plan.seed)
            palette = list(MADE_IN)[int(rng.integers(len(MADE_IN)))]
            background = harmonious_background(palette, rng)
        thing = Element("subject", 0, 0, 1.3)
        found.append(replace(plan.scene, elements=(thing,), background=background, shadow=0.0))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="draw all pictures on one sheet")
    parser.add_argument("--by-drawing", action="store_true", help="the grounds as the seeds draw them")
    arguments = parser.parse_args()
    library = ArtLibrary.shipped()
    sheet = Image.new("RGB", (SEEDS * 128, len(SUBJECTS) * 128))
    light = 0
    everything: list[tuple[float, float]] = []
    for row, noun in enumerate(SUBJECTS):
        for column, scene in enumerate(scenes(library, noun, arguments.by_drawing)):
            everything.append(edge_contrast(scene))
            light += float(luminance(np.array(render(scene, 64)[0, 0]) / 255)) > 0.4
            sheet.paste(Image.fromarray(render(scene, 128)), (column * 128, row * 128))
        print(f"{noun:14} " + " ".join(f"{value:5.1f}" for value, _ in everything[-SEEDS:]))
    for number, part in enumerate(("three fifths", "half")):
        ratios = [pair[number] for pair in everything]
        low = sum(ratio < SEEN for ratio in ratios)
        print(f"by {part} of the edge: {low} of {len(ratios)} below {SEEN:.0f}:1; least {min(ratios):.2f}")
    print(f"{light} of {len(everything)} on light grounds")
    if arguments.sheet:
        sheet.save(arguments.sheet)


if __name__ == "__main__":
    main()
