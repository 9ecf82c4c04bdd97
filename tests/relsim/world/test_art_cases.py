"""Files that other tools, or earlier versions, drew wrong, each with what a browser or a person sees in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analogen.relsim.world.icon import Pixels
from analogen.relsim.world.palette import PALETTES
from analogen.relsim.world.picture import Picture
from analogen.relsim.world.scene import Background
from analogen.relsim.world.subject_image import SubjectArt, read_subject_image
from analogen.relsim.world.visibility import SEEN, contrast_of, outline_of, suited_background

CASES = Path(__file__).parents[1] / "data" / "cases"


def art(name: str) -> SubjectArt:
    return read_subject_image(CASES / name)


def color(pixels: Pixels, x: float, y: float) -> tuple[int, ...]:
    """The colour at a point; x, y: shares of the sides."""
    height, width = pixels.shape[:2]
    return tuple(int(v) for v in pixels[int(y * height), int(x * width)])


@pytest.mark.parametrize(
    ("name", "points"),
    [
        # A variable without a value takes its fallback; without one the fill is black.
        ("cssvar.svg", {(0.5, 0.2): (228, 87, 46), (0.5, 0.63): (0, 0, 0)}),
        # Two classes outweigh an element with a pseudo-class.
        ("desc.svg", {(0.25, 0.5): (204, 0, 0), (0.75, 0.5): (0, 170, 0)}),
        ("modernclr.svg", {(0.25, 0.25): (20, 129, 184), (0.25, 0.75): (78, 186, 109)}),
        ("rgbsp.svg", {(0.25, 0.5): (200, 30, 30), (0.75, 0.5): (0, 179, 0)}),
    ],
)
def test_colours_are_those_of_a_browser(name: str, points: dict[tuple[float, float], tuple[int, ...]]) -> None:
    pixels = art(name).pixels(120)
    for place, expected in points.items():
        found = color(pixels, *place)
        assert found[3] == 255
        assert max(abs(a - b) for a, b in zip(found, expected, strict=False)) <= 3, (place, found)


def test_half_transparent_colours_stay_so() -> None:
    pixels = art("modernclr.svg").pixels(120)
    assert abs(color(pixels, 0.75, 0.25)[3] - 153) <= 2  # rgb(... / 60%)
    assert abs(color(pixels, 0.75, 0.75)[3] - 204) <= 2  # #f80c


def test_the_word_of_a_logo_is_drawn() -> None:
    pixels = art("logo_text.svg").pixels(200)
    word = pixels[:, 80:]
    inked = (word[..., 3] > 200) & (word[..., :3].max(-1) < 60)
    assert inked.sum() > 300
    assert inked.any(axis=0).mean() > 0.6


@pytest.mark.parametrize("name", ["white_logo.svg", "line_current.svg"])
@pytest.mark.parametrize("light", [True, False], ids=["light", "dark"])
def test_white_and_black_logos_are_seen_on_the_ground_that_is_picked(name: str, light: bool) -> None:
    outline = outline_of(art(name))
    for number, palette in enumerate(sorted(PALETTES)):
        ground = Background("plain", "#f7f5f0" if light else "#14161a")
        found = suited_background(ground, palette, [outline], np.random.default_rng(number))
        assert contrast_of(found, [outline]) >= SEEN, palette


def test_the_ball_before_a_vignette_is_left_alone() -> None:
    ball = art("vignette.jpg")
    assert isinstance(ball, Picture)
    alpha = ball.rgba[..., 3] > 128
    assert abs(alpha.mean() - np.pi / 4) < 0.02  # a disc in its square
    assert abs(alpha.shape[0] - 200) < 8  # of 600 px
    blue = ball.rgba[alpha][:, :3].astype(int).mean(0)
    assert blue[2] > 140 > blue[0]


def test_the_hole_of_a_ring_is_clear() -> None:
    ring = art("donut.png")
    assert isinstance(ring, Picture)
    side = len(ring.rgba)
    middle = ring.rgba[int(0.4 * side) : int(0.6 * side), int(0.4 * side) : int(0.6 * side), 3]
    assert middle.max() == 0
    assert ring.rgba[side // 2, int(0.15 * side), 3] == 255


def test_pixel_art_is_enlarged_in_squares() -> None:
    sprite = art("pixelart16.png")
    assert isinstance(sprite, Picture)
    side = len(sprite.rgba)
    large = sprite.pixels(8 * side)
    assert (large == sprite.rgba.repeat(8, 0).repeat(8, 1)).all()
