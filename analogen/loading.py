"""From a request to the stages that carry it out: mini's, or a big model's."""

from __future__ import annotations

from analogen.generator import Generator
from analogen.models import find_model
from analogen.stages import Stages
from analogen.types import Request


def load_generator(request: Request) -> Stages:
    """The model that a request asks for, ready for all requests that agree with it in `Request.loaded_with`.

    Raises UserError for what cannot be had.
    """
    if find_model(request.model).is_mini:
        return Generator(request.model, request.device, request.dtype)
    from analogen.diffusion_generator import Painting  # diffusers and all its kin: mini's start must not wait for them

    return Painting(request)
