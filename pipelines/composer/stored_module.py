"""Torch modules that are stored in the files of diffusers' models, and need no diffusers to load."""

from __future__ import annotations

import inspect
import json
import logging
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

CONFIG_FILE, WEIGHTS_FILE = "config.json", "diffusion_pytorch_model.safetensors"
logger = logging.getLogger(__name__)


class StoredModule(nn.Module):
    """A module that knows what it was made with, and saves and loads itself as diffusers' `ModelMixin` does.

    Importing diffusers for two small transformers would take most of a cold start. `ComposerPipeline` makes the class
    known to diffusers.

    config: the arguments of the constructor by name; each class sets it there.
    """

    config: dict[str, Any]

    @property
    def dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and the weights, as safetensors in their present precision, into the folder."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        made = {"_class_name": type(self).__name__, "_diffusers_version": version("diffusers"), "_name_or_path": ""}
        (target / CONFIG_FILE).write_text(json.dumps({**made, **self.config}, indent=2, sort_keys=True) + "\n")
        weights = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(weights, target / WEIGHTS_FILE, metadata={"format": "pt"})

    @classmethod
    def from_pretrained(cls, folder: str | Path, subfolder: str = "", torch_dtype: torch.dtype | None = None) -> Self:
        """The module saved in a folder, in evaluation mode. torch_dtype: None for float32.

        Raises ValueError with one line for files that are missing, damaged or of another model. Settings and weights
        that the class does not have are left out: composers of 0.2 have some.
        """
        source = Path(folder, subfolder)
        try:
            stored = json.loads((source / CONFIG_FILE).read_text())
            weights = load_file(source / WEIGHTS_FILE)
        except (OSError, ValueError, SafetensorError) as error:
            raise ValueError(f"{source}: has no {cls.__name__} with weights in safetensors ({error})") from error
        known = inspect.signature(cls).parameters
        if not isinstance(stored, dict):
            raise ValueError(f"{source / CONFIG_FILE}: holds no settings of a {cls.__name__}")
        try:
            # Not on the meta device: that would skip drawing weights in vain (a tenth of a second), and its first use
            # imports thousands of decompositions (seconds).
            module = cls(**{name: value for name, value in stored.items() if name in known})
            found = module.load_state_dict(
                {name: value.to(torch_dtype or torch.float32) for name, value in weights.items()},
                strict=False,
                assign=True,
            )
        except (TypeError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"{source}: is of another kind than {cls.__name__} ({reason})") from error
        if found.missing_keys:
            raise ValueError(f"{source}: lacks {len(found.missing_keys)} weights, such as {found.missing_keys[0]}")
        if found.unexpected_keys:
            logger.info("%s: %d weights are of no use to %s", source, len(found.unexpected_keys), cls.__name__)
        return module.eval()
