"""Uniform borders are cut, whatever their shape and colour; pictures on plain grounds stay whole."""

from __future__ import annotations

import dataclasses
import io
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analogen.relsim.borders import cut_border_box
from analogen.relsim.world.dataset import draw_sample, training_selection
from analogen.relsim.world.grammar import draw_composition
from analogen.relsim.world.render import render
from analogen.relsim.world.robustness import FRAMINGS
from analogen.relsim.world.scene import Background

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.png"))
# Grounds that differ from black and white by little are for a border of these colours to be told apart from.
COLORS = ((0, 0, 0), (255, 255, 255), (128, 128, 128), (180, 30, 60))


@lru_cache(maxsize=16)
def example(index: int) -> Image.Image:
    return Image.open(EXAMPLES[index]).convert("RGB").resize((256, 256))


def off_by(box: tuple[int, ...], wanted: tuple[float, ...]) -> float:
    return max(abs(a - b) for a, b in zip(box, wanted, strict=True))


def cut_border(image: Image.Image) -> tuple[Image.Image, str | None]:
    box, note = cut_border_box(image)
    return (image.crop(box), note) if note else (image, None)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("index", range(len(EXAMPLES)))
def test_framed_examples_are_cut_to_what_they_were(framing: str, index: int) -> None:
    shown = FRAMINGS[framing](np.asarray(example(index)))
    corners = shown.place(np.array([(0, 0), (1, 1)])) * (shown.pixels.shape[1], shown.pixels.shape[0])
    box, note = cut_border_box(Image.fromarray(shown.pixels))
    assert off_by(box, tuple(corners.ravel())) <= 2
    assert note is not None
    assert f"{box[2] - box[0]} x {box[3] - box[1]} of" in note


def test_borders_of_any_colour_and_width_survive_jpeg() -> None:
    rng, right = np.random.default_rng(7), 0
    for _ in range(60):
        inner = example(int(rng.integers(len(EXAMPLES))))
        color = COLORS[2:][int(rng.integers(len(COLORS[2:])))]
        sides, share = str(rng.choice(["all", "above and below", "left and right"])), float(rng.uniform(0.08, 0.4))
        x, y = (0 if sides == still else round(share * 256) for still in ("above and below", "left and right"))
        canvas = Image.new("RGB", (256 + 2 * x, 256 + 2 * y), color)
        canvas.paste(inner, (x, y))
        file = io.BytesIO()
        canvas.save(file, "JPEG", quality=int(rng.integers(80, 96)))
        image, note = cut_border(Image.open(file))
        right += note is not None and max(abs(image.width - 256), abs(image.height - 256)) <= 6
    assert right >= 54  # nine in ten: a border whose colour is near the picture's own ground may stay


@pytest.mark.parametrize("index", range(len(EXAMPLES)))
def test_pictures_without_a_border_stay_whole(index: int) -> None:
    image = Image.open(EXAMPLES[index]).convert("RGB")
    assert cut_border(image) == (image, None)


@pytest.mark.parametrize("color", ["#ffffff", "#000000", "#f4efe6", "#204060"])
def test_drawings_on_plain_grounds_stay_whole(color: str) -> None:
    rng, cut = np.random.default_rng(int(color[1:], 16)), []
    for number in range(30):
        composition = draw_composition(rng)
        if composition.setting in ("on_panel", "framed"):  # another picture's edges indeed
            continue
        scene = draw_sample(composition.relation(), training_selection(), rng, hard=number % 2 == 0).scene
        image = Image.fromarray(render(dataclasses.replace(scene, background=Background(color=color)), 200))
        if cut_border(image)[1]:
            cut.append(composition.id)
    assert cut == []


def test_cutting_twice_cuts_no_more() -> None:
    framed = Image.fromarray(FRAMINGS["margin_20_black"](np.asarray(example(0))).pixels)
    once, _ = cut_border(framed)
    assert cut_border(once) == (once, None)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (1, 300), (300, 1)])
@pytest.mark.parametrize("color", ["white", "black"])
def test_one_colour_and_tiny_pictures_stay_whole(size: tuple[int, int], color: str) -> None:
    image = Image.new("RGB", size, color)
    assert cut_border(image) == (image, None)
