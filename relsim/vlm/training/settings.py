"""What the trainings of Qwen2.5-VL have in common, as settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# The paper's; in the vision tower these are one matrix of another name, so only the language model learns.
TARGETS = ("q_proj", "v_proj")


@dataclass(frozen=True)
class TuningSettings:
    """Settings of all three trainings; the defaults are the paper's where it names them.

    base: folder or hub id ("org/name", "org/name@revision") of the VLM. index: what `analogen corpus` wrote.
    batch_size: rows of a step over all processes together, so that what is learned does not depend on their number.
    micro_batch: rows of one pass through the model: lower it when memory runs out, the gradient stays the same.
    keep: how many of the newest saves stay, 0 for all. dtype: of the frozen base; what is trained is fp32.
    """

    base: str = "Qwen/Qwen2.5-VL-7B-Instruct"
    index: str = ""
    output: str = ""
    steps: int = 1000
    batch_size: int = 64
    micro_batch: int = 8
    lr: float = 1e-4
    weight_decay: float = 0.01
    warmup: int = 30
    max_norm: float = 1.0  # of the gradient
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    image_size: int = 448
    dtype: str = "bfloat16"
    gradient_checkpointing: bool = False
    seed: int = 0
    save_every: int = 250
    keep: int = 2
    log_every: int = 10
    workers: int = 8  # threads that decode pictures ahead, in each process

    def __post_init__(self) -> None:
        """Raises ValueError for values that no training can have."""
        for name in ("index", "output", "base"):
            if not getattr(self, name):
                raise ValueError(f"setting {name} is missing: give it in the preset, or by --set {name}=...")
        for name in ("steps", "batch_size", "micro_batch", "rank", "alpha", "image_size", "save_every", "log_every"):
            self._at_least(name, 1)
        for name in ("warmup", "keep", "seed", "workers", "weight_decay", "lr", "max_norm"):
            self._at_least(name, 0)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"setting dropout={self.dropout} must be from 0 to below 1")
        if self.dtype not in ("bfloat16", "float32"):
            raise ValueError(f"setting dtype={self.dtype!r} must be bfloat16 or float32")

    def _at_least(self, name: str, least: int) -> None:
        value = getattr(self, name)
        if not least <= value < float("inf"):
            raise ValueError(f"setting {name}={value} must be {least} or more")

    def adapter_config(self, base: str, revision: str | None) -> dict[str, Any]:
        """adapter_config.json of a LoRA with these settings."""
        return {
            "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base, "revision": revision,
            "r": self.rank, "lora_alpha": self.alpha, "lora_dropout": self.dropout, "bias": "none",
            "target_modules": list(TARGETS), "inference_mode": True,
        }  # fmt: skip
