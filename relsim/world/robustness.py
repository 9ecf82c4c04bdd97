"""Changes of a picture that its reading has to survive: FRAMINGS, such as margins and screens, and SPOILINGS, such as
noise and grey. They are fixed, so that figures can be compared; training draws from `presentation` instead."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from PIL import Image

from analogen.relsim.world.icon import Pixels
from analogen.relsim.world.presentation import barred, margins_of, stamped
from analogen.relsim.world.presented import BLACK, WHITE, Presented, rgb, same

WIDE, TALL = 16 / 9, 9 / 19
# name: the picture, (h, w, 3), framed. Ten: five frames in black and in white.
FRAMINGS: dict[str, Callable[[Pixels], Presented]] = {}
for _name, _color in (("black", BLACK), ("white", WHITE)):
    for _share in (0.1, 0.2, 0.35):
        FRAMINGS[f"margin_{100 * _share:.0f}_{_name}"] = partial(margins_of, share=_share, color=_color)
    FRAMINGS[f"wide_{_name}"] = partial(barred, ratio=WIDE, color=_color)
    FRAMINGS[f"phone_{_name}"] = partial(barred, ratio=TALL, color=_color)


def grey(pixels: Pixels) -> Presented:
    return same(Image.fromarray(pixels).convert("L").convert("RGB"))


def fax(pixels: Pixels) -> Presented:
    """Black and white by one threshold, that which parts the tones best (Otsu 1979)."""
    tones = np.asarray(Image.fromarray(pixels).convert("L"))
    share = np.bincount(tones.ravel(), minlength=256) / tones.size
    below, mass = np.cumsum(share), np.cumsum(share * np.arange(256))
    apart = (mass[-1] * below - mass) ** 2 / np.maximum(below * (1 - below), 1e-9)
    return same(np.repeat(np.where(tones > apart.argmax(), 255.0, 0.0)[..., None], 3, -1))


def tilt(pixels: Pixels, degrees: float = 5.0) -> Presented:
    """Turned clockwise about its centre; the corners that come free get the border's mean colour."""
    height, width = pixels.shape[:2]
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).mean(0)
    image = Image.fromarray(pixels).rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=rgb(border))
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([(c, -s, (1 - c) * width / 2 + s * height / 2), (s, c, (1 - c) * height / 2 - s * width / 2),
                     (0, 0, 1)])  # fmt: skip
    unit = np.diag([width, height, 1.0])
    return Presented(np.asarray(image), np.linalg.inv(unit) @ turn @ unit)


def dim(pixels: Pixels) -> Presented:
    return same(pixels * 0.3)


def noisy(pixels: Pixels) -> Presented:
    return same(pixels + np.random.default_rng(0).normal(0, 25, pixels.shape))


def small(pixels: Pixels, side: int = 48) -> Presented:
    """At 48 px and up again."""
    image = Image.fromarray(pixels)
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    tiny = image.resize(size, Image.Resampling.BOX)
    return same(tiny.resize(image.size, Image.Resampling.BICUBIC))


def cropped(pixels: Pixels, share: float = 0.1) -> Presented:
    """Without the outer tenth: half of `share` of the sides is cut off at each edge."""
    height, width = pixels.shape[:2]
    left, top = round(share / 2 * width), round(share / 2 * height)
    kept = pixels[top : height - top, left : width - left]
    across, down = width / (width - 2 * left), height / (height - 2 * top)
    matrix = np.array([(across, 0, -left / (width - 2 * left)), (0, down, -top / (height - 2 * top)), (0, 0, 1)])
    return Presented(np.ascontiguousarray(kept), matrix)


SPOILINGS: dict[str, Callable[[Pixels], Presented]] = {
    "grey": grey,
    "fax": fax,
    "tilt": tilt,
    "dim": dim,
    "noise": noisy,
    "watermark": partial(stamped, word="SAMPLE", color=WHITE, opacity=0.45, rows=False),
    "48px": small,
    "crop": cropped,
}
