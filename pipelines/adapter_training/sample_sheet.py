"""Draws sheets of samples during a training: references and pictures side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw


def sheet(
    references: Sequence[Image.Image | None], columns: Mapping[str, Sequence[Image.Image]], captions: Sequence[str],
    prompts: Sequence[str], side: int = 192,
) -> Image.Image:  # fmt: skip
    """One image with a row for each prompt: the reference, or the caption where there is no picture, then the columns.

    columns: pictures by title; side: of each picture, in pixels.
    """
    bar, gap = 18, 6
    size = (1 + len(columns)) * (side + gap) + gap, bar + len(prompts) * (side + bar + gap)
    whole = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(whole)
    for place, title in enumerate(("conditioned on", *columns)):
        pen.text((gap + place * (side + gap), 3), title, "#777777")
    for number, (reference, caption, prompt) in enumerate(zip(references, captions, prompts, strict=True)):
        top = bar + number * (side + bar + gap) + bar
        pen.text((gap, top - bar + 3), f'"{prompt}"' if prompt else "(no words)", "black")
        for place, cell in enumerate((reference, *(column[number] for column in columns.values()))):
            if cell is not None:
                fitted = cell.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
                whole.paste(fitted, (gap + place * (side + gap), top))
        if reference is None:
            pen.rectangle((gap, top, gap + side - 1, top + side - 1), outline="#bbbbbb")
            pen.multiline_text((2 * gap, top + gap), textwrap.fill(caption, 30), "black")
    return whole
