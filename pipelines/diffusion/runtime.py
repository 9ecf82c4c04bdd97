"""Options for running a large model: attention, offloading, compilation, quantization, LoRAs.

Imports neither torch nor diffusers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OFFLOADS = ("model", "sequential")
QUANTIZATIONS = ("8bit", "4bit")
ATTENTION = (
    "native", "xformers", "flash", "flash_hub", "_flash_3", "_flash_3_hub", "_native_cudnn", "_native_flash", "sage",
    "sage_hub", "flex",
)  # fmt: skip
MAX_LORAS = 8
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


@dataclass(frozen=True)
class Lora:
    """A LoRA by file, folder or hub id, and how strongly it acts."""

    path: str
    scale: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Lora:
        """PATH or PATH:SCALE. Raises ValueError for a scale that is no number in [-4, 4], or a pickle."""
        path, colon, scale = text.rpartition(":")
        # "C:\lora" and "org/name" have no scale; what follows a colon is one, or a slip.
        if not colon or "/" in scale or "\\" in scale:
            path, scale = text, "1"
        if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", scale) or not -4 <= float(scale) <= 4:
            raise ValueError(f"--lora {text!r}: {scale!r} is no scale: expected PATH or PATH:SCALE, SCALE from -4 to 4")
        if not path:
            raise ValueError(f"--lora {text!r}: names no file: expected PATH or PATH:SCALE")
        if path.lower().endswith(PICKLES):
            raise ValueError(
                f"--lora {path}: is a pickle, which can run code when it is read: give its .safetensors file, or "
                "convert it on a machine that you can spare"
            )
        return cls(path, float(scale))


@dataclass(frozen=True)
class RuntimeOptions:
    """How a model runs, beside device and dtype. None leaves a choice to the library, or to the memory at hand.

    attention_backend  One of ATTENTION; None is PyTorch's own (SDPA).
    cpu_offload        "model": one model on the device at a time; "sequential": one layer at a time, slow and small.
    compile            The blocks that repeat, by torch.compile: slow to start, faster for many pictures.
    quantize           "8bit" or "4bit": denoiser and large text encoders, by bitsandbytes.
    loras              At most MAX_LORAS.

    Raises ValueError for anything else.
    """

    attention_backend: str | None = None
    cpu_offload: str | None = None
    compile: bool = False
    quantize: str | None = None
    loras: tuple[Lora, ...] = ()

    def __post_init__(self) -> None:
        for name, value, known in (
            ("attention-backend", self.attention_backend, ATTENTION),
            ("cpu-offload", self.cpu_offload, OFFLOADS),
            ("quantize", self.quantize, QUANTIZATIONS),
        ):
            if value is not None and value not in known:
                raise ValueError(f"--{name} is {value!r}: expected one of {', '.join(known)}")
        if len(self.loras) > MAX_LORAS:
            raise ValueError(f"{len(self.loras)} LoRAs came: expected at most {MAX_LORAS}")
        if self.compile and self.cpu_offload == "sequential":
            raise ValueError("--compile does not go with --cpu-offload sequential: leave one of them out")


@dataclass(frozen=True)
class FewSteps:
    """The sampling settings of a LoRA that was distilled for few steps. word: what its name contains; scheduler: the
    scheduler's class in diffusers, None to keep the pipeline's."""

    word: str
    scheduler: str | None
    settings: dict[str, Any]
    steps: int
    guidance: float


_TRAILING = {"timestep_spacing": "trailing"}
FEW_STEPS = (
    FewSteps("lcm", "LCMScheduler", {}, 4, 1.0),
    FewSteps("lightning", "EulerDiscreteScheduler", _TRAILING, 4, 0.0),
    FewSteps("hyper", "DDIMScheduler", _TRAILING, 4, 0.0),
    FewSteps("tcd", "TCDScheduler", {}, 4, 0.0),
    FewSteps("turbo", None, {}, 8, 3.5),  # flow models keep their scheduler
)


def few_steps(lora: Lora) -> FewSteps | None:
    """The settings of a distilled LoRA, None for others. Only its name says it: the files do not.

    A number of steps in the name ("Hyper-SDXL-8steps") overrides the usual one.
    """
    name = "/".join(Path(lora.path).parts[-2:]).lower()
    for row in FEW_STEPS:
        if re.search(rf"(?<![a-z]){row.word}(?![a-z])", name):
            said = re.search(r"(\d{1,2})[ _-]?steps?", name)
            return FewSteps(row.word, row.scheduler, row.settings, int(said[1]) if said else row.steps, row.guidance)
    return None
