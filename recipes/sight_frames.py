"""What happens to a picture before it is handed in: ten framings and eight spoilings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont

Change = Callable[[Image.Image], Image.Image]
Colour = tuple[int, int, int]
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def on_canvas(image: Image.Image, width: int, height: int, colour: Colour) -> Image.Image:
    canvas = Image.new("RGB", (width, height), colour)
    canvas.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return canvas


def margin(share: float, colour: Colour) -> Change:
    """share: of the picture's side, all around."""
    return lambda image: on_canvas(
        image, round(image.width * (1 + 2 * share)), round(image.height * (1 + 2 * share)), colour
    )


def widescreen(colour: Colour) -> Change:
    return lambda image: on_canvas(image, round(image.height * 16 / 9), image.height, colour)


def phone(colour: Colour) -> Change:
    """A screenshot: the picture between bars, with a clock, a battery and three buttons."""

    def change(image: Image.Image) -> Image.Image:
        screen = on_canvas(image, image.width, round(image.width * 19.5 / 9), colour)
        draw, unit = ImageDraw.Draw(screen), image.width / 100
        thin = max(1, round(unit / 2))
        ink = WHITE if colour == BLACK else BLACK
        draw.text((6 * unit, 4 * unit), "09:41", ink, ImageFont.load_default(max(8, round(5 * unit))))
        draw.rounded_rectangle((86 * unit, 5 * unit, 94 * unit, 9 * unit), unit, outline=ink, width=thin)
        draw.rectangle((87 * unit, 6 * unit, 91 * unit, 8 * unit), fill=ink)
        low = screen.height - 10 * unit
        for x in (20, 50, 80):
            draw.ellipse(((x - 3) * unit, low - 3 * unit, (x + 3) * unit, low + 3 * unit), outline=ink, width=thin)
        draw.rounded_rectangle((35 * unit, low + 6 * unit, 65 * unit, low + 7 * unit), unit / 2, fill=ink)
        return screen

    return change


FRAMINGS: dict[str, Change] = {
    f"{name} {tone}": made
    for tone, colour in (("black", BLACK), ("white", WHITE))
    for name, made in (
        ("margin 10 %", margin(0.10, colour)),
        ("margin 20 %", margin(0.20, colour)),
        ("margin 35 %", margin(0.35, colour)),
        ("16:9 bars", widescreen(colour)),
        ("phone screen", phone(colour)),
    )
}


def grey(image: Image.Image) -> Image.Image:
    return image.convert("L").convert("RGB")


def fax(image: Image.Image) -> Image.Image:
    """204 lines of black and white dots, each speck where it fell."""
    small = ImageEnhance.Contrast(image.convert("L").resize((204, 204), Image.Resampling.BOX)).enhance(1.4)
    dots = np.asarray(small.convert("1"), np.uint8) * 255
    rng = np.random.default_rng(9)
    dots = np.where(rng.random(dots.shape) < 0.01, 255 - dots, dots).astype(np.uint8)
    return Image.fromarray(dots).resize(image.size, Image.Resampling.NEAREST).convert("RGB")


def tilt(image: Image.Image) -> Image.Image:
    corner = image.getpixel((1, 1))
    return image.rotate(9, Image.Resampling.BICUBIC, fillcolor=corner)


def dim(image: Image.Image) -> Image.Image:
    return image.point(lambda v: round(255 * 0.45 * (v / 255) ** 1.3))


def noise(image: Image.Image) -> Image.Image:
    speckle = np.random.default_rng(9).normal(0, 32, (image.height, image.width, 3))
    return Image.fromarray(np.clip(np.asarray(image, float) + speckle, 0, 255).astype(np.uint8))


def watermark(image: Image.Image) -> Image.Image:
    mask = Image.new("L", (2 * image.width, 2 * image.height))
    draw, font = ImageDraw.Draw(mask), ImageFont.load_default(round(image.width / 9))
    for row in range(6):
        draw.text(((row % 2) * image.width / 4, row * image.height / 3), "SAMPLE   SAMPLE   SAMPLE", 110, font)
    turned = mask.rotate(30, Image.Resampling.BICUBIC)
    left, top = image.width // 2, image.height // 2
    marked = image.copy()
    marked.paste(WHITE, (0, 0), turned.crop((left, top, left + image.width, top + image.height)))
    return marked


def thumbnail(image: Image.Image) -> Image.Image:
    return image.resize((48, 48), Image.Resampling.LANCZOS)


def crop(image: Image.Image) -> Image.Image:
    """Without 5 % at each side."""
    dx, dy = round(image.width * 0.05), round(image.height * 0.05)
    return image.crop((dx, dy, image.width - dx, image.height - dy))


SPOILINGS: dict[str, Change] = {
    "grey": grey, "fax": fax, "tilt": tilt, "dim": dim, "noise": noise, "watermark": watermark, "48 px": thumbnail,
    "crop of 10 %": crop,
}  # fmt: skip
