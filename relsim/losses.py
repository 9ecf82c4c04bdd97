"""Losses for training encoders, as functions of tensors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def contrastive_loss(image: Tensor, text: Tensor, temperature: Tensor | float, labels: Tensor) -> Tensor:
    """Symmetric InfoNCE in which all pairs with the same label are positives of equal weight.

    image, text: (batch, dim), L2-normalised; labels: (batch,) integers, equal where the captions are.
    Returns a scalar, in nats. Raises ValueError if the shapes differ.
    Source: CLIP, arXiv:2103.00020, fig. 3; several positives as in SupCon, arXiv:2004.11362, eq. 2.
    """
    if image.shape != text.shape or len(labels) != len(image):
        raise ValueError(
            f"image {tuple(image.shape)}, text {tuple(text.shape)}, labels {tuple(labels.shape)} must match"
        )
    logits = image @ text.T / temperature  # (batch, batch)
    same = (labels[:, None] == labels[None, :]).to(logits.dtype)
    target = same / same.sum(1, keepdim=True)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def soft_contrastive_loss(first: Tensor, second: Tensor, temperature: Tensor | float, weights: Tensor) -> Tensor:
    """Symmetric InfoNCE with soft targets: the target of each row is distributed over all pairs by their weights.

    first, second: (batch, dim), L2-normalised; weights: (batch, batch), how much row i of the first and row j of the
    second belong together, every row and column with some. Returns a scalar, in nats.
    """
    logits = first @ second.T / temperature  # (batch, batch)
    target = weights / weights.sum(1, keepdim=True)
    back = weights.T / weights.T.sum(1, keepdim=True)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, back)) / 2


def bank_loss(image: Tensor, bank: Tensor, temperature: Tensor | float, labels: Tensor, bank_labels: Tensor) -> Tensor:
    """InfoNCE against a fixed bank of all texts instead of those of the batch; texts with equal labels are positives.

    image: (batch, dim) unit vectors, labels: (batch,); bank: (texts, dim) unit vectors, bank_labels: (texts,).
    Returns a scalar, in nats: the likelihood of hitting any positive, so that it may reach 0.
    """
    logits = image @ bank.T / temperature  # (batch, texts)
    same = labels[:, None] == bank_labels[None, :]
    return (logits.logsumexp(-1) - logits.masked_fill(~same, -torch.inf).logsumexp(-1)).mean()


def cosine_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """1 - mean cosine of matching rows; predicted, target: (batch, dim)."""
    return 1 - F.cosine_similarity(predicted, target, dim=-1).mean()


def spread_temperature(log_temperature: Tensor) -> Tensor:
    """The learnable temperature, clamped to [0.01, 1] (CLIP clamps the inverse at 100)."""
    return torch.exp(log_temperature).clamp(0.01, 1.0)
