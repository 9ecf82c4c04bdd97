"""Fine-tunes an adapter on a frozen base: joint batches over processes, checkpoints that resume, TensorBoard."""

from __future__ import annotations

import dataclasses
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from accelerate.utils import broadcast
from torch import nn

from analogen.relsim.data.batching import is_out_of_memory
from analogen.relsim.training.averaging import WeightAverage
from analogen.relsim.training.checkpoints import Checkpoints
from analogen.relsim.training.loop import Trainer, Values
from analogen.relsim.training.optimization import Decays, is_matrix, make_optimizer
from analogen.relsim.training.training_state import SafetensorsAccelerator, make_accelerator

log = logging.getLogger(__name__)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
BETAS = (0.9, 0.999)
Watch = Callable[[int, Mapping[str, float]], None]


@dataclass(frozen=True)
class FineTuningSettings:
    """Settings of every fine-tuning.

    base: folder or hub id ("org/name", "org/name@revision") of the frozen model. batch_size: rows of a step over all
    processes together, so that what is learned does not depend on their number. micro_batch: rows of one pass through
    the model: lower it when memory runs out, the gradient stays the same. keep: how many of the newest checkpoints
    stay, 0 for all. dtype: of the frozen base; what is trained is fp32.
    """

    base: str = ""
    output: str = ""
    steps: int = 1000
    batch_size: int = 64
    micro_batch: int = 8
    lr: float = 1e-4
    weight_decay: float = 0.01
    warmup: int = 30
    max_norm: float = 1.0  # of the gradient
    dtype: str = "bfloat16"
    gradient_checkpointing: bool = False
    seed: int = 0
    save_every: int = 250
    keep: int = 2
    log_every: int = 10

    def __post_init__(self) -> None:
        """Raises ValueError for values that no training can have."""
        self._require("base", "output")
        self._at_least(1, "steps", "batch_size", "micro_batch", "save_every", "log_every")
        self._at_least(0, "warmup", "keep", "seed", "weight_decay", "lr", "max_norm")
        if self.dtype not in DTYPES:
            raise ValueError(f"setting dtype={self.dtype!r} must be bfloat16 or float32")

    def _require(self, *names: str) -> None:
        for name in names:
            if not getattr(self, name):
                raise ValueError(f"setting {name} is missing: give it in the preset, or by --set {name}=...")

    def _at_least(self, least: int, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            if not least <= value < float("inf"):
                raise ValueError(f"setting {name}={value} must be {least} or more")

    def _shares(self, *names: str) -> None:
        for name in names:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"setting {name}={getattr(self, name)} must be from 0 to 1")


def accelerator_for(settings: FineTuningSettings, cpu: bool = False) -> SafetensorsAccelerator:
    """The accelerator of a fine-tuning, whose output and batch are checked. Raises ValueError, or ImportError if
    TensorBoard is missing."""
    output = Path(settings.output)
    if output.exists() and not output.is_dir():
        raise ValueError(f"{output}: is no folder: name a folder for the training's saves")
    accelerator = make_accelerator(cpu, logs=output)
    if settings.batch_size % accelerator.num_processes:
        raise ValueError(
            f"batch_size={settings.batch_size} rows cannot be shared by {accelerator.num_processes} processes: "
            "give a multiple"
        )
    return accelerator


