"""The training loop that the encoder, the judges and the composer share: schedule, precision, averaging, resume."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from analogen.relsim.tensors import read_tensors

log = logging.getLogger(__name__)
Model = TypeVar("Model", bound=nn.Module)
LOG_EVERY = 50  # steps


@dataclass(frozen=True)
class LoopSettings:
    """What every training has. ema: decay of the averaged weights, which are what a training returns."""

    steps: int = 4000
    batch_size: int = 128
    lr: float = 1e-3
    weight_decay: float = 0.05
    warmup: int = 200
    ema: float = 0.999
    threads: int = 2
    device: str = "cpu"
    bf16: bool = True
    seed: int = 0
    save_every: int = 250


# Step and its generator -> the loss to minimise and what else the log shows, scalars by name.
StepLoss = Callable[[int, torch.Generator], tuple[Tensor, Mapping[str, Tensor]]]


def train_loop(
    model: Model,
    settings: LoopSettings,
    loss_of: StepLoss,
    state: Path | None = None,
    on_save: Callable[[Model], object] | None = None,
    lr_shares: Mapping[str, float] | None = None,
) -> Model:
    """Train `model` in place by AdamW; returns its exponential average, in eval mode.

    lr_shares: share of the learning rate for the parameters whose names start with a key.

    With `state`, saves there every `save_every` steps (then calls `on_save` with the average) and resumes from
    there exactly: batches and noise must hang on the step and the given generator alone.
    """
    model.train()
    averaged = copy.deepcopy(model).requires_grad_(False)
    optimizer = make_optimizer(model, settings.lr, settings.weight_decay, lr_shares)
    start = load_state(state, model, optimizer, averaged=averaged) if state else 0
    began = time.perf_counter()
    for step in range(start, settings.steps):
        set_lr(optimizer, settings.lr * cosine_schedule(step, settings.steps, settings.warmup))
        generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
        loss, shown = loss_of(step, generator)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        _average(averaged, model, min(settings.ema, (step + 1) / (step + 10)))
        if step % LOG_EVERY == 0:
            speed = (step - start + 1) * settings.batch_size / (time.perf_counter() - began)
            values = " ".join(f"{name} {value.item():.3f}" for name, value in {"loss": loss, **shown}.items())
            log.info("step %d %s, %.1f rows/s", step, values, speed)
        if state and (step + 1) % settings.save_every == 0:
            save_state(state, model, optimizer, step + 1, averaged=averaged)
            if on_save:
                on_save(averaged)
    return averaged.eval()


@torch.no_grad()
def _average(averaged: nn.Module, model: nn.Module, decay: float) -> None:
    torch._foreach_lerp_(list(averaged.parameters()), list(model.parameters()), 1 - decay)
    for kept, new in zip(averaged.buffers(), model.buffers(), strict=True):
        kept.copy_(new)


def autocast(device: torch.device, bf16: bool) -> Any:
    return torch.autocast(device.type, torch.bfloat16) if bf16 else nullcontext()


def make_optimizer(
    model: nn.Module, lr: float, weight_decay: float, lr_shares: Mapping[str, float] | None = None
) -> torch.optim.AdamW:
    """AdamW that decays matrices and kernels only, not norms, biases and embeddings of single vectors.

    lr_shares: as of `train_loop`.
    """
    shares = lr_shares or {}
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            share = next((share for start, share in shares.items() if name.startswith(start)), 1.0)
            groups.setdefault((share, parameter.ndim >= 2), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": own, "weight_decay": weight_decay if decays else 0.0, "share": share}
            for (share, decays), own in sorted(groups.items(), key=lambda item: (-item[0][0], not item[0][1]))
        ],
        lr=lr, betas=(0.9, 0.98),
    )  # fmt: skip


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr * group["share"]


def cosine_schedule(step: int, steps: int, warmup: int) -> float:
    """Linear warm-up, then a cosine to 2 % of the peak; a factor in (0, 1]."""
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def save_state(folder: Path, model: nn.Module, optimizer: torch.optim.AdamW, step: int, **more: nn.Module) -> None:
    """Everything that a resume needs, as one safetensors file that appears whole."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    for name, extra in more.items():
        tensors |= {f"{name}.{k}": v for k, v in extra.state_dict().items()}
    for index, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": v for k, v in slots.items()}
    temporary = folder / "state.tmp"
    save_file({k: v.contiguous().clone() for k, v in tensors.items()}, str(temporary), metadata={"step": str(step)})
    temporary.rename(folder / "state.safetensors")


def load_state(folder: Path, model: nn.Module, optimizer: torch.optim.AdamW, **more: nn.Module) -> int:
    """Restore `save_state`; returns the step to go on with, 0 if there is nothing saved."""
    path = folder / "state.safetensors"
    if not path.is_file():
        return 0
    tensors = read_tensors(path)
    with safe_open(str(path), "pt") as file:
        step = int(file.metadata()["step"])

    def part(name: str) -> dict[str, Tensor]:
        return {k[len(name) + 1 :]: v for k, v in tensors.items() if k.startswith(name + ".")}

    model.load_state_dict(part("model"))
    for name, extra in more.items():
        extra.load_state_dict(part(name))
    slots: dict[int, dict[str, Tensor]] = {}
    for key, value in part("optimizer").items():
        index, _, slot = key.partition(".")
        slots.setdefault(int(index), {})[slot] = value
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    return step
