"""The peak rates of this machine: multiplications in a matrix product, and bytes in a copy."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
import torch


class Peaks(NamedTuple):
    """flops: fp32 operations per second of all torch threads; bytes_per_second: read and written together."""

    flops: float
    bytes_per_second: float


def measure(side: int = 1536, megabytes: int = 128, repeats: int = 5) -> Peaks:
    """Measure the peak rates, as the best of several repeats."""
    left, right = torch.rand(side, side), torch.rand(side, side)
    source = np.ones(megabytes << 17, np.float64)
    target = np.empty_like(source)
    flops = rate = 0.0
    for _ in range(repeats + 1):
        started = time.perf_counter()
        left @ right
        flops = max(flops, 2 * side**3 / (time.perf_counter() - started))
        started = time.perf_counter()
        np.copyto(target, source)
        rate = max(rate, 2 * source.nbytes / (time.perf_counter() - started))
    return Peaks(flops, rate)
