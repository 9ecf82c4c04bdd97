"""Measure readings of scenes: things found (F1), counts, and the sentence's arrangement and parts.

python recipes/measure_reading_scenes.py --encoder DIR [--pictures 200] [--cutouts DIR] [--grounds DIR] [--sets DIR ...]
    [--sweep] [--seed 0]

Measured on compositions and named relations that the world draws and photographs (`--pictures` of each), with the
material of --cutouts and --grounds.

--sets                  folders with pictures.csv, as recipes/sight_sets.py writes them
--sweep                 also the F1 at several heats, by which THING_HEAT of relsim/mini/reading/decode.py is chosen
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import itertools
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from analogen.relsim.evaluation.detections import Thing, score_detections
from analogen.relsim.images import read_image
from analogen.relsim.mini.dense_head import COLUMNS, LEAST_SIZE
from analogen.relsim.mini.encoder import MiniEncoder, square_pixels
from analogen.relsim.mini.reading import SceneReading, read_scene
from analogen.relsim.mini.reading.decode import THING_HEAT, decode
from analogen.relsim.mini.scene_pool import NO_PHOTOGRAPH, DrawnScene, Looks
from analogen.relsim.world.dataset import draw_sample, held_out_selection
from analogen.relsim.world.grammar import NEUTRAL, PARTS, draw_composition
from analogen.relsim.world.material import Material
from analogen.relsim.world.relations import RELATIONS

SIDE_PX = 256
HEATS = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
BINS = (0.0, 0.3, 0.5, 0.7, 0.9, 1.01)


class Case(NamedTuple):
    """A picture, its things, and its composition's id or ""."""

    image: Image.Image
    things: list[Thing]
    logic: str


def drawn(medium: str, count: int, material: Material, seed: int) -> Iterator[Case]:
    """Compositions, and a named relation every third time, of held-out subjects in one medium."""
    rng, relations = np.random.default_rng([seed, len(medium)]), list(RELATIONS.values())
    for number in range(count):
        named = relations[int(rng.integers(len(relations)))]
        relation = named if number % 3 == 2 else draw_composition(rng).relation()
        if medium == "photograph" and relation.id in NO_PHOTOGRAPH:
            continue
        sample = draw_sample(relation, held_out_selection(), rng, hard=bool(rng.random() < 0.7))
        group = "relation" if relation.id in RELATIONS else "composition"
        looks = dataclasses.replace(Looks.draw(material, rng), medium=medium, presented=False)
        picture = looks.picture(DrawnScene(sample.scene, group, relation.id, sample.caption), material, SIDE_PX)
        things = []
        for row in picture.table:
            at = dict(zip(COLUMNS, row.tolist(), strict=True))
            inside = all(0.01 < at[axis] < 0.99 for axis in "xy")
            if at["kind"] in (0, 1) and at["opacity"] > 0.04 and at["size"] > LEAST_SIZE and inside:
                things.append((at["x"], at["y"], at["size"] * max(at["aspect"], 1 / at["aspect"]) ** 0.5))
        yield Case(Image.fromarray(picture.pixels), things, relation.id if group == "composition" else "")


