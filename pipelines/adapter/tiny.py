"""Builds tiny random pipelines that draw 16-pixel pictures in milliseconds, for tests and benchmarks of adapters.

`pipelines.diffusion.tiny` has pipelines of more kinds, that are saved and loaded; this room does not import it.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxKontextPipeline,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from analogen.relsim.text import quiet_transformers

LETTERS = string.ascii_lowercase + string.digits + ",."
MAX_TOKENS = 24
TEXT = 32  # width of the text encoders
LATENTS = 4
SIZE_PX = 16  # of a picture that is drawn in milliseconds


def tiny_pipeline(model: str, seed: int = 0) -> DiffusionPipeline:
    """A random pipeline of "sd15", "sdxl", "sd35", "flux" or "kontext". Raises ValueError for another name."""
    if model not in _MAKERS:
        raise ValueError(f"no tiny pipeline of {model!r}; there are: {', '.join(_MAKERS)}")
    with torch.random.fork_rng(devices=[]), quiet_transformers():
        torch.manual_seed(seed)
        pipeline = _MAKERS[model]()
        for name, part in pipeline.components.items():
            if isinstance(part, nn.Module):
                part.eval()
                if name in ("unet", "transformer"):
                    _enlarge_attention(part)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def tiny_unet(cross_dim: int = TEXT, **more: Any) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8, in_channels=LATENTS, out_channels=LATENTS, layers_per_block=1, norm_num_groups=4,
        block_out_channels=(16, 32), attention_head_dim=8, cross_attention_dim=cross_dim,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), **more,
    )  # fmt: skip


def _enlarge_attention(denoiser: nn.Module) -> None:
    """Larger random weights in the attention: as initialised, the text would hardly change the picture."""
    with torch.no_grad():
        for name, parameter in denoiser.named_parameters():
            if parameter.ndim == 2 and any(part in name for part in ("attn", "to_", "proj_out", "norm_out")):
                parameter.mul_(3)


def _scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, steps_offset=1
    )


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=LATENTS, norm_num_groups=4, block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        scaling_factor=0.9, shift_factor=0.1,
    )  # fmt: skip


def _clip(projected: bool = False) -> Any:
    config = CLIPTextConfig(
        vocab_size=2 * len(LETTERS) + 2, hidden_size=TEXT, intermediate_size=TEXT, num_hidden_layers=2,
        num_attention_heads=2, projection_dim=TEXT, max_position_embeddings=MAX_TOKENS,
        bos_token_id=2 * len(LETTERS), eos_token_id=2 * len(LETTERS) + 1, pad_token_id=2 * len(LETTERS) + 1,
    )  # fmt: skip
    return CLIPTextModelWithProjection(config) if projected else CLIPTextModel(config)


def _clip_tokenizer() -> CLIPTokenizer:
    parts = [*LETTERS, *(letter + "</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={part: number for number, part in enumerate(parts)}, merges=[], model_max_length=MAX_TOKENS
    )


def _t5() -> T5EncoderModel:
    config = T5Config(vocab_size=len(LETTERS) + 4, d_model=TEXT, d_kv=8, d_ff=TEXT, num_layers=1, num_heads=4)
    return T5EncoderModel(config)


def _t5_tokenizer() -> T5Tokenizer:
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("▁", -2.0)]
    vocab = [*special, *((letter, -3.0) for letter in LETTERS)]
    return T5Tokenizer(vocab=vocab, extra_ids=0, model_max_length=MAX_TOKENS)


def _sd15() -> Any:
    return StableDiffusionPipeline(
        vae=_vae(), text_encoder=_clip(), tokenizer=_clip_tokenizer(), unet=tiny_unet(), scheduler=_scheduler(),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip


def _sdxl() -> Any:
    unet = tiny_unet(
        2 * TEXT, addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + TEXT, transformer_layers_per_block=(2, 1),
    )  # fmt: skip
    return StableDiffusionXLPipeline(
        vae=_vae(), text_encoder=_clip(), text_encoder_2=_clip(projected=True), tokenizer=_clip_tokenizer(),
        tokenizer_2=_clip_tokenizer(), unet=unet, scheduler=_scheduler(), add_watermarker=False,
    )  # fmt: skip


def _sd35() -> Any:
    transformer = SD3Transformer2DModel(
        sample_size=8, patch_size=1, in_channels=LATENTS, out_channels=LATENTS, num_layers=2, attention_head_dim=8,
        num_attention_heads=4, joint_attention_dim=2 * TEXT, caption_projection_dim=32,
        pooled_projection_dim=2 * TEXT, pos_embed_max_size=16, qk_norm="rms_norm", dual_attention_layers=(0,),
    )  # fmt: skip
    # T5's width is the joint one; CLIP's two are padded to it.
    config = T5Config(vocab_size=len(LETTERS) + 4, d_model=2 * TEXT, d_kv=8, d_ff=TEXT, num_layers=1, num_heads=4)
    return StableDiffusion3Pipeline(
        transformer=transformer, scheduler=FlowMatchEulerDiscreteScheduler(), vae=_vae(),
        text_encoder=_clip(projected=True), tokenizer=_clip_tokenizer(), text_encoder_2=_clip(projected=True),
        tokenizer_2=_clip_tokenizer(), text_encoder_3=T5EncoderModel(config), tokenizer_3=_t5_tokenizer(),
    )  # fmt: skip


def _flux(kind: Any = FluxPipeline) -> Any:
    transformer = FluxTransformer2DModel(
        patch_size=1, in_channels=4 * LATENTS, num_layers=2, num_single_layers=1, attention_head_dim=8,
        num_attention_heads=2, joint_attention_dim=TEXT, pooled_projection_dim=TEXT, axes_dims_rope=(4, 2, 2),
        guidance_embeds=True,
    )  # fmt: skip
    return kind(
        transformer=transformer, scheduler=FlowMatchEulerDiscreteScheduler(), vae=_vae(), text_encoder=_clip(),
        tokenizer=_clip_tokenizer(), text_encoder_2=_t5(), tokenizer_2=_t5_tokenizer(),
    )  # fmt: skip


_MAKERS: dict[str, Callable[[], Any]] = {
    "sd15": _sd15,
    "sdxl": _sdxl,
    "sd35": _sd35,
    "flux": _flux,
    "kontext": lambda: _flux(FluxKontextPipeline),
}
