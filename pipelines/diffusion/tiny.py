"""Builds tiny diffusers pipelines with random weights in the published file layout, for tests.

For tests, benchmarks and machines without the hub; their images are noise.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.guiders.adaptive_projected_guidance_mix import AdaptiveProjectedMixGuidance
from diffusers.modular_pipelines import ModularPipeline
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    PreTrainedTokenizerFast,
    Qwen3Model,
    SiglipVisionConfig,
    SiglipVisionModel,
    T5Config,
    T5EncoderModel,
)

from analogen.pipelines.diffusion.tiny_qwen3 import QWEN3_PIPELINES, flow, flux2_vae, qwen3_config, video_vae
from analogen.relsim.text import quiet_transformers
from analogen.relsim.vlm.tiny import TINY, build_processor, random_model

WIDTH = 32  # of text encoders
START, END = "<|startoftext|>", "<|endoftext|>"


def save_pipeline(folder: str | Path, name: str, seed: int = 0) -> Path:
    """Write a tiny random pipeline and return its folder. name: one of TINY_PIPELINES."""
    folder = Path(folder)
    with quiet_transformers():
        pipeline: Any = build_pipeline(name, seed)
        modular = isinstance(pipeline, ModularPipeline)
        if modular:
            pipeline.save_pretrained(str(folder), overwrite_modular_index=True)
        else:
            pipeline.save_pretrained(folder)
    return folder


def build_pipeline(name: str, seed: int = 0) -> Any:
    """A tiny random pipeline in memory. Raises ValueError for a name that TINY_PIPELINES lacks."""
    if name not in TINY_PIPELINES:
        raise ValueError(f"no tiny pipeline {name!r}: expected one of {', '.join(TINY_PIPELINES)}")
    with torch.random.fork_rng(devices=[]), quiet_transformers():
        torch.manual_seed(seed)
        pipeline = TINY_PIPELINES[name]()
    for component in pipeline.components.values():
        if isinstance(component, torch.nn.Module):
            component.eval()
    if "transformer" in pipeline.components and name in LOUDER:
        for parameter in pipeline.transformer.parameters():  # as initialised it hardly heeds what it is shown
            if parameter.ndim == 2:
                parameter.data.mul_(4)
    return pipeline


LOUDER = ("sd3", "flux", "kontext", "klein", "qwen-image", "qwen-edit", "qwen-edit-plus")


def save_control(folder: str | Path, name: str, seed: int = 0) -> Path:
    """Write a tiny random ControlNet for the tiny pipeline `name`: sd15, sdxl, sd3, flux or qwen-image; "sdxl-union":
    one for SDXL that is told what its picture is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        base = build_pipeline(name.removesuffix("-union"), seed)
        denoiser = base.components.get("unet") or base.components["transformer"]
        cls = getattr(diffusers, CONTROLS[name])
        if name in ("sd15", "sdxl"):
            model = cls.from_unet(denoiser, conditioning_channels=3)
        elif name == "sdxl-union":
            # Its transformer's width has to be the first block's, which from_unet does not see to.
            width, config = denoiser.config.block_out_channels[0], dict(denoiser.config)
            for key in ("sample_size", "out_channels", "up_block_types"):
                del config[key]
            model = cls.from_config(config, num_trans_channel=width, num_proj_channel=width, num_trans_head=2)
        else:
            model = cls.from_transformer(denoiser, num_layers=1, **CONTROL_SETTINGS.get(name, {}))
        for part, parameter in model.named_parameters():  # the last layers start at zero: it would change nothing
            parameter.data.normal_(0, 0.5 if "transformer_layes" in part or "spatial_ch" in part else 0.05)
        model.save_pretrained(folder)
    return Path(folder)


CONTROLS = {
    "sd15": "ControlNetModel",
    "sdxl": "ControlNetModel",
    "sdxl-union": "ControlNetUnionModel",
    "sd3": "SD3ControlNetModel",
    "flux": "FluxControlNetModel",
    "qwen-image": "QwenImageControlNetModel",
}
CONTROL_SETTINGS: dict[str, dict[str, Any]] = {
    "sd3": {"num_extra_conditioning_channels": 0},
    "flux": {"num_single_layers": 1, "attention_head_dim": 16, "num_attention_heads": 2},
}


