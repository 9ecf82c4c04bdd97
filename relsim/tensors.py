"""Weights from files of anyone's: safetensors alone, and one line for whatever is none."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file. Raises ValueError with one line for a damaged one, or a pickle by that name;
    nothing in it is ever run."""
    try:
        return load_file(str(path))
    except Exception as error:  # safetensors raises a class of its own
        reason = " ".join(str(error).split())[:100]
        raise ValueError(f"{path}: is damaged ({reason}): fetch or save it again") from error
