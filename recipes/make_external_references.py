"""Draw the external references: 60 pictures of 20 relations that share no code with the relational world.

python recipes/make_external_references.py [--output benchmarks/foreign] [--sheet out/external.png]

They have their own motifs as vector paths, their own layouts, and eight manners: pen, charcoal, cut paper, stained
glass, mosaic, cross-stitch, type, and ray-cast photographs of solids on a table.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from external_layouts import LAYOUTS, MOTIFS, SIDE, Drawing
from external_manners import MANNERS
from external_photos import render_photo
from PIL import Image

PALETTES = (
    {"a": (196, 78, 62), "b": (236, 190, 88), "c": (74, 128, 122), "k": (48, 44, 52), "w": (246, 240, 226)},
    {"a": (62, 98, 160), "b": (226, 132, 88), "c": (120, 160, 96), "k": (36, 40, 58), "w": (244, 244, 238)},
    {"a": (122, 82, 148), "b": (240, 204, 120), "c": (220, 104, 120), "k": (50, 36, 56), "w": (250, 242, 236)},
    {"a": (60, 132, 96), "b": (232, 222, 140), "c": (208, 92, 60), "k": (30, 48, 44), "w": (240, 244, 232)},
)
BACKGROUNDS = ((232, 222, 202), (206, 220, 226), (226, 214, 224), (214, 224, 206))

# For each relation three pictures: (manner, motif, other motif, number). "photo" has solids in place of motifs.
PLAN: dict[str, tuple[tuple[str, str, str, int], ...]] = {
    "ring": (("pen", "bird", "", 8), ("photo", "", "", 9), ("paper", "pear", "", 7)),
    "spiral": (("charcoal", "leaf", "", 0), ("paper", "mug", "", 3), ("photo", "", "", 0)),
    "grid": (("glass", "pear", "", 3), ("photo", "", "", 4), ("pen", "umbrella", "", 4)),
    "odd_one_out": (("paper", "mushroom", "fish", 4), ("photo", "", "", 4), ("mosaic", "house", "leaf", 3)),
    "checkerboard": (("stitch", "house", "pear", 4), ("photo", "", "", 4), ("charcoal", "mug", "leaf", 4)),
    "pyramid": (("pen", "mug", "", 4), ("photo", "", "", 4), ("mosaic", "pear", "", 3)),
    "tower": (("charcoal", "mug", "", 5), ("photo", "", "", 5), ("stitch", "cat", "", 4)),
    "flock": (("pen", "bird", "", 4), ("paper", "boat", "", 4), ("glass", "leaf", "", 3)),
    "parade": (("paper", "cat", "", 4), ("photo", "", "", 4), ("charcoal", "bird", "", 4)),
    "receding": (("pen", "house", "", 5), ("photo", "", "", 6), ("glass", "umbrella", "", 5)),
    "growth_stages": (("charcoal", "mushroom", "", 4), ("photo", "", "", 4), ("stitch", "pear", "", 3)),
    "fading_away": (("paper", "fish", "", 4), ("pen", "cat", "", 4), ("charcoal", "bottle", "", 4)),
    "water_reflection": (("paper", "boat", "", 1), ("mosaic", "house", "", 1), ("stitch", "bird", "", 1)),
    "peeking": (("pen", "cat", "", 1), ("paper", "bird", "", 2), ("type", "cat", "", 1)),
    "caged": (("charcoal", "cat", "", 8), ("paper", "fish", "", 7), ("pen", "pear", "", 9)),
    "orbit": (("glass", "mushroom", "fish", 1), ("paper", "house", "bird", 1), ("pen", "pear", "cat", 1)),
    "parent_and_child": (("type", "house", "", 1), ("photo", "", "", 1), ("glass", "cat", "", 1)),
    "face_to_face": (("stitch", "bird", "", 1), ("glass", "fish", "", 1), ("charcoal", "bird", "", 1)),
    "forbidden": (("paper", "umbrella", "", 1), ("mosaic", "fish", "", 1), ("stitch", "bottle", "", 1)),
    "lifted": (("paper", "house", "", 5), ("pen", "cat", "", 4), ("glass", "mug", "", 3)),
}


def draw(relation: str, number: int) -> tuple[str, Image.Image]:
    """Draw a picture of PLAN. Returns its manner and the picture, (SIDE, SIDE)."""
    manner, motif, other, n = PLAN[relation][number]
    rng = np.random.default_rng([list(PLAN).index(relation), number])
    if manner == "photo":
        picture = render_photo(relation, n, rng)
    else:
        drawing = Drawing()
        LAYOUTS[relation](drawing, MOTIFS[motif], MOTIFS.get(other, []), n)
        palette = PALETTES[int(rng.integers(4))] | {"r": (200, 40, 36)}
        picture = MANNERS[manner](drawing, palette, BACKGROUNDS[int(rng.integers(4))], rng)
    return manner, picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/foreign"))
    parser.add_argument("--sheet", type=Path, help="also write a contact sheet of all pictures")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    rows, pictures = [], []
    for relation in PLAN:
        for number in range(3):
            manner, picture = draw(relation, number)
            name = f"{relation}-{manner}.webp"
            picture.save(options.output / name, quality=82, method=6)
            rows.append({"path": name, "relation": relation, "manner": manner})
            pictures.append(picture)
    with (options.output / "foreign.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    if options.sheet:
        options.sheet.parent.mkdir(parents=True, exist_ok=True)
        sheet = Image.new("RGB", (6 * 200, 10 * 200), "white")
        for index, picture in enumerate(pictures):
            sheet.paste(picture.resize((196, 196)), (index % 6 * 200, index // 6 * 200))
        sheet.save(options.sheet)


if __name__ == "__main__":
    main()
