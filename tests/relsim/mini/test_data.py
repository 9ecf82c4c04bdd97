"""Promises of the pools of training pictures and of their augmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from analogen.relsim.mini import data
from analogen.relsim.mini.data import (
    POOL_SIZE_PX,
    Pool,
    attributes_projection,
    attributes_target,
    augment,
    batch_rows,
    draw_pool,
)
from analogen.relsim.world.dataset import Selection
from analogen.relsim.world.relations import RELATIONS

SOME = ["ring", "grid", "before_after"]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "SHARD", 4)


@pytest.fixture
def pool(tmp_path: Path, few_selection: Selection) -> Pool:
    draw_pool(tmp_path / "pool", few_selection, SOME, range(2), seed=0)
    return Pool(tmp_path / "pool")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_pool_holds_pictures_and_labels(pool: Pool) -> None:
    assert len(pool) == 8
    images = pool.images(np.array([5, 0, 5]))
    assert images.shape == (3, 3, POOL_SIZE_PX, POOL_SIZE_PX)
    assert images.dtype == torch.uint8
    assert torch.equal(images[0], images[2])
    assert not torch.equal(images[0], images[1])
    assert pool.mirror_ok.tolist() == [RELATIONS[name].mirror_ok for name in SOME]


def test_captions_belong_to_the_relations_drawn(pool: Pool) -> None:
    for relation, caption in zip(pool.labels.relation, pool.labels.caption, strict=True):
        assert pool.captions[caption] in RELATIONS[pool.relations[relation]].captions


def test_pairs_share_the_subject_and_differ_in_relation(pool: Pool) -> None:
    assert (pool.labels.subject[::2] == pool.labels.subject[1::2]).all()
    assert (pool.labels.relation[::2] != pool.labels.relation[1::2]).all()


def test_pairs_share_their_looks(pool: Pool) -> None:
    """The ground of a pair is the same to the pixel where neither draws: most of the border."""
    images = pool.images(np.arange(8)).float()
    border = torch.cat([images[:, :, 0], images[:, :, -1]], -1)
    apart = (border[:, None] - border[None]).abs().mean((2, 3))
    for row in range(0, 8, 2):
        assert apart[row].topk(2, largest=False).indices.sort().values.tolist() == [row, row + 1]


def test_shard_depends_on_seed_and_number_only(pool: Pool, tmp_path: Path, few_selection: Selection) -> None:
    for name, shards, seed in (("alone", range(1, 2), 0), ("other", range(1, 2), 1)):
        draw_pool(tmp_path / name, few_selection, SOME, shards, seed)
    first, alone, other = (np.load(tmp_path / name / "shard-00001.npy") for name in ("pool", "alone", "other"))
    np.testing.assert_array_equal(first, alone)
    assert not np.array_equal(first, other)


def test_drawn_shards_are_kept_and_unfinished_ones_ignored(
    pool: Pool, tmp_path: Path, few_selection: Selection
) -> None:
    folder = tmp_path / "pool"
    marked = np.full((4, POOL_SIZE_PX, POOL_SIZE_PX, 3), 9, np.uint8)
    np.save(folder / "shard-00000.npy", marked)
    np.save(folder / "shard-00002.tmp.npy", marked)
    draw_pool(folder, few_selection, SOME, range(2), seed=0)
    again = Pool(folder)
    assert len(again) == 8
    assert (again.images(np.array([0])) == 9).all()


def test_finished_pictures_fill_the_frame_on_a_flattering_ground(tmp_path: Path, few_selection: Selection) -> None:
    draw_pool(tmp_path / "hard", few_selection, SOME, range(1), seed=0)
    draw_pool(tmp_path / "finished", few_selection, SOME, range(1), seed=0, finished=True)
    hard, finished = (Pool(tmp_path / name) for name in ("hard", "finished"))
    assert hard.labels.relation[0] == finished.labels.relation[0]
    assert not torch.equal(hard.images(np.array([0])), finished.images(np.array([0])))


def textured_left(count: int) -> Tensor:
    """Stripes on the left half, plain grey on the right: tellable in whatever colours."""
    images = torch.full((count, 3, 64, 64), 128, dtype=torch.uint8)
    images[:, :, :, :32] = ((torch.arange(64) // 8 % 2) * 255).to(torch.uint8)[:, None]
    return images


def texture_is_right(images: Tensor) -> Tensor:
    half = images.shape[-1] // 2
    return images[..., half:].var((1, 2, 3)) > images[..., :half].var((1, 2, 3))


def test_augment_keeps_range_shape_and_dtype() -> None:
    raw = torch.randint(0, 256, (16, 3, 64, 64), dtype=torch.uint8, generator=generator())
    before = raw.clone()
    images = augment(raw, 48, torch.ones(16, dtype=torch.bool), generator())
    assert images.shape == (16, 3, 48, 48)
    assert images.dtype == torch.float32
    assert images.min() >= 0
    assert images.max() <= 1
    assert torch.isfinite(images).all()
    assert torch.equal(raw, before)


def test_augment_is_reproducible_from_its_generator_alone() -> None:
    raw, mirror = textured_left(8), torch.ones(8, dtype=torch.bool)
    first = augment(raw, 32, mirror, generator(5))
    torch.manual_seed(99)  # the global state plays no part
    assert torch.equal(first, augment(raw, 32, mirror, generator(5)))
    assert not torch.equal(first, augment(raw, 32, mirror, generator(6)))


def test_rows_of_a_batch_are_augmented_apart() -> None:
    images = augment(textured_left(2), 32, torch.zeros(2, dtype=torch.bool), generator())
    assert (images[0] - images[1]).abs().mean() > 0.02


def test_augment_mirrors_half_of_the_rows_that_may_be_and_no_other() -> None:
    mirror = torch.arange(300) % 3 > 0
    turned = texture_is_right(augment(textured_left(300), 32, mirror, generator()))
    assert not turned[~mirror].any()
    assert 0.35 < turned[mirror].float().mean() < 0.65


def test_attributes_target_is_a_unit_vector() -> None:
    raw = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8, generator=generator())
    subject = torch.nn.functional.normalize(torch.randn(5, 384, generator=generator()), dim=-1)
    target = attributes_target(raw, subject, attributes_projection())
    assert target.shape == (5, 112)
    torch.testing.assert_close(target.norm(dim=-1), torch.ones(5))


def test_attributes_target_depends_on_colours_and_subject_but_not_layout() -> None:
    left = textured_left(1)
    subject = torch.eye(384)[:1]
    target = attributes_target(left, subject, attributes_projection())
    torch.testing.assert_close(attributes_target(left.flip(-1), subject, attributes_projection()), target)
    without_red = left.clone()
    without_red[:, 0] = 0
    other_colours = attributes_target(without_red, subject, attributes_projection())
    other_subject = attributes_target(left, torch.eye(384)[1:2], attributes_projection())
    assert (target * other_colours).sum() < 0.7
    assert (target * other_subject).sum() < 0.9


def test_attributes_projection_is_fixed() -> None:
    torch.manual_seed(1)
    first = attributes_projection()
    torch.manual_seed(2)
    assert torch.equal(first, attributes_projection())
    assert first.shape == (384, 48)


@pytest.mark.parametrize(("total", "batch_size"), [(64, 8), (60, 20), (8, 2)])
def test_batches_cover_each_pair_once_an_epoch(total: int, batch_size: int) -> None:
    steps = total // batch_size
    epochs = [
        np.concatenate([batch_rows(total, batch_size, 3, epoch * steps + i) for i in range(steps)]) for epoch in (0, 1)
    ]
    for rows in epochs:
        assert sorted(rows.tolist()) == list(range(total))
        assert (rows[::2] % 2 == 0).all()
        assert (rows[1::2] == rows[::2] + 1).all()
    assert not np.array_equal(*epochs)


def test_batch_depends_on_seed_and_step_only() -> None:
    np.testing.assert_array_equal(batch_rows(64, 8, 1, 5), batch_rows(64, 8, 1, 5))
    assert not np.array_equal(batch_rows(64, 8, 1, 5), batch_rows(64, 8, 2, 5))


def test_pool_smaller_than_a_batch_gives_all_its_rows() -> None:
    assert sorted(batch_rows(6, 100, 0, 9).tolist()) == list(range(6))


def test_colours_change_by_the_strength_of_each_row() -> None:
    grey = torch.full((2, 3, POOL_SIZE_PX, POOL_SIZE_PX), 128, dtype=torch.uint8)
    apart = [
        (augment(grey, 32, torch.zeros(2, dtype=torch.bool), generator(seed), torch.tensor([0.0, 1.0])) - 128 / 255)
        .mean((1, 2, 3))
        .abs()
        for seed in range(8)
    ]
    kept, changed = torch.stack(apart).mean(0)
    assert kept < 0.002
    assert changed > 0.02
