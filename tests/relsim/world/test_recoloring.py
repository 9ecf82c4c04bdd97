from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageColor

from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.oklab import contrast, from_oklab, luminance, to_oklab
from analogen.relsim.world.phrases import COLORS
from analogen.relsim.world.recoloring import PaintedPicture, painted
from analogen.relsim.world.word_disc import WordDisc


@pytest.fixture(scope="module")
def library() -> ArtLibrary:
    return ArtLibrary.shipped()


def hue_of(color: str) -> float:
    lab = to_oklab(np.array(ImageColor.getrgb(color)[:3]) / 255)
    return float(np.degrees(np.arctan2(lab[2], lab[1])))


@pytest.mark.parametrize("style", ["fluent-flat", "noto", "fluent-color"])
@pytest.mark.parametrize("name", ["bicycle", "elephant", "car", "umbrella", "spider", "rose"])
@pytest.mark.parametrize("color", ["red", "blue", "green"])
def test_the_main_colour_becomes_the_one_that_was_asked_for(
    library: ArtLibrary, style: str, name: str, color: str
) -> None:
    art = painted(library.icon(name, style), COLORS[color])
    pixels = art.pixels(96)
    assert np.array_equal(pixels[..., 3] > 127, library.icon(name, style).pixels(96)[..., 3] > 127)
    lab = to_oklab(pixels[pixels[..., 3] > 127][:, :3] / 255)
    colored = np.hypot(lab[:, 1], lab[:, 2]) > 0.06
    hues = np.degrees(np.arctan2(lab[colored, 2], lab[colored, 1]))
    away = np.abs((hues - hue_of(COLORS[color]) + 180) % 360 - 180)
    assert (away < 35).sum() > 0.08 * len(lab)


def test_white_and_black_are_colours_too(library: ArtLibrary) -> None:
    means = []
    for color in ("white", "black"):
        pixels = painted(library.icon("elephant", "noto"), COLORS[color]).pixels(64)
        means.append(float(luminance(pixels[pixels[..., 3] > 127][:, :3] / 255).mean()))
    assert means[0] > 0.5
    assert means[1] < 0.1


def test_an_svg_stays_one_and_pixels_keep_their_shape(library: ArtLibrary) -> None:
    icon = painted(library.icon("cat", "noto"), "#2f6fd6")
    assert "<svg" in (icon.document() or "")
    assert hash(icon) == hash(painted(library.icon("cat", "noto"), "#2f6fd6"))
    disc = painted(WordDisc("x"), "#2f6fd6")
    assert isinstance(disc, PaintedPicture)
    assert disc.document() is None
    assert np.array_equal(disc.pixels(40)[..., 3], WordDisc("x").pixels(40)[..., 3])
    assert not np.array_equal(disc.pixels(40), WordDisc("x").pixels(40))


def test_oklab_goes_there_and_back() -> None:
    colors = np.random.default_rng(0).random((200, 3))
    assert np.abs(from_oklab(to_oklab(colors)) - colors).max() < 1e-5
    assert to_oklab(np.ones(3)) == pytest.approx([1, 0, 0], abs=1e-4)
    assert float(contrast(luminance(np.ones(3)), luminance(np.zeros(3)))) == pytest.approx(21)
