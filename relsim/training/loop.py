"""The training loop of all networks and adapters: schedule, clipping, averaging, logs, saves and exact resumes.

`Trainer` is the loop, on accelerate. `train_loop` calls it for networks that are trained whole in one process;
`fine_tuning.FineTuning` for adapters on a frozen base, in any number of processes.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from analogen.relsim.training.averaging import WeightAverage
from analogen.relsim.training.joint_batches import sum_gradients
from analogen.relsim.training.optimization import CosineSchedule, make_optimizer
from analogen.relsim.training.training_state import SafetensorsAccelerator, own_accelerator

log = logging.getLogger(__name__)
Model = TypeVar("Model", bound=nn.Module)
LOG_EVERY = 50  # steps

Values = dict[str, Any]  # scalars by name, floats or tensors
Backward = Callable[[int], Values]  # step -> its `loss` and what else the log shows; leaves this process's gradients


class Trainer(Generic[Model]):
    """Trains `model` in place by gradients that the caller leaves, one step after another.

    A step is: `backward`, the sum of the gradients of all processes, clipping to `max_norm`, the optimizer, the
    average. ema: decay of the averaged weights, None for no average. Gradients of several passes are accumulated
    inside `backward`; they are summed over processes once, in one message, which DistributedDataParallel's wrapper
    could not do for the two passes of `joint_batches.backward_contrastive`.
    """

    def __init__(
        self, accelerator: SafetensorsAccelerator, model: Model, optimizer: torch.optim.Optimizer, *, steps: int,
        warmup: int, max_norm: float, ema: float | None = None,
    ) -> None:  # fmt: skip
        self.accelerator, self.model, self.steps, self.max_norm = accelerator, model, steps, max_norm
        accelerator.prepare_model(model, evaluation_mode=True)  # without the wrapper for several processes
        self.average = None if ema is None else WeightAverage(model, ema)
        if self.average is not None:
            accelerator.register_for_checkpointing(self.average)
        self.optimizer, self.scheduler = accelerator.prepare(optimizer, CosineSchedule(optimizer, steps, warmup))
        self.start = 0
        self.last: Path | None = None

    def resume(self, folder: Path) -> None:
        """Go on from the state in `folder`, if there is one. Raises ValueError if it is of another model."""
        self.start = self.accelerator.load_state(folder)
        self.last = folder if self.start else None

    def run(
        self, backward: Backward, *, batch_size: int, log_every: int, on_log: Callable[[int, Values], None],
        save_every: int, on_save: Callable[[int, Values], Path | None],
        on_step: Callable[[int, Values], None] | None = None, after_step: Callable[[int], None] | None = None,
        check_every: int = 1,
    ) -> None:  # fmt: skip
        """Train to the end. The last step is always logged and saved.

        on_step: called after each step with its values; on_log: with `rows_per_second` among them; on_save: with the
        number of steps that are done, returns the folder that it wrote; after_step: called when a step is logged and
        saved. check_every: steps between checks that loss and gradient are finite, each of which waits for the
        device. Raises FloatingPointError if they are not.
        """
        parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        since = time.perf_counter(), self.start
        for step in range(self.start, self.steps):
            self.optimizer.zero_grad(set_to_none=True)
            values = backward(step)
            sum_gradients(self.accelerator, parameters)
            values["gradient"] = self.accelerator.clip_grad_norm_(parameters, self.max_norm)
            ends = step + 1 == self.steps
            logs, saves = ends or step % log_every == 0, ends or (step + 1) % save_every == 0
            if step % check_every == 0 or saves:
                values["gradient"] = float(values["gradient"])
                if not math.isfinite(float(values["loss"]) + values["gradient"]):
                    raise FloatingPointError(
                        f"the loss is no longer a number in step {step}: lower lr, or go on from {self.last or 'anew'}"
                    )
            self.optimizer.step()
            self.scheduler.step()
            if self.average is not None:
                self.average.update(step)
            if on_step is not None:
                on_step(step, values)
            if logs:
                now = time.perf_counter(), step + 1
                values["rows_per_second"] = (now[1] - since[1]) * batch_size / (now[0] - since[0])
                since = now
                on_log(step, values)
            if saves:
                self.last = on_save(step + 1, values) or self.last
            if after_step is not None:
                after_step(step)
        self.start = self.steps


@dataclass(frozen=True)
class LoopSettings:
    """Settings of every network that is trained whole. ema: decay of the averaged weights, which are what a training
    returns; device: "cpu", "cuda" ...; save_every: steps between saves of the state."""

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

    With `state`, a folder, saves there every `save_every` steps (then calls `on_save` with the average) and resumes
    from there exactly: batches and noise must depend on the step and the given generator alone. Raises ValueError if
    `state` is of another model, or if it was launched in several processes.
    """
    model.train()
    optimizer = make_optimizer(model, settings.lr, settings.weight_decay, lr_shares)
    with own_accelerator(torch.device(settings.device)) as accelerator:
        trainer = Trainer(
            accelerator, model, optimizer, steps=settings.steps, warmup=settings.warmup, max_norm=1.0,
            ema=settings.ema,
        )  # fmt: skip
        assert trainer.average is not None
        averaged = trainer.average.averaged
        if state is not None:
            trainer.resume(state)

        def backward(step: int) -> Values:
            loss, shown = loss_of(step, torch.Generator().manual_seed(settings.seed * 1_000_003 + step))
            accelerator.backward(loss)
            return {"loss": loss.detach(), **shown}

        def save(step: int, values: Values) -> Path | None:
            if state is not None:
                accelerator.save_state(state)
                if on_save:
                    on_save(averaged)
            return state

        trainer.run(
            backward, batch_size=settings.batch_size, log_every=LOG_EVERY, on_log=_log, check_every=LOG_EVERY,
            save_every=settings.save_every, on_save=save,
        )  # fmt: skip
    return averaged.eval()


def _log(step: int, values: Values) -> None:
    shown = " ".join(
        f"{name} {value.item():.3f}" for name, value in values.items() if name not in ("gradient", "rows_per_second")
    )
    log.info("step %d %s, %.1f rows/s", step, shown, values["rows_per_second"])


def autocast(device: torch.device, bf16: bool) -> Any:
    """A context in which the passes of a model are in bfloat16, or nothing changes."""
    return torch.autocast(device.type, torch.bfloat16) if bf16 else nullcontext()
