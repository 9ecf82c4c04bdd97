"""The guides' contact sheets of words, blends and references by another hand: the first of each measurement, smaller.

python recipes/make_sheets.py [--output docs/images] [--measured FOLDER]

--measured: where `analogen evaluate analogy` has written its sheets, in words/ and foreign/; without it both are
measured first, about seven minutes.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from PIL import Image

from analogen.evaluation.external_references import run_external_references
from analogen.evaluation.text_relations import run_text_relations

TREE = Path(__file__).resolve().parents[1]
BENCHMARKS = TREE / "benchmarks"
# Sheet, picture in the documents, scale.
SHEETS = (
    ("words/words.png", "words.webp", 0.6),
    ("words/two-pictures.png", "blends.webp", 0.6),
    ("foreign/foreign-0.png", "foreign.webp", 0.5),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=TREE / "docs" / "images")
    parser.add_argument("--measured", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = given.measured or measure(Path(name))
        for sheet, picture, scale in SHEETS:
            with Image.open(folder / sheet) as image:
                size = (round(image.width * scale), round(image.height * scale))
                small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
            small.save(given.output / picture, "WEBP", quality=82, method=6)
            print(f"{given.output / picture}: {(given.output / picture).stat().st_size / 1000:.0f} kB")


def measure(folder: Path) -> Path:
    for line in run_text_relations(
        BENCHMARKS / "words" / "paraphrases.csv", 200, device="cpu", output=folder / "words"
    ):
        print(line)
    foreign = BENCHMARKS / "foreign" / "foreign.csv"
    for line in run_external_references(foreign, 4, 0, "cpu", None, folder / "foreign"):
        print(line)
    return folder


if __name__ == "__main__":
    main()
