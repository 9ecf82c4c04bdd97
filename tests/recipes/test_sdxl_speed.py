"""Tests of recipes/sdxl_speed.py: it runs on a CPU, and its floor comes from counted operations."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from analogen.pipelines.diffusion.full_size import meta_denoiser

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "sdxl_speed.py"


def test_recipe_runs_on_a_cpu(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--no-compile", "--repeats", "1", "--steps", "2"]
    runpy.run_path(str(RECIPE))["main"](["--tiny", "--device", "cpu", *few])
    found = json.loads(capsys.readouterr().out)
    for row in found["eager"].values():
        assert 0 < row["share"] == pytest.approx(row["floor_seconds"] / row["seconds"])
    work = found["tflop"]
    guided = 2 * 2 * work["denoiser"] + work["decoder"] + 2 * work["text"]
    assert found["eager"]["guided"]["floor_seconds"] == pytest.approx(guided / found["matmul_tflops"])
    batch, rerank = found["batch"], found["rerank"]
    assert batch["ratio"] == pytest.approx(batch["images_per_second"] / batch["stock_calls_images_per_second"])
    assert batch["images_per_second"] == pytest.approx(8 / rerank["paint_seconds"])
    assert 0 < rerank["score_share"] < 1


def test_full_size_denoiser_is_counted_on_the_meta_device() -> None:
    """At least every weight of the coarsest level once for each of its 32 x 32 places, text's keys and values aside."""
    unet = meta_denoiser("sdxl")
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        added = {"text_embeds": torch.zeros(1, 1280), "time_ids": torch.zeros(1, 6)}
        unet(torch.zeros(1, 4, 128, 128), torch.zeros(1), torch.zeros(1, 77, 2048), added_cond_kwargs=added)
    deepest = ("down_blocks.2.", "mid_block.", "up_blocks.0.")
    weights = sum(
        p.numel()
        for name, p in unet.named_parameters()
        if name.startswith(deepest) and "attn2.to_k" not in name and "attn2.to_v" not in name
    )
    least = 2 * 32 * 32 * weights
    assert least < counter.get_total_flops() < 2 * least
