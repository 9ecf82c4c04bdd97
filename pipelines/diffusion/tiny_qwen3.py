"""Builds tiny diffusers pipelines whose text encoder is a Qwen3 or Qwen3-VL, with random weights, for tests.

See `tiny`, which lists them among the others.
"""

from __future__ import annotations

from typing import Any

import diffusers
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM, Qwen3Model, Qwen3VLConfig, Qwen3VLForConditionalGeneration
from transformers import Qwen3VLModel as Qwen3VLBody

from analogen.relsim.vlm.tiny import SPECIAL, build_processor

WIDTH = 32
_VOCABULARY = 320
PLAIN_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}{{ part.text }}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
)


def flow(**settings: Any) -> diffusers.FlowMatchEulerDiscreteScheduler:
    return diffusers.FlowMatchEulerDiscreteScheduler(**settings)


def flux2_vae() -> diffusers.AutoencoderKLFlux2:
    return diffusers.AutoencoderKLFlux2(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4, latent_channels=4, sample_size=64,
        mid_block_add_attention=True,
    )  # fmt: skip


def video_vae() -> diffusers.AutoencoderKLQwenImage:
    return diffusers.AutoencoderKLQwenImage(
        base_dim=8, z_dim=4, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True],
        latents_mean=[0.0] * 4, latents_std=[1.0] * 4,
    )  # fmt: skip


def _tokenizer() -> Any:
    processor = build_processor()
    processor.tokenizer.chat_template = processor.chat_template
    return processor.tokenizer


def qwen3_config(layers: int) -> Qwen3Config:
    return Qwen3Config(
        vocab_size=_VOCABULARY, hidden_size=WIDTH, intermediate_size=64, num_hidden_layers=layers,
        num_attention_heads=2, num_key_value_heads=2, head_dim=16, max_position_embeddings=8192,
    )  # fmt: skip


def _seeing(layers: int, patch_px: int = 14) -> Qwen3VLConfig:
    ids = {name: 256 + number for number, name in enumerate(SPECIAL)}
    return Qwen3VLConfig(
        text_config={
            "vocab_size": _VOCABULARY, "hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": layers,
            "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 8192,
            "rope_scaling": {"rope_type": "default", "mrope_section": [2, 3, 3], "mrope_interleaved": True},
        },
        vision_config={
            "depth": 2, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": WIDTH,
            "patch_size": patch_px, "deepstack_visual_indexes": [0],
        },
        image_token_id=ids["<|image_pad|>"], video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"], vision_end_token_id=ids["<|vision_end|>"],
    )  # fmt: skip


def klein(is_distilled: bool = False) -> Any:
    transformer = diffusers.Flux2Transformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=3 * WIDTH, timestep_guidance_channels=16, axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )  # fmt: skip
    return diffusers.Flux2KleinPipeline(
        scheduler=flow(), vae=flux2_vae(), text_encoder=Qwen3ForCausalLM(qwen3_config(28)), tokenizer=_tokenizer(),
        transformer=transformer, is_distilled=is_distilled,
    )  # fmt: skip


def z_image(shift: float = 6.0) -> Any:
    transformer: Any = diffusers.ZImageTransformer2DModel(
        all_patch_size=(2,), all_f_patch_size=(1,), in_channels=4, dim=32, n_layers=2, n_refiner_layers=1, n_heads=2,
        n_kv_heads=2, qk_norm=True, cap_feat_dim=WIDTH, axes_dims=[8, 4, 4], axes_lens=[512, 32, 32],
    )  # fmt: skip
    with torch.no_grad():  # they are made without values
        transformer.x_pad_token.fill_(1.0)
        transformer.cap_pad_token.fill_(1.0)
    vae = diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4, latent_channels=4, sample_size=64,
        shift_factor=0.1,
    )  # fmt: skip
    return diffusers.ZImagePipeline(
        scheduler=flow(shift=shift), vae=vae, text_encoder=Qwen3Model(qwen3_config(2)), tokenizer=_tokenizer(),
        transformer=transformer,
    )  # fmt: skip


def krea2(is_distilled: bool = False) -> Any:
    transformer = diffusers.Krea2Transformer2DModel(
        in_channels=16, num_layers=2, attention_head_dim=8, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=32, timestep_embed_dim=8, text_hidden_dim=WIDTH, num_text_layers=3,
        text_num_attention_heads=2, text_num_key_value_heads=1, text_intermediate_size=16,
        num_layerwise_text_blocks=1, num_refiner_text_blocks=1, axes_dims_rope=(4, 2, 2),
    )  # fmt: skip
    return diffusers.Krea2Pipeline(
        scheduler=flow(use_dynamic_shifting=True, max_image_seq_len=6400), vae=video_vae(),
        text_encoder=Qwen3VLBody(_seeing(2)), tokenizer=_tokenizer(), transformer=transformer,
        text_encoder_select_layers=(0, 1, 2), is_distilled=is_distilled,
    )  # fmt: skip


