"""Promises of flattened references: where things stand is left, how they look is gone."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from analogen.pipelines.diffusion.flattened import SHADES, flattened


def striped(colour: str) -> Image.Image:
    """A striped disc on paper, left of the middle."""
    image = Image.new("RGB", (240, 160), "#f4efe6")
    draw = ImageDraw.Draw(image)
    draw.ellipse((30, 40, 110, 120), fill=colour)
    for x in range(30, 110, 6):
        draw.line((x, 40, x, 120), fill="black")
    return image


def test_colours_and_stripes_are_gone_and_shapes_are_left() -> None:
    flat = np.asarray(flattened(striped("#c03030"))).astype(int)
    assert flat.shape == (160, 240, 3)
    assert (flat[..., 0] == flat[..., 1]).all()
    assert (flat[..., 1] == flat[..., 2]).all()
    assert len(np.unique(flat)) <= SHADES
    assert flat[80, 70, 0] < flat[80, 200, 0]  # the disc is darker than its ground
    inside = flat[60:100, 50:90, 0]
    assert len(np.unique(inside)) <= 2  # one tone, but for what the stripes leave


def test_the_shades_of_a_ground_are_one() -> None:
    ramp = np.linspace(120, 240, 160)[:, None, None] * np.ones((1, 160, 3))
    image = Image.fromarray(ramp.astype(np.uint8))
    ImageDraw.Draw(image).rectangle((60, 60, 100, 100), fill=(160, 40, 40))
    flat = np.asarray(flattened(image))[..., 0]
    assert len(np.unique(flat)) == 2
    assert flat[80, 80] < flat[5, 5]
    assert flat[5, 5] == flat[155, 155]


def test_things_as_bright_as_their_ground_stay_visible() -> None:
    image = Image.new("RGB", (160, 160), (128, 128, 128))
    ImageDraw.Draw(image).ellipse((40, 40, 120, 120), fill=(190, 100, 105))
    flat = np.asarray(flattened(image))[..., 0].astype(int)
    assert abs(flat[80, 80] - flat[5, 5]) > 20


def test_one_colour_and_tiny_pictures_do_not_fail() -> None:
    assert flattened(Image.new("RGB", (8, 8), "red")).size == (8, 8)
    assert flattened(Image.new("RGB", (3000, 40), "red")).size == (3000, 40)
