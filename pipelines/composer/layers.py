"""Transformer parts that the composer's two models share."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from analogen.pipelines.composer.features import FIELDS, NUM_FEATURES, places
from analogen.pipelines.composer.readings import SEEN_FIELDS, ReadingBatch
from analogen.relsim.world.scene import MAX_ELEMENTS


class RelationTokens(nn.Module):
    """The relation as tokens for cross-attention: a two-layer projection, as IP-Adapter's FaceID form.

    relation: (B, relation_dim) -> (B, num_tokens, dim).
    """

    def __init__(self, relation_dim: int, dim: int, num_tokens: int) -> None:
        super().__init__()
        self.num_tokens = num_tokens
        self.proj = nn.Sequential(
            nn.Linear(relation_dim, 2 * relation_dim), nn.GELU(), nn.Linear(2 * relation_dim, num_tokens * dim)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, relation: Tensor) -> Tensor:
        # Unit vectors have entries of about 0.05: bring them to unit spread.
        tokens = self.proj(relation * math.sqrt(relation.shape[-1]))
        return self.norm(tokens.view(len(relation), self.num_tokens, -1))


class ReadTokens(NamedTuple):
    """The elements of readings as tokens. tokens: (B, n, dim); bias: (B, 1, 1, n), added to the attention's logits;
    scale: (B, 1, 1), 0 for rows that have none."""

    tokens: Tensor
    bias: Tensor
    scale: Tensor


class ReadingTokens(nn.Module):
    """The elements read from a reference as tokens for cross-attention, one each.

    They say what no caption does: counts, places, directions, shapes. Attention takes means, in which counts are lost:
    so each token also says the how-manyth of its kind it is, of how many, in which row and column (see `places`).
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.embed_features = nn.Linear(NUM_FEATURES + 2, dim)
        self.embed_fields = nn.ModuleDict({name: nn.Embedding(FIELDS[name], dim) for name in SEEN_FIELDS})
        places_of = [nn.Embedding(MAX_ELEMENTS, dim) for _ in range(5)]
        for embedding in places_of:
            nn.init.normal_(embedding.weight, std=0.1)
        self.embed_places = nn.ModuleList(places_of)
        self.mlp = nn.Sequential(nn.GELU(), nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
        self.norm = nn.LayerNorm(dim)

    def forward(self, readings: ReadingBatch) -> ReadTokens:
        loose = readings.looseness[:, None].expand_as(readings.sure)
        # Shares in [0, 1], brought to about unit spread as the features are.
        shares = torch.stack([4 * readings.sure - 3, 2 * loose - 1], -1)
        x = self.embed_features(torch.cat([readings.features, shares], -1))
        for column, name in enumerate(FIELDS):
            if name in SEEN_FIELDS:
                x = x + self.embed_fields[name](readings.tokens[..., column])
        place = places(readings.tokens, readings.mask)
        for column, embedding in enumerate(self.embed_places):
            x = x + embedding(place[..., column])
        there = readings.mask.any(1).to(x.dtype).view(-1, 1, 1)
        return ReadTokens(self.norm(self.mlp(x)), padding_bias(readings.mask), there)


class DecoupledAttention(nn.Module):
    """Self-attention plus `scale` times cross-attention to the relation tokens, one query for both.

    Scale 0 is self-attention alone. Source: IP-Adapter, arXiv:2308.06721, eq. 5. reads: a third term of the same kind
    for the elements of readings, which changes nothing before it is trained.
    """

    def __init__(self, dim: int, heads: int, reads: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.to_kv_relation = nn.Linear(dim, 2 * dim, bias=False)
        self.to_kv_reading = nn.Linear(dim, 2 * dim, bias=False) if reads else None
        if self.to_kv_reading is not None:
            nn.init.zeros_(self.to_kv_reading.weight[dim:])  # the values
        self.out = nn.Linear(dim, dim)

    def forward(
        self, x: Tensor, bias: Tensor, relation_tokens: Tensor, scale: Tensor, read: ReadTokens | None = None
    ) -> Tensor:
        """x: (B, n, dim); bias: (B, 1, n or 1, n) added to the logits; scale: (B, 1, 1)."""
        query, key, value = _heads(self.qkv(x), 3, self.heads)
        mixed = attend(query, key, value, bias)
        key, value = _heads(self.to_kv_relation(relation_tokens), 2, self.heads)
        mixed = mixed + scale[:, None] * attend(query, key, value, None)
        if read is not None and self.to_kv_reading is not None:
            key, value = _heads(self.to_kv_reading(read.tokens), 2, self.heads)
            mixed = mixed + read.scale[:, None] * attend(query, key, value, read.bias)
        return self.out(mixed.transpose(1, 2).flatten(2))


def _heads(x: Tensor, parts: int, heads: int) -> Tensor:
    """(B, T, parts * dim) -> (parts, B, nh, T, hs)"""
    batch, tokens, width = x.shape
    return x.reshape(batch, tokens, parts, heads, width // parts // heads).permute(2, 0, 3, 1, 4)


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    """Attention written out: for a few dozen tokens several times faster than the fused kernel on CPUs."""
    logits = (query @ key.transpose(-2, -1)) * query.shape[-1] ** -0.5
    # The bias is fp32 and lifts the logits to it: the weights go back to the model's own precision.
    return (logits if bias is None else logits + bias).softmax(-1).to(value.dtype) @ value


def padding_bias(mask: Tensor) -> Tensor:
    """(B, n) bool, True for real elements -> (B, 1, 1, n) to be added to attention logits."""
    return torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, -1e4)[:, None, None, :]


class Layer(nn.Module):
    """Pre-norm layer: decoupled attention and a feed-forward, optionally modulated (adaLN-single)."""

    def __init__(self, dim: int, heads: int, modulated: bool, reads: bool = False) -> None:
        super().__init__()
        self.attention = DecoupledAttention(dim, heads, reads)
        self.norm1, self.norm2 = (nn.LayerNorm(dim, elementwise_affine=not modulated) for _ in range(2))
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))
        # PixArt-alpha, arXiv:2310.00426, sec. 2.3: one shared modulation plus a table per layer.
        self.table = nn.Parameter(torch.randn(6, dim) / dim**0.5) if modulated else None

    def forward(
        self,
        x: Tensor,
        bias: Tensor,
        relation_tokens: Tensor,
        scale: Tensor,
        modulation: Tensor | None = None,
        read: ReadTokens | None = None,
    ) -> Tensor:
        """modulation: (B, 6, dim), from the timestep."""
        if self.table is None or modulation is None:
            x = x + self.attention(self.norm1(x), bias, relation_tokens, scale, read)
            return x + self.mlp(self.norm2(x))
        shift1, scale1, gate1, shift2, scale2, gate2 = (modulation + self.table)[:, :, None].unbind(1)  # (B, 1, dim)
        x = x + gate1 * self.attention(self.norm1(x) * (1 + scale1) + shift1, bias, relation_tokens, scale, read)
        return x + gate2 * self.mlp(self.norm2(x) * (1 + scale2) + shift2)


def sinusoidal(values: Tensor, dim: int) -> Tensor:
    """(B,) in [0, 1] -> (B, dim): sines and cosines of 1000 * values at frequencies from 1 down to 1/1000."""
    frequencies = torch.exp(-math.log(1000.0) * torch.arange(dim // 2, device=values.device) / (dim // 2))
    angles = 1000.0 * values.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], -1)


def row_scale(scale: float | Tensor, batch: int, like: Tensor) -> Tensor:
    """The relation scale as (B, 1, 1)."""
    value = torch.as_tensor(scale, device=like.device, dtype=like.dtype)
    return value.expand(batch).view(batch, 1, 1) if value.ndim == 0 else value.view(batch, 1, 1)


def unit(relation: Tensor) -> Tensor:
    return F.normalize(relation.float(), dim=-1)
