"""Predicts with a frozen denoiser and an adapter, called as its family's pipeline calls it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diffusers import FluxPipeline
from torch import Tensor

from analogen.pipelines.adapter.attach import AdapterModules
from analogen.pipelines.diffusion.model_defaults import PipelineKind

FACTOR = 8  # pixels of a latent's side, in the transformer families
Predict = Callable[[Tensor, Tensor, dict[str, Any], Tensor], Tensor]
TRAINABLE = ("sd15", "sdxl", "sd3", "flux")


def make_predictor(kind: PipelineKind, modules: AdapterModules, size: int) -> Predict:
    """Returns a function of (sample, timestep, words, relation) -> the denoiser's prediction, of the sample's shape.

    size: sides of the pictures in pixels; timestep: (B,) in [0, 1000]; words: the pipeline's embeddings by name;
    relation: (B, 384), zeros = none.
    Raises ValueError for a kind that no adapter is trained on.
    """
    if kind.name not in TRAINABLE:
        raise ValueError(f"{kind.title}: adapters are trained on {', '.join(TRAINABLE)}: name such a base")
    if kind.name in ("sd15", "sdxl"):
        return _unet(modules.denoiser, kind.name == "sdxl", size)
    return {"sd3": _sd3, "flux": _flux}[kind.name](modules.denoiser)


def _unet(denoiser: Any, is_sdxl: bool, size: int) -> Predict:
    def predict(sample: Tensor, timestep: Tensor, words: dict[str, Any], relation: Tensor) -> Tensor:
        added: dict[str, Any] = {"image_embeds": [relation[:, None]]}
        if is_sdxl:
            # Size before and after fitting, and no crop: what sampling says as well.
            ids = sample.new_tensor([[size, size, 0, 0, size, size]]).expand(len(sample), -1)
            added |= {"text_embeds": words["pooled_prompt_embeds"], "time_ids": ids}
        found: Tensor = denoiser(
            sample, timestep, encoder_hidden_states=words["prompt_embeds"], added_cond_kwargs=added, return_dict=False
        )[0]
        return found

    return predict


def _sd3(denoiser: Any) -> Predict:
    def predict(sample: Tensor, timestep: Tensor, words: dict[str, Any], relation: Tensor) -> Tensor:
        found: Tensor = denoiser(
            hidden_states=sample, timestep=timestep, encoder_hidden_states=words["prompt_embeds"],
            pooled_projections=words["pooled_prompt_embeds"],
            joint_attention_kwargs={"ip_adapter_image_embeds": relation[:, None]}, return_dict=False,
        )[0]  # fmt: skip
        return found

    return predict


def _flux(denoiser: Any) -> Predict:
    def predict(sample: Tensor, timestep: Tensor, words: dict[str, Any], relation: Tensor) -> Tensor:
        batch, channels, height, width = sample.shape
        packed = FluxPipeline._pack_latents(sample, batch, channels, height, width)
        places = FluxPipeline._prepare_latent_image_ids(batch, height // 2, width // 2, sample.device, sample.dtype)
        embeds = words["prompt_embeds"]
        # Guidance that was distilled into the model is kept where sampling has it.
        guidance = sample.new_full((batch,), 3.5) if denoiser.config.guidance_embeds else None
        found = denoiser(
            hidden_states=packed, timestep=timestep / 1000, guidance=guidance, encoder_hidden_states=embeds,
            pooled_projections=words["pooled_prompt_embeds"], txt_ids=embeds.new_zeros(embeds.shape[1], 3),
            img_ids=places, joint_attention_kwargs={"ip_adapter_image_embeds": [relation[:, None]]}, return_dict=False,
        )[0]  # fmt: skip
        unpacked: Tensor = FluxPipeline._unpack_latents(found, height * FACTOR, width * FACTOR, FACTOR)
        return unpacked

    return predict
