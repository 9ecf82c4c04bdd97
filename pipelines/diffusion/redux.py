"""FLUX Redux: gives FLUX.1 the looks of a picture by tokens that follow those of the prompt.

The image prior of diffusers (`FluxPriorReduxPipeline`) has an image encoder and an embedder, which makes a token of
each of the picture's 27 x 27 patches. So many outweigh any prompt and bring the picture's things and their places
along; means of 3 x 3 of them are for colours and materials. It changes no attention, so it goes with a relational
adapter.
"""

from __future__ import annotations

import json
from math import isqrt
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from analogen.pipelines.diffusion.loading import LoadedPipeline, load_or_explain
from analogen.relsim.hub import fetch
from analogen.relsim.images import as_rgb

REPO = "black-forest-labs/FLUX.1-Redux-dev"
FILES = tuple(f"{part}/{end}" for part in ("image_encoder", "image_embedder") for end in ("*.json", "*.safetensors"))
POOL = 3  # patches to the side of those that become one token


class Redux:
    """Makes tokens of pictures. scale: factor of the tokens; 0 leaves the prompt alone.

    encoder: a SigLIP vision model; embedder: a `ReduxImageEncoder`.
    """

    def __init__(self, encoder: Any, embedder: Any, scale: float) -> None:
        self.encoder, self.embedder, self.scale = encoder, embedder, scale

    @torch.no_grad()
    def tokens(self, picture: Image.Image, like: Tensor) -> Tensor:
        """(1, n, dim): n tokens of a picture, of the device and precision of `like`."""
        side = self.encoder.config.image_size
        small = as_rgb(picture).resize((side, side), Image.Resampling.BICUBIC)
        pixels = torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8).view(1, side, side, 3)
        pixels = (pixels.permute(0, 3, 1, 2).float() / 127.5 - 1).to(like)  # SigLIP's mean and deviation are .5
        seen = self.encoder(pixel_values=pixels).last_hidden_state
        found = self.embedder(seen.to(like)).image_embeds  # (1, patches, dim)
        grid = isqrt(found.shape[1])
        square = found.transpose(1, 2).reshape(1, -1, grid, grid)
        pooled = F.adaptive_avg_pool2d(square, max(1, grid // POOL))
        return (self.scale * pooled.flatten(2).transpose(1, 2)).to(like)


def load_redux(loaded: LoadedPipeline, scale: float, folder: str | Path | None = None) -> Redux:
    """Load Redux for a pipeline, on the device of the pipeline's models.

    folder: of its files, where they are not to come from the hub. Raises ValueError for a folder that is none.
    """
    from diffusers.pipelines.flux.modeling_flux import ReduxImageEncoder
    from transformers import SiglipVisionModel

    where = Path(folder) if folder is not None else fetch(REPO, files=FILES)
    dtype = loaded.denoiser.dtype
    settings: dict[str, Any] = {"use_safetensors": True, "local_files_only": True}

    def load() -> tuple[nn.Module, nn.Module]:
        config = json.loads((where / "image_encoder" / "config.json").read_text())
        if config.get("model_type") not in ("siglip", "siglip_vision_model"):
            raise ValueError(f"its image encoder is a {config.get('model_type')}, expected SigLIP")
        return (
            SiglipVisionModel.from_pretrained(str(where / "image_encoder"), dtype=dtype, **settings),
            ReduxImageEncoder.from_pretrained(str(where / "image_embedder"), torch_dtype=dtype, **settings),
        )

    encoder, embedder = load_or_explain(load, str(where if folder is not None else REPO))
    for name, model in (("redux_encoder", encoder), ("redux_embedder", embedder)):
        loaded.placement.add(name, model.eval())
    return Redux(encoder, embedder, scale)
