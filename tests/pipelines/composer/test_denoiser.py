"""Promises of the scene denoiser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from analogen.pipelines.composer.data import SceneSet
from analogen.pipelines.composer.denoiser import SceneDenoiser, flow_loss
from analogen.pipelines.composer.features import NUM_FEATURES, Batch, collate


@pytest.fixture(scope="module")
def batch(tiny_scenes: SceneSet) -> Batch:
    order = tiny_scenes.lengths.argsort()
    return collate([tiny_scenes[int(order[i])] for i in (0, 30, 60, 80)])


@pytest.fixture(scope="module")
def given(batch: Batch) -> dict[str, Any]:
    """What the denoiser is called with."""
    generator = torch.Generator().manual_seed(0)
    return {
        "noisy": torch.randn(batch.features.shape, generator=generator) * batch.mask[..., None],
        "time": torch.tensor([0.1, 0.5, 0.9, 1.0]),
        "tokens": batch.tokens,
        "mask": batch.mask,
        "relation": torch.nn.functional.normalize(torch.randn(4, 384, generator=generator), dim=-1),
    }


def rows_of(given: dict[str, Any], row: int) -> dict[str, Any]:
    """One scene alone, without padding."""
    count = int(given["mask"][row].sum())
    cut = {name: value[row : row + 1] for name, value in given.items()}
    return cut | {name: cut[name][:, :count] for name in ("noisy", "tokens", "mask")}


def fresh() -> SceneDenoiser:
    torch.manual_seed(0)
    return SceneDenoiser(dim=32, depth=1, heads=2, num_relation_tokens=2)


def test_features_come_out(tiny_denoiser: SceneDenoiser, given: dict[str, Any], batch: Batch) -> None:
    clean = tiny_denoiser(**given)
    assert clean.shape == (*batch.mask.shape, NUM_FEATURES)
    assert torch.isfinite(clean).all()


def test_untrained_denoiser_starts_from_its_input(given: dict[str, Any]) -> None:
    expected = (1 - given["time"]).view(-1, 1, 1) * given["noisy"]
    torch.testing.assert_close(fresh()(**given), expected)


@pytest.mark.parametrize("row", range(4))
def test_padding_does_not_matter(tiny_denoiser: SceneDenoiser, given: dict[str, Any], row: int) -> None:
    alone = tiny_denoiser(**rows_of(given, row))
    torch.testing.assert_close(tiny_denoiser(**given)[row][given["mask"][row]], alone[0], atol=1e-5, rtol=1e-5)


def test_junk_in_the_padding_does_not_matter(tiny_denoiser: SceneDenoiser, given: dict[str, Any]) -> None:
    mask = given["mask"]
    junk = given | {
        "noisy": given["noisy"].masked_fill(~mask[..., None], 7.0),
        "tokens": given["tokens"].masked_fill(~mask[..., None], 1),
    }
    assert torch.equal(tiny_denoiser(**junk)[mask], tiny_denoiser(**given)[mask])


def test_scale_zero_ignores_the_relation_bit_for_bit(tiny_denoiser: SceneDenoiser, given: dict[str, Any]) -> None:
    other = given | {"relation": given["relation"].flip(0) * 9}
    assert torch.equal(tiny_denoiser(**given, scale=0.0), tiny_denoiser(**other, scale=0.0))
    assert not torch.allclose(tiny_denoiser(**given), tiny_denoiser(**other))


def test_scale_may_differ_by_row(tiny_denoiser: SceneDenoiser, given: dict[str, Any]) -> None:
    scales = torch.tensor([0.0, 1.0, 0.5, 2.0])
    mixed = tiny_denoiser(**given, scale=scales)
    for row, scale in enumerate(scales.tolist()):
        torch.testing.assert_close(mixed[row], tiny_denoiser(**given, scale=scale)[row], atol=1e-5, rtol=1e-5)


def test_absent_estimate_is_zero(tiny_denoiser: SceneDenoiser, given: dict[str, Any]) -> None:
    zeros = torch.zeros_like(given["noisy"])
    assert torch.equal(tiny_denoiser(**given), tiny_denoiser(**given, estimate=zeros))
    assert not torch.allclose(tiny_denoiser(**given), tiny_denoiser(**given, estimate=zeros + 1))


def test_time_matters(tiny_denoiser: SceneDenoiser, given: dict[str, Any]) -> None:
    noisy = given | {"noisy": torch.zeros_like(given["noisy"])}  # or the input's share alone would tell
    first, second = (tiny_denoiser(**noisy | {"time": torch.full((4,), t)}) for t in (0.2, 0.8))
    assert not torch.allclose(first, second, atol=1e-3)


def loss_of(model: SceneDenoiser, batch: Batch, relation: Tensor, seed: int = 0, scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return flow_loss(
        model, batch.features, batch.tokens, batch.mask, relation, torch.full((len(relation),), scale), generator
    )


def test_loss_is_finite_and_reproducible(tiny_denoiser: SceneDenoiser, batch: Batch, given: dict[str, Any]) -> None:
    losses = [loss_of(tiny_denoiser, batch, given["relation"], seed) for seed in (0, 0, 1)]
    assert all(torch.isfinite(loss) and loss.ndim == 0 for loss in losses)
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_loss_does_not_count_padding(tiny_denoiser: SceneDenoiser, batch: Batch, given: dict[str, Any]) -> None:
    junk = batch._replace(features=batch.features.masked_fill(~batch.mask[..., None], 40.0))
    torch.testing.assert_close(
        loss_of(tiny_denoiser, junk, given["relation"]), loss_of(tiny_denoiser, batch, given["relation"])
    )


def test_scale_zero_trains_nothing_of_the_relation(batch: Batch, given: dict[str, Any]) -> None:
    model = fresh()
    torch.nn.init.normal_(model.head.weight)
    loss_of(model, batch, given["relation"], scale=0.0).backward()
    for name, parameter in model.named_parameters():
        if "relation" in name:
            assert parameter.grad is not None
            assert not parameter.grad.any(), name


def test_overfits_one_batch(batch: Batch, given: dict[str, Any]) -> None:
    model = fresh()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    before = loss_of(model, batch, given["relation"]).item()
    for _ in range(80):
        optimizer.zero_grad()
        loss = loss_of(model, batch, given["relation"])  # the same noise too
        loss.backward()
        optimizer.step()
    assert loss.item() < before / 4


def test_round_trip_gives_the_same_features(
    tiny_denoiser: SceneDenoiser, given: dict[str, Any], tmp_path: Path
) -> None:
    tiny_denoiser.save_pretrained(tmp_path)
    assert torch.equal(SceneDenoiser.from_pretrained(tmp_path).eval()(**given), tiny_denoiser(**given))
