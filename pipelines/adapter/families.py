"""Model families that support a relational adapter: where it attaches, and its module and weight names.

The sites are the attention processors where relation tokens enter the denoiser. Names are those of an IP-Adapter file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import FluxTransformer2DModel, SD3Transformer2DModel, UNet2DConditionModel
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0, SD3IPAdapterJointAttnProcessor2_0
from diffusers.models.embeddings import ImageProjection, IPAdapterFaceIDImageProjection, IPAdapterTimeImageProjection
from diffusers.models.transformers.transformer_flux import FluxIPAdapterAttnProcessor
from torch import nn

from analogen.relsim.text import TEXT_DIM


@dataclass(frozen=True)
class Family:
    """One family. Functions take the denoiser, on any device, meta too.

    part: the pipeline's name for the denoiser; holder: the denoiser's attribute that holds the projection.
    span: what the denoiser is told as the timestep of pure noise; 0 is the picture.
    first, step: the numbers of the sites in the file are first, first + step, ...
    renames: (in the file, in the module) of the projection's weights.
    projection, processor: fresh modules, as diffusers' loader makes them.
    start: sets a fresh site's weights to where its training starts.
    """

    name: str
    covers: str
    denoiser: type[Any]
    part: str
    holder: str
    span: float
    first: int
    step: int
    tokens: int
    width: int
    renames: tuple[tuple[str, str], ...]
    check: Callable[[Any, int, int], None]
    sites: Callable[[Any], list[str]]
    projection: Callable[[Any, int, int], nn.Module]
    processor: Callable[[Any, str, int, int], nn.Module]
    start: Callable[[Any, Any], None]

    def file_name(self, module_name: str) -> str:
        """The name in the file of one of the projection's weights."""
        for in_file, in_module in self.renames:
            if in_module in module_name:
                return module_name.replace(in_module, in_file)
        return module_name


def family_of(denoiser: nn.Module) -> Family:
    """The denoiser's family. Raises ValueError for a model that has none."""
    for family in FAMILIES.values():
        if isinstance(denoiser, family.denoiser):
            return family
    known = "; ".join(family.covers for family in FAMILIES.values())
    raise ValueError(f"{type(denoiser).__name__} takes no relational adapter; these do: {known}")


# Of the kinds of pipelines (`kinds`), those that have a family; the others take no adapter.
FAMILY_OF_KIND = {"sd15": "unet", "sdxl": "unet", "sd3": "sd3", "flux": "flux", "kontext": "flux"}


def check_kind(family: str, kind: str, title: str) -> None:
    """Raises ValueError if an adapter of this family cannot be for a kind of pipeline, which is known before anything
    large is loaded. "" and kinds that only their classes tell pass."""
    if not kind or kind == "others":
        return
    if kind not in FAMILY_OF_KIND:
        raise ValueError(f"--adapter: {title} takes no relational adapter in diffusers: leave it out")
    if FAMILY_OF_KIND[kind] != family:
        raise ValueError(
            f"--adapter: is for {FAMILIES[family].covers} (family {family}), and {title} is of family "
            f"{FAMILY_OF_KIND[kind]}: take an adapter made for it"
        )


def attention_at(denoiser: Any, site: str) -> Any:
    return denoiser.get_submodule(site.removesuffix(".processor"))


# -- UNets with cross-attention: SD 1.5, SD 2, SDXL and any other UNet2DConditionModel -------------------------------


def _unet_check(denoiser: Any, tokens: int, width: int) -> None:
    cross_dim = denoiser.config.cross_attention_dim
    if not isinstance(cross_dim, int):
        raise ValueError(f"this UNet's cross_attention_dim is {cross_dim}: expected one width for all blocks")
    if not _unet_sites(denoiser):
        raise ValueError("this UNet has no cross-attention for relation tokens to enter")
    if any(attention_at(denoiser, site).added_kv_proj_dim is not None for site in _unet_sites(denoiser)):
        raise ValueError("this UNet mixes text into its self-attention: relation tokens need a cross-attention")
    if width % TEXT_DIM:
        raise ValueError(f"width is {width}: expected a multiple of {TEXT_DIM}, or the file's format cannot hold it")


def _unet_sites(denoiser: Any) -> list[str]:
    return [name for name in denoiser.attn_processors if name.endswith("attn2.processor")]


