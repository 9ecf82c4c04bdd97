"""Promises of pictures without a relation: they depend on seeds alone, and destroyed scenes keep no relation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from analogen.relsim.mini import data, out_of_distribution, single_subjects
from analogen.relsim.mini.out_of_distribution import (
    destroy_relation,
    draw_out_of_distribution,
    pictures_without_relation,
)
from analogen.relsim.mini.single_subjects import draw_single_subjects
from analogen.relsim.world.dataset import Selection


def pictures(count: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, 128, 128), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)


def test_pictures_without_a_relation_depend_on_the_seed_alone(few_selection: Selection) -> None:
    first, again = (list(pictures_without_relation(3, few_selection, np.random.default_rng(8), 64)) for _ in range(2))
    assert [a.tobytes() for a in first] == [a.tobytes() for a in again]
    assert len({a.tobytes() for a in first}) == 3


def test_destroyed_pictures_are_new_and_depend_on_the_generator_alone() -> None:
    raw = pictures(4)
    first, again = (destroy_relation(raw, 12, torch.Generator().manual_seed(1)) for _ in range(2))
    assert first.shape == (12, 3, 128, 128)
    assert first.dtype == torch.uint8
    assert torch.equal(first, again)
    assert not any(torch.equal(a, b) for a in first for b in raw)
    assert destroy_relation(raw, 0, torch.Generator()).shape == (0, 3, 128, 128)


def test_clouds_keep_the_colours() -> None:
    picture = torch.stack([torch.full((64, 64), value) for value in (200.0, 100.0, 40.0)])
    picture += torch.randn(picture.shape, generator=torch.Generator().manual_seed(0)) * 20
    texture = out_of_distribution._clouds(picture, torch.Generator().manual_seed(1))
    torch.testing.assert_close(texture.mean((1, 2)), picture.mean((1, 2)), atol=1.0, rtol=0)
    torch.testing.assert_close(texture.std((1, 2)), picture.std((1, 2)), atol=1.0, rtol=0)


def test_pools_are_drawn_once_and_sampled_by_generator(
    tmp_path: Path, few_selection: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (data, single_subjects, out_of_distribution):
        monkeypatch.setattr(module, "SHARD", 5)
    faces = draw_single_subjects(tmp_path / "faces", few_selection, 2, seed=1)
    assert len(faces) == 10
    images, labels = faces.sample(7, torch.Generator().manual_seed(2))
    assert images.shape == (7, 3, 128, 128)
    assert 0 <= labels.min() <= labels.max() < len(few_selection.subjects)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "faces").iterdir()}
    again = draw_single_subjects(tmp_path / "faces", few_selection, 2, seed=1)
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "faces").iterdir()}
    assert torch.equal(again.sample(7, torch.Generator().manual_seed(2))[0], images)
    assert len(draw_out_of_distribution(tmp_path / "strangers", few_selection, 1, seed=1)) == 5


def test_label_names_the_single_subject(
    tmp_path: Path, few_selection: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(single_subjects, "SHARD", 6)
    monkeypatch.setattr(
        single_subjects, "render", lambda scene, size: shown.append(scene.subject) or np.zeros((128, 128, 3), np.uint8)
    )
    faces = draw_single_subjects(tmp_path, few_selection, 1, seed=4)
    assert [few_selection.subjects[i] for i in faces._labels.tolist()] == shown