class FineTuning(ABC):
    """A fine-tuning, ready to run, new or resumed. Subclasses say which gradients a step leaves and what a checkpoint
    is.

    parameters: what is trained, by name; their order is that of the optimizer in saved states. decays: which of them
    have weight decay. ema: decay of averaged weights, None for none.
    """

    data_setting: ClassVar[str]  # the settings that name the rows and the size of pictures, for messages
    size_setting: ClassVar[str]

    def __init__(
        self, settings: FineTuningSettings, accelerator: SafetensorsAccelerator, checkpoints: Checkpoints,
        parameters: Mapping[str, nn.Parameter], decays: Decays = is_matrix, ema: float | None = None,
    ) -> None:  # fmt: skip
        self.settings, self.accelerator, self.checkpoints = settings, accelerator, checkpoints
        self.trained = dict(parameters)
        module = nn.ParameterDict()
        for name, parameter in parameters.items():
            broadcast(parameter.data)  # drawn from one seed, but different devices may draw differently
            parameter.requires_grad_(True)
            module[name.replace(".", "/")] = parameter  # names of submodules may not hold dots
        self.trainer = Trainer(
            accelerator, module, make_optimizer(module, settings.lr, settings.weight_decay, None, BETAS, decays),
            steps=settings.steps, warmup=settings.warmup, max_norm=settings.max_norm, ema=ema,
        )  # fmt: skip
        newest = checkpoints.newest()
        if newest is not None:
            self.trainer.resume(newest)
        self._check_agreement()

    @property
    def average(self) -> WeightAverage[nn.ParameterDict]:
        """The averaged weights, of a training that has `ema`."""
        assert self.trainer.average is not None
        return self.trainer.average

    @abstractmethod
    def backward(self, step: int) -> Values:
        """Leave this process's gradients; returns the joint batch's `loss` and what else the log shows."""

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write the checkpoint into a new folder. Raises OSError."""

    @abstractmethod
    def card(self, record: Mapping[str, Any]) -> str:
        """The text of a checkpoint's README.md. record: what its training.json holds."""

    @abstractmethod
    def train_mode(self) -> AbstractContextManager[object]:
        """A context in which the model is ready for `backward`."""

    def after_step(self, step: int) -> None:  # noqa: B027  # most have nothing to do
        """Called after each step, when it is logged and saved."""

    def run(self, watch: Watch | None = None) -> Path:
        """Train to the end; returns the folder of the last checkpoint. watch: called with each step and its values.

        Raises FloatingPointError if the loss is no longer a number, MemoryError if a pass does not fit, OSError if
        pictures or output are gone. What was saved is kept, and the same call goes on from there.
        """
        settings, accelerator, trainer = self.settings, self.accelerator, self.trainer
        if trainer.start >= settings.steps and trainer.last is not None:
            return trainer.last
        accelerator.init_trackers("logs", dataclasses.asdict(settings))
        with ExitStack() as stack:
            stack.callback(accelerator.end_training)
            stack.enter_context(self.train_mode())
            trainer.run(
                self._backward, batch_size=settings.batch_size, on_step=watch, log_every=settings.log_every,
                on_log=self._log, save_every=settings.save_every, on_save=self._save, after_step=self.after_step,
            )  # fmt: skip
        assert trainer.last is not None
        return trainer.last

    def _check_agreement(self) -> None:
        """Raises ValueError if machines do not see the same rows and output."""
        own = torch.tensor(
            [self.trainer.start, int(self.checkpoints.facts["data"][:7], 16)], device=self.accelerator.device
        )
        everyone = self.accelerator.gather(own).view(-1, 2)
        differ = (everyone != everyone[0]).any(0).tolist()
        for name, differs in zip(("output", self.data_setting), differ, strict=True):
            if differs:
                given = getattr(self.settings, name)
                raise ValueError(f"{name} {given}: differs between processes: put it where all machines see the same")

    def _backward(self, step: int) -> Values:
        try:
            return self.backward(step)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            now = self.settings.micro_batch
            raise MemoryError(
                f"a pass of {now} rows does not fit in memory: lower micro_batch, the gradient stays the same"
                if now > 1
                else "a pass of one row does not fit in memory: set gradient_checkpointing=true or a smaller "
                f"{self.size_setting}"
            ) from error

    def _log(self, step: int, values: Values) -> None:
        self.accelerator.log({f"train/{name}": value for name, value in values.items()}, step=step)
        if self.accelerator.is_main_process:
            log.info("step %d %s", step, " ".join(f"{name} {value:.5g}" for name, value in values.items()))

    def _save(self, step: int, values: Values) -> Path:
        if self.accelerator.is_main_process:
            self.checkpoints.write(step, self.accelerator, values, self.write, self.card)
        self.accelerator.wait_for_everyone()
        return self.checkpoints.folder / f"step-{step:06d}"
