"""Encodes prompts by the text encoders of any diffusers pipeline, and batches the results."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from analogen.pipelines.diffusion.image_spec import ImageSpec
from analogen.pipelines.diffusion.model_defaults import PipelineKind


def encode_rows(pipeline: Any, kind: PipelineKind, some: Sequence[ImageSpec], guided: bool) -> dict[str, Tensor]:
    """The embeddings of several rows' prompts, each (rows, ...), by the name of the argument of the pipeline's call.

    some: rows that all have a negative prompt, or all have none; guided: with the embeddings for classifier-free
    guidance.
    """
    names, takes = kind.encoded, set(inspect.signature(pipeline.encode_prompt).parameters)
    settings: dict[str, Any] = {"device": pipeline._execution_device, "num_images_per_prompt": 1}
    settings |= {name: None for name in ("prompt_2", "prompt_3") if name in takes}
    if "negative_prompt" in takes:
        settings["do_classifier_free_guidance"] = guided
        settings["negative_prompt"] = [row.negative_prompt or "" for row in some] if some[0].negative_prompt else None
    if "image" in takes:
        assert some[0].picture is not None, "rows of an edit model have a picture"
        settings["image"] = _picture_for_language_model(pipeline, some[0].picture)
    found = pipeline.encode_prompt(prompt=[row.prompt for row in some], **settings)
    embeddings = _named(names, found)
    if kind.needs_negative and guided:
        found = pipeline.encode_prompt(prompt=[row.negative_prompt or " " for row in some], **settings)
        embeddings |= {f"negative_{name}": value for name, value in _named(names, found).items()}
    return embeddings


def prompt_arguments(row: ImageSpec, needs_negative: bool) -> dict[str, Tensor | str]:
    """The prompts themselves, for a pipeline that embeds them in its call."""
    words: dict[str, Tensor | str] = {"prompt": row.prompt}
    if row.negative_prompt or needs_negative:
        words["negative_prompt"] = row.negative_prompt or " "
    return words


def _named(names: Sequence[str], found: Sequence[Tensor | None]) -> dict[str, Tensor]:
    """What `encode_prompt` returned, by name. Where it leaves out a mask because all tokens count, one is made, since
    rows that are encoded later may have another length."""
    named = dict(zip(names, found, strict=True))
    embeds = next(value for value in found if value is not None)
    for name, value in named.items():
        if name.endswith("_mask") and value is None:
            named[name] = embeds.new_ones(embeds.shape[:2], dtype=torch.long)
    return {name: value for name, value in named.items() if name and value is not None}


def _picture_for_language_model(pipeline: Any, picture: Image.Image) -> Image.Image:
    """The picture at the size at which Qwen-Image-Edit's pipelines show it to their language model."""
    module = sys.modules[type(pipeline).__module__]
    area = getattr(module, "CONDITION_IMAGE_SIZE", 1024 * 1024)
    width, height, *_ = module.calculate_dimensions(area, picture.width / picture.height)
    resized: Image.Image = pipeline.image_processor.resize(picture, height, width)
    return resized


def collate_arguments(rows: list[dict[str, Tensor | str]]) -> dict[str, Any]:
    """Batches the arguments of several rows: tensors are stacked, short sequences padded with zeros, texts listed."""
    whole: dict[str, Any] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        tensors = [value for value in values if isinstance(value, Tensor)]
        if len(tensors) < len(values):
            whole[name] = [value or "" for value in values]
            continue
        if tensors[0].ndim > 1:
            longest = max(value.shape[1] for value in tensors)
            tensors = [_padded(value, longest) for value in tensors]
        whole[name] = torch.cat(tensors)
    return whole


def _padded(value: Tensor, length: int) -> Tensor:
    """(1, n, ...) -> (1, length, ...)."""
    missing = length - value.shape[1]
    return value if not missing else torch.cat([value, value.new_zeros(1, missing, *value.shape[2:])], dim=1)
