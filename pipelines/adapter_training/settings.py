"""Settings of `analogen train adapter`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from analogen.relsim.training.fine_tuning import FineTuningSettings

# What may differ when a training is taken up again, beside the settings of every fine-tuning.
FREE = ("data", "sample_every", "samples", "sample_steps", "sample_guidance", "device")


@dataclass(frozen=True)
class AdapterSettings(FineTuningSettings):
    """Settings of `analogen train adapter`.

    base: folder or hub id of a pipeline of SD 1.5, SDXL, SD 3 or FLUX. data: index of `analogen corpus`, or folder of
    `analogen world`. encoder: which one reads the pictures that rows are conditioned on, "mini", a folder or a hub id.
    init: folder of an adapter to start from; tokens, width: 0 = the family's own; size: 0 = the base's own.
    pictured: share of the conditions that are another picture's relation; the others are the row's caption.
    near: cosine from which two captions are taken to say the same logic. drop_*: shares of rows that learn to do
    without relation, prompt, or both, which guidance needs. device: "" = what accelerate finds.
    """

    data: str = ""
    encoder: str = "mini"
    init: str = ""
    tokens: int = 0
    width: int = 0
    size: int = 0
    steps: int = 20_000
    warmup: int = 500
    ema: float = 0.9995
    pictured: float = 0.5
    near: float = 0.8
    drop_relation: float = 0.05
    drop_prompt: float = 0.05
    drop_both: float = 0.05
    device: str = ""
    save_every: int = 1000
    log_every: int = 20
    sample_every: int = 1000  # 0 = no sheets
    samples: int = 6
    sample_steps: int = 20
    sample_guidance: float = 4.0

    def __post_init__(self) -> None:
        self._require("base", "data", "output")
        super().__post_init__()
        self._at_least(1, "sample_steps")
        self._at_least(0, "tokens", "width", "size", "samples", "sample_every", "sample_guidance")
        self._shares("pictured", "near", "drop_relation", "drop_prompt", "drop_both")
        if self.drop_relation + self.drop_prompt + self.drop_both >= 1:
            raise ValueError("settings drop_relation, drop_prompt and drop_both leave no row to learn from")
        if not 0 <= self.ema < 1:
            raise ValueError(f"setting ema={self.ema} must be from 0 to below 1")

    @property
    def public_base(self) -> str:
        """Without the path of a folder: cards and configs are published."""
        return public_name(self.base)


def public_name(name: str) -> str:
    """The last part of an existing path; anything else, such as a hub id, as it is."""
    return Path(name).name if Path(name).exists() else name
