"""What this machine reaches at most, measured in the run: multiplications by a product of matrices, bytes by a copy."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
import torch


class Peaks(NamedTuple):
    """flops: fp32, of all threads that torch uses. bytes_per_second: read and written."""

    flops: float
    bytes_per_second: float


def measure(side: int = 1536, megabytes: int = 128, repeats: int = 5) -> Peaks:
    """The best of some repeats: a peak is what was reached once."""
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
