"""Draw the palettes that pictures are made in: each in two pictures, on a light and a dark ground where it suits.

python recipes/make_palettes.py [--output docs/images/palettes.webp]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.lettering import draw_text
from analogen.relsim.world.palette import MADE_IN, dark_ground, light_ground, palette_of
from analogen.relsim.world.relations import RELATIONS, Draft
from analogen.relsim.world.render import render
from analogen.relsim.world.scene import Background, Scene
from analogen.relsim.world.visibility import outline_of, suited_background

SIDE, GAP, FOOT, COLUMNS = 200, 10, 46, 4
# Relation, subject, the other thing and the style: two for each palette.
SHOWN = (
    ("ring", "fish", "key", "fluent-flat"), ("tower", "swan", "star", "noto"), ("pyramid", "cherry", "leaf", "noto"),
    ("orbit", "teapot", "lemon", "fluent-flat"), ("growth_stages", "mushroom", "sun", "noto"),
    ("spiral", "butterfly", "rose", "fluent-flat"), ("pedestal", "owl", "book", "noto"),
    ("water_reflection", "sailboat", "cloud", "fluent-flat"), ("parade", "snail", "cookie", "noto"),
    ("flock", "dove", "kite", "fluent-flat"), ("nested", "house", "apple", "noto"), ("grid", "tulip", "bee", "noto"),
)  # fmt: skip


def picture(name: str, number: int, dark: bool) -> Image.Image:
    """One picture in the palette. number: of SHOWN."""
    known = [shown for shown in SHOWN if shown[0] in RELATIONS]
    relation, subject, other, style = known[number % len(known)]
    rng = np.random.default_rng(number)
    draft = Draft(rng)
    RELATIONS[relation].draw(draft)
    color, second = dark_ground(name) if dark else light_ground(name)
    ground = Background("gradient", color, second, turn=90.0, seed=number)
    outline = outline_of(ArtLibrary.shipped().icon(subject, style))
    ground = suited_background(ground, name, [outline], rng)
    scene = Scene(
        tuple(draft.elements), background=ground, subject=subject, other=other, style=style, palette=name, shadow=0.4
    )
    return Image.fromarray(render(scene, SIDE))


def card(name: str, number: int) -> Image.Image:
    """A palette: its name, its six colours and two pictures."""
    sheet = Image.new("RGB", (2 * SIDE + GAP, SIDE + FOOT), "white")
    sheet.paste(picture(name, number, dark=False), (0, 0))
    sheet.paste(picture(name, number + 5, dark=True), (SIDE + GAP, 0))
    draw_text(sheet, (2, SIDE + 12), name, 19, "#333333")
    for place, color in enumerate(palette_of(name)):
        dot = Image.new("RGB", (112, 112), "white")
        ImageDraw.Draw(dot).ellipse((2, 2, 109, 109), color, "#cccccc", 3)
        left = 2 * SIDE + GAP - (6 - place) * 34
        sheet.paste(dot.resize((28, 28), Image.Resampling.LANCZOS), (left, SIDE + 8))
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[1] / "docs" / "images" / "palettes.webp"
    parser.add_argument("--output", type=Path, default=default)
    output: Path = parser.parse_args().output
    cards = [card(name, number) for number, name in enumerate(MADE_IN)]
    wide, high = cards[0].width + 2 * GAP, cards[0].height + GAP
    columns = COLUMNS // 2
    sheet = Image.new("RGB", (columns * wide - 2 * GAP, -(-len(cards) // columns) * high), "white")
    for number, one in enumerate(cards):
        sheet.paste(one, (number % columns * wide, number // columns * high))
    sheet.save(output, "WEBP", quality=86, method=6)
    print(f"{output}: {output.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
