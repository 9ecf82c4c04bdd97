"""AdamW with weight decay on matrices only, and the cosine learning rate schedule of all trainings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

Decays = Callable[[str, nn.Parameter], bool]


def is_matrix(name: str, parameter: nn.Parameter) -> bool:
    """Whether weight decay acts on a parameter: on matrices and kernels, not on norms, biases and single vectors."""
    return parameter.ndim >= 2


def make_optimizer(
    model: nn.Module,
    lr: float,
    weight_decay: float,
    lr_shares: Mapping[str, float] | None = None,
    betas: tuple[float, float] = (0.9, 0.98),
    decays: Decays = is_matrix,
) -> torch.optim.AdamW:
    """AdamW over the parameters of `model` that require gradients.

    lr_shares: share of the learning rate for the parameters whose names start with a key; decays: which parameters
    are decayed, by name and parameter.
    """
    shares = lr_shares or {}
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            share = next((share for start, share in shares.items() if name.startswith(start)), 1.0)
            groups.setdefault((share, decays(name, parameter)), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": own, "weight_decay": weight_decay if decayed else 0.0, "lr": lr * share}
            for (share, decayed), own in sorted(groups.items(), key=lambda item: (-item[0][0], not item[0][1]))
        ],
        lr=lr, betas=betas,
    )  # fmt: skip


def cosine_schedule(step: int, steps: int, warmup: int) -> float:
    """The learning rate's factor, in (0, 1]: a linear warm-up, then a cosine down to 2 % of the peak."""
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


class CosineSchedule(LRScheduler):
    """`cosine_schedule` as torch's scheduler. Its whole state is the step, so a resumed one is exactly the same."""

    def __init__(self, optimizer: torch.optim.Optimizer, steps: int, warmup: int) -> None:
        self.steps, self.warmup = steps, warmup
        super().__init__(optimizer)

    def get_lr(self) -> list[float | torch.Tensor]:
        factor = cosine_schedule(self.last_epoch, self.steps, self.warmup)
        return [base_lr * factor for base_lr in self.base_lrs]

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.last_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.last_epoch = state_dict["step"]
        for group, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = lr
