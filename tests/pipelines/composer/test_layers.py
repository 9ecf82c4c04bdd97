"""Promises of the shared transformer parts."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from analogen.pipelines.composer.layers import (
    DecoupledAttention,
    Layer,
    RelationTokens,
    attend,
    padding_bias,
    row_scale,
    sinusoidal,
    unit,
)

DIM, HEADS = 16, 2


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def inputs(batch: int = 3, length: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    mask = torch.arange(length)[None] < torch.tensor([length, 2, 3])[:batch, None]
    return torch.randn(batch, length, DIM), padding_bias(mask), torch.randn(batch, 4, DIM)


def test_relation_becomes_normed_tokens() -> None:
    tokens = RelationTokens(384, DIM, 4)(unit(torch.randn(3, 384)))
    assert tokens.shape == (3, 4, DIM)
    torch.testing.assert_close(tokens.mean(-1), torch.zeros(3, 4), atol=1e-5, rtol=0)


def test_attention_equals_torchs_own() -> None:
    query, key, value = torch.randn(3, 2, HEADS, 5, 8).unbind(0)
    bias = torch.randn(2, 1, 1, 5)
    for own in (None, bias):
        torch.testing.assert_close(
            attend(query, key, value, own), F.scaled_dot_product_attention(query, key, value, attn_mask=own)
        )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_attention_keeps_half_precision(dtype: torch.dtype) -> None:
    query, key, value = torch.randn(3, 2, HEADS, 5, 8).to(dtype).unbind(0)
    assert attend(query, key, value, torch.zeros(2, 1, 1, 5)).dtype == dtype


def test_scale_zero_equals_self_attention_alone() -> None:
    x, bias, first = inputs()
    attention = DecoupledAttention(DIM, HEADS)
    zero = row_scale(0.0, len(x), x)
    without = attention(x, bias, first, zero)
    assert torch.equal(without, attention(x, bias, torch.randn_like(first) * 100, zero))
    assert not torch.equal(without, attention(x, bias, first, row_scale(1.0, len(x), x)))


def test_attention_is_linear_in_the_scale() -> None:
    x, bias, tokens = inputs()
    attention = DecoupledAttention(DIM, HEADS)
    none, half, whole = (attention(x, bias, tokens, row_scale(s, 3, x)) for s in (0.0, 0.5, 1.0))
    torch.testing.assert_close(half, (none + whole) / 2)


def test_scale_counts_row_by_row() -> None:
    x, bias, tokens = inputs()
    layer = Layer(DIM, HEADS, modulated=False)
    mixed = layer(x, bias, tokens, row_scale(torch.tensor([0.0, 1.0, 0.5]), 3, x))
    for row, scale in enumerate((0.0, 1.0, 0.5)):
        one = slice(row, row + 1)
        alone = layer(x[one], bias[one], tokens[one], row_scale(scale, 1, x))
        torch.testing.assert_close(mixed[one], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("modulated", [False, True])
def test_padding_does_not_reach_real_elements(modulated: bool) -> None:
    x, bias, tokens = inputs()
    layer = Layer(DIM, HEADS, modulated)
    modulation = torch.randn(3, 6, DIM) if modulated else None
    changed = x.clone()
    changed[1, 2:] = 50
    first, second = (layer(v, bias, tokens, row_scale(1.0, 3, x), modulation) for v in (x, changed))
    assert torch.equal(first[1, :2], second[1, :2])


def test_layer_knows_no_order() -> None:
    x, _, tokens = inputs()
    order = torch.tensor([3, 0, 4, 1, 2])
    layer, bias, scale = Layer(DIM, HEADS, modulated=False), torch.zeros(3, 1, 1, 5), row_scale(1.0, 3, x)
    torch.testing.assert_close(layer(x[:, order], bias, tokens, scale), layer(x, bias, tokens, scale)[:, order])


def test_modulation_decides_the_gates() -> None:
    x, bias, tokens = inputs()
    layer = Layer(DIM, HEADS, modulated=True)
    assert layer.table is not None
    shut = -layer.table.detach().expand(3, 6, DIM)  # every gate becomes zero
    assert torch.equal(layer(x, bias, tokens, row_scale(1.0, 3, x), shut), x)


@pytest.mark.parametrize("scale", [0.7, torch.tensor(0.7), torch.tensor([0.7, 0.7])])
def test_scale_is_taken_as_number_or_row(scale: float | Tensor) -> None:
    torch.testing.assert_close(row_scale(scale, 2, torch.zeros(1)), torch.full((2, 1, 1), 0.7))


def test_moments_are_told_apart() -> None:
    codes = sinusoidal(torch.linspace(0, 1, 101), 128)
    assert codes.shape == (101, 128)
    assert codes.abs().max() <= 1
    assert (codes[1:] - codes[:-1]).norm(dim=-1).min() > 1  # of at most 11


def test_unit_normalises_in_fp32() -> None:
    rows = unit(torch.randn(4, 384).half() * 30)
    assert rows.dtype == torch.float32
    torch.testing.assert_close(rows.norm(dim=-1), torch.ones(4))
