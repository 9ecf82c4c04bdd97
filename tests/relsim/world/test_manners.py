"""Promises of the manners of drawing."""

from __future__ import annotations

import time

import numpy as np
import pytest
from numpy.random import default_rng
from PIL import Image

from analogen.relsim.world.dataset import Selection, draw_sample
from analogen.relsim.world.manners import MANNERS, Manner
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.render import render


@pytest.fixture(scope="module")
def drawings(few_selection: Selection) -> list[Image.Image]:
    samples = [draw_sample(RELATIONS["grid"], few_selection, default_rng(seed), hard=False) for seed in range(4)]
    return [Image.fromarray(render(sample.scene, 208)) for sample in samples]


@pytest.mark.parametrize("manner", MANNERS, ids=lambda m: m.__name__)
def test_every_manner_keeps_size_and_place(manner: Manner, drawings: list[Image.Image]) -> None:
    """Away from the ground where the drawing is, once fine strokes are blurred."""
    alike = []
    for seed, drawing in enumerate(drawings):
        drawn = manner(drawing, default_rng(seed))
        assert (drawn.size, drawn.mode) == (drawing.size, "RGB")
        assert not np.array_equal(np.asarray(drawn), np.asarray(drawing))
        away = []
        for picture in (drawing, drawn):
            small = np.asarray(picture.resize((40, 40), Image.Resampling.BOX), float)
            away.append(np.abs(small - np.median(small.reshape(-1, 3), 0)).max(-1).ravel())
        alike.append(np.corrcoef(*away)[0, 1])
    assert np.mean(alike) > 0.4


@pytest.mark.parametrize("manner", MANNERS, ids=lambda m: m.__name__)
def test_equal_generators_give_equal_pictures(manner: Manner, drawings: list[Image.Image]) -> None:
    one, two, other = (np.asarray(manner(drawings[0], default_rng(seed))) for seed in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("manner", MANNERS, ids=lambda m: m.__name__)
def test_any_shape_and_plain_pictures_are_drawn(manner: Manner) -> None:
    for size in ((64, 64), (120, 64), (64, 150), (300, 280)):
        for color in ((0, 0, 0), (255, 255, 255), (200, 30, 90)):
            assert manner(Image.new("RGB", size, color), default_rng(0)).size == size


def test_manners_are_quick_enough_for_training(drawings: list[Image.Image]) -> None:
    """Under 25 ms at 208 px where nothing else runs; the bound leaves room for a busy machine."""
    start = time.process_time()
    for manner in MANNERS:
        for seed, drawing in enumerate(drawings):
            manner(drawing, default_rng(seed))
    assert (time.process_time() - start) / (len(MANNERS) * len(drawings)) < 0.06
