"""Promises of style pictures: a published IP-Adapter gives a text-to-image model the looks of a second picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from analogen.pipelines.diffusion.device_placement import DevicePlacement
from analogen.pipelines.diffusion.image_spec import ImageSpec
from analogen.pipelines.diffusion.loading import load_pipeline
from analogen.pipelines.diffusion.sampler import DiffusionSampler
from analogen.pipelines.diffusion.style_picture import STYLE_ADAPTERS, load_style
from analogen.pipelines.diffusion.tiny import build_pipeline, save_pipeline

TOKENS, WIDTH = 4, 32


def save_ip_adapter(folder: Path) -> Path:
    """A random IP-Adapter for the tiny SD 1.5, laid out as the published one."""
    row = STYLE_ADAPTERS["sd15"]
    torch.manual_seed(0)
    unet = build_pipeline("sd15").unet
    weights = {
        "image_proj.proj.weight": torch.randn(TOKENS * WIDTH, WIDTH),
        "image_proj.proj.bias": torch.zeros(TOKENS * WIDTH),
        "image_proj.norm.weight": torch.ones(WIDTH),
        "image_proj.norm.bias": torch.zeros(WIDTH),
    }
    for place, name in enumerate(unet.attn_processors):
        if name.endswith("attn2.processor"):
            rows = unet.get_submodule(name.removesuffix(".processor")).to_k.weight.shape[0]
            for part in ("k", "v"):
                weights[f"ip_adapter.{place}.to_{part}_ip.weight"] = torch.randn(rows, WIDTH)
    (folder / row.folder).mkdir(parents=True)
    save_file(weights, folder / row.folder / row.file)
    config = CLIPVisionConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8,
        projection_dim=WIDTH,
    )  # fmt: skip
    CLIPVisionModelWithProjection(config).save_pretrained(folder / row.encoder)
    return folder


def test_each_row_has_the_looks_of_its_own_picture(tmp_path: Path) -> None:
    pipeline = save_pipeline(tmp_path / "sd15", "sd15")
    loaded = load_pipeline(str(pipeline), DevicePlacement("cpu"), torch.float32)
    load_style(loaded, folder=save_ip_adapter(tmp_path / "adapter"))
    sampler = DiffusionSampler(loaded)
    looks = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue", "red")]
    rows = [ImageSpec("owls", 1, 64, 64, style=look) for look in looks]
    red, blue, again = (np.asarray(image, np.int16) for image in sampler.sample(rows, steps=2))
    assert np.abs(red - again).max() <= 2
    assert np.abs(red - blue).max() > 2


def test_kinds_without_one_say_who_can(tmp_path: Path) -> None:
    loaded = load_pipeline(str(save_pipeline(tmp_path, "z-image")), DevicePlacement("cpu"), torch.float32)
    with pytest.raises(ValueError, match="no published style adapter of Z-Image is known: take sd15, sdxl, flux, or"):
        load_style(loaded)