def _unet_projection(denoiser: Any, tokens: int, width: int) -> nn.Module:
    # The FaceID form: of those that diffusers knows, the one with any number of tokens.
    return IPAdapterFaceIDImageProjection(TEXT_DIM, denoiser.config.cross_attention_dim, width // TEXT_DIM, tokens)


def _unet_processor(denoiser: Any, site: str, tokens: int, width: int) -> nn.Module:
    hidden = attention_at(denoiser, site).to_k.out_features
    return IPAdapterAttnProcessor2_0(hidden, denoiser.config.cross_attention_dim, num_tokens=(tokens,))


def _unet_start(attention: Any, processor: Any) -> None:
    """The text's own keys and values, as IP-Adapter starts, arXiv:2308.06721."""
    _copy(attention.to_k, processor.to_k_ip[0])
    _copy(attention.to_v, processor.to_v_ip[0])


# -- SD 3 and 3.5 -----------------------------------------------------------------------------------------------------


def _sd3_check(denoiser: Any, tokens: int, width: int) -> None:
    if width % 64:
        raise ValueError(f"width is {width}: expected a multiple of 64, the width of a head in the file's format")


def _sd3_hidden(denoiser: Any) -> int:
    return denoiser.config.attention_head_dim * denoiser.config.num_attention_heads


def _sd3_projection(denoiser: Any, tokens: int, width: int) -> nn.Module:
    return IPAdapterTimeImageProjection(
        embed_dim=TEXT_DIM, output_dim=_sd3_hidden(denoiser), hidden_dim=width, heads=width // 64, num_queries=tokens
    )


def _sd3_processor(denoiser: Any, site: str, tokens: int, width: int) -> nn.Module:
    hidden = _sd3_hidden(denoiser)
    return SD3IPAdapterJointAttnProcessor2_0(hidden, hidden, denoiser.config.attention_head_dim, width, scale=1.0)


def _sd3_start(attention: Any, processor: Any) -> None:
    """Keys and values of the text's stream, or of the picture's where a site has no text; norms as the picture's."""
    _copy(getattr(attention, "add_k_proj", None) or attention.to_k, processor.to_k_ip)
    _copy(getattr(attention, "add_v_proj", None) or attention.to_v, processor.to_v_ip)
    for ours, theirs in (("norm_q", "norm_q"), ("norm_k", "norm_k"), ("norm_ip_k", "norm_k")):
        if getattr(attention, theirs) is not None:
            _copy(getattr(attention, theirs), getattr(processor, ours))


# -- FLUX.1 and Kontext -----------------------------------------------------------------------------------------------


def _flux_check(denoiser: Any, tokens: int, width: int) -> None:
    allowed = _flux_tokens(denoiser)
    if tokens not in allowed:
        known = " or ".join(map(str, allowed))
        raise ValueError(f"tokens is {tokens}: expected {known}, which diffusers' loader knows for this model")


def _flux_tokens(denoiser: Any) -> tuple[int, ...]:
    # The loader guesses the number from the rows of the projection: 65536 are 16 tokens, all others 4.
    return (4, 16) if denoiser.config.joint_attention_dim * 16 == 65536 else (4,)


def _flux_projection(denoiser: Any, tokens: int, width: int) -> nn.Module:
    return ImageProjection(TEXT_DIM, denoiser.config.joint_attention_dim, tokens)


def _flux_processor(denoiser: Any, site: str, tokens: int, width: int) -> nn.Module:
    return FluxIPAdapterAttnProcessor(denoiser.inner_dim, denoiser.config.joint_attention_dim, num_tokens=(tokens,))


def _flux_start(attention: Any, processor: Any) -> None:
    """Values of zero: nothing in the model maps text of this width to keys, and so the start is the base itself."""
    nn.init.zeros_(processor.to_v_ip[0].weight)
    nn.init.zeros_(processor.to_v_ip[0].bias)
    nn.init.zeros_(processor.to_k_ip[0].bias)


def _copy(source: Any, target: Any) -> None:
    source = getattr(source, "base_layer", source)  # of a layer that peft has wrapped
    target.weight.copy_(source.weight)


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            "unet", "SD 1.5, SD 2, SDXL and other UNet2DConditionModel", UNet2DConditionModel, "unet",
            "encoder_hid_proj", 1000.0, 1, 2, 16, 2 * TEXT_DIM,
            (("proj.0.", "ff.net.0.proj."), ("proj.2.", "ff.net.2.")),
            _unet_check, _unet_sites, _unet_projection, _unet_processor, _unet_start,
        ),
        Family(
            "sd3", "SD 3 and 3.5", SD3Transformer2DModel, "transformer", "image_proj", 1000.0, 0, 1, 16, 1280,
            # The names of InstantX's SD3.5 checkpoint, the first of the kind.
            tuple(
                (f"layers.{i}.{in_file}", f"layers.{i}.{in_module}")
                for i in range(4)
                for in_file, in_module in (
                    ("0.norm1.", "ln0."), ("0.norm2.", "ln1."), ("0.to_q.", "attn.to_q."), ("0.to_kv.", "attn.to_kv."),
                    ("0.to_out.", "attn.to_out.0."), ("1.0.", "adaln_norm."), ("1.1.", "ff.net.0.proj."),
                    ("1.3.", "ff.net.2."), ("2.1.", "adaln_proj."),
                )
            ),
            _sd3_check, lambda denoiser: list(denoiser.attn_processors), _sd3_projection, _sd3_processor, _sd3_start,
        ),
        Family(
            "flux", "FLUX.1 and FLUX.1 Kontext", FluxTransformer2DModel, "transformer", "encoder_hid_proj", 1.0, 0, 1,
            4, 0, (("proj.", "image_embeds."),), _flux_check,
            lambda denoiser: [name for name in denoiser.attn_processors if not name.startswith("single_")],
            _flux_projection, _flux_processor, _flux_start,
        ),
    )
}  # fmt: skip


def fresh(make: Callable[[], nn.Module], like: nn.Module) -> nn.Module:
    """A new module in fp32 on the CPU, or on meta where the denoiser is there."""
    with torch.device("meta" if next(like.parameters()).is_meta else "cpu"):
        return make()
