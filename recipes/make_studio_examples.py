"""Make the examples of the studio's first page: a result of mini for each of six references.

    python recipes/make_studio_examples.py [--output demos/examples] [--only NAME]

Writes NAME.webp, the reference, NAME_result.webp, the best of eight candidates, and examples.json with what the page
says and sets. Make them anew whenever mini's weights change.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from PIL import Image

from analogen import Generator, Request

TREE = Path(__file__).resolve().parents[1]
# The reference in examples/, what the page calls it, the new subject and second thing, and the seed of the first of the
# candidates.
EXAMPLES = (
    ("ring_of_owls", "a ring of owls", "bicycle", None, 1),
    ("growing_cactus", "a cactus that grows", "teapot", None, 1),
    ("tower_of_books", "a tower of books", "penguin", None, 1),
    ("mirrored_swan", "a swan and its mirror image", "lighthouse", None, 1),
    ("caged_parrot", "a parrot in a cage", "rocket", None, 21),
    ("moon_around_pizza", "a strawberry around a pizza", "cat", "fish", 1),
)
CANDIDATES = 8
RESULT_PX, KEPT_PX, REFERENCE_PX = 512, 288, 480


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=TREE / "demos" / "examples")
    parser.add_argument("--only", metavar="NAME", help="Make this result alone.")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    generator = Generator(device="cpu")
    rows = []
    for name, told, subject, other, seed in EXAMPLES:
        rows.append(
            {"name": name, "told": told, "subject": subject, "other": other, "seed": seed, "candidates": CANDIDATES}
        )
        if options.only not in (None, name):
            continue
        reference = TREE / "examples" / f"{name}.png"
        with Image.open(reference) as image:
            save(image, options.output / f"{name}.webp", REFERENCE_PX)
        request = Request(
            references=(reference,),
            subject=subject,
            other=other,
            seed=seed,
            candidates=CANDIDATES,
            width=RESULT_PX,
            height=RESULT_PX,
        )
        best = generator.run(request).candidates[0]
        save(best.image, options.output / f"{name}_result.webp", KEPT_PX)
        print(f"{name}: seed {best.seed}, {best.scores.rounded()}")
    text = json.dumps({"examples": rows}, indent=1, ensure_ascii=False) + "\n"
    (options.output / "examples.json").write_text(text, encoding="utf-8")


def save(image: Image.Image, path: Path, side_px: int) -> None:
    small = image.convert("RGB")
    small.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    small.save(path, "WEBP", quality=80, method=6)


if __name__ == "__main__":
    main()
