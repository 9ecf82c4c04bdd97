"""Make the contact sheets of the guides: words, blends and external references.

python recipes/make_sheets.py [--output docs/images] [--measured FOLDER]

Each is the first sheet of a measurement, made smaller. --measured: a folder in which `analogen evaluate analogy` has
written its sheets, in words/ and foreign/; without it both are measured first, which takes about seven minutes.
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
# The sheet, its file in the documentation, and the scale.
SHEETS = (
    ("words/words.png", "words.webp", 0.6),
    ("words/two-pictures.png", "blends.webp", 0.6),
    ("foreign/foreign-0.png", "foreign.webp", 0.5),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=TREE / "docs" / "images")
    parser.add_argument("--measured", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.measured or measure(Path(name))
        for sheet, picture, scale in SHEETS:
            with Image.open(folder / sheet) as image:
                size = (round(image.width * scale), round(image.height * scale))
                small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
            small.save(options.output / picture, "WEBP", quality=82, method=6)
            print(f"{options.output / picture}: {(options.output / picture).stat().st_size / 1000:.0f} kB")


def measure(folder: Path) -> Path:
    """Measure both, and write their sheets into a folder. Returns it."""
    for line in run_text_relations(
        BENCHMARKS / "words" / "paraphrases.csv", 200, device="cpu", output=folder / "words"
    ):
        print(line)
    references = BENCHMARKS / "foreign" / "foreign.csv"
    for line in run_external_references(references, 4, 0, "cpu", None, folder / "foreign"):
        print(line)
    return folder


if __name__ == "__main__":
    main()
