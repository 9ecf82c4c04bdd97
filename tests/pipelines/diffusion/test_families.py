"""Promises of the families of 2026: each from its real class at tiny size, loaded from a folder as published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from analogen.pipelines.diffusion.device_placement import DevicePlacement
from analogen.pipelines.diffusion.image_spec import ImageSpec
from analogen.pipelines.diffusion.loading import load_pipeline
from analogen.pipelines.diffusion.runtime import RuntimeOptions
from analogen.pipelines.diffusion.sampler import DiffusionSampler
from analogen.pipelines.diffusion.tiny import build_pipeline, save_pipeline

WORDS = (
    "z-image", "krea2", "ideogram4", "hunyuan-image", "ernie-image", "chroma", "anima", "flux3", "fibo2",
    "qwen-image-2.1", "klein",
)  # fmt: skip
SEVERAL = ("flux3", "fibo2", "qwen-image-2.1", "klein")  # take several pictures beside the words
PROMPTS = ("a ring of bicycles", "cats, ever smaller", "x")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("pipelines")
    return {name: save_pipeline(place / name, name) for name in WORDS}


def load(folder: Path, runtime: RuntimeOptions | None = None) -> DiffusionSampler:
    return DiffusionSampler(load_pipeline(str(folder), DevicePlacement("cpu"), torch.float32, runtime))


def plain(colour: str) -> Image.Image:
    return Image.new("RGB", (64, 64), colour)


def apart(one: Image.Image, other: Image.Image) -> int:
    return int(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max())


@pytest.mark.parametrize("name", WORDS)
def test_words_make_the_same_picture_alone_or_among_others(name: str, folders: dict[str, Path]) -> None:
    sampler = load(folders[name])
    asked = [ImageSpec(prompt, seed, 64, 64) for seed, prompt in enumerate(PROMPTS)]
    together = sampler.sample(asked, steps=2)
    (alone,) = sampler.sample(asked[1:2], steps=2)
    assert {(image.size, image.mode) for image in together} == {((64, 64), "RGB")}
    assert apart(together[1], alone) <= 2
    assert apart(together[0], together[1]) > 2


@pytest.mark.parametrize("name", WORDS)
def test_guidance_and_steps_reach_the_model(name: str, folders: dict[str, Path]) -> None:
    sampler = load(folders[name])
    row = [ImageSpec("a ring of bicycles", 1, 64, 64, "dull")]
    (own,), (three,) = sampler.sample(row, steps=2), sampler.sample(row, steps=3)
    assert apart(own, three) > 0
    (strict,) = sampler.sample(row, steps=2, guidance_scale=9.0)
    assert apart(own, strict) > 0
    (again,) = sampler.sample(row, steps=2)  # what one request says of guidance does not reach the next
    assert apart(own, again) == 0


@pytest.mark.parametrize("name", SEVERAL)
def test_a_second_picture_is_seen(name: str, folders: dict[str, Path]) -> None:
    sampler = load(folders[name])

    def made(*colours: str) -> Image.Image:
        first, *more = (plain(colour) for colour in colours)
        row = ImageSpec("owls", 1, 64, 64, picture=first, more=tuple(more))
        (image,) = sampler.sample([row], "edit", steps=2)
        return image

    one, two, other = made("red"), made("red", "blue"), made("red", "green")
    assert one.size == (64, 64)
    assert apart(one, two) > 0
    assert apart(two, other) > 0


def test_more_pictures_than_a_model_takes_are_refused(folders: dict[str, Path]) -> None:
    sampler = load(folders["fibo2"])
    row = ImageSpec("owls", 1, 64, 64, picture=plain("red"), more=(plain("blue"),) * 5)
    with pytest.raises(ValueError, match="6 pictures came: FIBO 2 takes 5"):
        sampler.sample([row], "edit", steps=1)


@pytest.mark.parametrize("name", ["flux3", "anima"])
def test_a_modular_pipeline_says_what_it_cannot_do(name: str, folders: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match="cannot be quantized"):
        load(folders[name], RuntimeOptions(quantize="4bit"))
    (folders[name] / "transformer" / "diffusion_pytorch_model.safetensors").rename(folders[name] / "away")
    try:
        with pytest.raises(ValueError, match="a file of weights is missing"):
            load(folders[name])
    finally:
        (folders[name] / "away").rename(folders[name] / "transformer" / "diffusion_pytorch_model.safetensors")


def test_no_language_model_rewrites_the_prompt(folders: dict[str, Path]) -> None:
    """What --dry-run shows is what the model reads."""
    sampler = load(folders["flux3"])
    assert "prompt_upsampler" not in sampler.loaded.pipeline.components
    seen: list[Any] = []
    sampler = load(folders["ernie-image"])
    call = type(sampler.loaded.pipeline).__call__

    def noting(self: Any, *args: Any, **given: Any) -> Any:
        seen.append(given)
        return call(self, *args, **given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(sampler.loaded.pipeline), "__call__", noting)
        patch.setattr(
            "analogen.pipelines.diffusion.pipeline_call.call_arguments", lambda _: {"use_pe": True, "prompt": 1}
        )
        sampler.sample([ImageSpec("owls", 1, 64, 64)], steps=1)
    assert seen[0]["use_pe"] is False


def test_regions_reach_a_model_that_takes_them(tmp_path: Path) -> None:
    from diffusers import StableDiffusionGLIGENPipeline, UNet2DConditionModel

    from analogen.pipelines.diffusion.layout_boxes import Box

    base = build_pipeline("sd15")
    told = {key: value for key, value in base.unet.config.items() if not key.startswith("_")}
    unet = UNet2DConditionModel(**{**told, "attention_type": "gated"})
    parts = {**base.components, "unet": unet}
    del parts["image_encoder"]
    StableDiffusionGLIGENPipeline(**parts, requires_safety_checker=False).save_pretrained(tmp_path)
    sampler = load(tmp_path)
    assert sampler.kind.boxes == "regions"
    for name, parameter in sampler.loaded.denoiser.named_parameters():
        if "alpha" in name:  # the gates of the regions start closed
            parameter.data.fill_(1.0)
    left, right = (Box("owl_1", "owl", 0.1, x, 0.9, x + 0.4) for x in (0.05, 0.55))
    one, other = sampler.sample([ImageSpec("owls", 1, 64, 64, boxes=(box,)) for box in (left, right)], steps=8)
    assert apart(one, other) > 0
    with pytest.raises(ValueError, match="add --layout boxes"):
        sampler.sample([ImageSpec("owls", 1, 64, 64)], steps=1)
