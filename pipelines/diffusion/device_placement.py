"""Moves each model to the device when it runs, and offloads the one that was used least recently.

A vision-language model, text encoders, a denoiser and an autoencoder share the device. Nothing moves while all of them
fit. A batch that goes through its stages one by one therefore moves each model once, not once per image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from accelerate.hooks import ModelHook, add_hook_to_module
from torch import nn

RESERVE_BYTES = 3 * 2**30  # what a running model needs beside its weights, as diffusers' own manager reserves


class DevicePlacement:
    """Models that share one device. `moves` counts how often each was moved there.

    limit_bytes: bytes of weights that may be on the device together; 0 keeps one model at a time, None has no limit.
    """

    def __init__(self, device: str | torch.device, limit_bytes: int | None = None) -> None:
        self.device = torch.device(device)
        self.limit_bytes = limit_bytes
        self.moves: Counter[str] = Counter()
        self._models: dict[str, nn.Module] = {}
        self._sizes: dict[str, int] = {}
        self._on_device: dict[str, None] = {}  # as an ordered set: the one that ran longest ago comes first

    def add(self, name: str, model: nn.Module) -> None:
        """Manage a model: from now on its own calls move it to the device; for other uses call `to_device`.

        Raises ValueError if another model has the name.
        """
        if name in self._models:
            if self._models[name] is not model:
                raise ValueError(f"another model is already called {name!r}")
            return
        self._models[name], self._sizes[name] = model, size_bytes(model)
        if self.device.type != "cpu" and _device_of(model).type == self.device.type:
            self._on_device[name] = None  # loaded straight to the device
        add_hook_to_module(model, _ToDeviceHook(self, name), append=True)

    def add_pipeline(self, components: Mapping[str, Any]) -> None:
        """Manage all models of a pipeline."""
        for name, component in components.items():
            if isinstance(component, nn.Module):
                self.add(name, component)

    def to_device(self, name: str) -> None:
        """Move the model to the device if it is not there; others are offloaded if there is no room."""
        if name in self._on_device:
            self._on_device[name] = self._on_device.pop(name)
            return
        needed = self._sizes[name]
        if self.limit_bytes is not None:
            while self._on_device and needed + sum(self._sizes[other] for other in self._on_device) > self.limit_bytes:
                self._offload(next(iter(self._on_device)))
        self._models[name].to(self.device)
        self._on_device[name] = None
        self.moves[name] += 1

    def keep_one_model(self) -> bool:
        """From now on keep one model at a time, after memory has run out. Returns False if that was so already."""
        if self.limit_bytes == 0 or len(self._models) < 2:
            return False
        self.limit_bytes = 0
        while len(self._on_device) > 1:
            self._offload(next(iter(self._on_device)))
        return True

    def _offload(self, name: str) -> None:
        del self._on_device[name]
        self._models[name].to("cpu")
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


class _ToDeviceHook(ModelHook):  # type: ignore[misc]
    """Moves a model to the device before it runs. diffusers reads `execution_device`, and calls `pre_forward` before
    encode and decode of autoencoders as well."""

    def __init__(self, placement: DevicePlacement, name: str) -> None:
        self.placement, self.name = placement, name
        self.execution_device = placement.device

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        self.placement.to_device(self.name)
        return args, kwargs


def weight_budget_bytes(device: str | torch.device) -> int | None:
    """Bytes of weights that fit on a device beside what a running model needs; None where nothing has to move."""
    device = torch.device(device)
    if device.type != "cuda":
        return None  # a CPU's memory and Apple's are the same memory for all
    free, _ = torch.cuda.mem_get_info(device)
    return max(0, free + torch.cuda.memory_reserved(device) - RESERVE_BYTES)


def size_bytes(model: nn.Module) -> int:
    """Size of a model's parameters and buffers in bytes."""
    tensors = [*model.parameters(), *model.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _device_of(model: nn.Module) -> torch.device:
    first = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device
