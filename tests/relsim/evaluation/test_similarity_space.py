"""Promises of the plot of similarities."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from analogen.relsim.evaluation.similarity_space import Point, plot_similarity_space

RED, BLUE, GREEN = (230, 10, 10), (10, 10, 230), (10, 200, 10)


def place_of(plot: Image.Image, colour: tuple[int, int, int]) -> tuple[float, float]:
    """Mean x and y of a colour."""
    rows, columns = np.nonzero((np.abs(np.asarray(plot, int) - colour) < 8).all(axis=2))
    assert len(rows) > 100
    return float(columns.mean()), float(rows.mean())


def plain(colour: tuple[int, int, int]) -> Image.Image:
    return Image.new("RGB", (300, 200), colour)


def test_attributes_go_right_and_relations_go_up() -> None:
    points = [Point(plain(RED), 0.9, 0.1), Point(plain(BLUE), 0.1, 0.9)]
    plot = plot_similarity_space(plain(GREEN), points, size_px=600, thumbnail_px=48)
    assert plot.size == (600, 600)
    red, blue = place_of(plot, RED), place_of(plot, BLUE)
    assert red[0] > 400 > 200 > blue[0]
    assert red[1] > 400 > 200 > blue[1]
    assert place_of(plot, GREEN)[1] < 80


def test_crowded_thumbnails_shrink_and_the_strongest_relation_lies_on_top() -> None:
    points = [Point(plain(RED), 0.5, 0.61), Point(plain(BLUE), 0.5, 0.6), Point(plain(GREEN), 0.1, 0.1)]
    plot = np.asarray(plot_similarity_space(plain((0, 0, 0)), points, size_px=600, thumbnail_px=60), int)
    red, blue = (int((np.abs(plot - colour) < 8).all(axis=2).sum()) for colour in (RED, BLUE))
    assert 0 < red < blue
    assert red > 0.8 * 30 * 20


def test_equal_points_are_drawn_and_none_refused() -> None:
    plot_similarity_space(plain(RED), [Point(plain(BLUE), 0.5, 0.5)] * 2, size_px=400)
    with pytest.raises(ValueError, match="no pictures to plot"):
        plot_similarity_space(plain(RED), [])
