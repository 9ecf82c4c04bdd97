"""Measure the speed of SDXL with random weights: alone, with an adapter, in batches, and with reranking.

    python recipes/sdxl_speed.py                 # full size at 1024 x 1024 in bf16: a GPU with 24 GB or more
    python recipes/sdxl_speed.py --tiny          # a few seconds on a CPU, as a test

Prints one JSON object. `floor_seconds`: the time of a picture if the device did only its counted multiplications, at
the rate that it reaches on large square matrices in the same run; `share`: that time by the measured one. `batch`: 8
pictures of 8 different references in one of our calls, against 8 calls of the stock pipeline with the same adapter.
`rerank`: 8 candidates and their scores by mini's encoder. Random weights compute as fast as trained ones.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from analogen.pipelines.adapter.model import build_adapter
from analogen.pipelines.diffusion.device_placement import DevicePlacement
from analogen.pipelines.diffusion.full_size import meta_denoiser
from analogen.pipelines.diffusion.image_spec import ImageSpec
from analogen.pipelines.diffusion.loading import LoadedPipeline, compile_blocks
from analogen.pipelines.diffusion.model_defaults import KINDS
from analogen.pipelines.diffusion.sampler import DiffusionSampler
from analogen.pipelines.diffusion.tiny import build_pipeline, euler, tokenizer
from analogen.reference_reader import ReferenceReader
from analogen.relsim.encoder import load_mini

KIND = next(kind for kind in KINDS if kind.name == "sdxl")
GUIDANCE, STEPS, FEW_STEPS = 5.0, 30, 4
ROWS = 8


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--side", type=int, help="pixels; 1024, tiny 64")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    on_gpu = device.type == "cuda"
    dtype = torch.float32 if options.tiny else torch.bfloat16
    side = options.side or (64 if options.tiny else 1024)
    clock = Clock(device, options.repeats)

    pipeline = build_pipeline("sdxl") if options.tiny else full_size(device, dtype)
    pipeline.to(device, dtype)
    pipeline.set_progress_bar_config(disable=True)
    rate = matmul_rate(clock, dtype, 256 if options.tiny else 8192)
    flops = count(pipeline, options.tiny, side)
    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if on_gpu else "cpu", "torch": torch.__version__, "side_px": side,
        "dtype": str(dtype).removeprefix("torch."), "matmul_tflops": rate / 1e12,
        "tflop": {name: value / 1e12 for name, value in flops.items()},
    }  # fmt: skip

    def stock(steps: int, guidance: float, rows: int = 1, **more: Any) -> Any:
        return pipeline(
            ["a ring of bicycles"] * rows, width=side, height=side, num_inference_steps=steps, guidance_scale=guidance,
            generator=[torch.Generator("cpu").manual_seed(n) for n in range(rows)], **more,
        )  # fmt: skip

    def entry(seconds: float, steps: int, passes: int) -> dict[str, float]:
        floor = (steps * passes * flops["denoiser"] + flops["decoder"] + passes * flops["text"]) / rate
        return {"seconds": seconds, "floor_seconds": floor, "share": floor / seconds}

    runs = {"guided": (options.steps, GUIDANCE, 2), "few_steps": (FEW_STEPS, 0.0, 1)}
    found["eager"] = {
        name: entry(clock.seconds(lambda s=steps, g=guidance: stock(s, g)), steps, passes)
        for name, (steps, guidance, passes) in runs.items()
    }
    found["batch"], found["rerank"] = with_adapter(pipeline, clock, device, stock, side, options.steps)
    if options.compile:
        compile_blocks(pipeline.unet)
        found["compiled"] = {
            name: entry(clock.seconds(lambda s=steps, g=guidance: stock(s, g)), steps, passes)
            for name, (steps, guidance, passes) in runs.items()
        }
    if on_gpu:
        found["peak_gib"] = torch.cuda.max_memory_allocated() / 2**30
    print(json.dumps(found, indent=1))
    return found


def with_adapter(
    pipeline: Any, clock: Clock, device: torch.device, stock: Callable[..., Any], side: int, steps: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Figures of 8 different references: one of our calls against stock calls with the same adapter, and reranking."""
    adapter = build_adapter(pipeline.unet)
    relations = np.random.default_rng(0).normal(size=(ROWS, 384)).astype(np.float32)
    relations /= np.linalg.norm(relations, axis=1, keepdims=True)

    weights = {part: dict(adapter.weights[part]) for part in ("image_proj", "ip_adapter")}
    pipeline.load_ip_adapter(weights, subfolder="", weight_name="", image_encoder_folder=None)
    embeds = [torch.from_numpy(row).view(1, 1, 384).to(device, pipeline.unet.dtype) for row in relations]

    def calls() -> None:
        for one in embeds:
            stock(steps, GUIDANCE, ip_adapter_image_embeds=[torch.cat([torch.zeros_like(one), one])])

    stock_seconds = clock.seconds(calls)
    pipeline.unload_ip_adapter()

    placement = DevicePlacement(device)
    placement.add_pipeline(pipeline.components)
    sampler = DiffusionSampler(LoadedPipeline(pipeline, KIND, placement, None), adapter=adapter)
    rows = [ImageSpec("a bicycle", n, side, side, relation=relations[n]) for n in range(ROWS)]
    kept: list[Any] = []

    def sample() -> None:
        kept[:] = sampler.sample(rows, steps=steps, guidance_scale=GUIDANCE)

    ours = clock.seconds(sample)
    reader = ReferenceReader(load_mini("mini", str(device)))
    (conditioning,) = reader.read([((), "many {subject} arranged in a circle")])
    scoring = clock.seconds(lambda: reader.score(kept, conditioning, "bicycle"))
    assert sampler.attached is not None
    sampler.attached.detach()
    batch = {
        "images_per_second": ROWS / ours, "stock_calls_images_per_second": ROWS / stock_seconds,
        "ratio": stock_seconds / ours,
    }  # fmt: skip
    return batch, {"paint_seconds": ours, "score_seconds": scoring, "score_share": scoring / (ours + scoring)}


