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
from analogen.pipelines.diffusion.style_choice import STYLE_ADAPTERS, scale_of, way_of
from analogen.pipelines.diffusion.style_picture import load_style
from analogen.pipelines.diffusion.tiny import build_pipeline, save_pipeline, save_redux

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


def test_redux_gives_flux_the_looks_of_a_picture_as_strongly_as_asked(tmp_path: Path) -> None:
    pipeline = save_pipeline(tmp_path / "flux", "flux")
    loaded = load_pipeline(str(pipeline), DevicePlacement("cpu"), torch.float32)
    folder = save_redux(tmp_path / "redux")
    one, other = (Image.new("RGB", (64, 64), color) for color in ("red", "blue"))
    redux = load_style(loaded, 1.0, "redux", folder)
    assert redux is not None
    words = torch.zeros(1, 3, loaded.pipeline.text_encoder_2.config.d_model)
    assert redux.tokens(one, words).shape == (1, 4, words.shape[2])  # 6 x 6 patches, in groups of 3 x 3
    sampler = DiffusionSampler(loaded, redux=redux)

    def sampled(scale: float, *looks: Image.Image) -> list[np.ndarray]:
        redux.scale = scale
        rows = [ImageSpec("owls", 1, 64, 64, style=look) for look in looks]
        return [np.asarray(image, np.int16) for image in sampler.sample(rows, steps=2)]

    first, second, again = sampled(1.0, one, other, one)
    assert np.abs(first - again).max() <= 2
    assert np.abs(first - second).max() > 2
    weak, none = sampled(0.1, one)[0], sampled(0.0, one)[0]
    assert np.abs(weak - none).sum() < np.abs(first - none).sum()


@pytest.mark.parametrize(
    ("kind", "asked", "adapted", "expected"),
    [
        ("sd15", "auto", False, "ip-adapter"),
        ("flux", "auto", False, "ip-adapter"),
        ("flux", "redux", False, "redux"),
        ("flux", "auto", True, "redux"),
        ("flux", "redux", True, "redux"),
    ],
)
def test_the_way_of_a_style_follows_what_else_is_asked(kind: str, asked: str, adapted: bool, expected: str) -> None:
    assert way_of(kind, asked, adapted) == expected


@pytest.mark.parametrize(
    ("kind", "asked", "adapted", "message"),
    [
        ("sdxl", "redux", False, "--style-by redux: is for flux"),
        ("sdxl", "auto", True, "leave one of them out, or take --style-image with flux"),
        ("flux", "ip-adapter", True, "leave one of them out, or take --style-by redux"),
    ],
)
def test_ways_that_a_model_does_not_have_are_refused(kind: str, asked: str, adapted: bool, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        way_of(kind, asked, adapted)


@pytest.mark.parametrize("kind", ["sd15", "sdxl", "flux"])
@pytest.mark.parametrize("way", ["ip-adapter", "redux"])
def test_style_scale_is_balanced_at_a_half_and_rises_all_the_way(kind: str, way: str) -> None:
    row = STYLE_ADAPTERS[kind]
    scales = [scale_of(kind, way, wanted) for wanted in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert scales == sorted(set(scales))
    balanced, full = (row.balanced, row.full) if way == "ip-adapter" else (0.5, 1.0)
    assert (scales[0], scales[2], scales[4]) == (0, balanced, full)
    assert scale_of(kind, way, None) == scales[2]
