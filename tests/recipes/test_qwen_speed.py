"""Tests of recipes/qwen_speed.py: it runs on a CPU, and its ceiling comes from counted operations."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from analogen.relsim.vlm.tiny import TINY, random_model

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "qwen_speed.py"


def test_recipe_runs_on_a_cpu_and_counts_at_least_every_weight_once_a_token(
    capsys: pytest.CaptureFixture[str],
) -> None:
    runpy.run_path(str(RECIPE))["main"](["--tiny", "--device", "cpu"])
    found = json.loads(capsys.readouterr().out)
    model = random_model(TINY)
    tokens, patches = 16, 64  # of a picture of 112 px
    layers = sum(p.numel() for p in model.model.language_model.layers.parameters())
    blocks = sum(p.numel() for p in model.model.visual.blocks.parameters())
    least = 2 * (tokens * layers + patches * blocks) / 1e12
    assert least < found["tflop_per_image"] < 5 * least  # beside the pictures there are the words of the template
    for row in found["encoder"]:
        assert row["images_per_second"] == pytest.approx(row["share"] * found["ceiling_images_per_second"])
        assert 0 < row["share"] < 1
    memory = found["shared_base"]
    assert 2 < memory["three_bases_counted_mib"] / memory["one_base_counted_mib"] < 3
    assert all(row["rows_per_second"] > 0 for row in found["training"].values())
    assert found["weights"] == sum(p.numel() for p in model.parameters())
