"""Promises of the losses, against loops that read like their formulas."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from analogen.relsim.losses import bank_loss, contrastive_loss, cosine_loss, spread_temperature


def unit_rows(count: int, seed: int, dim: int = 8) -> Tensor:
    return F.normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)), dim=-1)


def slow_one_way(first: Tensor, second: Tensor, temperature: float, labels: list[int]) -> float:
    """Mean over rows of the mean over their positives of -log p(positive | row)."""
    total = 0.0
    for i in range(len(first)):
        odds = [math.exp(float(first[i] @ second[j]) / temperature) for j in range(len(second))]
        positives = [j for j in range(len(second)) if labels[j] == labels[i]]
        total += sum(-math.log(odds[j] / sum(odds)) for j in positives) / len(positives)
    return total / len(first)


@pytest.mark.parametrize("labels", [[0, 1, 2, 3, 4, 5], [0, 1, 0, 2, 1, 0], [7, 7, 7, 7, 7, 7]])
def test_contrastive_loss_equals_slow_loops(labels: list[int]) -> None:
    image, text = unit_rows(6, 0), unit_rows(6, 1)
    slow = (slow_one_way(image, text, 0.2, labels) + slow_one_way(text, image, 0.2, labels)) / 2
    assert contrastive_loss(image, text, 0.2, torch.tensor(labels)).item() == pytest.approx(slow, rel=1e-5)


def test_contrastive_loss_is_symmetric() -> None:
    image, text, labels = unit_rows(6, 0), unit_rows(6, 1), torch.tensor([0, 1, 0, 2, 1, 0])
    torch.testing.assert_close(contrastive_loss(image, text, 0.1, labels), contrastive_loss(text, image, 0.1, labels))


def test_order_of_pairs_does_not_matter() -> None:
    image, text, labels = unit_rows(6, 0), unit_rows(6, 1), torch.tensor([0, 1, 0, 2, 1, 0])
    order = torch.tensor([3, 1, 5, 0, 4, 2])
    shuffled = contrastive_loss(image[order], text[order], 0.1, labels[order])
    torch.testing.assert_close(shuffled, contrastive_loss(image, text, 0.1, labels))


def test_duplicates_are_positives() -> None:
    captions = torch.eye(4)[[0, 0, 1, 2]]
    known = contrastive_loss(captions, captions, 0.01, torch.tensor([0, 0, 1, 2]))
    taken_for_others = contrastive_loss(captions, captions, 0.01, torch.tensor([0, 1, 2, 3]))
    # Half each on two equal rows is the least loss there is: log 2 for those rows, whatever their labels...
    torch.testing.assert_close(known, taken_for_others)
    # ... but only rows known as duplicates are drawn together, not apart.
    image = F.normalize(
        captions + 0.3 * torch.tensor([[0, 0, 0, 1.0], [0, 0, 0, -1], [0, 0, 0, 0], [0, 0, 0, 0]]), dim=-1
    )
    image.requires_grad_()
    contrastive_loss(image, image, 0.1, torch.tensor([0, 0, 1, 2])).backward()
    assert image.grad is not None
    pull = -(image.grad[0] * (image[1] - image[0])).sum()
    assert pull > 0


def test_matching_pairs_cost_nothing() -> None:
    assert contrastive_loss(torch.eye(4), torch.eye(4), 0.02, torch.arange(4)).item() < 1e-6


@pytest.mark.parametrize(("rows", "labels"), [(5, 6), (6, 5)])
def test_unequal_shapes_are_refused(rows: int, labels: int) -> None:
    with pytest.raises(ValueError, match="must match"):
        contrastive_loss(unit_rows(6, 0), unit_rows(rows, 1), 0.1, torch.arange(labels))


@pytest.mark.parametrize("bank_labels", [[0, 1, 2, 3, 4, 5, 6, 7, 8], [4, 0, 0, 4, 1, 4, 0, 2, 4]])
def test_bank_loss_equals_slow_loops(bank_labels: list[int]) -> None:
    image, bank, labels = unit_rows(3, 0), unit_rows(9, 1), [4, 0, 4]
    slow = 0.0
    for row, label in zip(image, labels, strict=True):
        odds = [math.exp(float(row @ text) / 0.1) for text in bank]
        right = sum(odd for odd, other in zip(odds, bank_labels, strict=True) if other == label)
        slow -= math.log(right / sum(odds)) / 3
    found = bank_loss(image, bank, 0.1, torch.tensor(labels), torch.tensor(bank_labels))
    assert found.item() == pytest.approx(slow, rel=1e-5)


def test_bank_loss_costs_nothing_where_any_positive_is_hit() -> None:
    bank = torch.eye(4)
    hit = bank_loss(bank[:1], bank, 0.02, torch.tensor([7]), torch.tensor([7, 7, 1, 2]))
    assert hit.item() < 1e-6
    missed = bank_loss(bank[:1], bank, 0.02, torch.tensor([1]), torch.tensor([7, 7, 1, 2]))
    assert missed.item() > 10


def test_cosine_loss_runs_from_zero_to_two() -> None:
    rows = unit_rows(5, 0)
    assert cosine_loss(rows, rows).item() == pytest.approx(0, abs=1e-6)
    assert cosine_loss(rows, 3 * rows).item() == pytest.approx(0, abs=1e-6)
    assert cosine_loss(rows, -rows).item() == pytest.approx(2)


@pytest.mark.parametrize(("logarithm", "expected"), [(-30.0, 0.01), (math.log(0.07), 0.07), (5.0, 1.0)])
def test_temperature_stays_in_its_range(logarithm: float, expected: float) -> None:
    assert spread_temperature(torch.tensor(logarithm)).item() == pytest.approx(expected)