def ideogram4() -> Any:
    parts = [
        diffusers.Ideogram4Transformer2DModel(
            in_channels=16, num_layers=2, attention_head_dim=16, num_attention_heads=2, intermediate_size=32,
            adaln_dim=16, llm_features_dim=13 * WIDTH, mrope_section=(2, 2, 2),
        )
        for _ in range(2)
    ]  # fmt: skip
    return diffusers.Ideogram4Pipeline(
        scheduler=flow(), vae=flux2_vae(), text_encoder=Qwen3VLBody(_seeing(36)), tokenizer=_tokenizer(),
        transformer=parts[0], unconditional_transformer=parts[1],
    )  # fmt: skip


def fibo2() -> Any:
    transformer = diffusers.BriaFibo2Transformer2DModel(
        in_channels=4, dim=48, n_layers=3, n_refiner_layers=1, n_heads=2, cap_feat_dim=3 * WIDTH,
        injection_layer_ids=(0, 1, 1, 2, 2), perceiver_num_layers=1, min_num_gist_tokens=4, max_num_gist_tokens=8,
        gist_step=4, axes_dims=(8, 8, 8), axes_lens=(512, 64, 64),
    )  # fmt: skip
    return diffusers.BriaFibo2Pipeline(
        transformer=transformer, scheduler=flow(), vae=flux2_vae(),
        text_encoder=Qwen3VLForConditionalGeneration(_seeing(36)), processor=build_processor(),
    )  # fmt: skip


def qwen_image_21() -> Any:
    vae = diffusers.AutoencoderKLQwenImage21(
        base_dim=8, decoder_base_dim=8, z_dim=16, dim_mult=[1, 1, 1, 1, 1], num_res_blocks=1,
        latents_mean=[0.0] * 16, latents_std=[1.0] * 16,
    )  # fmt: skip
    transformer = diffusers.QwenImage21Transformer2DModel(
        in_channels=16, out_channels=16, num_layers=2, attention_head_dim=16, num_attention_heads=2,
        context_in_dim=WIDTH, axes_dims_rope=(4, 6, 6),
    )  # fmt: skip
    processor = build_processor()
    processor.image_processor.patch_size = 16
    processor.chat_template = PLAIN_TEMPLATE  # the pipeline drops the tokens of its own system message
    return diffusers.QwenImage21Pipeline(
        scheduler=flow(), vae=vae, text_encoder=Qwen3VLForConditionalGeneration(_seeing(2, 16)),
        processor=processor, transformer=transformer,
    )  # fmt: skip


def flux3(distilled: bool = False) -> Any:
    transformer = diffusers.Flux3Transformer2DModel(
        in_channels=16, cond_in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=8 * WIDTH, timestep_channels=16, axes_dims_rope=(4, 4, 4, 4),
        flow_map=distilled,
    )  # fmt: skip
    return _modular(
        "Flux3DistilledModularPipeline" if distilled else "Flux3ModularPipeline", scheduler=flow(), vae=flux2_vae(),
        text_encoder=Qwen3VLForConditionalGeneration(_seeing(33)), tokenizer=build_processor(),
        transformer=transformer,
    )  # fmt: skip


def anima() -> Any:
    transformer = diffusers.CosmosTransformer3DModel(
        in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=16, num_layers=2, mlp_ratio=2,
        text_embed_dim=16, adaln_lora_dim=4, max_size=(4, 32, 32), concat_padding_mask=False,
        extra_pos_embed_type=None,
    )  # fmt: skip
    conditioner = diffusers.AnimaTextConditioner(
        source_dim=WIDTH, target_dim=16, model_dim=16, num_layers=1, num_attention_heads=2, target_vocab_size=320,
    )  # fmt: skip
    return _modular(
        "AnimaModularPipeline", scheduler=flow(shift=3.0), vae=video_vae(), text_encoder=Qwen3Model(qwen3_config(2)),
        tokenizer=_tokenizer(), t5_tokenizer=_tokenizer(), text_conditioner=conditioner, transformer=transformer,
    )  # fmt: skip


def _modular(name: str, **parts: Any) -> Any:
    from analogen.pipelines.diffusion.modular import blocks_of

    pipeline = getattr(diffusers, name)(blocks_of(name))
    pipeline.update_components(**parts)
    return pipeline


QWEN3_PIPELINES = {
    "klein": klein,
    "z-image": z_image,
    "krea2": krea2,
    "ideogram4": ideogram4,
    "fibo2": fibo2,
    "qwen-image-2.1": qwen_image_21,
    "flux3": flux3,
    "anima": anima,
}
