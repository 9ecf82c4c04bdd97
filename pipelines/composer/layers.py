"""Transformer parts that the composer's two models share."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from analogen.relsim.mini.model import Head


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


class Plus(NamedTuple):
    """What the reference's patches add to a relation. tokens: (B, K, dim); scale: (B, 1, 1), 0 where a row has none."""

    tokens: Tensor
    scale: Tensor


class PlusTokens(nn.Module):
    """The reference's patches as a few tokens, for what no caption says: counts, directions, shapes.

    Attention pooling as in the encoder's own heads, so that it can start as one of them: the place of the resampler of
    IP-Adapter Plus, arXiv:2308.06721.
    """

    QUERIES = 8

    def __init__(self, patch_dim: int, dim: int, num_tokens: int) -> None:
        super().__init__()
        self.num_tokens = num_tokens
        self.pool = Head(patch_dim, num_tokens * dim, self.QUERIES)
        self.norm = nn.LayerNorm(dim)

    @torch.no_grad()
    def start_from(self, head: Head) -> None:
        """Look at the patches as a trained head of the encoder does: its queries are the first of these."""
        known, queries = self.pool, len(head.query)
        known.norm.load_state_dict(head.norm.state_dict())
        known.key.load_state_dict(head.key.state_dict())
        known.query[:queries] = head.query
        for own, given in zip(known.mlp[0].parameters(), head.mlp[0].parameters(), strict=True):
            own[..., : given.shape[-1]] = given

    def forward(self, patches: Tensor, scale: Tensor) -> Plus:
        """patches: (B, P, patch_dim), all zero in rows that have none; scale: (B, 1, 1) of the relation."""
        tokens = self.pool(patches).to(patches.dtype).view(len(patches), self.num_tokens, -1)
        there = patches.ne(0).flatten(1).any(1).view(-1, 1, 1)
        return Plus(self.norm(tokens), scale * there)


class DecoupledAttention(nn.Module):
    """Self-attention plus `scale` times cross-attention to the relation tokens, one query for both.

    Scale 0 is self-attention alone. Source: IP-Adapter, arXiv:2308.06721, eq. 5. plus: a third term of the same kind
    for the tokens of the reference's patches, which changes nothing before it is trained.
    """

    def __init__(self, dim: int, heads: int, plus: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.to_kv_relation = nn.Linear(dim, 2 * dim, bias=False)
        self.to_kv_plus = nn.Linear(dim, 2 * dim, bias=False) if plus else None
        if self.to_kv_plus is not None:
            nn.init.zeros_(self.to_kv_plus.weight[dim:])  # the values
        self.out = nn.Linear(dim, dim)

    def forward(
        self, x: Tensor, bias: Tensor, relation_tokens: Tensor, scale: Tensor, plus: Plus | None = None
    ) -> Tensor:
        """x: (B, n, dim); bias: (B, 1, n or 1, n) added to the logits; scale: (B, 1, 1)."""
        query, key, value = _heads(self.qkv(x), 3, self.heads)
        mixed = attend(query, key, value, bias)
        key, value = _heads(self.to_kv_relation(relation_tokens), 2, self.heads)
        mixed = mixed + scale[:, None] * attend(query, key, value, None)
        if plus is not None and self.to_kv_plus is not None:
            key, value = _heads(self.to_kv_plus(plus.tokens), 2, self.heads)
            mixed = mixed + plus.scale[:, None] * attend(query, key, value, None)
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

    def __init__(self, dim: int, heads: int, modulated: bool, plus: bool = False) -> None:
        super().__init__()
        self.attention = DecoupledAttention(dim, heads, plus)
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
        plus: Plus | None = None,
    ) -> Tensor:
        """modulation: (B, 6, dim), from the timestep."""
        if self.table is None or modulation is None:
            x = x + self.attention(self.norm1(x), bias, relation_tokens, scale, plus)
            return x + self.mlp(self.norm2(x))
        shift1, scale1, gate1, shift2, scale2, gate2 = (modulation + self.table)[:, :, None].unbind(1)  # (B, 1, dim)
        x = x + gate1 * self.attention(self.norm1(x) * (1 + scale1) + shift1, bias, relation_tokens, scale, plus)
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
