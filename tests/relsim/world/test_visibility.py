from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.icon import Icon
from analogen.relsim.world.palette import MADE_IN, PALETTES, Palette, harmonious_background, palette_of, resolve, rgb
from analogen.relsim.world.picture import Picture
from analogen.relsim.world.scene import Background
from analogen.relsim.world.visibility import (
    MARGIN,
    SEEN,
    SEEN_BY_COLOR,
    Outline,
    at_lightness,
    contrast_of,
    contrast_on,
    outline_of,
    suited_background,
)


def square(color: str, rim: str = "none") -> Icon:
    body = f'<rect x="1" y="1" width="30" height="30" fill="{color}" stroke="{rim}" stroke-width="2"/>'
    return Icon("square", "own", body, (0, 0, 32, 32))


def suited(art: Icon, seed: int, palette: str = "reef") -> tuple[Background, Outline]:
    rng = np.random.default_rng(seed)
    outline = outline_of(art)
    return suited_background(harmonious_background(palette, rng), palette, [outline], rng), outline


@pytest.mark.parametrize("palette", sorted(MADE_IN))
@pytest.mark.parametrize("color", ["#000000", "#ffffff", "#1b1b2e", "#fff6c8", "#777777", "#ff9c1a"])
def test_no_colour_is_lost_on_its_ground(palette: str, color: str) -> None:
    for seed in range(4):
        background, outline = suited(square(color), seed, palette)
        assert contrast_of(background, [outline]) >= SEEN_BY_COLOR
        if color not in ("#ff9c1a", "#777777"):
            assert contrast_of(background, [outline]) >= SEEN


def test_the_outline_counts_and_not_what_is_inside() -> None:
    rimmed = outline_of(square("#ffffff", "#000000"))
    assert contrast_on(rimmed, ["#ffffff"]) > 10
    assert contrast_on(rimmed, ["#000000"]) < 1.5


def test_dark_art_never_stands_on_a_dark_ground_that_is_barely_enough() -> None:
    outline = outline_of(square("#3a3a3a"))
    for seed in range(8):
        background, _ = suited(square("#3a3a3a"), seed)
        assert contrast_of(background, [outline]) > 2 * SEEN


def test_black_and_white_together_stand_on_a_middle_tone() -> None:
    rng = np.random.default_rng(0)
    outlines = [outline_of(square("#000000")), outline_of(square("#ffffff"))]
    background = suited_background(harmonious_background("nordic", rng), "nordic", outlines, rng)
    assert contrast_of(background, outlines) >= SEEN


def test_a_ground_that_will_do_stays() -> None:
    rng = np.random.default_rng(3)
    background = Background("gradient", "#f0faf8", "#bfe8e0")
    assert suited_background(background, "reef", [outline_of(square("#101010"))], rng) is background


def test_light_grounds_stay_the_rule_for_dark_and_colourful_art() -> None:
    library = ArtLibrary.shipped()
    for name in ("black cat", "broccoli", "deer"):
        light = 0
        for seed in range(20):
            rng = np.random.default_rng(seed)
            palette = sorted(MADE_IN)[seed % 12]
            ground = suited_background(
                harmonious_background(palette, rng), palette, [outline_of(library.icon(name, "noto"))], rng
            )
            light += sum(rgb(ground.color)) > 450
        assert light >= 10, name


def test_worst_colour_of_the_ground_counts() -> None:
    outline = outline_of(square("#ffffff"))
    assert contrast_on(outline, ["#000000", "#ffffff"]) == pytest.approx(1, abs=0.05)
    plain = Background("plain", "#000000", "#ffffff")
    assert contrast_of(plain, [outline]) > 15  # the second colour of a plain ground is not drawn
    assert contrast_of(Background("gradient", "#000000", "#ffffff"), [outline]) < 1.1


def test_faint_art_has_an_outline_too() -> None:
    outline = outline_of(Icon("faint", "own", '<rect width="9" height="9" fill="#e00" opacity="0.2"/>', (0, 0, 9, 9)))
    assert all(len(band) for band in outline.luminances)


def test_lightness_is_set_and_the_hue_stays() -> None:
    assert sum(rgb(at_lightness("#3d45c4", 0.2))) < 200 < sum(rgb(at_lightness("#3d45c4", 0.9)))
    red, green, blue = rgb(at_lightness("#3d45c4", 0.5))
    assert blue > red
    assert blue > green


def test_palettes_are_whole_and_apart() -> None:
    assert len(MADE_IN) == 12
    assert not set(MADE_IN) & set(PALETTES)
    for name in (*MADE_IN, *PALETTES):
        palette = palette_of(name)
        assert isinstance(palette, Palette)
        assert all(len(rgb(color)) == 3 for color in palette)
        ink = outline_of(square(resolve(name, "ink", Background("plain", palette.paper))))
        assert contrast_on(ink, [palette.paper]) > MARGIN * SEEN
    with pytest.raises(ValueError, match="no palette"):
        palette_of("mud")


def test_outlines_are_remembered_but_keep_no_picture_alive() -> None:
    picture = Picture("mine", np.full((64, 64, 4), 255, np.uint8))
    found = outline_of(picture)
    assert outline_of(picture) is found
    watched = weakref.ref(picture)
    del picture
    gc.collect()
    assert watched() is None
    drawing = ArtLibrary.shipped().icon("apple")
    assert outline_of(drawing) is outline_of(ArtLibrary.shipped().icon("apple"))
