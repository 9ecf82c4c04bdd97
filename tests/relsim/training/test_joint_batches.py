"""Promises of the joint batch: no cut of it into shares and chunks changes what is learned."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from analogen.relsim.losses import contrastive_loss
from analogen.relsim.training.joint_batches import (
    LossSum,
    Share,
    backward_contrastive,
    backward_mean,
    joint_rows,
    sum_gradients,
)

BATCH, DIM = 12, 5


@pytest.fixture(scope="module")
def accelerator() -> Accelerator:
    return Accelerator(cpu=True, mixed_precision="no")


def share_of(accelerator: Accelerator, items: Sequence[Any | None], micro_batch: int, step: int = 3) -> Share:
    return Share(accelerator, step, np.arange(len(items)), items, micro_batch, seed=1)


class Student(nn.Module):
    """Anything that embeds rows one by one, with dropout."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.dropout = nn.Linear(4, 16), nn.Linear(16, DIM), dropout
        self.log_temperature = nn.Parameter(torch.tensor(-1.0))
        self.passes: list[int] = []

    def embed(self, items: list[Tensor]) -> Tensor:
        self.passes.append(len(items))
        hidden = F.dropout(self.first(torch.stack(items)).tanh(), self.dropout)
        return F.normalize(self.second(hidden), dim=-1)

    def gradients(self) -> list[Tensor]:
        return [p.grad.clone() for p in self.parameters() if p.grad is not None]


@pytest.fixture(scope="module")
def items() -> list[Tensor]:
    return list(torch.randn(BATCH, 4, generator=torch.Generator().manual_seed(0)))


@pytest.fixture(scope="module")
def texts() -> Tensor:
    return F.normalize(torch.randn(BATCH, DIM, generator=torch.Generator().manual_seed(1)), dim=-1)


GROUPS = torch.tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 3, 0])  # two captions come twice


@settings(max_examples=30, deadline=None)
@given(total=st.integers(1, 50), batch_size=st.integers(1, 70), seed=st.integers(0, 5))
def test_every_row_comes_once_an_epoch(total: int, batch_size: int, seed: int) -> None:
    steps = -(-2 * total // batch_size)
    seen = np.concatenate([joint_rows(total, batch_size, seed, step) for step in range(steps)])
    for epoch in range(2):
        assert sorted(seen[epoch * total : (epoch + 1) * total]) == list(range(total))


@pytest.mark.parametrize("micro_batch", [1, 4, 5, 12])
def test_cached_gradients_equal_those_of_one_pass(
    micro_batch: int, accelerator: Accelerator, items: list[Tensor], texts: Tensor
) -> None:
    def loss_of(student: Student, image: Tensor) -> Tensor:
        return contrastive_loss(image, texts, student.log_temperature.exp(), GROUPS)

    plain, cached = Student(), Student()
    expected = loss_of(plain, plain.embed(items))
    expected.backward()
    share = share_of(accelerator, items, micro_batch)
    loss = backward_contrastive(
        share, cached.embed, lambda joint: loss_of(cached, joint), DIM, [cached.log_temperature]
    )
    torch.testing.assert_close(loss, expected.detach())
    assert max(cached.passes) <= micro_batch
    for ours, theirs in zip(cached.gradients(), plain.gradients(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_both_passes_over_a_chunk_draw_the_same_dropout(
    accelerator: Accelerator, items: list[Tensor], texts: Tensor
) -> None:
    plain, cached = Student(0.5), Student(0.5)
    share = share_of(accelerator, items, 4)
    parts = []
    for chunk in share.chunks():
        share.start_pass(chunk)
        parts.append(plain.embed(chunk.items))
    contrastive_loss(torch.cat(parts), texts, 0.1, GROUPS).backward()
    torch.manual_seed(99)
    backward_contrastive(share, cached.embed, lambda joint: contrastive_loss(joint, texts, 0.1, GROUPS), DIM)
    for ours, theirs in zip(cached.gradients(), plain.gradients(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    other = share_of(accelerator, items, 4, step=4)
    first, again = next(share.chunks()), next(other.chunks())
    drawn = []
    for which, chunk in ((share, first), (share, first), (other, again)):
        which.start_pass(chunk)
        drawn.append(torch.rand(3))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_rows_that_could_not_be_loaded_are_not_trained_on(
    accelerator: Accelerator, items: list[Tensor], texts: Tensor
) -> None:
    gaps = [None if number in (0, 5, 6) else item for number, item in enumerate(items)]
    kept = torch.tensor([item is not None for item in gaps])
    plain, cached = Student(), Student()
    found = plain.embed([item for item in gaps if item is not None])
    contrastive_loss(found, texts[kept], 0.1, GROUPS[kept]).backward()
    share = share_of(accelerator, gaps, 2)
    assert torch.equal(share.kept(), kept)
    backward_contrastive(
        share, cached.embed, lambda joint: contrastive_loss(joint[kept], texts[kept], 0.1, GROUPS[kept]), DIM
    )
    for ours, theirs in zip(cached.gradients(), plain.gradients(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_process_without_any_picture_stops(accelerator: Accelerator) -> None:
    with pytest.raises(OSError, match="none of a process's pictures can be read any more in step 3"):
        share_of(accelerator, [None, None], 2).kept()


@pytest.mark.parametrize("micro_batch", [1, 5, 12])
def test_mean_is_over_the_joint_batch_and_not_over_chunks(
    micro_batch: int, accelerator: Accelerator, items: list[Tensor]
) -> None:
    """Items of different weights, as captions of different lengths are."""
    weights = {id(item): number % 3 + 1 for number, item in enumerate(items)}

    def losses(student: Student, batch: list[Tensor]) -> Tensor:
        weight = torch.tensor([weights[id(item)] for item in batch])
        return (student.embed(batch)[:, 0] ** 2 * weight).sum()

    plain, cut = Student(), Student()
    expected = losses(plain, items) / sum(weights.values())
    expected.backward()
    loss, right = backward_mean(
        share_of(accelerator, items, micro_batch),
        lambda item: weights[id(item)],
        lambda batch: LossSum(losses(cut, batch), torch.tensor(len(batch))),
    )
    torch.testing.assert_close(loss, expected.detach())
    assert float(right) == pytest.approx(BATCH / sum(weights.values()))
    for ours, theirs in zip(cut.gradients(), plain.gradients(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_gradients_of_all_processes_are_added_up() -> None:
    parameters = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(3))]
    parameters[0].grad, parameters[1].grad = torch.tensor([3.0, 0.0]), torch.tensor([4.0])
    two = SimpleNamespace(num_processes=2, reduce=lambda flat, how: 2 * flat if how == "sum" else None)
    sum_gradients(two, parameters)
    assert [p.grad.tolist() for p in parameters if p.grad is not None] == [[6, 0], [8], [0, 0, 0]]
    sum_gradients(SimpleNamespace(num_processes=1), parameters)
    assert parameters[0].grad.tolist() == [6, 0]
