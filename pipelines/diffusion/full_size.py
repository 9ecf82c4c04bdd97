"""Builds denoisers of published models at full size without weights (meta device), for shapes and parameter counts.

Shapes as in the models' own config.json on the hub; where these were not at hand, as the classes' defaults, whose
counts are those that the models are published with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from diffusers import (
    BriaFibo2Transformer2DModel,
    ChromaTransformer2DModel,
    CosmosTransformer3DModel,
    Flux2Transformer2DModel,
    Flux3Transformer2DModel,
    FluxTransformer2DModel,
    HunyuanImageTransformer2DModel,
    Ideogram4Transformer2DModel,
    Krea2Transformer2DModel,
    QwenImage21Transformer2DModel,
    QwenImageTransformer2DModel,
    SD3Transformer2DModel,
    UNet2DConditionModel,
    ZImageTransformer2DModel,
)
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
    "klein-4b": lambda: Flux2Transformer2DModel(
        num_layers=5, num_single_layers=20, num_attention_heads=24, joint_attention_dim=7680, guidance_embeds=False,
    ),
    "klein-9b": lambda: Flux2Transformer2DModel(
        num_layers=8, num_single_layers=24, num_attention_heads=32, joint_attention_dim=12288, guidance_embeds=False,
    ),
    "anima": lambda: CosmosTransformer3DModel(num_attention_heads=16, extra_pos_embed_type=None),
    # The defaults of these classes are the published shapes.
    "flux2": Flux2Transformer2DModel,
    "flux3-klein": Flux3Transformer2DModel,
    "qwen-image-2.1": QwenImage21Transformer2DModel,
    "z-image": ZImageTransformer2DModel,
    "krea2": Krea2Transformer2DModel,
    "ideogram4": Ideogram4Transformer2DModel,
    "hunyuan-image": HunyuanImageTransformer2DModel,
    "chroma": ChromaTransformer2DModel,
    "fibo2": BriaFibo2Transformer2DModel,
}  # fmt: skip
FULL_SIZE = tuple(_MAKERS)


def meta_denoiser(model: str) -> nn.Module:
    """A model of `FULL_SIZE` on the meta device. Raises ValueError for another name."""
    if model not in _MAKERS:
        raise ValueError(f"no shapes of {model!r}; there are: {', '.join(FULL_SIZE)}")
    with torch.device("meta"):
        return _MAKERS[model]().requires_grad_(False)
