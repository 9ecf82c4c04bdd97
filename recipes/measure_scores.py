"""Whether mini's probabilities mean what they say: calibration errors and reliability diagrams.

python recipes/measure_scores.py --sets DIR [--encoder FOLDER] [--cutouts DIR] [--grounds DIR] [--diagrams FILE]

DIR holds the sets of `sight_sets.py`, of material that nothing was trained or calibrated on. Rows:
  confidence   that the reading of a picture is right: all the sets, with photographs that have no logic
  relation     that a clean drawing has the logic of a picture of a set; half of the pairs do
  subject      that a picture of a set shows a noun; half of them are its own, half another of the library
  copy         that two pictures have the same looks; half of the pairs do. These are drawn, since no set has such pairs
Columns: pairs, the share that is true, the mean probability, the expected calibration error over ten bins (ECE) and the
area under the ROC curve, in %.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from measure_confidence import auroc
from measure_sight import MADE
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from analogen.relsim.images import read_image
from analogen.relsim.mini.calibration import draw_pair
from analogen.relsim.mini.encoder import SHIPPED, MiniEncoder
from analogen.relsim.mini.probabilities import Calibration, calibration_error
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.dataset import draw_sample, held_out_selection, trained_relations
from analogen.relsim.world.material import Material
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.render import render
from analogen.scoring import other_nouns

RESULT_PX, BINS = 208, 10
SIDE, GAP = 220, 36


class Said(NamedTuple):
    """Probabilities of one score and what is true, (n,)."""

    name: str
    probability: NDArray[np.float64]
    truth: NDArray[np.bool_]


class Row(NamedTuple):
    image: Image.Image
    relation: str
    subject: str


def rows_of(folder: Path) -> list[Row]:
    with (folder / "pictures.csv").open(newline="", encoding="utf-8") as file:
        return [
            Row(read_image(folder / row["file"]).image, row["relation"], row["subject"]) for row in csv.DictReader(file)
        ]


def confidence(encoder: MiniEncoder, rows: list[Row]) -> Said:
    seen = encoder.encode_references([row.image for row in rows])
    sure = [encoder.confidence(r, float(k)) for r, k in zip(seen.relation, seen.known, strict=True)]
    read = [encoder.nearest_captions(r, 1)[0].relation for r in seen.relation]
    return Said("confidence", np.array(sure), np.array([a == b.relation for a, b in zip(read, rows, strict=True)]))


def relation(encoder: MiniEncoder, calibration: Calibration, rows: list[Row], rng: np.random.Generator) -> Said:
    seen = encoder.encode_references([row.image for row in rows])
    sure = [encoder.confidence(one, float(known)) for one, known in zip(seen.relation, seen.known, strict=True)]
    vectors = np.stack([encoder.taken_for(*pair) for pair in zip(seen.relation, sure, strict=True)])
    kinds, truth, drawn = [r.id for r in trained_relations()], [], []
    for row in rows:
        same = bool(rng.random() < 0.5)
        kind = row.relation if same else str(rng.choice([k for k in kinds if k != row.relation]))
        scene = draw_sample(RELATIONS[kind], held_out_selection(), rng, hard=False).scene
        drawn.append(Image.fromarray(render(scene, RESULT_PX)))
        truth.append(same)
    cosine = (vectors * encoder.embed(drawn)).sum(1)
    return Said("relation", calibration.relation(cosine), np.array(truth))


def subject(encoder: MiniEncoder, calibration: Calibration, rows: list[Row], rng: np.random.Generator) -> Said:
    nouns = ArtLibrary.shipped().nouns(stock=True)
    found, truth = encoder.embed_subject([row.image for row in rows]), rng.random(len(rows)) < 0.5
    asked = [row.subject if own else str(rng.choice(nouns)) for row, own in zip(rows, truth, strict=True)]
    odds = [
        calibration.subject_odds(found[i] @ wanted[None].T, found[i][None] @ other_nouns(wanted).T)[0]
        for i, wanted in enumerate(encoder.embed_text(asked))
    ]
    return Said("subject", calibration.subject(odds), truth)


def copy(encoder: MiniEncoder, calibration: Calibration, material: Material, rng: np.random.Generator) -> Said:
    pairs = [draw_pair(r.id, material, rng) for r in trained_relations() for _ in range(6)]
    first, second = (
        encoder.attributes([Image.fromarray(getattr(pair, side).pixels) for pair in pairs])
        for side in ("picture", "same_looks")
    )
    truth = rng.random(len(pairs)) < 0.5
    other = second[np.roll(np.arange(len(pairs)), 7)]
    cosine = (first * np.where(truth[:, None], second, other)).sum(1)
    return Said("copy", calibration.copy(cosine), truth)


def table_row(said: Said) -> dict[str, object]:
    p, truth = said.probability, said.truth
    return {
        "score": said.name, "pairs": len(p), "true": round(100 * float(truth.mean()), 1),
        "mean": round(100 * float(p.mean()), 1), "ECE": round(100 * calibration_error(p, truth, BINS), 1),
        "AUROC": round(100 * auroc(p[truth], p[~truth]), 1),
    }  # fmt: skip


def diagram(all_said: list[Said]) -> Image.Image:
    """Reliability diagrams side by side: what was said, left to right, against how often it was true, upwards."""
    canvas = Image.new("RGB", (len(all_said) * (SIDE + GAP) + GAP, SIDE + 2 * GAP), "white")
    pen = ImageDraw.Draw(canvas)
    for place, said in enumerate(all_said):
        left, top = GAP + place * (SIDE + GAP), GAP
        pen.rectangle([left, top, left + SIDE, top + SIDE], outline="#999999")
        pen.line([left, top + SIDE, left + SIDE, top], fill="#bbbbbb")
        pen.text((left, top - 18), f"{said.name}, ECE {table_row(said)['ECE']} %", fill="black")
        number = np.minimum((said.probability * BINS).astype(int), BINS - 1)
        for b in sorted(set(number.tolist())):
            own = number == b
            x, y = said.probability[own].mean(), said.truth[own].mean()
            radius = 3 + 9 * np.sqrt(own.mean())
            at = (left + SIDE * x, top + SIDE * (1 - y))
            pen.ellipse([at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius], fill="#2b6cb0")
    return canvas


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, default=SHIPPED)
    parser.add_argument("--cutouts", default="")
    parser.add_argument("--grounds", default="")
    parser.add_argument("--diagrams", type=Path)
    options = parser.parse_args()
    encoder, rng = MiniEncoder(options.encoder), np.random.default_rng(7)
    calibration = encoder.calibration
    if calibration is None:
        raise SystemExit(f"{options.encoder} has no calibration.json: its scores are cosines")
    rows = [row for name in MADE for row in rows_of(options.sets / name)]
    known = [row for row in rows if row.relation in RELATIONS]
    all_said = [
        confidence(encoder, rows),
        relation(encoder, calibration, known, rng),
        subject(encoder, calibration, known, rng),
        copy(encoder, calibration, Material(options.cutouts, options.grounds), rng),
    ]
    for said in all_said:
        print(json.dumps(table_row(said)), flush=True)
    if options.diagrams:
        diagram(all_said).save(options.diagrams)


if __name__ == "__main__":
    main()
