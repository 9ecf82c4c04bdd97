"""Writes text of any script and emoji on pictures: captions of contact sheets, plots, discs with a word.

Pillow draws with one font at a time. A line is split into runs that one of the shipped fonts has (fonts/, see
recipes/build_fonts.py and build_lettering.py), and into emoji, which are small pictures. All files are read when first
needed.
"""

from __future__ import annotations

import bisect
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from analogen.relsim.world.names import emoji_spans, plain_emoji
from analogen.relsim.world.svg_text import has_letters

FONTS = Path(__file__).parent / "fonts"
LATIN = "Arimo-Regular.ttf"  # with Greek and Cyrillic
ASCENT, LINE = 0.905, 1.25  # of a font's size: from the top of a line to its baseline, and to the next line
EMOJI_PX, EMOJI_COLUMNS = 40, 48  # as in recipes/build_lettering.py
EMOJI_WIDTH = 1.15  # of the size
ELLIPSIS = "…"


class Run(NamedTuple):
    """A part of a line: text in one font, or an emoji (font ""). width: in pixels."""

    text: str
    font: str
    width: float


def text_width(text: str, size: int) -> float:
    """The width of a line in pixels. size: of the font, in pixels."""
    return sum(run.width for run in _runs(text, size))


def fitted(text: str, size: int, width: float) -> str:
    """The text, or as much of its start as fits into a width with an ellipsis."""
    if text_width(text, size) <= width:
        return text
    # Whole emoji and letters with their marks.
    clusters = _clusters(text)
    kept = bisect.bisect_left(
        range(len(clusters)), True, key=lambda n: text_width("".join(clusters[: n + 1]) + ELLIPSIS, size) > width
    )
    return "".join(clusters[:kept]).rstrip() + ELLIPSIS


def draw_text(
    image: Image.Image, place: tuple[float, float], text: str, size: int, fill: str, middle: bool = False
) -> None:
    """Draw one line on an RGB or RGBA picture.

    place: left (with `middle`: the middle) and top of the line, in pixels. size: of the font, in pixels.
    """
    runs = _runs(text, size)
    left, top = place
    if middle:
        left -= sum(run.width for run in runs) / 2
    draw = ImageDraw.Draw(image)
    for run in runs:
        if run.font:
            draw.text((left, top + ASCENT * size), run.text, fill=fill, font=_font(run.font, size), anchor="ls")
        else:
            _draw_emoji(image, run.text, round(left), round(top), size)
        left += run.width


def _runs(text: str, size: int) -> list[Run]:
    """The parts of a line from left to right."""
    parts: list[tuple[str, str]] = []
    for part, is_emoji in emoji_spans(text):
        if is_emoji and plain_emoji(part) in _emoji_order():
            parts.append((part, ""))
            continue
        for letter in _plain(part):
            font = _font_for(letter, parts[-1][1] if parts else LATIN)
            if parts and parts[-1][1] == font and font:
                parts[-1] = (parts[-1][0] + letter, font)
            else:
                parts.append((letter, font))
    runs = [Run(t, font, _font(font, size).getlength(t) if font else EMOJI_WIDTH * size) for t, font in parts]
    strong = next((kind for kind in map(unicodedata.bidirectional, text) if kind in ("L", "R", "AL")), "L")
    return runs if strong == "L" else runs[::-1]


def _plain(text: str) -> str:
    """What is written for emoji without a picture: letters of flags as letters; choices of presentation say nothing."""
    flags = {code: 0x41 + code - 0x1F1E6 for code in range(0x1F1E6, 0x1F200)}
    return text.translate({**flags, 0xFE0E: None, 0xFE0F: None})


def _clusters(text: str) -> list[str]:
    found: list[str] = []
    for part, is_emoji in emoji_spans(text):
        if is_emoji:
            found.append(part)
            continue
        for letter in part:
            if found and (unicodedata.category(letter)[0] == "M" or letter in "\u200c\u200d"):
                found[-1] += letter
            else:
                found.append(letter)
    return found


def _font_for(letter: str, current: str) -> str:
    """The file of the font for a letter. Marks, joiners and spaces stay in the run before them."""
    if current and (unicodedata.category(letter)[0] == "M" or letter in " \u200c\u200d\u00a0"):
        return current
    if has_letters(letter) or ord(letter) < 0x80:
        return LATIN
    starts, ends, files = _coverage()
    place = bisect.bisect_right(starts, ord(letter)) - 1
    return files[place] if place >= 0 and ord(letter) <= ends[place] else LATIN


@lru_cache(maxsize=1)
def _coverage() -> tuple[list[int], list[int], list[str]]:
    """First and last code point of each range, sorted, and the file of the first font that has it."""
    owner: dict[int, str] = {}
    for line in (FONTS / "scripts" / "coverage.txt").read_text(encoding="utf-8").splitlines():
        name, spans = line.split("\t")
        for span in spans.split():
            first, last = (int(end, 16) for end in span.split("-"))
            for code in range(first, last + 1):
                owner.setdefault(code, f"scripts/{name}")
    starts: list[int] = []
    ends: list[int] = []
    files: list[str] = []
    for code in sorted(owner):
        if starts and code == ends[-1] + 1 and owner[code] == files[-1]:
            ends[-1] = code
        else:
            starts.append(code)
            ends.append(code)
            files.append(owner[code])
    return starts, ends, files


@lru_cache(maxsize=64)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONTS / name), size)


@lru_cache(maxsize=1)
def _emoji_order() -> dict[str, int]:
    lines = (FONTS / "scripts" / "emoji.txt").read_text(encoding="utf-8").splitlines()
    return {text: number for number, text in enumerate(lines)}


@lru_cache(maxsize=1)
def _emoji_sheet() -> Image.Image:
    with Image.open(FONTS / "scripts" / "emoji.webp") as sheet:
        return sheet.convert("RGBA")


def _draw_emoji(image: Image.Image, text: str, left: int, top: int, size: int) -> None:
    number = _emoji_order()[plain_emoji(text)]
    x, y = number % EMOJI_COLUMNS * EMOJI_PX, number // EMOJI_COLUMNS * EMOJI_PX
    side = max(1, round(1.05 * size))
    small = _emoji_sheet().crop((x, y, x + EMOJI_PX, y + EMOJI_PX)).resize((side, side), Image.Resampling.LANCZOS)
    if image.mode == "RGBA":
        image.alpha_composite(small, (max(0, left), max(0, top)))
    else:
        image.paste(small, (left, top), small)
