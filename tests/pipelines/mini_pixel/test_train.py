"""Promises of mini-pixel's training: a folder that is a stock pipeline, from nothing."""

from __future__ import annotations

import dataclasses
import json
import runpy
import tomllib
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from analogen.models import find_model
from analogen.pipelines.adapter_training.train import prepare
from analogen.pipelines.mini_pixel.train import (
    PixelSettings,
    as_tensor,
    embed_prompts,
    load_text_encoder,
    new_autoencoder,
    new_unet,
    read_drawings,
    run,
    train_autoencoder,
)
from analogen.relsim.config import read_settings
from analogen.relsim.world.dataset import trained_relations, training_selection

TINY = {
    "count": "12", "size": "64", "relations": "grid,bullseye", "subjects": "apple,star", "styles": "noto", "crop": "16",
    "coder_widths": "8,8,8", "coder_steps": "30", "coder_batch_size": "8", "widths": "8,8,8", "head_dim": "8",
    "steps": "2", "batch_size": "2", "threads": "1", "words": "8",
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pixel")
    return run(None, {**TINY, "data": str(folder / "data"), "output": str(folder / "model")})


def test_folder_is_a_pipeline_of_diffusers_alone(model: Path) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(str(model), dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    made = pipeline(["a grid of apples", "an apple"], width=64, height=64, num_inference_steps=2).images
    assert [image.size for image in made] == [(64, 64)] * 2
    assert made[0].tobytes() != made[1].tobytes()
    words = pipeline.encode_prompt("rows of apples", "cpu", 1, False)[0]
    own = embed_prompts(*load_text_encoder(8), ["rows of apples"])
    torch.testing.assert_close(words.float(), own.float(), atol=2e-3, rtol=1e-2)
    assert json.loads((model / "settings.json").read_text())["relations"] == "grid,bullseye"


def test_it_is_named_by_its_folder_and_makes_its_own_size(model: Path) -> None:
    assert find_model(str(model)).side_px == 64


def test_adapter_is_trained_on_it_as_on_any_other(model: Path, tmp_path: Path) -> None:
    more = {"output": str(tmp_path / "adapter"), "steps": "1", "batch_size": "2", "sample_every": "1", "samples": "1"}
    training = prepare(
        Path(__file__).parents[3] / "pipelines" / "adapter_training" / "presets" / "adapter-pixel-cpu.toml",
        {"base": str(model), "data": str(model.parent / "data"), "sample_steps": "1", **more},
    )
    assert training.size == 64
    assert (training.run() / "ip_adapter.safetensors").is_file()


def test_coder_learns_what_it_is_shown(model: Path) -> None:
    pictures = read_drawings(model.parent / "data").pictures[:1]
    settings = PixelSettings(coder_widths="8,8,8", coder_steps=1, coder_batch_size=8, crop=16, warmup=0, threads=1)

    def error(steps: int) -> float:
        autoencoder = train_autoencoder(pictures, dataclasses.replace(settings, coder_steps=steps), None)
        with torch.no_grad():
            clean = as_tensor(pictures)
            return float((autoencoder(clean).sample - clean).abs().mean())  # type: ignore[operator]

    assert error(60) < 0.8 * error(1)


def test_rows_without_relation_never_say_it(model: Path) -> None:
    drawings = read_drawings(model.parent / "data")
    assert len(drawings.relation_prompts) == len(drawings.subject_prompts) == len(drawings.pictures) == 12
    assert set(drawings.subject_prompts) <= {"an apple", "a star"}
    assert all(worded not in drawings.subject_prompts for worded in drawings.relation_prompts)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 60}, "size=60, crop=32: expected multiples"),
        ({"widths": "30,96"}, "expected multiples of 8"),
        ({"coder_widths": "16,32"}, "expected 3 numbers"),
        ({"worded": 1.5}, "expected 0 to 1"),
    ],
)
def test_settings_that_make_no_model_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PixelSettings(**wrong)  # type: ignore[arg-type]


