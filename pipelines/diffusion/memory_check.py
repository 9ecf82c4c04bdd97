"""Checks memory and disk before a model is downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from huggingface_hub import constants

from analogen.pipelines.diffusion.device_placement import RESERVE_BYTES
from analogen.pipelines.diffusion.runtime import RuntimeOptions
from analogen.relsim.hub import is_cached

GB = 10**9
_STORED_BYTES = 2  # per parameter: the hub holds half precision
_QUANTIZED_BYTES = {"8bit": 1.0, "4bit": 0.55}


def check_memory(
    parts: Sequence[tuple[str, float]], base: str, device: torch.device, dtype: torch.dtype, runtime: RuntimeOptions
) -> None:
    """Check that a model can run here. parts: millions of parameters by component; empty where they are not known, and
    nothing is checked.

    Raises ValueError, naming what would fit, if the largest component does not fit on the device, all of them do not
    fit in memory, or the download does not fit on the disk.
    """
    if not parts:
        return
    each = dtype.itemsize
    largest, all_ = max(millions for _, millions in parts), sum(millions for _, millions in parts)
    if device.type == "cuda" and runtime.cpu_offload != "sequential":
        total = torch.cuda.get_device_properties(device).total_memory
        needed = largest * 1e6 * _QUANTIZED_BYTES.get(runtime.quantize or "", each) + RESERVE_BYTES
        if needed > total:
            options = [
                flag
                for flag, bytes_each in (("--dtype bfloat16", 2), ("--quantize 8bit", 1.0), ("--quantize 4bit", 0.55))
                if bytes_each < each and largest * 1e6 * bytes_each + RESERVE_BYTES <= total
            ]
            raise ValueError(
                f"{base}: its largest part needs {needed / GB:.1f} GB on the device, which has {total / GB:.1f}: try "
                f"{' or '.join([*options, '--cpu-offload sequential'])}"
            )
    memory = _memory_bytes()
    if memory is not None and runtime.quantize is None and all_ * 1e6 * each > memory:
        smaller = " try --dtype bfloat16, or" if each > 2 and all_ * 1e6 * 2 <= memory else ""
        raise ValueError(
            f"{base}: its weights need {all_ * 1e6 * each / GB:.1f} GB of memory and this machine has "
            f"{memory / GB:.1f}:{smaller} name a smaller model of `analogen models`"
        )
    if not is_cached(base):
        folder = Path(constants.HF_HUB_CACHE)
        while not folder.exists():
            folder = folder.parent
        free, needed = shutil.disk_usage(folder).free, all_ * 1e6 * _STORED_BYTES
        if needed > free:
            raise ValueError(
                f"{base}: is a download of {needed / GB:.1f} GB, and {folder} has {free / GB:.1f} GB free: make room, "
                "or set HF_HOME to another disk"
            )


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):  # not every system tells
        return None
