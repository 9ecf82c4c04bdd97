"""Exponential moving average (EMA) of a model's weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


class WeightAverage(Generic[Model]):
    """The average of the weights that `model` has had; buffers, such as batch statistics, are copied.

    decay: of the average, [0, 1). Early steps use less, (step + 1) / (step + 10), so that the start is soon forgotten.
    """

    name = "averaged"  # in saved states

    def __init__(self, model: Model, decay: float) -> None:
        self.model, self.decay = model, decay
        self.averaged: Model = copy.deepcopy(model).requires_grad_(False)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after `step`."""
        decay = min(self.decay, (step + 1) / (step + 10))
        torch._foreach_lerp_(list(self.averaged.parameters()), list(self.model.parameters()), 1 - decay)
        for kept, new in zip(self.averaged.buffers(), self.model.buffers(), strict=True):
            kept.copy_(new)

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Inside the block the model itself holds the averaged weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for parameter, average in zip(self.model.parameters(), self.averaged.parameters(), strict=True):
            parameter.data, average.data = average.data, parameter.data

    def state_dict(self) -> dict[str, Any]:
        return self.averaged.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.averaged.load_state_dict(state_dict)
