"""Promises of stored modules: files of diffusers' models, loaded whole or refused with one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from analogen.pipelines.composer.denoiser import SceneDenoiser
from analogen.pipelines.composer.stored_module import CONFIG_FILE, WEIGHTS_FILE


@pytest.fixture
def folder(tiny_denoiser: SceneDenoiser, tmp_path: Path) -> Path:
    tiny_denoiser.save_pretrained(tmp_path)
    return tmp_path


def change_config(folder: Path, **changes: Any) -> None:
    stored = json.loads((folder / CONFIG_FILE).read_text())
    (folder / CONFIG_FILE).write_text(json.dumps(stored | changes))


def test_config_and_weights_come_back(tiny_denoiser: SceneDenoiser, folder: Path) -> None:
    loaded = SceneDenoiser.from_pretrained(folder)
    assert loaded.config == tiny_denoiser.config
    assert not loaded.training
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    theirs = tiny_denoiser.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in loaded.state_dict().items())


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16])
def test_weights_of_half_precision_are_float32_unless_asked_otherwise(stored: torch.dtype, folder: Path) -> None:
    weights = {name: value.to(stored) for name, value in load_file(folder / WEIGHTS_FILE).items()}
    save_file(weights, folder / WEIGHTS_FILE)
    assert SceneDenoiser.from_pretrained(folder).dtype == torch.float32
    assert SceneDenoiser.from_pretrained(folder, torch_dtype=torch.float16).dtype == torch.float16


def test_what_composers_of_0_2_have_more_is_left_out(folder: Path) -> None:
    change_config(folder, num_plus_tokens=4)
    weights = load_file(folder / WEIGHTS_FILE)
    save_file({**weights, "plus.weight": torch.zeros(2)}, folder / WEIGHTS_FILE)
    assert "num_plus_tokens" not in SceneDenoiser.from_pretrained(folder).config


def test_missing_weights_are_named(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS_FILE)
    del weights["head.bias"]
    save_file(weights, folder / WEIGHTS_FILE)
    with pytest.raises(ValueError, match=r"lacks 1 weights, such as head\.bias"):
        SceneDenoiser.from_pretrained(folder)


@pytest.mark.parametrize("changes", [{"dim": 64}, {"dim": "x"}, {"depth": None}])
def test_settings_that_do_not_fit_are_refused_in_one_line(changes: dict[str, Any], folder: Path) -> None:
    change_config(folder, **changes)
    with pytest.raises(ValueError, match="SceneDenoiser") as caught:
        SceneDenoiser.from_pretrained(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"), [(CONFIG_FILE, "{"), (CONFIG_FILE, "[]"), (WEIGHTS_FILE, "x"), (WEIGHTS_FILE, None)]
)
def test_damaged_and_missing_files_are_refused(name: str, content: str | None, folder: Path) -> None:
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(ValueError, match=str(folder)):
        SceneDenoiser.from_pretrained(folder)
