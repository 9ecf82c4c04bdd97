"""Promises of the features without training."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from analogen.relsim.evaluation.baselines import histogram_vectors, pixel_vectors


def picture(seed: int) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 200, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((96, 96), Image.Resampling.NEAREST)


PICTURES = [picture(0), picture(1)]


def test_rows_are_unit_vectors() -> None:
    for rows, dim in ((pixel_vectors(PICTURES, 8), 192), (histogram_vectors(PICTURES, 4), 64)):
        assert rows.shape == (2, dim)
        assert rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_pixels_forget_brightness_but_not_places() -> None:
    brighter = PICTURES[0].point(lambda value: value + 40)
    original, same, flipped = pixel_vectors([PICTURES[0], brighter, ImageOps.mirror(PICTURES[0])])
    assert original @ same == pytest.approx(1, abs=1e-4)
    assert original @ flipped < 0.9


def test_histogram_forgets_places_but_not_colours() -> None:
    original, flipped, inverted = histogram_vectors(
        [PICTURES[0], ImageOps.mirror(PICTURES[0]), ImageOps.invert(PICTURES[0])]
    )
    assert original @ flipped == pytest.approx(1, abs=1e-5)
    assert original @ inverted < 0.9


def test_histogram_equals_slow_counting() -> None:
    pixels = np.asarray(PICTURES[0]).reshape(-1, 3)
    counts = np.zeros((4, 4, 4))
    for red, green, blue in pixels:
        counts[int(red) // 64, int(green) // 64, int(blue) // 64] += 1
    np.testing.assert_allclose(histogram_vectors(PICTURES[:1], 4)[0], np.sqrt(counts / len(pixels)).ravel(), atol=1e-6)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_other_modes_and_plain_pictures_are_taken(mode: str) -> None:
    plain = Image.new("RGB", (40, 20), (9, 9, 9)).convert(mode)
    assert np.isfinite(pixel_vectors([plain])).all()
    assert np.isfinite(histogram_vectors([plain])).all()
