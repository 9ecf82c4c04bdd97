"""Settings of the fine-tunings of Qwen2.5-VL: encoder, captioner and filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analogen.relsim.training.fine_tuning import FineTuningSettings

# The paper's; in the vision tower these are one matrix of another name, so only the language model learns.
TARGETS = ("q_proj", "v_proj")


@dataclass(frozen=True)
class VlmFineTuningSettings(FineTuningSettings):
    """Settings of all three trainings; the defaults are the paper's where it names them.

    index: what `analogen corpus` wrote. rank, alpha, dropout: of the LoRA adapter. image_size: sides of the pictures,
    in pixels.
    """

    base: str = "Qwen/Qwen2.5-VL-7B-Instruct"
    index: str = ""
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    image_size: int = 448
    workers: int = 8  # threads that decode pictures ahead, in each process

    def __post_init__(self) -> None:
        self._require("index")
        super().__post_init__()
        self._at_least(1, "rank", "alpha", "image_size")
        self._at_least(0, "workers")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"setting dropout={self.dropout} must be from 0 to below 1")

    def adapter_config(self, base: str, revision: str | None) -> dict[str, Any]:
        """adapter_config.json of a LoRA with these settings."""
        return {
            "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base, "revision": revision,
            "r": self.rank, "lora_alpha": self.alpha, "lora_dropout": self.dropout, "bias": "none",
            "target_modules": list(TARGETS), "inference_mode": True,
        }  # fmt: skip