class Clock:
    """Measures the median time of repeated calls, after one call that is not counted."""

    def __init__(self, device: torch.device, repeats: int) -> None:
        self.device, self.repeats = device, repeats

    def seconds(self, work: Callable[[], object]) -> float:
        work()
        return statistics.median(self._once(work) for _ in range(self.repeats))

    def _once(self, work: Callable[[], object]) -> float:
        self._wait()
        started = time.perf_counter()
        work()
        self._wait()
        return time.perf_counter() - started

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def matmul_rate(clock: Clock, dtype: torch.dtype, side: int) -> float:
    """Multiplications and additions per second on square matrices."""
    left, right = (torch.randn(side, side, device=clock.device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / clock.seconds(lambda: left @ right)


def count(pipeline: Any, tiny: bool, side: int) -> dict[str, int]:
    """Multiplications and additions of one row: a pass of the denoiser, of the decoder, of the text encoders.

    They are counted on the meta device, without computing anything.
    """
    unet: Any = type(pipeline.unet).from_config(pipeline.unet.config).to("meta") if tiny else meta_denoiser("sdxl")
    vae: Any = _on_meta(lambda: AutoencoderKL.from_config(pipeline.vae.config))
    latents = side // pipeline.vae_scale_factor
    with torch.device("meta"), torch.no_grad():
        rows, time_ids = torch.zeros(1, 4, latents, latents), torch.zeros(1, 6)
        pooled = torch.zeros(1, pipeline.text_encoder_2.config.projection_dim)
        words = torch.zeros(1, 77, unet.config.cross_attention_dim)
        added = {"text_embeds": pooled, "time_ids": time_ids}
        with FlopCounterMode(display=False) as denoiser:
            unet(rows, torch.zeros(1), words, added_cond_kwargs=added)
        with FlopCounterMode(display=False) as decoder:
            vae.decode(rows)
    text = sum(
        2 * 77 * sum(p.numel() for name, p in part.named_parameters() if "layers" in name)
        for part in (pipeline.text_encoder, pipeline.text_encoder_2)
    )
    return {"denoiser": denoiser.get_total_flops(), "decoder": decoder.get_total_flops(), "text": text}


def full_size(device: torch.device, dtype: torch.dtype) -> Any:
    """SDXL with the shapes of its config.json files and random weights, created on the device."""
    unet: Any = meta_denoiser("sdxl")
    vae = _on_meta(
        lambda: AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4, sample_size=1024,
            scaling_factor=0.13025, force_upcast=False,
        )
    )  # fmt: skip
    small = CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, bos_token_id=256,
        eos_token_id=257, pad_token_id=257,
    )  # fmt: skip
    large = CLIPTextConfig(
        hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=20, hidden_act="gelu",
        projection_dim=1280, bos_token_id=256, eos_token_id=257, pad_token_id=257,
    )  # fmt: skip
    with torch.device(device):
        text, text_2 = CLIPTextModel(small), CLIPTextModelWithProjection(large)
    for model in (unet, vae):
        model.to_empty(device=device)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_(0, 0.02)
    return StableDiffusionXLPipeline(
        vae=vae, text_encoder=text, text_encoder_2=text_2, tokenizer=tokenizer(), tokenizer_2=tokenizer(), unet=unet,
        scheduler=euler(), add_watermarker=False,
    )  # fmt: skip


def _on_meta(make: Callable[[], Any]) -> nn.Module:
    with torch.device("meta"):
        made: nn.Module = make()
    return made


if __name__ == "__main__":
    main()