def tokenizer(length: int = 77, ends: bool = True) -> PreTrainedTokenizerFast:
    """Bytes as tokens; with `ends`, a start and an end as CLIP has them, the end being the largest number."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={byte: i for i, byte in enumerate(alphabet)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in (START, END)])
    if ends:
        core.post_processor = processors.TemplateProcessing(
            single=f"{START} $A {END}", special_tokens=[(START, 256), (END, 257)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token=START, eos_token=END, pad_token=END, model_max_length=length
    )


def clip(projected: bool = False) -> CLIPTextModel | CLIPTextModelWithProjection:
    config = CLIPTextConfig(
        vocab_size=258, hidden_size=WIDTH, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        projection_dim=WIDTH, bos_token_id=256, eos_token_id=257, pad_token_id=257,
    )  # fmt: skip
    return CLIPTextModelWithProjection(config) if projected else CLIPTextModel(config)


def t5() -> T5EncoderModel:
    config = T5Config(
        vocab_size=258, d_model=WIDTH, d_ff=64, d_kv=8, num_heads=4, num_layers=2, feed_forward_proj="gated-gelu"
    )
    return T5EncoderModel(config)


def vae(latents: int = 4, **settings: Any) -> diffusers.AutoencoderKL:
    return diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        latent_channels=latents,
        sample_size=64,
        **settings,
    )


def euler() -> diffusers.EulerDiscreteScheduler:
    return diffusers.EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="leading", steps_offset=1
    )


def _unet(cross: int, channels: int = 4, **settings: Any) -> diffusers.UNet2DConditionModel:
    return diffusers.UNet2DConditionModel(
        sample_size=8, in_channels=channels, out_channels=4, layers_per_block=1, block_out_channels=(16, 32),
        norm_num_groups=4, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=cross, attention_head_dim=8, **settings,
    )  # fmt: skip


def _flux_transformer() -> diffusers.FluxTransformer2DModel:
    return diffusers.FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=WIDTH, pooled_projection_dim=WIDTH, guidance_embeds=True, axes_dims_rope=(4, 4, 8),
    )  # fmt: skip


def _qwen_transformer() -> diffusers.QwenImageTransformer2DModel:
    return diffusers.QwenImageTransformer2DModel(
        patch_size=2, in_channels=16, out_channels=4, num_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=TINY.hidden, axes_dims_rope=(8, 4, 4),
    )  # fmt: skip


def _sd15() -> Any:
    return diffusers.StableDiffusionPipeline(
        vae=vae(), text_encoder=clip(), tokenizer=tokenizer(), unet=_unet(WIDTH), scheduler=euler(),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip


def _pix2pix() -> Any:
    return diffusers.StableDiffusionInstructPix2PixPipeline(
        vae=vae(), text_encoder=clip(), tokenizer=tokenizer(), unet=_unet(WIDTH, 8), scheduler=euler(),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip


def _sdxl() -> Any:
    unet = _unet(
        2 * WIDTH, addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=WIDTH + 48, transformer_layers_per_block=(1, 2),
    )  # fmt: skip
    return diffusers.StableDiffusionXLPipeline(
        vae=vae(force_upcast=False), text_encoder=clip(), text_encoder_2=clip(True), tokenizer=tokenizer(),
        tokenizer_2=tokenizer(), unet=unet, scheduler=euler(), add_watermarker=False,
    )  # fmt: skip


def _sd3() -> Any:
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=8, patch_size=1, in_channels=4, num_layers=2, attention_head_dim=8, num_attention_heads=4,
        joint_attention_dim=64, caption_projection_dim=32, pooled_projection_dim=2 * WIDTH, out_channels=4,
        pos_embed_max_size=32,
    )  # fmt: skip
    t5_config = T5Config(
        vocab_size=258, d_model=64, d_ff=64, d_kv=8, num_heads=4, num_layers=2, feed_forward_proj="gated-gelu"
    )
    return diffusers.StableDiffusion3Pipeline(
        transformer=transformer, scheduler=flow(), vae=vae(shift_factor=0.06), text_encoder=clip(True),
        tokenizer=tokenizer(), text_encoder_2=clip(True), tokenizer_2=tokenizer(),
        text_encoder_3=T5EncoderModel(t5_config), tokenizer_3=tokenizer(256),
    )  # fmt: skip


def _flux_parts() -> dict[str, Any]:
    return {
        "scheduler": flow(),
        "vae": vae(shift_factor=0.06),
        "text_encoder": clip(),
        "tokenizer": tokenizer(),
        "text_encoder_2": t5(),
        "tokenizer_2": tokenizer(512),
        "transformer": _flux_transformer(),
    }


def _flux() -> Any:
    return diffusers.FluxPipeline(**_flux_parts())


def save_redux(folder: Path) -> Path:
    """Write a tiny random Redux for the tiny FLUX, laid out as the published one; it looks at 6 x 6 patches."""
    torch.manual_seed(0)
    config = SiglipVisionConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=48, patch_size=8
    )
    SiglipVisionModel(config).save_pretrained(folder / "image_encoder")
    transformer: Any = _flux_transformer()
    width = transformer.config.joint_attention_dim
    embedder: Any = diffusers.ReduxImageEncoder(redux_dim=32, txt_in_features=width)
    for parameter in embedder.parameters():  # or nothing of a picture would be seen
        parameter.data.mul_(10)
    embedder.save_pretrained(folder / "image_embedder")
    return folder


def _kontext() -> Any:
    return diffusers.FluxKontextPipeline(**_flux_parts())


def _chroma() -> Any:
    transformer = diffusers.ChromaTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=WIDTH, axes_dims_rope=(4, 4, 8), approximator_hidden_dim=32, approximator_layers=1,
        approximator_num_channels=16,
    )  # fmt: skip
    return diffusers.ChromaPipeline(
        scheduler=flow(), vae=vae(shift_factor=0.06), text_encoder=t5(), tokenizer=tokenizer(512),
        transformer=transformer,
    )  # fmt: skip


def _ernie() -> Any:
    transformer: Any = diffusers.ErnieImageTransformer2DModel(
        hidden_size=32, num_attention_heads=2, num_layers=2, ffn_hidden_size=64, in_channels=16, out_channels=16,
        text_in_dim=WIDTH, rope_axes_dim=(4, 6, 6),
    )  # fmt: skip
    for part in (transformer.final_linear, transformer.adaLN_modulation[-1]):  # they start at zero
        torch.nn.init.normal_(part.weight, std=0.1)
    return diffusers.ErnieImagePipeline(
        scheduler=flow(), vae=flux2_vae(), text_encoder=Qwen3Model(qwen3_config(2)), tokenizer=tokenizer(512),
        transformer=transformer,
    )  # fmt: skip


def _hunyuan() -> Any:
    transformer = diffusers.HunyuanImageTransformer2DModel(
        in_channels=4, out_channels=4, num_attention_heads=4, attention_head_dim=8, num_layers=1, num_single_layers=1,
        num_refiner_layers=1, patch_size=(1, 1), text_embed_dim=TINY.hidden, text_embed_2_dim=WIDTH,
        rope_axes_dim=(4, 4),
    )  # fmt: skip
    vae = diffusers.AutoencoderKLHunyuanImage(
        in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(32, 32, 32, 32), layers_per_block=1,
        scaling_factor=0.5, spatial_compression_ratio=8, sample_size=64,
    )  # fmt: skip
    return diffusers.HunyuanImagePipeline(
        scheduler=flow(shift=5.0), vae=vae, text_encoder=random_model(TINY), tokenizer=build_processor().tokenizer,
        text_encoder_2=t5(), tokenizer_2=tokenizer(128), transformer=transformer,
        guider=AdaptiveProjectedMixGuidance(adaptive_projected_guidance_start_step=1),
        ocr_guider=AdaptiveProjectedMixGuidance(adaptive_projected_guidance_start_step=1),
    )  # fmt: skip


def _qwen_parts() -> dict[str, Any]:
    processor = build_processor()
    return {
        "scheduler": flow(),
        "vae": video_vae(),
        "text_encoder": random_model(TINY),
        "tokenizer": processor.tokenizer,
        "transformer": _qwen_transformer(),
    }


def _qwen_image() -> Any:
    return diffusers.QwenImagePipeline(**_qwen_parts())


def _qwen_edit() -> Any:
    return diffusers.QwenImageEditPipeline(processor=build_processor(), **_qwen_parts())


def _qwen_edit_plus() -> Any:
    return diffusers.QwenImageEditPlusPipeline(processor=build_processor(), **_qwen_parts())


TINY_PIPELINES: dict[str, Callable[[], Any]] = {
    "sd15": _sd15,
    "sdxl": _sdxl,
    "sd3": _sd3,
    "flux": _flux,
    "kontext": _kontext,
    "qwen-image": _qwen_image,
    "qwen-edit": _qwen_edit,
    "qwen-edit-plus": _qwen_edit_plus,
    "pix2pix": _pix2pix,
    "chroma": _chroma,
    "ernie-image": _ernie,
    "hunyuan-image": _hunyuan,
    **QWEN3_PIPELINES,
}
