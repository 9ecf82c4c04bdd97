"""How an encoder of mini's kind sees pictures that nobody here trained on: one row for each set.

python recipes/measure_sight.py --encoder FOLDER [--sets DIR] [--only NAME ...] [--confusions] [--sheet FILE]

The sets of DIR are made by `sight_sets.py`; those that `measure_reading.py` reads are drawn or shipped. Columns, in %
but for the AUROC:
  R@1            each picture against the others of its set with another subject: the nearest has the same logic
  read right     the nearest caption of the catalogue is of its logic
  sure           readings with a confidence of .9 or more
  wrong of sure  of those, the wrong ones
  wrong, sure    wrong ones with that confidence, of all
  conf. right, conf. wrong   mean confidence
  AUROC          of right readings against wrong ones, by confidence
Without a logic every reading is wrong, and the AUROC is that of the photographs' right readings against these.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import measure_reading
import numpy as np
from measure_confidence import auroc
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from sight_frames import FRAMINGS, SPOILINGS, Change

from analogen.relsim.images import read_image
from analogen.relsim.mini.encoder import SHIPPED, MiniEncoder, Vectors

SURE = 0.9
MADE = ("photographs", "openmoji", "twemoji", "unsayable")
DRAWN = ("hard", "by another hand", "finished", "foreign")
EXAMPLES = {
    "caged_parrot": "caged", "lifted_elephant": "lifted", "mirrored_swan": "water_reflection",
    "odd_duck": "odd_one_out", "ring_of_owls": "ring", "tower_of_books": "tower",
}  # fmt: skip
SHOWN_WRONG = 40  # of each set on the sheet
Row = dict[str, object]


@dataclass(frozen=True)
class Pictures:
    """relations: "" where there is no logic; subjects: all different where nobody wrote them down."""

    name: str
    images: list[Image.Image]
    relations: list[str]
    subjects: list[str]


@dataclass(frozen=True)
class Seen:
    """What the encoder says of a set. sure: confidences, (n,)."""

    of: Pictures
    vectors: Vectors
    read: list[str]
    sure: NDArray[np.float64]

    @property
    def right(self) -> NDArray[np.bool_]:
        return np.array([a == b for a, b in zip(self.read, self.of.relations, strict=True)])


def made_set(folder: Path) -> Pictures:
    """A set of `sight_sets.py`."""
    table = folder / "pictures.csv"
    if not table.is_file():
        raise FileNotFoundError(f"{table}: make it first with recipes/sight_sets.py --output {folder.parent}")
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    images = [read_image(folder / row["file"]).image for row in rows]
    return Pictures(folder.name, images, [row["relation"] for row in rows], [row["subject"] for row in rows])


def all_sets(folder: Path | None, wanted: Sequence[str]) -> Iterator[Pictures]:
    if folder is not None:
        for name in MADE:
            if name in wanted:
                yield made_set(folder / name)
    if set(DRAWN) & set(wanted):
        for name, (images, relations) in measure_reading.pictures().items():
            if name in wanted:
                yield Pictures(name, images, relations, [str(i) for i in range(len(images))])


def see(encoder: MiniEncoder, pictures: Pictures) -> Seen:
    looked = encoder.encode_references(pictures.images)
    sure = [encoder.confidence(r, float(k)) for r, k in zip(looked.relation, looked.known, strict=True)]
    read = [encoder.nearest_captions(r, 1)[0].relation for r in looked.relation]
    return Seen(pictures, looked.relation, read, np.array(sure))


def recall_of_others(seen: Seen) -> float:
    """R@1 among the pictures of the set with another subject."""
    subjects, relations = np.array(seen.of.subjects), np.array(seen.of.relations)
    nearness = seen.vectors @ seen.vectors.T
    nearness[subjects[:, None] == subjects[None]] = -np.inf
    return float((relations[nearness.argmax(axis=1)] == relations).mean())


def percent(share: float) -> float | None:
    return None if np.isnan(share) else round(100 * share, 1)


def mean_of(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def row_of(seen: Seen, known: NDArray[np.float64] | None = None) -> Row:
    """known: confidences that a set without logics is held against."""
    right, sure = seen.right, seen.sure >= SURE
    nameless = not any(seen.of.relations)
    high, low = (known if nameless and known is not None else seen.sure[right]), seen.sure[~right]
    return {
        "set": seen.of.name,
        "pictures": len(right),
        "R@1": None if nameless else percent(recall_of_others(seen)),
        "read right": None if nameless else percent(float(right.mean())),
        "sure": percent(float(sure.mean())),
        "wrong of sure": percent(mean_of((~right[sure]).astype(float))),
        "wrong, sure": percent(float((sure & ~right).mean())),
        "conf. right": percent(mean_of(seen.sure[right])),
        "conf. wrong": percent(mean_of(low)),
        "AUROC": round(auroc(high, low), 3) if len(high) and len(low) else None,
    }


def robustness(encoder: MiniEncoder, folder: Path) -> list[Row]:
    """The shipped examples in frames and spoilt: how many are read as before, and right."""
    images = [read_image(folder / f"{name}.png").image for name in EXAMPLES]
    truth = list(EXAMPLES.values())
    before = see(encoder, Pictures("as shipped", images, truth, truth))
    rows = [_row_of_changed(before, [before])]
    for title, changes in (("framings", FRAMINGS), ("spoilings", SPOILINGS)):
        seen = {name: see(encoder, _changed(name, images, truth, change)) for name, change in changes.items()}
        rows.append({**_row_of_changed(before, list(seen.values())), "examples": f"all {len(seen)} {title}"})
        rows += [_row_of_changed(before, [one]) for one in seen.values()]
    return rows


def _changed(name: str, images: Iterable[Image.Image], truth: list[str], change: Change) -> Pictures:
    return Pictures(name, [change(image) for image in images], truth, truth)


def _row_of_changed(before: Seen, after: Sequence[Seen]) -> Row:
    same = np.concatenate([[a == b for a, b in zip(seen.read, before.read, strict=True)] for seen in after])
    right = np.concatenate([seen.right for seen in after])
    sure = np.concatenate([seen.sure for seen in after]) >= SURE
    return {
        "examples": after[0].of.name, "pictures": len(same), "read as before": percent(float(same.mean())),
        "read right": percent(float(right.mean())), "wrong with .9": int((sure & ~right).sum()),
        "changed with .9": int((sure & ~same).sum()),
    }  # fmt: skip


def confusions(seen: Seen, most: int = 20) -> list[Row]:
    """The logics that are most often read as another."""
    pairs = Counter((t, r) for t, r in zip(seen.of.relations, seen.read, strict=True) if t != r)
    totals = Counter(seen.of.relations)
    return [
        {"set": seen.of.name, "logic": true or "none", "read as": read, "times": times, "of": totals[true]}
        for (true, read), times in pairs.most_common(most)
    ]


def sheet_of_wrong(everything: Sequence[Seen], columns: int = 10, cell: int = 150) -> Image.Image:
    """Wrong readings of all sets, spread evenly: the truth and the reading with its confidence below each."""
    cells: list[tuple[Image.Image, str, str]] = []
    for seen in everything:
        wrong = np.nonzero(~seen.right)[0]
        chosen = wrong[np.unique(np.linspace(0, len(wrong) - 1, min(SHOWN_WRONG, len(wrong))).round().astype(int))]
        cells += [
            (seen.of.images[i], f"{seen.of.name[:4]} {seen.of.relations[i] or 'none'}",
             f"{seen.read[i]} {seen.sure[i]:.2f}") for i in map(int, chosen)
        ]  # fmt: skip
    height = cell + 24
    sheet = Image.new("RGB", (columns * cell, max(1, -(-len(cells) // columns)) * height), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (image, truth, read) in enumerate(cells):
        left, top = number % columns * cell, number // columns * height
        small = image.copy()
        small.thumbnail((cell - 6, cell - 6))
        sheet.paste(small, (left, top))
        draw.text((left, top + cell - 6), truth, "black")
        draw.text((left, top + cell + 5), read, (190, 30, 30))
    return sheet


def show(rows: Sequence[Row], as_json: bool) -> None:
    """Rows with the same columns, as a Markdown table or a JSON line each."""
    if as_json:
        for row in rows:
            print(json.dumps(row), flush=True)
    elif rows:
        print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
        for row in rows:
            print("| " + " | ".join("" if value is None else str(value) for value in row.values()) + " |")
        print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", type=Path, default=SHIPPED)
    parser.add_argument("--sets", type=Path, help="What sight_sets.py wrote; without it only the drawn sets.")
    parser.add_argument("--only", nargs="*", default=[*MADE, *DRAWN, "examples"], help="Names of sets, and examples.")
    parser.add_argument("--examples", type=Path, default=Path(__file__).resolve().parents[1] / "examples")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.add_argument("--confusions", action="store_true", help="Which logics are read as which, the 20 worst a set.")
    parser.add_argument("--sheet", type=Path, help="Write the wrong ones on one picture.")
    options = parser.parse_args()
    encoder, as_json = MiniEncoder(options.encoder), options.format == "json"
    everything = [see(encoder, pictures) for pictures in all_sets(options.sets, options.only)]
    photographs = [seen for seen in everything if seen.of.name == "photographs"]
    known = photographs[0].sure[photographs[0].right] if photographs else None
    show([row_of(seen, known) for seen in everything], as_json)
    if "examples" in options.only:
        show(robustness(encoder, options.examples), as_json)
    if options.confusions:
        show([row for seen in everything for row in confusions(seen)], as_json)
    if options.sheet:
        options.sheet.parent.mkdir(parents=True, exist_ok=True)
        sheet_of_wrong(everything).save(options.sheet)


if __name__ == "__main__":
    main()
