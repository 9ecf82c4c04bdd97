"""Promises of the skeleton prior: it never looks ahead, and a row's seed alone decides its skeleton."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from analogen.pipelines.composer.data import SceneSet
from analogen.pipelines.composer.features import FIELDS, collate
from analogen.pipelines.composer.prior import SkeletonPrior, vocabulary_of


@pytest.fixture(scope="module")
def batch(tiny_prior: SkeletonPrior, tiny_scenes: SceneSet) -> tuple[Tensor, Tensor, Tensor]:
    """ids, mask and relation of four scenes of different lengths."""
    order = tiny_scenes.lengths.argsort()
    chosen = collate([tiny_scenes[int(order[i])] for i in (0, 30, 60, 80)])
    ids = torch.zeros(chosen.mask.shape, dtype=torch.long)
    ids[chosen.mask] = tiny_prior.ids_of(chosen.tokens[chosen.mask])
    return ids, chosen.mask, torch.randn(4, 384, generator=torch.Generator().manual_seed(0))


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_logits_have_one_place_more_than_elements(
    tiny_prior: SkeletonPrior, batch: tuple[Tensor, Tensor, Tensor]
) -> None:
    ids, mask, relation = batch
    assert tiny_prior(ids, mask, relation).shape == (4, ids.shape[1] + 1, tiny_prior.end + 1)


def test_logits_never_see_what_comes_after(tiny_prior: SkeletonPrior, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    ids, mask, relation = batch
    before = tiny_prior(ids, mask, relation)
    for changed in range(int(mask[3].sum())):
        other = ids.clone()
        other[3, changed] = (other[3, changed] + 1 + changed) % tiny_prior.end
        after = tiny_prior(other, mask, relation)
        torch.testing.assert_close(after[3, : changed + 1], before[3, : changed + 1], atol=1e-5, rtol=1e-5)
        assert not torch.allclose(after[3, changed + 1], before[3, changed + 1], atol=1e-4)


def test_padding_does_not_matter(tiny_prior: SkeletonPrior, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    ids, mask, relation = batch
    before, count = tiny_prior(ids, mask, relation), int(mask[0].sum())
    alone = tiny_prior(ids[:1, :count], mask[:1, :count], relation[:1])
    torch.testing.assert_close(before[:1, : count + 1], alone, atol=1e-5, rtol=1e-5)
    junk = tiny_prior(ids.masked_fill(~mask, 3), mask, relation)
    assert torch.equal(junk, before)


def test_scale_zero_ignores_the_relation(tiny_prior: SkeletonPrior, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    ids, mask, relation = batch
    assert torch.equal(tiny_prior(ids, mask, relation, 0.0), tiny_prior(ids, mask, relation.flip(0), 0.0))
    assert not torch.allclose(tiny_prior(ids, mask, relation), tiny_prior(ids, mask, relation.flip(0)))


def test_loss_equals_slow_reference(tiny_prior: SkeletonPrior, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    ids, mask, relation = batch
    total, places = 0.0, 0
    with torch.no_grad():
        for row in range(4):
            count = int(mask[row].sum())
            logits = tiny_prior(ids[row : row + 1, :count], mask[row : row + 1, :count], relation[row : row + 1])[0]
            for position, right in enumerate([*ids[row, :count].tolist(), tiny_prior.end]):
                total -= logits[position].log_softmax(-1)[right].item()
                places += 1
        assert tiny_prior.loss(ids, mask, relation).item() == pytest.approx(total / places, rel=1e-4)


def test_samples_are_skeletons_of_the_vocabulary(tiny_prior: SkeletonPrior) -> None:
    tokens, mask = tiny_prior.sample(torch.randn(5, 384), generators(*range(5)))
    assert tokens.shape == (*mask.shape, len(FIELDS))
    assert (mask.sum(1) >= 1).all()
    assert mask.sum(1).max() == mask.shape[1]
    assert not (mask[:, 1:] & ~mask[:, :-1]).any()  # no gaps
    assert not tokens[~mask].any()
    for row, kept in zip(tokens, mask, strict=True):
        tiny_prior.ids_of(row[kept])


def test_sample_is_reproducible_and_follows_its_seed(tiny_prior: SkeletonPrior) -> None:
    relation = torch.randn(6, 384, generator=torch.Generator().manual_seed(0))
    first, again, other = (tiny_prior.sample(relation, generators(*range(s, s + 6))) for s in (0, 0, 9))
    assert torch.equal(first[0], again[0])
    assert first[0].shape != other[0].shape or not torch.equal(first[0], other[0])


@pytest.mark.parametrize("guidance_scale", [1.0, 2.0])
def test_row_alone_equals_row_in_batch(tiny_prior: SkeletonPrior, guidance_scale: float) -> None:
    relation = torch.randn(6, 384, generator=torch.Generator().manual_seed(1))
    together = generators(*range(6))
    tokens, mask = tiny_prior.sample(relation, together, guidance_scale=guidance_scale)
    assert len(set(mask.sum(1).tolist())) > 1
    for row in range(6):
        (own,) = generators(row)
        alone, alone_mask = tiny_prior.sample(relation[row : row + 1], [own], guidance_scale=guidance_scale)
        assert alone_mask.all()
        assert torch.equal(alone[0], tokens[row][mask[row]])
        # What the row draws next (its noise) is the same too: it has not drawn for the longer rows.
        assert torch.equal(own.get_state(), together[row].get_state())


def test_scale_zero_samples_whatever_the_relation(tiny_prior: SkeletonPrior) -> None:
    first, second = (tiny_prior.sample(torch.randn(3, 384), generators(0, 1, 2), scale=0.0) for _ in range(2))
    assert torch.equal(first[0], second[0])


def test_sampling_ends_at_the_fullest_scene(tiny_scenes: SceneSet) -> None:
    torch.manual_seed(0)
    endless = SkeletonPrior(vocabulary_of([tiny_scenes.tokens]), dim=16, depth=1, heads=2, num_relation_tokens=2).eval()
    with torch.no_grad():
        endless.head.bias[endless.end] = -1e4
    _, mask = endless.sample(torch.randn(1, 384), generators(0))
    assert mask.shape == (1, 64)


def test_unknown_token_is_refused(tiny_prior: SkeletonPrior) -> None:
    with pytest.raises(KeyError, match="99"):
        tiny_prior.ids_of(torch.tensor([[99, 0, 0, 0, 0, 0, 0]]))


def test_ids_name_rows_of_the_vocabulary(tiny_prior: SkeletonPrior) -> None:
    ids = torch.randperm(tiny_prior.end)
    assert torch.equal(tiny_prior.ids_of(tiny_prior.table[ids]), ids)


def test_vocabulary_is_sorted_and_distinct(tiny_scenes: SceneSet) -> None:
    vocabulary = vocabulary_of([tiny_scenes.tokens, tiny_scenes.tokens[:5]])
    assert vocabulary == sorted(vocabulary)
    assert len({tuple(row) for row in vocabulary}) == len(vocabulary)
    assert {tuple(row) for row in vocabulary} == {tuple(row) for row in tiny_scenes.tokens.tolist()}


def test_round_trip_gives_the_same_logits(
    tiny_prior: SkeletonPrior, batch: tuple[Tensor, Tensor, Tensor], tmp_path: Path
) -> None:
    tiny_prior.save_pretrained(tmp_path)
    loaded = SkeletonPrior.from_pretrained(tmp_path)
    assert torch.equal(loaded.table, tiny_prior.table)
    assert torch.equal(loaded.eval()(*batch), tiny_prior(*batch))


def test_overfits_one_batch(tiny_scenes: SceneSet, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    torch.manual_seed(0)
    prior = SkeletonPrior(vocabulary_of([tiny_scenes.tokens]), dim=32, depth=1, heads=2, num_relation_tokens=2)
    optimizer = torch.optim.AdamW(prior.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        loss = prior.loss(*batch)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