def test_recipe_goes_from_nothing_to_its_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = {**TINY, "data": str(tmp_path / "data"), "output": str(tmp_path / "model"), "coder_steps": "2"}
    own = {"output": str(tmp_path / "adapter"), "steps": "1", "batch_size": "2", "sample_every": "0", "save_every": "1"}
    arguments = [part for key, value in base.items() for part in ("--set", f"{key}={value}")]
    arguments += [part for key, value in own.items() for part in ("--set-adapter", f"{key}={value}")]
    recipe = runpy.run_path(str(Path(__file__).parents[3] / "recipes" / "train_mini_pixel.py"))
    more = ["--each", "2", "--steps", "1", "--curve", "--sheet", str(tmp_path / "sheet.png")]
    recipe["main"](["--size", "cpu", *arguments, *more])
    table = json.loads(capsys.readouterr().out)
    assert (table["pictures"], table["relations"], table["chance"]) == (4, 2, 0.5)
    assert table["drawings"] > table["adapter"]  # the judge reads the drawings, and nothing was learned in a step
    assert {"scale 0", "caption bridge", "adapter and bridge"} < set(table)
    assert (tmp_path / "sheet.png").is_file()
    assert {"scale 0", "drawings", "adapter"} < set(table["subjects"])
    assert [row["scale"] for row in table["curve"]] == [0.0, 0.25, 0.5, 0.75, 1.0, 1.5]
    assert table["curve"][0]["relation"] == table["scale 0"]
    assert "balanced" in table
    settings = PixelSettings(**{k: (int(v) if v.isdigit() else v) for k, v in TINY.items()})  # type: ignore[arg-type]
    assert all(task.relation in ("grid", "bullseye") for task in recipe["draw_tasks"](settings, 1))


def test_strength_is_balanced_where_relation_and_subject_have_lost_as_much() -> None:
    recipe = runpy.run_path(str(Path(__file__).parents[3] / "recipes" / "train_mini_pixel.py"))
    shares = [(0.0, 0.1, 0.8), (0.5, 0.4, 0.8), (1.0, 0.8, 0.4), (1.5, 0.8, 0.2)]
    curve = [{"scale": scale, "relation": relation, "subject": subject} for scale, relation, subject in shares]
    assert recipe["balanced_scale"](curve) == pytest.approx(0.75)
    assert recipe["balanced_scale"]([{**row, "relation": 0.0} for row in curve]) is None


@pytest.mark.parametrize("size", ["cpu", "cpu-30", "gpu"])
def test_presets_name_what_training_may_see_and_fit_each_other(size: str) -> None:
    presets = Path(__file__).parents[3] / "pipelines"
    settings = read_settings(PixelSettings, presets / "mini_pixel" / "presets" / f"pixel-{size}.toml")
    assert set(settings.kinds) <= {relation.id for relation in trained_relations()}
    adapter = tomllib.loads((presets / "adapter_training" / "presets" / f"adapter-pixel-{size}.toml").read_text())
    assert (adapter["base"], adapter["data"]) == (settings.output, settings.data)
    if size == "cpu-30":
        assert set(settings.selection.subjects) <= set(training_selection().subjects)
        assert (len(settings.kinds), len(settings.selection.subjects)) == (30, 16)


def test_model_of_the_accelerator_can_be_shipped() -> None:
    """120 MB at most, in 16 bit, MiniLM's 22.7 million parameters included."""
    preset = Path(__file__).parents[3] / "pipelines" / "mini_pixel" / "presets" / "pixel-gpu.toml"
    settings = read_settings(PixelSettings, preset)
    with torch.device("meta"):
        count = sum(p.numel() for model in (new_unet(settings), new_autoencoder(settings)) for p in model.parameters())
    assert 2 * (count + 22.7e6) < 120e6
