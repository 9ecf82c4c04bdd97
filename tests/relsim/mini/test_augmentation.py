"""Promises of the style augmentation."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from analogen.relsim.mini import augmentation
from analogen.relsim.mini.augmentation import APPEARANCE_RELATIONS, MANNER_SHARES, MANNERS, restyle
from analogen.relsim.world.dataset import Selection, draw_sample
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.render import render


@pytest.fixture(scope="module")
def ring(few_selection: Selection) -> NDArray[np.uint8]:
    sample = draw_sample(RELATIONS["ring"], few_selection, np.random.default_rng(1), hard=False)
    return render(sample.scene, 96)


def manner_of(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    shares = [float(m.__name__ == name) for m in MANNERS]
    monkeypatch.setattr(augmentation, "MANNER_SHARES", shares)
    monkeypatch.setattr(augmentation, "RESTYLED_SHARE", 1.0)


@pytest.mark.parametrize("manner", MANNERS, ids=lambda m: m.__name__)
def test_every_manner_keeps_size_and_place(manner: object, ring: NDArray[np.uint8]) -> None:
    drawn = np.asarray(manner(Image.fromarray(ring), np.random.default_rng(2)))  # type: ignore[operator]
    assert (drawn.shape, drawn.dtype) == (ring.shape, np.uint8)
    assert not np.array_equal(drawn, ring)
    # Things are where they were: away from the ground in the one where they are in the other.
    far = [np.abs(p.astype(float) - np.median(p.reshape(-1, 3), 0)).max(-1) for p in (ring, drawn)]
    assert np.corrcoef(far[0].ravel(), far[1].ravel())[0, 1] > 0.3


def test_equal_generators_give_equal_pictures(ring: NDArray[np.uint8]) -> None:
    for seed in range(12):
        one, two = (restyle(ring, "ring", np.random.default_rng(seed)) for _ in range(2))
        assert np.array_equal(one, two)


def test_half_stay_as_they_are(ring: NDArray[np.uint8]) -> None:
    same = [np.array_equal(restyle(ring, "ring", np.random.default_rng(s)), ring) for s in range(80)]
    assert 0.3 < np.mean(same) < 0.7


def test_tones_stay_if_they_show_the_relation(ring: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
    manner_of(monkeypatch, "monochrome")
    monkeypatch.setattr(augmentation, "perspective", lambda image, rng: image)
    monkeypatch.setattr(augmentation, "jpeg", lambda image, rng: image)
    assert np.array_equal(restyle(ring, "ripening", np.random.default_rng(0)), ring)
    assert not np.array_equal(restyle(ring, "ring", np.random.default_rng(0)), ring)


def test_appearance_relations_are_in_the_catalogue() -> None:
    assert set(RELATIONS) >= APPEARANCE_RELATIONS
    assert sum(MANNER_SHARES) == pytest.approx(1)
