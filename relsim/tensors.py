"""Reads weights from untrusted files: safetensors only, with one-line errors."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Reads the tensors of a .safetensors file. Raises ValueError with one line for a damaged file or a pickle with
    this suffix; no code in a file is ever executed."""
    try:
        return load_file(str(path))
    except Exception as error:  # safetensors raises a class of its own
        reason = " ".join(str(error).split())[:100]
        raise ValueError(f"{path}: is damaged ({reason}): fetch or save it again") from error
