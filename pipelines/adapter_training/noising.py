"""Computes noised latents, timesteps and targets for training a denoiser, by the pipeline's own scheduler."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from torch import Tensor


class NoisedLatents(NamedTuple):
    """sample, target: (B, channels, height, width); timestep: (B,), in [0, 1000] whatever the denoiser is told."""

    sample: Tensor
    timestep: Tensor
    target: Tensor


class Noising:
    """Adds noise to latents and gives the target: noise, velocity, sample or flow, as the pipeline's scheduler expects.

    Raises ValueError for a scheduler with another target.
    """

    def __init__(self, scheduler: Any) -> None:
        self.is_flow = isinstance(scheduler, FlowMatchEulerDiscreteScheduler)
        self.config = scheduler.config
        if self.is_flow:
            return
        self.prediction = self.config.get("prediction_type")
        if self.prediction not in ("epsilon", "v_prediction", "sample"):
            raise ValueError(
                f"{type(scheduler).__name__}: its prediction_type is {self.prediction!r}: expected epsilon, "
                "v_prediction or sample, or a flow-matching scheduler"
            )
        self._ddpm: Any = DDPMScheduler.from_config(self.config)

    def __call__(self, clean: Tensor, tokens: int, generators: Sequence[torch.Generator]) -> NoisedLatents:
        """clean: (B, channels, height, width) scaled latents. tokens: of one picture in the denoiser, which some flow
        schedulers shift by. generators: of the CPU, one for all rows, or one for each, so that a row is noised the same
        in whatever batch and on whatever device."""
        each = list(generators) if len(generators) > 1 else None
        count = len(clean)

        def normal(*shape: int) -> Tensor:
            if each is None:
                return torch.randn(count, *shape, generator=generators[0])
            return torch.stack([torch.randn(shape, generator=generator) for generator in each])

        noise = normal(*clean.shape[1:]).to(clean)
        if self.is_flow:
            sigma = self._sigma(normal(), tokens).to(clean)
            wide = sigma.view(-1, 1, 1, 1)
            return NoisedLatents((1 - wide) * clean + wide * noise, sigma * 1000, noise - clean)
        # Uniform, from the normal: one kind of draw serves both.
        uniform = 0.5 * (1 + torch.erf(normal() / math.sqrt(2)))
        last = self._ddpm.config.num_train_timesteps - 1
        timestep = (uniform * (last + 1)).long().clamp(max=last).to(clean.device)
        sample = self._ddpm.add_noise(clean, noise, timestep)
        if self.prediction == "v_prediction":
            target = self._ddpm.get_velocity(clean, noise, timestep)
        else:
            target = noise if self.prediction == "epsilon" else clean
        return NoisedLatents(sample, timestep, target)

    def _sigma(self, normal: Tensor, tokens: int) -> Tensor:
        """Logit-normal moments, arXiv:2403.03206, section 3.1, then shifted as sampling will shift them."""
        sigma = normal.sigmoid()
        if self.config.get("use_dynamic_shifting"):
            low, high = self.config.base_image_seq_len, self.config.max_image_seq_len
            part = (tokens - low) / (high - low)
            shift = math.exp(self.config.base_shift + part * (self.config.max_shift - self.config.base_shift))
        else:
            shift = self.config.shift
        return shift * sigma / (1 + (shift - 1) * sigma)
