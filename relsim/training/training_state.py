"""Saves and restores the training state (model, optimizer, step) with Accelerate: as safetensors, never as pickle."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, is_initialized
from accelerate.utils import DataLoaderConfiguration, GradientAccumulationPlugin
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from analogen.relsim.tensors import read_tensors

STATE = "state.safetensors"


class SafetensorsAccelerator(Accelerator):  # type: ignore[misc]  # accelerate is untyped
    """An `Accelerator` whose `save_state` writes one safetensors file, and whose `load_state` reads nothing else.

    Accelerate itself pickles optimizer, schedule and random states. Here the file holds the tensors of the one
    prepared model ("model."), of the objects that are registered for checkpointing ("averaged.") and of the optimizer
    ("optimizer.0.exp_avg"), and the step as metadata. Settings of the optimizer are those of the code that resumes;
    random states are not saved, since everything random in a training depends on the seed and the step alone.
    """

    def save_state(self, output_dir: str | Path) -> None:
        """Write state.safetensors, which appears whole, in the main process. Raises OSError."""
        if not self.is_main_process:
            return
        tensors = {
            f"{part}.{name}": tensor for part, own in self._parts().items() for name, tensor in own.state_dict().items()
        }
        for index, slots in self._optimizers[0].state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{slot}": tensor for slot, tensor in slots.items()}
        step = self._schedulers[0].state_dict()["step"]
        folder = Path(output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / "state.tmp"
        copies = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
        save_file(copies, str(temporary), metadata={"step": str(step)})
        temporary.rename(folder / STATE)

    def load_state(self, input_dir: str | Path) -> int:
        """Restore what `save_state` wrote, exactly; returns the step to go on with, 0 if there is nothing saved.

        Raises ValueError with one line for a damaged file and for the state of another model.
        """
        path = Path(input_dir) / STATE
        if not path.is_file():
            return 0
        tensors = read_tensors(path)
        with safe_open(str(path), "pt") as file:
            step = (file.metadata() or {}).get("step", "")
        if not step.isdigit():
            raise ValueError(f"{path}: holds no step of a training: remove it, or name another output")
        optimizer = self._optimizers[0]
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in _below("optimizer", tensors).items():
            index, _, slot = key.partition(".")
            slots.setdefault(int(index), {})[slot] = value
        try:
            for part, own in self._parts().items():
                own.load_state_dict(_below(part, tensors))
            optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:160]
            raise ValueError(
                f"{path}: is the state of another model ({reason}): remove it, or name another output"
            ) from error
        self._schedulers[0].load_state_dict({"step": int(step)})
        return int(step)

    def _parts(self) -> dict[str, Any]:
        (model,) = self._models
        return {"model": model, **{own.name: own for own in self._custom_objects}}


def _below(part: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key[len(part) + 1 :]: tensor for key, tensor in tensors.items() if key.startswith(part + ".")}


def make_accelerator(cpu: bool = False, logs: Path | None = None) -> SafetensorsAccelerator:
    """An accelerator with the settings that all trainings share. logs: the folder in whose logs/ TensorBoard's are.

    Precision and accumulation are the training's own and not the launcher's, or a resumed run could differ; models
    stay on the device where the training has put them. Raises ImportError if TensorBoard is wanted and missing.
    """
    if logs is not None and importlib.util.find_spec("tensorboard") is None:
        raise ImportError('training writes logs for TensorBoard: pip install "analogen[train]"')
    return SafetensorsAccelerator(
        mixed_precision="no", cpu=cpu, device_placement=False,
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
        # All processes share one batch: the schedule moves one step at a time, however many there are.
        dataloader_config=DataLoaderConfiguration(split_batches=True),
        log_with=None if logs is None else "tensorboard", project_dir=logs,
    )  # fmt: skip


@contextmanager
def own_accelerator(device: torch.device) -> Iterator[SafetensorsAccelerator]:
    """An accelerator for a training on `device` in one process. Accelerate keeps its state, with one device, for the
    whole program; it is left as it was found. Raises ValueError if a launcher has started several processes."""
    found = is_initialized()
    try:
        accelerator = make_accelerator(cpu=device.type == "cpu" and not found)
        if accelerator.num_processes > 1:
            raise ValueError(
                f"this training runs in one process, not in {accelerator.num_processes}: start it without a launcher"
            )
        yield accelerator
    finally:
        if not found:
            AcceleratorState._reset_state(reset_partial_state=True)
