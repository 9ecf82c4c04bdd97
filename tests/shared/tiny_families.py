"""Tiny pipelines of every family, and a function that calls each of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from numpy.typing import NDArray
from PIL import Image

from analogen.pipelines.adapter.attach import denoiser_of
from analogen.pipelines.adapter.model import RelationalAdapter, build_adapter
from analogen.pipelines.adapter.tiny import SIZE_PX, tiny_pipeline

MODELS = ("sd15", "sdxl", "sd35", "flux", "kontext")
PROMPTS = ("a cat", "a dog", "two trees", "red")
Pictures = NDArray[np.float32]

pipeline_of = cache(tiny_pipeline)  # a test has to undo its changes


@cache
def adapter_of(model: str) -> RelationalAdapter:
    """A random adapter with a visible effect; new adapters of FLUX have none."""
    adapter = build_adapter(denoiser_of(pipeline_of(model)), tokens=4, width=64 if model == "sd35" else None)
    generator = torch.Generator().manual_seed(7)
    for name, value in adapter.weights["ip_adapter"].items():
        if "_ip.weight" in name:
            value.copy_(torch.randn(value.shape, generator=generator) * 0.3)
    return adapter


def relations(count: int, seed: int = 0) -> torch.Tensor:
    """(count, 384) unit vectors."""
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, 384, generator=generator), dim=-1)


def draw(
    model: str, prompts: Sequence[str] = PROMPTS[:2], seeds: Sequence[int] | None = None, *, guided: bool = True,
    steps: int = 2, pipeline: DiffusionPipeline | None = None, **more: Any,
) -> Pictures:  # fmt: skip
    """(pictures, side, side, 3); seeds: one per picture, by default the index of its prompt."""
    seeds = range(len(prompts)) if seeds is None else seeds
    arguments: dict[str, Any] = {
        "prompt": list(prompts), "height": SIZE_PX, "width": SIZE_PX, "num_inference_steps": steps, "output_type": "np",
        "generator": [torch.Generator().manual_seed(seed) for seed in seeds],
    }  # fmt: skip
    if model in ("flux", "kontext"):
        arguments |= {"max_sequence_length": 16, "guidance_scale": 3.5}
        if guided:
            arguments |= {"true_cfg_scale": 2.0, "negative_prompt": ["grey"] * len(prompts)}
    else:
        arguments |= {"guidance_scale": 4.0 if guided else 1.0}
    if model == "sd35":
        arguments["max_sequence_length"] = 16
    if model == "kontext":
        picture = Image.new("RGB", (SIZE_PX, SIZE_PX), (200, 30, 30))
        arguments |= {"image": picture, "_auto_resize": False, "max_area": SIZE_PX**2}
    return (pipeline or pipeline_of(model))(**(arguments | more)).images
