"""Draws a reading over its picture: boxes around the things, alike ones in one colour, and the sentence below."""

from __future__ import annotations

import math

from PIL import Image, ImageDraw, ImageFont

from analogen.relsim.mini.reading.scene_reading import SceneReading
from analogen.relsim.world.scene import Element

COLORS = ("#e4572e", "#2b6f97", "#4f9d69", "#b6519f", "#d9a21b", "#3c8dbc", "#7b4e2e", "#5f558f")  # by kind of thing
PROP_COLOR, PAPER, INK = "#6b7480", "#ffffff", "#222222"
LEAST_PX, MOST_PX = 640, 1600  # of the longer side of the picture that is drawn on
NOT_READ = 0.45  # how far what was cut off is paled


def overlay(image: Image.Image, reading: SceneReading) -> Image.Image:
    """The picture of the reading, RGB, with numbered boxes in drawing order and the sentence; enlarged if small.

    image: the whole picture, border included.
    """
    scale = max(1.0, LEAST_PX / max(image.size)) if max(image.size) <= MOST_PX else MOST_PX / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    picture = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    left, top, right, bottom = (round(v * scale) for v in reading.crop)
    if reading.crop != (0, 0, *image.size):
        pale = Image.blend(picture, Image.new("RGB", size, PAPER), NOT_READ)
        pale.paste(picture.crop((left, top, right, bottom)), (left, top))
        picture = pale
    font = ImageFont.load_default(max(12, round(max(size) / 45)))
    lines = _wrapped(f"{reading.sentence} (certainty {reading.certainty:.2f})", font, size[0] - 16)
    pitch = round(font.getbbox("Ag")[3] * 1.3)
    page = Image.new("RGB", (size[0], size[1] + 12 + pitch * len(lines)), PAPER)
    page.paste(picture, (0, 0))
    draw = ImageDraw.Draw(page)
    unit = min(right - left, bottom - top) / 2
    middle = ((left + right) / 2, (top + bottom) / 2)
    number = 0
    for element, group in zip(reading.scene.elements, reading.groups, strict=True):
        corners = _corners(element, middle, unit)
        color = COLORS[group % len(COLORS)] if element.is_thing else PROP_COLOR
        draw.line([*corners, corners[0]], PAPER, 5 if element.is_thing else 3)
        draw.line([*corners, corners[0]], color, 3 if element.is_thing else 1)
        number += element.is_thing
        text = str(number) if element.is_thing else element.kind
        x, y = min(corners)
        box = draw.textbbox((x + 3, y + 2), text, font)
        draw.rectangle((box[0] - 2, box[1] - 1, box[2] + 2, box[3] + 1), color)
        draw.text((x + 3, y + 2), text, PAPER, font)
    for row, line in enumerate(lines):
        draw.text((8, size[1] + 6 + pitch * row), line, INK, font)
    return page


def _corners(e: Element, middle: tuple[float, float], unit: float) -> list[tuple[float, float]]:
    """Of the turned box, in pixels."""
    c, s = math.cos(math.radians(e.turn)), math.sin(math.radians(e.turn))
    half = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
    spots = [(x * e.width, y * e.height) for x, y in half]
    return [(middle[0] + unit * (e.x + c * x - s * y), middle[1] + unit * (e.y + s * x + c * y)) for x, y in spots]


def _wrapped(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