def listed(folder: Path) -> Iterator[Case]:
    with (folder / "pictures.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            boxes = [(float(x), float(y), float(size)) for _, x, y, size in json.loads(row["boxes"])]
            yield Case(read_image(folder / row["file"]).image, boxes, "")


def things_of(reading: SceneReading) -> list[Thing]:
    """In shares of the whole picture's longer side, border included."""
    left, top, right, bottom = reading.crop
    width, height = right - left, bottom - top
    unit = min(width, height) / 2
    return [
        (
            left + width / 2 + unit * e.x,
            top + height / 2 + unit * e.y,
            unit * e.size * max(e.aspect, 1 / e.aspect) ** 0.5,
        )
        for e in reading.scene.things
    ]


def shares(things: Sequence[Thing], image: Image.Image) -> list[Thing]:
    return [(x / image.width, y / image.height, size / max(image.size)) for x, y, size in things]


def measure(name: str, cases: Sequence[Case], encoder: MiniEncoder) -> None:
    readings = [read_scene(case.image, encoder) for case in cases]
    found = [shares(things_of(r), c.image) for r, c in zip(readings, cases, strict=True)]
    sure = [[c for c, e in zip(r.confidences, r.scene.elements, strict=True) if e.is_thing] for r in readings]
    got = score_detections(found, [case.things for case in cases], sure)
    print(
        f"{name:19} {len(cases):5}  F1 {got.f1:.3f}  precision {got.precision:.3f}  recall {got.recall:.3f}  "
        f"count exact {got.count_exact:.3f}  within one {got.count_near:.3f}"
    )
    known = [(r, case.logic.split("/")) for r, case in zip(readings, cases, strict=True) if case.logic]
    if known:
        right = [np.mean([getattr(r.rule, part) == told[i] for r, told in known]) for i, part in enumerate(PARTS)]
        print("  " + "  ".join(f"{part} {share:.3f}" for part, share in zip(PARTS, right, strict=True)))
        for i, part in enumerate(PARTS[1:], 1):  # "none" and "alike" are common, and told by whoever sees nothing
            own = [getattr(r.rule, part) == told[i] for r, told in known if told[i] != NEUTRAL[part]]
            print(f"    {part} other than {NEUTRAL[part]}: {np.mean(own):.3f} of {len(own)}")
        pairs = np.array([(r.certainty, r.rule.arrangement == told[0]) for r, told in known])
        for low, high in itertools.pairwise(BINS):
            chosen = pairs[(pairs[:, 0] >= low) & (pairs[:, 0] < high)]
            if len(chosen):
                share = chosen[:, 1].mean()
                print(f"    certainty {low:.1f} to {min(high, 1):.1f}: {len(chosen):4}, arrangement right {share:.2f}")
    else:
        print(f"  mean certainty {np.mean([r.certainty for r in readings]):.3f}")


@torch.inference_mode()
def sweep(name: str, cases: Sequence[Case], encoder: MiniEncoder) -> None:
    """F1 and exact counts at several heats, without borders cut and without rules."""
    size = encoder.net.config.image_size
    made = []
    for case in cases:
        pixels = torch.from_numpy(square_pixels(case.image, size).copy()).permute(2, 0, 1)[None].float() / 255
        cells = encoder.net(pixels, dense=True).cells
        assert cells is not None
        made.append([d for d in decode(cells[0].numpy(), min(HEATS), 1.1) if d.is_thing])
    for heat in HEATS:
        kept = [[d for d in one if d.score >= heat] for one in made]
        found = [[(d.x, d.y, d.size * math.sqrt(max(d.aspect, 1 / d.aspect))) for d in one] for one in kept]
        got = score_detections(found, [c.things for c in cases], [[d.score for d in one] for one in kept])
        mark = " *" if heat == THING_HEAT else ""
        print(f"  {name:19} heat {heat:.2f}  F1 {got.f1:.3f}  count exact {got.count_exact:.3f}{mark}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--cutouts", default="")
    parser.add_argument("--grounds", default="")
    parser.add_argument("--sets", type=Path, nargs="*", default=[])
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    encoder, material = MiniEncoder(options.encoder), Material(options.cutouts, options.grounds)
    sets = {f"world's {medium}s": list(drawn(medium, options.pictures, material, options.seed))
            for medium in ("drawing", "photograph")}  # fmt: skip
    for folder in options.sets:
        cases = list(listed(folder))
        chosen = np.random.default_rng(options.seed).permutation(len(cases))[: options.pictures]
        sets[folder.name] = [cases[int(i)] for i in chosen]
    for name, cases in sets.items():
        measure(name, cases, encoder)
        if options.sweep:
            sweep(name, cases, encoder)


if __name__ == "__main__":
    main()
