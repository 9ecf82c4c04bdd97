"""Tests of the palette that a request names, of pictures without a ground, and of scenes compared with a reading."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from analogen import EditedPicture, Request, UserError, palettes, scene_read_back
from analogen.metadata import make_record
from analogen.relsim.mini.reading import reading_of
from analogen.relsim.world.palette import PALETTES
from analogen.relsim.world.render import render, render_layer, straight_alpha
from analogen.relsim.world.scene import Element, Scene
from analogen.types import Candidate as Made
from analogen.types import FoundRelation, Result, Scores

ROW = Scene(tuple(Element("subject", x, 0, 0.3) for x in (-0.6, 0, 0.6)), subject="owl", style="noto")


def test_a_palette_is_one_of_those_that_pictures_are_made_in() -> None:
    assert set(palettes()) == {"risograph", *palettes()}
    assert Request(relation="x", subject="owl", palette="nordic").palette == "nordic"
    for name, model, words in (
        ("neon", "mini", "--palette is 'neon': expected one of risograph"), (next(iter(PALETTES)), "mini", "expected"),
        ("nordic", "sdxl", "--palette is of mini's drawings: add --layout"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=words):
            Request(relation="x", subject="owl", palette=name, model=model)


def test_the_record_holds_a_palette_that_was_asked_for() -> None:
    result = Result("mini", "owl", FoundRelation("x", 0.5), ())
    made = Made(Image.new("RGB", (4, 4)), 1, Scores(0, 0, 0, 0), 0)
    asked = make_record(Request(relation="x", subject="owl", palette="reef"), result, made)
    assert asked["settings"]["palette"] == "reef"
    assert "palette" not in make_record(Request(relation="x", subject="owl"), result, made)["settings"]


def test_a_picture_without_ground_is_a_cut_out_of_the_same_things() -> None:
    cut = EditedPicture(ROW, 96, 96, ground="none")
    picture = cut.draw()
    assert picture.mode == "RGBA"
    assert picture.getpixel((2, 2))[3] == 0
    assert picture.getpixel((48, 48))[3] == 255
    assert 'id="background"' not in cut.svg()
    assert 'id="background"' in EditedPicture(ROW, 96, 96).svg()


def test_a_picture_lies_on_a_ground_of_any_size() -> None:
    picture = EditedPicture(ROW, 96, 64, ground=Image.new("RGB", (30, 90), "#204060")).draw()
    assert picture.size == (96, 64)
    assert picture.getpixel((1, 1)) == (0x20, 0x40, 0x60)
    middle = np.asarray(picture)[32, 48].astype(int)
    assert abs(middle - np.asarray(Image.fromarray(render(ROW, 96, 64)))[32, 48].astype(int)).max() <= 2


def test_straight_colours_are_those_before_alpha() -> None:
    layer = render_layer(ROW, 64)
    straight = straight_alpha(layer)
    assert np.array_equal(straight[..., 3], layer[..., 3])
    opaque = layer[..., 3] == 255
    assert np.array_equal(straight[opaque], layer[opaque])
    assert (straight[..., :3].astype(int) >= layer[..., :3].astype(int) - 1).all()


def test_a_scene_is_compared_with_what_was_surely_read() -> None:
    wanted = reading_of(ROW)
    fewer = Scene(ROW.elements[:2], subject="owl", style="noto")
    found = scene_read_back(fewer, wanted)
    assert found is not None
    assert found.words.startswith("2 of 3")
    same = scene_read_back(ROW, wanted)
    assert same is not None
    assert same.agreement == 1
    assert scene_read_back(ROW, None) is None
