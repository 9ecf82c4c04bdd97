"""Draws sheets of samples during a training: references and pictures side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw

from analogen.relsim.world.lettering import LINE, draw_text, fitted


def sheet(
    references: Sequence[Image.Image | None], columns: Mapping[str, Sequence[Image.Image]], captions: Sequence[str],
    prompts: Sequence[str], side: int = 192,
) -> Image.Image:  # fmt: skip
    """One image with a row for each prompt: the reference, or the caption where there is no picture, then the columns.

    columns: pictures by title; side: of each picture, in pixels.
    """
    bar, gap, text_px = 18, 6, 12
    size = (1 + len(columns)) * (side + gap) + gap, bar + len(prompts) * (side + bar + gap)
    whole = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(whole)
    for place, title in enumerate(("conditioned on", *columns)):
        draw_text(whole, (gap + place * (side + gap), 2), title, text_px, "#777777")
    for number, (reference, caption, prompt) in enumerate(zip(references, captions, prompts, strict=True)):
        top = bar + number * (side + bar + gap) + bar
        words = f'"{prompt}"' if prompt else "(no words)"
        draw_text(whole, (gap, top - bar + 2), fitted(words, text_px, size[0] - 2 * gap), text_px, "black")
        for place, cell in enumerate((reference, *(column[number] for column in columns.values()))):
            if cell is not None:
                small = cell.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
                whole.paste(small, (gap + place * (side + gap), top))
        if reference is None:
            pen.rectangle((gap, top, gap + side - 1, top + side - 1), outline="#bbbbbb")
            for line, words in enumerate(textwrap.wrap(caption, 30)):
                place_of_line = (2 * gap, top + gap + line * round(LINE * text_px))
                draw_text(whole, place_of_line, fitted(words, text_px, side - 2 * gap), text_px, "black")
    return whole
