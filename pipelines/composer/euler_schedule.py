"""The steps of rectified flow by Euler's method, as far as the composer needs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch import Tensor

CONFIG_FILE = "scheduler_config.json"
# Settings of diffusers' class that change the steps, with the only value of each that is known here.
_FIXED = {
    "invert_sigmas": False, "shift_terminal": None, "stochastic_sampling": False, "use_beta_sigmas": False,
    "use_dynamic_shifting": False, "use_exponential_sigmas": False, "use_karras_sigmas": False,
}  # fmt: skip


class Scheduler(Protocol):
    """What sampling needs of a scheduler: the interface of diffusers' flow matching schedulers."""

    timesteps: Tensor
    config: Any

    def set_timesteps(self, num_inference_steps: int, device: torch.device) -> None: ...

    def step(self, model_output: Tensor, timestep: Any, sample: Tensor, *, return_dict: bool) -> Any: ...


class EulerSchedule:
    """Euler steps over evenly spaced noise levels, the same numbers as diffusers' `FlowMatchEulerDiscreteScheduler`.

    Saved pipelines hold that class's scheduler_config.json, which this one reads. num_train_timesteps: the time 1 in
    the units of `timesteps`; shift: above 1 for more steps at high noise, arXiv:2403.03206, eq. 23.
    """

    timesteps: Tensor  # (steps,), falling
    sigmas: Tensor  # (steps + 1,), noise levels in [0, 1], the last 0

    def __init__(self, num_train_timesteps: int = 1000, shift: float = 1.0) -> None:
        self.config: dict[str, Any] = {"num_train_timesteps": num_train_timesteps, "shift": shift}
        self._index = 0

    @classmethod
    def from_pretrained(cls, folder: str | Path, subfolder: str = "") -> Self:
        """Raises ValueError with one line for a file that is missing or damaged, and for another kind of steps."""
        file = Path(folder, subfolder, CONFIG_FILE)
        try:
            stored = json.loads(file.read_text())
            found = cls(int(stored.get("num_train_timesteps", 1000)), float(stored.get("shift", 1.0)))
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"{file}: holds no settings of a scheduler ({error})") from error
        for name, value in _FIXED.items():
            if stored.get(name, value) != value:
                raise ValueError(f"{file}: {name} is {stored[name]!r}, expected {value!r}: take `ComposerPipeline`")
        return found

    def set_timesteps(self, num_inference_steps: int, device: torch.device) -> None:
        count, shift = self.config["num_train_timesteps"], self.config["shift"]
        ends = torch.tensor([count, 1], dtype=torch.float32) / count
        ends = shift * ends / (1 + (shift - 1) * ends)
        sigmas = np.linspace(ends[0].item() * count, ends[1].item() * count, num_inference_steps) / count
        sigmas = shift * sigmas / (1 + (shift - 1) * sigmas)
        levels = torch.from_numpy(sigmas).to(dtype=torch.float32, device=device)
        self.timesteps = levels * count
        self.sigmas = torch.cat([levels, torch.zeros(1, device=device)])
        self._index = 0

    def step(self, model_output: Tensor, timestep: Any, sample: Tensor, *, return_dict: bool = False) -> tuple[Tensor]:
        """The sample at the next noise level. model_output: its velocity, noise minus clean. Steps count themselves:
        timestep and return_dict are there for the interface alone."""
        length = self.sigmas[self._index + 1] - self.sigmas[self._index]
        self._index += 1
        return ((sample.to(torch.float32) + length * model_output).to(model_output.dtype),)
