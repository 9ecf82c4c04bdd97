"""Loads the generator that a request asks for: mini, or a diffusion model."""

from __future__ import annotations

from analogen.generator import Generator
from analogen.models import find_model
from analogen.stages import Stages
from analogen.types import Request


def load_generator(request: Request) -> Stages:
    """Load the model that a request asks for; it serves all requests with the same `Request.loaded_with`.

    Raises UserError for a model, adapter or device that cannot be used.
    """
    if find_model(request.model).is_mini:
        return Generator(request.model, request.device, request.dtype)
    from analogen.relsim.text import quiet_transformers

    with quiet_transformers():  # lines about torchvision, which nothing here needs
        from analogen.diffusion_generator import DiffusionGenerator  # diffusers' pipelines, which mini does without

    return DiffusionGenerator(request)
