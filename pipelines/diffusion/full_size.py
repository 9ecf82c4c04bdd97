"""Builds denoisers of published models at full size without weights (meta device), for shapes and parameter counts.

Shapes as in the models' own config.json on the hub.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from diffusers import FluxTransformer2DModel, QwenImageTransformer2DModel, SD3Transformer2DModel, UNet2DConditionModel
from torch import nn

_MAKERS: dict[str, Callable[[], Any]] = {
    "sd15": lambda: UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8),
    "sdxl": lambda: UNet2DConditionModel(
        sample_size=128, cross_attention_dim=2048, attention_head_dim=(5, 10, 20),
        block_out_channels=(320, 640, 1280), transformer_layers_per_block=(1, 2, 10), use_linear_projection=True,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        addition_embed_type="text_time", addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816,
    ),
    "sd35-medium": lambda: SD3Transformer2DModel(
        num_layers=24, num_attention_heads=24, caption_projection_dim=1536, pos_embed_max_size=384,
        dual_attention_layers=tuple(range(13)), qk_norm="rms_norm",
    ),
    "sd35": lambda: SD3Transformer2DModel(
        num_layers=38, num_attention_heads=38, caption_projection_dim=2432, pos_embed_max_size=192, qk_norm="rms_norm",
    ),
    "flux": lambda: FluxTransformer2DModel(guidance_embeds=True),
    "kontext": lambda: FluxTransformer2DModel(guidance_embeds=True),
    "qwen-edit": lambda: QwenImageTransformer2DModel(guidance_embeds=False),
}  # fmt: skip
FULL_SIZE = tuple(_MAKERS)


def meta_denoiser(model: str) -> nn.Module:
    """A model of `FULL_SIZE` on the meta device. Raises ValueError for another name."""
    if model not in _MAKERS:
        raise ValueError(f"no shapes of {model!r}; there are: {', '.join(FULL_SIZE)}")
    with torch.device("meta"):
        return _MAKERS[model]().requires_grad_(False)
