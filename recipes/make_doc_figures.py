"""Draws the guides' figures from the shipped weights.

python recipes/make_doc_figures.py [--output docs/images]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from analogen import Generator, Request

EXAMPLES = Path(__file__).parents[1] / "examples"
SIDE, GAP, FOOT = 240, 14, 34
SCALES = (0.0, 0.4, 0.7, 1.0)


def strip(pictures: list[Image.Image], labels: list[str]) -> Image.Image:
    """Pictures side by side, each with a line below."""
    canvas = Image.new("RGB", (len(pictures) * (SIDE + GAP) - GAP, SIDE + FOOT), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(17)
    for column, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        left = column * (SIDE + GAP)
        canvas.paste(picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS), (left, 0))
        draw.text((left + SIDE / 2, SIDE + FOOT / 2), label, "#8a97a5", font, anchor="mm")
    return canvas


def strengths(generator: Generator) -> Image.Image:
    """The same seed at rising strength of the relation."""
    reference = EXAMPLES / "ring_of_owls.png"
    pictures, labels = [Image.open(reference)], ["reference"]
    for scale in SCALES:
        request = Request(
            references=(reference,), subject="rocket", seed=11, candidates=1, relation_scale=scale, style="noto",
            width=2 * SIDE, height=2 * SIDE,
        )  # fmt: skip
        pictures.append(generator.run(request).candidates[0].image)
        labels.append(f"--relation-scale {scale:g}")
    return strip(pictures, labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs/images"))
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    strengths(Generator(device="cpu")).save(output / "strength.webp", quality=88)


if __name__ == "__main__":
    main()
