"""Draw the figures of the README with the shipped weights.

python recipes/make_figures.py [--output docs/images]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from analogen import Generator, Request
from analogen.relsim.world.art import ArtLibrary

EXAMPLES = Path(__file__).parents[1] / "examples"
BACKGROUND, TEXT_COLOR, LABEL_COLOR = "#ffffff", "#24303c", "#8a97a5"
# The rows of the gallery: a reference, and the subject of each column.
GALLERY = {
    "ring_of_owls": ("bicycle", "rose", "rocket"),
    "growing_cactus": ("penguin", "castle", "mushroom"),
    "mirrored_swan": ("sailboat", "fox", "lighthouse"),
    "lifted_elephant": ("piano", "house", "cupcake"),
    "odd_duck": ("tulip", "robot", "donut"),
    "pedestal_teapot": ("burger", "guitar", "crown"),
}


def rounded(image: Image.Image, side: int, radius: int = 18) -> Image.Image:
    """The picture with rounded corners, RGBA."""
    image = image.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
    mask = Image.new("L", (side * 2, side * 2))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, side * 2 - 1, side * 2 - 1), radius * 2, fill=255)
    image.putalpha(mask.resize((side, side), Image.Resampling.LANCZOS))
    return image


def subject_card(name: str, side: int) -> Image.Image:
    """A card with the icon and the name of a subject."""
    card = Image.new("RGB", (side, side), "#f1f4f7")
    icon = Image.fromarray(ArtLibrary.shipped().icon(name).pixels(int(side * 0.55)))
    card.paste(icon, ((side - icon.width) // 2, int(side * 0.12)), icon)
    font = ImageFont.load_default(int(side * 0.11))
    ImageDraw.Draw(card).text((side / 2, side * 0.84), name, TEXT_COLOR, font, anchor="mm")
    return card


def best(generator: Generator, reference: Path, subject: str, seed: int, side: int) -> Image.Image:
    """The best of eight candidates."""
    request = Request(references=(reference,), subject=subject, seed=seed, candidates=8, width=side, height=side)
    return generator.run(request).candidates[0].image


def hero(generator: Generator, side: int = 360) -> Image.Image:
    reference = EXAMPLES / "ring_of_owls.png"
    parts = [Image.open(reference), subject_card("bicycle", side), best(generator, reference, "bicycle", 7, 2 * side)]
    gap, labels = 72, ("reference", "subject", "result")
    canvas = Image.new("RGB", (3 * side + 2 * gap, side + 44), BACKGROUND)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(22)
    for column, (part, label) in enumerate(zip(parts, labels, strict=True)):
        left = column * (side + gap)
        tile = rounded(part, side)
        canvas.paste(tile, (left, 0), tile)
        draw.text((left + side / 2, side + 24), label, LABEL_COLOR, font, anchor="mm")
    for column, sign in enumerate("+="):
        middle = (column + 1) * side + column * gap + gap / 2
        draw.text((middle, side / 2), sign, LABEL_COLOR, ImageFont.load_default(48), anchor="mm")
    return canvas


def gallery(generator: Generator, side: int = 240, gap: int = 14) -> Image.Image:
    columns, rows = 4, len(GALLERY)
    canvas = Image.new("RGB", (columns * side + columns * gap + 20, rows * (side + gap)), BACKGROUND)
    for row, (name, subjects) in enumerate(GALLERY.items()):
        reference = EXAMPLES / f"{name}.png"
        tiles = [Image.open(reference)]
        tiles += [best(generator, reference, s, 100 * row + n, 2 * side) for n, s in enumerate(subjects)]
        for column, part in enumerate(tiles):
            tile = rounded(part, side)
            canvas.paste(tile, (column * (side + gap) + (20 if column else 0), row * (side + gap)), tile)
    return canvas


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs/images"))
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    generator = Generator(device="cpu")
    hero(generator).save(output / "hero.png", optimize=True)
    gallery(generator).save(output / "gallery.webp", quality=88)


if __name__ == "__main__":
    main()
